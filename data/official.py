"""What a data set of VTAB is: its examples' keys and labels, and the slices of the official order that VTAB takes.

Each data set is declared once, in `data/vtab/`. Sources that start from different files (`original.py` from what its
owners publish, `prepared.py` from a folder of tensorflow-datasets, `hub.py`) read it through that one declaration, so
they give the same examples in the same order with the same digests.
"""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from .decode import FORMATS
from .order import Key, official_order, slice_of
from .task import DataError, Split

SAMPLE = {"train": (0, 800), "val": (800, 1000)}
"""How a replicate's 1000 examples are shared out."""
THOUSAND = 1000
LOSSY = ("JPEG", "MPO")


@dataclass(frozen=True)
class Examples:
    """All examples of one split of tensorflow-datasets, in whatever order the files have them.

    Attributes:
        keys: what tensorflow-datasets calls each, unique.
        labels: int64, shape (n,), by the task's rule.
        read: index -> encoded image bytes as published, or a uint8 array (height, width, 3) where it is published
            as an array.
        files: the file that holds each example, or one file that holds them all.
    """

    keys: Sequence[Key]
    labels: np.ndarray
    read: Callable[[int], bytes | np.ndarray]
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Remote:
    """A file that the owners of a data set, or a mirror, serve.

    Attributes:
        urls: where it can be had, tried in order.
        name: what it is called on disk, below the data set's folder.
        digest: "md5:..." or "sha256:...", or "" if none was ever published.
        size: bytes.
        unpack: whether it is an archive whose members go into the data set's folder.
    """

    urls: tuple[str, ...]
    name: str
    digest: str
    size: int
    unpack: bool = True


