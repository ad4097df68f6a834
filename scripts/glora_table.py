"""The page of `glora_controls`: its records as Markdown tables."""

from __future__ import annotations

import argparse
import math
import shlex
import sys

import numpy as np

from visionpeft.benchmark.record import Record
from visionpeft.methods.glora import GLoRA
from visionpeft.reports.stats import half_width

Key = tuple[str, int]
"""A task and a seed."""
Rows = dict[str, dict[Key, Record]]
SEARCH, INHERITED = "evolutionary search, winner retrained", "the same winner, inherited weights"


def kendall(pairs: list[tuple[float, float]]) -> float:
    """Return Kendall's tau-b, which allows for ties; NaN where one side is all alike."""
    x, y = np.array(pairs).T if pairs else (np.empty(0), np.empty(0))
    one, other = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    scale = math.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale else math.nan


def trainable(record: Record) -> int:
    """Return the live parameters without the head."""
    return (record.params["trainable"] or 0) - (record.params["head"] or 0)


def table(rows: Rows, keys: list[Key]) -> list[str]:
    """Return the rows as Markdown, test accuracies in percent, beside their difference from the search."""
    tasks = list(dict.fromkeys(task for task, _ in keys))
    shown = {row: {key: record.scores["test"] for key, record in done.items()} for row, done in rows.items()}
    inherited = {key: record.scores["inherited/test"] for key, record in rows[SEARCH].items()}
    shown = {SEARCH: shown.pop(SEARCH), INHERITED: inherited, **shown}
    lines = ["| | parameters | " + " | ".join(tasks) + " | mean | minus the search |"]
    lines.append("|---|--:|" + "--:|" * (len(tasks) + 2))
    for row, scores in shown.items():
        sizes = [trainable(record) for record in rows[SEARCH if row == INHERITED else row].values()]
        by_task = [interval([scores[key] for key in keys if key[0] == task and key in scores]) for task in tasks]
        mean, difference = interval(by_seed(scores, keys)), interval(paired(scores, keys, shown[SEARCH]))
        cells = [f"{np.mean(sizes):,.0f}" if sizes else "", *by_task, mean, "" if row == SEARCH else difference]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines


def by_seed(scores: dict[Key, float], keys: list[Key], base: dict[Key, float] | None = None) -> list[float]:
    """Return the mean over tasks for each seed that has all of them, less that of `base`, if there is one."""
    means = []
    for seed in dict.fromkeys(seed for _, seed in keys):
        own = [key for key in keys if key[1] == seed]
        if all(key in scores and (base is None or key in base) for key in own):
            means.append(float(np.mean([scores[key] - (base[key] if base else 0) for key in own])))
    return means


def paired(scores: dict[Key, float], keys: list[Key], base: dict[Key, float]) -> list[float]:
    """Return the differences from `base`: of means over tasks by seed, or with a single seed by task."""
    if len({seed for _, seed in keys}) > 1:
        return by_seed(scores, keys, base)
    return [scores[key] - base[key] for key in keys if key in scores and key in base]


def chance(n: int) -> float:
    """Return what Kendall's tau of n unrelated pairs stays within in 95 of 100 draws, by its normal limit."""
    return 1.96 * math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1))) if n > 1 else math.nan


def interval(values: list[float], unit: float = 100, places: int = 1) -> str:
    """Return the mean and half its 95 % interval, in percent unless another unit is asked for; blank without values."""
    if not values:
        return ""
    half = half_width(unit * np.array(values))
    return f"{unit * np.mean(values):.{places}f}" + ("" if half is None else f" ± {half:.{places}f}")


def report(args: argparse.Namespace, search: GLoRA, rows: Rows, taus: dict[Key, tuple[float, int]]) -> str:
    """Return the page."""
    seen, keys = next(iter(rows[SEARCH].values())), [(task, seed) for task in args.tasks for seed in args.seeds]
    evaluations = search.population * (search.generations + 1)
    schedule = (
        f"Backbone {args.backbone}, rank {args.rank}, seeds {', '.join(map(str, args.seeds))}; test accuracy in "
        "percent, 95 % t intervals over seeds; the last column is paired by seed, with a single seed by task, and then "
        "its interval is over tasks. Every row is trained on train and "
        f"val for {args.epochs} epochs, unless it says otherwise. A search trains a supernet on train for "
        f"{args.supernet_epochs} epochs and scores {evaluations} subnets on val."
    )
    versions, precision = seen.provenance["versions"], seen.run["recipe"]["precision"]
    text = [
        "# What GLoRA's search buys",
        schedule,
        f"{seen.provenance['device']}, {precision}, torch {versions['torch']}.",
        "\n".join(table(rows, keys)),
        *(correlation(taus, keys) if taus else ()),
        f"    {shlex.join(['python', 'scripts/glora_controls.py', *sys.argv[1:]])}",
    ]
    return "\n\n".join(text) + "\n"


def correlation(taus: dict[Key, tuple[float, int]], keys: list[Key]) -> list[str]:
    """Return the section on whether the supernet ranks subnets: tau by task and seed, and its means."""
    seeds, found = list(dict.fromkeys(seed for _, seed in keys)), {key: tau for key, (tau, _) in taus.items()}
    lines = [f"| task | {' | '.join(f'seed {seed}' for seed in seeds)} | mean |", "|---|" + "--:|" * (len(seeds) + 1)]
    for task in dict.fromkeys(task for task, _ in keys):
        own = [f"{found[task, seed]:.2f}" if (task, seed) in found else "" for seed in seeds]
        mean = interval([found[task, seed] for seed in seeds if (task, seed) in found], 1, 2)
        lines.append(f"| {task} | {' | '.join(own)} | {mean} |")
    whole = [by_seed(found, [key for key in keys if key[1] == seed]) for seed in seeds]
    means = [f"{values[0]:.2f}" if values else "" for values in whole]
    lines.append(f"| mean | {' | '.join(means)} | {interval([v for values in whole for v in values], 1, 2)} |")
    fewest = min(n for _, n in taus.values())
    return [
        "## Does the supernet rank subnets?",
        f"Kendall's tau-b between the accuracy of {fewest} random subnets on val with inherited weights and their test "
        f"accuracy trained alone; without a relation it stays within ± {chance(fewest):.2f} in 95 of 100 draws. Means "
        "with 95 % t intervals over seeds.",
        "\n".join(lines),
    ]
