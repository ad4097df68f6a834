"""What a table is: one per setting, a row per label, a cell per task. Values only, nothing is drawn here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from visionpeft.benchmark.record import setting

from .found import Found
from .stats import half_width


def numbers(values: Iterable[float]) -> str:
    """Return numbers in a row, as short as they go without two of them being alike."""
    return " ".join(repr(float(value)).removesuffix(".0") for value in values)


UNTITLED: dict[str, Callable[[Any], str]] = {
    "model": str,
    "model_args": str,
    "weights": lambda digest: f"weights {digest[:8]}",
    "img_size": lambda pixels: f"{pixels} px",
    "mean": lambda values: f"mean {numbers(values)}",
    "std": lambda values: f"std {numbers(values)}",
    "interpolation": str,
    "resize": lambda pixels: f"the middle of {pixels} px" if pixels else "not cropped",
    "jpeg": lambda quality: f"re-encoded as JPEG {quality}" if quality else "not re-encoded",
}
"""What of a setting a table is not named by, unless another table would be called the same; and how it is said then."""


@dataclass(frozen=True, order=True)
class Setting:
    """What all runs of a table share."""

    suite: str
    model: str
    model_args: str
    weights: str
    img_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    resize: int
    jpeg: int
    recipe: str
    select: str
    train_on: str
    sample: int
    copy: str
    preset: str = ""

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> Setting:
        """Return the setting of a resolved run."""
        return cls(**setting(run))

    @property
    def altered(self) -> str:
        """How images are made others than the canonical ones, to be put behind a list; empty if they are not."""
        middle = f", the middle of {self.resize} px" if self.resize else ""
        return middle + (f", re-encoded as JPEG {self.jpeg}" if self.jpeg else "")


@dataclass(frozen=True)
class Mean:
    """A mean in percent.

    Attributes:
        value: the mean.
        half_width: of its 95 % interval; None where there is none.
        n: over how many seeds; an average of tasks: the most that one of them has.
        fewest: an average of tasks: the fewest that one of them has; else the same.
    """

    value: float
    half_width: float | None
    n: int
    fewest: int

    @property
    def seeds(self) -> str:
        """How many seeds it is over, in short: 3, or 1-3 where tasks have other numbers of them."""
        return str(self.n) if self.fewest == self.n else f"{self.fewest}-{self.n}"


@dataclass(frozen=True)
class Column:
    """A test set of a task and the data it stood for in this table.

    Attributes:
        name: the task's, or task/target where the task has several test sets.
        group: the task's.
        sources: data flavours, over all runs.
        splits: train, val and test; empty if the test set was absent from all runs.
        images: digest of the test images.
        task: the task's name.
        position: among the test sets of its task.
        restricted: whether the set is scored a second time here, within its own classes.
        shifted: whether it is another domain than what was learnt from.
        shared: how many of its images are training images too, byte for byte.
    """

    name: str
    group: str
    sources: tuple[str, ...]
    splits: Mapping[str, Mapping[str, Any]]
    images: str = ""
    task: str = ""
    position: int = 0
    restricted: bool = False
    shifted: bool = True
    shared: int = 0

    @property
    def counted(self) -> bool:
        """Whether it enters averages, comparisons and ranks."""
        return self.shifted and not self.restricted

    @property
    def target(self) -> str:
        """The name of the test set within its task; empty for the only one of a task."""
        return self.name.removeprefix(self.task).removeprefix("/")

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
        return Mean(float(values.mean()), half_width(values), len(values), len(values)) if len(values) else None

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that finished."""
        return tuple(one.seed for one in self.done)

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
        targets: for tasks with several test sets, the mean over those that count, where all of them are there.
        absent: why columns without a cell could not be scored.
    """

    label: str
    cells: Mapping[str, Cell]
    groups: Mapping[str, Mean]
    mean_of_groups: Mean | None
    mean_of_tasks: Mean | None
    params: Mapping[str, float | None]
    inference: float | None
    targets: Mapping[str, Mean] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds that finished somewhere."""
        return tuple(sorted({seed for cell in self.cells.values() for seed in cell.seeds}))

    @property
    def watched(self) -> bool:
        """Whether every epoch of a run was scored on the test images besides."""
        return any(one.run.get("oracle") for cell in self.cells.values() for one in cell.done)


@dataclass(frozen=True)
class Table:
    """Rows under one setting; `apart` are the fields of it that set this table apart from others of its name."""

    setting: Setting
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    group_tasks: Mapping[str, int]
    suite_tasks: int
    facts: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    apart: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups in the order of the columns."""
        return tuple(dict.fromkeys(column.group for column in self.columns))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks in the order of the columns."""
        return tuple(dict.fromkeys(column.task for column in self.columns))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The set of seeds that most cells have; the larger one when two are equally frequent."""
        cells = [cell for row in self.rows for cell in row.cells.values() if cell.done]
        counts = Counter(cell.seeds for cell in cells)
        return max(counts, key=lambda seeds: (counts[seeds], len(seeds), seeds), default=())

    @cached_property
    def accuracies(self) -> tuple[tuple[int, ...], np.ndarray]:
        """All seeds and, in percent, (rows, seeds, columns); NaN where there is none or a run of the cell failed."""
        seeds = tuple(sorted({seed for row in self.rows for seed in row.seeds}))
        found = np.full((len(self.rows), len(seeds), len(self.columns)), np.nan)
        for i, row in enumerate(self.rows):
            for j, column in enumerate(self.columns):
                cell = row.cells.get(column.name)
                for one in cell.done if cell and cell.clean else ():
                    found[i, seeds.index(one.seed), j] = one.accuracy * 100
        found.flags.writeable = False
        return seeds, found

    @property
    def failures(self) -> list[tuple[Row, str, Found]]:
        """Failed runs as (row, task, record)."""
        return [(row, task, one) for row in self.rows for task, cell in row.cells.items() for one in cell.failed]
