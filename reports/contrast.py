"""What a table's rows say of each other: the best of a column, who cannot be told from it, pairs, ranks, variance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .aggregate import Clusters
from .averages import averages, together
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
    """

    tasks: Difference
    groups: Difference | None
    wilcoxon: float | None
    improvement: float


def scores(table: Table) -> np.ndarray:
    """Return accuracies in percent, (rows, seeds, tasks); NaN where there is none or a run of the cell failed."""
    seeds = sorted({seed for row in table.rows for seed in row.seeds})
    found = np.full((len(table.rows), len(seeds), len(table.columns)), np.nan)
    for i, row in enumerate(table.rows):
        for j, column in enumerate(table.columns):
            cell = row.cells.get(column.name)
            for one in cell.done if cell and cell.clean else ():
                found[i, seeds.index(one.seed), j] = one.accuracy * 100
    return found


def marks(table: Table) -> dict[tuple[str, str], str]:
    """Return (column, label) -> best or same: the highest mean, and those that cannot be told from it.

    Only cells with the table's seeds, all of them finished, take part. A row is the same as the best unless their
    paired difference is significant at 5 % after Holm's correction over the column. One seed marks the best alone.
    """
    every, shared = scores(table), together(table.columns)
    found: dict[tuple[str, str], str] = {}
    unit = dict(zip((c.name for c in table.columns), np.eye(len(table.columns)), strict=True))
    for name, weights in {**unit, **_averages(table)}.items():
        fair = [i for i, row in enumerate(table.rows) if _comparable(row, table, weights)]
        if len(fair) > 1:
            found |= {(name, table.rows[i].label): mark for i, mark in _marked(every, fair, weights, shared).items()}
    return found


def _averages(table: Table) -> dict[str, np.ndarray]:
    return averages(table.columns, table.group_tasks, table.suite_tasks)


def _counted(table: Table) -> np.ndarray:
    """Return equal weights of all columns that enter averages."""
    counted = np.array([column.counted for column in table.columns], float)
    return counted / max(1.0, counted.sum())


def _comparable(row: Row, table: Table, weights: np.ndarray) -> bool:
    """Whether a row has the table's seeds on every task of an average, all of them finished."""
    cells = [row.cells.get(column.name) for column, weight in zip(table.columns, weights, strict=True) if weight]
    return all(cell is not None and cell.clean and cell.seeds == table.seeds for cell in cells)


def _marked(every: np.ndarray, fair: list[int], weights: np.ndarray, shared: Clusters) -> dict[int, str]:
    used = weights != 0
    values = np.round(np.nanmean(every[fair][:, :, used], axis=1) @ weights[used], 9)
    best = [i for i, value in zip(fair, values, strict=True) if value == values.max()]
    others = [i for i in fair if i not in best]
    found = differences(every[best[0]] - every[others], weights, shared) if others else []
    same = [i for i, p in zip(others, holm([one.p for one in found]), strict=True) if p is not None and p >= ALPHA]
    return dict.fromkeys(best, BEST) | dict.fromkeys(same, SAME)


def pairs(table: Table) -> dict[tuple[int, int], Pair]:
    """Return the comparison of every two rows, (i, j) with i before j in the table."""
    every, shared = scores(table), together(table.columns)
    places = [(i, j) for i in range(len(every)) for j in range(i + 1, len(every))]
    if not places:
        return {}
    d = np.stack([every[i] - every[j] for i, j in places])
    d[:, :, _counted(table) == 0] = np.nan
    named = _averages(table)
    by_tasks = differences(d, named.get("mean of tasks", _counted(table)), shared)
    by_groups: list[Difference | None] = [None] * len(d)
    if (weights := named.get("mean of groups")) is not None:
        by_groups = [one if one.tasks == (weights != 0).sum() else None for one in differences(d, weights, shared)]
    over_tasks = clustered(mean_of_known(d, axis=1), shared)
    tests = [wilcoxon(one) if np.isfinite(one).sum() > 1 else None for one in over_tasks]
    every[:, :, _counted(table) == 0] = np.nan
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
    """Return the mean rank over tasks of the rows that have them all with the table's seeds, by label."""
    fair = [i for i, row in enumerate(table.rows) if _comparable(row, table, _counted(table))]
    if len(fair) < 2:
        return {}
    means = np.nanmean(scores(table)[fair][:, :, _counted(table) > 0], axis=1)
    found = mean_ranks(means)
    return {table.rows[i].label: float(rank) for i, rank in zip(fair, found, strict=True)}


def variances(table: Table, every: Iterable[Table]) -> dict[str, Variance]:
    """Return variances in points squared, pooled over tasks, by label.

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
    return Variance(**{name: float(np.mean(v)) * 1e4 if v else None for name, v in kept.items()})
