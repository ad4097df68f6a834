"""A chart as files: PNG, SVG and PDF to look at, and the CSV of the rows behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .tidy import to_csv

ENDS = ("png", "svg", "pdf", "csv")


def export(spec: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], stem: Path) -> list[Path]:
    """Write stem.png, .svg, .pdf and .csv from a Vega-Lite specification and its rows, and return the files.

    The fonts are those that come with vl-convert, so that the pictures are the same on every machine.
    """
    import vl_convert

    vega = vl_convert.vegalite_to_vega(dict(spec))
    plain = [{name: round(v, 6) if isinstance(v, float) else v for name, v in row.items()} for row in rows]
    contents = {
        "png": vl_convert.vega_to_png(vega, scale=2),
        "svg": vl_convert.vega_to_svg(vega).encode(),
        "pdf": vl_convert.vega_to_pdf(vega),
        "csv": to_csv(plain).encode(),
    }
    files = [stem.with_name(f"{stem.name}.{end}") for end in ENDS]
    stem.parent.mkdir(parents=True, exist_ok=True)
    for file, end in zip(files, ENDS, strict=True):
        file.write_bytes(contents[end])
    return files
