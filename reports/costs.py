"""What the runs of a row cost on one machine: what several measured is neither averaged nor set side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from visionpeft.benchmark.record import Record

from .sound import is_number
from .table import Row, Table


@dataclass(frozen=True)
class Measure:
    """A cost: its key, its name in a table's head and on an axis, what it is, and how it is drawn.

    Attributes:
        cost: keys of a record's costs, the first one that is there counts; empty if it is a value of the row.
        kind: which peak memory is meant, as the record's `peak_memory_kind` has it.
        unit: what a value is divided by on the axis.
        log: whether the axis is logarithmic.
        more: whether more of it is cheaper.
    """

    key: str
    title: str
    axis: str
    long: str
    cost: tuple[str, ...] = ()
    kind: str = ""
    unit: float = 1
    log: bool = True
    more: bool = False


MEASURES = (
    Measure(
        "added",
        "params (M)",
        "trainable parameters without the head (millions)",
        "trainable parameters without the head (millions)",
    ),
    Measure(
        "trainable",
        "with head (M)",
        "trainable parameters with the head (millions)",
        "trainable parameters with the head (millions), mean over tasks",
    ),
    Measure(
        "merged_total",
        "merged (M)",
        "parameters after merging (millions)",
        "all parameters after merging (millions); blank where the method does not merge",
        log=False,
    ),
    Measure(
        "inference",
        "inference",
        "FLOPs of an image, over the plain backbone's",
        "FLOPs of an image after merging (as it is, where it does not merge) over the plain backbone's",
        log=False,
    ),
    Measure(
        "seconds",
        "training",
        "training time of a run (s)",
        "training time of a run",
        ("seconds_train",),
    ),
    Measure(
        "memory",
        "peak memory",
        "peak memory that CUDA allocated (GiB)",
        "peak memory that CUDA allocated in training",
        ("peak_memory_bytes",),
        kind="cuda_allocated",
        unit=2**30,
        log=False,
    ),
    Measure(
        "process",
        "process memory",
        "peak resident memory of the process (GiB)",
        "peak resident memory of the whole process in training, Python and libraries included (no measure "
        "of a GPU's memory)",
        ("peak_memory_bytes",),
        kind="process_rss",
        unit=2**30,
        log=False,
    ),
    Measure(
        "rate",
        "images/s",
        "images per second at inference",
        "images per second at inference, merged where the method merges",
        ("images_per_second_merged", "images_per_second_inference"),
        more=True,
    ),
)

ByTask = Mapping[str, Mapping[str, float]]
"""What the runs of a row cost: {task: {key of a measure: mean}}."""


def machine(record: Record) -> str:
    """Return where a run was measured: its device, a CPU's threads, the precision, and whether it was compiled."""
    seen, recipe = record.provenance, record.run.get("recipe", {})
    device, threads = str(seen.get("device") or "unknown device"), seen.get("threads")
    words = [device, f"{threads} thread{'' if threads == 1 else 's'}" if device.startswith("cpu") and threads else ""]
    words += [str(recipe.get("precision") or ""), "compiled" if seen.get("compiled") else ""]
    return ", ".join(filter(None, words))


def machines(table: Table) -> tuple[str, ...]:
    """Return where the runs of a table were measured: first where most rows were on every task, then by runs."""
    runs, whole = Counter[str](), Counter[str]()
    for row in table.rows:
        tasks: dict[str, set[str]] = {}
        for column in table.columns:
            for one in row.cells[column.name].done if column.name in row.cells else ():
                tasks.setdefault(machine(one.record), set()).add(column.task)
                runs[machine(one.record)] += 1
        whole.update(name for name, seen in tasks.items() if len(seen) == len(table.tasks))
    return tuple(sorted(runs, key=lambda name: (-whole[name], -runs[name], name)))


def over(table: Table, key: str) -> tuple[str, ...]:
    """Return the tasks behind a column, a group or an average of a table."""
    if key in table.groups and key not in table.tasks:
        return tuple(task for task in table.tasks if any(c.task == task and c.group == key for c in table.columns))
    whose = {column.name: column.task for column in table.columns} | {f"mean of {task}": task for task in table.tasks}
    return (whose[key],) if key in whose else table.tasks


def by_task(table: Table, row: Row, where: str) -> ByTask:
    """Return what the runs of a row cost on a machine, the mean over those of each task, for what was measured."""
    runs: dict[str, dict[str, Record]] = {}  # a run with several test sets stands in several cells
    for column in table.columns:
        for one in row.cells[column.name].done if column.name in row.cells else ():
            if machine(one.record) == where:
                runs.setdefault(column.task, {})[one.file] = one.record
    return {task: _means([record.cost for record in records.values()]) for task, records in runs.items()}


def of(row: Row, measure: Measure, tasks: Sequence[str], measured: ByTask) -> float | None:
    """Return what a row costs: the mean over tasks; None where one of them has no run that was measured."""
    if not measure.cost:
        return row.inference if measure.key == "inference" else row.params[measure.key]
    means = [measured[task][measure.key] for task in tasks if measure.key in measured.get(task, ())]
    return fmean(means) if means and len(means) == len(tasks) else None


def behind(
    table: Table, row: Row, where: Sequence[str], columns: Sequence[str]
) -> dict[str, list[dict[str, float | None]]]:
    """Return what the runs behind a row's columns cost, {column: [{cost: value} for each machine]}, for the page."""
    measured = [by_task(table, row, name) for name in where]
    wanted = [one for one in MEASURES if any(one.key in means for found in measured for means in found.values())]
    tasks = {column: over(table, column) for column in columns}
    return {
        column: [{one.key: _significant(of(row, one, some, found)) for one in wanted} for found in measured]
        for column, some in tasks.items()
    }


def _significant(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _means(costs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    values = {measure.key: [_value(cost, measure) for cost in costs] for measure in MEASURES if measure.cost}
    known = {key: [float(value) for value in found if is_number(value)] for key, found in values.items()}
    return {key: fmean(found) for key, found in known.items() if found}


def _value(cost: Mapping[str, Any], measure: Measure) -> Any:
    if measure.kind and cost.get("peak_memory_kind") != measure.kind:
        return None
    return next((cost[key] for key in measure.cost if cost.get(key) is not None), None)
