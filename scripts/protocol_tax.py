"""The protocol tax: what a change of protocol does to a method's accuracy, beside the spread between methods.

One factor is changed at a time, same method, backbone, images and seeds; every run goes through the harness with the
oracle diagnostic on, so that the choice of an epoch on the test images is a factor too, told from the same runs.

    OMP_NUM_THREADS=1 python scripts/protocol_tax.py [--methods lora vpt_deep full] [--tasks mini_digits]
        [--seeds 0 1 2] [--epochs 5] [--img-size 32] [--backbone vit_pico] [--weights FILE] [--data DATA]
        [--runs runs/protocol]
    python scripts/protocol_tax.py ... --report

An interrupted command goes on where it stopped; --report prints the table of the records that are there. Intervals are
Student's over seeds; with a single seed they are over tasks, and the tasks follow in brackets.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ablate_preprocessing import interval, made
from omegaconf import OmegaConf

from visionpeft.benchmark.compose import read_method, read_task
from visionpeft.benchmark.mapping import from_mapping
from visionpeft.benchmark.overrides import preset, suite_sizes
from visionpeft.benchmark.plan import Planned, plan
from visionpeft.benchmark.queue import drain
from visionpeft.benchmark.record import Record, read
from visionpeft.benchmark.spec import Backbone, Options, Recipe, Run
from visionpeft.reports.rules import epochs, oracle

CANONICAL = "canonical"
FACTORS: dict[str, dict[str, dict[str, Any]]] = {
    CANONICAL: {},
    "ImageNet mean and std": {"backbone": {"normalisation": "imagenet"}},
    "JPEG 75": {"backbone": {"jpeg": 75}},
    "tf1_bilinear": {"backbone": {"interpolation": "tf1_bilinear"}},
    "a third of the rate": {"recipe": {"lr": 1 / 3}},
    "three times the rate": {"recipe": {"lr": 3.0}},
}
"""Fields that differ from the canonical ones; a rate is a factor on the method's own."""
CHOSEN = "best test epoch instead of the last"
Scores = dict[tuple[str, str, str, int], float]
"""By method, factor, task and seed."""


def plain(group: str, name: str) -> dict[str, Any]:
    """Return a preset's values."""
    values = OmegaConf.to_container(preset(group, name), resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def run(method: str, factor: str, task: str, seed: int, args: argparse.Namespace) -> Run:
    """Return one run."""
    written, changed = plain("method", method), FACTORS[factor]
    recipe = plain("recipe", "vtab") | written["recipe"] | {"epochs": args.epochs, "warmup": args.epochs / 10}
    recipe["lr"] *= changed.get("recipe", {}).get("lr", 1.0)
    backbone = plain("backbone", args.backbone) | {"img_size": args.img_size} | changed.get("backbone", {})
    backbone |= {"weights": args.weights} if args.weights else {}
    return Run(
        method_name=method,
        method=read_method(written["method"]),
        task=read_task(preset("task", task)),
        recipe=from_mapping(Recipe, recipe, "recipe"),
        backbone=from_mapping(Backbone, backbone, "backbone"),
        seed=seed,
        label=method if factor == CANONICAL else f"{method} ({factor})",
        oracle=True,
    )


def keys(args: argparse.Namespace) -> Iterator[tuple[str, str, str, int]]:
    """Yield (method, factor, task, seed), whole seeds first, so that an interrupted table has complete ones."""
    for seed in args.seeds:
        for method in args.methods:
            for factor in FACTORS:
                yield from ((method, factor, task, seed) for task in args.tasks)


def accuracies(
    args: argparse.Namespace, planned: list[Planned]
) -> tuple[dict[Any, float], dict[Any, float], list[Any]]:
    """Return accuracies in percent by key, those of the best test epoch, and the records."""
    honest: Scores = {}
    best: Scores = {}
    records = []
    for key, one in zip(keys(args), planned, strict=True):
        path = args.runs / one.run.task.suite / f"{one.stem}.json"
        record: Record | None = read(path) if path.exists() else None
        if record is None or record.status != "ok":
            continue
        records.append(record)
        honest[key] = 100 * record.scores["test"]
        if chosen := oracle(epochs(record.curve, "test")):
            best[key] = 100 * chosen.test
    return honest, best, records


def change(new: Scores, old: Scores, pair: tuple[str, str], args: argparse.Namespace) -> str:
    """Return the mean difference of a method under a factor from it under none, paired by task and seed."""
    method, factor = pair
    each = [
        [new[method, factor, task, seed] - old[method, CANONICAL, task, seed] for task in args.tasks]
        for seed in args.seeds
        if all((method, factor, t, seed) in new and (method, CANONICAL, t, seed) in old for t in args.tasks)
    ]
    if not each:
        return ""
    values = np.array(each)
    if len(each) > 1:
        return f"{values.mean():+.1f}{interval(values.mean(1))} <sub>n={len(each)}</sub>"
    alone = f" ({', '.join(f'{value:+.1f}' for value in values[0])})" if len(args.tasks) > 1 else ""
    return f"{values.mean():+.1f}{interval(values[0])}{alone}"


def level(honest: Scores, method: str, args: argparse.Namespace) -> np.ndarray:
    """Return a method's mean over tasks for each seed that has all of them."""
    keyed = [[honest.get((method, CANONICAL, task, seed)) for task in args.tasks] for seed in args.seeds]
    return np.array([np.mean(one) for one in keyed if None not in one])


def report(args: argparse.Namespace, planned: list[Planned]) -> str:
    """Return the table: a column per method, a line per factor, and what stands between the methods."""
    honest, best, records = accuracies(args, planned)
    if not records:
        raise SystemExit(f"no records in {args.runs}; run the command without --report first")
    levels = {method: level(honest, method, args) for method in args.methods}
    rows = [[CANONICAL, *(f"{v.mean():.1f}{interval(v)}" if len(v) else "" for v in levels.values())]]
    for factor in list(FACTORS)[1:]:
        rows.append([factor, *(change(honest, honest, (method, factor), args) for method in args.methods)])
    rows.append([CHOSEN, *(change(best, honest, (method, CANONICAL), args) for method in args.methods)])
    means = [v.mean() for v in levels.values() if len(v)]
    lines = [f"{made(records)} Tasks: {', '.join(args.tasks)}; {args.epochs} epochs, {args.img_size} px.\n"]
    lines += [f"| | {' | '.join(args.methods)} |", f"|---|{'---:|' * len(args.methods)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines.append(f"\nSpread between the methods' canonical means: {max(means) - min(means):.1f} points.")
    return "\n".join(lines)


def main() -> None:
    """Work through the runs that have no record, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["lora", "vpt_deep", "full"])
    parser.add_argument("--tasks", nargs="+", default=["mini_digits"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--backbone", default="vit_pico")
    parser.add_argument("--weights", help="of the backbone, where its preset does not have them")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--img-size", type=int, default=32)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/protocol"))
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "visionpeft")
    parser.add_argument("--report", action="store_true", help="print the table; nothing is run")
    args = parser.parse_args()
    options = Options(data=args.data, source=None, runs=args.runs, cache=args.cache, suite_sizes=suite_sizes())
    planned = plan([run(*key, args) for key in keys(args)], options)
    if args.report:
        print(report(args, planned))
    else:
        raise SystemExit(1 if drain(planned, options) else 0)


if __name__ == "__main__":
    main()
