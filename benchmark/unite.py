"""Unite stores: `python -m visionpeft.benchmark.unite OTHER... --into RUNS`. No torch, so that a laptop does it.

A record comes over with its predictions and its adapter, whole or not at all, and never in the place of another. What
is there already is skipped, so an interrupted merge is repeated. The same run with the same result from another machine
is a confirmation; with another result it is refused. Studies come over whole, or not at all; one that went on there
takes the place of what it went on from.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .bring import CONFIRMED, COPIED, LEFT_OUT, THERE, Refused, bring, checked, whose
from .bring_study import GONE_ON, bring_study
from .record import record_files
from .screen import complain, remark
from .store import Store
from .trial import STUDY, folder, studies

STUDIES = "studies "
"""What the counts of studies are called, before what was done."""


class Stopped(OSError):
    """The merge cannot go on: the disk is full, or a folder may not be read or written."""


def unite(other: Path, root: Path) -> Counter[str]:
    """Copy what `root` lacks out of another store; return how many records were copied, there already, left out.

    Raises:
        ValueError: `other` is no store, or the same one.
        Stopped: files cannot be written; what has come over is whole, and the same call goes on.
    """
    files, counts, confirmed = _listed(other, root), Counter[str](), Counter[str]()
    known = {path.stem.rpartition("--")[2]: path for path in record_files(root) if path.parent.name != "failed"}
    tasks = [(path, "") for path in files] + [(path, STUDIES) for path in studies(other)]
    for path, kind in tasks:
        try:
            what = bring_study(path, root) if kind else _record(path, Store(root), known, confirmed)
            counts[kind + what] += 1
        except ValueError as error:
            counts[kind + LEFT_OUT] += 1
            complain(f"{path}: {str(error).removeprefix(f'{path}: ')}")
        except OSError as error:
            done = f"{counts[COPIED]} of {len(files)} records were copied, whole"
            raise Stopped(f"cannot copy {path} into {root} ({error.strerror or error}); {done}; repeat this") from error
    for where, number in sorted(confirmed.items()):
        remark(f"{number} result{'s' * (number > 1)} of this store confirmed, to the last digit, by {where}")
    return counts


def _record(path: Path, store: Store, known: dict[str, Path], confirmed: Counter[str]) -> str:
    """Bring one record; return what was done, and count who confirms which result."""
    record = checked(path)
    with store.claim(record.stem) as mine:
        if not mine:
            raise Refused("a process is at this very run in the store it should come to; repeat this later")
        what = bring(path, record, store, known.get(record.id))
    if what == CONFIRMED:
        confirmed[whose(path, record, store.path(record))] += 1
    return what


def _listed(other: Path, root: Path) -> list[Path]:
    """Return the record files of a store."""
    if other.is_file():
        raise ValueError(f"{other} is a file, expected a folder of records; give FROM=<another store>")
    if not other.is_dir():
        raise ValueError(f"no folder {other}; give FROM=<another store, such as other/runs>")
    if root.exists() and not root.is_dir():
        raise ValueError(f"{root} is a file, expected a folder of records to copy into; name another with --into")
    if root.exists() and root.samefile(other):
        raise ValueError(f"{root} is the same store; give FROM=<another store>")
    if studies(other) and (place := folder(root, "")).is_file():
        raise ValueError(f"{place} is a file, expected a folder of studies; move it away, then repeat this")
    for inside in (other, *(one for one in other.iterdir() if one.is_dir() and not one.name.startswith("."))):
        if not os.access(inside, os.R_OK | os.X_OK):
            raise ValueError(f"{inside} may not be read; ask its owner, or copy the store first")
    files = list(record_files(other))
    if not files and not studies(other):
        within = [*other.glob("*--*--s*--*.json"), *other.glob(f"*/{STUDY}")]
        above = f"; did you mean {other.absolute().parent}?" if within else ""
        below = f"; did you mean {other / 'runs'}?" if any(record_files(other / "runs")) else ""
        expected = "expected <suite>/<task>--<method>--s<seed>--<id>.json below it"
        raise ValueError(f"no records in {other}, {expected}{above or below}")
    return files


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
            left_out += counts[LEFT_OUT] + counts[STUDIES + LEFT_OUT]
            remark(f"{other}: " + ", ".join(_said(counts)))
    except KeyboardInterrupt:
        complain("stopped; what has come over is whole, the same command goes on from here")
        return 130
    except (ValueError, OSError) as error:
        complain(str(error))
        return 2
    return 1 if left_out else 0


def _said(counts: Counter[str]) -> list[str]:
    said = [
        f"{counts[what]} {what}" for what in (COPIED, THERE, CONFIRMED, LEFT_OUT) if what != CONFIRMED or counts[what]
    ]
    of_studies = [
        f"{counts[STUDIES + what]} {what}" for what in (COPIED, GONE_ON, THERE, LEFT_OUT) if counts[STUDIES + what]
    ]
    return said + ([f"studies: {of_studies[0]}", *of_studies[1:]] if of_studies else [])


if __name__ == "__main__":
    sys.exit(main())
