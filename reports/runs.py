"""How the page embeds a run: a list of values, the words of its command and where it ran kept once for all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .found import Found
from .sound import is_number

RUN = (
    *("file", "seed", "status", "accuracy", "seconds", "memory", "train_rate", "rate", "merge_error", "finished"),
    *("where", "command", "curve", "error"),
)
"""The fields of a run, in the order of its list."""
WHERE = ("device", "threads", "compiled", "python", "versions", "commit", "dirty")


BARE = "python -m visionpeft.benchmark"
"""What older records of scripts have for a command; no command line does."""


class Words:
    """Values that occur many times, each kept once; others refer to it by its number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[object, int] = {}

    def number(self, value: object) -> int:
        """Return the number of a value."""
        key = value if isinstance(value, str) else (type(value), repr(value))
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def run(one: Found, words: Words) -> list[Any]:
    """Return a run's values in the order of `RUN`."""
    cost, seen = one.record.cost, one.record.provenance
    where = {name: seen.get(name) for name in WHERE}
    values = {
        "file": one.file,
        "seed": one.seed,
        "status": one.record.status,
        "accuracy": rounded(one.accuracy * 100, 4) if one.record.status == "ok" else None,
        "seconds": rounded(cost.get("seconds_train"), 2),
        "memory": cost.get("peak_memory_bytes") if is_number(cost.get("peak_memory_bytes")) else None,
        "train_rate": rounded(cost.get("images_per_second_train"), 1),
        "rate": rounded(cost.get("images_per_second_merged") or cost.get("images_per_second_inference"), 1),
        "merge_error": cost.get("merge_error") if is_number(cost.get("merge_error")) else None,
        "finished": str(seen.get("finished", "")),
        "where": words.number({**where, "memory": cost.get("peak_memory_kind")}),
        "command": _command(seen, words),
        "curve": _curve(one.record.curve),
        "error": one.record.error[:500],
    }
    return [values[name] for name in RUN]


def _command(seen: Mapping[str, Any], words: Words) -> list[int] | None:
    """Return the words of the line that repeats a run; none if a script made it, None where that is not known."""
    command = seen.get("command")
    if not isinstance(command, str) or command == BARE:
        return None
    return [words.number(word) for word in command.split(" ")] if command else []


def _curve(rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Return the loss as [phase, [epoch, loss, epoch, loss, ...]] for every phase."""
    phases: dict[str, list[Any]] = {}
    for row in rows:
        epoch, loss = row.get("epoch"), row.get("loss")
        if is_number(epoch) and is_number(loss):
            phases.setdefault(str(row.get("phase", "")), []).extend((epoch, float(f"{loss:.3g}")))
    return [[phase, points] for phase, points in phases.items()]


def rounded(value: Any, digits: int) -> float | None:
    """Return a number rounded; None for anything else."""
    return round(value, digits) if is_number(value) else None
