"""What a table's rows say of each other: the best of a column, who cannot be told from it, pairs, ranks, variance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .aggregate import Clusters
from .averages import averages, of_tasks, together
from .compare import (
    ALPHA,
    Difference,
    Variance,
    clustered,
    differences,
    holm,
    mean_of_known,
    mean_ranks,
    probability_of_improvement,
    variance,
    wilcoxon,
)
from .table import Row, Table

BEST, SAME = "best", "same"


@dataclass(frozen=True)
class Pair:
    """The first row minus the second, in points, on the tasks and seeds that both have.

    Attributes:
        tasks: of the mean of those tasks.
        groups: of the mean of groups; None unless both have the whole suite.
        wilcoxon: p of the signed-rank test over tasks; those that share images count once.
        improvement: how often a run of the first beats one of the second on a task drawn at random.

    A task with several test sets is one task, by the mean of those that are counted; both must have all of them.
    """

    tasks: Difference
    groups: Difference | None
    wilcoxon: float | None
    improvement: float


def scores(table: Table, seeds: Sequence[int] | None = None) -> np.ndarray:
    """Return accuracies in percent, (rows, seeds, tasks); NaN where there is none or a run of the cell failed.

    Args:
        table: the table.
        seeds: only these, which some row has; None: all that are there.
    """
    there, every = table.accuracies
    return every if seeds is None else every[:, [there.index(seed) for seed in seeds]]


def on_shared_seeds(table: Table, name: str) -> dict[str, float]:
    """Return the mean of a column, or of an average, over the table's seeds, of the rows that have them all.

    A row that was run with more seeds than the others is compared by the table's alone. By label, in percent.
    """
    columns = [column.name for column in table.columns]
    weights = np.eye(len(columns))[columns.index(name)] if name in columns else _averages(table).get(name)
    if weights is None:
        return {}
    fair = _fair(table, weights)
    means = _means(scores(table, table.seeds), fair, weights) if fair else ()
    return {table.rows[i].label: float(mean) for i, mean in zip(fair, means, strict=True)}


def _means(every: np.ndarray, fair: list[int], weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean over columns of some rows' means over seeds, (rows, seeds, columns) -> (fair,)."""
    used = weights != 0
    return np.round(np.nanmean(every[fair][:, :, used], axis=1) @ weights[used], 9)


def marks(table: Table) -> dict[tuple[str, str], str]:
    """Return (column, label) -> best or same: the highest mean, and those that cannot be told from it.

    Only cells with all of the table's seeds, and none that failed, take part, by these seeds. A row is the same as the
    best unless their paired difference is significant at 5 % after Holm's correction over the column; one that is the
    same with every seed has no spread to be judged by, so it is not. One seed marks the best alone.
    """
    every, shared = scores(table, table.seeds), together(table.columns)
    found: dict[tuple[str, str], str] = {}
    unit = dict(zip((c.name for c in table.columns), np.eye(len(table.columns)), strict=True))
    for name, weights in {**unit, **_averages(table)}.items():
        fair = _fair(table, weights)
        if len(fair) > 1:
            found |= {(name, table.rows[i].label): mark for i, mark in _marked(every, fair, weights, shared).items()}
    return found


def _averages(table: Table) -> dict[str, np.ndarray]:
    return averages(table.columns, table.group_tasks, table.suite_tasks)


def _by_task(every: np.ndarray, table: Table) -> np.ndarray:
    """Return scores (rows, seeds, columns) as (rows, seeds, tasks); NaN where a test set that is counted lacks one."""
    return np.stack([every[:, :, w != 0] @ w[w != 0] for w in of_tasks(table.columns).T], axis=2)


def _tasks_together(table: Table) -> Clusters:
    """Return which tasks share images, as positions among the table's tasks."""
    place = [table.tasks.index(column.task) for column in table.columns]
    return tuple(tuple(sorted({place[i] for i in cluster})) for cluster in together(table.columns))


def _fair(table: Table, weights: np.ndarray) -> list[int]:
    """Return the places of the rows that have all of the table's seeds on every task of an average, and no failure."""
    used = [column.name for column, weight in zip(table.columns, weights, strict=True) if weight]
    cells = [[row.cells.get(name) for name in used] for row in table.rows]
    whole = [all(cell and cell.clean and set(table.seeds) <= set(cell.seeds) for cell in row) for row in cells]
    return [i for i, fair in enumerate(whole) if fair]


def _marked(every: np.ndarray, fair: list[int], weights: np.ndarray, shared: Clusters) -> dict[int, str]:
    values = _means(every, fair, weights)
    best = [i for i, value in zip(fair, values, strict=True) if value == values.max()]
    others = [i for i in fair if i not in best]
    found = differences(every[best[0]] - every[others], weights, shared) if others else []
    ps = zip(others, holm([one.p for one in found]), strict=True)
    several = np.isfinite(every[best[0]][:, weights != 0]).any(axis=1).sum() > 1
    same = [i for i, p in ps if (several if p is None else p >= ALPHA)]
    return dict.fromkeys(best, BEST) | dict.fromkeys(same, SAME)


