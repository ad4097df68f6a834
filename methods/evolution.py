"""The evolutionary search of GLoRA, a generation at a time, in a state that survives the process.

It is the search of the authors' code (Arnav0400/ViT-Slim @ 0fed674): a random generation, then each time mutants and
crossovers of the best so far, topped up with random draws, no words scored twice, a limit on live parameters. Mended:
- the last generation counts; there it is scored and thrown away;
- ties in accuracy, frequent with 200 images, go to the lower validation loss, then to fewer parameters; there to the
  candidate that was found first; without a finite loss a candidate is behind all others;
- what is drawn above the limit is made smaller, so that small limits can be met at all; there it is thrown away, and
  a limit that random draws do not meet is waited for without end;
- where a generation finds nothing new in 100 draws one after the other, it stays smaller; there it draws on;
- chance and candidates are saved after each generation, so that an interrupted search ends as it would have.

Candidates race (`race`): one that can no longer become a parent is left before it has seen all validation images, which
changes neither parents nor winner.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .base import Score
from .glora_space import Space, Words, cross
from .race import Outcomes, Race, standing

if TYPE_CHECKING:
    from .glora import GLoRA

ATTEMPTS = 100
"""Draws, one after the other, that have to be none new before a generation stays smaller."""


class Candidate(NamedTuple):
    """A configuration with its live parameters and how its subnet of the supernet did on the validation split.

    If it was left after some of the images, the score is the best that it could have had.
    """

    generation: int
    words: Words
    params: int
    score: Score
    images: int

    @property
    def rank(self) -> tuple[tuple[bool, float, float], int]:
        """Sort key: the best candidate has the smallest."""
        return standing(self.score), self.params


@dataclass
class State:
    """Where a search stands: chance, the race, next generation, all candidates so far in order, seconds spent."""

    rng: random.Random
    race: Race
    generation: int = 0
    tried: dict[Words, Candidate] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def load(cls, file: Path, seed: int, images: int) -> State:
        """Return what was saved, or a fresh start from the seed, with this many images to score candidates on."""
        state = cls(random.Random(seed), Race.of(images))
        if file.exists():
            saved = json.loads(file.read_text())
            version, numbers, gauss = saved["rng"]
            state.rng.setstate((version, tuple(numbers), gauss))
            state.generation, state.seconds = saved["generation"], saved["seconds"]
            state.race = Race(**saved["race"])
            for generation, config, params, accuracy, loss, seen in saved["tried"]:
                words = tuple(config.split("-"))
                state.tried[words] = Candidate(generation, words, params, Score(accuracy, loss), seen)
        return state

    def save(self, file: Path) -> None:
        """Write the state, whole or not at all."""
        tried = [[c.generation, "-".join(c.words), c.params, *c.score, c.images] for c in self.tried.values()]
        saved = {"rng": self.rng.getstate(), "race": vars(self.race), "generation": self.generation}
        text = json.dumps(saved | {"seconds": self.seconds, "tried": tried})
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        with new.open("w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)

    def best(self, number: int) -> list[Candidate]:
        """Return the best candidates so far."""
        return leading(self.tried.values(), number)


def leading(candidates: Iterable[Candidate], number: int) -> list[Candidate]:
    """Return the best of some candidates, of equals those that come first."""
    return heapq.nsmallest(number, candidates, key=lambda candidate: candidate.rank)


def evolve(method: GLoRA, space: Space, outcomes: Callable[[Words], Outcomes], state: State) -> Iterator[State]:
    """Search for the words with the best score; yield the state after each generation, to be saved or shown.

    Args:
        method: population, parents, mutants, crossovers, mutation, generations and race.
        space: what candidates are drawn from.
        outcomes: of words, what their subnet makes of validation images; called once for each candidate.
        state: where to go on from, and what is changed.
    """
    begun = time.monotonic() - state.seconds
    while state.generation <= method.generations:
        best = state.best(method.parents)
        for words in breed(method, [candidate.words for candidate in best], space, state):
            bar = best[-1].score if method.race and len(best) == method.parents else None
            scored = state.race.run(outcomes(words), bar)
            state.tried[words] = Candidate(state.generation, words, space.size(words), *scored)
            best = leading([*best, state.tried[words]], method.parents)
        state.generation += 1
        state.seconds = time.monotonic() - begun
        yield state


def breed(method: GLoRA, parents: list[Words], space: Space, state: State) -> list[Words]:
    """Return the next generation, none of it tried: mutants and crossovers of the parents, then random words."""
    rng = state.rng
    fresh: dict[Words, None] = {}
    makers: list[tuple[int, Callable[[], Words]]] = [(method.population, lambda: space.draw(rng))]
    if parents:
        makers.insert(0, (method.crossovers, lambda: cross(rng.choice(parents), rng.choice(parents), rng)))
        makers.insert(0, (method.mutants, lambda: space.mutate(rng.choice(parents), method.mutation, rng)))
    for number, make in makers:
        wanted, failed = min(len(fresh) + number, method.population), 0
        while len(fresh) < wanted and failed < ATTEMPTS:  # a small space may hold no more that are new
            words = space.shrink(make(), rng)
            failed = failed + 1 if words in state.tried or words in fresh else 0
            if not failed:
                fresh[words] = None
    return list(fresh)
