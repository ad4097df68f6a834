"""Tables on standard output: `python -m visionpeft.reports.show RUNS_DIR --format latex|md|csv`."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import latex, markdown, tidy
from .build import sound_tables
from .reading import load, missing
from .table import Table
from .terminal import complain, say

FORMATS: Mapping[str, Callable[[Sequence[Table], Sequence[str]], str]] = {
    "csv": lambda tables, _: tidy.text(tables),
    "latex": latex.page,
    "md": markdown.page,
}
"""What draws tables, and tells what was not counted."""


class ShowError(ValueError):
    """Why nothing can be shown."""


def text(root: Path, form: str, suite: str = "") -> tuple[str, list[str]]:
    """Return a store's tables, or those of a suite, in a format, and one line for each file and table left out.

    Raises:
        ShowError: there is no such format, folder or suite, or no record that could be counted.
    """
    if form not in FORMATS:
        raise ShowError(f"no format {form}; choose one of {', '.join(FORMATS)}")
    if why := missing(root):
        raise ShowError(why)
    found, skipped = load(root)
    suites = sorted({one.record.run["task"]["suite"] for one in found})
    if suite and suites and suite not in suites:
        raise ShowError(f"no records of suite {suite} in {root}; it has those of {', '.join(suites)}")
    made, refusals = sound_tables(one for one in found if suite in ("", one.record.run["task"]["suite"]))
    skipped += [f"a table: {error}" for error in refusals]
    if not made and not refusals:
        bad = "".join(f"not counted: {line}\n" for line in skipped)
        raise ShowError(f"{bad}no records to tabulate in {root}; a run leaves one there, for instance: make demo")
    return FORMATS[form](made, skipped) if made else "", skipped


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 2 with a message if a table, or all, cannot be made."""
    parser = argparse.ArgumentParser(prog="visionpeft.reports.show", description="Tables on standard output.")
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="folder of records, <suite>/*.json")
    parser.add_argument("--format", default="md", help=f"one of {', '.join(FORMATS)}")
    parser.add_argument("--suite", default="", help="the tables of this suite only")
    parser.add_argument("--standalone", action="store_true", help="a LaTeX document rather than a file to input")
    given = parser.parse_args(argv)
    try:
        if given.standalone and given.format != "latex":
            raise ShowError(f"a document of its own is for --format latex; given {given.format}")
        shown, skipped = text(given.runs, given.format, given.suite)
    except (ShowError, OSError) as error:
        return complain(str(error))
    say("".join(f"not counted: {line}\n" for line in skipped), sys.stderr)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # what is redirected reads as the written files do
    shown = latex.document(shown) if given.standalone and shown else shown
    if sys.stdout.isatty():
        say(shown)
    else:  # a file has what the records say, to the letter
        sys.stdout.write(shown)
    return 2 if any(line.startswith("a table: ") for line in skipped) else 0


if __name__ == "__main__":
    sys.exit(main())
