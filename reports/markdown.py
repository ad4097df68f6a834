"""Draws tables as Markdown, for GitHub."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from . import inflation
from .footnotes import footnotes
from .sheet import Item, Sheet
from .shots import sheets
from .table import UNTITLED, Column, Row, Table, numbers

ESCAPED = str.maketrans(
    {char: f"\\{char}" for char in "\\|*`["} | {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "}
)
"""Anybody's text as Markdown prints it: no emphasis, link, cell or tag begins or ends in it, and no line."""
SELECT = {"last": "last epoch", "best_val": "best validation epoch"}

LEGEND = """\
- Accuracies: top-1 on the test split in %, the mean over seeds and half the width of its 95 % Student's t interval; one
  seed has none, nor have seeds that all agree. An average's interval is a bootstrap of the seeds within every task,
  those of tasks that share images drawn together, widened for few seeds.
- **Bold**: best of its column by the table's seeds, among cells that have all of these and no failed run. *n=*: over so
  many seeds; of an average, from the fewest to the most that one of its tasks has.
- *mean of groups*: the mean of the group means, as in VPT, NOAH, FacT, SSF, RepAdapter and GLoRA; *mean of tasks*: the
  mean over all tasks, as in V-PETL Bench. Neither is given for a part of a suite, nor is a mean for a part of a group.
- *params*: trainable parameters in millions without the head; *with head*: mean over tasks; *merged*: all parameters
  after merging, blank where the method does not merge.
- *inference*: FLOPs of an image after merging (as it is, where the method does not merge) over the plain backbone's.
- † a run failed, so the cell's mean is over the others and enters no average; ‡ the test set is incomplete."""

NO_RESULT = "Diagnostic, no result: the same runs under other selection rules"
DIAGNOSED = ["method", "over", "seeds", "honest", "rule", "would say", "added"]
DIAGNOSTIC = """\
For runs made with `oracle=true`, test accuracy after every epoch was read when training had ended. *added*: what
choosing the epoch so would have added to the honest number, with its 95 % interval over seeds."""


def page(tables: Sequence[Table], skipped: Sequence[str], told: Sequence[inflation.Told] | None = None) -> str:
    """Return the whole leaderboard.

    Args:
        tables: what is in it.
        skipped: what is not, and why.
        told: what other selection rules say of each table, where that is known already.
    """
    found = [inflation.values(table) for table in tables] if told is None else told
    sections = [section(*one) for one in zip(tables, found, strict=True)]
    parts = ["# Leaderboard", *sections, f"## Legend\n\n{LEGEND}"]
    if skipped:
        parts.append("\n".join(["## Not counted", "", *(f"- {_escaped(line)}" for line in skipped)]))
    return "\n\n".join(parts) + "\n"


def section(table: Table, told: inflation.Told) -> str:
    """Return one table with its header and legend, and what other selection rules say of it."""
    drawn = [f"### {_escaped(s.title)}\n\n{grid(s)}" if s.title else grid(s) for s in sheets(table)]
    below = ["\n".join(f"- {_escaped(mark)}" for mark in found)] if (found := footnotes(table)) else []
    added = [text] if (text := diagnostic(told)) else []
    head = [f"## {_escaped(title(table))}", header(table, _escaped)]
    return "\n\n".join([*head, *drawn, *below, *added, details(table.columns)])


def _escaped(text: str) -> str:
    return text.translate(ESCAPED)


def diagnostic(told: inflation.Told) -> str:
    """Return what other selection rules would have said of the same runs; empty where no record can tell."""
    found = diagnosed(told)
    lines = [DIAGNOSED, ["---"] * 2 + ["---:"] * 5, *(list(map(_escaped, line)) for line in found)]
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"### {NO_RESULT}\n\n{DIAGNOSTIC}\n\n{grid}" if found else ""


def diagnosed(told: inflation.Told) -> list[list[str]]:
    """Return the diagnostic's lines as plain text, one per method and rule, per column where a method has but one."""
    lines = []
    for line in inflation.summed(told):
        over = f"mean of {line['tasks']} tasks" if line["over"] == inflation.OVERALL else line["over"]
        half = "" if line["half_width"] is None else f" ± {line['half_width']:.2f}"
        said = [line["rule_says"], f"{line['chosen']:.2f}", f"{line['added']:+.2f}{half}"]
        lines.append([line["method"], over, str(line["seeds"]), f"{line['honest']:.2f}", *said])
    return lines


