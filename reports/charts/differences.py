"""Differences from a reference method: over an average with intervals, and task by task as a heat map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..compare import Difference, difference
from ..contrast import Pair
from ..table import Cell, Table
from .spec import STEP, Rows, Spec, chart, interval, name, named, number, panelled, present, tooltip, valued

WORSE, UNSURE, BETTER = "worse", "not distinguishable", "better"
PLUS = "datum.value > 0 ? '+' + datum.label : datum.label"
REFERENCE = "linear"
"""What others are compared with unless another one is chosen: linear probing, else the first row."""


def forest() -> Spec:
    """Return differences with their intervals, coloured where the interval leaves zero out."""
    y = name("name")
    colour = {
        "field": "verdict",
        "type": "ordinal",
        "scale": {"domain": [WORSE, UNSURE, BETTER]},
        "legend": {"symbolOpacity": 1},
    }
    axis = {"labelExpr": PLUS, "grid": True, "tickCount": 8, "labelOverlap": "greedy", "labelSeparation": 8}
    x = number("value", "difference in points", axis=axis, scale={"nice": True})
    tip = tooltip(
        ("method", "method"), ("value", "difference", "+.2f"), ("half", "\u00b1", ".2f"), ("verdict", "verdict")
    )
    ends = {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour}
    zero = {"data": {"values": [{"zero": 0}]}, "mark": {"type": "rule", "style": "zero", "aria": False}}
    return chart(
        "Differences from the reference method in points, with 95 % intervals, seed by seed on the same tasks.",
        height={"step": STEP},
        layer=[
            {**zero, "encoding": {"x": number("zero", "difference in points")}},
            {  # before the intervals, which not all rows have: the first layer sets the order of the axis
                "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1, "cursor": "pointer"},
                "encoding": {"y": y, "x": x, "color": colour, "tooltip": tip},
            },
            {
                "transform": present("low"),
                "mark": {"type": "rule", "strokeWidth": 2.2, "aria": False},
                "encoding": ends,
            },
        ],
    )


def heat() -> Spec:
    """Return differences task by task; bold where the interval leaves zero out."""
    text = {"type": "text", "style": "value", "aria": False, "fontWeight": {"expr": "datum.sure ? 700 : 400"}}
    tip = tooltip(
        ("method", "method"),
        ("column", "task"),
        ("value", "difference", "+.2f"),
        ("half", "\u00b1", ".2f"),
        ("n", "seeds", "d"),
    )
    x = name("title", axis={"orient": "top", "labelAngle": -40, "domain": False, "ticks": False, "labelLimit": 130})
    inner = {
        "width": {"step": 52},
        "height": {"step": STEP},
        "encoding": {"x": x, "y": name("name", axis={"domain": False})},
        "layer": [
            {
                "mark": {"type": "rect", "cursor": "pointer", "tooltip": True},
                "encoding": {"color": _colour(), "tooltip": tip},
            },
            {"mark": text, "encoding": {"text": {"field": "value", "format": "+.1f", "type": "quantitative"}}},
        ],
    }
    whole = chart(
        "Differences from the reference method in points, task by task; bold where the 95 % interval leaves zero out.",
        params=valued({"most": 1}),
        facet={"column": {**name("group"), "spacing": 28}},
        spec=inner,
        resolve={"scale": {"x": "independent"}},
    )
    return panelled(whole)


def _colour() -> Spec:
    """Return the colour of a difference, full at `most`."""
    scale = {
        "domain": {"expr": "[-most, 0, most]"},
        "range": "diverging",
        "clamp": True,
        "type": "linear",
        "interpolate": "rgb",
    }
    return {
        "field": "value",
        "type": "quantitative",
        "scale": scale,
        "legend": {
            "title": "points",
            "gradientLength": 160,
            "gradientThickness": 9,
            "tickCount": 4,
            "labelExpr": PLUS,
            "titleOrient": "left",
        },
    }


def reference(table: Table, label: str = "") -> int:
    """Return the row that others are compared with."""
    labels = [row.label for row in table.rows]
    return next((labels.index(one) for one in (label, REFERENCE) if one in labels), 0)


def forest_rows(table: Table, pairs: Mapping[tuple[int, int], Pair], ref: int) -> Rows:
    """Return every row's difference from the reference on the mean of groups, or of tasks where that is unknown."""
    groups = any(pair.groups for pair in pairs.values())
    found, who = [], named([row.label for row in table.rows])
    for i, row in enumerate(table.rows):
        if i != ref:
            pair = pairs[min(i, ref), max(i, ref)]
            one, sign = (pair.groups if groups else pair.tasks), 1 if i < ref else -1
            found += [_line(who[row.label], one, sign)] if one and one.tasks else []
    return sorted(found, key=lambda one: -one["value"])


def _line(whose: Spec, one: Difference, sign: int) -> dict[str, object]:
    half = one.half_width if one.half_width is not None and np.isfinite(one.half_width) else None
    return {**whose, **interval(sign * one.value, half), "verdict": verdict(sign * one.value, half)}


def verdict(value: float, half: float | None) -> str:
    """Return whether an interval leaves zero out, and on which side."""
    return UNSURE if half is None or abs(value) <= half else BETTER if value > 0 else WORSE


def heat_rows(table: Table, ref: int) -> Rows:
    """Return every row's difference from the reference on every task that both have a seed of in common."""
    found, who = [], named([row.label for row in table.rows])
    for i, row in enumerate(table.rows):
        for column in table.columns if i != ref else ():
            one, seeds = _paired(row.cells.get(column.name), table.rows[ref].cells.get(column.name))
            if one:
                half = one.half_width
                sure = verdict(one.value, half) != UNSURE
                place = {"title": column.target or column.name, "column": column.name, "group": column.group}
                found.append({**who[row.label], **place, "value": one.value, "half": half, "sure": sure, "n": seeds})
    return found


def most(found: Rows) -> dict[str, float]:
    """Return the difference that has the full colour: four in five are smaller; at least a point."""
    sizes = sorted(abs(one["value"]) for one in found)
    return {"most": max(1.0, sizes[int(len(sizes) * 0.8)]) if sizes else 1.0}


def _paired(cell: Cell | None, other: Cell | None) -> tuple[Difference | None, int]:
    """Return the difference over the seeds that both cells have, all of them finished, and how many they are."""
    if not (cell and other and cell.clean and other.clean):
        return None, 0
    a, b = ({one.seed: one.accuracy * 100 for one in each.done} for each in (cell, other))
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        return None, 0
    return difference(np.array([a[s] for s in seeds]), np.array([b[s] for s in seeds])), len(seeds)
