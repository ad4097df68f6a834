"""dSprites: one white shape on black, in all combinations of form, size, angle and place (Matthey et al., 2017)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ..official import DataSet, Examples, Remote
from ..task import DataError
from .arrays import held, number, rgb

NAME = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"
SIDE = 64
BLOCK = 4096
"""Images unpacked at a time, 4 KiB each."""
CLASSES = 16
FACTORS = {"location": (4, 32, "label_x_position"), "orientation": (3, 40, "label_orientation")}
"""Task: column in the owners' table of classes, number of values, name in tensorflow-datasets."""
LATENTS = {"shape": 3, "scale": 6, "orientation": 40, "x_position": 32, "y_position": 32}
"""Factor: number of values; the images are all combinations in turn, the last factor changes fastest."""


@dataclass(frozen=True)
class DSprites(DataSet):
    """737,280 images of 64 x 64 binary pixels in one file, .npz or .hdf5; a key is an image's number in it.

    Odd: there is one split only, so VTAB's val and test are slices of it. 32 places and 40 angles become 16 classes,
    of 2 places each but of 3 and 2 angles in turn. Unpacked, the images are 3 GB; they are read in blocks and kept
    at one bit per pixel, which is 377 MB.

    Attributes:
        task: what is predicted, the horizontal location or the orientation.
    """

    names: ClassVar[tuple[str, ...]] = ("dsprites", "dsprites-dataset")
    builder: ClassVar[str] = "dsprites:2.0.0"
    counts: ClassVar[Mapping[str, int]] = {"train": 737280}
    val: ClassVar[str] = "train[589824:590024]"
    test: ClassVar[str] = "train[663552:]"
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            urls=(
                f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{NAME}.hdf5",
                f"https://github.com/deepmind/dsprites-dataset/blob/master/{NAME}.hdf5?raw=true",
            ),
            name=f"{NAME}.hdf5",
            digest="sha256:729fa22e884c9c500e1f17415d580746b4c5894fbbb780a1319bbcfa39a745bb",
            size=28024106,
            unpack=False,
        ),
    )
    terms: ClassVar[str] = "DeepMind, zlib/libpng licence: https://github.com/google-deepmind/dsprites-dataset"
    encoded: ClassVar[bool] = False
    task: Literal["location", "orientation"]

    def __post_init__(self) -> None:
        if self.task not in FACTORS:
            raise DataError(f"task {self.task!r} of dSprites, expected location or orientation")

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        return None if _file(folder).exists() else f"{folder} lacks {NAME}.npz or {NAME}.hdf5 of dSprites"

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        path = _file(folder)
        column, values, _ = FACTORS[self.task]
        labels = binned(_classes(path)[:, column], values)
        bits = held(_bits, path)

        def read(i: int) -> np.ndarray:
            return rgb(np.unpackbits(bits()[i]).reshape(SIDE, SIDE) * 255)

        return Examples(range(len(labels)), labels, read, (path,))

    def key(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        known = number(features)
        if known is None:  # the factors determine it
            known = 0
            for name, values in LATENTS.items():
                known = known * values + int(features[f"label_{name}"])
        return known

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        _, values, name = FACTORS[self.task]
        return int(binned(np.asarray(features[name]), values))

    def array(self, image: np.ndarray) -> np.ndarray:  # noqa: D102
        return rgb(image[..., 0] * 255)

    def numbers(self, split: str) -> range:  # noqa: D102
        return range(self.counts[split])


def binned(classes: np.ndarray, values: int) -> np.ndarray:
    """Return which of 16 equal parts of the range 0 to `values` each class lies in: floor(class / (values / 16))."""
    return np.asarray(classes, np.int64) * CLASSES // values


def _file(folder: Path) -> Path:
    compressed = folder / f"{NAME}.npz"
    return compressed if compressed.exists() else folder / f"{NAME}.hdf5"


def _classes(path: Path) -> np.ndarray:  # (n, 6): colour, shape, scale, orientation, x, y
    try:
        if path.suffix == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return arrays["latents_classes"]
        with _hdf5(path) as file:
            return file["latents"]["classes"][...]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read ({error!r:.200})") from None


def _bits(path: Path) -> np.ndarray:  # (n, 512)
    """Read all images, one bit per pixel."""
    bits = np.empty((len(_classes(path)), SIDE * SIDE // 8), np.uint8)
    done = 0
    try:
        for block in _unzipped(path) if path.suffix == ".npz" else _from_hdf5(path):
            if block.max(initial=0) > 1:
                raise ValueError(f"a pixel has the value {block.max()}, expected 0 or 1")
            bits[done : done + len(block)] = np.packbits(block.reshape(-1, SIDE * SIDE), axis=1)
            done += len(block)
        if done != len(bits):
            raise ValueError(f"{done} images, but {len(bits)} rows of classes")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read ({error!r:.200})") from None
    return bits


def _unzipped(path: Path) -> Iterator[np.ndarray]:
    """Yield the images of an .npz, a block at a time; numpy itself would unpack 3 GB at once."""
    with zipfile.ZipFile(path) as archive, archive.open("imgs.npy") as file:
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = header(file)
        if shape[1:] != (SIDE, SIDE) or fortran or dtype != np.uint8:
            raise ValueError(f"images are {dtype} {shape}, expected uint8 (n, {SIDE}, {SIDE})")
        for start in range(0, shape[0], BLOCK):
            count = min(BLOCK, shape[0] - start)
            yield np.frombuffer(file.read(count * SIDE * SIDE), np.uint8).reshape(count, SIDE, SIDE)


def _from_hdf5(path: Path) -> Iterator[np.ndarray]:
    with _hdf5(path) as file:
        images = file["imgs"]
        for start in range(0, len(images), BLOCK):
            yield images[start : start + BLOCK]


def _hdf5(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise DataError("dSprites' .hdf5 needs h5py; pip install 'visionpeft[data]', or take the .npz") from None
    return h5py.File(
        path, "r", locking=False, rdcc_nbytes=1 << 26, rdcc_nslots=100_003
    )  # room for the chunks of a whole block
