"""From a folder of records to what a table may use: unreadable files are named, contradictions are refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from visionpeft.benchmark.record import BESIDE, BadRecord, Record, record_files, run_id

from .found import Found, tests
from .predicted import right, unlike
from .rules import epochs
from .sound import is_accuracy, sound

NOT_SETTINGS = {"seed", "oracle", *(".".join(place) for place in BESIDE)}
"""What may differ between the runs of one cell: the seed, the diagnostic, names, and how large the suite was then."""
OF_A_ROW = ("method", "recipe", "versions", "per_task", "preset", "tuned")
"""Sections of a run in which the tasks of a row are alike."""
BY_TASK = NOT_SETTINGS | {"recipe.precision", *(f"tuned.{name}" for name in ("study", "trial", "seed", "splits"))}
"""What of that may differ all the same."""
CHOSEN = {"method.fields", "recipe"}
"""What may differ as well where settings were chosen for each task."""
LEARNT = ("train", "val")
BY_SEED = {"data.sample", *(f"data.splits.{name}" for name in LEARNT)}
"""What may differ as well where the run's seed chooses the training images."""

POINTS = 60_000
"""How many points the curves of all records together may keep; each keeps from 10 to 100."""


class LeaderboardError(ValueError):
    """Records that must not stand in one table; the message names the two files and says where they differ."""


def missing(root: Path) -> str:
    """Return why there is no store to read at a place; empty where there is one."""
    if root.exists() and not root.is_dir():
        return f"{root} is a file, expected a folder of records"
    return "" if root.is_dir() else f"no folder {root}; it appears with the first run, for instance: make demo"


