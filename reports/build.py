"""Builds the tables: groups records into cells, refuses what must not be averaged, averages what is complete."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from .aggregate import Clusters, half_width_of_average
from .averages import averages, together
from .found import Found
from .found import column as column_name
from .order import place
from .reading import LeaderboardError, check_cell, check_digests, check_row, superseded
from .sound import is_number
from .table import UNTITLED, Cell, Column, Mean, Row, Setting, Table


def tables(found: Iterable[Found]) -> list[Table]:
    """Return the tables of a store, in a fixed order.

    Raises:
        LeaderboardError: runs that share a cell or a column but must not be averaged or compared.
    """
    made, refusals = sound_tables(found)
    if refusals:
        raise refusals[0]
    return made


def sound_tables(found: Iterable[Found]) -> tuple[list[Table], list[LeaderboardError]]:
    """Return the tables that can be made, in a fixed order, and why the others cannot; each run is counted once."""
    by_setting: dict[Setting, list[Found]] = defaultdict(list)
    for one in found:
        by_setting[Setting.of(one.record.run)].append(one)
    made, refusals = [], []
    for setting in sorted(by_setting):
        try:
            made.append(_table(setting, list(superseded(by_setting[setting]))))
        except LeaderboardError as error:
            refusals.append(error)
    return [replace(table, apart=_apart(table, made)) for table in made], refusals


def _apart(table: Table, among: Iterable[Table]) -> tuple[str, ...]:
    """Return the fields of the setting in which a table differs from those that would be called the same."""
    alike = [one for one in among if _called(one) == _called(table)]
    return tuple(name for name in UNTITLED if len({getattr(one.setting, name) for one in alike}) > 1)


def _called(table: Table) -> tuple[Any, ...]:
    named = [one.name for one in fields(Setting) if one.name not in UNTITLED]
    return *(getattr(table.setting, name) for name in named), table.facts["backbone"]


def _table(setting: Setting, found: list[Found]) -> Table:
    check_digests(one for one in found if one.record.status == "ok")
    _check_groups(found)
    columns = _columns(found)
    tasks = [one.record.run["task"] for one in found]
    group_tasks = {column.group: 0 for column in columns}
    for task in tasks:
        group_tasks[task["group"]] = max(group_tasks[task["group"]], task["group_tasks"])
    suite_tasks = max(task["suite_tasks"] for task in tasks)
    by_label: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        by_label[one.record.label].append(one)
    rows = [_row(label, ones, columns, group_tasks, suite_tasks) for label, ones in by_label.items()]
    rows.sort(key=lambda row: (-row.mean_of_tasks.value if row.mean_of_tasks else 0.0, row.label))
    return Table(setting, columns, tuple(rows), group_tasks, suite_tasks, _facts(found))


def _check_groups(found: Iterable[Found]) -> None:
    """Refuse a task that is in one group here and in another there: means over groups would be of neither.

    Raises:
        LeaderboardError: such a task.
    """
    first: dict[str, Found] = {}
    for one in found:
        other = first.setdefault(one.task, one)
        here, there = one.record.run["task"]["group"], other.record.run["task"]["group"]
        if here != there:
            raise LeaderboardError(
                f"{other.file} and {one.file} put {one.task} into other groups ({there!r} and {here!r}); take the "
                "records of one of the two away"
            )


def _columns(found: Iterable[Found]) -> tuple[Column, ...]:
    """Return a column per test set, also for those that were absent from all records."""
    by_column: dict[str, list[Found]] = defaultdict(list)
    due: dict[str, tuple[str, Found]] = {}
    for one in found:
        by_column[one.column].append(one)
        due |= {column_name(one.task, test): (test, one) for test in (one.test, *one.record.absent)}
    return tuple(sorted((_column(name, *one, by_column[name]) for name, one in due.items()), key=place))


def _column(name: str, test: str, some: Found, found: list[Found]) -> Column:
    """Return a column from the records that have it, or, if there are none, from some record of its task."""
    task = some.record.run["task"]
    targets = task.get("targets", {})
    first = min(found, key=lambda one: (one.record.status != "ok", one.file), default=None)
    return Column(
        name,
        task["group"],
        tuple(sorted({one.source for one in found})),
        first.run["data"]["splits"] if first else {},
        first.record.images.get(test, "") if first else "",
        task=task["name"],
        position=list(targets).index(test) if test in targets else 0,
        restricted=targets.get(test) is not None,
        shifted=not any(test in one.record.run["task"].get("in_domain", ()) for one in (some, *found)),
        shared=max((one.record.shared.get(test, 0) for one in found), default=0),
    )


def _facts(found: Iterable[Found]) -> dict[str, tuple[Any, ...]]:
    """Return what the header tells but does not separate tables: names, epochs, arithmetic, earlier training."""
    runs = [one.record.run for one in found]
    tasks = [run["task"] for run in runs]
    return {
        "backbone": tuple(sorted({run["backbone"]["name"] for run in runs})),
        "epochs": tuple(sorted({run["recipe"]["epochs"] for run in runs})),
        "precision": tuple(sorted({str(run["recipe"].get("precision")) for run in runs})),
        "by_seed": tuple(sorted({run["task"]["name"] for run in runs if run["data"].get("by_seed")})),
        "seen": tuple(sorted({(task["name"], " ".join(task["seen"])) for task in tasks if task.get("seen")})),
    }


def _row(
    label: str, found: list[Found], columns: tuple[Column, ...], group_tasks: Mapping[str, int], suite_tasks: int
) -> Row:
    check_row(one for one in found if one.record.status == "ok")
    by_column: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        by_column[one.column].append(one)
    cells = {c.name: _cell(by_column[c.name]) for c in columns if c.name in by_column}
    scores, weights, clusters = (
        _whole(_matrix(cells, columns), columns),
        averages(columns, group_tasks, suite_tasks),
        together(columns),
    )
    means = {name: mean for name in weights if (mean := _average(scores, weights[name], clusters))}
    return Row(
        label,
        cells,
        {group: means[group] for group in group_tasks if group in means},
        means.get("mean of groups"),
        means.get("mean of tasks"),
        _params(cells.values()),
        _inference(cells.values()),
        {c.task: means[name] for c in columns if (name := f"mean of {c.task}") in means and c.target},
        {name: why for one in found for name, why in one.absent.items() if name not in cells},
    )


def _cell(found: list[Found]) -> Cell:
    done = sorted((one for one in found if one.record.status == "ok"), key=lambda one: one.seed)
    check_cell(done)
    seeds = {one.seed for one in done}
    failed = [one for one in found if one.record.status != "ok" and one.seed not in seeds]
    return Cell(tuple(done), tuple(sorted(failed, key=lambda one: (one.seed, one.file))))


def _matrix(cells: Mapping[str, Cell], columns: tuple[Column, ...]) -> np.ndarray:
    """Return accuracies in percent, (seeds + 1, tasks): the last row holds the tasks' means; NaN: none."""
    clean = {name: cell for name, cell in cells.items() if cell.clean}
    seeds = sorted({one.seed for cell in clean.values() for one in cell.done})
    scores = np.full((len(seeds) + 1, len(columns)), np.nan)
    for j, column in enumerate(columns):
        if column.name in clean:
            for one in clean[column.name].done:
                scores[seeds.index(one.seed), j] = one.accuracy * 100
            scores[-1, j] = clean[column.name].mean.value  # type: ignore[union-attr]
    return scores


