"""Shows the tables on the screen: with rich where it is a terminal, as plain aligned text elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from .markdown import header, marks, title
from .sheet import Item, Sheet, Strip
from .shots import curves, sheets
from .table import Table

if TYPE_CHECKING:
    from rich.table import Table as Grid

SPARE = ("merged (M)", "with head (M)", "inference", "params (M)")
"""Columns that a narrow terminal does without, the first to go first; the files have them all."""


def show(tables: Sequence[Table], stream: TextIO) -> None:
    """Write every table: its title, its first sheet, or all of them where they are curves, and the marks below it."""
    for table in tables:
        head = header(table).replace("**", "").replace("`", "")
        stream.write(f"\n{title(table)}\n{head}\n\n")
        for sheet in sheets(table) if curves(table) else sheets(table)[:1]:
            stream.write(f"\n{sheet.title}\n" if sheet.title else "")
            if not (stream.isatty() and _rich(sheet, stream)):
                stream.write(aligned(sheet) + "\n")
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
    """Draw with rich as much as fits; False where nothing does or rich is not installed."""
    try:
        from rich.console import Console
    except ImportError:
        return False
    console = Console(file=stream)
    for strips in _narrower(sheet.strips):
        grid = _grid(strips)
        if console.measure(grid, options=console.options.update(width=10_000)).maximum <= console.width:
            console.print(grid)
            return True
    return False


def _narrower(strips: Sequence[Strip]) -> Iterator[Sequence[Strip]]:
    """Yield the columns, then without one and another of `SPARE`, then without intervals."""
    for left_out in range(len(SPARE) + 1):
        kept = [strip for strip in strips if strip.header not in SPARE[:left_out]]
        yield kept
    yield [replace(strip, items=tuple(replace(item, small="") for item in strip.items)) for strip in kept]


def _grid(strips: Sequence[Strip]) -> Grid:
    from rich.markup import escape
    from rich.table import Table as Grid

    grid = Grid(box=None, pad_edge=False, header_style="dim")
    two = any(strip.over for strip in strips)
    for i, strip in enumerate(strips):
        header = strip.header.replace(" (M)", "\n(M)").replace("mean of ", "mean of\n")
        name = f"{strip.over}\n{header}" if two and "\n" not in header else header
        grid.add_column(escape(name), justify="right" if i else "left", no_wrap=True, vertical="bottom")
    for items in zip(*(strip.items for strip in strips), strict=True):
        grid.add_row(*(_marked(escape(item.text), item) for item in items))
    return grid


def _marked(text: str, item: Item) -> str:
    return (f"[bold]{text}[/]" if item.bold else text) + (f" [dim]{item.small}[/]" if item.small else "")
