"""Describable Textures (DTD): 47 kinds of texture, named by adjectives (Cimpoi et al., 2014)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..official import DataSet, Examples, Remote
from ..task import DataError
from .files import inside, lacking, lines, plain

CLASSES = (
    *("banded", "blotchy", "braided", "bubbly", "bumpy", "chequered", "cobwebbed", "cracked", "crosshatched"),
    *("crystalline", "dotted", "fibrous", "flecked", "freckled", "frilly", "gauzy", "grid", "grooved", "honeycombed"),
    *("interlaced", "knitted", "lacelike", "lined", "marbled", "matted", "meshed", "paisley", "perforated", "pitted"),
    *("pleated", "polka-dotted", "porous", "potholed", "scaly", "smeared", "spiralled", "sprinkled", "stained"),
    *("stratified", "striped", "studded", "swirly", "veined", "waffled", "woven", "wrinkled", "zigzagged"),
)
LISTS = {"train": "train1.txt", "validation": "val1.txt", "test": "test1.txt"}


@dataclass(frozen=True)
class DTD(DataSet):
    """5,640 JPEG files in a folder per class; a key is the path below `images`: banded/banded_0002.jpg.

    Odd: the owners publish ten divisions into train, val and test; VTAB uses the first.
    """

    names: ClassVar[tuple[str, ...]] = ("dtd", "DTD")
    builder: ClassVar[str] = "dtd:3.0.1"
    counts: ClassVar[Mapping[str, int]] = {"train": 1880, "validation": 1880, "test": 1880}
    val: ClassVar[str] = "validation[:200]"
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            urls=(
                "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",
                "https://thor.robots.ox.ac.uk/dtd/dtd-r1.0.1.tar.gz",
            ),
            name="dtd-r1.0.1.tar.gz",
            digest="sha256:e42855a52a4950a3b59612834602aa253914755c95b0cff9ead6d07395f8e205",
            size=625239812,
        ),
    )
    terms: ClassVar[str] = "University of Oxford, for research: https://www.robots.ox.ac.uk/~vgg/data/dtd/"

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        names = ["images", *(f"labels/{name}" for name in LISTS.values())]
        return lacking(inside(folder, "dtd"), names, "DTD")

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        listed = inside(folder, "dtd") / "labels" / LISTS[split]
        keys = lines(listed)
        labels = {name: label for label, name in enumerate(CLASSES)}
        if odd := [key for key in keys if key.partition("/")[0] not in labels or ".." in key]:
            raise DataError(f"{listed}: {odd[0]!r} is in none of the 47 classes' folders")
        files = tuple(inside(folder, "dtd") / "images" / key for key in keys)
        classes = np.array([labels[key.partition("/")[0]] for key in keys], np.int64)
        return Examples(keys, classes, lambda i: files[i].read_bytes(), files)

    def key(self, features: Mapping[str, Any]) -> str:  # noqa: D102
        return plain(features["file_name"])

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])
