"""The test sets of a task: one for most, several where what was learnt in one domain is tested in others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .task import DataError, Source, Split, Target, Task, checked, find, load, more


@dataclass(frozen=True)
class HeldOut:
    """A test set that is there.

    Attributes:
        split: its examples.
        source: where they were read.
        columns: for each column that it fills, the classes that the logits are restricted to, ascending; None: all.
        size: the expected number of examples.
    """

    split: Split
    source: Source
    columns: Mapping[str, np.ndarray | None]
    size: int | None


def columns(task: Task) -> dict[str, int | None]:
    """Return the columns a task fills: "test", or "test/<column>" with the number of classes of restricted logits."""
    if not task.targets:
        return {"test": None}
    return {f"test/{name}": own for target in task.targets for name, own in target.columns.items()}


def held_out(task: Task, source: Source, root: Path | None) -> tuple[list[HeldOut], dict[str, str]]:
    """Return the test sets that are there, and for each column of the others why it is not; no image is decoded.

    Args:
        task: what is tested.
        source: where its training images are read.
        root: the data folder.

    Raises:
        DataError: a bad list, other classes than expected, or images that were learnt from.
    """
    if not source.tested:
        return [], {}
    if not task.targets:
        return [HeldOut(load(task, source, root, "test"), source, {"test": None}, task.sizes.get("test"))], {}
    found: list[HeldOut] = []
    absent: dict[str, str] = {}
    learnt = load(task, source, root, "trainval")
    for target in task.targets:
        here = _here(target, root)
        if isinstance(here, str):
            absent |= dict.fromkeys((f"test/{name}" for name in target.columns), here)
        else:
            found.append(_read(task, target, here, root))
            _apart(task, target, found[-1].split, learnt)
    return found, absent


def reachable(task: Task, root: Path | None, source: str | None = None) -> Source:
    """Return the source of a task's training images, as `find` does, if a test set is there too.

    Raises:
        DataError: the training images or all test sets are missing.
    """
    found = find(task, root, source)
    reasons = {target.name: _here(target, root) for target in task.targets}
    if reasons and all(isinstance(reason, str) for reason in reasons.values()):
        every = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise DataError(f"none of the test sets of {task.suite} task {task.name} is here ({every})")
    return found


def _here(target: Target, root: Path | None) -> Source | str:
    """Return the first source that is there, or why none is."""
    reasons = []
    for candidate in target.sources:
        if (reason := candidate.missing(root)) is None:
            return candidate
        reasons.append(f"{candidate.name}: {reason}")
    return "; ".join(reasons) or "no source reads it yet"


def _read(task: Task, target: Target, source: Source, root: Path | None) -> HeldOut:
    split = checked(task, f"test of {target.name}", source.split(root, "test"))
    own = np.unique(split.labels)
    if target.own_classes not in (None, len(own)):
        raise DataError(
            f"{task.suite} task {task.name}: the images of {target.name} are of {len(own)} classes, expected "
            f"{target.own_classes}; its list is not whole"
        )
    restricted = {f"test/{name}": own if number else None for name, number in target.columns.items()}
    return HeldOut(split, source, restricted, target.size)


def _apart(task: Task, target: Target, test: Split, learnt: Split) -> None:
    """Check that no image is both; by files, because two data sets may give the same name to different images."""
    whole = len(test.files) == len(test) and len(learnt.files) == len(learnt)
    names: tuple[object, ...] = test.files if whole else test.keys
    others = set(learnt.files if whole else learnt.keys)
    if shared := [key for key, name in zip(test.keys, names, strict=True) if name in others]:
        raise DataError(
            f"{shared[0]} is in {target.name} and among the training images{more(len(shared))}; task {task.name} "
            "would be scored on images it learnt from"
        )
