"""Too good to be true: rows above what was ever published for their task, by more than chance and a margin.

A figure above all others is no error. It is where a leak, another data copy or a slip of the hand shows first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..copied import figures
from ..literature import OWN, TARGETS, Line, boards
from ..table import Cell, Column, Row, Table
from ..verdict import band, judgements
from .finding import Finding, warning

MARGIN = 1.0
"""Points that a row may stand above a published figure beside chance: what methods of the field differ by."""
COLUMNS = {ours: theirs for theirs, ours in (TARGETS | OWN).items()}


def plausible(tables: Iterable[Table]) -> Iterator[Finding]:
    """Yield cells that stand above published figures, and rows under a preset above the row that they restate."""
    copied = {board.suite: board.lines for board in boards([])}
    vtab = figures("vtab1k")
    for table in tables:
        columns = {column.name: column for column in table.columns}
        for row in table.rows:
            for name, cell in row.cells.items():
                yield from _above(row, cell, columns[name], copied.get(table.setting.suite, ()))
        for where, one in judgements(table, vtab):
            if one.verdict == "above":
                yield warning(f"{where}: {one.figures}: above the published band{one.beside}")


def _above(row: Row, cell: Cell, column: Column, copied: Iterable[Line]) -> Iterator[Finding]:
    if not (cell.mean and cell.clean):
        return
    key, size = COLUMNS.get(column.name, column.name), column.splits["test"]["size"]
    there = [line for line in copied if key in line.values]
    own = [line for line in there if cell.done[0].run["method"]["name"] in line.methods]
    for lines_, whose in ((there, "any method"), (own, "this method")):
        best = max(lines_, key=lambda line: line.values[key], default=None)
        if best is None:
            continue
        published = best.values[key]
        within = band(published, max(size, 1), cell.mean.half_width)
        if cell.mean.value > published + within + MARGIN:
            yield warning(
                f"{row.label}, {column.name}: {cell.mean.value:.1f} is above {published:.1f}, the best that was "
                f"published of {whose} ({best.method}, {best.source}), by more than chance ({within:.1f}) and "
                f"{MARGIN:.0f} point; look at its data, weights and settings"
            )
            return
