"""What a person sees while runs go on: bars in a terminal that has rich, one line per finished run everywhere.

Without bars, as in a log, a method's search says a line from time to time.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from visionpeft.data.unfinished import Listener

from .record import Record

if TYPE_CHECKING:
    from rich.progress import Progress


class Screen(Listener):
    """Progress of a list of runs; a context manager."""

    def __init__(self, total: int) -> None:
        self._stem = ""
        self._bars = _bars() if total and sys.stderr.isatty() else None
        if self._bars:
            self._runs = self._bars.add_task("runs", total=total, detail="")
            self._epochs = self._bars.add_task("epochs", total=None, detail="", visible=False)

    def __enter__(self) -> Screen:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.stop()

    def start(self, stem: str) -> None:
        """Show which run is on."""
        self._stem = stem
        if self._bars:
            self._bars.update(self._runs, detail=stem)
            self._bars.reset(self._epochs, total=None, visible=True, detail="")

    def epoch(self, row: dict[str, Any]) -> None:
        """Show an epoch's loss; a further phase starts the bar anew."""
        if self._bars:
            detail = f"{row['phase']} loss {row['loss']:.3f}"
            self._bars.update(self._epochs, completed=row["epoch"], total=row["epochs"], detail=detail)

    def advance(self, what: str, done: int, total: int) -> None:
        """Show how far something is that is no training: decoding images, a method's search."""
        if self._bars:
            self._bars.update(self._epochs, completed=done, total=total, detail=what)

    def say(self, text: str) -> None:
        """Print how far the run is, where there are no bars that show it."""
        if not self._bars:
            remark(f"{self._stem}: {text}")

    def ended(self, text: str) -> None:
        """Count one of the runs as done, and say something about it."""
        if self._bars:
            self._bars.advance(self._runs)
        self.remark(text)

    def finish(self, record: Record, standing: str = "") -> None:
        """Say in one line how a run ended, and in another where its row stands."""
        if record.status == "ok":
            seconds = record.cost["seconds_train"]
            scores = {name: value for name, value in record.scores.items() if name.startswith("test")}
            text = ", ".join(f"{name.removeprefix('test/')} {100 * value:.2f}" for name, value in scores.items())
            self.ended(f"{record.stem}: {text} % ({seconds:.0f} s)")
            if standing:
                self.remark(f"  {standing}")
            for name, count in record.shared.items():
                self.remark(
                    f"note: {count} images of {name} are training images too, byte for byte; the tables mark it"
                )
        else:
            self.ended(f"{record.stem}: {record.status}, {record.error}")

    def remark(self, text: str) -> None:
        """Print a line above the bars."""
        if self._bars:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            remark(text)


def _bars() -> Progress | None:
    """Return bars for runs and epochs, or None where rich is not installed."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeRemainingColumn())
    detail = TextColumn("{task.fields[detail]}", markup=False)
    return Progress(*columns, detail, console=Console(stderr=True), transient=True)


def table(columns: list[str], rows: list[list[str]]) -> None:
    """Print aligned columns on standard output."""
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())  # noqa: T201


def remark(text: str) -> None:
    """Print a remark that is no error."""
    print(text, file=sys.stderr)  # noqa: T201


def complain(text: str) -> None:
    """Print an error message for a person."""
    remark(f"error: {text}")
