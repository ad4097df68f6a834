"""What tells tables apart, in words: the page has a choice for each facet that its tables differ in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from .markdown import SELECT
from .table import UNTITLED, Setting, Table

FACET = {
    "model_args": "model",
    "weights": "backbone",
    **dict.fromkeys(("img_size", "mean", "std", "interpolation", "resize", "jpeg"), "images"),
    **dict.fromkeys(("select", "train_on"), "selection"),
    "sample": "training sample",
    "copy": "data copy",
}
"""Where fields of a setting are said; one that is not here is a facet of its own, so that none can be forgotten."""
PLAIN = {"training sample": "0", "data copy": "official", "preset": "none"}
"""What a facet reads where there is nothing to say."""
SAID: Mapping[str, Callable[[Any], str]] = UNTITLED | {
    "model_args": lambda args: "" if args == "{}" else args,
    "resize": lambda pixels: UNTITLED["resize"](pixels) if pixels else "",
    "jpeg": lambda quality: UNTITLED["jpeg"](quality) if quality else "",
    "select": SELECT.__getitem__,
    "train_on": lambda split: f"trained on {split}",
    "sample": lambda number: str(number or ""),
}


def facets(table: Table) -> dict[str, str]:
    """Return all of a table's setting by facet, in the order in which the page has them."""
    found: dict[str, list[str]] = {"suite": [], "backbone": [" / ".join(table.facts["backbone"])]}
    found |= {name: [] for name in ("model", "recipe", "selection")}
    for field in fields(Setting):
        words = SAID.get(field.name, str)(getattr(table.setting, field.name))
        found.setdefault(FACET.get(field.name, field.name), []).append(words)
    return {facet: ", ".join(filter(None, words)) or PLAIN.get(facet, "none") for facet, words in found.items()}


def choices(tables: Sequence[Table]) -> list[str]:
    """Return the facets in which tables differ; the model only where a backbone stands for several."""
    found = [facets(table) for table in tables]
    several = [facet for facet in found[0] if len({one[facet] for one in found}) > 1] if found else []
    models = {(one["backbone"], one["model"]) for one in found}
    told = len(models) == len({backbone for backbone, _ in models})
    return [facet for facet in several if facet != "model" or not told]


def common(table: Table, chosen: Sequence[str]) -> dict[str, str]:
    """Return the facets for which there is no choice, those left out that say nothing."""
    found = facets(table)
    return {name: words for name, words in found.items() if name not in chosen and words != PLAIN.get(name)}
