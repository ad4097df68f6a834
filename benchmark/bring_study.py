"""Bring one study from another store into this one: whole or not at all. No torch in here."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from . import trial
from .bring import COPIED, THERE, Refused, checked
from .record import record_files, replace

GONE_ON = "gone on with"
FIRST = (trial.CHOSEN, trial.JOURNAL, trial.TRIALS)
"""What is copied first, in this order, the opposite of the order in which a process at the study writes: so a
copy never has a choice without its trials or an ended trial without its file, and needs no lock of the other store."""


def bring_study(study: Path, root: Path) -> str:
    """Copy a whole study, if there is none of its name here or one that it went on from; return what was done.

    Trials are proposed from those before them, so the trials of two studies are never put together.

    Raises:
        Refused: it is damaged, or there is another of this name, or a process is at the one that it would replace.
    """
    declared, place = trial.load(study / trial.STUDY), trial.folder(root, study.name)
    theirs = _trials(study)
    for path in record_files(study):
        checked(path)
    if not (place / trial.STUDY).exists():
        if place.exists():
            raise Refused(f"{place} is there without {trial.STUDY}; if no process is at it, take it away")
        with _copied(study, place.parent) as copy:
            copy.rename(place)
        return COPIED
    ours, mine = trial.load(place / trial.STUDY), _trials(place)
    told = _told(declared) == _told(ours)
    if told and mine.items() <= theirs.items() and _files(study).keys() - _files(place).keys():
        _replaced(study, place)
        return GONE_ON
    if told and theirs.items() <= mine.items():
        return THERE
    raise Refused(
        f"{place} is another study of this name, they differ in {'trials' if told else 'what was told'}; studies are "
        "not united: take one of the two away"
    )


def _trials(study: Path) -> dict[str, bytes]:
    trial.read_trials(study)  # refuses damaged ones
    return {path.name: path.read_bytes() for path in (study / trial.TRIALS).glob("[0-9]*.json")}


def _told(declared: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in declared.items() if key not in trial.FREE}


def _replaced(study: Path, place: Path) -> None:
    """Put a copy of a study in the place of an earlier state of it, with what only that had.

    Killed between the two renames, it leaves none of this name, and the same merge brings it whole.
    """
    with _at_rest(place), _copied(study, place.parent) as copy:
        theirs = _files(copy)
        for inside, path in _files(place).items():
            if inside not in theirs:
                replace(copy / inside, path.read_bytes())
        before = Path(tempfile.mkdtemp(dir=place.parent, prefix=".tmp-"))
        place.rename(before)  # over the empty folder
        try:
            copy.rename(place)
        except OSError:
            shutil.rmtree(place, ignore_errors=True)  # what a process that came in between has begun
            before.rename(place)
            raise
        shutil.rmtree(before)


def _files(study: Path) -> dict[Path, Path]:
    """Return a study's plain files by their places in it; locks and unfinished work are none."""
    found = {path.relative_to(study): path for path in sorted(study.rglob("*")) if path.is_file()}
    hidden = {inside for inside in found if any(part.startswith(".") for part in inside.parts)}
    return {inside: path for inside, path in found.items() if inside not in hidden and not path.is_symlink()}


@contextlib.contextmanager
def _at_rest(study: Path) -> Iterator[None]:
    """Hold all locks of a study.

    Raises:
        Refused: a process has one of them.
    """
    with contextlib.ExitStack() as held:
        for path in sorted((study / trial.LOCKS).glob("*.lock")):
            try:
                held.enter_context(FileLock(path, timeout=0))
            except Timeout:
                raise Refused(f"a process is at {study}, which this would replace; repeat this later") from None
        yield


@contextlib.contextmanager
def _copied(study: Path, beside: Path) -> Iterator[Path]:
    """Copy a study to a folder of no name."""
    beside.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=beside, prefix=".tmp-"))
    try:
        folder.chmod(0o755)
        for part in (*FIRST, ""):  # looked up anew for each, as others come to be meanwhile
            for inside, path in _files(study).items():
                if part in ("", inside.parts[0]) and not (folder / inside).exists():
                    replace(folder / inside, path.read_bytes())
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # no longer there if it found its place
