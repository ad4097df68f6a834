"""The forms a GLoRA layer can take, as words, and the space of them that supernet and search draw from.

A layer's form is a word of five choices, one per support A, B, C, D, E: L low rank, V vector, S scalar, N none; L4 is
the first 4 columns of a low rank. A model's configuration is the words of its layers in order, joined by "-"; a single
word stands for all layers alike.
"""

from __future__ import annotations

import math
import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate, product

SUPPORTS = {"A": "LVSN", "B": "LVSN", "C": "LVN", "D": "VSN", "E": "VSN"}
"""What each support may be, largest first: 4 x 4 x 3 x 3 x 3 = 432 words with one rank."""
LARGEST, SMALLEST = "LLLVV", "NNNNN"
EVERY = (LARGEST, "VVVSS", "SSNNN")
"""Words that between them have every choice of every support."""

Words = tuple[str, ...]
Kinds = Sequence[Sequence[str]]
"""What a support may be, and of each the choices: of low rank one for each rank."""


@cache
def split(word: str) -> Words:
    """Return the five choices of a word.

    Raises:
        ValueError: it is none; the message says which choice.
    """
    found = tuple(re.findall(r"[A-Za-z][0-9]*", word))
    if len(found) != len(SUPPORTS) or "".join(found) != word:
        raise ValueError(f"config needs words of five letters for A, B, C, D, E, such as LVNSN or L4VNSN, got {word!r}")
    for choice, (support, allowed) in zip(found, SUPPORTS.items(), strict=True):
        if choice[0] not in allowed or (choice != choice[0] and not re.fullmatch("L[1-9][0-9]*", choice)):
            raise ValueError(f"config word {word}: {support} is one of {', '.join(allowed)}, got {choice!r}")
    return found


def parse(config: str) -> Words:
    """Return the words of a configuration.

    Raises:
        ValueError: a word that is none.
    """
    words = tuple(config.split("-"))
    for word in words:
        split(word)
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


@cache  # a supernet asks for those of every layer at every step
def choices(smaller_ranks: tuple[int, ...] = (), bias: bool = True) -> tuple[Kinds, ...]:
    """Return what each support may be; a low rank may have smaller ranks besides its full one.

    Where there is no `bias`, D does nothing and is none.
    """
    low = ("L", *(f"L{rank}" for rank in smaller_ranks))
    supports = SUPPORTS if bias else SUPPORTS | {"D": "N"}
    return tuple(tuple(low if letter == "L" else (letter,) for letter in allowed) for allowed in supports.values())


def draw_word(supports: Sequence[Kinds], rng: random.Random) -> str:
    """Return a word, of each support every kind equally likely."""
    return "".join(drawn(kinds, rng) for kinds in supports)


def drawn(kinds: Kinds, rng: random.Random) -> str:
    """Return a choice, every kind equally likely, and of low rank every rank; so more ranks are not more low rank."""
    kind = rng.choice(kinds)
    return kind[0] if len(kind) == 1 else rng.choice(kind)


class Ladder:
    """The words of a layer by their parameters, fewest first, and how likely `draw_word` is to give each."""

    def __init__(self, supports: Sequence[Kinds], size: Callable[[str], int]) -> None:
        likely = [{c: 1 / len(kinds) / len(kind) for kind in kinds for c in kind} for kinds in supports]
        words = [("".join(choice), math.prod(map(dict.__getitem__, likely, choice))) for choice in product(*likely)]
        self.steps = sorted((size(word), word, chance) for word, chance in words)
        self.reached = list(accumulate((chance for *_, chance in self.steps), initial=0.0))

    def below(self, params: int) -> float:
        """Return the probability that a word drawn at random has fewer parameters."""
        return self.reached[self._first(params)]

    def draw(self, params: int, rng: random.Random) -> tuple[str, int]:
        """Return a random word of those that have fewer, and its parameters."""
        at = bisect_right(self.reached, rng.random() * self.below(params), hi=self._first(params))
        smaller, word, _ = self.steps[at - 1]
        return word, smaller

    def _first(self, params: int) -> int:  # the first step that has as many
        return bisect_left(self.steps, (params,))


@dataclass(frozen=True)
class Space:
    """What supernet and search draw from.

    Attributes:
        choices: for each layer, those of each support.
        sizes: for each layer, the number of live parameters of a word.
        limit: on the live parameters of a model; None for no limit.
    """

    choices: Sequence[Sequence[Kinds]]
    sizes: Sequence[Callable[[str], int]]
    limit: float | None = None

    def draw(self, rng: random.Random) -> Words:
        """Return a word for each layer."""
        return tuple(draw_word(supports, rng) for supports in self.choices)

    def mutate(self, words: Words, probability: float, rng: random.Random) -> Words:
        """Draw each choice anew with this probability."""

        def changed(word: str, supports: Sequence[Kinds]) -> str:
            pairs = zip(split(word), supports, strict=True)
            return "".join(drawn(kinds, rng) if rng.random() < probability else choice for choice, kinds in pairs)

        return tuple(map(changed, words, self.choices))

    def size(self, words: Words) -> int:
        """Return the live parameters of a model."""
        return sum(size(word) for size, word in zip(self.sizes, words, strict=True))

    def shrink(self, words: Words, rng: random.Random) -> Words:
        """Return the words, changed at random towards fewer parameters until they meet the limit.

        The word of a random layer is drawn anew, again and again, a draw counting if it has fewer parameters than the
        word so far; draws that would not count are never made, or small limits would take seconds.
        """
        changed = list(words)
        params = [size(word) for size, word in zip(self.sizes, words, strict=True)]
        if self.limit is None or sum(params) <= self.limit:
            return words
        chances = [ladder.below(number) for ladder, number in zip(self._ladders, params, strict=True)]
        while sum(params) > self.limit:
            (i,) = rng.choices(range(len(changed)), chances)
            changed[i], params[i] = self._ladders[i].draw(params[i], rng)
            chances[i] = self._ladders[i].below(params[i])
        return tuple(changed)

    @cached_property
    def _ladders(self) -> list[Ladder]:
        return [Ladder(supports, size) for supports, size in zip(self.choices, self.sizes, strict=True)]


def cross(one: Words, other: Words, rng: random.Random) -> Words:
    """Take each choice from either parent, equally likely."""
    pairs = zip(one, other, strict=True)
    return tuple("".join(rng.choice(pair) for pair in zip(split(a), split(b), strict=True)) for a, b in pairs)
