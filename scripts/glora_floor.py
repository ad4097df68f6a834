"""The least time that all of GLoRA can take on VTAB-1k: its arithmetic over what a device computes; nothing is run.

Counted is what matrix products cost: training steps, forward passes of the search and of the test images. Images to
decode, merging, normalisation, softmax, the optimizer and starting up are not, so that a run takes longer.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

from visionpeft.benchmark.compose import read_task
from visionpeft.benchmark.overrides import choices, preset

TRAIN, VAL = 800, 200
SCORED = 2
"""Models scored on the test images: the winner trained anew, and with the weights it inherits."""
PLAN_MINUTES, PLAN_SEARCH = 30, 20


class Schedule(NamedTuple):
    """How long the phases are: epochs of the supernet and of the retraining, candidates that the search scores.

    `seen` is the part of the validation images that a candidate is scored on, on average.
    """

    supernet_epochs: int
    evaluations: int
    epochs: int
    seen: float = 1.0


class Model(NamedTuple):
    """FLOPs for one image: of a training step, averaged over random subnets, and of a merged model's forward pass."""

    step: float
    forward: float


def work(model: Model, schedule: Schedule, tests: int) -> dict[str, float]:
    """Return the FLOPs of each phase for a task with so many test images."""
    return {
        "supernet": schedule.supernet_epochs * TRAIN * model.step,
        "search": schedule.evaluations * schedule.seen * VAL * model.forward,
        "retraining": schedule.epochs * (TRAIN + VAL) * model.step,
        "test": SCORED * tests * model.forward,
    }


def test_sizes() -> dict[str, int]:
    """Return the number of test images of each task of VTAB-1k."""
    names = [choice.name for choice in choices("task") if choice.name.startswith("vtab_")]
    return {name: read_task(preset("task", name)).sizes["test"] for name in names}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the floor asks for."""
    parser.add_argument("--peak", type=float, default=989e12, help="dense FLOP/s of the device; H100 and H200 in bf16")
    parser.add_argument("--utilisation", type=float, default=0.4, help="part of the peak that is assumed to be reached")
    parser.add_argument("--supernet-epochs", type=int, default=100)
    parser.add_argument("--evaluations", type=int, default=1050, help="candidates: population times generations + 1")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seen", type=float, default=1.0, help="part of the images a racing candidate is scored on")


def floor(args: argparse.Namespace, model: Model) -> str:
    """Return the table of phases, and what utilisation a plan of 30 minutes for all tasks needs, as Markdown."""
    schedule = Schedule(args.supernet_epochs, args.evaluations, args.epochs, args.seen)
    tests = test_sizes()
    one = work(model, schedule, round(sum(tests.values()) / len(tests)))
    every = {phase: sum(work(model, schedule, size)[phase] for size in tests.values()) for phase in one}
    rate = args.peak * args.utilisation
    lines = [
        "## The floor of all of GLoRA: arithmetic, not a measurement",
        "",
        f"{schedule.supernet_epochs} epochs of the supernet, {schedule.evaluations} candidates on {schedule.seen:.0%} "
        f"of the images, {schedule.epochs} epochs of retraining; {args.peak / 1e12:.0f} TFLOP/s at "
        f"{args.utilisation:.0%}; {model.step / 1e9:.1f} GFLOPs an image of a step, {model.forward / 1e9:.1f} of a "
        "forward pass.",
        "",
        f"| | PFLOPs, mean task | seconds | PFLOPs, {len(tests)} tasks | minutes |\n|---|--:|--:|--:|--:|",
    ]
    one["all"], every["all"] = sum(one.values()), sum(every.values())
    for phase, own in one.items():
        petas, seconds = (own / 1e15, every[phase] / 1e15), (own / rate, every[phase] / rate)
        lines.append(f"| {phase} | {petas[0]:.2f} | {seconds[0]:.1f} | {petas[1]:.2f} | {seconds[1] / 60:.1f} |")
    whole, search = every["all"] / (60 * PLAN_MINUTES) / args.peak, one["search"] / PLAN_SEARCH / args.peak
    needs = f"All tasks in {PLAN_MINUTES} minutes need {whole:.0%} of the peak, on average and without a gap"
    lines += ["", f"{needs}; a search in {PLAN_SEARCH} s needs {search:.0%}."]
    return "\n".join(lines)
