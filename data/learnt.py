"""A task for trials of settings: the images that may be learnt from, and no way to those it is tested on.

A trial trains on one part of them and is judged on the rest: on the task's own `train` and `val`, or, for
cross-validation, on each of k folds in turn. Folds are stratified: examples are sorted by class and, within a class,
by sha256 of the seed and their key, and dealt out one by one, so that folds, and a class's examples in them, differ by
one at most, on every machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .official import Remote
from .split import Split
from .task import DataError, Source, Task


@dataclass(frozen=True)
class Learnt(Source):
    """What a source has to learn from; its test images cannot be asked for.

    Attributes:
        inner: the source.
        folds: 1: its own train and val; from 2 on, how many folds all of it is dealt into.
        fold: which of them is val.
        shuffle: the seed of the dealing.
    """

    inner: Source
    folds: int = 1
    fold: int = 0
    shuffle: int = 0
    tested: ClassVar[bool] = False

    @property
    def name(self) -> str:  # type: ignore[override]
        """The data flavour, its source's."""
        return self.inner.name

    @property
    def official(self) -> bool:  # type: ignore[override]
        """Whether train and val are those of the task's authors."""
        return self.inner.official and self.folds == 1

    @property
    def sample(self) -> int:  # noqa: D102
        return self.inner.sample

    @property
    def by_seed(self) -> bool:  # noqa: D102
        return self.inner.by_seed

    @property
    def variant(self) -> str:  # noqa: D102
        return self.inner.variant

    @property
    def on_request(self) -> bool:  # noqa: D102
        return self.inner.on_request

    @property
    def published(self) -> tuple[Remote, ...]:  # noqa: D102
        return self.inner.published

    @property
    def reading(self) -> dict[str, Any]:  # noqa: D102
        own = {"folds": self.folds, "fold": self.fold} if self.folds > 1 else {}
        return self.inner.reading | own

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        return self.inner.missing(root)

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        if name not in ("train", "val"):
            raise DataError(f"a trial of settings has train and val, not {name!r}; test images are for final runs")
        if self.folds == 1:
            return self.inner.split(root, name)
        whole = self.inner.trainval(root)
        held = folds(whole, self.folds, self.shuffle) == self.fold
        return whole.take(np.flatnonzero(held if name == "val" else ~held))

    def trainval(self, root: Path | None) -> Split:  # noqa: D102
        return self.inner.trainval(root)


def untested(task: Task, number: int = 1, fold: int = 0, shuffle: int = 0) -> Task:
    """Return a task without its test sets.

    Args:
        task: the task.
        number: how many folds; 1: its own train and val.
        fold: which of them is val.
        shuffle: the seed of the dealing.
    """
    sizes = {name: size for name, size in task.sizes.items() if name in ("train", "val")}
    if number > 1 and len(sizes) == 2:
        val = len(range(fold, sum(sizes.values()), number))
        sizes = {"train": sum(sizes.values()) - val, "val": val}
    sources = tuple(Learnt(source, number, fold, shuffle) for source in task.sources)
    return replace(task, sources=sources, targets=(), sizes=sizes)


def folds(split: Split, number: int, shuffle: int) -> np.ndarray:
    """Return which fold each example is in, shape (n,)."""
    if number > len(split):
        raise DataError(f"{number} folds of {len(split)} images; give folds={len(split)} at most")
    drawn = [hashlib.sha256(f"{shuffle}\t{key}".encode(errors="surrogateescape")).digest() for key in split.keys]
    order = sorted(range(len(split)), key=lambda i: (split.labels[i], drawn[i]))
    dealt = np.empty(len(split), np.int64)
    dealt[order] = np.arange(len(split)) % number
    return dealt
