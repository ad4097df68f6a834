"""Before anything runs: resolve every run to content, find what is missing, and give each run its id."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from visionpeft.data.cache import VERSION
from visionpeft.data.target import columns, reachable
from visionpeft.data.task import DataError, Source, Task

from .backbone import build, describe, outline, pretraining, view, weights_sha256
from .device import pick_device, pick_precision
from .lists import described_lists
from .record import run_id
from .spec import Options, Recipe, Run
from .tuned import unlike

HARNESS = 2
"""Raised when a change to training or evaluation can move a number; part of a run's id, like the pixels' version."""


LATER = ("schedule", "warmup_lr", "min_lr", "lag", "head_init")
"""Fields of a recipe that earlier versions had not."""


@dataclass(frozen=True)
class Planned:
    """A run that can start: its resolved values, its id, and the test sets that are not there, with the reason."""

    run: Run
    resolved: dict[str, Any]
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Return the first 10 hex digits of the digest of what is asked."""
        return run_id(self.resolved)

    @property
    def stem(self) -> str:
        """Return the record's file name without suffix."""
        return f"{self.run.task.name}--{self.run.method_name}--s{self.run.seed}--{self.id}"

    @property
    def asked(self) -> dict[str, Any]:
        """Return the part of the record that is known before the run."""
        return {"id": self.id, "run": self.resolved, "label": self.run.label, "absent": self.absent}


def insist_on_backbone(planned: Planned) -> None:
    """Refuse to run with other weights than those that were planned, whose digest the record will state.

    Raises:
        ValueError: the file has changed since.
    """
    if weights_sha256(planned.run.backbone) != planned.resolved["backbone"]["weights_sha256"]:
        raise ValueError(
            f"the weights {planned.run.backbone.weights} changed since this run was planned; give the command again"
        )


class Refused(ValueError):
    """What the user asked for cannot be run; every problem is in the message."""


def plan(runs: list[Run], options: Options) -> list[Planned]:
    """Resolve runs; everything that can be known to fail is known here.

    Raises:
        Refused: missing data, a backbone that a method cannot serve, bad weights or lists; all problems at once.
    """
    planner = _Planner(options)
    planned = [done for run in runs if (done := planner.resolve(run)) is not None]
    if planner.problems:
        raise Refused("\n".join(dict.fromkeys(planner.problems)))
    if not planned and planner.left_out:
        raise Refused("none of these tasks has its data here:\n" + "\n".join(planner.left_out.values()))
    return planned


