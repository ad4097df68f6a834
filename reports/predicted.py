"""What lies beside a record: the predicted and the true class of every test image."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

Pair = tuple[np.ndarray, np.ndarray | None]
NEARLY = 1e-3
"""How far a count of right answers may be from a whole number."""


class PredictionsError(ValueError):
    """A predictions file that is not there, or that cannot be read; the message names it."""


def right(accuracy: float, size: int) -> int | None:
    """Return how many of so many images an accuracy is; None if that is no whole number."""
    return round(accuracy * size) if abs(accuracy * size - round(accuracy * size)) <= NEARLY else None


def unlike(record: Path, test: str, accuracy: float) -> str:
    """Return what the predictions beside a record say against its accuracy; empty where they agree or cannot tell."""
    try:
        found, labels = predicted(record, test)
    except PredictionsError:
        return ""
    if labels is None or not found.size or right(accuracy, found.size) == (count := int((found == labels).sum())):
        return ""
    return f"accuracy {accuracy} of {test}, but {count} of the {found.size} predictions beside it are right"


def predicted(record: Path, test: str) -> Pair:
    """Return the predicted classes and the labels of a record's test set; no labels where they were not yet kept.

    Raises:
        PredictionsError: the file beside the record is not there, damaged, or lacks this test set.
    """
    beside = record.with_suffix(".npz")
    if not beside.exists():
        raise PredictionsError(f"no predictions {beside} beside the record; copy them along, or repeat the run")
    names = ("predicted", "labels") if test == "test" else (test, f"labels/{test}")
    try:
        with np.load(io.BytesIO(beside.read_bytes()), allow_pickle=False) as arrays:
            found, labels = (arrays.get(name) for name in names)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise PredictionsError(f"{beside} cannot be read ({error})") from None
    if found is None:
        raise PredictionsError(f"{beside} has no predictions of {test}")
    if labels is not None and labels.shape != found.shape:
        raise PredictionsError(f"{beside} has {found.size} predictions of {test} and {labels.size} labels")
    return found, labels
