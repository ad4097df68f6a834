"""Training curves: of some runs, and of a table."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from ..found import Found
from ..sound import is_number
from ..table import Table
from .means import lines, panels
from .spec import Rows, Spec, chart, interval, name, named, number, tooltip
from .theme import DASHES, STROKES

WHOLE = {"tickMinStep": 1, "format": "d", "grid": False}
"""The axis of epochs."""


def loss() -> Spec:
    """Return the training loss by epoch, a line per run."""
    y = number("value", "training loss", axis={"tickCount": 5})
    x = number("epoch", "epoch", scale={"nice": False}, axis=WHOLE)
    colour, dash = name("run", legend=STROKES), name("run", legend=STROKES, scale={"range": DASHES})
    tip = tooltip(("run", "run"), ("phase", "phase"), ("epoch", "epoch", "~g"), ("value", "loss", ".3~g"))
    line = {"x": x, "y": y, "color": colour, "strokeDash": dash}
    return chart(
        "Training loss by epoch, a line per run.",
        height=220,
        layer=[
            {"mark": {"type": "line", "strokeWidth": 1.8, "aria": False}, "encoding": line},
            {
                "mark": {"type": "point", "filled": True, "size": 26, "opacity": 1},
                "encoding": {**line, "tooltip": tip},
            },
        ],
    )


def losses() -> Spec:
    """Return the training loss by epoch, a panel per task and a line per method."""
    x = number("epoch", "epoch", scale={"nice": False}, axis=WHOLE)
    y = number("value", "training loss")
    says = "Training loss by epoch, the mean over seeds, a panel per task and a line per method."
    return panels(says, "set", {"layer": lines(x, y, "name", "epoch")}, 210)


def loss_rows(table: Table) -> Rows:
    """Return the mean loss over the seeds of each cell, at epochs that all of them have; phases follow each other."""
    found, who = [], named([row.label for row in table.rows])
    for place, task in enumerate(table.tasks):
        column = next(column.name for column in table.columns if column.task == task)
        for row in table.rows:
            runs = row.cells[column].done if column in row.cells else ()
            each = [dict(_points(one)) for one in runs]
            shared = [epoch for epoch in (each[0] if each else ()) if all(epoch in one for one in each)]
            found += [
                {**who[row.label], "set": task, "epoch": epoch, "place": place}
                | interval(fmean(one[epoch] for one in each), None)
                for epoch in shared
            ]
    return found


def _points(run: Found) -> Iterator[tuple[float, float]]:
    """Yield (epoch, loss) of a run."""
    before, last, phase = 0.0, 0.0, ""
    for row in run.record.curve:
        epoch, value = row.get("epoch"), row.get("loss")
        if epoch is None or value is None or not (is_number(epoch) and is_number(value)):
            continue
        if row.get("phase", "") != phase:
            before, phase = last, str(row.get("phase", ""))
        last = before + epoch
        yield last, value
