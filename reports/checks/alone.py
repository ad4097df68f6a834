"""One record by itself: whether it lies where it belongs, and whether its numbers can be what they are said to be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from visionpeft.benchmark.record import Record

from ..found import tests
from ..predicted import right
from ..rules import BEST_VAL, LAST, epochs
from ..sound import is_accuracy, is_number
from .finding import Finding, error, warning
from .measured import measured

SIGMAS = 4.0
"""How many standard errors apart two accuracies are when chance is no explanation any more."""
RULES = {rule.name: rule for rule in (LAST, BEST_VAL)}
MIXES = ("mixup", "cutmix", "label_smoothing")
"""What of a recipe keeps the training loss of a good model high."""


def alone(file: str, record: Record, study: str = "") -> Iterator[Finding]:
    """Yield what is wrong or odd in a record, all but what lies beside it.

    Args:
        file: the record's.
        record: what it holds.
        study: the folder of the study that it is a trial of, which has no test score to have; empty for any other.
    """
    if study + record.place != file:
        yield error(f"should be {study}{record.place}, going by its contents; renamed or moved by hand?", file)
    for where in _not_finite(vars(record)):
        yield error(f"{where} is no finite number, which no run writes", file)
    yield from _scores(file, record, [] if study else tests(record))
    yield from measured(file, record)
    yield from _chosen(file, record)
    yield from _odd(file, record)
    yield from _origin(file, record)


def _not_finite(value: Any, where: str = "") -> Iterator[str]:
    """Yield where numbers are that JSON lacks, but for scores, which are looked at apart."""
    if isinstance(value, float) and not math.isfinite(value):
        yield where
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        if not (where == "" and key == "scores"):
            yield from _not_finite(inner, f"{where}.{key}".lstrip("."))


def _scores(file: str, record: Record, due: list[str]) -> Iterator[Finding]:
    if record.status != "ok":
        if record.scores:
            yield error(f"ended {record.status}, yet has scores", file)
        return
    for test in due:
        if test not in record.scores:
            yield error(f"ended ok without a {test} score", file)
    splits = record.run["data"]["splits"]
    for name, value in record.scores.items():
        if not is_accuracy(value):
            yield error(f"accuracy {value} of {name}, expected a number from 0 to 1", file)
            continue
        size = splits.get(name, splits.get(name.partition("/")[2], {})).get("size", 0)
        if right(value, size) is None:
            yield error(f"accuracy {value} of {name} is no whole number of right answers out of {size}", file)
    for name, split in splits.items():
        if split["expected"] not in (None, split["size"]):
            yield warning(f"{name} has {split['size']} of {split['expected']} images", file)


def _chosen(file: str, record: Record) -> Iterator[Finding]:
    """Yield what a result and its settings were chosen on, where that is not what an honest figure is chosen on."""
    run, recipe = record.run, record.run["recipe"]
    rule = RULES[recipe["select"]]
    if rule is BEST_VAL and recipe["train_on"] != "train":
        yield error(f"its epoch was chosen on validation images that it learnt from ({recipe['train_on']})", file)
    if run.get("per_task") == "test":
        yield warning("its settings for this task were chosen on test images by those who published them", file)
    selected = run.get("preset", {}).get("selected", "")
    if "TEST" in selected:
        yield warning(f"restates figures that were chosen on test images ({selected})", file)
    if not run.get("oracle"):
        return
    yield warning("every epoch was scored on the test images too (oracle=true): a diagnostic, not its result", file)
    for test in tests(record):
        chosen = rule.choose(epochs(record.curve, test))
        score: Any = record.scores.get(test)
        if chosen and is_accuracy(score) and abs(chosen.test - score) > 1e-9:
            yield warning(f"{test} is {score}, but {chosen.test} in its own curve by the rule {recipe['select']}", file)


def _odd(file: str, record: Record) -> Iterator[Finding]:
    """Yield accuracies that do not go with what was seen in training; training accuracy itself is not recorded."""
    score, val = (record.scores.get(name) for name in ("test", "val"))
    splits = record.run["data"]["splits"]
    size, of_val = (splits.get(name, {}).get("size", 0) for name in ("test", "val"))
    if record.status == "ok" and score is not None and is_accuracy(score) and size > 0:
        if val is not None and is_accuracy(val) and of_val > 0:
            yield from _above_validation(file, (score, size), (val, of_val))
        yield from _above_training(file, record, score, size)


def _above_validation(file: str, test: tuple[float, int], val: tuple[float, int]) -> Iterator[Finding]:
    """Compare two accuracies, each with its number of images."""
    both = (test[0] * test[1] + val[0] * val[1]) / (test[1] + val[1])
    apart = math.sqrt(both * (1 - both) * (1 / test[1] + 1 / val[1]))
    if test[0] - val[0] > SIGMAS * apart:
        yield warning(
            f"test accuracy {100 * test[0]:.1f} % is {100 * (test[0] - val[0]):.1f} points above validation, more than "
            f"{SIGMAS:.0f} standard errors ({100 * apart:.1f} points each)",
            file,
        )


def _above_training(file: str, record: Record, score: float, size: int) -> Iterator[Finding]:
    rows, classes, recipe = record.curve, record.run["task"].get("num_classes"), record.run["recipe"]
    loss: Any = rows[-1].get("loss") if rows and isinstance(rows[-1], dict) else None
    if not is_number(loss) or not isinstance(classes, int) or classes < 2 or any(recipe.get(name) for name in MIXES):
        return
    guess = 1 / classes
    if loss >= math.log(classes) and score > guess + SIGMAS * math.sqrt(guess * (1 - guess) / size):
        yield warning(
            f"training ended no better than guessing (loss {loss:.2f}, ln {classes} = {math.log(classes):.2f}), yet "
            f"test accuracy is {100 * score:.1f} %",
            file,
        )


def _origin(file: str, record: Record) -> Iterator[Finding]:
    seen = record.provenance
    if not seen.get("commit"):
        yield warning("made outside a checkout: no commit is known", file)
    elif seen.get("dirty"):
        yield warning("made by a checkout with changes that no commit has", file)
