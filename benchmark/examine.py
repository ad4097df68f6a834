"""What a user's copy of a task is: digests of its splits, and whether they are what is known of them."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from visionpeft.data.digests import Digests, confirm, explained
from visionpeft.data.every import images_digest
from visionpeft.data.flavour import described
from visionpeft.data.target import held_out
from visionpeft.data.task import Source, Task, load
from visionpeft.data.unfinished import Listener

STATES = {
    "confirmed": "confirmed",
    "unknown": "not yet confirmed",
    "keys assumed": "keys assumed, not yet confirmed",
    "contradicts": "CONTRADICTS",
}
SHOWN = 12
"""Digits of a digest in the table; the file has all."""
COLUMNS = ["task", "source", "split", "size", "keys", "order", "labels", "images", "state"]


@dataclass(frozen=True)
class Finding:
    """One split as it was found.

    Attributes:
        task: the preset's name.
        source: where it was read.
        split: train, val, test or test/<target>.
        digests: of its examples and encoded images.
        expected: its number of examples, if that is known.
        state: one of STATES for official images, else what the images are called instead.
        why: what contradicts, if anything.
    """

    task: str
    source: str
    split: str
    digests: Digests
    expected: int | None
    state: str
    why: str = ""

    @property
    def row(self) -> list[str]:
        """The table's line."""
        shown = [self.digests[name][:SHOWN] or "-" for name in ("keys", "order", "labels", "images")]
        size = self.digests.size
        if self.expected not in (None, int(size)):
            size += f" of {self.expected}"
        return [self.task, self.source, self.split, size, *shown, STATES.get(self.state, self.state)]


def examine(task: Task, source: Source, root: Path | None, listener: Listener) -> Iterator[Finding]:
    """Yield what is found of each split; all images are read, none is decoded.

    Raises:
        DataError: a list or a file is bad.
    """
    splits = {name: load(task, source, root, name) for name in ("train", "val")}
    load(task, source, root, "trainval")  # refuses an image that is in both
    tests, absent = held_out(task, source, root)
    sizes: dict[str, int | None] = dict(task.sizes)
    for test in tests:
        name = next(iter(test.columns))
        splits[name], sizes[name] = test.split, test.size
    for name, why in absent.items():
        listener.remark(f"{task.suite}_{task.name}: {name} is not here ({why})")
    called = "" if source.official else described(task, source, splits)["flavour"]
    for name, split in splits.items():
        images, _ = images_digest(split)
        verdict = confirm(task, name, split, images, source.sample)
        state, key = called or verdict.state, f"{task.suite}_{task.name}"
        why = f"{key}, {name}: {explained(verdict, task, source, name, split)}" if state == "contradicts" else ""
        yield Finding(key, source.name, name, Digests.of(split, images), sizes.get(name), state, why)


def write(findings: list[Finding], path: Path) -> None:
    """Write the digests in full, in the columns of the file that they are compared with."""
    names = [f.name for f in dataclasses.fields(Digests)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["task", "source", "split", *names, "state"])
        for f in findings:
            out.writerow(
                [f.task, f.source, f.split, *(f.digests[name] for name in names), STATES.get(f.state, f.state)]
            )
