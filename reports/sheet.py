"""Lays a table out: which columns, what each cell reads, which is best. Markdown and the terminal only draw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .contrast import on_shared_seeds
from .table import Cell, Column, Mean, Row, Table

WIDE = 8
"""With more tasks than this, each group gets a sheet of its own behind a summary."""


@dataclass(frozen=True)
class Item:
    """A cell to draw: its text, what is set small behind it, and whether it is the best of its column."""

    text: str = ""
    small: str = ""
    bold: bool = False


@dataclass(frozen=True)
class Strip:
    """A column to draw; `over` is a second header above it, where a group begins, and above `across` columns in all."""

    header: str
    items: tuple[Item, ...]
    over: str = ""
    across: int = 1


@dataclass(frozen=True)
class Sheet:
    """Columns side by side, the first of them the rows' names."""

    title: str
    strips: tuple[Strip, ...]


def sheets(table: Table) -> list[Sheet]:
    """Return a table's sheets: a single one if it has few tasks, else a summary and one for each group."""
    names, added = rows(table)
    ends = [*_averages(table), *costs(table)]
    if len(table.columns) <= WIDE:
        middle = [strip for group in table.groups for strip in _group(table, group, headed=True)]
        return [Sheet("", (names, added, *middle, *ends))]
    means = [strip for group in table.groups for strip in group_mean(table, group)]
    summary = Sheet("", (names, added, *means, *ends))
    return [summary, *(Sheet(group, (names, *_group(table, group))) for group in table.groups)]


def millions(value: float | None) -> str:
    """Return millions of parameters as text."""
    return "" if value is None else f"{value:.1f}" if value >= 10 else f"{value:.3f}" if value else "0"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"


def rows(table: Table) -> tuple[Strip, Strip]:
    """Return the first columns: the rows' names and what they train."""
    names = Strip("method", tuple(Item(row.label) for row in table.rows))
    return names, numbers("params (M)", table, lambda row: row.params["added"], millions)


def numbers(
    header: str, table: Table, value: Callable[[Row], float | None], text: Callable[[float | None], str]
) -> Strip:
    """Return a column of plain numbers."""
    return Strip(header, tuple(Item(text(value(row))) for row in table.rows))


def costs(table: Table) -> list[Strip]:
    """Return the columns of parameters and inference; one that nothing was measured for is left out."""
    strips = [
        numbers("with head (M)", table, lambda row: row.params["trainable"], millions),
        numbers("merged (M)", table, lambda row: row.params["merged_total"], millions),
        numbers("inference", table, lambda row: row.inference, _ratio),
    ]
    return [strip for strip in strips if any(item.text for item in strip.items)]


def _averages(table: Table) -> list[Strip]:
    groups = _means(table, "mean of groups", "mean of groups", lambda row: row.mean_of_groups)
    return groups + _means(table, "mean of tasks", "mean of tasks", lambda row: row.mean_of_tasks)


def _group(table: Table, group: str, headed: bool = False) -> list[Strip]:
    """Return a group's tasks and their mean; where tasks have several test sets, the heads are theirs."""
    strips, mean = _tasks(table, group), named(group_mean(table, group), "mean")
    if any(strip.over for strip in strips):
        several = len({column.task for column in table.columns if column.group == group}) > 1
        return [*strips, *(_headed(group, mean) if several and mean else [])]
    return _headed(group, [*strips, *mean]) if headed else [*strips, *mean]


def group_mean(table: Table, group: str) -> list[Strip]:
    """Return the column of a group's mean, or none if no row has it."""
    return _means(table, group, group, lambda row: row.groups.get(group))


def _means(table: Table, header: str, name: str, mean: Callable[[Row], Mean | None]) -> list[Strip]:
    """Return the column of the average of that name, or none if no row has it."""
    items = [_with_seeds(_item(mean(row), 2), mean(row), len(table.seeds)) for row in table.rows]
    return [Strip(header, _best(table, name, items, 2))] if any(item.text for item in items) else []


def _with_seeds(item: Item, mean: Mean | None, usual: int) -> Item:
    """Say how many seeds an average is over where these are not as many as the table's."""
    odd = mean is not None and mean.seeds != str(usual)
    return replace(item, small=f"{item.small} n={mean.seeds}".strip()) if mean and odd else item


def _tasks(table: Table, group: str) -> list[Strip]:
    """Return a group's columns; the test sets of a task stand together, before their mean."""
    by_task: dict[str, list[Column]] = {}
    for column in table.columns:
        if column.group == group:
            by_task.setdefault(column.task, []).append(column)
    return [strip for task, columns in by_task.items() for strip in _task(table, task, columns)]


def _task(table: Table, task: str, columns: list[Column]) -> list[Strip]:
    strips = [test_set(table, column) for column in columns]
    if not columns[0].target:
        return strips
    several = sum(column.counted for column in columns) > 1
    mean = _means(table, "mean", f"mean of {task}", lambda row: row.targets.get(task)) if several else []
    return _headed(task, [*strips, *mean])


def test_set(table: Table, column: Column) -> Strip:
    """Return the column of a test set."""
    cells = [row.cells.get(column.name) for row in table.rows]
    items = [_cell(cell, table.seeds) for cell in cells]
    name = (column.target or column.task) + ("‡" if "test" in column.cut else "")
    return Strip(name, _best(table, column.name, items, 1))


def _cell(cell: Cell | None, seeds: tuple[int, ...]) -> Item:
    if cell is None:
        return Item()
    item = _item(cell.mean, 1)
    if cell.done and cell.seeds != seeds:
        other = f"n={len(cell.seeds)}" if len(cell.seeds) != len(seeds) else f"seeds {' '.join(map(str, cell.seeds))}"
        item = replace(item, small=f"{item.small} {other}".strip())
    return replace(item, text=item.text + "†") if cell.failed else item


def _item(mean: Mean | None, digits: int) -> Item:
    if mean is None:
        return Item()
    return Item(f"{mean.value:.{digits}f}", "" if mean.half_width is None else f"±{mean.half_width:.{digits}f}")


def _best(table: Table, name: str, items: Sequence[Item], digits: int) -> tuple[Item, ...]:
    """Set the best in bold among rows that have the table's seeds, if there are two; equal as printed is equal."""
    values = {label: f"{value:.{digits}f}" for label, value in on_shared_seeds(table, name).items()}
    best = max(values.values(), key=float) if len(values) > 1 else None
    labels = (row.label for row in table.rows)
    return tuple(
        replace(item, bold=best is not None and values.get(label) == best)
        for label, item in zip(labels, items, strict=True)
    )


def named(strips: list[Strip], header: str) -> list[Strip]:
    """Return columns under another header."""
    return [replace(strip, header=header) for strip in strips]


def _headed(group: str, strips: list[Strip]) -> list[Strip]:
    return [replace(strips[0], over=group, across=len(strips)), *strips[1:]]
