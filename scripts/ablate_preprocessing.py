"""What preprocessing does to a result: one factor changed at a time, same method, backbone, images and seeds.

    OMP_NUM_THREADS=1 python scripts/ablate_preprocessing.py DATA ORIGINALS WEIGHTS [--method lora] [--epochs 5]
    python scripts/ablate_preprocessing.py DATA ORIGINALS WEIGHTS --report docs/results/preprocessing.md

DATA holds the folder vtab-1k/, ORIGINALS the folder eurosat/, WEIGHTS is the file of vit_tiny. Every run goes through
the harness and leaves a record in --runs, so the command can be interrupted and repeated; --report writes tables of
the records that are there between two marks of a page. With EuroSAT, seed k learns from the k-th training set
(replicate=k), so that its intervals tell of the sample too; the others have one training set.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from omegaconf import OmegaConf

from visionpeft.benchmark.backbone import describe
from visionpeft.benchmark.compose import read_method
from visionpeft.benchmark.mapping import from_mapping
from visionpeft.benchmark.overrides import preset, suite_sizes
from visionpeft.benchmark.plan import plan
from visionpeft.benchmark.queue import drain
from visionpeft.benchmark.record import Record, read, record_files
from visionpeft.benchmark.spec import Backbone, Options, Recipe, Run
from visionpeft.data.decode import Preprocessing, decode
from visionpeft.data.folder import ListFolder
from visionpeft.data.original import Original
from visionpeft.data.task import Source, Split, Task, load
from visionpeft.data.vtab.eurosat import EuroSAT
from visionpeft.reports.stats import half_width

CONDITIONS: Mapping[str, Mapping[str, Any]] = {
    "canonical": {},
    "ImageNet mean and std": {"normalisation": "imagenet"},
    "[0, 1]": {"normalisation": "unit"},
    "tf2_bilinear": {"interpolation": "tf2_bilinear"},
    "tf1_bilinear": {"interpolation": "tf1_bilinear"},
    "JPEG 75": {"jpeg": 75},
    "256, middle 224": {"resize": 256},
}
"""Each differs from the first in one factor."""
TASKS = {"eurosat_32": 10, "eurosat": 10, "flowers102": 102, "caltech101": 102}
MARKS = ("<!-- tables -->", "<!-- end of tables -->")
FOLDERS = {"flowers102": "oxford_flowers102", "caltech101": "caltech101"}


@dataclass(frozen=True)
class Cut(Source):
    """Another source whose test set is cut to its first images, so that a CPU gets through them."""

    name: ClassVar[str] = "cut"
    source: Source
    path: str
    test: int

    @property
    def sample(self) -> int:  # noqa: D102
        return self.source.sample

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        return self.source.missing(Path(self.path))

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        split = self.source.split(Path(self.path), name)
        n = min(len(split), self.test) if name == "test" else len(split)
        return dataclasses.replace(split, keys=split.keys[:n], labels=split.labels[:n], files=split.files[:n])


@dataclass(frozen=True)
class Downsampled(Cut):
    """The same, with every image made smaller by PIL's antialiased bicubic filter and kept as an array."""

    name: ClassVar[str] = "downsampled"
    side: int = 32

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        split, small = super().split(root, name), Preprocessing(self.side)
        return Split(split.keys, split.labels, lambda i: decode(split.read(i), small, False))


def task(name: str, seed: int, args: argparse.Namespace) -> Task:
    """Return one task; with EuroSAT, the seed chooses the training images as well."""
    source: Source
    if name in FOLDERS:
        source = Cut(ListFolder(names=(FOLDERS[name],)), str(args.data), args.test)
    else:
        kind = Downsampled if name == "eurosat_32" else Cut
        source = kind(Original(EuroSAT(), seed), str(args.originals), args.test)
    return Task(name, "preprocessing", "natural" if name in FOLDERS else "specialized", TASKS[name], sources=(source,))


def runs(args: argparse.Namespace) -> Iterator[Run]:
    """Yield all runs, whole seeds first, so that an interrupted ablation has complete ones."""
    written = OmegaConf.to_container(preset("method", args.method))
    recipe = OmegaConf.to_container(preset("recipe", "vtab"))
    backbone = OmegaConf.to_container(preset("backbone", "vit_tiny"))
    assert isinstance(written, dict) and isinstance(recipe, dict) and isinstance(backbone, dict)
    recipe |= written.get("recipe", {}) | {"epochs": args.epochs, "warmup": args.epochs / 10}
    for seed in args.seeds:
        for name in args.tasks:
            for condition in CONDITIONS.values():
                values = backbone | {"weights": str(args.weights)} | condition
                yield Run(
                    method_name=args.method,
                    method=read_method(written["method"]),
                    task=task(name, seed, args),
                    recipe=from_mapping(Recipe, recipe, "recipe"),
                    backbone=from_mapping(Backbone, values, "backbone"),
                    seed=seed,
                    label=args.method,
                )


