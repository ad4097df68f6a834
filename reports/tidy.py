"""Tables as CSV: one line per row, plain numbers, a column for everything; accuracies in percent."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .table import Cell, Column, Mean, Row, Table


def text(tables: Sequence[Table]) -> str:
    """Return the CSV of all tables; columns are the union over suites, blank where a table lacks them."""
    return to_csv(lines(tables))


def lines(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Return a mapping for each row of all tables."""
    return [_line(number, table, row) for number, table in enumerate(tables, 1) for row in table.rows]


def names(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the union of columns in the order in which they first appear."""
    return list(dict.fromkeys(name for line in lines for name in line))


def to_csv(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV; columns in the order in which they first appear."""
    out = io.StringIO()
    writer = csv.DictWriter(out, names(lines), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _line(number: int, table: Table, row: Row) -> dict[str, Any]:
    setting = table.setting
    line: dict[str, Any] = {
        "table": number,
        "suite": setting.suite,
        "method": row.label,
        "seeds": _words(row.seeds),
        "params_trainable_without_head_M": _round(row.params["added"], 6),
        "params_trainable_with_head_M": _round(row.params["trainable"], 6),
        "params_head_M": _round(row.params["head"], 6),
        "params_total_M": _round(row.params["total"], 6),
        "params_after_merge_M": _round(row.params["merged_total"], 6),
        "inference_cost_after_merge": _round(row.inference, 4),
        **_average("mean_of_groups", row.mean_of_groups),
        **_average("mean_of_tasks", row.mean_of_tasks),
    }
    for group in table.groups:
        line |= _average(f"group_{group}", row.groups.get(group))
    for task in dict.fromkeys(column.task for column in table.columns if column.target):
        line |= _average(f"targets_{task}", row.targets.get(task))
    for column in table.columns:
        line |= _task(column, row.cells.get(column.name))
    return line | _header(table)


def _header(table: Table) -> dict[str, Any]:
    setting = table.setting
    return {
        "backbone": _words(table.facts["backbone"]),
        "model": setting.model,
        "model_args": setting.model_args,
        "weights_sha256": setting.weights,
        "img_size": setting.img_size,
        "mean": _words(setting.mean),
        "std": _words(setting.std),
        "interpolation": setting.interpolation,
        "resize": setting.resize or "",
        "jpeg": setting.jpeg or "",
        "preset": setting.preset,
        "recipe": setting.recipe,
        "select": setting.select,
        "train_on": setting.train_on,
        "training_sample": setting.sample,
        "copy": setting.copy,
        "epochs": _words(table.facts["epochs"]),
        "precision": _words(table.facts["precision"]),
        "tasks_of_suite": table.suite_tasks,
    }


def _task(column: Column, cell: Cell | None) -> dict[str, Any]:
    """Return a task's columns; what its data was is told even where a row has no run."""
    name, test = column.name, column.splits.get("test", {})
    failed = {f"seed {one.seed} {one.record.status}": None for one in cell.failed} if cell else {}
    return {
        **_mean(name, cell.mean if cell else None),
        f"{name}_n": cell.mean.n if cell and cell.mean else 0,
        f"{name}_failed": "; ".join(failed),
        f"{name}_source": _words(column.sources),
        f"{name}_test_images": test.get("size"),
        f"{name}_test_expected": test.get("expected"),
        f"{name}_digests": _words(f"{split}:{value['digest'][:12]}" for split, value in column.splits.items()),
    }


def _mean(name: str, mean: Mean | None) -> dict[str, Any]:
    return {
        f"{name}_mean": _round(mean.value if mean else None, 4),
        f"{name}_half_width": _round(mean.half_width if mean else None, 4),
    }


def _average(name: str, mean: Mean | None) -> dict[str, Any]:
    return {**_mean(name, mean), f"{name}_seeds": mean.seeds if mean else ""}


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _words(values: Iterable[Any]) -> str:
    return " ".join(map(str, values))
