"""What the page embeds: tables, runs and comparisons as plain values, rounded, each thing once."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import contrast, costs, draw, facets, literature
from .budget import Curve
from .charts.selection import inflation_rows
from .charts.tuning import best_of_rows
from .compare import Difference
from .contrast import Pair, family
from .inflation import Told
from .markdown import flavours, title
from .names import NARROW, WIDE, short
from .runs import RUN, Words, rounded, run
from .stats import t_quantile
from .table import Cell, Column, Mean, Row, Table

CITATIONS = Path(__file__).with_name("citations.csv")
STATUS = {"oom": "out of memory", "diverged": "diverged"}
TUNED = {
    "": "as configured",
    "test": "per-task settings chosen on TEST",
    "val200": "per-task settings chosen on val200",
}
AVERAGES = ("mean of groups", "mean of tasks")


def contents(
    tables: Sequence[Table], skipped: Sequence[str], told: Sequence[Told], studies: Sequence[Curve] = ()
) -> dict[str, Any]:
    """Return all that the page shows; `told` is what other selection rules say of each table."""
    words, chosen = Words(), facets.choices(tables)
    suites = {table.setting.suite for table in tables}
    return {
        "run_fields": RUN,
        "t": _quantiles(tables),
        "facets": chosen,
        "tables": [
            {
                **_table(table, tables, chosen, words),
                "inflation": inflation_rows(one, [row.label for row in table.rows]),
            }
            for table, one in zip(tables, told, strict=True)
        ],
        "published": {board.suite: _board(board) for board in literature.boards([]) if board.suite in suites},
        "charts": draw.embedded(),
        "studies": best_of_rows(studies),
        "citations": {row["method"]: row for row in citations()},
        "skipped": list(skipped),
        "words": words.values,
    }


def citations() -> list[dict[str, str]]:
    """Return what a method does in a line, its paper and a link, for those that have a line in citations.csv."""
    with CITATIONS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _quantiles(tables: Iterable[Table]) -> list[float]:
    """Return the t of 1, 2, ... degrees of freedom, as many as the cell with the most seeds asks for."""
    most = max((len(cell.done) for table in tables for row in table.rows for cell in row.cells.values()), default=0)
    return [round(t_quantile(freedom), 6) for freedom in range(1, max(31, most))]


def _table(table: Table, tables: Sequence[Table], chosen: Sequence[str], words: Words) -> dict[str, Any]:
    marks, ranks, spread = contrast.marks(table), contrast.mean_rank(table), contrast.variances(table, tables)
    names, narrow = (short([row.label for row in table.rows], most) for most in (WIDE, NARROW))
    where, columns = costs.machines(table), [*_averages(table), *(_column(column) for column in table.columns)]
    rows = [
        {
            **_row(row, table, marks, words),
            "name": names[row.label],
            "narrow": narrow[row.label],
            "costs": costs.behind(table, row, where, ["", *(column["key"] for column in columns)]),
            "rank": rounded(ranks.get(row.label), 3),
            "spread": {name: rounded(v and v**0.5, 4) for name, v in asdict(spread[row.label]).items()},
        }
        for row in table.rows
    ]
    return {
        "title": title(table),
        "facets": facets.facets(table),
        "facts": _facts(table, where, chosen),
        "seeds": table.seeds,
        "machines": where,
        "group_tasks": table.group_tasks,
        "suite_tasks": table.suite_tasks,
        "columns": columns,
        "rows": rows,
        "pairs": _pairs(table),
    }


def _facts(table: Table, machines: Sequence[str], chosen: Sequence[str]) -> list[list[str]]:
    """Return what holds for every number of a table but is not chosen on the page, as (name, value)."""
    facts = table.facts
    seen = [f"{task}: {tags}, so it is no domain generalisation" for task, tags in facts.get("seen", ())]
    named = facets.common(table, chosen) | {
        "seeds": ", ".join(map(str, table.seeds)),
        "epochs": " or ".join(map(str, facts["epochs"])),
        "precision": " or ".join(facts["precision"]),
        "training images": f"each seed has its own: {', '.join(facts['by_seed'])}" if facts.get("by_seed") else "",
        "data": flavours(table.columns) if table.columns else "",
        "devices": "; ".join(machines),
        "the backbone was trained on": "; ".join(seen),
    }
    return [[name, value] for name, value in named.items() if value]


def _averages(table: Table) -> list[dict[str, Any]]:
    """Return the columns of averages; a group with one column is that column."""
    groups = [group for group in table.groups if table.group_tasks[group] > 1]
    several = [task for task in table.tasks if sum(c.task == task and c.counted for c in table.columns) > 1]
    wide = AVERAGES if len(table.group_tasks) > 1 else AVERAGES[1:]
    return [
        *({"key": name, "kind": "average", "title": name} for name in wide if table.suite_tasks > 1),
        *({"key": group, "kind": "group", "title": group} for group in groups),
        *({"key": f"mean of {task}", "kind": "task mean", "title": "mean", "task": task} for task in several),
    ]


def _column(column: Column) -> dict[str, Any]:
    notes = [
        f"{split} has {size:,} of {due:,} images, not what others report on"
        for split, (size, due) in sorted(column.cut.items())
    ]
    if column.restricted:
        notes.append("the class is chosen among those that occur in this test set; it enters no average")
    if not column.shifted:
        notes.append("the domain that was learnt from; it enters no average")
    return {
        "key": column.name,
        "kind": "task",
        "title": column.target or column.name,
        "task": column.task,
        "group": column.group,
        "target": column.target,
        "counted": column.counted,
        "sources": column.sources,
        "splits": {name: [split["size"], split["digest"][:12]] for name, split in column.splits.items()},
        "notes": notes,
    }


def _row(row: Row, table: Table, marks: Mapping[tuple[str, str], str], words: Words) -> dict[str, Any]:
    runs = [one.record.run for cell in row.cells.values() for one in (*cell.done, *cell.failed)]
    method = runs[0]["method"]
    means = {**row.groups, "mean of groups": row.mean_of_groups, "mean of tasks": row.mean_of_tasks}
    means |= {f"mean of {task}": mean for task, mean in row.targets.items()}
    cells = {
        name: {**_mean(mean), "n": mean.n, "fewest": mean.fewest, "mark": marks.get((name, row.label))}
        for name, mean in means.items()
        if mean
    }
    for column in table.columns:
        cells[column.name] = _cell(row, column, words) | {"mark": marks.get((column.name, row.label))}
    return {
        "label": row.label,
        "method": method["name"],
        "target": method.get("target", ""),
        "version": method.get("version"),
        "tuned": _chosen(runs[0]),
        "watched": row.watched,
        "settings": _common([(run["task"]["name"], run["method"].get("fields")) for run in runs]),
        "recipe": _common([(run["task"]["name"], run["recipe"]) for run in runs]),
        "params": {name: rounded(value, 6) for name, value in row.params.items()},
        "inference": rounded(row.inference, 4),
        "cells": cells,
    }


def _common(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return settings by name; one that differs between tasks is given as {"by task": {task: value}}."""
    by_name: dict[str, dict[str, Any]] = {}
    for task, fields in values:
        for name, value in fields.items() if isinstance(fields, dict) else ():
            by_name.setdefault(name, {})[task] = value
    return {
        name: next(iter(found.values())) if len(set(map(repr, found.values()))) == 1 else {"by task": found}
        for name, found in by_name.items()
    }


