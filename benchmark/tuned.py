"""Studies by name: what they are told, when two are the same, and runs with the settings that one chose."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .space import Space, tried
from .spec import Run
from .trial import CHOSEN, STUDY, TIE, Chosen, folder, load, read, read_trials

MACHINE = ("recipe.precision",)
"""What a study says of the machine it ran on; final runs may be on another."""


@dataclass(frozen=True)
class Tuning:
    """The budget of a study and how it is spent.

    Attributes:
        trials: how many settings are tried; the same number for every method.
        sampler: who proposes them: tpe, random, or grid (in an order drawn by the seed).
        untuned_first: the first trial tries the settings of a run that is not tuned, so that a small budget cannot end
            below them by bad luck in drawing; a grid, and a space that does not hold them, have no such trial.
        pruner: none, or halving: a trial stops after a quarter or half of its epochs unless it is in the better half
            of those that came as far.
        folds: 1: train on train, judge on val; k: k-fold cross-validation within all that may be learnt from.
        study: its name; None: after what it is for.
    """

    trials: int | None = None
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    untuned_first: bool = True
    pruner: Literal["none", "halving"] = "none"
    folds: int = 1
    study: str | None = None

    def __post_init__(self) -> None:
        if self.trials is not None and self.trials < 1:
            raise ValueError(f"trials must be above 0, got {self.trials}; give every method the same number")
        if self.folds < 1:
            raise ValueError(f"folds must be 1 (train and val as they are) or the number of folds, got {self.folds}")
        if self.folds > 1 and self.pruner != "none":
            raise ValueError(
                f"pruner={self.pruner} judges one run of a trial, not {self.folds} folds; take one of both"
            )
        if self.study is not None and (not self.study or set(self.study) & set("/\\") or self.study.startswith(".")):
            raise ValueError(f"study becomes the name of a folder, got {self.study!r}")


def first(tuning: Tuning, space: Space) -> dict[str, Any] | None:
    """Return what the first trial of a study has to try, as Optuna sees it; None: what the sampler proposes."""
    return space.untuned if tuning.untuned_first and tuning.sampler != "grid" else None


def name_of(run: Run, tuning: Tuning) -> str:
    """Return the name of the study for a run: given, or after suite, task, method, backbone, recipe and replicate."""
    replicate = max((source.replicate for source in run.task.sources), default=0)
    parts = [f"{run.task.suite}_{run.task.name}", run.method_name, run.backbone.name, run.recipe.name]
    return tuning.study or "--".join([*parts, *([f"r{replicate}"] if replicate else [])])


def declared(resolved: Mapping[str, Any], searched: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a resolved run shares with all runs that may take over what a study on it chooses.

    Args:
        resolved: the run.
        searched: the fields that the study chooses, dotted; they are left out.
    """

    def rest(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in values.items() if f"{section}.{key}" not in searched}

    task, method, data = resolved["task"], resolved["method"], resolved["data"]
    recipe = {key: value for key, value in resolved["recipe"].items() if key != "train_on"}
    own = {key: value for key, value in resolved["backbone"].items() if key != "name"}
    splits = {name: data["splits"][name]["digest"] for name in ("train", "val")}
    return {
        "task": {"suite": task["suite"], "name": task["name"]},
        "method": {**method, "fields": rest("method", method["fields"])},
        "recipe": rest("recipe", recipe),
        "backbone": own,
        "splits": {} if data.get("by_seed") else splits,
        "versions": resolved["versions"],
    }


def difference(before: Any, now: Any, where: str = "") -> str:
    """Return in words where two declarations first differ; empty if nowhere."""
    if plain(before) == plain(now):
        return ""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            if found := difference(before.get(key), now.get(key), f"{where}.{key}".lstrip(".")):
                return found
    return f"{where} was {plain(before)!r} and is {plain(now)!r}"


def plain(value: Any) -> Any:
    """Return a value as JSON gives it back."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def with_chosen(run: Run, tuning: Tuning, runs: Path) -> Run:
    """Return a run with the settings that its study chose.

    Raises:
        ValueError: there is no such study, it is not at its end, had another budget, or a chosen field is given too.
    """
    name = name_of(run, tuning)
    place = folder(runs, name)
    if not (place / CHOSEN).is_file():
        raise ValueError(_missing(run, place, tuning))
    chosen: Chosen = read(Chosen, place / CHOSEN)
    if tuning.trials not in (None, chosen.budget["trials"]):
        more = tuning.trials is not None and tuning.trials > chosen.budget["trials"]
        again = f"tune on: {_command(run, tuning)}" if more else "tune with fewer under another name, study=..."
        raise ValueError(
            f"study {name} had {chosen.budget['trials']} trials, this asks for {tuning.trials}; "
            f"leave trials out, or {again}"
        )
    given = {word.lstrip("+").partition("=")[0] for word in run.overrides or ()}
    if both := sorted(given & set(chosen.settings)):
        raise ValueError(f"{', '.join(both)} was tuned by study {name}; leave it out, or leave per_task=tuned out")
    label = f"{run.label[:-1]}, {chosen.label})" if run.label.endswith(")") else f"{run.label} ({chosen.label})"
    return dataclasses.replace(tried(run, chosen.settings), label=label, chosen=chosen)


def unlike(run: Run, resolved: Mapping[str, Any]) -> str:
    """Return why a run may not take over what its study chose; empty if it may."""
    if run.chosen is None:
        return ""
    before = {key: run.chosen.declared[key] for key in declared(resolved, {})}
    now = declared(resolved, run.chosen.settings)
    for path in MACHINE:
        section, _, key = path.partition(".")
        for side in (before, now):
            side[section] = {name: value for name, value in side[section].items() if name != key}
    if found := difference(before, now):
        return (
            f"study {run.chosen.study} chose its settings under others than these: {found}; run under those, or give "
            "the command tune with these and study=<another name>, and that name here too"
        )
    return ""


def budget(tuning: Tuning, seed: int, space: Space, splits: Mapping[str, str]) -> dict[str, Any]:
    """Return what is recorded of a budget."""
    values = dataclasses.asdict(tuning)
    values.pop("study")
    values["untuned_first"] = first(tuning, space) is not None
    return {**values, "seed": seed, "space": space.digest, "splits": dict(splits), "tie": TIE}


def _missing(run: Run, place: Path, tuning: Tuning) -> str:
    """Say that a study is not there, or not at its end, and which command changes that."""
    if not (place / STUDY).is_file():
        return f"no study {place.name}: {run.method_name} has not been tuned for it; {_command(run, tuning)}"
    due = load(place / STUDY).get("trials")
    return (
        f"study {place.name} has finished {len(read_trials(place))} of {due} trials; "
        f"finish it: {_command(run, tuning, due)}"
    )


def _command(run: Run, tuning: Tuning, trials: int | None = None) -> str:
    others = ("per_task", "seed", "tuning.trials", "dry")
    words = [word for word in run.overrides or () if word.partition("=")[0] not in others]
    # first, as nothing may follow --config-dir
    return f"python -m visionpeft.benchmark tune trials={trials or tuning.trials or 32} {shlex.join(words)}"
