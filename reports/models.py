"""Compares two trained models image by image: `python -m visionpeft.reports.models A.json B.json`.

McNemar's exact test asks whether these two models differ on these test images. It knows nothing of other seeds and says
nothing on the methods that trained them; for methods, see the differences of the leaderboard.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from visionpeft.benchmark.record import BadRecord, Record

from .compare import TwoModels, mcnemar
from .predicted import PredictionsError, predicted
from .sound import sound
from .terminal import complain, say


class ModelsError(ValueError):
    """Two records whose models cannot be compared; the message says why."""


def compared(one: Path, other: Path) -> Iterator[tuple[str, int, TwoModels]]:
    """Yield (test set, images, comparison) for every test set that two records share.

    Raises:
        ModelsError: a record without labels beside it, other test images or another order, or nothing in common.
    """
    first, second = _read(one), _read(other)
    same = [name for name in first.scores if name in second.scores and name.partition("/")[0] == "test"]
    if not same:
        raise ModelsError(f"{one} ({task(first)}) and {other} ({task(second)}) have no test set in common")
    for name in same:
        _check(name, first, second)
        right = [_right(path, name) for path in (one, other)]
        yield name, len(right[0]), mcnemar(*right)


def _read(path: Path) -> Record:
    try:
        return sound(path)
    except BadRecord as error:
        raise ModelsError(f"{path}: {error}") from None


def task(record: Record) -> str:
    """Return a record's suite and task."""
    return f"{record.run['task']['suite']} task {record.run['task']['name']}"


def _check(name: str, first: Record, second: Record) -> None:
    """Refuse test sets that are not the same images in the same order."""
    for key in ("digest", "order"):
        one, other = (record.run["data"]["splits"].get(name, {}).get(key) for record in (first, second))
        if task(first) != task(second) or one != other or one is None:
            raise ModelsError(
                f"{first.stem} and {second.stem} were tested on other images or in another order ({name}: {key} "
                f"{str(one)[:12]} and {str(other)[:12]}), so no image can be paired"
            )


def _right(record: Path, name: str) -> np.ndarray:
    """Return for every test image whether the model was right."""
    found, labels = predicted(record, name)
    if labels is None:
        beside = record.with_suffix(".npz")
        raise ModelsError(f"{beside} has no labels of {name}: it was written before they were kept; repeat the run")
    right: np.ndarray = found == labels
    return right


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 2 with a message if the two cannot be compared."""
    parser = argparse.ArgumentParser(prog="visionpeft.reports.models", description="Two models, image by image.")
    parser.add_argument("first", type=Path, metavar="A.json")
    parser.add_argument("second", type=Path, metavar="B.json")
    given = parser.parse_args(argv)
    try:
        found = list(compared(given.first, given.second))
    except (ModelsError, PredictionsError) as error:
        return complain(f"not compared: {error}")
    say("Two trained models on the same images (McNemar, exact); this is no comparison of methods.\n")
    for name, images, two in found:
        only = f"right alone {two.only_first} (A) and {two.only_second} (B)"
        say(f"{name}: {images} images, {only}, p = {two.p:.4f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
