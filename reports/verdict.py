"""A row under a preset beside the published row it restates: a band, and what may be said.

A figure is judged by the rule that the published one was chosen by: the honest one where that was the last epoch, and
where it was the best of some looks at the test images, the same best of ours, which is a diagnostic and called so.

The band is two-sided at 95 %: the binomial spread of the published accuracy on the test images, and the spread over our
seeds, added in squares; an average's is that of its tasks, added in squares by their weights. Published seeds are not
known for these rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .aggregate import NORMAL
from .averages import averages
from .copied import methods
from .found import Found
from .order import VTAB
from .rules import LAST, RULES, Rule
from .stats import half_width
from .table import Cell, Column, Row, Table


def band(published: float, images: int, half_width: float | None) -> float:
    """Return by how many points an accuracy in percent may differ from a published one on that many test images."""
    share = published / 100
    return math.hypot(100 * NORMAL * math.sqrt(share * (1 - share) / images), half_width or 0.0)


def verdict(ours: float, published: float, within: float, reasons: Sequence[str] = ()) -> str:
    """Return reproduced, above or below, or why the two cannot be compared."""
    if reasons:
        return f"not comparable: {'; '.join(reasons)}"
    if abs(ours - published) <= within:
        return "reproduced"
    return "above" if ours > published else "below"


@dataclass(frozen=True)
class Judged:
    """A figure of ours beside a published one.

    Attributes:
        name: of the published row.
        ours, published: in percent.
        within: the band, in points.
        reasons: why the two cannot be compared.
        remarks: what differs all the same.
        rule: by which ours was chosen.
    """

    name: str
    ours: float
    published: float
    within: float
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]
    rule: Rule

    @property
    def verdict(self) -> str:
        """What may be said of the two."""
        return verdict(self.ours, self.published, self.within, self.reasons)

    @property
    def figures(self) -> str:
        """The two in words, and how ours was chosen."""
        chosen = f" ({self.rule.says}: a diagnostic, no result)" if self.rule.looks_at_test else ""
        return f"{self.ours:.1f}{chosen} beside {self.published:.1f} ± {self.within:.1f} ({self.name})"

    @property
    def beside(self) -> str:
        """What is told after a verdict."""
        return f" ({'; '.join(self.remarks)})" if self.remarks and not self.reasons else ""


def chosen_by(preset: Mapping[str, str]) -> Rule | None:
    """Return the rule by which a preset's figures were chosen; None where that is not known."""
    name = preset.get("rule") or ("" if "TEST" in preset["selected"] else "last")  # older records lack it
    return next((rule for rule in RULES if rule.name == name), None)


def reasons(run: Mapping[str, Any], column: Column) -> list[str]:
    """Return what keeps a run under a preset from being a repetition of the published one."""
    preset, backbone = run["preset"], run["backbone"]
    copies = [source.partition(" ")[0] for source in column.sources]
    encoded = backbone.get("jpeg") == 75 and not any(copy.startswith("folder") for copy in copies)
    same = all(copy.startswith(preset["data"]) for copy in copies) or (preset["data"] == "noah-jpeg" and encoded)
    found = (
        [f"weights {backbone['model']} instead of {preset['model']}"] if backbone["model"] != preset["model"] else []
    )
    found += [] if same else [f"images from {' or '.join(copies)} instead of {preset['data']}"]
    found += [f"test has {n} images instead of {due}" for name, (n, due) in column.cut.items() if name == "test"]
    found += [] if chosen_by(preset) else [f"published: {preset['selected']}"]
    return found + ([preset["lacks"]] if preset["lacks"] else [])


def own_settings(label: str, run: Mapping[str, Any]) -> list[str]:
    """Return what a row's name says beyond its preset: settings of the command line, which are not the repository's."""
    beyond = label.removeprefix(run["method"]["name"]).strip(" ()").removeprefix(f"preset={run['preset']['name']}")
    said = beyond.removeprefix(" on another backbone").strip(", ")
    return [f"settings of its own: {said}"] if said else []


def lines(table: Table, figures: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield a sentence for everything of a table that is judged."""
    for where, one in judgements(table, figures):
        yield f"{where}: {one.figures}: {one.verdict}{one.beside}"


def judgements(table: Table, figures: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, Judged]]:
    """Yield, by name, each cell of a table under a preset that has a published figure, and each row's averages."""
    columns = {column.name: column for column in table.columns}
    for row in table.rows:
        published = _restated(row, figures)
        judged = {
            task: _judged(cell, columns[task], published["method"], float(published[task]))
            for task, cell in row.cells.items()
            if published.get(task) and cell.mean and cell.clean
        }
        for task, one in (judged | _averaged(table, judged)).items():
            yield f"{row.label}, {task}", one


def _restated(row: Row, figures: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Return the published row that a row restates; an empty one where there is none."""
    run = next((one.run for cell in row.cells.values() for one in cell.done), {})
    preset = run.get("preset", {}).get("name")
    found = (one for one in figures if preset and one["preset"] == preset and run["method"]["name"] in methods(one))
    return next(found, {})


def _judged(cell: Cell, column: Column, name: str, published: float) -> Judged:
    run, label = cell.done[0].run, cell.done[0].record.label
    preset = run["preset"]
    rule, why = chosen_by(preset) or LAST, [*own_settings(label, run), *reasons(run, column)]
    values = [_chosen(one, rule) for one in cell.done]
    if None in values:
        why.append(
            f"published: {preset['selected']}; run it with oracle=true (ORACLE=1) to have such a figure beside it"
        )
        rule, values = LAST, [one.accuracy for one in cell.done]
    percent = np.array(values, float) * 100
    within = band(published, column.splits["test"]["size"], half_width(percent))
    remarks = tuple(filter(None, [preset.get("otherwise", "")]))
    return Judged(name, float(percent.mean()), published, within, tuple(why), remarks, rule)


def _chosen(one: Found, rule: Rule) -> float | None:
    """Return the accuracy of a run under a rule; None where its curve cannot tell."""
    if not rule.looks_at_test:
        return one.accuracy
    epoch = rule.choose(one.epochs)
    return epoch.test if epoch else None


def _averaged(table: Table, judged: Mapping[str, Judged]) -> dict[str, Judged]:
    """Return the averages over the whole suite, where every task has a figure of one rule."""
    weights = averages(table.columns, table.group_tasks, table.suite_tasks)
    ones = [judged.get(column.name) for column in table.columns]
    found: dict[str, Judged] = {}
    for name in ("mean of groups", "mean of tasks"):
        if name in weights and set(judged) == set(VTAB) and len({one.rule.name for one in judged.values()}) == 1:
            each = [one for one in ones if one]
            values = np.array([(one.ours, one.published, one.within) for one in each])
            ours, published = weights[name] @ values[:, :2]
            found[name] = Judged(
                each[0].name,
                *(float(ours), float(published), float(np.linalg.norm(weights[name] * values[:, 2]))),
                tuple(dict.fromkeys(why for one in each for why in one.reasons)),
                tuple(dict.fromkeys(why for one in each for why in one.remarks)),
                each[0].rule,
            )
    return found
