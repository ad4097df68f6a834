"""Unite stores: `python -m visionpeft.benchmark.unite OTHER... --into RUNS`. No torch, so that a laptop does it.

A record comes over with its predictions and its adapter, whole or not at all, and never in the place of another. What
is there already is skipped, so an interrupted merge is repeated.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .record import Record, read, record_files
from .screen import complain, remark
from .store import Store, replace, sha256

SIDECARS = (".npz", ".adapter")
COPIED, THERE, LEFT_OUT = "copied", "there already", "left out"


class Refused(ValueError):
    """A record that does not come over; the message says why."""


class Stopped(OSError):
    """The merge cannot go on: the disk is full, or a folder may not be read or written."""


def unite(other: Path, root: Path) -> Counter[str]:
    """Copy what `root` lacks out of another store; return how many records were copied, there already, left out.

    Raises:
        ValueError: `other` is no store, or the same one.
        Stopped: files cannot be written; what has come over is whole, and the same call goes on.
    """
    files, store, counts = _listed(other, root), Store(root), Counter[str]()
    known = {path.stem.rpartition("--")[2]: path for path in record_files(root) if path.parent.name != "failed"}
    for path in files:
        try:
            record = _checked(path)
            with store.claim(record.stem) as mine:
                if not mine:
                    raise Refused("a process is at this very run in the store it should come to; repeat this later")
                counts[_bring(path, record, store, known.get(record.id))] += 1
        except ValueError as error:
            counts[LEFT_OUT] += 1
            complain(f"{path}: {str(error).removeprefix(f'{path}: ')}")
        except OSError as error:
            done = f"{counts[COPIED]} of {len(files)} records were copied, whole"
            raise Stopped(f"cannot copy {path} into {root} ({error.strerror or error}); {done}; repeat this") from error
    return counts


def _listed(other: Path, root: Path) -> list[Path]:
    """Return the record files of a store."""
    if not other.is_dir():
        raise ValueError(f"no folder {other}; give FROM=<another store, such as other/runs>")
    if root.exists() and (not root.is_dir() or root.samefile(other)):
        raise ValueError(f"{root} is {'the same store' if root.is_dir() else 'no folder'}; give FROM=<another store>")
    for folder in (other, *(one for one in other.iterdir() if one.is_dir() and not one.name.startswith("."))):
        if not os.access(folder, os.R_OK | os.X_OK):
            raise ValueError(f"{folder} may not be read; ask its owner, or copy the store first")
    files = list(record_files(other))
    if not files:
        above = f"; did you mean {other.absolute().parent}?" if any(other.glob("*--*--s*--*.json")) else ""
        below = f"; did you mean {other / 'runs'}?" if any(record_files(other / "runs")) else ""
        expected = "expected <suite>/<task>--<method>--s<seed>--<id>.json below it"
        raise ValueError(f"no records in {other}, {expected}{above or below}")
    return files


def _checked(path: Path) -> Record:
    """Return the record of a file if it is sound and lies where its contents say.

    Raises:
        ValueError: it is none, or its predictions are not those it was written with.
    """
    record = read(path)
    try:
        place = Store(path.parents[1]).path(record)
    except (KeyError, TypeError) as error:
        raise Refused(f"lacks what names its file ({error})") from None
    if place != path:
        raise Refused(f"should be {place.parent.name}/{place.name}, going by its contents; renamed by hand?")
    beside = path.with_suffix(".npz")
    if record.predictions and beside.exists() and sha256(beside.read_bytes()) != record.predictions.get("sha256"):
        raise Refused(f"{beside.name} is not the predictions file that this record was written with")
    return record


def _bring(path: Path, record: Record, store: Store, known: Path | None) -> str:
    """Copy one record and what lies beside it; return what was done.

    Two failures of one run are no conflict: neither has a score, and that of the store stays.
    """
    place = store.path(record)
    if known is not None and known != place and record.status == "ok":
        raise Refused(f"{known} is a record of the same run {record.id} under another name; keep one of them")
    if place.exists():
        mine = read(place)
        if mine != record and record.status == "ok":
            raise Refused(
                f"conflicts with {place}: one run, two results, which differ in {_differences(record, mine)}; "
                "look into it, then take one of the two away"
            )
        if mine != record:
            return THERE
    place.parent.mkdir(parents=True, exist_ok=True)
    with _undone_on_failure() as added:
        for suffix in SIDECARS:
            beside, target = path.with_suffix(suffix), place.with_suffix(suffix)
            if beside.exists() and not (place.exists() and target.exists()):  # without its record it is a left-over
                added.append(target)
                _copy(beside, target)
        if place.exists():
            return THERE
        replace(place, path.read_bytes(), once=True)
    return COPIED


@contextlib.contextmanager
def _undone_on_failure() -> Iterator[list[Path]]:
    """Hand out a list for what has been added, and take it away again if the record does not follow."""
    added: list[Path] = []
    try:
        yield added
    except BaseException:
        for path in added:
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
    rest = [where for name in a if name != "scores" for where in _unequal(a[name], b[name], name)]
    shown = scores + rest[:6] + ([f"{len(rest) - 6} more"] if len(rest) > 6 else [])
    return ", ".join(shown)


def _unequal(a: Any, b: Any, where: str) -> list[str]:
    if a == b:
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted(a.keys() | b.keys())
        return [found for key in keys for found in _unequal(a.get(key), b.get(key), f"{where}.{key}")]
    return [where]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line: 0, 1 if something was left out, 2 if it could not go on, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(prog="visionpeft.benchmark.unite", description="Unite stores of records.")
    parser.add_argument("others", type=Path, nargs="+", metavar="OTHER", help="stores whose records are copied")
    parser.add_argument("--into", type=Path, required=True, metavar="RUNS", help="the store they come to")
    given = parser.parse_args(argv)
    left_out = 0
    try:
        for other in given.others:
            counts = unite(other.expanduser(), given.into.expanduser())
            left_out += counts[LEFT_OUT]
            remark(f"{other}: " + ", ".join(f"{counts[what]} {what}" for what in (COPIED, THERE, LEFT_OUT)))
    except KeyboardInterrupt:
        complain("stopped; what has come over is whole, the same command goes on from here")
        return 130
    except (ValueError, OSError) as error:
        complain(str(error))
        return 2
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
