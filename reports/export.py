"""A chart as files: PNG and SVG to look at, and the CSV of the rows behind it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .tidy import to_csv

if TYPE_CHECKING:
    import altair as alt

ENDS = ("png", "svg", "csv")


def export(chart: alt.TopLevelMixin, stem: Path) -> list[Path]:
    """Write stem.png, stem.svg and stem.csv from a chart that carries its rows, and return the files.

    The fonts are those that come with vl-convert, so that the pictures are the same on every machine.
    """
    files = [stem.with_name(f"{stem.name}.{end}") for end in ENDS]
    stem.parent.mkdir(parents=True, exist_ok=True)
    chart.save(files[0], ppi=144)
    chart.save(files[1])
    rows = [{name: round(v, 6) if isinstance(v, float) else v for name, v in row.items()} for row in chart.data.values]
    files[2].write_text(to_csv(rows), encoding="utf-8", newline="\n")
    return files
