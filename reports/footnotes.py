"""What must be known of a table's cells, as sentences: why some are blank, what others lack, which budgets rows had."""

from __future__ import annotations

from collections.abc import Iterable

from .contrast import budgets
from .found import Found
from .table import Column, Row, Table


def footnotes(table: Table) -> list[str]:
    """Return what must be known of cells, as plain text: blank, other seeds, cut test sets, failures, more looks."""
    return [
        *_blank(table),
        *_absent(table),
        *_seeds(table),
        *_own_classes(table.columns),
        *_in_domain(table.columns),
        *_cut(table.columns),
        *_shared(table.columns),
        *_failed(table),
        *_budgets(table),
        *_watched(table),
    ]


def _seeds(table: Table) -> list[str]:
    cells = [cell for row in table.rows for cell in row.cells.values() if cell.mean]
    others = any(cell.seeds != table.seeds for cell in cells)
    said = (
        "Cells that say n= or seeds have others than the table's; the best is found by the table's, of cells with them."
    )
    return [said] if others else []


def _blank(table: Table) -> list[str]:
    """Say which averages are blank and why."""
    groups = {column.task: column.group for column in table.columns}
    due = {g: f"{g} {list(groups.values()).count(g)} of {n}" for g, n in table.group_tasks.items()}
    lacking = [row for row in table.rows if not row.mean_of_tasks]
    if not lacking:
        return []
    if len(table.tasks) > table.suite_tasks or any(list(groups.values()).count(g) > table.group_tasks[g] for g in due):
        return [
            f"Runs on {len(table.tasks)} tasks ({', '.join(due.values())}), though the records say that the suite has "
            f"{table.suite_tasks}, so nothing is averaged; give each task of a suite a yaml in the folder of tasks."
        ]
    if len(table.tasks) < table.suite_tasks:
        have = f"{len(table.tasks)} of the suite's {table.suite_tasks} tasks ({', '.join(due.values())})"
        return [
            f"Runs on {have}; a mean of groups, a mean of tasks or a group's mean is given only when it is complete."
        ]
    return [f"Averages are blank where a task is missing or a run failed: {_rows(lacking)}."]


def _absent(table: Table) -> list[str]:
    """Say which cells are blank because their test set was not there."""
    blank: dict[tuple[str, str], list[str]] = {}
    for row in table.rows:
        for name, why in row.absent.items():
            blank.setdefault((why, row.label), []).append(name)
    rows: dict[tuple[str, str], list[str]] = {}
    for (why, label), names in blank.items():
        rows.setdefault((", ".join(names), why), []).append(label)
    said = "Blank, as the test set was absent: {} of {}: {}"
    return [said.format(names, ", ".join(labels), why) for (names, why), labels in rows.items()]


def _own_classes(columns: Iterable[Column]) -> list[str]:
    """Say which columns are scored within their own classes, and so enter no average."""
    own = ", ".join(column.name for column in columns if column.restricted)
    said = "the class is chosen among those of the test set; elsewhere, and so in every mean, among all of the task's"
    return [f"{own}: {said}"] if own else []


def _in_domain(columns: Iterable[Column]) -> list[str]:
    """Say which columns are of the domain that was learnt from, and so enter no average."""
    same = ", ".join(column.name for column in columns if not column.shifted)
    return (
        [f"{same}: the domain that was learnt from; it enters no mean, which is over the other domains"] if same else []
    )


def _rows(rows: Iterable[Row]) -> str:
    return ", ".join(row.label for row in rows)


def _cut(columns: Iterable[Column]) -> list[str]:
    found: dict[str, list[str]] = {}
    for column in columns:
        for split, (size, due) in sorted(column.cut.items()) if not column.restricted else ():
            mark = "‡ truncated test set" if split == "test" and size < due else f"{split} split of another size"
            name = column.name if split == "test" else column.task
            found.setdefault(mark, []).append(f"{name} has {size:,} of {due:,} images")
    return [f"{mark}: {', '.join(dict.fromkeys(n))}, not what others report on" for mark, n in found.items()]


def _shared(columns: Iterable[Column]) -> list[str]:
    """Say where test images were learnt from."""
    found = [f"{column.shared} of {column.name}" for column in columns if column.shared]
    return [f"Test images that are training images too, byte for byte: {', '.join(found)}"] if found else []


def _failed(table: Table) -> list[str]:
    what = {"oom": "out of memory", "diverged": "diverged"}
    return [
        f"† {row.label}, {task}, seed {one.seed}: {what[one.record.status]}{_reason(one)}"
        for row, task, one in table.failures
    ]


def _budgets(table: Table) -> list[str]:
    """Say which rows were tuned with more than others."""
    found = budgets(table)
    each = "; ".join(f"{words}: {', '.join(labels)}" for words, labels in found.items())
    return [f"Settings were tuned with unequal budgets: {each}."] if len(found) > 1 else []


def _watched(table: Table) -> list[str]:
    """Say which rows the test images were read for besides."""
    watched = _rows(row for row in table.rows if row.watched)
    return [f"Test images were also read at every epoch, for a diagnostic: {watched}."] if watched else []


def _reason(one: Found) -> str:
    return f" ({one.record.error[:160]})" if one.record.error else ""
