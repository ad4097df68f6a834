"""Records to tables: one table per setting, one row per label, one cell per task. Values only, nothing is drawn here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from .reading import Found, check_cell, check_digests, is_number
from .stats import half_width, half_width_of_average, mean_of_groups, mean_of_tasks

GROUPS = ("natural", "specialized", "structured")
VTAB = (
    "cifar100 caltech101 dtd flowers102 pets svhn sun397 patch_camelyon eurosat resisc45 retinopathy clevr_count "
    "clevr_dist dmlab kitti_dist dsprites_loc dsprites_ori smallnorb_azi smallnorb_ele"
).split()
"""The order in which the literature prints the 19 tasks; tasks of other suites come in alphabetical order."""


@dataclass(frozen=True, order=True)
class Setting:
    """What all runs of a table share."""

    suite: str
    model: str
    weights: str
    img_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    recipe: str
    select: str
    train_on: str

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> Setting:
        """Return the setting of a resolved run."""
        backbone, recipe = run["backbone"], run["recipe"]
        return cls(
            suite=run["task"]["suite"],
            model=backbone["model"],
            weights=backbone["weights_sha256"] or "none",
            img_size=backbone["img_size"],
            mean=tuple(backbone["mean"]),
            std=tuple(backbone["std"]),
            interpolation=backbone["interpolation"],
            recipe=recipe["name"],
            select=recipe["select"],
            train_on=recipe["train_on"],
        )


@dataclass(frozen=True)
class Mean:
    """A mean in percent; half_width is None where there is no interval."""

    value: float
    half_width: float | None
    n: int


@dataclass(frozen=True)
class Column:
    """A task and the data it stood for in this table."""

    name: str
    group: str
    sources: tuple[str, ...]
    splits: Mapping[str, Mapping[str, Any]]

    @property
    def cut(self) -> dict[str, tuple[int, int]]:
        """Splits of another size than the task defines: {split: (size, expected)}."""
        sizes = {name: (split["size"], split["expected"]) for name, split in self.splits.items()}
        return {name: (size, due) for name, (size, due) in sizes.items() if due is not None and size != due}


@dataclass(frozen=True)
class Cell:
    """The runs of one label on one task."""

    done: tuple[Found, ...]
    failed: tuple[Found, ...]

    @cached_property
    def mean(self) -> Mean | None:
        """Mean over the seeds that finished."""
        values = np.array([one.accuracy for one in self.done]) * 100
        return Mean(float(values.mean()), half_width(values), len(values)) if len(values) else None

    @property
    def clean(self) -> bool:
        """Whether every seed that was tried finished; the survivors' mean is never averaged further."""
        return bool(self.done) and not self.failed