def _cell(row: Row, column: Column, words: Words) -> dict[str, Any]:
    cell = row.cells.get(column.name)
    if cell is None:
        return {"why": row.absent.get(column.name, "not run")}
    runs = [run(one, words) for one in (*cell.done, *cell.failed)]
    if not cell.mean:
        return {"why": _why(cell), "runs": runs}
    failed = {"why": f"{_why(cell)}; enters no average"} if cell.failed else {}
    return {**_mean(cell.mean), "n": cell.mean.n, "runs": runs, **failed}


def _why(cell: Cell) -> str:
    return "; ".join(f"seed {one.seed}: {STATUS[one.record.status]}" for one in cell.failed)


def _pairs(table: Table) -> dict[str, Any]:
    """Return the comparisons of every two rows i < j as flat lists, in the order (0, 1), (0, 2), ..., (1, 2), ..."""
    found = contrast.pairs(table)
    ps: dict[str, Callable[[Pair], float | None]] = {
        "mean of tasks": lambda pair: pair.tasks.p,
        "mean of groups": lambda pair: pair.groups.p if pair.groups else None,
        "wilcoxon": lambda pair: pair.wilcoxon,
    }
    rows = len(table.rows)
    adjusted = {name: [[rounded(p, 5) for p in one] for one in family(found, rows, of)] for name, of in ps.items()}
    return {
        "mean of tasks": [_difference(pair.tasks) for pair in found.values()],
        "mean of groups": [_difference(pair.groups) for pair in found.values()],
        "improvement": [rounded(pair.improvement, 4) for pair in found.values()],
        "adjusted": adjusted,
        "tasks": len(table.tasks),
    }


def _difference(one: Difference | None) -> list[Any] | None:
    return [rounded(one.value, 4), rounded(one.half_width, 4), one.tasks] if one and one.tasks else None


def _board(board: literature.Board) -> dict[str, Any]:
    return {"sections": literature.SECTIONS, "lines": [asdict(line) for line in board.lines]}


def _mean(mean: Mean) -> dict[str, float | None]:
    return {"value": rounded(mean.value, 4), "half": rounded(mean.half_width, 4)}


def _chosen(asked: Mapping[str, Any]) -> str:
    """Say how the settings of a run were chosen."""
    own, others = asked.get("tuned"), str(asked.get("per_task", ""))
    if own:
        judged = "val200" if own["folds"] == 1 else f"{own['folds']} folds of what is learnt from"
        return f"per-task settings, the best of {own['trials']} trials on {judged}"
    return TUNED.get(others, others)
