"""What a tuning budget buys: the expected best validation accuracy of n trials, a panel per task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..budget import SHOWN, Curve
from .means import lines, panels
from .spec import Rows, Spec, interval, number


def best_of() -> Spec:
    """Return the expected best over the number of trials, doubling from tick to tick; a line per method."""
    axis = {"values": SHOWN, "format": "d", "grid": False}
    x = {"field": "n", "type": "quantitative", "title": "trials", "axis": axis}
    x["scale"] = {"type": "log", "base": 2, "nice": False}
    return panels("set", {"layer": lines(x, number("value", "validation accuracy (%)"), "method", "n")}, 210)


def best_of_rows(found: Sequence[Curve]) -> Rows:
    """Return the curves of studies with at least two trials, at budgets that double, and at the whole one."""
    tasks = list(dict.fromkeys(one.task for one in found))
    several = Counter((one.suite, one.task, one.method) for one in found)
    return [
        {
            "suite": one.suite,
            "set": one.task,
            "method": (one.method if several[one.suite, one.task, one.method] == 1 else one.study)
            + ("" if one.complete else " (unfinished)"),
            "n": n,
            **interval(round(100 * one.without[n - 1], 4), None),
            "place": tasks.index(one.task),
        }
        for one in found
        if one.trials > 1
        for n in sorted({*(n for n in SHOWN if n < one.trials), one.trials})
    ]
