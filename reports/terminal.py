"""Shows the tables on the screen: with rich where it is a terminal, as plain aligned text elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from . import reference
from .footnotes import footnotes
from .literature import boards
from .markdown import header, title
from .sheet import Item, Sheet, Strip
from .shots import curves, sheets
from .table import Table

if TYPE_CHECKING:
    from rich.table import Table as Grid

SPARE = ("merged (M)", "with head (M)", "inference", "params (M)")
"""Columns that a narrow terminal does without, the first to go first; the files have them all."""


LESS = ("from", "mean of tasks", "params (M)")
"""The same of published rows beside ours."""
LETTERS = 22
"""What is left of a name where all else has not made a table narrow enough."""


@contextlib.contextmanager
def until_the_reader_leaves() -> Iterator[None]:
    """Write to standard output until its reader, such as head, has seen enough, which is no error."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # Python would complain once more at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    r"""Return anybody's text on one line; what would steer the terminal is named, as \x1b, instead of sent to it."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def say(text: str, stream: TextIO | None = None) -> None:
    """Write lines, to standard output unless told otherwise: all that commands tell a person goes this way."""
    (stream or sys.stdout).write("\n".join(map(printable, text.split("\n"))))


def complain(message: str) -> int:
    """Say on standard error why a command did nothing, or not all; return its exit code, 2."""
    say(f"{message}\n", sys.stderr)
    return 2


def show(tables: Sequence[Table], stream: TextIO, published: bool = False) -> None:
    """Write every table: its title, its first sheet, or all of them where they are curves, and the marks below it.

    Then, if asked for, each table's rows with the published ones of their methods below them, on which backbone is said
    of both.
    """
    for table in tables:
        head = header(table).replace("**", "").replace("`", "")
        say(f"\n{printable(title(table))}\n{printable(head)}\n\n", stream)
        for sheet in sheets(table) if curves(table) else sheets(table)[:1]:
            say(f"\n{printable(sheet.title)}\n" if sheet.title else "", stream)
            _draw(sheet, stream, SPARE)
        for mark in footnotes(table):
            say(f"- {printable(mark)}\n", stream)
    for table in tables if published else ():
        for board in boards([table]):
            if beside := reference.sheet(board, _methods(tables), printable(title(table))):
                say(f"\n{beside.title}\n\n", stream)
                _draw(beside, stream, LESS)


def _methods(tables: Sequence[Table]) -> dict[str, str]:
    """Return the method behind each label."""
    cells = [(row.label, cell) for table in tables for row in table.rows for cell in row.cells.values()]
    return {label: one.record.run["method"]["name"] for label, cell in cells for one in (*cell.done, *cell.failed)}


def _draw(sheet: Sheet, stream: TextIO, spare: Sequence[str]) -> None:
    """Write a sheet, on a terminal without one and another of the columns to `spare` if there is no room."""
    sheet = replace(sheet, strips=tuple(map(_told, sheet.strips)))
    if not (stream.isatty() and _rich(sheet, stream, spare)):
        say(aligned(sheet) + "\n", stream)


def _told(strip: Strip) -> Strip:
    """Return a column whose widths are those of what is shown of its names."""
    items = tuple(replace(item, text=printable(item.text)) for item in strip.items)
    return replace(strip, header=printable(strip.header), over=printable(strip.over), items=items)


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
    return f"{item.text}{'*' if item.bold and item.text else ''} {item.small}".strip()


def _rich(sheet: Sheet, stream: TextIO, spare: Sequence[str]) -> bool:
    """Draw with rich as much as fits; False where nothing does or rich is not installed."""
    try:
        from rich.console import Console
    except ImportError:
        return False
    console = Console(file=stream)
    for strips in _narrower(sheet.strips, spare):
        grid = _grid(strips)
        if console.measure(grid, options=console.options.update(width=10_000)).maximum <= console.width:
            console.print(grid)
            return True
    return False


def _narrower(strips: Sequence[Strip], spare: Sequence[str]) -> Iterator[Sequence[Strip]]:
    """Yield the columns, then without one and another of `spare`, then without intervals, then with short names."""
    for left_out in range(len(spare) + 1):
        kept = [strip for strip in strips if strip.header not in spare[:left_out]]
        yield kept
    names, *others = [replace(strip, items=tuple(replace(item, small="") for item in strip.items)) for strip in kept]
    yield [names, *others]
    short = [text if len(text := item.text) <= LETTERS else f"{text[: LETTERS - 1]}…" for item in names.items]
    yield [replace(names, items=tuple(map(Item, short))), *others]


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
