"""What is learnt from: a task is a value, a source says where its images are, a split is an ordered list."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

SPLITS = ("train", "val", "trainval", "test")
"""`trainval` is train followed by val; `test` is read once, after training."""


class DataError(ValueError):
    """Data that is missing or bad; the message says what was expected, what was found and what to do."""


@dataclass(frozen=True)
class Split:
    """The examples of one split, in order.

    Attributes:
        keys: what names each example, unique within the split (a path in the folder layout).
        labels: int64, shape (n,).
        read: index -> encoded image bytes (anything PIL opens) or a uint8 array (height, width, 3).
        files: the file behind each example, for messages and the cache's fingerprint; empty if there is none.
        places: for messages, where each label is stated, such as train.txt:12; empty if the keys say enough.
        upright: whether to turn images as their EXIF orientation says; the official VTAB decoders ignore it.
    """

    keys: tuple[str, ...]
    labels: np.ndarray
    read: Callable[[int], bytes | np.ndarray]
    files: tuple[Path, ...] = ()
    places: tuple[str, ...] = ()
    upright: bool = False

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def digest(self) -> str:
        """sha256 over the sorted (key, label) pairs: equal for the same examples in any order."""
        return _digest(sorted(zip(self.keys, self.labels.tolist(), strict=True)))

    @property
    def order(self) -> str:
        """sha256 over the (key, label) pairs as they come."""
        return _digest(zip(self.keys, self.labels.tolist(), strict=True))


def _digest(pairs: Iterable[tuple[str, int]]) -> str:
    text = "".join(f"{key}\t{label}\n" for key, label in pairs)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


class Source(ABC):
    """A place a task's images can come from. Subclasses are frozen dataclasses, listed in the task's yaml."""

    name: ClassVar[str]
    """The data flavour as logs and records show it: folder, original, tfds, hub, rendered, ..."""

    @property
    def sample(self) -> int:
        """Which of several training sets this reads, 0 if there is one only; part of the run, like the seed."""
        return 0

    @abstractmethod
    def missing(self, root: Path | None) -> str | None:
        """Return None if the data is there, else one sentence on what is missing and what to do; quick."""

    @abstractmethod
    def split(self, root: Path | None, name: str) -> Split:
        """Read the list of one split, "train", "val" or "test"; no image is decoded.

        Raises:
            DataError: a bad list; the message names file and line.
        """


@dataclass(frozen=True)
class Task:
    """One classification task of a suite.

    Attributes:
        name: canonical name, such as caltech101; unique within its suite.
        suite: vtab, fewshot, mini, ...; a table has one column per task of a suite.
        group: natural, specialized, structured, ...
        num_classes: labels run from 0 to num_classes - 1.
        sizes: expected number of examples of train, val and test.
        sources: where it can be read from; the first one present is used.
        description: one line for `make list`.
    """

    name: str
    suite: str
    group: str
    num_classes: int
    sizes: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(self.sources))  # a yaml hands over a list
        for what in ("name", "suite", "group"):  # they become file names
            if not re.fullmatch(r"\w[\w.-]{0,60}", value := getattr(self, what)):
                raise DataError(f"{what} may have letters, digits, dots and dashes, got {value!r}")
        if self.suite == "failed" or not 0 < self.num_classes < 1_000_000:
            raise DataError(
                f"suite {self.suite!r} with {self.num_classes} classes: expected another name, 1 to 999,999"
            )


def find(task: Task, root: Path | None, source: str | None = None) -> Source:
    """Return the first of a task's sources whose data is there, or the one called `source`.

    Raises:
        DataError: none is there; the message lists what each of them misses.
    """
    asked = [candidate for candidate in task.sources if source in (None, candidate.name)]
    if not asked:
        names = ", ".join(dict.fromkeys(candidate.name for candidate in task.sources))
        raise DataError(
            f"{task.suite} task {task.name} cannot be read from source {source!r}; it has {names}"
            if names
            else f"{task.suite} task {task.name} has no source to read it from yet"
        )
    reasons = []
    for candidate in asked:
        if (reason := candidate.missing(root)) is None:
            return candidate
        reasons.append(f"{candidate.name}: {reason}")
    raise DataError(f"no data for {task.suite} task {task.name}: {'; '.join(reasons)}")


def load(task: Task, source: Source, root: Path | None, name: str) -> Split:
    """Read and check one split; no image is decoded.

    Labels must fit the task, keys must be unique, and test shares no example with train or val. A number of
    examples that differs from the task's is no error: the caller records both.

    Raises:
        DataError: a bad list; the message names file and line.
    """
    if name not in SPLITS:
        raise DataError(f"no split {name!r}; expected one of {', '.join(SPLITS)}")
    if name == "trainval":
        train, val = source.split(root, "train"), source.split(root, "val")
        return _checked(task, name, _joined(train, val))
    split = _checked(task, name, source.split(root, name))
    if name == "test":
        for other in ("train", "val"):
            _apart(task, split, other, source.split(root, other))
    return split


def _joined(first: Split, second: Split) -> Split:
    size = len(first)
    return Split(
        keys=first.keys + second.keys,
        labels=np.concatenate([first.labels, second.labels]),
        read=lambda i: first.read(i) if i < size else second.read(i - size),
        files=first.files + second.files,
        places=first.places + second.places,
        upright=first.upright,
    )


def _checked(task: Task, name: str, split: Split) -> Split:
    if not len(split):
        raise DataError(f"{task.suite} task {task.name}: split {name} is empty")
    places = split.places or split.keys
    outside = np.flatnonzero((split.labels < 0) | (split.labels >= task.num_classes))
    if len(outside):
        i = int(outside[0])
        raise DataError(
            f"{places[i]}: label {split.labels[i]} of {split.keys[i]}, expected 0 to {task.num_classes - 1}"
            f"{more(len(outside))}; task {task.name} has {task.num_classes} classes"
        )
    seen: dict[str, int] = {}
    for i, key in enumerate(split.keys):
        if seen.setdefault(key, i) != i:
            first = places[seen[key]]
            raise DataError(f"{places[i]}: {key} was listed before ({first}); list each image once")
    return split


def _apart(task: Task, test: Split, name: str, other: Split) -> None:
    places = dict(zip(other.keys, other.places or other.keys, strict=True))
    shared = [key for key in test.keys if key in places]
    if shared:
        raise DataError(
            f"{places[shared[0]]}: {shared[0]} is in {name} and in test{more(len(shared))}; "
            f"task {task.name} would be scored on images it learnt from"
        )


def more(count: int) -> str:
    """Return " (and n more)" for messages that name the first of several."""
    return f" (and {count - 1} more)" if count > 1 else ""