@dataclass(frozen=True)
class Row:
    """One method and variant.

    Attributes:
        label: its name.
        cells: by task; absent where nothing was run.
        groups: means of the complete groups.
        mean_of_groups, mean_of_tasks: None unless the whole suite is there.
        params: millions of parameters, means over tasks: trainable (with head), head, added (without), merged.
        inference: FLOPs of an image after merging (or as it is, where it does not merge) over the plain backbone's.
    """

    label: str
    cells: Mapping[str, Cell]
    groups: Mapping[str, Mean]
    mean_of_groups: Mean | None
    mean_of_tasks: Mean | None
    params: Mapping[str, float | None]
    inference: float | None

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds that finished somewhere."""
        return tuple(sorted({one.seed for cell in self.cells.values() for one in cell.done}))


@dataclass(frozen=True)
class Table:
    """Rows under one setting."""

    setting: Setting
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    group_tasks: Mapping[str, int]
    suite_tasks: int
    facts: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups in the order of the columns."""
        return tuple(dict.fromkeys(column.group for column in self.columns))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The set of seeds that most cells have; the larger one when two are equally frequent."""
        cells = [cell for row in self.rows for cell in row.cells.values() if cell.done]
        counts = Counter(tuple(sorted(one.seed for one in cell.done)) for cell in cells)
        return max(counts, key=lambda seeds: (counts[seeds], len(seeds), seeds), default=())

    @property
    def failures(self) -> list[tuple[Row, str, Found]]:
        """Failed runs as (row, task, record)."""
        return [(row, task, one) for row in self.rows for task, cell in row.cells.items() for one in cell.failed]


def tables(found: Iterable[Found]) -> list[Table]:
    """Return the tables of a store, in a fixed order.

    Raises:
        LeaderboardError: runs that share a cell or a column but must not be averaged or compared.
    """
    by_setting: dict[Setting, list[Found]] = defaultdict(list)
    for one in found:
        by_setting[Setting.of(one.record.run)].append(one)
    return [_table(setting, by_setting[setting]) for setting in sorted(by_setting)]


def _table(setting: Setting, found: list[Found]) -> Table:
    check_digests(one for one in found if one.record.status == "ok")
    columns = _columns(found)
    tasks = [one.record.run["task"] for one in found]
    group_tasks = {column.group: 0 for column in columns}
    for task in tasks:
        group_tasks[task["group"]] = max(group_tasks[task["group"]], task["group_tasks"])
    suite_tasks = max(task["suite_tasks"] for task in tasks)
    by_label: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        by_label[one.record.label].append(one)
    rows = [_row(label, ones, columns, group_tasks, suite_tasks) for label, ones in by_label.items()]
    rows.sort(key=lambda row: (-row.mean_of_tasks.value if row.mean_of_tasks else 0.0, row.label))
    return Table(setting, columns, tuple(rows), group_tasks, suite_tasks, _facts(found))


def _columns(found: Iterable[Found]) -> tuple[Column, ...]:
    by_task: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        by_task[one.task].append(one)
    columns = []
    for name, ones in by_task.items():
        first = min(ones, key=lambda one: (one.record.status != "ok", one.file)).record.run
        sources = tuple(sorted({one.record.run["data"]["source"] for one in ones}))
        columns.append(Column(name, first["task"]["group"], sources, first["data"]["splits"]))
    return tuple(sorted(columns, key=_place))


def _place(column: Column) -> tuple[int, str, int, str]:
    group = GROUPS.index(column.group) if column.group in GROUPS else len(GROUPS)
    task = VTAB.index(column.name) if column.name in VTAB else len(VTAB)
    return group, column.group, task, column.name


def _facts(found: Iterable[Found]) -> dict[str, tuple[Any, ...]]:
    """Return what the header tells but does not separate tables: names, epochs, arithmetic."""
    runs = [one.record.run for one in found]
    return {
        "backbone": tuple(sorted({run["backbone"]["name"] for run in runs})),
        "epochs": tuple(sorted({run["recipe"]["epochs"] for run in runs})),
        "precision": tuple(sorted({str(run["recipe"].get("precision")) for run in runs})),
    }


def _row(
    label: str, found: list[Found], columns: tuple[Column, ...], group_tasks: Mapping[str, int], suite_tasks: int
) -> Row:
    by_task: dict[str, list[Found]] = defaultdict(list)
    for one in found:
        by_task[one.task].append(one)
    cells = {c.name: _cell(by_task[c.name]) for c in columns if c.name in by_task}
    scores = _matrix(cells, columns)
    places = {g: [i for i, c in enumerate(columns) if c.group == g] for g in group_tasks}
    full = {g: len(places[g]) == due for g, due in group_tasks.items()}
    means = {g: _average(scores[:, places[g]], mean_of_tasks) for g in group_tasks if full[g]}
    whole = all(full.values()) and len(columns) == suite_tasks
    averages = (partial(mean_of_groups, groups=list(places.values())), mean_of_tasks)
    return Row(
        label,
        cells,
        {g: mean for g, mean in means.items() if mean},
        *(_average(scores, average) if whole else None for average in averages),
        params=_params(cells.values()),
        inference=_inference(cells.values()),
    )


def _cell(found: list[Found]) -> Cell:
    done = sorted((one for one in found if one.record.status == "ok"), key=lambda one: one.seed)
    check_cell(done)
    seeds = {one.seed for one in done}
    failed = [one for one in found if one.record.status != "ok" and one.seed not in seeds]
    return Cell(tuple(done), tuple(sorted(failed, key=lambda one: (one.seed, one.file))))


def _matrix(cells: Mapping[str, Cell], columns: tuple[Column, ...]) -> np.ndarray:
    """Return accuracies in percent, (seeds + 1, tasks): the last row holds each task's mean; NaN where there is none."""
    clean = {name: cell for name, cell in cells.items() if cell.clean}
    seeds = sorted({one.seed for cell in clean.values() for one in cell.done})
    scores = np.full((len(seeds) + 1, len(columns)), np.nan)
    for j, column in enumerate(columns):
        if column.name in clean:
            for one in clean[column.name].done:
                scores[seeds.index(one.seed), j] = one.accuracy * 100
            scores[-1, j] = clean[column.name].mean.value  # type: ignore[union-attr]
    return scores


def _average(scores: np.ndarray, average: Callable[[np.ndarray], np.ndarray]) -> Mean | None:
    value = float(average(scores[-1]))
    if np.isnan(value):
        return None
    return Mean(value, half_width_of_average(scores[:-1], average), len(scores) - 1)


def _params(cells: Iterable[Cell]) -> dict[str, float | None]:
    counts = [one.record.params for cell in cells for one in cell.done]
    means = {key: _mean([c.get(key) for c in counts], 1e6) for key in ("trainable", "head", "merged_total", "total")}
    trainable, head = means["trainable"], means["head"]
    return means | {"added": None if trainable is None or head is None else trainable - head}


def _inference(cells: Iterable[Cell]) -> float | None:
    ratios = []
    for cost in (one.record.cost for cell in cells for one in cell.done):
        now, plain = cost.get("flops_inference_merged_per_image"), cost.get("flops_backbone_per_image")
        if now is None:
            now = cost.get("flops_inference_per_image")
        ratios.append(now / plain if is_number(now) and is_number(plain) and plain else None)
    return _mean(ratios)


def _mean(values: list[Any], unit: float = 1) -> float | None:
    """Return the mean of numbers in a unit; None if one of them is missing."""
    return float(np.mean(values)) / unit if values and all(map(is_number, values)) else None