def title(table: Table) -> str:
    """Return suite, backbone, recipe, and what else sets a table apart from the store's others."""
    setting = table.setting
    rule = "" if (setting.select, setting.train_on) == ("last", "trainval") else f", {SELECT[setting.select]}"
    sample = f", training sample {setting.sample}" if setting.sample else ""
    copy = f", images from {setting.copy}" if setting.copy else ""
    preset = f", preset {setting.preset}" if setting.preset else ""
    on = " / ".join(table.facts["backbone"])
    apart = "".join(f", {UNTITLED[name](getattr(setting, name))}" for name in table.apart)
    return f"{setting.suite} on {on}, recipe {setting.recipe}{preset}{rule}{sample}{copy}{apart}"


def header(table: Table, word: Callable[[str], str] = str) -> str:
    """Return what holds for every number of a table; `word` escapes what records say, our own emphasis stays."""
    setting, facts = table.setting, table.facts
    seeds = f"{len(table.seeds)} seed{'s' * (len(table.seeds) != 1)} ({', '.join(map(str, table.seeds)) or 'none'})"
    epochs, precision = " or ".join(map(str, facts["epochs"])), word(" or ".join(facts["precision"]))
    norm = [numbers(values) for values in (setting.mean, setting.std)]
    known = "the backbone was trained on {} before, so that {} is **not domain generalisation** · "
    seen = "".join(known.format(word(tags), word(task)) for task, tags in facts["seen"])
    own = ", each seed with training images of its own" if facts.get("by_seed") else ""
    shown = f"{setting.img_size} px {setting.interpolation}{setting.altered}"
    return (
        f"{seen}**{seeds}** · selection: **{SELECT[setting.select]}**, trained on {word(setting.train_on)}, "
        f"{looks(table.rows)} · {epochs} epochs, {precision} · backbone {word(setting.model)}, weights "
        f"`{word(setting.weights[:8])}` · {word(shown)}, mean {norm[0]}, std {norm[1]} · "
        f"data: {word(flavours(table.columns))}{own}"
    )


def looks(rows: Iterable[Row]) -> str:
    """Return how often the test images of some rows were read: `oracle=true` reads them for its diagnostic too."""
    watched = "result from one reading of the test images; every epoch of runs with oracle=true was also read"
    return f"{watched} for a diagnostic" if any(row.watched for row in rows) else "test read once"


def flavours(columns: Iterable[Column]) -> str:
    """Return the data flavours, with their tasks if there are several."""
    tasks: dict[str, list[str]] = {}
    for column in columns:
        if column.sources:
            tasks.setdefault(" or ".join(column.sources), []).append(column.name)
    return next(iter(tasks)) if len(tasks) == 1 else "; ".join(f"{s} ({', '.join(t)})" for s, t in tasks.items())


def grid(sheet: Sheet) -> str:
    """Return a sheet as a Markdown table; where a group begins, its name stands above the task's."""
    two = any(strip.over for strip in sheet.strips)
    named = [(_escaped(strip.over), _escaped(strip.header)) for strip in sheet.strips]
    heads = [f"*{over}*<br>{name}" if over else f"<br>{name}" if two else name for over, name in named]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    lines += [list(map(_drawn, items)) for items in zip(*(strip.items for strip in sheet.strips), strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _drawn(item: Item) -> str:
    text = _escaped(item.text)
    return (f"**{text}**" if item.bold else text) + (f" <sub>{item.small}</sub>" if item.small else "")


def details(columns: Sequence[Column]) -> str:
    """Return size and digest of every split, folded."""
    names = list(dict.fromkeys(name for column in columns for name in column.splits))
    lines = [["task", "source", *map(_escaped, names)], ["---"] * (2 + len(names))]
    for column in columns:
        splits = [column.splits.get(name) for name in names]
        texts = [f"{split['size']:,}, `{_escaped(split['digest'][:12])}`" if split else "" for split in splits]
        lines.append([_escaped(column.name), _escaped(" or ".join(column.sources)), *texts])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"<details><summary>Images and digest of every split</summary>\n\n{table}\n\n</details>"
