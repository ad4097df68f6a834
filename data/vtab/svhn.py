"""SVHN, cropped: house numbers seen from the street, one digit in the middle (Netzer et al., 2011)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..official import DataSet, Examples, Remote
from ..task import DataError
from .arrays import held, number
from .files import lacking, variable

URL = "http://ufldl.stanford.edu/housenumbers/"


@dataclass(frozen=True)
class SVHN(DataSet):
    """99,289 images of 32 x 32 pixels in two MATLAB files; a key is an image's number in its file.

    Odd: the files call the digit 0 by 10; here it is class 0. The half million images of the third split, extra, are
    no part of VTAB.
    """

    names: ClassVar[tuple[str, ...]] = ("svhn", "svhn_cropped", "SVHN")
    builder: ClassVar[str] = "svhn_cropped:3.1.0"
    counts: ClassVar[Mapping[str, int]] = {"train": 73257, "test": 26032}
    val: ClassVar[str] = "train[65931:66131]"
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            urls=(URL + "train_32x32.mat",),
            name="train_32x32.mat",
            digest="sha256:435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            size=182040794,
            unpack=False,
        ),
        Remote(
            urls=(URL + "test_32x32.mat",),
            name="test_32x32.mat",
            digest="sha256:cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            size=64275384,
            unpack=False,
        ),
    )
    terms: ClassVar[str] = f"Stanford University, for non-commercial use: {URL}"
    encoded: ClassVar[bool] = False

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        return lacking(folder, ("train_32x32.mat", "test_32x32.mat"), "SVHN's cropped digits")

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        path = folder / f"{split}_32x32.mat"
        labels = _labels(path)
        images = held(_images, path)
        return Examples(range(len(labels)), labels, lambda i: np.ascontiguousarray(images()[..., i]), (path,))

    def key(self, features: Mapping[str, Any]) -> int | None:  # noqa: D102
        return number(features)

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])

    def numbers(self, split: str) -> range:  # noqa: D102
        return range(self.counts[split])


def _labels(path: Path) -> np.ndarray:
    digits = variable(path, "y").ravel().astype(np.int64)
    if len(digits) and not 1 <= digits.min() <= digits.max() <= 10:
        raise DataError(f"{path}: digits from {digits.min()} to {digits.max()}, expected 1 to 10")
    return digits % 10


def _images(path: Path) -> np.ndarray:  # (32, 32, 3, n), an image's values next to each other
    images = variable(path, "X")
    if images.dtype != np.uint8 or images.shape[:3] != (32, 32, 3):
        raise DataError(f"{path}: images are {images.dtype} {images.shape}, expected uint8 (32, 32, 3, n)")
    return images