def load(root: Path) -> tuple[list[Found], list[str]]:
    """Read a store.

    Returns:
        The accuracies of usable records in the order of their file names, and one line for each file or accuracy left
        out; of one run there may be several, see `superseded`.
    """
    found, skipped, files = [], [], list(record_files(root))
    points = max(10, min(100, POINTS // max(1, len(files))))
    for path in files:
        name = path.relative_to(root).as_posix()
        try:
            record = sound(path)
        except BadRecord as error:
            skipped.append(f"{name}: {error}")
            continue
        due = tests(record)
        if wrong := _without_accuracy(record, due) or _altered(path, record, due):
            skipped.append(f"{name}: {wrong}")
        else:
            seen = {test: epochs(record.curve, test) for test in due} if record.run.get("oracle") else {}
            record = dataclasses.replace(record, curve=thinned(record.curve, points), notes={})  # these are long
            found += [Found(name, record, test, seen.get(test, ())) for test in due]
    return found, skipped


def _without_accuracy(record: Record, due: Iterable[str]) -> str:
    """Return what is wrong with the accuracies that a record should have; empty if nothing is."""
    for test in due if record.status == "ok" else ():
        value = record.scores.get(test)
        if test not in record.scores:
            return f"has no {test} score"
        if not is_accuracy(value):
            return f"accuracy {value!r:.60} of {test}, expected a number from 0 to 1; repeat that run"
    return ""


def _altered(path: Path, record: Record, due: Iterable[str]) -> str:
    """Return which accuracy of a record that has no seal cannot be the one that was measured; empty if none."""
    if record.seal or record.status != "ok":
        return ""
    for test in due:
        value, size = record.scores[test], record.run["data"]["splits"].get(test, {}).get("size", 0)
        if right(value, size) is None:
            return f"accuracy {value} of {test} is no whole number of right answers out of {size}; edited by hand?"
        if against := unlike(path, test, value):
            return f"{against}; edited by hand?"
    return ""


def thinned(curve: list[Any], points: int) -> list[dict[str, Any]]:
    """Return at most that many rows of a curve, evenly, the first and the last among them."""
    rows = [row for row in curve if isinstance(row, dict)]
    if len(rows) <= points:
        return rows
    return [rows[round(i * (len(rows) - 1) / (points - 1))] for i in range(points)]


def superseded(found: Iterable[Found]) -> Iterator[Found]:
    """Yield one record per run and test set: a success replaces the failures before it; two successes are refused.

    Of runs that differ in nothing but which other test sets were there, the one with the most of them counts; of a run
    with and without the oracle, the one with it, if the two agree.

    Raises:
        LeaderboardError: two successes of one run, or one that ended otherwise with the oracle than without.
    """
    by_run: dict[tuple[str, str], Found] = {}
    for one in sorted(found, key=_precedence):
        first = by_run.setdefault((_plain_id(one), one.test), one)
        _check_agreement(first, one)
        if first is not one and one.record.status == "ok" and one.record.id == first.record.id:
            raise LeaderboardError(
                f"{first.file} and {one.file} are two records of the same run {one.record.id}; keep one of them"
            )
    yield from sorted(by_run.values(), key=lambda f: f.file)


def _precedence(one: Found) -> tuple[bool, int, bool, str]:
    return one.record.status != "ok", -len(one.record.scores), "oracle" not in one.run, one.file


def _plain_id(one: Found) -> str:
    """Return the id of what led to an accuracy: no other test sets, no diagnostic."""
    if one.test == "test" and "oracle" not in one.run:
        return one.record.id
    return run_id({key: value for key, value in one.run.items() if key != "oracle"})


def _check_agreement(first: Found, other: Found) -> None:
    """Refuse a run with the oracle and one without that have other accuracies: the diagnostic changes nothing.

    Raises:
        LeaderboardError: they differ.
    """
    both = other.record.status == first.record.status == "ok"
    if both and ("oracle" in first.run) != ("oracle" in other.run) and first.accuracy != other.accuracy:
        raise LeaderboardError(
            f"{first.file} and {other.file} are the same run with and without oracle=true, but their accuracies on "
            f"{first.column} are {first.accuracy} and {other.accuracy}; take one of the two away, or repeat both on "
            "one machine"
        )


def check_digests(found: Iterable[Found]) -> None:
    """Refuse records of one table whose task was another set of examples, or the same names with other images.

    Where the run's seed chooses the training images, they are compared between runs of one sample and source; the test
    images are the same for all.

    Raises:
        LeaderboardError: two digests of one split of one task.
    """
    first: dict[tuple[object, ...], tuple[str, Found]] = {}
    for one in found:
        for what, key, digest in _digests(one):
            expected, other = first.setdefault((one.column, what, key), (digest, one))
            if digest != expected:
                raise LeaderboardError(
                    f"{other.file} and {one.file} differ in the {what} of {one.column} "
                    f"(digests {expected[:8]} and {digest[:8]}); runs on different data are not averaged or "
                    "compared: take the records of one of the two away"
                )


def _digests(one: Found) -> Iterator[tuple[str, object, str]]:
    """Yield what must be equal as (what, where to compare it, digest).

    The digest of a split's encoded images depends on their order, so it is compared where the orders are equal.
    """
    splits = one.run["data"]["splits"]
    for name, split in splits.items():
        yield f"{name} examples", _scope(one.run["data"]) if name in LEARNT else None, split["digest"]
    for name, key, parts in (("trainval", "trainval", LEARNT), ("val", "val", ("val",)), ("test", one.test, ("test",))):
        if key in one.record.images:
            order = tuple(splits.get(part, {}).get("order") for part in parts)
            yield f"{name} images", order, one.record.images[key]


def _scope(data: dict[str, Any]) -> tuple[object, ...] | None:
    """Return what runs have to share for their training images to be the same; None: nothing."""
    return (data.get("sample"), data["source"]) if data.get("by_seed") else None


def check_cell(found: list[Found]) -> None:
    """Refuse to average runs of one label and task that differ in more than the seed and what it chooses.

    Raises:
        LeaderboardError: another setting.
    """
    for one in found:
        free = NOT_SETTINGS | (BY_SEED if one.run["data"].get("by_seed") else set())
        if all(
            "confirmed" in each.run["data"] for each in (found[0], one)
        ):  # official sources; their digests must agree
            free = free | {"data.source", "data.reading"}
        if difference := _difference(found[0].run, one.run, free):
            name = one.record.label
            raise LeaderboardError(
                f"{found[0].file} and {one.file} are both called {name!r} on {one.column}, but {difference}; they are "
                "not averaged: take one of the two away, or run all seeds under the same settings"
            )


def check_row(found: Iterable[Found]) -> None:
    """Refuse a row whose tasks were run under other settings than each other, unless they were chosen for each task.

    What a study or the literature chose by task are fields of the method and of the recipe; a precision is the
    machine's, and stands above the table.

    Raises:
        LeaderboardError: another setting, version, or budget of tuning.
    """
    first: Found | None = None
    for one in found:
        first = first or one
        free = BY_TASK | (CHOSEN if one.run.get("per_task") or "tuned" in one.run else set())
        here, there = ({name: each.run.get(name) for name in OF_A_ROW} for each in (one, first))
        if difference := _difference(there, here, free):
            raise LeaderboardError(
                f"{first.file} and {one.file} are both called {one.record.label!r}, but {difference}; one row is "
                "averaged over tasks that were run alike: take one of the two away, or run all tasks as one of them"
            )


def _difference(a: Any, b: Any, free: set[str], where: str = "") -> str:
    """Return in words where two resolved runs first differ, but for what is free to; empty if nowhere."""
    if a == b or where in free:
        return ""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            inner = _difference(a.get(key), b.get(key), free, f"{where}.{key}".lstrip("."))
            if inner:
                return inner
        return ""
    return f"{where} is {a!r} in the first and {b!r} in the second"
