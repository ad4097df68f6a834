"""The space of GLoRA's configurations and the evolutionary search in it.

A layer's configuration is a word of five letters, one per support A, B, C, D, E: L low rank, V vector, S scalar, N
none. A model's is the words of its layers in order, joined by "-"; a single word stands for all layers alike.

The search is the one of the authors' code, with three mends: the last generation counts, ties in accuracy are broken by
validation loss and then by fewer parameters, and a draw above the budget is made smaller instead of being thrown away,
so that small budgets can be met at all.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .base import Score

if TYPE_CHECKING:
    from .glora import GLoRA

SUPPORTS = {"A": "LVSN", "B": "LVSN", "C": "LVN", "D": "VSN", "E": "VSN"}
"""What each support may be, largest first: 4 x 4 x 3 x 3 x 3 = 432 words."""
FULL = "LLLVV"
"""The word whose tensors contain those of all others."""
ATTEMPTS = 100
"""Draws per wanted candidate before a generation stays smaller."""

Words = tuple[str, ...]


def parse(config: str) -> Words:
    """Return the words of a configuration.

    Raises:
        ValueError: a word that is none; the message says which letter.
    """
    words = tuple(config.split("-"))
    for word in words:
        if len(word) != len(SUPPORTS):
            raise ValueError(f"config needs words of five letters for A, B, C, D, E, such as LVNSN, got {word!r}")
        for letter, (support, allowed) in zip(word, SUPPORTS.items(), strict=True):
            if letter not in allowed:
                raise ValueError(f"config word {word}: {support} is one of {', '.join(allowed)}, got {letter!r}")
    return words


def spread(config: str, layers: int) -> Words:
    """Return one word per layer; a single word is repeated.

    Raises:
        ValueError: the number of words is neither one nor that of the layers.
    """
    words = parse(config)
    if len(words) == 1:
        return words * layers
    if len(words) != layers:
        raise ValueError(f"config has {len(words)} words and the model {layers} layers to adapt")
    return words


class Candidate(NamedTuple):
    """A configuration with its live parameters and how its subnet of the supernet did on the validation split."""

    generation: int
    words: Words
    params: int
    score: Score

    @property
    def rank(self) -> tuple[float, float, int]:
        """Sort key: the best candidate has the smallest."""
        loss = self.score.loss
        return -self.score.accuracy, math.inf if math.isnan(loss) else loss, self.params


def evolve(
    method: GLoRA, sizes: Sequence[Callable[[str], int]], score: Callable[[Words], Score], seed: int
) -> list[Candidate]:
    """Search for the words with the best score; return all candidates that were scored, in order.

    Args:
        method: population, parents, mutants, crossovers, mutation, generations and budget.
        sizes: for each layer, the live parameters of a word.
        score: how good words are; called once for each candidate.
        seed: of all random choices.
    """
    rng = random.Random(seed)
    scored: dict[Words, Candidate] = {}
    for generation in range(method.generations + 1):
        parents = sorted(scored.values(), key=lambda c: c.rank)[: method.parents]
        fresh = breed(method, [parent.words for parent in parents], Space(sizes, method.budget, rng), scored)
        for words, params in fresh.items():
            scored[words] = Candidate(generation, words, params, score(words))
    return list(scored.values())


def breed(method: GLoRA, parents: list[Words], space: Space, known: Container[Words]) -> dict[Words, int]:
    """Return the next generation, none of it known: mutants and crossovers of the parents, then random words."""
    rng = space.rng
    fresh: dict[Words, int] = {}
    makers = [(method.population, space.draw)]
    if parents:
        makers.insert(0, (method.crossovers, lambda: cross(rng.choice(parents), rng.choice(parents), rng)))
        makers.insert(0, (method.mutants, lambda: mutate(rng.choice(parents), method.mutation, rng)))
    for number, make in makers:
        wanted = min(len(fresh) + number, method.population)
        for _ in range(ATTEMPTS * number):  # a small space may hold no more that are new
            if len(fresh) == wanted:
                break
            words, params = space.shrink(make())
            if words not in known:
                fresh[words] = params
    return fresh


class Space(NamedTuple):
    """What the search may draw from: the layers' sizes, the limit on live parameters, and the source of chance."""

    sizes: Sequence[Callable[[str], int]]
    budget: int | None
    rng: random.Random

    def draw(self) -> Words:
        """Return uniformly random words."""
        return tuple(draw(self.rng) for _ in self.sizes)

    def shrink(self, words: Words) -> tuple[Words, int]:
        """Return the words, changed at random towards fewer parameters until they meet the budget, and their size."""
        changed = list(words)
        params = [size(word) for size, word in zip(self.sizes, words, strict=True)]
        while self.budget is not None and sum(params) > self.budget:
            i, word = self.rng.randrange(len(changed)), draw(self.rng)
            if (smaller := self.sizes[i](word)) < params[i]:
                changed[i], params[i] = word, smaller
        return tuple(changed), sum(params)


def draw(rng: random.Random) -> str:
    """Return one of the 432 words, each equally likely."""
    return "".join(rng.choice(allowed) for allowed in SUPPORTS.values())


def mutate(words: Words, probability: float, rng: random.Random) -> Words:
    """Draw each letter anew with this probability."""
    letters = SUPPORTS.values()
    return tuple(
        "".join(
            rng.choice(allowed) if rng.random() < probability else letter
            for letter, allowed in zip(word, letters, strict=True)
        )
        for word in words
    )


def cross(one: Words, other: Words, rng: random.Random) -> Words:
    """Take each letter from either parent, equally likely."""
    return tuple("".join(rng.choice(pair) for pair in zip(a, b, strict=True)) for a, b in zip(one, other, strict=True))
