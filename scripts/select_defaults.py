"""Choose the default setting of methods whose published settings are per task, test-selected or unknown.

Four settings per method, trained on train800, judged by the mean val200 accuracy after the last epoch over real
tasks; within half a point of the best, the first of the list (the smallest step) is taken. Test images stay shut.

    python scripts/select_defaults.py DATA WEIGHTS [--img-size 96] > docs/results/defaults.md
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from visionpeft.benchmark.backbone import preprocessing, resolve
from visionpeft.benchmark.compose import read_method, read_task
from visionpeft.benchmark.overrides import preset
from visionpeft.benchmark.spec import Backbone, Recipe, Run
from visionpeft.benchmark.train import TrainingJob
from visionpeft.data.loader import Batches
from visionpeft.data.pixels import pixels
from visionpeft.data.task import find, load

TASKS = ("vtab_flowers102", "vtab_caltech101")
MARGIN = 0.005
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "linear": [{"lr": lr} for lr in (1e-3, 3e-3, 1e-2, 3e-2)],
    "bitfit": [{"lr": lr} for lr in (3e-4, 1e-3, 3e-3, 1e-2)],
    "full": [{"lr": lr} for lr in (1e-5, 3e-5, 1e-4, 3e-4)],
    "ssf": [{"lr": lr} for lr in (1e-3, 3e-3, 1e-2, 3e-2)],
    "vpt_shallow": [{"tokens": p, "lr": lr} for p in (10, 50) for lr in (1e-3, 1e-2)],
    "vpt_deep": [{"tokens": p, "lr": lr} for p in (10, 50) for lr in (1e-3, 1e-2)],
    "fact_tt": [{"scale": s} for s in (0.1, 1.0, 10.0, 100.0)],
    "fact_tk": [{"scale": s} for s in (0.1, 1.0, 10.0, 100.0)],
    "repadapter": [{"scale": s} for s in (0.1, 0.5, 1.0, 5.0)],
}


def main() -> None:
    """Try all settings of all methods and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--img-size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="*", default=list(SETTINGS))
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    args = parser.parse_args()
    model = preset("backbone", "vit_tiny").model
    backbone = resolve(Backbone("vit_tiny", model, str(args.weights), img_size=args.img_size))
    print(
        f"# Default settings by val200\n\nViT-Ti/16, {args.img_size} pixels, {args.epochs} epochs, seed {args.seed}, ",
        end="",
    )
    print(f"trained on train800 of {', '.join(args.tasks)}; accuracy on val200 after the last epoch.\n")
    print("| method | setting | " + " | ".join(args.tasks) + " | mean | |")
    print("|---|---|" + "--:|" * (len(args.tasks) + 1) + "---|")
    with tempfile.TemporaryDirectory() as cache:
        data = {name: open_task(name, args.data, backbone, Path(cache)) for name in args.tasks}
        for method in args.methods:
            scores = [[trial(method, s, task, data[task], backbone, args) for task in data] for s in SETTINGS[method]]
            means = [sum(row) / len(row) for row in scores]
            chosen = next(i for i, mean in enumerate(means) if mean >= max(means) - MARGIN)
            for i, (setting, row) in enumerate(zip(SETTINGS[method], scores, strict=True)):
                cells = [f"{100 * value:.1f}" for value in (*row, means[i])]
                text = ", ".join(f"{key} {value:g}" for key, value in setting.items())
                print(f"| {method} | {text} | {' | '.join(cells)} | {'chosen' if i == chosen else ''} |", flush=True)


def open_task(name: str, root: Path, backbone: Backbone, cache: Path) -> dict[str, Batches]:
    """Return the training and validation images; the test list is not read."""
    task = read_task(preset("task", name))
    source = find(task, root)
    assert backbone.mean and backbone.std
    data = {}
    for part in ("train", "val"):
        split = load(task, source, root, part)
        array = pixels(split, preprocessing(backbone), cache).array
        data[part] = Batches(array, split.labels, backbone.mean, backbone.std, torch.device("cpu"))
    return data


def trial(
    name: str,
    setting: dict[str, Any],
    task: str,
    data: dict[str, Batches],
    backbone: Backbone,
    args: argparse.Namespace,
) -> float:
    """Return the validation accuracy of one setting."""
    written = OmegaConf.to_container(preset("method", name))
    assert isinstance(written, dict)
    recipe = OmegaConf.to_container(OmegaConf.merge(preset("recipe", "vtab"), written.get("recipe", {})))
    assert isinstance(recipe, dict)
    fields = {key: value for key, value in setting.items() if key != "lr"}
    method = read_method(written["method"] | fields)
    short = {"epochs": args.epochs, "warmup": args.epochs / 10, "train_on": "train"} | {
        k: setting[k] for k in setting if k == "lr"
    }
    run = Run(
        name,
        method,
        read_task(preset("task", task)),
        dataclasses.replace(Recipe(**recipe), **short),
        backbone,
        args.seed,
        "",
    )
    job = TrainingJob(run, data, Path())
    accuracy = job.validate(method.train(job)[1]).accuracy
    print(f"{name} {setting} {task}: {accuracy:.3f} ({job.phases[-1]['seconds']:.0f} s)", file=sys.stderr, flush=True)
    return accuracy


if __name__ == "__main__":
    main()
