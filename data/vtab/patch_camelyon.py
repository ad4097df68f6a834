"""PatchCamelyon: sections of lymph nodes, with tumour in the centre or without (Veeling et al., 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..official import DataSet, Examples, Remote
from ..task import DataError
from .arrays import held
from .files import lacking, plain

PARTS = {"train": "train", "validation": "valid", "test": "test"}
"""Split: what the files and the keys call it."""
NAME = "camelyonpatch_level_2_split"
SHAPES = {"x": (96, 96, 3), "y": (1, 1, 1)}
"""Of an image, of a label."""


def _remote(name: str, digest: str, size: int) -> Remote:
    url = f"https://zenodo.org/record/2546921/files/{NAME}_{name}.h5.gz"
    return Remote((url,), f"{NAME}_{name}.h5.gz", f"sha256:{digest}", size)


@dataclass(frozen=True)
class PatchCamelyon(DataSet):
    """327,680 images of 96 x 96 pixels in HDF5 files; a key is the part and the number in it: valid_17."""

    names: ClassVar[tuple[str, ...]] = ("patch_camelyon", "pcam", "PCAM")
    builder: ClassVar[str] = "patch_camelyon:2.0.0"
    counts: ClassVar[Mapping[str, int]] = {"train": 262144, "validation": 32768, "test": 32768}
    val: ClassVar[str] = "validation[:200]"
    remotes: ClassVar[tuple[Remote, ...]] = (
        _remote("train_x", "d619e741468a7ab35c7e4a75e6821b7e7e6c9411705d45708f2a0efc8960656c", 6421353462),
        _remote("train_y", "b74126d2c01b20d3661f9b46765d29cf4e4fba6faba29c8e0d09d406331ab75a", 21378),
        _remote("valid_x", "f82ee1670d027b4ec388048d9eabc2186b77c009655dae76d624c0ecb053ccb2", 805965320),
        _remote("valid_y", "ce1ae30f08feb468447971cfd0472e7becd0ad96d877c64120c72571439ae48c", 3038),
        _remote("test_x", "79174c2201ad521602a5888be8f36ee10875f37403dd3f2086caf2182ef87245", 800875929),
        _remote("test_y", "0a522005fccc8bbd04c5a117bfaf81d8da2676f03a29d7499f71d0a0bd6068ef", 3040),
    )
    terms: ClassVar[str] = "CC0: https://github.com/basveeling/pcam"
    encoded: ClassVar[bool] = False

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        names = [f"{NAME}_{part}_{kind}.h5" for part in PARTS.values() for kind in "xy"]
        return lacking(folder, names, "PatchCamelyon (the .h5.gz files, unpacked)")

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        path, about = (folder / f"{NAME}_{PARTS[split]}_{kind}.h5" for kind in "xy")
        images, labels = held(_opened, path), held(_opened, about)
        count = _count(images(), "x", path)
        if _count(labels(), "y", about) != count:
            raise DataError(f"{path}: {count} images, but another number of labels in {about.name}")
        return Examples(
            keys=[f"{PARTS[split]}_{i}" for i in range(count)],
            labels=labels()["y"][...].reshape(-1).astype(np.int64),
            read=lambda i: images()["x"][i],
            files=(path, about),
        )

    def key(self, features: Mapping[str, Any]) -> str:  # noqa: D102
        return plain(features["id"])

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])

    def known_keys(self, split: str) -> list[str]:
        """Return the keys of a split, which follow from its size."""
        return [f"{PARTS[split]}_{i}" for i in range(self.counts[split])]


def _opened(path: Path) -> Any:
    """Open an HDF5 file; images are read from it one by one."""
    try:
        import h5py
    except ImportError:
        raise DataError("PatchCamelyon needs h5py, which is not installed; pip install 'visionpeft[data]'") from None
    try:
        return h5py.File(path, "r", locking=False)  # network drives may not have locks
    except OSError as error:
        raise DataError(f"{path}: cannot be read as HDF5 ({error})") from None


def _count(file: Any, name: str, path: Path) -> int:
    """Return the number of examples in a file, after a look at their shape."""
    shape: tuple[int, ...] = file[name].shape if name in file else ()
    if shape[1:] != SHAPES[name]:
        raise DataError(f"{path}: its {name} has shape {shape}, expected (n, {str(SHAPES[name])[1:]}")
    return shape[0]
