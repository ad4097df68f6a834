"""Studies of `make tune`: whether trials are what their records say, chose by their own rule, and saw no test image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from visionpeft.benchmark.record import BadRecord, Record, record_files
from visionpeft.benchmark.trial import (
    CHOSEN,
    STUDY,
    BadStudy,
    Chosen,
    Trial,
    best,
    chosen,
    complete,
    load,
    read_trials,
    studies,
)

from ..sound import sound
from .alone import alone
from .finding import Finding, error, warning

NEARLY = 1e-9


def studied(root: Path, records: Iterable[tuple[str, Record]]) -> Iterator[Finding]:
    """Yield what is wrong with the studies of a store, and final runs whose study is not in it."""
    for study in (found := studies(root)):
        try:
            yield from _study(root, study)
        except BadStudy as problem:
            yield error(str(problem).replace(f"{root}/", ""))
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            yield error(f"holds values of other types ({problem}); edited by hand?", study.relative_to(root).as_posix())
    names = {study.name: study for study in found}
    for file, record in records:
        by = record.run.get("tuned", {}).get("study")
        if by and by not in names:
            yield warning(f"the study that chose its settings is not in this store ({by})", file)
        elif by:
            yield from _taken_over(file, record, names[by])


def _study(root: Path, study: Path) -> Iterator[Finding]:
    name, told, trials = study.relative_to(root).as_posix(), load(study / STUDY), read_trials(study)
    records: dict[str, Record] = {}
    for path in record_files(study):
        file = path.relative_to(root).as_posix()
        try:
            record = sound(path)
        except BadRecord as problem:
            yield error(str(problem), file)
            continue
        records[path.stem] = record
        yield from alone(file, record, f"{name}/")
        splits = record.run["data"]["splits"]
        if seen := sorted({one for one in (*record.scores, *splits, *record.images) if one.startswith("test")}):
            yield error(f"a trial has seen test images ({', '.join(seen)})", file)
    for one in trials:
        yield from _trial(f"{name}/trials/{one.number:04d}.json", one, records)
    yield from _chosen(name, told, trials, chosen(study))


def _trial(file: str, trial: Trial, records: Mapping[str, Record]) -> Iterator[Finding]:
    there = [records[stem] for stem in trial.runs if stem in records]
    if len(there) < len(trial.runs):
        yield warning("records of its runs are not there: its accuracy is taken on trust", file)
    elif trial.status == "ok":
        said = fmean(record.scores["val"] for record in there) if there else None
        if said is None or not abs(said - trial.accuracy) < NEARLY:
            yield error(f"accuracy {trial.accuracy}, but the records of its runs have {said}", file)


def _chosen(name: str, told: Mapping[str, Any], trials: list[Trial], made: Chosen | None) -> Iterator[Finding]:
    budget = told["trials"]
    if len(trials) > budget:
        yield error(f"{len(trials)} trials, but its budget is {budget}", name)
    if made is None:
        yield warning(f"{len(trials)} of {budget} trials have ended; no final run can take it over yet", name)
        return
    spent = made.budget["trials"]
    if not complete(told, made):
        yield warning(f"{len(trials)} of {budget} trials have ended; final runs take over what {spent} chose", name)
    due = best(one for one in trials if one.number < spent)
    if due is None or (made.trial, made.settings, made.accuracy) != (due.number, due.settings, due.accuracy):
        which = f"trial {due.number} with {due.accuracy}" if due else "none"
        yield error(f"{CHOSEN} takes trial {made.trial} with {made.accuracy}, its own rule takes {which}", name)


def _taken_over(file: str, record: Record, study: Path) -> Iterator[Finding]:
    """Yield where a final run is not what its study chose, with the budget that the run names: it may have grown since.

    A study that cannot be read is named elsewhere.
    """
    tuned = record.run["tuned"]
    try:
        if (made := chosen(study)) is None:
            yield error(f"takes over what the study {study.name} chose, which has no {CHOSEN}", file)
            return
        due = best(one for one in read_trials(study) if one.number < tuned["trials"])
        grown = tuned["trials"] < made.budget["trials"]
        recorded = made.recorded
    except (BadStudy, KeyError, TypeError, AttributeError):
        return
    settings = made.settings
    if grown and due:
        recorded, settings = recorded | {"trials": tuned["trials"], "trial": due.number}, due.settings
    if other := sorted(key for key in {*recorded, *tuned} if recorded.get(key) != tuned.get(key)):
        yield error(f"says of its study {study.name} what that does not say: {', '.join(other)}", file)
    for name, value in settings.items():
        section, _, key = name.partition(".")
        values = record.run["recipe"] if section == "recipe" else record.run["method"].get("fields", {})
        if key in values and values[key] != value:  # fields that came later are left out at their defaults
            yield error(f"{name} is {values[key]!r:.40}, but its study {study.name} chose {value!r:.40}", file)
