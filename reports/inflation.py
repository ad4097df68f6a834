"""What another selection rule would have said of the same runs: a diagnostic beside the honest numbers.

Most published VTAB-1k figures are the best of several test evaluations. Where records have every epoch's test accuracy,
the difference that makes is told, for the very runs of the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .aggregate import Clusters
from .averages import of_tasks, together
from .compare import Difference, differences
from .rules import RULES, Rule
from .table import Row, Table
from .tidy import to_csv

OVERALL = "mean of tasks"
Named = tuple[str, Rule, str]
Told = list[dict[str, Any]]
"""The diagnostic of a table as plain values."""


@dataclass(frozen=True)
class Inflation:
    """A row's accuracy under its own rule and under another, in points.

    Attributes:
        method: the row's label.
        rule: the other rule.
        over: a column, or the mean of the row's tasks that have such curves.
        seeds: those that finished with such curves.
        honest: mean accuracy under the run's own rule.
        chosen: mean accuracy under the other.
        added: what the other adds, with the 95 % interval over seeds where there are at least two.
    """

    method: str
    rule: Rule
    over: str
    seeds: tuple[int, ...]
    honest: float
    chosen: float
    added: Difference


def added(honest: np.ndarray, chosen: np.ndarray, together: Clusters | None = None) -> Difference:
    """Return what a rule adds to the mean over tasks, all of equal weight.

    Args:
        honest: accuracies under the runs' own rule, (seeds, tasks), NaN where there is none.
        chosen: those under the other.
        together: positions of tasks that share images.
    """
    tasks = honest.shape[1]
    return differences((chosen - honest)[None], np.full(tasks, 1 / tasks), together)[0]


def inflations(table: Table) -> list[Inflation]:
    """Return what other rules add, for the rows and rules that have the curves: each column, then the mean of tasks."""
    return [one for row in table.rows for rule in RULES for one in _of(table, row, rule)]


def _of(table: Table, row: Row, rule: Rule) -> Iterator[Inflation]:
    if rule.name == table.setting.select:
        return
    honest, chosen, seeds = _scores(table, row, rule)
    there = np.isfinite(chosen)
    for j, column in enumerate(table.columns):
        if there[:, j].any():
            yield _one((row.label, rule, column.name), seeds, honest[:, [j]], chosen[:, [j]])
    of_task = of_tasks(table.columns)
    whole = [i for i in range(of_task.shape[1]) if there[:, of_task[:, i] != 0].all(axis=1).any()]
    if len(whole) > 1:
        by_task = [
            np.stack([one[:, of_task[:, i] != 0].mean(axis=1) for i in whole], axis=1) for one in (honest, chosen)
        ]
        yield _one((row.label, rule, OVERALL), seeds, by_task[0], by_task[1], _shared(table, whole))


def _shared(table: Table, tasks: list[int]) -> Clusters:
    """Return which of some tasks share images, as positions among them."""
    place = [table.tasks.index(column.task) for column in table.columns]
    found = [{place[i] for i in cluster} & set(tasks) for cluster in together(table.columns)]
    return tuple(tuple(sorted(map(tasks.index, one))) for one in found if one)


def _one(
    named: Named, seeds: Sequence[int], honest: np.ndarray, chosen: np.ndarray, shared: Clusters | None = None
) -> Inflation:
    some = np.isfinite(chosen).any(axis=1)
    used = tuple(seed for seed, there in zip(seeds, some, strict=True) if there)
    own, other = (float(np.nanmean(one, axis=0).mean()) for one in (honest, chosen))
    return Inflation(*named, used, own, other, added(honest, chosen, shared))


def _scores(table: Table, row: Row, rule: Rule) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Return accuracies in percent under the table's rule and another, (seeds, columns), of the runs that have both."""
    seeds = row.seeds
    honest = np.full((len(seeds), len(table.columns)), np.nan)
    chosen = honest.copy()
    for j, column in enumerate(table.columns):
        cell = row.cells.get(column.name)
        for one in cell.done if cell and cell.clean else ():
            if (epoch := rule.choose(one.epochs)) is not None:
                honest[seeds.index(one.seed), j] = one.accuracy * 100
                chosen[seeds.index(one.seed), j] = epoch.test * 100
    return honest, chosen, seeds


def values(table: Table) -> Told:
    """Return the diagnostic as plain values, a mapping per row, rule and column; empty where no record has curves."""
    return [
        {
            "method": one.method,
            "rule": one.rule.name,
            "rule_says": one.rule.says,
            "looks_at_test": one.rule.looks_at_test,
            "over": one.over,
            "tasks": one.added.tasks,
            "seeds": len(one.seeds),
            "honest": round(one.honest, 4),
            "chosen": round(one.chosen, 4),
            "added": round(one.added.value, 4),
            "half_width": None if one.added.half_width is None else round(one.added.half_width, 4),
        }
        for one in inflations(table)
    ]


def summed(told: Told) -> Told:
    """Return the values of the mean of tasks, and of the columns of rows that have no such mean."""
    several = {line["method"] for line in told if line["over"] == OVERALL}
    return [line for line in told if line["over"] == OVERALL or line["method"] not in several]


def text(tables: Sequence[Table], told: Sequence[Told]) -> str:
    """Return the diagnostic of all tables, as `values` has it, as CSV numbered as in leaderboard.csv; empty if none."""
    lines = [
        {"table": number, "suite": table.setting.suite, "select": table.setting.select, **line}
        for number, (table, lines_of_it) in enumerate(zip(tables, told, strict=True), 1)
        for line in lines_of_it
    ]
    return to_csv(lines) if lines else ""
