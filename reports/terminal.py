"""Shows the tables on the screen: with rich where it is a terminal, as plain aligned text elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from .markdown import header, marks, title
from .sheet import Item, Sheet, sheets
from .table import Table


def show(tables: Sequence[Table], stream: TextIO) -> None:
    """Write every table: its title, its first sheet, and the marks below it."""
    for table in tables:
        head = header(table).replace("**", "").replace("`", "")
        stream.write(f"\n{title(table)}\n{head}\n\n")
        first = sheets(table)[0]
        if not (stream.isatty() and _rich(first, stream)):
            stream.write(aligned(first) + "\n")
        for mark in marks(table):
            stream.write(f"- {mark}\n")


def aligned(sheet: Sheet) -> str:
    """Return a sheet as columns of plain text; * marks the best of a column."""
    over = any(strip.over for strip in sheet.strips)
    columns = [[strip.over] * over + [strip.header, *map(_plain, strip.items)] for strip in sheet.strips]
    widths = [max(map(len, column)) for column in columns]
    names, *numbers = [
        [word.rjust(width) if i else word.ljust(width) for word in column]
        for i, (column, width) in enumerate(zip(columns, widths, strict=True))
    ]
    return "\n".join("  ".join(line).rstrip() for line in zip(names, *numbers, strict=True))


def _plain(item: Item) -> str:
    return f"{item.text}{'*' if item.bold else ''} {item.small}".strip()


def _rich(sheet: Sheet, stream: TextIO) -> bool:
    """Draw with rich; False where it is not installed."""
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table as Grid
    except ImportError:
        return False
    grid = Grid(box=None, pad_edge=False, padding=(0, 1, 0, 0), collapse_padding=True, header_style="dim")
    for i, strip in enumerate(sheet.strips):
        name = f"{strip.over}\n{strip.header}" if strip.over else strip.header
        grid.add_column(
            escape(name), justify="right" if i else "left", no_wrap=i == 0, vertical="bottom", overflow="fold"
        )
    for items in zip(*(strip.items for strip in sheet.strips), strict=True):
        grid.add_row(*(_marked(escape(item.text), item) for item in items))
    Console(file=stream).print(grid)
    return True


def _marked(text: str, item: Item) -> str:
    """Return rich markup; no blank before the interval, where a narrow terminal would break the line."""
    blank = " " if item.small and not item.small.startswith("±") else ""
    return (f"[bold]{text}[/]" if item.bold else text) + (f"{blank}[dim]{item.small}[/]" if item.small else "")
