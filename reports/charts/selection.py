"""What other selection rules would have added to the very runs of a table: a diagnostic, never a result."""

from __future__ import annotations

from collections.abc import Sequence

from ..inflation import Told, summed
from .differences import PLUS
from .spec import STEP, Rows, Spec, chart, interval, name, named, number, present, tooltip


def inflation() -> Spec:
    """Return what each rule adds, with its interval over seeds: a line per method and rule."""
    order = {"field": "place", "op": "min"}
    y = {"y": name("name", sort=order), "yOffset": name("rule")}
    axis = {"labelExpr": PLUS, "grid": True, "tickCount": 6, "labelOverlap": "greedy", "labelSeparation": 8}
    x = number("value", "added, in points", axis=axis, scale={"zero": True})
    colour = name("rule")
    tip = tooltip(
        *(("method", "method"), ("rule", "rule"), ("over", "over"), ("seeds", "seeds", "d")),
        *(("honest", "by its own rule", ".2f"), ("chosen", "by this one", ".2f")),
        *(("value", "added", "+.2f"), ("half", "\u00b1", ".2f")),
    )
    ends = {**y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour}
    return chart(
        "What other selection rules would have added, in points, with 95 % intervals over seeds: a diagnostic.",
        height={"step": STEP, "for": "position"},
        layer=[
            {
                "transform": present("low"),
                "mark": {"type": "rule", "strokeWidth": 2, "aria": False},
                "encoding": ends,
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1, "cursor": "pointer"},
                "encoding": {**y, "x": x, "color": colour, "tooltip": tip},
            },
        ],
    )


def inflation_rows(told: Told, labels: Sequence[str]) -> Rows:
    """Return what each rule adds to each method of a table, over the mean of its tasks where it has several.

    Args:
        told: what other rules say.
        labels: of all rows of the table, so that they have the same names in all of its charts.
    """
    lines, who = summed(told), named(labels)
    return [
        {
            **who[one["method"]],
            "rule": one["rule_says"],
            "over": one["over"],
            "seeds": one["seeds"],
            "honest": one["honest"],
            "chosen": one["chosen"],
            **interval(one["added"], one["half_width"]),
            "place": place,
        }
        for place, one in enumerate(lines)
    ]