def pairs(table: Table) -> dict[tuple[int, int], Pair]:
    """Return the comparison of every two rows, (i, j) with i before j in the table."""
    every, shared = _by_task(scores(table), table), _tasks_together(table)
    places = [(i, j) for i in range(len(every)) for j in range(i + 1, len(every))]
    if not places:
        return {}
    d = np.stack([every[i] - every[j] for i, j in places])
    by_tasks = differences(d, np.full(len(table.tasks), 1 / len(table.tasks)), shared)
    by_groups: list[Difference | None] = [None] * len(d)
    if (of_columns := _averages(table).get("mean of groups")) is not None:
        weights = of_columns @ (of_tasks(table.columns) > 0)
        by_groups = [one if one.tasks == len(weights) else None for one in differences(d, weights, shared)]
    over_tasks = clustered(mean_of_known(d, axis=1), shared)
    tests = [wilcoxon(one) if np.isfinite(one).sum() > 1 else None for one in over_tasks]
    return {
        (i, j): Pair(tasks, groups, test, probability_of_improvement(every[i], every[j]))
        for (i, j), tasks, groups, test in zip(places, by_tasks, by_groups, tests, strict=True)
    }


def family(
    found: Mapping[tuple[int, int], Pair], rows: int, p: Callable[[Pair], float | None]
) -> list[list[float | None]]:
    """Return p for every row as the reference (first index) and another, after Holm over a reference's comparisons."""
    every = range(rows)
    return [holm([None if i == j else p(found[min(i, j), max(i, j)]) for j in every]) for i in every]


def mean_rank(table: Table) -> dict[str, float]:
    """Return the mean rank over tasks, by the table's seeds, of the rows that have these on all tasks, by label."""
    counted = of_tasks(table.columns).sum(axis=1)
    fair = _fair(table, counted)
    if len(fair) < 2:
        return {}
    means = np.nanmean(_by_task(scores(table, table.seeds)[fair], table), axis=1)
    found = mean_ranks(means)
    return {table.rows[i].label: float(rank) for i, rank in zip(fair, found, strict=True)}


def budgets(table: Table) -> dict[str, tuple[str, ...]]:
    """Return the budgets that settings of a table were tuned with, in words, and the labels of the rows of each."""
    found: dict[str, dict[str, None]] = {}
    for row in table.rows:
        for one in (one for cell in row.cells.values() for one in cell.done if "tuned" in one.run):
            found.setdefault(_budget(one.run["tuned"]), {})[row.label] = None
    return {words: tuple(labels) for words, labels in sorted(found.items())}


def _budget(tuned: Mapping[str, Any]) -> str:
    """Return what has to be equal for a budget to be; the space is the method's own, and the images are the task's."""
    sampler, pruner, folds = tuned.get("sampler", "tpe"), tuned.get("pruner", "none"), tuned["folds"]
    begun = "" if sampler == "grid" else " after the untuned settings" if tuned.get("untuned_first") else ", all drawn"
    judged = f"{folds} folds" if folds > 1 else "val"
    return f"{tuned['trials']} trials by {sampler}{begun}, judged on {judged}, pruner {pruner}"


def variances(table: Table, every: Iterable[Table]) -> dict[str, Variance]:
    """Return variances in points squared, pooled over tasks and only then kept from falling below 0, by label.

    Args:
        table: the table whose rows are meant.
        every: all tables; those that differ only in the training sample tell what another sample would change.
    """
    replicates = [one for one in every if replace(one.setting, sample=table.setting.sample) == table.setting]
    rows = {label: [row for one in replicates for row in one.rows if _unsampled(row.label) == _unsampled(label)]
            for label in (row.label for row in table.rows)}  # fmt: skip
    return {label: _pooled(table, ones) for label, ones in rows.items()}


def _unsampled(label: str) -> str:
    """Return a row's name without the training sample, as its other samples are called."""
    return re.sub(r", replicate=\d+\)$", ")", re.sub(r" \(replicate=\d+\)$", "", label))


def _pooled(table: Table, rows: Sequence[Row]) -> Variance:
    found = []
    for column in table.columns:
        cells = [cell for row in rows if (cell := row.cells.get(column.name)) and cell.clean]
        if cells:
            samples = [np.array([one.accuracy for one in cell.done]) for cell in cells]
            found.append(variance(samples, column.splits.get("test", {}).get("size")))
    kept = {name: [v for one in found if (v := getattr(one, name)) is not None] for name in ("seed", "sample", "test")}
    return Variance(**{name: max(0.0, float(np.mean(v))) * 1e4 if v else None for name, v in kept.items()})