def report(args: argparse.Namespace) -> str:
    """Return, for every method there are records of, accuracies and what each factor changes."""
    found = [record for path in record_files(args.runs) if (record := read(path)).status == "ok"]
    backbone = OmegaConf.to_container(preset("backbone", "vit_tiny"))
    assert isinstance(backbone, dict)
    shown = {
        name: describe(from_mapping(Backbone, backbone | {"weights": str(args.weights)} | condition, "backbone"))
        for name, condition in CONDITIONS.items()
    }
    lines = []
    for method, epochs in sorted({(r.run["method"]["name"], r.run["recipe"]["epochs"]) for r in found}):
        ours = [r for r in found if (r.run["method"]["name"], r.run["recipe"]["epochs"]) == (method, epochs)]
        names = [name for name in TASKS if any(r.run["task"]["name"] == name for r in ours)]
        seeds = sorted({r.run["seed"] for r in ours})
        about = f"{epochs} epochs, {len(seeds)} seed{'s' * (len(seeds) > 1)} ({', '.join(map(str, seeds))})"
        lines += [f"\n### {method}, {about}\n", f"{made(ours)}\n"]
        lines += [f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
        for condition, values in shown.items():
            cells = [cell(ours, name, values, shown["canonical"], args) for name in names]
            lines.append(f"| {condition} | {' | '.join(cells)} |")
    return "\n".join(lines)


def made(found: list[Record]) -> str:
    """Return where and when records were made."""
    origins = [r.provenance for r in found]
    devices = ", ".join(
        sorted({f"{o['device']}, {o['threads']} thread(s), torch {o['versions']['torch']}" for o in origins})
    )
    days = sorted({o["finished"][:10] for o in origins})
    precisions = ", ".join(sorted({r.run["recipe"]["precision"] for r in found}))
    return f"{devices}, {precisions}; {' to '.join(dict.fromkeys((days[0], days[-1])))}."


def cell(found: list[Record], name: str, values: dict[str, Any], base: dict[str, Any], args: argparse.Namespace) -> str:
    """Return the mean accuracy of the canonical path, or what a factor changes, with both intervals."""
    mine, canonical = (by_seed([r for r in found if of(r, name, shown)]) for shown in (values, base))
    seeds = sorted(mine.keys() & canonical.keys())
    if not seeds:
        return ""
    fewer = f" n={len(seeds)}" if len(seeds) < len({r.run["seed"] for r in found}) else ""
    scores = 100 * np.array([mine[seed].scores["test"] for seed in seeds])
    if values == base:
        return f"{scores.mean():.1f}{interval(scores)}{fewer or alike(scores)}"
    labels = load(task(name, 0, args), task(name, 0, args).sources[0], None, "test").labels
    gains = np.mean([right(mine[s], labels, args) - right(canonical[s], labels, args) for s in seeds], axis=0) * 100
    changes = scores - [100 * canonical[seed].scores["test"] for seed in seeds]
    images = 1.96 * gains.std(ddof=1) / len(gains) ** 0.5
    return f"{changes.mean():+.1f}{interval(changes)} <sub>({images:.1f})</sub>{fewer or alike(changes)}"


def by_seed(found: list[Record]) -> dict[int, Record]:
    """Return records by seed; two of one seed come from different code or test sets, and neither is chosen."""
    seeds = {r.run["seed"]: r for r in found}
    if len(seeds) < len(found):
        raise SystemExit(
            f"two records of one seed: {', '.join(r.stem for r in found)}; keep one state of the code in --runs"
        )
    return seeds


def of(record: Record, name: str, shown: dict[str, Any]) -> bool:
    """Whether a record is of that task and shows its images so."""
    return record.run["task"]["name"] == name and all(record.run["backbone"].get(k) == v for k, v in plain(shown))


def plain(values: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the items as JSON has them."""
    return [(key, list(value) if isinstance(value, tuple) else value) for key, value in values.items()]


def right(record: Record, labels: np.ndarray, args: argparse.Namespace) -> np.ndarray:
    """Return for every test image whether it was classified correctly, 0.0 or 1.0."""
    path = args.runs / record.run["task"]["suite"] / record.predictions["file"]
    with np.load(path) as arrays:
        return (arrays["predicted"] == labels).astype(float)


def interval(values: np.ndarray) -> str:
    """Return half the width of the interval of a mean over seeds as a table shows it."""
    width = half_width(values)
    return "" if width is None else f" ±{width:.1f}"


def alike(values: np.ndarray) -> str:
    """Return how many seeds agree, where they all do: that they are several shows in no interval."""
    return f" n={len(values)}" if len(values) > 1 and half_width(values) is None else ""


def main() -> None:
    """Work through the runs that have no record, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("originals", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/preprocessing"))
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "visionpeft")
    parser.add_argument("--method", default="linear")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--test", type=int, default=1000, help="test images of a task, at most")
    parser.add_argument("--report", type=Path, help="page to put the tables into; nothing is run")
    args = parser.parse_args()
    if args.report:
        text = args.report.read_text()
        before, after = text.partition(MARKS[0])[0], text.partition(MARKS[1])[2]
        args.report.write_text(f"{before}{MARKS[0]}\n{report(args)}\n\n{MARKS[1]}{after}")
    else:
        options = Options(data=None, source=None, runs=args.runs, cache=args.cache, suite_sizes=suite_sizes())
        raise SystemExit(1 if drain(plan(list(runs(args)), options), options) else 0)


if __name__ == "__main__":
    main()
