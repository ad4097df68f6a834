"""Draws tables as Markdown, for GitHub."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .reading import Found
from .sheet import Item, Sheet, sheets
from .table import Column, Row, Table

ESCAPED = str.maketrans({"|": "\\|", "*": "\\*", "<": "&lt;", ">": "&gt;", "`": "\\`", "\n": " ", "\r": " "})
SELECT = {"last": "last epoch", "best_val": "best validation epoch"}

LEGEND = """\
- Accuracies: top-1 on the test split in %, the mean over seeds and half the width of its 95 % Student's t interval; one
  seed has none. An average is taken within each seed first, then t over the seeds.
- **Bold**: best of its column among cells with the table's seeds, all of them finished.
- *mean of groups*: the mean of the group means, as in VPT, NOAH, FacT, SSF, RepAdapter and GLoRA; *mean of tasks*: the
  mean over all tasks, as in V-PETL Bench. Neither is given for a part of a suite, nor is a mean for a part of a group.
- *params*: trainable parameters in millions without the head; *with head*: mean over tasks; *merged*: all parameters
  after merging, blank where the method does not merge.
- *inference*: FLOPs of an image after merging (as it is, where the method does not merge) over the plain backbone's.
- † a run failed, so the cell's mean is over the others and enters no average; ‡ the test set is incomplete."""


def page(tables: Sequence[Table], skipped: Sequence[str]) -> str:
    """Return the whole leaderboard."""
    parts = ["# Leaderboard", *(section(table) for table in tables), f"## Legend\n\n{LEGEND}"]
    if skipped:
        parts.append("\n".join(["## Not counted", "", *(f"- {line.translate(ESCAPED)}" for line in skipped)]))
    return "\n\n".join(parts) + "\n"


def section(table: Table) -> str:
    """Return one table with its header and legend."""
    drawn = [f"### {s.title}\n\n{grid(s)}" if s.title else grid(s) for s in sheets(table)]
    below = ["\n".join(f"- {mark}" for mark in found)] if (found := marks(table)) else []
    return "\n\n".join([f"## {title(table)}", header(table), *drawn, *below, details(table.columns)])


def title(table: Table) -> str:
    """Return suite, backbone and recipe."""
    setting = table.setting
    rule = "" if (setting.select, setting.train_on) == ("last", "trainval") else f", {SELECT[setting.select]}"
    return f"{setting.suite} on {' / '.join(table.facts['backbone'])}, recipe {setting.recipe}{rule}"


def header(table: Table) -> str:
    """Return what holds for every number of a table."""
    setting, facts = table.setting, table.facts
    seeds = f"{len(table.seeds)} seed{'s' * (len(table.seeds) != 1)} ({', '.join(map(str, table.seeds)) or 'none'})"
    epochs = " or ".join(map(str, facts["epochs"]))
    norm = [" ".join(f"{value:g}" for value in values) for values in (setting.mean, setting.std)]
    return (
        f"**{seeds}** · selection: **{SELECT[setting.select]}**, trained on {setting.train_on}, test read once · "
        f"{epochs} epochs, {' or '.join(facts['precision'])} · backbone {setting.model}, weights "
        f"`{setting.weights[:8]}` · {setting.img_size} px {setting.interpolation}, mean {norm[0]}, std {norm[1]} · "
        f"data: {flavours(table.columns)}"
    )


def flavours(columns: Iterable[Column]) -> str:
    """Return the data flavours, with their tasks if there are several."""
    tasks: dict[str, list[str]] = {}
    for column in columns:
        tasks.setdefault(" or ".join(column.sources), []).append(column.name)
    return next(iter(tasks)) if len(tasks) == 1 else "; ".join(f"{s} ({', '.join(t)})" for s, t in tasks.items())


def grid(sheet: Sheet) -> str:
    """Return a sheet as a Markdown table; where a group begins, its name stands above the task's."""
    two = any(strip.over for strip in sheet.strips)
    heads = [f"*{s.over}*<br>{s.header}" if s.over else f"<br>{s.header}" if two else s.header for s in sheet.strips]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    lines += [list(map(_drawn, items)) for items in zip(*(strip.items for strip in sheet.strips), strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _drawn(item: Item) -> str:
    text = item.text.translate(ESCAPED)
    return (f"**{text}**" if item.bold else text) + (f" <sub>{item.small}</sub>" if item.small else "")


def marks(table: Table) -> list[str]:
    """Return what must be known of single cells: blank, other seeds, cut test sets, failures."""
    return [*_blank(table), *_seeds(table), *_cut(table.columns), *_failed(table)]


def _seeds(table: Table) -> list[str]:
    cells = [cell for row in table.rows for cell in row.cells.values() if cell.mean]
    others = any(cell.seeds != table.seeds for cell in cells)
    return ["Cells that say n= or seeds have other seeds than the table; they are never the best."] if others else []


def _blank(table: Table) -> list[str]:
    """Say which averages are blank and why."""
    due = {g: f"{g} {sum(c.group == g for c in table.columns)} of {n}" for g, n in table.group_tasks.items()}
    lacking = [row for row in table.rows if not row.mean_of_tasks]
    if not lacking:
        return []
    if len(table.columns) < table.suite_tasks:
        have = f"{len(table.columns)} of the suite's {table.suite_tasks} tasks ({', '.join(due.values())})"
        return [
            f"Runs on {have}; a mean of groups, a mean of tasks or a group's mean is given only when it is complete."
        ]
    return [f"Averages are blank where a task is missing or a run failed: {_rows(lacking)}."]


def _rows(rows: Iterable[Row]) -> str:
    return ", ".join(row.label.translate(ESCAPED) for row in rows)


def _cut(columns: Iterable[Column]) -> list[str]:
    lines = []
    for column in columns:
        for split, (size, due) in sorted(column.cut.items()):
            mark = "‡ truncated test set" if split == "test" and size < due else f"{split} split of another size"
            lines.append(f"{mark}: {column.name} has {size:,} of {due:,} images, not what others report on")
    return lines


def _failed(table: Table) -> list[str]:
    what = {"oom": "out of memory", "diverged": "diverged"}
    return [
        f"† {row.label}, {task}, seed {one.seed}: {what[one.record.status]}{_reason(one)}".translate(ESCAPED)
        for row, task, one in table.failures
    ]


def _reason(one: Found) -> str:
    return f" ({one.record.error[:160]})" if one.record.error else ""


def details(columns: Sequence[Column]) -> str:
    """Return size and digest of every split, folded."""
    names = list(dict.fromkeys(name for column in columns for name in column.splits))
    lines = [["task", "source", *names], ["---"] * (2 + len(names))]
    for column in columns:
        splits = [column.splits.get(name) for name in names]
        texts = [f"{split['size']:,}, `{split['digest'][:12]}`" if split else "" for split in splits]
        lines.append([column.name, " or ".join(column.sources), *texts])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"<details><summary>Images and digest of every split</summary>\n\n{table}\n\n</details>"
