"""Builds the tables: groups records into cells, refuses what must not be averaged, averages what is complete."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from .reading import Found, check_cell, check_digests, is_number
from .stats import half_width_of_average, mean_of_groups, mean_of_tasks
from .table import Cell, Column, Mean, Row, Setting, Table, place


def tables(found: Iterable[Found]) -> list[Table]:
    """Return the tables of a store, in a fixed order.

    Raises:
        LeaderboardError: runs that share a cell or a column but must not be averaged or compared.
    """
    by_setting: dict[Setting, list[Found]] = defaultdict(list)
    for one in found:
        by_setting[Setting.of(one.record.run)].append(one)
    return [_table(setting, by_setting[setting]) for setting in sorted(by_setting)]


def _table(setting: Setting, found: list[Found]) -> Table:
    check_digests(one for one in found if one.record.status == "ok")
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


def _columns(found: Iterable[Found]) -> tuple[Column, ...]:
    by_task: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        by_task[one.task].append(one)
    columns = []
    for name, ones in by_task.items():
        first = min(ones, key=lambda one: (one.record.status != "ok", one.file)).record.run
        sources = tuple(sorted({one.record.run["data"]["source"] for one in ones}))
        columns.append(Column(name, first["task"]["group"], sources, first["data"]["splits"]))
    return tuple(sorted(columns, key=place))


def _facts(found: Iterable[Found]) -> dict[str, tuple[Any, ...]]:
    """Return what the header tells but does not separate tables: names, epochs, arithmetic."""
    runs = [one.record.run for one in found]
    return {
        "backbone": tuple(sorted({run["backbone"]["name"] for run in runs})),
        "epochs": tuple(sorted({run["recipe"]["epochs"] for run in runs})),
        "precision": tuple(sorted({str(run["recipe"].get("precision")) for run in runs})),
    }


def _row(
    label: str, found: list[Found], columns: tuple[Column, ...], group_tasks: Mapping[str, int], suite_tasks: int
) -> Row:
    by_task: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        by_task[one.task].append(one)
    cells = {c.name: _cell(by_task[c.name]) for c in columns if c.name in by_task}
    scores = _matrix(cells, columns)
    places = {g: [i for i, c in enumerate(columns) if c.group == g] for g in group_tasks}
    full = {g: len(places[g]) == due for g, due in group_tasks.items()}
    means = {g: _average(scores[:, places[g]], mean_of_tasks) for g in group_tasks if full[g]}
    whole = all(full.values()) and len(columns) == suite_tasks
    by_groups = partial(mean_of_groups, groups=list(places.values()))
    return Row(
        label,
        cells,
        {g: mean for g, mean in means.items() if mean},
        _average(scores, by_groups) if whole else None,
        _average(scores, mean_of_tasks) if whole else None,
        _params(cells.values()),
        _inference(cells.values()),
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


def _average(scores: np.ndarray, average: Callable[[np.ndarray], np.ndarray]) -> Mean | None:
    value = float(average(scores[-1]))
    if np.isnan(value):
        return None
    seeds = scores[:-1][~np.isnan(scores[:-1]).all(axis=1)]  # those that any of these tasks has
    return Mean(value, half_width_of_average(seeds, average), len(seeds))


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
