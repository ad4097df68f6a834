"""ImageNet's validation images and the four sets that NOAH (Zhang et al., 2022) generalises to, by NOAH's lists.

Labels are ImageNet's 0 to 999 in all of them, in the order of the synsets' names. ImageNet-A and -R are of 200 classes
each, 86 of them shared; NOAH chooses among all 1000 there, as do GLoRA and the tables that quote it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from .folder import Entry, files_below, parse
from .noah import DATA_SETS, DataSet
from .obtain import Delivery
from .official import Remote
from .task import DataError, Source, Split

LIST = "val_meta.list"


def _shifted(lists: str, names: tuple[str, ...], proof: str = "", archive: Remote | None = None) -> DataSet:
    archives = (archive,) if archive else ()
    return DataSet(lists, names, (".",), proof, archives=archives, suite="domain-generalization", test=LIST)


TEST_SETS = {
    "val": DataSet("imagenet", DATA_SETS["imagenet"].names, ("images/val", "val"), test=LIST),
    "v2": _shifted(
        "imagenetv2",
        ("imagenetv2", "."),
        "imagenetv2-matched-frequency-format-val",
        Remote(
            (
                "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main/imagenetv2-matched-frequency.tar.gz",
                "https://s3-us-west-2.amazonaws.com/imagenetv2public/imagenetv2-matched-frequency.tar.gz",
            ),
            "imagenetv2-matched-frequency.tar.gz",
            digest="",
            size=0,
        ),
    ),
    "sketch": _shifted("imagenet-sketch", ("imagenet-sketch", "ImageNet-Sketch", "imagenet-sketch/sketch", "sketch")),
    "a": _shifted(
        "imagenet-adversarial",
        ("imagenet-adversarial", "."),
        "imagenet-a",
        Remote(
            ("https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar",),
            "imagenet-a.tar",
            digest="md5:c3e55429088dc681f30d81f4726b6595",  # as loaders in circulation have it
            size=687_552_512,
        ),
    ),
    "r": _shifted(
        "imagenet-rendition",
        ("imagenet-rendition", "."),
        "imagenet-r",
        Remote(
            ("https://people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar",),
            "imagenet-r.tar",
            digest="md5:a61312130a589d0ca1a8fca1f2bd3337",  # as above
            size=0,
        ),
    ),
}
"""Folders are called as NOAH and CoOp call them; those of V2, A and R may also lie in the data folder as unpacked."""


@dataclass(frozen=True)
class ImageNetTest(Source):
    """A test set with ImageNet's labels.

    Attributes:
        dataset: one of TEST_SETS.
    """

    name: ClassVar[str] = "noah"
    dataset: str

    def __post_init__(self) -> None:
        if self.dataset not in TEST_SETS:
            raise DataError(f"no test set {self.dataset!r} of ImageNet's classes; there are {', '.join(TEST_SETS)}")

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        if root is None:
            return "give the folder that holds the data sets with DATA=... or VISIONPEFT_DATA"
        place = TEST_SETS[self.dataset]
        if reason := place.lacking(root):
            return reason
        folder = place.annotations(root)
        assert folder is not None
        first = next(parse(folder / LIST), None)
        if first is None:
            return f"{folder / LIST} is empty"
        if _layout(place, root, first) is None:
            below = "" if place.images[0] == "." else f"{place.images[0]}/"
            return f"no image {place.names[0]}/{below}{first.key} in {root}"
        return None

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        if root is None or (problem := self.missing(root)):
            raise DataError(str(problem if root else self.missing(None)))
        place = TEST_SETS[self.dataset]
        annotations = place.annotations(root)
        assert annotations is not None
        entries = list(parse(annotations / LIST))
        layout = _layout(place, root, entries[0])
        assert layout is not None
        files = files_below(layout.folder, [(entry.place, layout.path(entry)) for entry in entries])
        return Split(
            keys=tuple(entry.key for entry in entries),
            labels=np.array([entry.label for entry in entries], dtype=np.int64),
            read=lambda i: files[i].read_bytes(),
            files=files,
            places=tuple(entry.place for entry in entries),
        )

    def delivery(self, root: Path) -> Delivery:  # noqa: D102
        return TEST_SETS[self.dataset].delivery(root, lambda: self.missing(root))


@dataclass(frozen=True)
class _Layout:
    """Where the images lie.

    Attributes:
        folder: what the list's paths are relative to.
        synsets: folders of the classes, where images that the list names without one lie in such.
        bare: whether the first folder of the list's paths is not there, as ImageNet-Sketch unpacks.
    """

    folder: Path
    synsets: tuple[str, ...] = ()
    bare: bool = False

    def path(self, entry: Entry) -> str:
        if 0 <= entry.label < len(self.synsets):
            return f"{self.synsets[entry.label]}/{entry.key}"
        return entry.key.partition("/")[2] if self.bare else entry.key


def _layout(place: DataSet, root: Path, first: Entry) -> _Layout | None:
    """Return where the images are; None if the first of the list is not there."""
    nested = "/" in first.key
    layouts = [_Layout(folder) for folder in place.folders(root)]
    layouts += [
        _Layout(one.folder, bare=True) if nested else _Layout(one.folder, _subfolders(one.folder)) for one in layouts
    ]
    return next((layout for layout in layouts if (layout.folder / layout.path(first)).is_file()), None)


def _subfolders(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
