"""Methods untuned and equally tuned, from the records of a store: test accuracy, what tuning changed, best of n trials.

    python scripts/equal_tuning.py RUNS

A column is a task, or one of its training samples; a cell the mean over seeds. Means and differences have Student's
95 % interval over the columns: over disjoint samples of one task, or over tasks, never over both.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from visionpeft.reports.budget import curves
from visionpeft.reports.found import Found
from visionpeft.reports.reading import load
from visionpeft.reports.stats import half_width

Cells = dict[tuple[str, bool], dict[tuple[str, int], float]]
"""Accuracies in percent by (method, whether tuned) and (task, training sample)."""


def cells(found: Iterable[Found]) -> Cells:
    """Return the mean over seeds of every cell."""
    values: dict[tuple[str, bool], dict[tuple[str, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        row = one.run["method"]["name"], "tuned" in one.run
        values[row][one.column, one.run["data"].get("sample", 0)].append(100 * one.accuracy)
    return {row: {column: float(np.mean(v)) for column, v in columns.items()} for row, columns in values.items()}


def mean(values: np.ndarray, sign: str = "") -> str:
    """Return a mean and half its interval."""
    half = half_width(values)
    return f"{values.mean():{sign}.1f}" + ("" if half is None else f" ± {half:.1f}")


def accuracies(made: Cells) -> list[str]:
    """Return the table of accuracies, the best tuned method first; methods that lack a cell are left out."""
    columns = sorted({column for row in made.values() for column in row})
    whole = {row: np.array([of[c] for c in columns]) for row, of in made.items() if of.keys() == set(columns)}
    methods = [method for method, tuned in whole if tuned and (method, False) in whole]
    if len({task for task, _ in columns}) > 1 < len({sample for _, sample in columns}):
        raise SystemExit("several tasks and several training samples; give a store that has several of one of them")
    first, *others = [f"{sample}" if len({t for t, _ in columns}) == 1 else task for task, sample in columns]
    halves = [(f"{when}: {first}", *others, "mean") for when in ("untuned", "tuned")]
    head = ["test accuracy, %", *halves[0], *halves[1], "tuned minus untuned"]
    lines = [f"| {' | '.join(head)} |", "|---|" + "--:|" * (len(head) - 1)]
    for method in sorted(methods, key=lambda method: -whole[method, True].mean()):
        before, after = whole[method, False], whole[method, True]
        shown = [f"{v:.1f}" for v in before], [f"{v:.1f}" for v in after]
        row = [method, *shown[0], mean(before), *shown[1], mean(after), mean(after - before, "+")]
        lines.append(f"| {' | '.join(row)} |")
    return lines


def budgets(runs: Path) -> list[str]:
    """Return the table of the expected best of n trials on validation images, the mean over studies of a method."""
    by_method: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for one in curves(runs):
        by_method[one.method].append(one.without)
    shortest = min((len(curve) for found in by_method.values() for curve in found), default=0)
    shown = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= shortest]
    lines = [f"| | studies | {' | '.join(f'n={n}' for n in shown)} |", "|---|--:|" + "--:|" * len(shown)]
    for method, found in sorted(by_method.items(), key=lambda item: -np.mean([curve[-1] for curve in item[1]])):
        means = [f"{100 * np.mean([curve[n - 1] for curve in found]):.1f}" for n in shown]
        lines.append(f"| {method} | {len(found)} | {' | '.join(means)} |")
    return lines


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, metavar="RUNS")
    runs = parser.parse_args().runs
    found, skipped = load(runs)
    made = cells(one for one in found if one.record.status == "ok")
    if not any(tuned for _, tuned in made):
        raise SystemExit(f"no tuned run in {runs}: make tune, then runs with TUNED=1 and without")
    print("\n".join([*(f"not counted: {line}" for line in skipped), *accuracies(made), "", *budgets(runs)]))


if __name__ == "__main__":
    main()