class DataSet(ABC):
    """One data set of VTAB. Subclasses are frozen dataclasses; a field chooses among its tasks, if it has several.

    The class attributes say what does not depend on anybody's files.

    Attributes:
        names: folders it is looked for in, below the data folder.
        builder: its name, configuration and version in tensorflow-datasets, such as "eurosat/rgb:2.0.0".
        versions: other major versions there that have the same examples, such as "3".
        counts: number of examples of each split there.
        newer_counts: another number that later versions have of a split, with the same slices for VTAB.
        train, val, test: the slices VTAB takes, in the syntax of tensorflow-datasets.
        remotes: what `make data` downloads.
        terms: whose terms of use apply, with the page that states them.
        by_hand: what a person must do before it can be read, where no download is possible.
        inexact: why the official examples cannot be rebuilt from the owners' files, and which source has them; "" if
            they can.
        preparing: modules that its builder in tensorflow-datasets needs.
        encoded: whether the owners publish encoded images, whose bytes are kept as they are; otherwise arrays.
    """

    names: ClassVar[tuple[str, ...]]
    builder: ClassVar[str]
    versions: ClassVar[tuple[str, ...]] = ()
    counts: ClassVar[Mapping[str, int]]
    newer_counts: ClassVar[Mapping[str, int]] = {}
    train: ClassVar[str] = "train[:800]"
    val: ClassVar[str]
    test: ClassVar[str] = "test"
    remotes: ClassVar[tuple[Remote, ...]] = ()
    terms: ClassVar[str] = ""
    by_hand: ClassVar[str] = ""
    inexact: ClassVar[str] = ""
    preparing: ClassVar[tuple[str, ...]] = ("tensorflow",)
    encoded: ClassVar[bool] = True

    @abstractmethod
    def missing(self, folder: Path) -> str | None:
        """Return None if the owners' files are in `folder`, else what is missing; quick."""

    @abstractmethod
    def examples(self, folder: Path, split: str) -> Examples:
        """Read the owners' files of one split of tensorflow-datasets; no image is decoded.

        Raises:
            DataError: a file is missing or bad; the message names it.
        """

    @abstractmethod
    def key(self, features: Mapping[str, Any]) -> Key | None:
        """Return the key of an example as tensorflow-datasets serves it.

        Args:
            features: without the image.

        Returns:
            The key; None if the example does not say it, as in older versions of data sets whose keys are numbers.
        """

    @abstractmethod
    def label(self, features: Mapping[str, Any]) -> int:
        """Return the task's label of an example as tensorflow-datasets serves it."""

    def numbers(self, split: str) -> range | None:
        """Return the keys of a split where they are plain numbers, so that the order is known without any file."""
        return None

    def known_keys(self, split: str) -> Sequence[Key] | None:
        """Return the keys of a split where they follow from its size, so that the order is known without any file."""
        return self.numbers(split)

    def array(self, image: np.ndarray) -> np.ndarray:
        """Return an array as tensorflow-datasets keeps it, (height, width, 1 or 3), the way `examples` gives it."""
        return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image

    def part(self, name: str, replicate: int = 0) -> tuple[str, int, int]:
        """Return (split of tensorflow-datasets, start, stop) of train, val or test.

        Args:
            name: the part.
            replicate: 0 for VTAB's own slices; k for the k-th 1000 after them, 800 to train on and 200 to validate.

        Raises:
            DataError: the split is too small for that replicate.
        """
        if name == "test" or replicate == 0:
            return slice_of({"train": self.train, "val": self.val, "test": self.test}[name], self.counts)
        last = self.replicates
        if not 0 < replicate <= last:
            have = f"{type(self).__name__} has 0 (VTAB's own)" + (f" to {last}" if last else " only")
            raise DataError(f"replicate {replicate}: {have}; others would share images with it or with each other")
        start, stop = SAMPLE[name]
        return self.part("train")[0], THOUSAND * replicate + start, THOUSAND * replicate + stop

    @property
    def replicates(self) -> int:
        """The largest replicate: thousands of the split that train is a slice of, up to any other slice of VTAB."""
        split, _, stop = self.part("train")
        others = [start for name in ("val", "test") for where, start, _ in [self.part(name)] if where == split]
        return max(0, (min([self.counts[split], *others]) - max(stop, THOUSAND)) // THOUSAND)


def ordered(examples: Examples, split: str, expected: int) -> np.ndarray:
    """Return the official order of all examples of a split, as indices.

    Raises:
        DataError: the split has not the number of examples that slices of it were defined for.
    """
    if len(examples.keys) != expected:
        where = f" in {os.path.commonpath([path.parent for path in examples.files])}" if examples.files else ""
        raise DataError(
            f"split {split} has {len(examples.keys)} examples{where}, expected {expected}: with others, the official "
            "order is another; get the data set as it is published, no more and no less, or read a copy in the vtab-1k "
            "layout with source=folder"
        )
    return official_order(split, examples.keys)


def pick(examples: Examples, split: str, start: int, stop: int, expected: int) -> Split:
    """Return a slice of the official order of all examples of a split, of which there must be `expected`."""
    return taken(examples, split, ordered(examples, split, expected)[start:stop])


def taken(examples: Examples, split: str, chosen: np.ndarray) -> Split:
    """Return the examples of a split with these indices."""
    files = examples.files
    return Split(
        keys=tuple(text_of(split, examples.keys[i]) for i in chosen),
        labels=examples.labels[chosen],
        read=lambda i: examples.read(int(chosen[i])),
        files=tuple(files[i] for i in chosen) if len(files) == len(examples.keys) else files,
    )


def text_of(split: str, key: Key) -> str:
    """Return a key that is unique over all splits."""
    return f"{split}/{key.decode() if isinstance(key, bytes) else key}"


def position(split: str, place: int) -> str:
    """Return what an example is called of which only the place in the official order is known, or assumed."""
    return f"{split}[{place}]"


def as_published(dataset: DataSet, image: bytes) -> bytes | np.ndarray:
    """Return an encoded image the way `dataset.examples` gives it: as it is, or as the array that it encodes.

    Raises:
        ValueError: the data set is published as arrays, and this encoding has lost some of them.
    """
    if dataset.encoded:
        return image
    with Image.open(io.BytesIO(image), formats=FORMATS) as found:
        if found.format in LOSSY:
            raise ValueError(f"{found.format} has lost what the data set was published as, arrays")
        array = np.asarray(found if found.mode in ("L", "RGB") else found.convert("RGB"))
    return dataset.array(array if array.ndim == 3 else array[..., None])
