"""What a tuning budget buys: the expected best of n trials, from the trials that were run.

    python -m visionpeft.reports.budget RUNS_DIR

The expected validation accuracy of the best of n trials drawn **without replacement** from the N that a study ran, the
exact mean over all its subsets of n: the sum over ranks k of v_(k) * C(k - 1, n - 1) / C(N, n). Dodge et al. (EMNLP
2019) estimate it with replacement, E[max] = sum of v_(k) * ((k/N)^n - ((k-1)/N)^n), which is biased downwards (Tang et
al., 2020); both are given. At n = N the first is the best that was found. A failed trial counts as 0, a stopped one as
the last accuracy that was seen of it. Where a study began with the untuned settings, so does every smaller budget: that
trial is in all of them, and the other n - 1 are drawn from the rest.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

from visionpeft.benchmark.record import replace
from visionpeft.benchmark.trial import STUDY, BadStudy, Trial, chosen, complete, load, read_trials, studies

from .reading import missing
from .terminal import complain, say

SHOWN = (1, 2, 4, 8, 16, 32, 64, 128)
"""Budgets that the screen shows, besides the whole one."""


@dataclass(frozen=True)
class Curve:
    """A study's expected best over the budget.

    Attributes:
        study: its name.
        suite, task, method: what it tuned.
        trials: how many it has run.
        complete: whether its budget is used up.
        without, with_replacement: expected best of 1, 2, ... trials, in [0, 1].
    """

    study: str
    suite: str
    task: str
    method: str
    trials: int
    complete: bool
    without: tuple[float, ...]
    with_replacement: tuple[float, ...]


def best_of(values: Sequence[float], n: int) -> float:
    """Return the mean over all subsets of n values of their largest one.

    Raises:
        ValueError: n is not from 1 to the number of values.
    """
    count = len(values)
    _check(count, n)
    return sum(value * comb(k, n - 1) for k, value in enumerate(sorted(values))) / comb(count, n)


def best_of_redrawn(values: Sequence[float], n: int) -> float:
    """Return the mean largest of n values drawn with replacement (Dodge et al., 2019).

    Raises:
        ValueError: n is not from 1 to the number of values.
    """
    count = len(values)
    _check(count, n)
    return sum(v * (((k + 1) / count) ** n - (k / count) ** n) for k, v in enumerate(sorted(values)))


def _check(count: int, n: int) -> None:
    if not 1 <= n <= count:
        raise ValueError(f"the best of {n} trials needs 1 to {count}, the number of trials there are")


def curve(study: str, told: dict[str, Any], trials: Sequence[Trial], complete: bool) -> Curve:
    """Return the expected best of a study that has finished some trials.

    Args:
        study: its name.
        told: what it was told, with task and method.
        trials: its trials.
        complete: whether there are no more to come.
    """
    always = [one.accuracy for one in trials if one.number == 0 and told.get("untuned_first", False)]
    drawn = [max([one.accuracy, *always]) for one in trials if not always or one.number]
    task, method = told["task"], told["method"]
    return Curve(
        *(study, task["suite"], task["name"], method["name"], len(trials), complete),
        without=(*always, *(best_of(drawn, n + 1) for n in range(len(drawn)))),
        with_replacement=(*always, *(best_of_redrawn(drawn, n + 1) for n in range(len(drawn)))),
    )


def curves(runs: Path) -> list[Curve]:
    """Return a curve for each study of a store that has finished a trial, by name.

    Raises:
        BadStudy: a file of a study is damaged.
    """
    found = []
    for study in studies(runs):
        if trials := read_trials(study):
            told = load(study / STUDY)
            try:
                found.append(curve(study.name, told, trials, complete(told, chosen(study))))
            except (KeyError, TypeError) as error:
                raise BadStudy(f"{study / STUDY}: lacks {error}; edited by hand?") from None
    return found


def text(found: Sequence[Curve]) -> str:
    """Return curves as CSV, a line for each study and budget; accuracies in [0, 1]."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["study", "suite", "task", "method", "trials", "complete", "n", "best", "best_with_replacement"])
    for one in found:
        for n, (without, redrawn) in enumerate(zip(one.without, one.with_replacement, strict=True), start=1):
            facts = (one.study, one.suite, one.task, one.method, one.trials, str(one.complete).lower())
            writer.writerow([*facts, n, f"{without:.6f}", f"{redrawn:.6f}"])
    return buffer.getvalue()


def aligned(found: Sequence[Curve]) -> str:
    """Return the expected best, in %, as columns of plain text, a row for each study."""
    longest = max(one.trials for one in found)
    budgets = [n for n in SHOWN if n < longest] + [longest]
    rows = [["study", *(f"n={n}" for n in budgets)]]
    for one in found:
        cells = [f"{100 * one.without[n - 1]:.2f}" if n <= one.trials else "" for n in budgets]
        rows.append([one.study + ("" if one.complete else " (unfinished)"), *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Write tuning/budget.csv and show it; 2 with a message if a study cannot be read, or the file not written."""
    parser = argparse.ArgumentParser(prog="visionpeft.reports.budget", description="Expected best of n trials.")
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="folder of records, with tuning/<study> in it")
    runs = parser.parse_args(argv).runs
    if why := missing(runs):
        return complain(why)
    path = runs / "tuning" / "budget.csv"
    try:
        found = curves(runs)
        if not found:
            say(f"no study in {path.parent}; `make tune METHOD=lora TASK=mini_digits` runs one\n", sys.stderr)
            return 0
        replace(path, text(found).encode())
    except (BadStudy, OSError) as error:
        return complain(f"no {path.name}: {error}")
    say(f"expected best validation accuracy (%) of n trials, without replacement\n\n{aligned(found)}\n\n")
    say(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
