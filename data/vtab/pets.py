"""Oxford-IIIT Pets: 37 breeds of cats and dogs (Parkhi et al., 2012)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..official import DataSet, Examples, Remote
from ..task import DataError
from .files import inside, lacking, lines, plain

LISTS = {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}
"""Lines `Abyssinian_100 1 1 1`: name, class from 1 on, cat or dog, number of the breed among its kind."""


@dataclass(frozen=True)
class Pets(DataSet):
    """7,349 JPEG files in one folder and two lists; a key is the file name: Abyssinian_100.jpg.

    Odd: a dozen files are no clean JPEG (some are PNG or GIF by another name). VTAB read version 3.2.0 of
    tensorflow-datasets, which kept their bytes, as is done here; version 4.0.0, the only one still prepared, encodes
    those twelve anew. Keys, labels and order are the same.
    """

    names: ClassVar[tuple[str, ...]] = ("oxford_iiit_pet", "oxford-iiit-pet", "pets", "oxford_pets")
    builder: ClassVar[str] = "oxford_iiit_pet:4.0.0"
    versions: ClassVar[tuple[str, ...]] = ("3",)
    counts: ClassVar[Mapping[str, int]] = {"train": 3680, "test": 3669}
    val: ClassVar[str] = "train[2944:3144]"
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            urls=(
                "https://thor.robots.ox.ac.uk/~vgg/data/pets/images.tar.gz",
                "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz",
            ),
            name="images.tar.gz",
            digest="sha256:67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
            size=791918971,
        ),
        Remote(
            urls=(
                "https://thor.robots.ox.ac.uk/~vgg/data/pets/annotations.tar.gz",
                "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz",
            ),
            name="annotations.tar.gz",
            digest="sha256:52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
            size=19173078,
        ),
    )
    terms: ClassVar[str] = "CC BY-SA 4.0: https://www.robots.ox.ac.uk/~vgg/data/pets/"

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        return lacking(inside(folder, "oxford-iiit-pet"), ("images", *LISTS.values()), "Oxford-IIIT Pets")

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        top = inside(folder, "oxford-iiit-pet")
        listed = top / LISTS[split]
        names, labels = [], []
        for line in lines(listed):
            name, *numbers = line.split(" ")
            if len(numbers) != 3 or not numbers[0].isdecimal() or "/" in name:
                raise DataError(f"{listed}: {line[:80]!r}, expected lines such as 'Abyssinian_100 1 1 1'")
            names.append(f"{name}.jpg")
            labels.append(int(numbers[0]) - 1)
        files = tuple(top / "images" / name for name in names)
        return Examples(names, np.array(labels, np.int64), lambda i: files[i].read_bytes(), files)

    def key(self, features: Mapping[str, Any]) -> str:  # noqa: D102
        return plain(features["file_name"])

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])
