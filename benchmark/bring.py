"""Bring one record from another store into this one: whole or not at all. No torch in here."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from .record import Record, read, replace
from .store import Store, sha256

SIDECARS = (".npz", ".adapter")
COPIED, THERE, CONFIRMED, LEFT_OUT = "copied", "there already", "confirmed", "left out"
RESULT = ("label", "status", "scores", "settled", "images", "shared", "params")
"""What two machines have to agree in, to the last digit, to have confirmed each other; the rest is of the machine."""


class Refused(ValueError):
    """A record that does not come over; the message says why."""


def checked(path: Path) -> Record:
    """Return the record of a file if it is sound and lies where its contents say.

    Raises:
        ValueError: it is none, or its predictions are not those it was written with.
    """
    record = read(path)
    for name in ("scores", "predictions", "provenance"):
        if not isinstance(getattr(record, name), dict):
            raise Refused(f"{name} is {getattr(record, name)!r:.60}, expected an object; edited by hand?")
    for name, score in record.scores.items():
        if not (isinstance(score, (int, float)) and not isinstance(score, bool) and 0 <= score <= 1):
            raise Refused(f"accuracy {score!r:.60} of {name}, expected a number from 0 to 1; repeat that run")
    try:
        place = Store(path.parents[1]).path(record)
    except (KeyError, TypeError) as error:
        raise Refused(f"lacks what names its file ({error})") from None
    if place != path:
        raise Refused(f"should be {place.parent.name}/{place.name}, going by its contents; renamed by hand?")
    beside = path.with_suffix(".npz")
    try:
        found = sha256(beside.read_bytes()) if record.predictions and beside.exists() else None
    except OSError as error:
        raise Refused(f"{beside.name} cannot be read ({error.strerror})") from None
    if found is not None and found != record.predictions.get("sha256"):
        raise Refused(f"{beside.name} is not the predictions file that this record was written with")
    return record


def bring(path: Path, record: Record, store: Store, known: Path | None) -> str:
    """Copy one record and what lies beside it, if it is not there; return what was done.

    Two failures of one run are no conflict: neither has a score, and that of the store stays. Nor are two equal
    results, whatever machines they are from and however long they took.

    Raises:
        Refused: the run has another result here, or a record under another name.
    """
    place = store.path(record)
    if known is not None and known != place and record.status == "ok":
        raise Refused(f"{known} is a record of the same run {record.id} under another name; keep one of them")
    mine = read(place) if place.exists() else None
    if mine not in (None, record) and record.status != "ok":
        return THERE
    if mine is not None and any(getattr(mine, name) != getattr(record, name) for name in RESULT):
        raise Refused(
            f"conflicts with {place}: one run, two results, which differ in {_differences(record, mine)}; "
            "look into it, then take one of the two away"
        )
    if mine not in (None, record):
        return CONFIRMED
    place.parent.mkdir(parents=True, exist_ok=True)
    with _undone_without(place) as added:
        for suffix in SIDECARS:
            beside, target = path.with_suffix(suffix), place.with_suffix(suffix)
            if beside.exists() and not (place.exists() and target.exists()):  # without its record it is a left-over
                added.append(target)
                _copy(beside, target)
        if place.exists():
            return THERE
        replace(place, path.read_bytes(), once=True)
    return COPIED


def whose(path: Path, record: Record, place: Path) -> str:
    """Return who confirms a result, in words.

    Args:
        path: the file that the record came from.
        record: the other store's.
        place: this store's record of the run.
    """
    seen, versions = record.provenance, record.provenance.get("versions")
    same = _predicted(path, record) == _predicted(place, read(place))
    torch = versions.get("torch") if isinstance(versions, dict) else None
    commit = f", commit {str(seen['commit'])[:8]}" if seen.get("commit") else ""
    where = f"{seen.get('device', 'an unknown device')} (torch {torch or 'unknown'}{commit})"
    return where + ("" if same else ", where single images are predicted otherwise")


def _predicted(path: Path, record: Record) -> object:
    """Return what tells predictions apart: the arrays, as machines compress alike arrays unlike; else their digest."""
    try:
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            return {name: arrays[name].tolist() for name in arrays.files}
    except (OSError, ValueError, BadZipFile):
        return record.predictions.get("sha256")


@contextlib.contextmanager
def _undone_without(place: Path) -> Iterator[list[Path]]:
    """Hand out a list for what has been added, and take it away again if no record follows at its place."""
    added: list[Path] = []
    try:
        yield added
    except BaseException:
        for path in [] if place.exists() else added:
            _remove(path)
        raise


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _copy(path: Path, target: Path) -> None:
    """Copy a file, or a folder's plain files, whole or not at all."""
    if not path.is_dir():
        return replace(target, path.read_bytes())
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=".tmp-"))
    try:
        folder.chmod(0o755)
        for one in sorted(path.iterdir()):
            if one.is_file() and not one.is_symlink():
                replace(folder / one.name, one.read_bytes())
        _remove(target)
        folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _differences(theirs: Record, ours: Record) -> str:
    """Return in words where two records of one run differ: values of scores, names of the rest."""
    scores = [
        f"scores.{name} ({theirs.scores.get(name)} there, {ours.scores.get(name)} here)"
        for name in sorted(theirs.scores.keys() | ours.scores.keys())
        if theirs.scores.get(name) != ours.scores.get(name)
    ]
    a, b = vars(theirs), vars(ours)
    rest = [where for name in a if name not in ("scores", "seal") for where in _unequal(a[name], b[name], name)]
    shown = scores + rest[:6] + ([f"{len(rest) - 6} more"] if len(rest) > 6 else [])
    return ", ".join(shown)


def _unequal(a: Any, b: Any, where: str) -> list[str]:
    if a == b:
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted(a.keys() | b.keys())
        return [found for key in keys for found in _unequal(a.get(key), b.get(key), f"{where}.{key}")]
    return [where]
