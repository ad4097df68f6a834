"""What tuning leaves behind, beside the records of its runs. No torch in here, so that reports can read it anywhere.

A study has a folder `runs/tuning/<study>/`: `study.json` says what is searched and under which settings, `trials/` has
a file for each trial, written once and never edited, `chosen.json` is written when the budget is used up. The trials'
runs are ordinary records in a folder below, out of the leaderboard's sight.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1
TIE = "best validation accuracy, then lower validation loss, smaller learning rate, earlier trial"
"""How a study chooses."""
STATUSES = ("ok", "pruned", "oom", "diverged")
STUDY, CHOSEN, TRIALS, JOURNAL, LOCKS = "study.json", "chosen.json", "trials", "journal.log", ".locks"
FREE = ("trials", "budget")
"""What the same study may be told anew: a larger budget goes on from a smaller one."""


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes:
        number: 0, 1, ... in the order in which they were begun.
        status: ok, pruned (stopped early), oom or diverged; only ok can be chosen.
        settings: what was tried, by dotted field.
        lr: the learning rate, whether it was searched or not.
        accuracy: on the validation images after training, the mean over folds; 0 if it failed, the last seen if it
            was pruned.
        loss: mean cross-entropy there; None unless it is ok.
        seen: accuracies after each epoch, where they were looked at.
        runs: file names of its records, one for each fold, without suffix.
        seconds: wall-clock time of training.
    """

    number: int
    status: str
    settings: dict[str, Any]
    lr: float
    accuracy: float
    loss: float | None
    seen: list[float] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    seconds: float = 0.0
    schema: int = SCHEMA


@dataclass(frozen=True)
class Chosen:
    """What a study ended with.

    Attributes:
        study: its name.
        settings: the chosen values, by dotted field.
        trial: the number of the trial they come from.
        accuracy, loss: of that trial, on the validation images.
        budget: {trials, sampler, untuned_first, seed, pruner, folds, space, splits, tie}; space is a digest, splits
            {split: digest}; without untuned_first, of an earlier version, all trials were drawn.
        declared: all that the study was told, as in study.json.
    """

    study: str
    settings: dict[str, Any]
    trial: int
    accuracy: float
    loss: float
    budget: dict[str, Any]
    declared: dict[str, Any]
    schema: int = SCHEMA

    @property
    def recorded(self) -> dict[str, Any]:
        """What the record of a final run says of how its settings were chosen."""
        return {"study": self.study, "trial": self.trial, **self.budget}

    @property
    def label(self) -> str:
        """What the name of a row says of it."""
        usual = {"sampler": "tpe", "pruner": "none", "folds": 1}
        words = {"sampler": f"by {self.budget['sampler']}", "pruner": f"with {self.budget['pruner']}"}
        words["folds"] = f"{self.budget['folds']} folds"
        odd = [words[name] for name, value in usual.items() if self.budget[name] != value]
        if self.budget["sampler"] != "grid" and not self.budget.get("untuned_first", False):
            odd.append("all drawn")
        return ", ".join([f"tuned, {self.budget['trials']} trials", *odd])


class BadStudy(ValueError):
    """A file of a study that cannot be read; the message names it."""


def best(trials: Iterable[Trial]) -> Trial | None:
    """Return the trial that `TIE` chooses; None if none has finished."""
    done = [one for one in trials if one.status == "ok"]
    return min(done, key=lambda one: (-one.accuracy, one.loss, one.lr, one.number), default=None)


def folder(runs: Path, study: str) -> Path:
    """Return where a study is kept."""
    return runs / "tuning" / study


def studies(runs: Path) -> list[Path]:
    """Return the studies of a store, by name; what a merge that was killed left half copied is none."""
    found = (path.parent for path in folder(runs, "").glob(f"*/{STUDY}"))
    return sorted(path for path in found if not path.name.startswith("."))


def trial_file(study: Path, number: int) -> Path:
    """Return where a trial is kept."""
    return study / TRIALS / f"{number:04d}.json"


def read_trials(study: Path) -> list[Trial]:
    """Return the finished trials of a study, by their numbers.

    Raises:
        BadStudy: a file is damaged.
    """
    return [read(Trial, path) for path in sorted((study / TRIALS).glob("[0-9]*.json"))]


def chosen(study: Path) -> Chosen | None:
    """Return what a study has chosen; None where it has not yet.

    Raises:
        BadStudy: the file is damaged.
    """
    return read(Chosen, study / CHOSEN) if (study / CHOSEN).exists() else None


def complete(told: Mapping[str, Any], made: Chosen | None) -> bool:
    """Whether a study is at its end: a choice that was made before its budget grew is not one of that budget."""
    return made is not None and bool(made.budget["trials"] >= told["trials"])


def read(cls: type[Any], path: Path) -> Any:
    """Read a `Trial` or a `Chosen`.

    Raises:
        BadStudy: it is neither, or of another version.
    """
    values = load(path)
    try:
        found = cls(**values)
    except TypeError as error:
        raise BadStudy(f"{path}: {str(error).rpartition('() ')[2]}") from None
    if found.schema != SCHEMA or getattr(found, "status", "ok") not in STATUSES:
        raise BadStudy(f"{path}: schema {found.schema!r}, expected {SCHEMA}, or an unknown status; edited by hand?")
    return found


def load(path: Path) -> dict[str, Any]:
    """Return the plain values of a file.

    Raises:
        BadStudy: it holds none.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise BadStudy(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(values, dict):
        raise BadStudy(f"{path}: expected a JSON object, got a {type(values).__name__}")
    return values


def text(value: Trial | Chosen | Mapping[str, Any]) -> str:
    """Return a file's text: a line per field."""
    values = value if isinstance(value, Mapping) else dataclasses.asdict(value)
    lines = (f"{json.dumps(key)}: {json.dumps(entry, allow_nan=False)}" for key, entry in values.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"