class _Planner:
    """Resolves runs one by one, keeping what they share."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.problems: list[str] = []
        self.left_out: dict[str, str] = {}
        self._sources: dict[str, Source | DataError] = {}
        self._data: dict[str, tuple[dict[str, Any], dict[str, str]]] = {}
        self._backbones: dict[str, dict[str, Any] | ValueError] = {}
        self._fits: dict[str, ValueError | None] = {}

    def resolve(self, run: Run) -> Planned | None:
        source = self._source(run.task)
        if isinstance(source, DataError):
            if self.options.available:
                self.left_out[run.task.name] = str(source)
            else:
                self.problems.append(str(source))
            return None
        backbone = self._backbone(run)
        if isinstance(backbone, ValueError):
            self.problems.append(str(backbone))
            return None
        if misfit := self._misfit(run):
            self.problems.append(f"method {run.method_name}: {misfit}")
            return None
        try:
            view(run.backbone, run.recipe, upright=False)
            data, absent = self._lists(run.task, source)
            _check_selection(run, data["splits"]["val"])
        except DataError as error:
            self.problems.append(str(error))
            return None
        named = dataclasses.replace(run, label=_labelled(run.label, source.variant))
        values = self._values(run, backbone, data)
        if other := unlike(run, values):
            self.problems.append(other)
            return None
        return Planned(named, values, absent)

    def _source(self, task: Task) -> Source | DataError:
        key = repr(task)
        if key not in self._sources:
            try:
                self._sources[key] = reachable(task, self.options.data, self.options.source)
            except DataError as error:
                self._sources[key] = error
        return self._sources[key]

    def _backbone(self, run: Run) -> dict[str, Any] | ValueError:
        key = repr(run.backbone)
        if key not in self._backbones:
            try:
                self._backbones[key] = describe(run.backbone)
                build(run.backbone, run.task.num_classes)  # weights that do not fit show now, not after the decoding
            except ValueError as error:
                self._backbones[key] = error
        return self._backbones[key]

    def _misfit(self, run: Run) -> ValueError | None:
        """Inject the method into an outline of the backbone: what it refuses there, it would refuse later."""
        key = repr((run.method, run.backbone))
        if key not in self._fits:
            try:
                run.method.inject(outline(run.backbone, run.task.num_classes))
                self._fits[key] = None
            except ValueError as error:
                self._fits[key] = error
            except (RuntimeError, NotImplementedError):  # it reads values, which an outline has not; seen when it runs
                self._fits[key] = None
        return self._fits[key]

    def _lists(self, task: Task, source: Source) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what the task's lists say; no image is decoded."""
        key = repr(task)
        if key not in self._data:
            data, absent = described_lists(task, source, self.options.data)
            here = str(self.options.data)  # records are shown to others: they say what is missing, not where one looked
            self._data[key] = data, {name: why.replace(here, "the data folder") for name, why in absent.items()}
        return self._data[key]

    def _values(self, run: Run, backbone: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        task, device = run.task, pick_device(self.options.device)
        groups = self.options.suite_sizes.get(task.suite, {})
        cls = type(run.method)
        return {
            "task": {
                "name": task.name,
                "suite": task.suite,
                "group": task.group,
                "num_classes": task.num_classes,
                "group_tasks": groups.get(task.group, 1),
                "suite_tasks": sum(groups.values()) or 1,
                **_targets(run),
            },
            "method": {
                "name": run.method_name,
                "target": f"{cls.__module__}.{cls.__qualname__}",
                "version": cls.version,
                "fields": dataclasses.asdict(run.method),
            },
            "recipe": _recipe(run.recipe) | {"precision": pick_precision(run.recipe.precision, device)},
            "backbone": backbone,
            "data": data,
            "per_task": run.per_task,
            **_preset(run),
            **({"tuned": run.chosen.recorded} if run.chosen else {}),
            "versions": {"harness": HARNESS, "pixels": VERSION},
            "seed": run.seed,
            **({"oracle": True} if run.oracle else {}),  # absent from all other runs, whose ids thus stay
        }


def _recipe(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe's fields; those that came later are left out at their defaults, so that earlier ids hold."""
    usual = {f.name: f.default for f in dataclasses.fields(Recipe) if f.name in LATER}
    return {key: value for key, value in dataclasses.asdict(recipe).items() if usual.get(key, ...) != value}


def _preset(run: Run) -> dict[str, Any]:
    """Return what a record says of a preset, if there is one."""
    if run.preset is None:
        return {}
    return {"preset": {key: value for key, value in dataclasses.asdict(run.preset).items() if key != "methods"}}


def _labelled(label: str, variant: str) -> str:
    """Return a row's name that also says which data are not the usual ones."""
    if not variant:
        return label
    return f"{label[:-1]}, {variant})" if label.endswith(")") else f"{label} ({variant})"


def _check_selection(run: Run, val: dict[str, Any]) -> None:
    """Refuse to choose the best epoch by training images alone."""
    if run.recipe.select == "best_val" and val.get("of_train") == val["size"]:
        raise DataError(
            f"{run.task.suite} task {run.task.name}: all {val['size']} validation images are training images, so "
            "select=best_val would choose the epoch by training accuracy; use select=last, or a source with others"
        )


def _targets(run: Run) -> dict[str, Any]:
    """Return what a record says of a task's targets, and of pretraining that overlaps with the task, if anything."""
    said: dict[str, Any] = {"targets": columns(run.task)} if run.task.targets else {}
    same = [f"test/{name}" for target in run.task.targets if not target.shifted for name in target.columns]
    said |= {"in_domain": same} if same else {}
    seen = sorted(set(run.task.seen_by) & pretraining(run.backbone))
    return said | ({"seen": seen} if seen else {})
