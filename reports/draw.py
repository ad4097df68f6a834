"""Which charts a table has: what the page embeds, and each chart with its rows, ready to be written to a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from . import contrast, costs, inflation
from .budget import Curve
from .charts import cost, curves, differences, means, selection, tuning
from .charts.spec import Rows, Spec, filled
from .charts.theme import config
from .table import Table


def embedded() -> dict[str, Any]:
    """Return the specifications without rows, the themes, and the costs: the page fills them with what is shown."""
    specs = {f"cost {measure.key}": cost.spec(measure) for measure in costs.MEASURES}
    specs |= {"forest": differences.forest(), "heat": differences.heat(), "groups": means.groups()}
    specs |= {"shots": means.shots(), "shift": means.shift(), "loss": curves.loss()}
    specs |= {"inflation": selection.inflation(), "budget": tuning.best_of()}
    return {
        "specs": specs,
        "themes": {name: config(name) for name in ("light", "dark")},
        "costs": [asdict(measure) for measure in costs.MEASURES],
    }


def drawn(table: Table, reference: str = "") -> Iterator[tuple[str, Spec]]:
    """Yield (name, specification with rows) of every chart that a table has something for."""
    labels = [row.label for row in table.rows]
    yield from _costs(table)
    if len(table.rows) > 1:
        ref = differences.reference(table, reference)
        than = f"The reference is {labels[ref]}."
        forest = differences.forest_rows(table, contrast.pairs(table), ref)
        yield from _some("differences", _said(differences.forest(), than), forest)
        heat = differences.heat_rows(table, ref)
        yield from _some("tasks", _said(differences.heat(), than), heat, differences.most(heat))
    groups, shots = means.group_rows(table), means.shot_rows(table)
    if len({one["group"] for one in groups}) > 1 and not shots:
        yield from _some("groups", means.groups(), groups)
    yield from _some("shots", means.shots(), shots)
    yield from _some("shift", means.shift(), means.shift_rows(table, contrast.marks(table)))
    yield from _some("loss", curves.losses(), curves.loss_rows(table))
    yield from _some("inflation", selection.inflation(), selection.inflation_rows(inflation.values(table), labels))


def studied(found: Sequence[Curve]) -> Iterator[tuple[str, Spec]]:
    """Yield (suite, specification with rows) of what the studies of each suite bought."""
    rows = tuning.best_of_rows(found)
    for suite in dict.fromkeys(row["suite"] for row in rows):
        yield suite, filled(tuning.best_of(), [row for row in rows if row["suite"] == suite], {})


def _costs(table: Table) -> Iterator[tuple[str, Spec]]:
    key, where = average(table), next(iter(costs.machines(table)), "")
    measured = {row.label: costs.by_task(table, row, where) for row in table.rows}
    for measure in costs.MEASURES if key else ():
        rows = cost.rows(table, key, measure, measured)
        if len(rows) > 1:
            scored = sum(cost.accuracy(row, key) is not None for row in table.rows)
            left = f"Left out, without this cost: {scored - len(rows)} of {scored} rows." if scored > len(rows) else ""
            on = f"Measured on {where}." if measure.cost else ""
            spec = _said(cost.spec(measure), on, left)
            yield from _some(f"cost-{measure.key}", spec, rows, cost.values(rows, measure))


def _said(spec: Spec, *sentences: str) -> Spec:
    """Return a specification with more in its description."""
    return {**spec, "description": " ".join(filter(None, [spec["description"], *sentences]))}


def average(table: Table) -> str:
    """Return the average that stands for a method: of groups, else of tasks, else the only column; else none."""
    for name in ("mean of groups", "mean of tasks"):
        if sum(cost.accuracy(row, name) is not None for row in table.rows) > 1:
            return name
    return table.columns[0].name if table.columns else ""


def _some(name: str, spec: Spec, rows: Rows, values: dict[str, Any] | None = None) -> Iterator[tuple[str, Spec]]:
    if rows:
        yield name, filled(spec, rows, values or {})
