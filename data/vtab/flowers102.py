"""Oxford Flowers: 102 kinds of flowers that are common in Britain (Nilsback and Zisserman, 2008)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..official import DataSet, Examples, Remote
from ..task import DataError
from .files import inside, lacking, plain, variable

URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
PARTS = {"train": "trnid", "validation": "valid", "test": "tstid"}
"""Split: what the owners' list of numbers calls it."""


@dataclass(frozen=True)
class Flowers102(DataSet):
    """8,189 JPEG files; a key is the file name: image_00297.jpg.

    Odd: train has ten images of each kind and so has validation, but test, three quarters of all images, is unbalanced.
    """

    names: ClassVar[tuple[str, ...]] = ("oxford_flowers102", "flowers102", "flowers-102", "oxford_flowers")
    builder: ClassVar[str] = "oxford_flowers102:2.1.1"
    counts: ClassVar[Mapping[str, int]] = {"train": 1020, "validation": 1020, "test": 6149}
    val: ClassVar[str] = "validation[:200]"
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            urls=(URL + "102flowers.tgz",),
            name="102flowers.tgz",
            digest="sha256:2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246",
            size=344862509,
        ),
        Remote(
            urls=(URL + "imagelabels.mat",),
            name="imagelabels.mat",
            digest="sha256:4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d",
            size=502,
            unpack=False,
        ),
        Remote(
            urls=(URL + "setid.mat",),
            name="setid.mat",
            digest="sha256:46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd",
            size=14989,
            unpack=False,
        ),
    )
    terms: ClassVar[str] = f"Visual Geometry Group, University of Oxford; no licence is stated: {URL}"

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        if reason := lacking(folder, ("imagelabels.mat", "setid.mat"), "Oxford Flowers"):
            return reason
        found = (inside(folder, "jpg") / "image_00001.jpg").is_file()
        return None if found else f"{folder} lacks the folder jpg of Oxford Flowers (102flowers.tgz)"

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        numbers, labels = _row(folder / "setid.mat", PARTS[split]), _row(folder / "imagelabels.mat", "labels")
        if len(numbers) and not 1 <= numbers.min() <= numbers.max() <= len(labels):
            raise DataError(f"{folder / 'setid.mat'}: image {numbers.max()}, but {len(labels)} labels")
        top = inside(folder, "jpg")
        keys = [f"image_{number:05d}.jpg" for number in numbers]
        files = tuple(top / key for key in keys)
        return Examples(keys, labels[numbers - 1] - 1, lambda i: files[i].read_bytes(), files)

    def key(self, features: Mapping[str, Any]) -> str:  # noqa: D102
        return plain(features["file_name"])

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])


def _row(path: Path, name: str) -> np.ndarray:
    """Return the numbers of a variable of a MATLAB file, int64, shape (n,)."""
    return variable(path, name).ravel().astype(np.int64)
