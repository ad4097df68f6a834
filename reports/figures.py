"""Figures from records, as PNG, SVG, PDF and the CSV behind them: `python -m visionpeft.reports.figures RUNS`.

By itself it draws the leaderboard's charts, the very specifications of the page. With `--method NAME`, of a method that
searches: what its winners chose (`searches`). No torch in here; drawing needs altair and vl-convert.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from visionpeft.benchmark.trial import BadStudy

from . import budget, search_charts, searches
from .build import sound_tables
from .charts.spec import Spec
from .charts.theme import config
from .draw import drawn, studied
from .export import export
from .markdown import title
from .reading import LeaderboardError, load, missing
from .table import Table
from .terminal import complain, say

NEEDED = {"altair": "altair", "vl_convert": "vl-convert-python"}
WIDTH = 640


def of_searches(found: Sequence[searches.Search], stem: Path) -> list[Path]:
    """Draw searches of one setting to stem_choices, _entropies, _sizes and _places, and return the files."""
    counts = {"searches": len(found)} | {
        f"{name}s": len({getattr(one, name) for one in found}) for name in ("task", "seed")
    }
    about = f"{found[0].setting}. " + ", ".join(f"{name}: {number}" for name, number in counts.items())
    charts = {
        "choices": search_charts.choices(searches.choices(found), about),
        "entropies": search_charts.entropies(searches.entropies(found), about),
        "sizes": search_charts.sizes(searches.sizes(found), about),
        "places": search_charts.places(searches.places(found), about),
    }
    files = []
    for name, chart in charts.items():
        carried: Any = chart.data
        files += export(chart.to_dict(), carried.values, stem.with_name(f"{stem.name}_{name}"))
    return files


def of_tables(tables: Sequence[Table], out: Path, reference: str = "") -> list[Path]:
    """Draw the charts of all tables into a folder, and return the files.

    Args:
        tables: the leaderboard's.
        out: the folder.
        reference: the row that others are compared with; empty: the usual one.

    Raises:
        LeaderboardError: there is no such row.
    """
    labels = {row.label for table in tables for row in table.rows}
    if reference and reference not in labels:
        raise LeaderboardError(f"no row {reference!r} to compare with; there are {', '.join(sorted(labels))}")
    found = _charts(tables, reference)
    return [file for name, spec in found for file in export(spec, spec["data"]["values"], out / name)]


def of_studies(found: Sequence[budget.Curve], out: Path) -> list[Path]:
    """Draw what tuning bought over its budget into a folder, a chart per suite, and return the files."""
    files = []
    for suite, spec in studied(found):
        head = f"{suite}: expected best validation accuracy of n trials, without replacement"
        named = re.sub(r"\W+", "-", suite)
        files += export(printed(spec, head), spec["data"]["values"], out / f"{named}-budget")
    return files


def _charts(tables: Sequence[Table], reference: str) -> Iterator[tuple[str, Spec]]:
    """Yield (name, chart) of all tables; tables of one suite are numbered."""
    for number, table in enumerate(tables, 1):
        suite = re.sub(r"\W+", "-", table.setting.suite)
        several = sum(one.setting.suite == table.setting.suite for one in tables) > 1
        for name, spec in drawn(table, reference):
            yield f"{suite}{f'-{number}' if several else ''}-{name}", printed(spec, title(table))


def printed(spec: Spec, head: str) -> Spec:
    """Return a chart as it is printed: on white, with a width of its own and its table's title."""
    width = {"width": WIDTH} if spec.get("width") == "container" else {}
    words = {"text": textwrap.wrap(head, 90), "subtitle": textwrap.wrap(spec["description"], 100)}
    named = {**words, "fontSize": 13, "fontWeight": "normal", "subtitleFontSize": 11}
    return {**spec, **width, "title": named, "config": {**config("light"), "background": "white"}}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 2 with a message if there is nothing that could be drawn."""
    parser = argparse.ArgumentParser(prog="visionpeft.reports.figures", description="Figures from records.")
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="folder of records, <suite>/*.json")
    parser.add_argument("--method", help="draw its searches; without it, the leaderboard's charts")
    parser.add_argument("--setting", help="part of a setting's name, where searches have several")
    parser.add_argument("--reference", default="", help="the row that others are compared with; linear unless given")
    parser.add_argument("--out", type=Path, help="folder of the figures; RUNS_DIR/figures by default")
    given = parser.parse_args(argv)
    if why := missing(given.runs):
        return complain(why)
    if absent := [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]:
        return complain(f"drawing needs {' and '.join(absent)}; pip install 'visionpeft[figures]'")
    out, whose = given.out or given.runs / "figures", f" of {given.method}" if given.method else ""
    try:
        files = _searches(given, out / given.method) if given.method else _tables(given, out)
    except (searches.SearchError, LeaderboardError, BadStudy, OSError) as error:
        return complain(f"no figures{whose} from {given.runs}: {error}")
    say("".join(f"{file}\n" for file in files))
    if files:
        return 0
    return complain(f"no records to draw in {given.runs}; a run leaves one there, for instance: make demo")


def _searches(given: argparse.Namespace, stem: Path) -> list[Path]:
    found, skipped = searches.load(given.runs, given.method)
    _remark(skipped)
    return of_searches(searches.alike(found, given.setting), stem)


def _tables(given: argparse.Namespace, out: Path) -> list[Path]:
    found, skipped = load(given.runs)
    tables, refusals = sound_tables(found)
    studies = budget.curves(given.runs)
    if refusals and not tables:
        raise refusals[0]
    _remark([*skipped, *map(str, refusals)])
    return [*of_tables(tables, out, given.reference), *of_studies(studies, out)]


def _remark(skipped: Sequence[str]) -> None:
    say("".join(f"not counted: {line}\n" for line in skipped), sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
