"""What a person sees of downloads: bars in a terminal, a line for every tenth elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from visionpeft.data.unfinished import Listener, readable

from .screen import remark

if TYPE_CHECKING:
    from rich.progress import Progress


class Transfers(Listener):
    """Progress of files that are downloaded and unpacked; a context manager."""

    def __init__(self) -> None:
        self._bars = _bars() if sys.stderr.isatty() else None
        self._shown: dict[str, Any] = {}

    def __enter__(self) -> Transfers:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.stop()

    def advance(self, what: str, done: int, total: int) -> None:
        """Show how far a file is."""
        if self._bars:
            if what not in self._shown:
                self._shown[what] = self._bars.add_task(what, total=None)
            self._bars.update(self._shown[what], completed=done, total=total or None)
        elif total and (tenth := 10 * done // total) != self._shown.get(what):
            self._shown[what] = tenth
            remark(f"{what}: {10 * tenth} % of {readable(total)}")

    def remark(self, text: str) -> None:
        """Print a line above the bars."""
        if self._bars:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            remark(text)


def _bars() -> Progress | None:
    """Return bars for bytes, or None where rich is not installed."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    title = TextColumn("{task.description}", markup=False)
    columns = (title, BarColumn(bar_width=30), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
