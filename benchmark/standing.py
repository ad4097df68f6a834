"""How a row stands while its runs go on: the mean over the tasks that are done, from the records that are there."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from .plan import Planned
from .record import BadRecord, Record, read, setting
from .store import Store

Row = tuple[str, tuple[tuple[str, Any], ...]]


class Standings:
    """The rows of a command and the accuracies of their runs, those of other processes and earlier days included."""

    def __init__(self, planned: Sequence[Planned], store: Store) -> None:
        self._store = store
        self._accuracies: dict[str, float | None] = {}
        self._rows: dict[Row, list[Planned]] = {}
        for one in planned:
            self._rows.setdefault(_row(one.run.label, one.resolved), []).append(one)

    def of(self, record: Record) -> str:
        """Return where a finished run's row stands; nothing where the command has a single task of it."""
        planned = self._rows.get(_row(record.label, record.run), [])
        tasks: dict[str, list[float]] = {one.run.task.name: [] for one in planned}
        for one in planned:
            if (accuracy := self._accuracy(one)) is not None:
                tasks[one.run.task.name].append(accuracy)
        done = [fmean(found) for found in tasks.values() if found]
        if len(tasks) < 2 or not done:
            return ""
        return f"{record.label} so far: {100 * fmean(done):.2f} %, plain mean of {len(done)} of {len(tasks)} tasks"

    def _accuracy(self, one: Planned) -> float | None:
        """Return a run's accuracy, read once; None while it has none."""
        if one.stem not in self._accuracies:
            path = self._store.root / one.run.task.suite / f"{one.stem}.json"
            if not path.exists():
                return None
            try:
                self._accuracies[one.stem] = accuracy(read(path))
            except BadRecord:  # named where it matters, in the tables
                self._accuracies[one.stem] = None
        return self._accuracies[one.stem]


def accuracy(record: Record) -> float | None:
    """Return a record's accuracy; over several test sets the mean of those that count, where all of them are there."""
    task = record.run["task"]
    targets = task.get("targets", {"test": None})
    counted = [name for name, own in targets.items() if own is None and name not in task.get("in_domain", ())]
    found = [record.scores[name] for name in counted if name in record.scores]
    return fmean(found) if found and len(found) == len(counted) else None


def _row(label: str, run: dict[str, Any]) -> Row:
    """Return what makes a row: its label, and whatever sets one table apart from another."""
    return label, tuple(setting(run).items())
