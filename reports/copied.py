"""Figures of the literature as `published/*.csv` have them, and of which of our methods each row is.

A name says too little of that: "Adapter-8" has one adapter per block, which is our adapter_pfeiffer, and "FacT" stands
for one of two. So the files say it: `ours` names the methods of conf/method that a row is of, with blanks between them,
or none, also where a source gives one method's figures under another's name; `preset` names the preset whose runs
restate the row.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "published"


def figures(name: str) -> list[dict[str, str]]:
    """Return the rows of a file of published figures, such as vtab1k."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def methods(row: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of our methods that a row is of."""
    return tuple(row["ours"].split())
