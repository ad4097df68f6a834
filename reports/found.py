"""One accuracy of a record; a record of a task with several test sets yields one for each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from visionpeft.benchmark.record import Record

from .rules import Epochs


@dataclass(frozen=True)
class Found:
    """A record, the name of its file relative to the store, and which of its test sets is meant.

    Attributes:
        file: the file.
        record: what it holds.
        test: a key of the record's scores: "test", or "test/sketch" where the task has several test sets.
        epochs: those that were scored on this test set, where the run was asked to; for diagnostics.
    """

    file: str
    record: Record
    test: str = "test"
    epochs: Epochs = ()

    @cached_property
    def seed(self) -> int:
        """The run's seed."""
        return self.record.run["seed"]

    @property
    def task(self) -> str:
        """The task's name."""
        return self.record.run["task"]["name"]

    @property
    def column(self) -> str:
        """The task's name, and which of its test sets where there are several."""
        return column(self.task, self.test)

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy on the test set, in [0, 1]."""
        return self.record.scores[self.test]

    @cached_property
    def run(self) -> dict[str, Any]:
        """The resolved run as far as this accuracy goes: other test sets are left out, this one is split "test"."""
        run = self.record.run
        if self.test == "test":
            return run
        splits = run["data"]["splits"]
        learnt = {name: split for name, split in splits.items() if not name.startswith("test/")}
        return {**run, "data": {**run["data"], "splits": {**learnt, "test": splits[self.test]}}}

    @property
    def source(self) -> str:
        """The data flavour; of training and of test images where these have another."""
        data = self.run["data"]
        own = data.get("flavour", data["source"])  # older records lack it
        test = data["splits"].get("test", {}).get("source", data["source"])
        return own if test == data["source"] else f"{own}, tested on {test}"

    @property
    def absent(self) -> dict[str, str]:
        """The columns whose test sets were not there, with the reason."""
        return {column(self.task, test): why for test, why in self.record.absent.items()}


def column(task: str, test: str) -> str:
    """Return the name of a column: a task's, or task/target."""
    return f"{task}{test.removeprefix('test')}"


def tests(record: Record) -> list[str]:
    """Return which test sets a record was to be scored on, in the task's order."""
    return [name for name in record.run["data"]["splits"] if name == "test" or name.startswith("test/")] or ["test"]
