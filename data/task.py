"""What is learnt from: a task is a value, a source says where its images are, a split is an ordered list."""

from __future__ import annotations

import dataclasses
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .split import Split, joined

if TYPE_CHECKING:
    from .obtain import Delivery
    from .official import Remote

SPLITS = ("train", "val", "trainval", "test")
"""`trainval` is train followed by val, unless a source says otherwise; `test` is read once, after training."""
PLACES = ("names", "path", "lists", "seed", "repo", "revision")
"""Fields of sources that say where data is or which sample, not what it is; digests and data.sample say that."""


class DataError(ValueError):
    """Data that is missing or bad; the message says what was expected, what was found and what to do."""


class Source(ABC):
    """A place a task's images can come from. Subclasses are frozen dataclasses, listed in the task's yaml."""

    name: ClassVar[str]
    """The data flavour as logs and records show it: folder, original, tfds, hub, rendered, ..."""
    official: ClassVar[bool] = False
    """Whether it gives the examples as the task's authors defined them: their digests must be the known ones."""
    tested: ClassVar[bool] = True
    """Whether it has test images; a source for trials of settings has none."""
    replicate: int = 0
    """Which thousand of the official order it learns from; a field of the sources that have a choice."""

    @property
    def sample(self) -> int:
        """Which of several training sets this reads, 0 if there is one only; part of the run, like the seed."""
        return self.replicate

    @property
    def by_seed(self) -> bool:
        """Whether the run's seed chooses the sample, so that the seeds of a row differ in their training images."""
        return False

    @property
    def variant(self) -> str:
        """What sets its training or validation images apart from the task's usual ones; rows of tables are named so."""
        return f"replicate={self.replicate}" if self.replicate else ""

    @property
    def reading(self) -> dict[str, Any]:
        """How it was told to show its images: its fields, without those that say where they are or which sample."""
        fields = dataclasses.asdict(self)  # type: ignore[call-overload]
        return {key: value for key, value in fields.items() if key not in PLACES}

    @property
    def on_request(self) -> bool:
        """Whether it is read only when it is asked for by name, never because others are missing."""
        return False

    @abstractmethod
    def missing(self, root: Path | None) -> str | None:
        """Return None if the data is there, else one sentence on what is missing and what to do; quick."""

    @abstractmethod
    def split(self, root: Path | None, name: str) -> Split:
        """Read the list of one split, "train", "val" or "test"; no image is decoded.

        Raises:
            DataError: a bad list; the message names file and line.
        """

    def trainval(self, root: Path | None) -> Split:
        """Read all that may be learnt from; begins with train."""
        return joined(self.split(root, "train"), self.split(root, "val"))

    @property
    def published(self) -> tuple[Remote, ...]:
        """Files that it reads as they are published, whose digests are known: lists of labels, splits, arrays."""
        return ()

    def delivery(self, root: Path) -> Delivery | None:
        """Return what can be downloaded for it, None if nothing can."""
        return None


@dataclass(frozen=True)
class Target:
    """A test set of a task that has several: what was learnt in one domain is scored in another.

    Attributes:
        name: the table's column, such as sketch; unique within its task.
        sources: where its split "test" can be read from; the first one present is used.
        size: expected number of images.
        own_classes: if given, the set is also scored with the logits restricted to the classes that occur in it, of
            which there must be so many, in a column of its own: a_200 beside a.
        shifted: whether it is another domain than what is learnt from; one that is not is shown, and enters no mean.
    """

    name: str
    sources: tuple[Source, ...] = ()
    size: int | None = None
    own_classes: int | None = None
    shifted: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(self.sources))
        if not re.fullmatch(r"\w+", self.name):
            raise DataError(f"a target's name may have letters, digits and underscores, got {self.name!r}")

    @property
    def columns(self) -> dict[str, int | None]:
        """Its columns, each with the number of classes its logits are restricted to."""
        own = {f"{self.name}_{self.own_classes}": self.own_classes} if self.own_classes else {}
        return {self.name: None, **own}


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
        targets: its test sets, where they are others than the source's own split "test".
        seen_by: tags of pretraining sets that hold its images or classes, such as in1k; with a backbone that learnt
            from one of them, a result is not what the task is for.
        description: one line for `make list`.
    """

    name: str
    suite: str
    group: str
    num_classes: int
    sizes: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    targets: tuple[Target, ...] = ()
    seen_by: tuple[str, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        for what in ("sources", "targets", "seen_by"):  # a yaml hands over lists
            object.__setattr__(self, what, tuple(getattr(self, what)))
        for what in ("name", "suite", "group"):  # they become file names
            if not re.fullmatch(r"\w[\w.-]{0,60}", value := getattr(self, what)):
                raise DataError(f"{what} may have letters, digits, dots and dashes, got {value!r}")
        if self.suite == "failed" or not 0 < self.num_classes < 1_000_000:
            raise DataError(
                f"suite {self.suite!r} with {self.num_classes} classes: expected another name, 1 to 999,999"
            )
        if self.targets and not any(target.shifted for target in self.targets):
            raise DataError(
                f"no target of {self.suite} task {self.name} is shifted; expected one that means are taken over"
            )


def find(task: Task, root: Path | None, source: str | None = None) -> Source:
    """Return the first of a task's sources whose data is there, or the one called `source`.

    Raises:
        DataError: none is there; the message lists what each of them misses.
    """
    asked = [c for c in task.sources if (c.name == source if source else not c.on_request)]
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
        return checked(task, name, source.trainval(root))
    split = checked(task, name, source.split(root, name))
    if name == "test":
        for other in ("train", "val"):
            _apart(task, split, other, source.split(root, other))
    return split


def checked(task: Task, name: str, split: Split) -> Split:
    """Return a split as it is, if its labels fit the task and its keys are unique."""
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
