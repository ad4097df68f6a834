"""Few-shot tables: accuracy against the number of training images per class, for each data set and their mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from . import sheet
from .sheet import Sheet, Strip, costs, group_mean, named, test_set
from .table import Column, Mean, Row, Table
from .tidy import to_csv

TASK = re.compile(r"(?P<dataset>\w+)_k(?P<shots>\d+)")
"""A task such as flowers102_k16: a data set and the number of images per class."""
MEAN = "mean of the data sets"


def curves(table: Table) -> dict[str, dict[int, Column]]:
    """Return {data set: {shots: column}}, in order; empty unless all of the table's tasks are called so."""
    found: dict[str, dict[int, Column]] = {}
    for column in table.columns:
        match = TASK.fullmatch(column.name)
        if match is None:
            return {}
        found.setdefault(match["dataset"], {})[int(match["shots"])] = column
    return {dataset: dict(sorted(found[dataset].items())) for dataset in sorted(found)}


def sheets(table: Table) -> list[Sheet]:
    """Return the curve of the mean over data sets and one of each data set, a column per number of shots.

    Of a table that has no such tasks, its usual sheets.
    """
    of_datasets = curves(table)
    if not of_datasets:
        return sheet.sheets(table)
    names, added = sheet.rows(table)
    means = [strip for shots, group in _groups(table).items() for strip in named(group_mean(table, group), _k(shots))]
    title = MEAN if means else ""
    first = Sheet(title, (names, added, *means, *costs(table)))
    return [first, *(Sheet(name, (names, *_strips(table, points))) for name, points in of_datasets.items())]


def _strips(table: Table, points: dict[int, Column]) -> list[Strip]:
    return [
        named([test_set(table, column)], _k(shots) + "‡" * ("test" in column.cut))[0]
        for shots, column in points.items()
    ]


def _groups(table: Table) -> dict[int, str]:
    """Return the group of each number of shots."""
    found = {shots: column.group for points in curves(table).values() for shots, column in points.items()}
    return dict(sorted(found.items()))


def _k(shots: int) -> str:
    return f"{shots} shot{'s' * (shots > 1)}"


def text(tables: Sequence[Table]) -> str:
    """Return all curves as CSV, a line per point, tables numbered as in leaderboard.csv; empty if there are none."""
    lines = [{"table": number, **line} for number, table in enumerate(tables, 1) for line in _lines(table)]
    return to_csv(lines) if lines else ""


def _lines(table: Table) -> list[dict[str, Any]]:
    return [
        {
            "method": row.label,
            "dataset": dataset,
            "shots": shots,
            "mean": round(mean.value, 4),
            "half_width": None if mean.half_width is None else round(mean.half_width, 4),
            "n": mean.n,
        }
        for row in table.rows
        for dataset, shots, mean in _points(table, row)
    ]


def _points(table: Table, row: Row) -> list[tuple[str, int, Mean]]:
    """Return (data set, shots, accuracy) of all finished cells, then those of the complete means."""
    points = []
    for dataset, columns in curves(table).items():
        cells = ((shots, row.cells.get(column.name)) for shots, column in columns.items())
        points += [(dataset, shots, cell.mean) for shots, cell in cells if cell and cell.clean and cell.mean]
    return points + [(MEAN, shots, row.groups[group]) for shots, group in _groups(table).items() if group in row.groups]
