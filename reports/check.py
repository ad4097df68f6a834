"""Check a store before its figures are believed: `python -m visionpeft.reports.check RUNS_DIR [--pinned FILE]`.

Errors are what makes a figure wrong or contradicts itself; warnings are what needs a look, or a footnote. Nothing in
the store is changed.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from visionpeft.benchmark.record import BadRecord, Record, record_files
from visionpeft.benchmark.trial import studies

from .build import sound_tables
from .checks import pins, together
from .checks.alone import alone
from .checks.beside import Beside, beside
from .checks.finding import Finding, error, gathered
from .checks.plausible import plausible
from .checks.studies import studied
from .found import Found, tests
from .reading import missing
from .rules import epochs
from .sound import is_accuracy, sound
from .terminal import complain, say, until_the_reader_leaves


@dataclasses.dataclass(frozen=True)
class Checked:
    """What was found in a store.

    Attributes:
        records: how many files were looked at, but for those of studies.
        studies: how many studies were looked at.
        findings: what was found, errors first.
        notes: what was looked at and what could not be.
    """

    records: int
    studies: int
    findings: list[Finding]
    notes: list[str]

    @property
    def errors(self) -> list[Finding]:
        """What makes figures wrong."""
        return [one for one in self.findings if one.error]

    @property
    def warnings(self) -> list[Finding]:
        """What needs a look."""
        return [one for one in self.findings if not one.error]


def check(root: Path, pinned: Path | None = None) -> Checked:
    """Look at every record of a store, at what lies beside it, at the tables they make, and at studies.

    Raises:
        PinsError: the file of pinned digests cannot be read.
    """
    known = pins.read(pinned) if pinned else {}
    found: list[Finding] = []
    records: list[tuple[str, Record, Beside]] = []
    files = list(record_files(root))
    for path in files:
        file = path.relative_to(root).as_posix()
        try:
            record = sound(path)
        except BadRecord as problem:
            found.append(error(str(problem), file))
            continue
        seen = beside(root, file, record)
        found += [*alone(file, record), *seen.findings, *pins.compared(file, record, seen.labels, known)]
        records.append((file, dataclasses.replace(record, notes={}), seen))  # these are long
    found += [*_among(records), *studied(root, [(file, record) for file, record, _ in records])]
    found.sort(key=lambda one: not one.error)
    return Checked(len(files), len(studies(root)), list(gathered(found)), _notes(records, known))


def _among(records: Sequence[tuple[str, Record, Beside]]) -> Iterator[Finding]:
    """Yield what records say of each other; what cannot be counted is left out, for it was named before."""
    yield from together.twice([(file, record) for file, record, _ in records])
    yield from together.suites([(file, record) for file, record, _ in records])
    yield from together.stored_labels((file, record, seen.labels) for file, record, seen in records)
    entries = _entries(records)
    yield from together.data(entries)
    tables, refusals = sound_tables(entries)
    yield from (error(f"no table can be made: {refusal}") for refusal in refusals)
    yield from together.rows(tables)
    yield from plausible(tables)


def _entries(records: Iterable[tuple[str, Record, Beside]]) -> list[Found]:
    """Return the accuracies that a table would count, one record for each run."""
    first: dict[str, str] = {}
    found = []
    for file, record, _ in records:
        failed = record.status != "ok"
        if not failed and first.setdefault(record.id, file) != file:
            continue
        for test in tests(record):
            if failed or is_accuracy(record.scores.get(test)):
                curve = epochs(record.curve, test) if record.run.get("oracle") else ()
                found.append(Found(file, record, test, curve))
    return found


def _notes(records: Sequence[tuple[str, Record, Beside]], known: pins.Pins) -> list[str]:
    scored = [(record, seen) for _, record, seen in records if record.status == "ok"]
    scores = [name for record, _ in scored for name in record.scores]
    own = sum(name == "test" or name.startswith("test/") for name in scores)
    again = sum(len(seen.again) for _, seen in scored)
    others = len(scores) - own
    official = sum("confirmed" in record.run["data"] for record, _ in scored)
    return [
        f"accuracy was computed again from stored predictions and labels for {again} of {own} test scores",
        *(
            [f"other scores (validation images, further models), whose predictions are not kept: {others}"]
            if others
            else []
        ),
        f"splits were compared with pinned digests for {official if known else 0} of {len(scored)} records"
        + ("" if known else " (none were given: --pinned)")
        + "; copies of data and other suites have none",
        "not recorded, so not looked at: training accuracy, the images themselves, what a dirty checkout had changed",
    ]


def text(found: Checked) -> str:
    """Return all findings, what was looked at, and the counts."""
    parts: dict[str, Sequence[object]] = {"errors": found.errors, "warnings": found.warnings, "looked at": found.notes}
    blocks = ["\n  ".join([f"{name}:", *map(str, lines)]) for name, lines in parts.items() if lines]
    counts = {"error": len(found.errors), "warning": len(found.warnings)}
    studies = [f"{found.studies} stud{'y' if found.studies == 1 else 'ies'}"] if found.studies else []
    said = [f"{n} {word}{'s' * (n != 1)}" for word, n in ({"record": found.records} | counts).items()]
    return "\n\n".join([*blocks, ", ".join([said[0], *studies, *said[1:]])]) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line: 0, 1 if there is an error, 2 if there is nothing to check."""
    parser = argparse.ArgumentParser(prog="visionpeft.reports.check", description="Check a store of records.")
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="folder of records, <suite>/*.json")
    parser.add_argument("--pinned", type=Path, metavar="FILE", help="digests of the official splits, as in digests.csv")
    given = parser.parse_args(argv)
    if why := missing(given.runs):
        return complain(why)
    try:
        found = check(given.runs, given.pinned)
    except pins.PinsError as problem:
        return complain(str(problem))
    if not found.records and not found.studies:
        return complain(f"no records to check in {given.runs}; a run leaves one there, for instance: make demo")
    with until_the_reader_leaves():
        say(text(found))
    return 1 if found.errors else 0


if __name__ == "__main__":
    sys.exit(main())
