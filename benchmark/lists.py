"""What the lists of a task say: digests of its splits, for the plan, and whether a run reads what was planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from visionpeft.data.flavour import described
from visionpeft.data.target import HeldOut, held_out
from visionpeft.data.task import DataError, Source, Split, Task, load


def described_lists(task: Task, source: Source, root: Path | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what a record says of a task's data, and what is absent; from the lists, no image is decoded.

    Raises:
        DataError: a bad list.
    """
    learnt = {name: load(task, source, root, name) for name in ("train", "val")}
    splits = {name: _contents(split, task.sizes.get(name)) for name, split in learnt.items()}
    load(task, source, root, "trainval")  # an image in both shows now, not in every run
    splits["val"] |= _overlap(learnt["val"], learnt["train"])
    tests, absent = held_out(task, source, root)
    for test in tests:
        for name, own in test.columns.items():
            splits[name] = _contents(test.split, test.size)
            splits[name] |= {} if own is None else {"classes": len(own)}
            splits[name] |= {} if test.source is source else _reading(test.source)
    seen = learnt | {name: test.split for test in tests for name in test.columns}
    sample = {"sample": source.sample, **({"by_seed": True} if source.by_seed else {})}
    return {**_reading(source), **sample, "splits": splits, **described(task, source, seen)}, absent


def insist_on_planned(data: dict[str, Any], source: Source, learnt: dict[str, Split], tests: list[HeldOut]) -> None:
    """Refuse to run on other lists than those that were planned, whose digests the record will state.

    Between the two lie hours in a long sweep, in which another copy may be put in place or a list edited.

    Args:
        data: what the plan says.
        source: where training images are read now.
        learnt: the splits "train" and "val" now.
        tests: the test sets now.

    Raises:
        DataError: something differs; the message says what.
    """
    now = {name: (_reading(source), split.digest, split.order) for name, split in learnt.items()}
    for test in tests:
        now |= dict.fromkeys(test.columns, (_reading(test.source), test.split.digest, test.split.order))
    reading = {key: data[key] for key in ("source", "reading")}
    then = {
        name: (reading | {key: split[key] for key in reading if key in split}, split["digest"], split["order"])
        for name, split in data["splits"].items()
    }
    changed = sorted(name for name in now | then if now.get(name) != then.get(name))
    if changed:
        raise DataError(
            f"{', '.join(changed)} changed since this run was planned: other lists, or another copy of the data; give "
            "the command again"
        )


def _contents(split: Split, expected: int | None) -> dict[str, Any]:
    repeated = {"repeated": split.repeated} if split.repeated else {}
    return {"size": len(split), "expected": expected, "digest": split.digest, "order": split.order, **repeated}


def _overlap(val: Split, train: Split) -> dict[str, int]:
    """Return how many validation images are trained on, if any are: with one shot all of them."""
    count = len(set(val.keys) & set(train.keys))
    return {"of_train": count} if count else {}


def _reading(source: Source) -> dict[str, Any]:
    """Return a source's name and how it was told to show its images."""
    return {"source": source.name, "reading": source.reading}
