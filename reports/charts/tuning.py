"""What a tuning budget buys: the expected best validation accuracy of n trials, a panel per task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..budget import SHOWN, Curve
from .means import lines, panels
from .spec import Rows, Spec, interval, named, number


def best_of() -> Spec:
    """Return the expected best over the number of trials, doubling from tick to tick; a line per method."""
    axis = {"values": SHOWN, "format": "d", "grid": False}
    x = {"field": "n", "type": "quantitative", "title": "trials", "axis": axis}
    x["scale"] = {"type": "log", "base": 2, "nice": False}
    says = "Expected validation accuracy of the best of n trials, a panel per task and a line per study."
    return panels(says, "set", {"layer": lines(x, number("value", "validation accuracy (%)"), "name", "n")}, 210)


def best_of_rows(found: Sequence[Curve]) -> Rows:
    """Return the curves of studies with at least two trials, at budgets that double, and at the whole one."""
    tasks = list(dict.fromkeys(one.task for one in found))
    several = Counter((one.suite, one.task, one.method) for one in found)
    labels = [_label(one, several[one.suite, one.task, one.method] > 1) for one in found]
    who = named(list(dict.fromkeys(labels)))
    return [
        {
            "suite": one.suite,
            "set": one.task,
            **who[label],
            "n": n,
            **interval(round(100 * one.without[n - 1], 4), None),
            "place": tasks.index(one.task),
        }
        for label, one in zip(labels, found, strict=True)
        if one.trials > 1
        for n in sorted({*(n for n in SHOWN if n < one.trials), one.trials})
    ]


def _label(one: Curve, several: bool) -> str:
    """Return a curve's name: the method's, or the study's where a method has several on a task."""
    return (one.study if several else one.method) + ("" if one.complete else " (unfinished)")
