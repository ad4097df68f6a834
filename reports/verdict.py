"""A row under a preset beside the published row it restates: a band, and what may be said.

The band is two-sided at 95 %: the binomial spread of the published accuracy on the test images, and the spread over our
seeds, added in squares. Published seeds are not known for these rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .aggregate import NORMAL
from .table import Cell, Column, Table

ROWS = {
    ("fact", "fact_tt"): ("FacT-TT r<=16", "qGOFT"),
    ("fact", "fact_tk"): ("FacT-TK r<=32", "qGOFT"),
    ("repadapter", "repadapter"): ("RepAdapter", "V-PETL"),
    ("ssf", "ssf"): ("SSF", "V-PETL"),
    ("noah", "lora"): ("LoRA-8", "NOAH"),
    ("noah", "adapter_pfeiffer"): ("Adapter-8", "NOAH"),
    ("vpt", "vpt_deep"): ("VPT-Deep", "NOAH"),
    ("glora", "glora"): ("GLoRA", "PACE"),
}
"""(preset, method): the published row, and how the paper it is copied from begins."""


def band(published: float, images: int, half_width: float | None) -> float:
    """Return by how many points an accuracy in percent may differ from a published one on that many test images."""
    share = published / 100
    return math.hypot(100 * NORMAL * math.sqrt(share * (1 - share) / images), half_width or 0.0)


def verdict(ours: float, published: float, within: float, reasons: Sequence[str] = ()) -> str:
    """Return reproduced, above or below, or why the two cannot be compared."""
    if reasons:
        return f"not comparable: {'; '.join(reasons)}"
    if abs(ours - published) <= within:
        return "reproduced"
    return "above" if ours > published else "below"


def reasons(run: Mapping[str, object], column: Column) -> list[str]:
    """Return what keeps a run under a preset from being a repetition of the published one."""
    preset, backbone = run["preset"], run["backbone"]
    assert isinstance(preset, dict) and isinstance(backbone, dict)
    copies = [source.partition(" ")[0] for source in column.sources]
    encoded = backbone.get("jpeg") == 75 and not any(copy.startswith("folder") for copy in copies)
    same = all(copy.startswith(preset["data"]) for copy in copies) or (preset["data"] == "noah-jpeg" and encoded)
    found = (
        [f"weights {backbone['model']} instead of {preset['model']}"] if backbone["model"] != preset["model"] else []
    )
    found += [] if same else [f"images from {' or '.join(copies)} instead of {preset['data']}"]
    found += [f"test has {n} images instead of {due}" for name, (n, due) in column.cut.items() if name == "test"]
    found += [f"published: {preset['selected']}"] if "TEST" in preset["selected"] else []
    return found + ([preset["lacks"]] if preset["lacks"] else [])


def own_settings(label: str, run: Mapping[str, Any]) -> list[str]:
    """Return what a row's name says beyond its preset: settings of the command line, which are not the repository's."""
    beyond = label.removeprefix(run["method"]["name"]).strip(" ()").removeprefix(f"preset={run['preset']['name']}")
    said = beyond.removeprefix(" on another backbone").strip(", ")
    return [f"settings of its own: {said}"] if said else []


def lines(table: Table, figures: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield a sentence for each cell of a table under a preset that has a published figure."""
    columns = {column.name: column for column in table.columns}
    for row in table.rows:
        for task, cell in row.cells.items():
            if (said := _line(cell, columns[task], figures)) is not None:
                yield f"{row.label}, {task}: {said}"


def _line(cell: Cell, column: Column, figures: Sequence[Mapping[str, str]]) -> str | None:
    if not (cell.mean and cell.clean):
        return None
    run = cell.done[0].run
    name, paper = ROWS.get((run.get("preset", {}).get("name", ""), run["method"]["name"]), ("", ""))
    found = [f for f in figures if f["method"] == name and f["source_paper"].startswith(paper) and f.get(column.name)]
    if not name or not found:
        return None
    published, images = float(found[0][column.name]), column.splits["test"]["size"]
    within = band(published, images, cell.mean.half_width)
    own = own_settings(cell.done[0].record.label, run)
    said = verdict(cell.mean.value, published, within, [*own, *reasons(run, column)])
    return f"{cell.mean.value:.1f} beside {published:.1f} ± {within:.1f} ({name}): {said}"
