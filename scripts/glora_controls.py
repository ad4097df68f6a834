"""What GLoRA's search buys: its winner beside controls of equal evaluations, equal size or equal training.

Every row is ordinary runs of the harness, so that an interrupted table goes on where it stopped and every figure has
its record. The searches come first; the controls that depend on a winner (a random subnet of its size, LoRA of its
size, the winner without one of its supports) are made from the searches' records. Then Kendall's tau: over random
subnets, between the accuracy on val200 with inherited weights and the test accuracy of the same subnet trained alone.

    python scripts/glora_controls.py [--backbone vit_pico] [--tasks mini_digits ...] [--seeds 0 1 2] [--epochs 100]
        [--supernet-epochs 100] [--generations 20] [--population 50] [--subnets 30] [--runs runs] [--out FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import random
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from visionpeft.benchmark.backbone import outline
from visionpeft.benchmark.compose import read_task
from visionpeft.benchmark.overrides import choices, preset
from visionpeft.benchmark.plan import plan
from visionpeft.benchmark.queue import drain
from visionpeft.benchmark.record import Record, read
from visionpeft.benchmark.spec import Backbone, Options, Recipe, Run, from_mapping
from visionpeft.benchmark.store import Store
from visionpeft.methods.base import Method
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_space import SUPPORTS, Words, split
from visionpeft.methods.glora_subnets import adapted_layers
from visionpeft.methods.lora import LoRA
from visionpeft.reports.stats import half_width

LINEARS = ("qkv", "proj", "fc1", "fc2")
SEARCH, INHERITED, RANDOM_SEARCH = "evolutionary search, winner retrained", "the same winner, inherited weights", "random search"
Key = tuple[str, int]
"""A task and a seed."""


class Controls:
    """The runs of the table, by row, task and seed."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.options = Options(data=args.data, source=None, runs=args.runs, cache=args.cache, device=args.device)
        self.search = GLoRA(
            rank=args.rank,
            supernet_epochs=args.supernet_epochs,
            generations=args.generations,
            population=args.population,
            parents=max(1, args.population // 5),
            mutants=args.population // 2,
            crossovers=args.population // 2,
        )
        self.backbone = from_mapping(Backbone, _plain(preset("backbone", args.backbone)), "backbone")
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
        """Do what has not been done and return the records; None where a run failed."""
        planned = plan(list(runs), self.options)
        drain(planned, self.options)
        store = Store(self.args.runs)
        found = [store.root / p.run.task.suite / f"{p.stem}.json" for p in planned]
        return [read(path) if path.exists() else None for path in found]

    def rows(self) -> dict[str, dict[Key, Record]]:
        """Execute everything but the subnets of the correlation."""
        evaluations = self.search.population * (self.search.generations + 1)
        chance = dataclasses.replace(self.search, population=evaluations, generations=0)
        everything = dataclasses.replace(self.search, config="LLLVV")
        first: dict[str, dict[Key, Run]] = {
            SEARCH: {key: self.run("glora", self.search, key) for key in self.keys},
            RANDOM_SEARCH: {key: self.run("glora", chance, key) for key in self.keys},
            "all supports, largest": {key: self.run("glora", everything, key) for key in self.keys},
        }
        done = {row: self._done(runs) for row, runs in first.items()}
        for row, runs in self._from_winners(done[SEARCH]).items():
            done[row] = self._done(runs)
        return done

    def _done(self, runs: dict[Key, Run]) -> dict[Key, Record]:
        records = self.execute(runs.values())
        return {key: record for key, record in zip(runs, records, strict=True) if record is not None}

    def _from_winners(self, searches: dict[Key, Record]) -> dict[str, dict[Key, Run]]:
        rows: dict[str, dict[Key, Run]] = {}
        total = self.args.epochs + self.args.supernet_epochs
        for key, record in searches.items():
            winner = record.settled["config"].split("-")
            size = trainable(record)
            lora = LoRA(rank=self.matched_rank(size), targets=LINEARS)
            made = {
                "random subnet of equal size": self._subnet(self.alike(key[1], size), key),
                f"LoRA of equal size, {self.args.epochs} epochs": self.run("lora", lora, key),
                f"LoRA of equal size, {total} epochs": self.run("lora", lora, key, total),
            }
            for i, support in enumerate(SUPPORTS):
                made[f"winner without {support}"] = self._subnet([_without(word, i) for word in winner], key)
            for row, one in made.items():
                rows.setdefault(row, {})[key] = one
        return rows

    def _subnet(self, words: Iterable[str], key: Key) -> Run:
        return self.run("glora", dataclasses.replace(self.search, config="-".join(words)), key)

    def space(self) -> Any:
        """Return the space of configurations on this backbone."""
        model = outline(self.backbone, 10)
        self.search.inject(model)
        return self.search.space(adapted_layers(model))

    def alike(self, seed: int, size: int) -> Words:
        """Return the random configuration, of 2000, that is nearest in size."""
        space, rng = self.space(), random.Random(seed)
        return min((space.draw(rng) for _ in range(2000)), key=lambda words: abs(space.size(words) - size))

    def matched_rank(self, size: int) -> int:
        """Return the rank at which LoRA on the same layers is nearest in size."""
        model = outline(self.backbone, 10)
        self.search.inject(model)
        per_rank = sum(sum(layer.weight.shape) for layer in adapted_layers(model))
        return max(1, round(size / per_rank))

    def correlations(self, searches: dict[Key, Record]) -> dict[str, tuple[float, int]]:
        """Return Kendall's tau and the number of subnets for each task, from the search of the first seed."""
        found = {}
        for task in self.args.tasks:
            key = (task, self.args.seeds[0])
            if key not in searches:
                continue
            history = searches[key].notes["search"]
            drawn = [i for i, generation in enumerate(history["generation"]) if generation == 0][: self.args.subnets]
            alone = self.execute(self._subnet(history["config"][i].split("-"), key) for i in drawn)
            pairs = [(history["accuracy"][i], r.scores["test"]) for i, r in zip(drawn, alone, strict=True) if r]
            found[task] = (kendall(pairs), len(pairs))
        return found


def kendall(pairs: list[tuple[float, float]]) -> float:
    """Return Kendall's tau-b, which allows for ties; NaN where one side is all alike."""
    x, y = np.array(pairs).T if pairs else (np.empty(0), np.empty(0))
    one, other = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    scale = math.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale else math.nan


def trainable(record: Record) -> int:
    """Return the live parameters without the head."""
    return (record.params["trainable"] or 0) - (record.params["head"] or 0)


def _without(word: str, support: int) -> str:
    return "".join("N" if i == support else choice for i, choice in enumerate(split(word)))


def _plain(node: Any) -> dict[str, Any]:
    values = OmegaConf.to_container(node, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}
