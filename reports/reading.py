"""From a folder of records to what a table may use: unreadable files are named, contradictions are refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from visionpeft.benchmark.record import BESIDE, Record, read, record_files

NOT_SETTINGS = {"seed", *(".".join(place) for place in BESIDE)}
"""What may differ between the runs of one cell: the seed, names, and how large the suite was at the time."""

Kind = type | tuple[type, ...]
SPLIT: dict[str, Kind] = {"size": int, "expected": (int, NoneType), "digest": str, "order": str}
OBSERVED = {"label": str, "error": str, "params": dict, "cost": dict, "scores": dict, "images": dict}
NEEDED: dict[str, dict[str, Kind]] = {
    "task": {"name": str, "suite": str, "group": str, "group_tasks": int, "suite_tasks": int},
    "method": {"name": str},
    "backbone": {
        "name": str,
        "model": str,
        "weights_sha256": (str, NoneType),
        "img_size": int,
        "mean": list,
        "std": list,
        "interpolation": str,
    },
    "recipe": {"name": str, "epochs": int, "select": str, "train_on": str},
    "data": {"source": str, "splits": dict},
}
"""What tables read of a resolved run, and its types."""


class LeaderboardError(ValueError):
    """Records that must not stand in one table; the message names the two files and says where they differ."""


@dataclass(frozen=True)
class Found:
    """A record and the name of its file, relative to the store."""

    file: str
    record: Record

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.record.run["seed"]

    @property
    def task(self) -> str:
        """The task's name."""
        return self.record.run["task"]["name"]

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy on the test split, in [0, 1]."""
        return self.record.scores["test"]


def load(root: Path) -> tuple[list[Found], list[str]]:
    """Read a store.

    Returns:
        The usable records in the order of their file names, and one line for each file that is left out.

    Raises:
        LeaderboardError: two records of one run, or an accuracy that is none.
    """
    found, skipped = [], []
    for path in record_files(root):
        name = path.relative_to(root).as_posix()
        try:
            record = read(path)
            _complete(record)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            what = (
                f"lacks {error}"
                if isinstance(error, KeyError)
                else str(error).replace(f"{root}/", "").removeprefix(f"{name}: ")
            )
            skipped.append(f"{name}: {what}")
            continue
        if record.status == "ok" and "test" not in record.scores:
            skipped.append(f"{name}: has no test score")
        else:
            found.append(Found(name, dataclasses.replace(record, curve=[], notes={})))  # long, and in no table
    _check_accuracies(found)
    return list(_superseded(found)), skipped


def _complete(record: Record) -> None:
    """Check that a record has all that tables read.

    Raises:
        KeyError: something is not there.
        TypeError: something is of another type.
    """
    for section, names in NEEDED.items():
        for name, kind in names.items():
            _of_kind(record.run[section][name], kind, f"run.{section}.{name}")
    for name, split in record.run["data"]["splits"].items():
        for key, kind in SPLIT.items():
            _of_kind(split[key], kind, f"run.data.splits.{name}.{key}")
    _of_kind(record.run["seed"], int, "run.seed")
    for name, kind in {
        "label": str,
        "error": str,
        "params": dict,
        "cost": dict,
        "scores": dict,
        "images": dict,
    }.items():
        _of_kind(getattr(record, name), kind, name)


def _of_kind(value: object, kind: Kind, where: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{where} is {value!r:.60}, which tables cannot read")


def _check_accuracies(found: Iterable[Found]) -> None:
    for one in found:
        value = one.record.scores.get("test")
        if one.record.status == "ok" and not (value is not None and is_number(value) and 0 <= value <= 1):
            raise LeaderboardError(
                f"{one.file}: accuracy {value}, expected a number from 0 to 1; repeat that run or take the file away"
            )


def _superseded(found: Iterable[Found]) -> Iterator[Found]:
    """Yield one record per run id: a success replaces the failures before it; two successes are refused."""
    by_id: dict[str, Found] = {}
    for one in sorted(found, key=lambda f: (f.record.status != "ok", f.file)):
        first = by_id.setdefault(one.record.id, one)
        if first is not one and one.record.status == "ok":
            raise LeaderboardError(
                f"{first.file} and {one.file} are two records of the same run {one.record.id}; keep one of them"
            )
    yield from sorted(by_id.values(), key=lambda f: f.file)


def check_digests(found: Iterable[Found]) -> None:
    """Refuse records of one table whose task was another set of examples, or the same names with other images.

    Raises:
        LeaderboardError: two digests of one split of one task.
    """
    first: dict[tuple[object, ...], tuple[str, Found]] = {}
    for one in found:
        for what, key, digest in _digests(one.record):
            expected, other = first.setdefault((one.task, what, key), (digest, one))
            if digest != expected:
                raise LeaderboardError(
                    f"{other.file} and {one.file} differ in the {what} of {one.task} "
                    f"(digests {expected[:8]} and {digest[:8]}); runs on different data are not averaged or "
                    "compared: take the records of one of the two away"
                )


def _digests(record: Record) -> Iterator[tuple[str, object, str]]:
    """Yield what must be equal as (what, where to compare it, digest).

    The digest of a split's encoded images depends on their order, so it is compared where the orders are equal.
    """
    splits = record.run["data"]["splits"]
    for name, split in splits.items():
        yield f"{name} examples", None, split["digest"]
    for name, digest in record.images.items():
        parts = ("train", "val") if name == "trainval" else (name,)
        yield f"{name} images", tuple(splits.get(part, {}).get("order") for part in parts), digest


def check_cell(found: list[Found]) -> None:
    """Refuse to average runs of one label and task unless they differ in the seed and in nothing else.

    Raises:
        LeaderboardError: another setting.
    """
    for one in found:
        if difference := _difference(found[0].record.run, one.record.run):
            raise LeaderboardError(
                f"{found[0].file} and {one.file} are both called {one.record.label!r} on {one.task}, but {difference}; "
                "they are not averaged: take one of the two away, or run all seeds under the same settings"
            )


def _difference(a: Any, b: Any, where: str = "") -> str:
    """Return in words where two resolved runs first differ, other than in seed and names; empty if nowhere."""
    if a == b or where in NOT_SETTINGS:
        return ""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            inner = _difference(a.get(key), b.get(key), f"{where}.{key}".lstrip("."))
            if inner:
                return inner
        return ""
    return f"{where} is {a!r} in the first and {b!r} in the second"


def is_number(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
