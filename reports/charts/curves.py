"""The training curves of some runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..found import Found
from ..reading import is_number
from .spec import Rows, Spec, chart, name, number, tooltip
from .theme import DASHES, STROKES


def loss() -> Spec:
    """Return the training loss by epoch, a line per run."""
    x, y = number("epoch", "epoch", scale={"nice": False}), number("value", "training loss", axis={"tickCount": 5})
    colour, dash = name("run", legend=STROKES), name("run", legend=STROKES, scale={"range": DASHES})
    tip = tooltip(("run", "run"), ("phase", "phase"), ("epoch", "epoch", "~g"), ("value", "loss", ".3~g"))
    lines = {"x": x, "y": y, "color": colour, "strokeDash": dash}
    return chart(
        height=220,
        layer=[
            {"mark": {"type": "line", "strokeWidth": 1.8, "aria": False}, "encoding": lines},
            {
                "mark": {"type": "point", "filled": True, "size": 26, "opacity": 1},
                "encoding": {"x": x, "y": y, "color": colour, "tooltip": tip},
            },
        ],
    )


def loss_rows(runs: Iterable[Found]) -> Rows:
    """Return the losses of some runs; phases follow each other."""
    return [line for one in runs for line in _lines(one)]


def _lines(run: Found) -> Iterator[dict[str, Any]]:
    before, last, phase = 0.0, 0.0, ""
    for row in run.record.curve:
        epoch, value = row.get("epoch"), row.get("loss")
        if epoch is None or not (is_number(epoch) and is_number(value)):
            continue
        if row.get("phase", "") != phase:
            before, phase = last, str(row.get("phase", ""))
        last = before + epoch
        yield {"run": f"seed {run.seed}", "phase": phase, "epoch": last, "value": value}
