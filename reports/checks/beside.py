"""What lies beside a record: its accuracy once more, from the predictions and labels it was written with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from visionpeft.benchmark.record import Record

from ..found import tests
from ..predicted import PredictionsError, predicted
from .finding import Finding, error, warning

TRUST = "its accuracy is taken on trust"


@dataclass
class Beside:
    """What was read beside a record.

    Attributes:
        findings: what is wrong.
        labels: a digest of the labels, in their order, for every test set that has them.
        again: test sets whose accuracy was computed again.
    """

    findings: list[Finding] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)


def beside(root: Path, file: str, record: Record) -> Beside:
    """Read what lies beside a record and compare the two."""
    found = Beside()
    if record.status == "ok" and any(test in record.scores for test in tests(record)):
        found.findings += _as_written(root / file, file, record)
        if not found.findings:
            for test in tests(record):
                found.findings += _recomputed(root / file, file, record, test, found)
    return found


def _as_written(path: Path, file: str, record: Record) -> Iterator[Finding]:
    """Yield why the predictions are not those that the record was written with."""
    there, said = path.with_suffix(".npz"), record.predictions
    sha = ""
    try:
        sha = hashlib.sha256(there.read_bytes()).hexdigest() if said and there.exists() else ""
    except OSError as problem:
        yield error(f"{there.name} cannot be read ({problem.strerror})", file)
        return
    if not said:
        yield warning(f"says nothing of predictions: {TRUST}", file)
    elif not there.exists():
        yield warning(f"its predictions are not beside it: {TRUST}", file)
    elif said.get("file") != f"{record.stem}.npz":
        yield error(f"says that its predictions are {said.get('file')}, expected {record.stem}.npz", file)
    elif sha != said.get("sha256"):
        yield error(f"{there.name} is not the predictions file that it was written with (another sha256)", file)


def _recomputed(path: Path, file: str, record: Record, test: str, found: Beside) -> Iterator[Finding]:
    try:
        classes, labels = predicted(path, test)
    except PredictionsError as problem:
        yield error(str(problem).replace(f"{path.parent}/", ""), file)
        return
    size = record.run["data"]["splits"].get(test, {}).get("size")
    if classes.size != size:
        yield error(f"{classes.size} predictions of {test} are stored, but it has {size} images", file)
    if labels is None:
        yield warning(f"its predictions were written before labels were kept with them: {TRUST}", file)
        return
    found.labels[test] = digest(labels.tolist())
    most = record.run["task"].get("num_classes")
    if isinstance(most, int) and classes.size and max(classes.max(), labels.max()) >= most:
        yield error(f"stored classes of {test} reach {max(classes.max(), labels.max())}, the task has {most}", file)
    accuracy = float(np.mean(classes == labels)) if classes.size else 0.0
    found.again.append(test)
    score = record.scores.get(test)
    if isinstance(score, (int, float)) and not abs(accuracy - score) < 1e-9:
        yield error(f"accuracy {score} of {test}, but its stored predictions give {accuracy}", file)


def digest(labels: Iterable[int]) -> str:
    """Return the digest of labels in their order, as splits are pinned by it."""
    return hashlib.sha256("".join(f"{label}\n" for label in labels).encode()).hexdigest()