def _whole(scores: np.ndarray, columns: tuple[Column, ...]) -> np.ndarray:
    """Leave out the seeds that lack one of a task's counted test sets: its mean is over the same models in each."""
    scores = scores.copy()
    for task in {column.task for column in columns if column.target}:
        used = np.array([column.counted and column.task == task for column in columns])
        lacking = np.isnan(scores[:, used]).any(axis=1)
        scores[np.ix_(lacking, used)] = np.nan
        if not lacking[:-1].all():
            scores[-1, used] = scores[:-1][~lacking[:-1]][:, used].mean(axis=0)
    return scores


def _average(scores: np.ndarray, weights: np.ndarray, clusters: Clusters) -> Mean | None:
    used = weights != 0
    value = float(scores[-1, used] @ weights[used])
    if np.isnan(value):
        return None
    seeds = np.isfinite(scores[:-1, used]).sum(axis=0)
    return Mean(value, half_width_of_average(scores[:-1], weights, clusters), int(seeds.max()), int(seeds.min()))


def _params(cells: Iterable[Cell]) -> dict[str, float | None]:
    counts = [one.record.params for cell in cells for one in cell.done]
    means = {key: _mean([c.get(key) for c in counts], 1e6) for key in ("trainable", "head", "merged_total", "total")}
    trainable, head = means["trainable"], means["head"]
    return means | {"added": None if trainable is None or head is None else trainable - head}


def _inference(cells: Iterable[Cell]) -> float | None:
    ratios = []
    for cost in (one.record.cost for cell in cells for one in cell.done):
        now, plain = cost.get("flops_inference_merged_per_image"), cost.get("flops_backbone_per_image")
        if now is None:
            now = cost.get("flops_inference_per_image")
        ratios.append(now / plain if is_number(now) and is_number(plain) and plain else None)
    return _mean(ratios)


def _mean(values: list[Any], unit: float = 1) -> float | None:
    """Return the mean of numbers in a unit; None if one of them is missing."""
    return float(np.mean(values)) / unit if values and all(map(is_number, values)) else None
