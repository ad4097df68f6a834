"""Our rows beside published ones. Those in `published/*.csv` are copied from where each row says, errors included.

They were made on other data copies, sometimes other weights, and mostly chosen on test images: each row says what is
known of that. Nothing here is averaged with ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from . import verdict
from .copied import figures, methods
from .markdown import ESCAPED, SELECT, flavours, looks
from .order import GROUPS, VTAB
from .sheet import millions
from .table import Row, Table
from .tidy import to_csv

SHOTS = (1, 2, 4, 8, 16)
FEWSHOT = ("aircraft", "food101", "flowers102", "pets", "cars")
TARGETS = {"imagenet": "imagenet/val"} | {f"imagenet_{name}": f"imagenet/{name}" for name in ("v2", "sketch", "a", "r")}
OWN = {f"imagenet_{name}_200": f"imagenet/{name}_200" for name in ("a", "r")}
"""Columns of the literature and ours; those of ImageNet-A and -R over their own 200 classes stand apart."""
SECTIONS = {
    "ours": "ours",
    "validation": "copied: settings chosen on validation images",
    "test": "copied: chosen on TEST images",
    "unknown": "copied: how it was chosen is not known",
}


@dataclass(frozen=True)
class Line:
    """One method's figures, ours or copied; values in percent by column name.

    Attributes:
        methods: names of our methods that a copied row is of.
    """

    section: str
    method: str
    params: str
    values: Mapping[str, float]
    selection: str
    backbone: str
    data: str
    source: str
    notes: str = ""
    methods: tuple[str, ...] = ()

    @property
    def who(self) -> str:
        """Who stands behind the figures."""
        return "ours" if self.section == "ours" else "copied"


@dataclass(frozen=True)
class Board:
    """One suite's lines, the columns of its summary and those of its tasks."""

    suite: str
    title: str
    summary: tuple[str, ...]
    tasks: tuple[str, ...]
    lines: tuple[Line, ...]


def texts(tables: Sequence[Table]) -> dict[str, str]:
    """Return the page as {"md": ..., "csv": ...}."""
    head = (
        "# Our rows beside published ones\n\n"
        "**ours**: made by this program, one record per run. *copied*: figures as others printed them, with known "
        "errors noted; averages are recomputed from a row's own figures. Compare a copied row with ours only where "
        "selection, weights and data copy are alike: in the released runs of Mai et al. the best of 100 looks at the "
        "test set lies 0.4 to 1.5 points above the last epoch for PEFT methods (mean of 19), and CIFAR-100 is 67 to 74 "
        "on the JPEG copy where it is 78 to 84 on the original pixels."
    )
    found = boards(tables)
    lines = [_csv_line(board, line) for board in found for line in board.lines]
    judged = [line for table in tables for line in verdict.lines(table, figures("vtab1k"))]
    bullets = [f"- {line.translate(ESCAPED)}" for line in judged]
    restated = ["\n".join(["## Presets beside the rows they restate", "", *bullets])] if judged else []
    return {"md": "\n\n".join([head, *restated, *map(_section, found)]) + "\n", "csv": to_csv(lines)}


def boards(tables: Sequence[Table]) -> list[Board]:
    """Return our rows and published ones, a board for each suite."""
    return [_vtab(tables), _fewshot(tables), _generalisation(tables)]


def _vtab(tables: Sequence[Table]) -> Board:
    summary = (*GROUPS, "mean of groups", "mean of tasks")
    names = {f"avg_{group}": group for group in GROUPS}
    names |= {"mean_of_groups": "mean of groups", "mean_of_19": "mean of tasks", "printed_avg": "printed average"}
    copied = [
        Line(
            row["selects_on"],
            row["method"],
            row["params_M"],
            {names.get(key, key): float(row[key]) for key in (*VTAB, *names) if row[key]},
            row["selection"],
            row["backbone"],
            row["data_copy"],
            f"run: {row['run_by']}; printed: {row['source_paper']}",
            row["notes"],
            methods(row),
        )
        for row in figures("vtab1k")
    ]
    return Board("vtab", "VTAB-1k", (*summary, "printed average"), VTAB, _ordered(_ours(tables, "vtab"), copied))


def _fewshot(tables: Sequence[Table]) -> Board:
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in figures("fewshot"):
        rows.setdefault((row["method"], row["source_paper"]), []).append(row)
    copied = []
    for (method, paper), ones in rows.items():
        values = {f"{one['dataset']}_k{one['shots']}": float(one["accuracy"]) for one in ones}
        notes = "; ".join(dict.fromkeys(one["notes"] for one in ones if one["notes"]))
        known = "validation" if "HP on validation" in notes else "unknown"
        choice = "settings chosen on validation images" if known == "validation" else "not known"
        facts = (choice, ones[0]["backbone"], "", paper, notes, methods(ones[0]))
        copied.append(Line(known, method, "", values | _per_shot(values), *facts))
    tasks = tuple(f"{name}_k{shots}" for name in FEWSHOT for shots in SHOTS)
    ours = [_with_shots(line) for line in _ours(tables, "fewshot")]
    return Board("fewshot", "Few-shot", tuple(map(_shot, SHOTS)), tasks, _ordered(ours, copied))


def _shot(shots: int) -> str:
    return f"{shots} shot{'s' * (shots > 1)}, mean of 5 sets"


def _per_shot(values: Mapping[str, float]) -> dict[str, float]:
    """Return the mean over the five sets for every number of shots that has all five."""
    means = {}
    for shots in SHOTS:
        found = [values[key] for name in FEWSHOT if (key := f"{name}_k{shots}") in values]
        if len(found) == len(FEWSHOT):
            means[_shot(shots)] = sum(found) / len(found)
    return means


