"""smallNORB: grey photographs of 50 toys from all sides (LeCun et al., 2004)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ..official import DataSet, Examples, Remote
from ..task import DataError
from .arrays import number, rgb
from .files import lacking

FILES = {"train": "smallnorb-5x46789x9x18x6x2x96x96-training", "test": "smallnorb-5x01235x9x18x6x2x96x96-testing"}
TYPES = {0x1E3D4C55: "u1", 0x1E3D4C54: "<i4"}
"""Magic number at the start of a binary matrix: type of its elements."""
COLUMNS = {"elevation": (1, 1, "label_elevation"), "azimuth": (2, 2, "label_azimuth")}
"""Task: column of the info file, step of its values (azimuths are 0, 2, ... 34), name in tensorflow-datasets."""
URL = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"


def _remote(name: str, digest: str, size: int) -> Remote:
    return Remote((f"{URL}{name}.mat.gz",), f"{name}.mat.gz", f"sha256:{digest}", size)


@dataclass(frozen=True)
class SmallNORB(DataSet):
    """48,600 pairs of images of 96 x 96 in binary matrices; a key is a pair's number in its file.

    Odd: VTAB's val is taken from the first half of the test split, its test is the second half, so training shows 25
    toys and the two others show 25 different ones. Of each pair the left image is used.

    Attributes:
        task: what is predicted, the azimuth (18 classes) or the elevation (9) of the camera.
    """

    names: ClassVar[tuple[str, ...]] = ("smallnorb", "norb-v1.0-small", "small_norb")
    builder: ClassVar[str] = "smallnorb:2.0.0"
    counts: ClassVar[Mapping[str, int]] = {"train": 24300, "test": 24300}
    val: ClassVar[str] = "test[:200]"
    test: ClassVar[str] = "test[50%:]"
    remotes: ClassVar[tuple[Remote, ...]] = (
        _remote(f"{FILES['train']}-dat", "5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873", 131896188),
        _remote(f"{FILES['train']}-info", "de7eb932ebe7a4ee16217fead60660d0eb3d23632c2f4d1c51f88c501c17bf32", 71052),
        _remote(f"{FILES['test']}-dat", "cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474", 130799817),
        _remote(f"{FILES['test']}-info", "16adf314226327ee006d1a44db8cfef52773c06c829951d5653a9f6f310248a2", 10428),
    )
    terms: ClassVar[str] = f"New York University, for research only: {URL}"
    encoded: ClassVar[bool] = False
    task: Literal["azimuth", "elevation"]

    def __post_init__(self) -> None:
        if self.task not in COLUMNS:
            raise DataError(f"task {self.task!r} of smallNORB, expected azimuth or elevation")

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        names = [f"{name}-{kind}.mat" for name in FILES.values() for kind in ("dat", "info")]
        return lacking(folder, names, "smallNORB (the .mat.gz files, unpacked)")

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        path, about = (folder / f"{FILES[split]}-{kind}.mat" for kind in ("dat", "info"))
        pairs, info = matrix(path), matrix(about)
        if pairs.shape[1:] != (2, 96, 96) or info.shape != (len(pairs), 4):
            raise DataError(f"{path}: shapes {pairs.shape} and {info.shape}, expected (n, 2, 96, 96) and (n, 4)")
        column, step, _ = COLUMNS[self.task]
        return Examples(
            keys=range(len(pairs)),
            labels=info[:, column].astype(np.int64) // step,
            read=lambda i: rgb(pairs[i, 0]),
            files=(path, about),
        )

    def key(self, features: Mapping[str, Any]) -> int | None:  # noqa: D102
        return number(features)

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features[COLUMNS[self.task][2]])

    def numbers(self, split: str) -> range:  # noqa: D102
        return range(self.counts[split])


def matrix(path: Path) -> np.ndarray:
    """Open one of the data set's binary matrices; the values stay on disk.

    The file starts with little-endian int32 numbers: the magic one of the type, how many dimensions there are, then
    the dimensions, at least three of them, of which those beyond the number given mean nothing.
    """
    try:
        with path.open("rb") as file:
            magic, rank = np.fromfile(file, "<i4", 2)
            if int(magic) not in TYPES or not 1 <= rank <= 8:
                raise ValueError(f"magic number {magic:#x} with {rank} dimensions")
            sizes = np.fromfile(file, "<i4", max(3, rank))
            shape = tuple(int(size) for size in sizes[:rank])
            return np.memmap(path, TYPES[int(magic)], "r", file.tell(), shape)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"{path}: no binary matrix of smallNORB, or cut short ({error})") from None
