"""What a person sees while runs go on: bars in a terminal, one line per finished run elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from .record import Record


class Screen:
    """Progress of a list of runs; a context manager."""

    def __init__(self, total: int) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}"),
            console=self.console,
            disable=not self.console.is_terminal or total == 0,
            transient=True,
        )
        self._runs = self._bars.add_task("runs", total=total, detail="")
        self._epochs = self._bars.add_task("epochs", total=None, detail="", visible=False)

    def __enter__(self) -> Screen:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self, stem: str) -> None:
        """Show which run is on."""
        self._bars.update(self._runs, detail=stem)
        self._bars.reset(self._epochs, total=None, visible=True, detail="")

    def epoch(self, row: dict[str, Any]) -> None:
        """Show an epoch's loss; the first epoch of a further phase starts the bar anew."""
        detail = f"{row['phase']} loss {row['loss']:.3f}"
        self._bars.update(self._epochs, completed=row["epoch"], total=row["epochs"], detail=detail)

    def decoding(self, done: int, total: int) -> None:
        """Show how far the decoding of images is."""
        self._bars.update(self._epochs, completed=done, total=total, detail="decoding images")

    def finish(self, record: Record) -> None:
        """Say in one line how a run ended."""
        self._bars.advance(self._runs)
        if record.status == "ok":
            seconds = record.cost["seconds_train"]
            self.say(f"{record.stem}: test {100 * record.scores['test']:.2f} % ({seconds:.0f} s)")
        else:
            self.say(f"{record.stem}: {record.status}, {record.error}")

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self.console.print(text, markup=False)


def table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table on standard output, whole lines even where the terminal is narrow."""
    grid = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        grid.add_row(*row)
    console = Console(highlight=False)
    console.print(grid, width=None if console.is_terminal else 200)


def remark(text: str) -> None:
    """Print a remark that is no error."""
    print(text, file=sys.stderr)  # noqa: T201


def complain(text: str) -> None:
    """Print an error message for a person."""
    print(f"error: {text}", file=sys.stderr)  # noqa: T201
