"""Accuracy against what it costs, with the Pareto front: parameters, time, memory, inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..costs import ByTask, Measure, of, over
from ..table import Mean, Row, Table
from .spec import Rows, Spec, chart, interval, named, number, present, tooltip, valued


def spec(measure: Measure) -> Spec:
    """Return accuracy against one cost; a cost of zero has a lane of its own before a logarithmic axis."""
    scale = {"type": "log", "nice": False, "padding": 22} if measure.log else {"nice": False, "padding": 22}
    axis = {"tickCount": 6, **(_lane() if measure.log else {})}
    x = number("at", measure.axis, axis=axis) | {"scale": scale if measure.log else {**scale, "zero": False}}
    y = number("value", "top-1 accuracy (%)", scale={"padding": 14, "nice": False})
    tip = tooltip(
        ("method", "method"), ("value", "accuracy", ".2f"), ("half", "\u00b1", ".2f"), ("x", measure.title, ",.4~g")
    )
    return chart(
        f"Top-1 accuracy against {measure.axis}. Filled points are on the Pareto front: "
        "nothing shown is both cheaper and better.",
        height=380,
        params=valued({"zero": 0}),
        transform=[
            *present("x", "value"),
            {"calculate": "datum.x > 0 || zero == 0 ? datum.x : zero", "as": "at"},
            *_front(measure),
        ],
        layer=[
            _staircase(x, y, measure),
            _zeros(x),
            *_marks("off", "!datum.front", x, y, tip),
            *_marks("on", "datum.front", x, y, tip),
        ],
    )


def _lane() -> Spec:
    """Return what keeps an axis from counting within the lane of zeros."""
    ticks = {"condition": {"test": "datum.value < 2 * zero", "value": 0}, "value": 1}
    return {"labelExpr": "datum.value < 2 * zero ? '' : datum.label", "tickOpacity": ticks, "format": "~g"}


def _front(measure: Measure) -> list[Spec]:
    """Return the transforms that find the front: what is better than all that is as cheap or cheaper."""
    sort = [
        {"field": "at", "order": "descending" if measure.more else "ascending"},
        {"field": "value", "order": "descending"},
    ]
    best = {"op": "max", "field": "value", "as": "best"}
    before = {"op": "lag", "field": "best", "as": "before"}
    return [
        {"window": [best], "frame": [None, 0], "sort": sort},
        {"window": [before], "sort": sort},
        {"calculate": "!isValid(datum.before) || datum.value > datum.before", "as": "front"},
    ]


def _staircase(x: Spec, y: Spec, measure: Measure) -> Spec:
    mark = {
        "type": "line",
        "style": "front",
        "interpolate": "step-before" if measure.more else "step-after",
        "aria": False,
    }
    return {"transform": [{"filter": "datum.front"}], "mark": mark, "encoding": {"x": x, "y": y}}


def _zeros(x: Spec) -> Spec:
    """Return the tick of the lane of zeros."""
    mark = {"type": "text", "style": "name-off", "baseline": "top", "dy": 11, "text": "0", "aria": False}
    return {
        "transform": [{"filter": "datum.x == 0 && zero > 0"}, {"aggregate": [], "groupby": ["at"]}],
        "mark": mark,
        "encoding": {"x": x, "y": {"value": "height"}},
    }


def _marks(state: str, which: str, x: Spec, y: Spec, tip: list[Spec]) -> list[Spec]:
    """Return intervals, points and names of those on the front, or off it."""
    at = "scale('x', datum.at)"
    left = f"{at} > width * 0.8"
    name = {
        "type": "text",
        "style": f"name-{state}",
        "aria": False,
        "limit": {"expr": f"min(190, ({left} ? {at} : width - {at}) - 8)"},
        "align": {"expr": f"{left} ? 'right' : 'left'"},
        "dx": {"expr": f"{left} ? -8 : 8"},
        "dy": -9,
    }
    ends = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
    some = {"filter": which}
    return [
        {
            "transform": [some, *present("low")],
            "mark": {"type": "rule", "style": f"interval-{state}", "aria": False},
            "encoding": ends,
        },
        {
            "transform": [some],
            "mark": {"type": "point", "style": state, "cursor": "pointer"},
            "encoding": {"x": x, "y": y, "tooltip": tip},
        },
        {
            "transform": [some, {"filter": "datum.named !== false"}],
            "mark": name,
            "encoding": {"x": x, "y": y, "text": {"field": "name"}},
        },
    ]


def rows(table: Table, key: str, measure: Measure, measured: Mapping[str, ByTask]) -> Rows:
    """Return a row per method: an average or a task's accuracy, and what the runs behind it cost.

    Args:
        table: the table.
        key: a column, a group or an average.
        measure: the cost.
        measured: what was measured on the machine that is meant, by label.
    """
    who, tasks, found = named([row.label for row in table.rows]), over(table, key), []
    for row in table.rows:
        mean, x = accuracy(row, key), of(row, measure, tasks, measured[row.label])
        if mean and x is not None:
            place = {"x": x / measure.unit, **interval(mean.value, mean.half_width)}
            found.append({**who[row.label], **place})
    return _named(found, measure)


def _named(found: Rows, measure: Measure) -> Rows:
    """Return rows that say whether there is room for their name, from the best down, on a chart of usual size."""
    zero = values(found, measure)["zero"]
    xs = [np.log(one["x"] or zero) if measure.log and (one["x"] or zero) else one["x"] for one in found]
    places = list(zip(_scaled(xs, 560), _scaled([one["value"] for one in found], 340), strict=True))
    boxes: list[tuple[float, float, float]] = []
    for i in sorted(range(len(found)), key=lambda i: -found[i]["value"]):
        x, y = places[i]
        wide = 7.0 * len(found[i]["name"])
        left = x - wide if x > 0.8 * 560 else x
        free = all(left > end or left + wide < start or abs(y - other) > 14 for start, end, other in boxes)
        found[i]["named"] = free
        boxes += [(left, left + wide, y)] if free else []
    return found


def _scaled(numbers: Sequence[float], size: float) -> list[float]:
    low, high = min(numbers, default=0), max(numbers, default=0)
    return [(one - low) / (high - low or 1) * size for one in numbers]


def values(found: Rows, measure: Measure) -> dict[str, float]:
    """Return where zeros are drawn: well before the smallest cost."""
    costs = [one["x"] for one in found]
    some = [x for x in costs if x > 0]
    return {"zero": min(some) / 4 if measure.log and some and len(some) < len(costs) else 0}


def accuracy(row: Row, key: str) -> Mean | None:
    """Return a row's mean of tasks, of groups, of a group or on a task."""
    if key == "mean of tasks":
        return row.mean_of_tasks
    if key == "mean of groups":
        return row.mean_of_groups
    return row.groups.get(key) or (row.cells[key].mean if key in row.cells else None)