def _with_shots(line: Line) -> Line:
    return replace(line, values={**line.values, **_per_shot(line.values)})


def _generalisation(tables: Sequence[Table]) -> Board:
    copied = [
        Line(
            "unknown",
            f"{row['method']} ({row['source_shots']}-shot)",
            "",
            _by_convention(row),
            "not known",
            row["backbone"],
            f"A, R: {row['a_r_logits']}",
            row["source_paper"],
            row["notes"],
            methods(row),
        )
        for row in figures("dg")
    ]
    title = "Domain generalisation (trained on few-shot ImageNet)"
    names = TARGETS | OWN
    renamed = ((one, {n: one.values[c] for n, c in names.items() if c in one.values}) for one in _ours(tables, "dg"))
    ours = [replace(one, values=values) for one, values in renamed if values]
    return Board("dg", title, tuple(names), (), _ordered(ours, copied))


def _by_convention(row: Mapping[str, str]) -> dict[str, float]:
    """Return a row's figures; those of A and R under the names of their own classes where it chose among these."""
    own = "200" in row["a_r_logits"]
    found = {name: float(row[name]) for name in TARGETS if row[name]}
    return {f"{name}_200" if own and f"{name}_200" in OWN else name: value for name, value in found.items()}


def _ours(tables: Sequence[Table], suite: str) -> list[Line]:
    return [_our_line(table, row) for table in tables if table.setting.suite == suite for row in table.rows]


def _our_line(table: Table, row: Row) -> Line:
    values = {task: cell.mean.value for task, cell in row.cells.items() if cell.mean and cell.clean}
    values |= {group: mean.value for group, mean in row.groups.items()}
    for name, mean in (("mean of groups", row.mean_of_groups), ("mean of tasks", row.mean_of_tasks)):
        values |= {name: mean.value} if mean else {}
    seeds = " ".join(map(str, row.seeds))
    setting, cut = table.setting, [c.name for c in table.columns if "test" in c.cut and c.name in values]
    notes = [f"truncated test sets, not comparable: {', '.join(cut)}"] if cut else []
    notes += [f"the backbone was trained on {tags} before: no domain generalisation" for _, tags in table.facts["seen"]]
    notes += [] if row.mean_of_tasks else ["an incomplete suite has no averages; its figures are under Every task"]
    return Line(
        "ours",
        row.label,
        millions(row.params["added"]),
        values,
        f"{SELECT[setting.select]}, trained on {setting.train_on}, {looks([row])}; seeds {seeds}",
        f"{' / '.join(table.facts['backbone'])} at {setting.img_size} px ({setting.weights[:8]})",
        flavours(table.columns) + setting.altered,
        f"recipe {setting.recipe}, {' or '.join(map(str, table.facts['epochs']))} epochs",
        "; ".join(notes),
    )


def _ordered(ours: Iterable[Line], copied: Iterable[Line]) -> tuple[Line, ...]:
    """Sort by section; within one, rows stay as their source has them."""
    return tuple(sorted([*ours, *copied], key=lambda line: list(SECTIONS).index(line.section)))


def _section(board: Board) -> str:
    notes = {note: number for number, note in enumerate(dict.fromkeys(x.notes for x in board.lines if x.notes), 1)}
    parts = [f"## {board.title}"]
    if not any(line.who == "ours" for line in board.lines):
        parts.append(f"No runs of suite {board.suite} in this store yet.")
    parts.append(_grid(board, board.summary, notes))
    if board.tasks:
        parts.append(f"<details><summary>Every task</summary>\n\n{_grid(board, board.tasks)}\n\n</details>")
    parts.append("\n".join(f"{number}. {note.translate(ESCAPED)}" for note, number in notes.items()))
    return "\n\n".join(parts)


def _grid(board: Board, columns: tuple[str, ...], notes: Mapping[str, int] | None = None) -> str:
    """Return a Markdown table; with notes, also where the figures come from."""
    about = ("selection", "backbone", "data copy", "source", "note") if notes is not None else ()
    lines = [["method", "who", "params (M)", *columns, *about], ["---", "---", *["---:"] * (len(columns) + 1)]]
    lines[1] += ["---"] * len(about)
    section = ""
    for line in board.lines:
        if line.section != section:
            section = line.section
            lines.append([f"***{SECTIONS[section]}***", *[""] * (len(lines[0]) - 1)])
        values = [f"{line.values[name]:.2f}".removesuffix("0") if name in line.values else "" for name in columns]
        who = "**ours**" if line.who == "ours" else "copied"
        note = str(notes[line.notes]) if notes and line.notes else ""
        known = [line.selection, line.backbone, line.data, line.source, note] if about else []
        words = [line.method, who, line.params, *values, *known]
        lines.append([word if word == who else word.translate(ESCAPED) for word in words])
    return "\n".join(f"| {' | '.join(words)} |" for words in lines)


def _csv_line(board: Board, line: Line) -> dict[str, object]:
    known = ("selection", "backbone", "data", "source", "notes")
    line_of = {"who": line.who, "suite": board.suite, "method": line.method, "params_M": line.params}
    averages = {name.replace(" ", "_").replace(",", ""): line.values.get(name) for name in board.summary}
    tasks = {name: line.values.get(name) for name in board.tasks}
    rounded = {key: None if value is None else round(value, 4) for key, value in (averages | tasks).items()}
    return line_of | rounded | {"chosen_on": line.section} | {name: getattr(line, name) for name in known}
