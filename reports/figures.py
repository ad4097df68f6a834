"""Figures from records, as PNG, SVG and the CSV behind them: `python -m visionpeft.reports.figures RUNS --method NAME`.

Of a method that searches: what its winners chose (`searches`). No torch in here; drawing needs altair and vl-convert.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from . import search_charts, searches
from .export import export

NEEDED = {"altair": "altair", "vl_convert": "vl-convert-python"}


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
    return [file for name, chart in charts.items() for file in export(chart, stem.with_name(f"{stem.name}_{name}"))]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 2 with a message if there is nothing that could be drawn."""
    parser = argparse.ArgumentParser(prog="visionpeft.reports.figures", description="Figures from records.")
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="folder of records, <suite>/*.json")
    parser.add_argument("--method", required=True, help="whose searches are drawn")
    parser.add_argument("--setting", help="part of a setting's name, where there are several")
    parser.add_argument("--out", type=Path, help="folder of the figures; RUNS_DIR/figures by default")
    given = parser.parse_args(argv)
    if not given.runs.is_dir():
        return _complain(f"no folder {given.runs}; it appears with the first run, for instance: make demo")
    if absent := [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]:
        return _complain(f"drawing needs {' and '.join(absent)}; pip install 'visionpeft[figures]'")
    found, skipped = searches.load(given.runs, given.method)
    sys.stderr.write("".join(f"not counted: {line}\n" for line in skipped))
    try:
        files = of_searches(searches.alike(found, given.setting), (given.out or given.runs / "figures") / given.method)
    except (searches.SearchError, OSError) as error:
        return _complain(f"no figures of {given.method} from {given.runs}: {error}")
    sys.stdout.write("".join(f"{file}\n" for file in files))
    return 0


def _complain(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
