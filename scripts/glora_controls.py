"""What GLoRA's search buys: its winner beside controls of equal evaluations, equal size or equal training.

Every row is ordinary runs of the harness, so that an interrupted table goes on where it stopped and every figure has
its record. The searches come first; the controls that depend on a winner (a random subnet of its size, LoRA of its
size, the winner without one of its supports) are made from the searches' records. Then Kendall's tau: over random
subnets, between the accuracy on val200 with inherited weights and the test accuracy of the same subnet trained alone.

    python scripts/glora_controls.py [--backbone vit_pico] [--tasks mini_digits ...] [--seeds 0 1 2] [--epochs 100]
        [--supernet-epochs 100] [--generations 20] [--population 50] [--subnets 30] [--options] [--runs runs]
        [--out docs/results/glora.md]
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from glora_table import SEARCH, Key, Rows, kendall, report, trainable
from omegaconf import OmegaConf
from torch import nn

from visionpeft.benchmark.backbone import outline
from visionpeft.benchmark.compose import read_task
from visionpeft.benchmark.mapping import from_mapping
from visionpeft.benchmark.overrides import choices, preset, suite_sizes
from visionpeft.benchmark.plan import plan
from visionpeft.benchmark.queue import drain
from visionpeft.benchmark.record import Record, read
from visionpeft.benchmark.spec import Backbone, Options, Recipe, Run
from visionpeft.benchmark.store import Store
from visionpeft.methods.base import Method
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_linear import GLoRALinear
from visionpeft.methods.glora_space import SUPPORTS, Space, Words, split
from visionpeft.methods.glora_subnets import adapted_layers
from visionpeft.methods.lora import LoRA

RANDOM = "random search, equal evaluations, winner retrained"
OPTIONS: tuple[dict[str, Any], ...] = (
    {"sampling": "step"},
    {"sampling": "sandwich"},
    {"entangled": False},
    {"factor": "matrix"},
)
"""Other ways to make the supernet, for `--options`."""


class Controls:
    """The runs of the table, by row, task and seed."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.options = Options(
            data=args.data, source=None, runs=args.runs, cache=args.cache, device=args.device, suite_sizes=suite_sizes()
        )
        self.search = GLoRA(
            rank=args.rank,
            supernet_epochs=args.supernet_epochs,
            generations=args.generations,
            population=args.population,
            parents=max(1, args.population // 5),
            mutants=args.population // 2,
            crossovers=args.population // 2,
            race=False,  # the winner is the same, and the correlation needs the whole accuracy of every candidate
        )
        asked = {"weights": args.weights, "img_size": args.img_size}
        changes = {name: value for name, value in asked.items() if value}
        self.backbone = from_mapping(Backbone, _plain(preset("backbone", args.backbone)) | changes, "backbone")
        self.tasks = {name: read_task(preset("task", name)) for name in args.tasks}
        self.keys: list[Key] = [(task, seed) for task in args.tasks for seed in args.seeds]

    def run(self, name: str, method: Method, key: Key, epochs: int | None = None) -> Run:
        """Return a run with the yaml's recipe of its method and this table's schedule."""
        epochs = epochs or self.args.epochs
        own = _plain(preset("method", name))["recipe"]
        values = _plain(preset("recipe", "vtab")) | own | {"epochs": epochs, "warmup": epochs / 10}
        recipe = from_mapping(Recipe, values, "recipe")
        return Run(name, method, self.tasks[key[0]], recipe, self.backbone, key[1], name)

    def execute(self, runs: Iterable[Run]) -> list[Record | None]:
        """Do what has not been done and return the records; None where a run failed, or with --made is still to do."""
        planned = plan(list(runs), self.options)
        if not self.args.made:
            drain(planned, self.options)
        store = Store(self.args.runs)
        found = [store.root / p.run.task.suite / f"{p.stem}.json" for p in planned]
        return [read(path) if path.exists() else None for path in found]

    def rows(self) -> Rows:
        """Execute everything but the subnets of the correlation."""
        evaluations = self.search.population * (self.search.generations + 1)
        chance = dataclasses.replace(self.search, population=evaluations, generations=0)
        everything = dataclasses.replace(self.search, config="LLLVV")
        first: dict[str, dict[Key, Run]] = {
            SEARCH: {key: self.run("glora", self.search, key) for key in self.keys},
            RANDOM: {key: self.run("glora", chance, key) for key in self.keys},
            "all supports, no search": {key: self.run("glora", everything, key) for key in self.keys},
        }
        for fields in OPTIONS if self.args.options else ():
            other, name = dataclasses.replace(self.search, **fields), ", ".join(f"{k}={v}" for k, v in fields.items())
            first[f"evolutionary search, {name}"] = {key: self.run("glora", other, key) for key in self.keys}
        done = {row: self._done(self.labelled(runs, row)) for row, runs in first.items() if self.wanted(row)}
        for row, runs in self._from_winners(done[SEARCH]).items():
            done[row] = self._done(self.labelled(runs, row, own=True))
        return {row: records for row, records in done.items() if records or row == SEARCH}

    def _done(self, runs: dict[Key, Run]) -> dict[Key, Record]:
        records = self.execute(runs.values())
        return {key: record for key, record in zip(runs, records, strict=True) if record is not None}

    def labelled(self, runs: dict[Key, Run], row: str, own: bool = False) -> dict[Key, Run]:
        """Return runs with labels that say what they are here, so that a store's tables can tell settings apart.

        Settings that come from the search of each seed are their `own`, and have a label for each seed.
        """
        made = {}
        for key, run in runs.items():
            words = [row, *([f"seed {key[1]}"] if own else []), f"epochs={run.recipe.epochs}"]
            words.append(f"supernet_epochs={self.search.supernet_epochs}")
            made[key] = dataclasses.replace(run, label=f"{run.method_name} ({', '.join(words)})")
        return made

    def _from_winners(self, searches: dict[Key, Record]) -> dict[str, dict[Key, Run]]:
        rows: dict[str, dict[Key, Run]] = {}
        total = self.args.epochs + self.args.supernet_epochs
        for key, record in searches.items():
            winner = record.settled["config"].split("-")
            size = trainable(record)
            lora = LoRA(rank=self.matched_rank(size), targets=self.linears())
            made = {
                "random subnet of equal size": self._subnet(self.alike(key[1], size), key),
                f"LoRA of equal size, {self.args.epochs} epochs": self.run("lora", lora, key),
                f"LoRA of equal size, {total} epochs": self.run("lora", lora, key, total),
                f"the winner alone, {total} epochs": self._subnet(winner, key, total),
            }
            for i, support in enumerate(SUPPORTS):
                made[f"winner without {support}"] = self._subnet([_without(word, i) for word in winner], key)
            for row, one in made.items():
                if self.wanted(row):
                    rows.setdefault(row, {})[key] = one
        return rows

    def wanted(self, row: str) -> bool:
        """Return whether a row was asked for; the search itself always is."""
        return row == SEARCH or not self.args.rows or any(part in row for part in self.args.rows)

    def _subnet(self, words: Iterable[str], key: Key, epochs: int | None = None) -> Run:
        return self.run("glora", dataclasses.replace(self.search, config="-".join(words)), key, epochs)

    def _alone(self, config: str, key: Key, number: int) -> Run:
        return self.labelled({key: self._subnet(config.split("-"), key)}, f"random subnet {number}", own=True)[key]

    def supernet(self) -> nn.Module:
        """Return an outline of the supernet on this backbone."""
        model = outline(self.backbone, 10)
        self.search.inject(model)
        return model

    def space(self) -> Space:
        """Return the space of configurations."""
        return self.search.space(adapted_layers(self.supernet()))

    def linears(self) -> tuple[str, ...]:
        """Return the last names of the adapted layers, each once."""
        named = [name for name, module in self.supernet().named_modules() if isinstance(module, GLoRALinear)]
        return tuple(dict.fromkeys(name.rpartition(".")[2] for name in named))

    def alike(self, seed: int, size: int) -> Words:
        """Return the random configuration, of 2000, that is nearest in size."""
        space, rng = self.space(), random.Random(seed)
        return min((space.draw(rng) for _ in range(2000)), key=lambda words: abs(space.size(words) - size))

    def matched_rank(self, size: int) -> int:
        """Return the rank at which LoRA on the same layers is nearest in size."""
        per_rank = sum(sum(layer.weight.shape) for layer in adapted_layers(self.supernet()))
        return max(1, round(size / per_rank))

    def correlations(self, rows: Rows) -> dict[Key, tuple[float, int]]:
        """Return Kendall's tau and the number of subnets for each task and seed.

        The random search has the same supernet and drew the most at random; without it the first generation serves.
        """
        found, searches = {}, rows[SEARCH] | rows.get(RANDOM, {})
        for key in self.keys:
            if key not in searches:
                continue
            history = searches[key].notes["search"]
            drawn = [i for i, generation in enumerate(history["generation"]) if generation == 0][: self.args.subnets]
            alone = self.execute(self._alone(history["config"][i], key, i) for i in drawn)
            pairs = [(history["accuracy"][i], r.scores["test"]) for i, r in zip(drawn, alone, strict=True) if r]
            if pairs:
                found[key] = (kendall(pairs), len(pairs))
        return found


def _without(word: str, support: int) -> str:
    return "".join("N" if i == support else choice for i, choice in enumerate(split(word)))


def _plain(node: Any) -> dict[str, Any]:
    values = OmegaConf.to_container(node, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def main() -> None:
    """Run what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="vit_pico")
    parser.add_argument("--weights", help="of the backbone, where its preset does not have them")
    parser.add_argument("--img-size", type=int, help="images are shown at this size, in place of the backbone's own")
    parser.add_argument("--tasks", nargs="+", default=[c.name for c in choices("task") if c.name.startswith("mini_")])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--supernet-epochs", type=int, default=100)
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--population", type=int, default=50)
    parser.add_argument("--rows", nargs="+", metavar="PART", help="only rows in whose names one of these occurs")
    parser.add_argument("--made", action="store_true", help="run nothing: the page of the records that are there")
    parser.add_argument("--subnets", type=int, default=30)
    parser.add_argument("--options", action="store_true", help="also compare other ways to make the supernet")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "visionpeft")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/glora.md"))
    controls = Controls(parser.parse_args())
    rows = controls.rows()
    if not rows[SEARCH]:
        sys.exit("no search succeeded; the messages above say why")
    page = report(controls.args, controls.search, rows, controls.correlations(rows))
    controls.args.out.parent.mkdir(parents=True, exist_ok=True)
    controls.args.out.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
