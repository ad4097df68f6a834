"""Published rows beside ours, few enough for a screen: of each method that we ran, one for each way to choose."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .literature import Board, Line
from .sheet import Item, Sheet, Strip

CHOSEN = {"ours": "ours", "validation": "copied, val", "test": "copied, TEST", "unknown": "copied, ?"}
"""Who stands behind a row, and what its figures were chosen on."""
PRINTED = "printed average"


def sheet(board: Board, methods: Mapping[str, str], ours_are: str) -> Sheet | None:
    """Return our rows, each method's followed by the published ones; None where one of the two is missing.

    Args:
        board: a suite's rows, ours and copied.
        methods: the method that each of our rows ran.
        ours_are: the title of the table that our rows are from.
    """
    ours = [line for line in board.lines if line.who == "ours"]
    copied = [line for line in board.lines if line.who == "copied"]
    lines: list[Line] = []
    for method in dict.fromkeys(methods.get(line.method, "") for line in ours):
        lines += [line for line in ours if methods.get(line.method, "") == method]
        alike = {line.section: line for line in reversed(copied) if method in line.methods}
        lines += [alike[section] for section in CHOSEN if section in alike]
    if len(lines) == len(ours):
        return None
    title = (
        f"{board.title}: published rows are copied as printed and enter no average; leaderboard_published.md has all"
    )
    grounds = dict.fromkeys(line.backbone for line in lines if line.who == "copied")
    title += f"\nour rows: {ours_are}\ncopied rows: on {' / '.join(grounds)}"
    columns = [name for name in board.summary if name != PRINTED and any(name in line.values for line in lines)]
    strips = [
        Strip("method", tuple(Item(line.method if line in ours else f"  {line.method}") for line in lines)),
        Strip("who", tuple(Item(CHOSEN[line.section], bold=line in ours) for line in lines)),
        Strip("from", tuple(Item(_paper(line)) for line in lines)),
        Strip("params (M)", tuple(Item(line.params) for line in lines)),
        *(Strip(name, tuple(_value(line, name) for line in lines)) for name in columns),
    ]
    return Sheet(title, tuple(strips))


def _value(line: Line, name: str) -> Item:
    return Item(
        f"{line.values[name]:.2f}" if name in line.values else "", bold=line.who == "ours" and name in line.values
    )


def _paper(line: Line) -> str:
    """Return how the paper that a copied row was printed in is called."""
    printed = line.source.rpartition("printed: ")[2]
    return "" if line.who == "ours" else re.split(r" \(| Table|,| / ", printed)[0]
