"""The words of a configuration, and how new ones are drawn."""

import itertools
import math
import random
import time
from collections import Counter

import pytest

from visionpeft.methods.glora_space import EVERY, LARGEST, SUPPORTS, Space, choices, cross, parse, split, spread

ALL = {"".join(word) for word in itertools.product(*SUPPORTS.values())}
WEIGHT = {"L": 8, "V": 3, "S": 1, "N": 0}


def size(word: str) -> int:
    return sum(WEIGHT[choice[0]] for choice in split(word))


def space(layers: int, limit: float | None = None, ranks: tuple[int, ...] = ()) -> Space:
    return Space([choices(ranks)] * layers, [size] * layers, limit)


def test_there_are_432_words():
    assert len(ALL) == 432 and LARGEST in ALL
    for i, allowed in enumerate(SUPPORTS.values()):
        assert {word[i] for word in EVERY} | {"N"} >= set(allowed)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("LLLV", "words of five letters for A, B, C, D, E, such as LVNSN or L4VNSN, got 'LLLV'"),
        ("", "words of five letters"),
        ("NNNNN-", "words of five letters"),
        ("4LLLVV", "words of five letters"),
        ("LLSVV", "config word LLSVV: C is one of L, V, N, got 'S'"),
        ("LLLVL", "config word LLLVL: E is one of V, S, N, got 'L'"),
        ("xLLVV", "config word xLLVV: A is one of L, V, S, N, got 'x'"),
        ("LV4LVV", "config word LV4LVV: B is one of L, V, S, N, got 'V4'"),
        ("LL0LVV", "config word LL0LVV: B is one of L, V, S, N, got 'L0'"),
    ],
)
def test_what_is_no_configuration(config, message):
    with pytest.raises(ValueError, match=message):
        parse(config)


def test_split():
    assert split("LVNSN") == ("L", "V", "N", "S", "N")
    assert split("L4L12NSN") == ("L4", "L12", "N", "S", "N")


def test_spread():
    assert spread("LVNSN", 3) == ("LVNSN",) * 3
    assert spread("LVNSN-L4NNNN", 2) == ("LVNSN", "L4NNNN")
    with pytest.raises(ValueError, match="config has 2 words and the model 8 layers to adapt"):
        spread("LVNSN-NNNNN", 8)


def test_draws_are_uniform():
    rng, one = random.Random(0), space(1)
    counts = Counter(one.draw(rng)[0] for _ in range(43_200))
    assert set(counts) == ALL
    chi = sum((count - 100) ** 2 / 100 for count in counts.values())
    assert chi < 431 + 4 * math.sqrt(2 * 431)


def test_d_is_none_where_there_is_no_bias():
    rng, one = random.Random(0), Space([choices(), choices(bias=False)], [size] * 2, limit=25)
    words = [one.draw(rng) for _ in range(2000)]
    words += [one.mutate(pair, 0.5, rng) for pair in words]
    words += [one.shrink(pair, rng) for pair in words]
    assert {split(with_bias)[3] for with_bias, _ in words} == {"V", "S", "N"}
    assert {split(without)[3] for _, without in words} == {"N"}
    assert len({without for _, without in words}) == 432 / 3


def test_smaller_ranks_are_choices_of_their_own():
    words = set(space(3000, ranks=(4, 2)).draw(random.Random(0)))
    assert {split(word)[0] for word in words} == {"L", "L4", "L2", "V", "S", "N"}
    assert {split(word)[2] for word in words} == {"L", "L4", "L2", "V", "N"}
    assert {split(word)[4] for word in words} == {"V", "S", "N"}
    counts = Counter(split(word)[0] for word in space(36_000, ranks=(4, 2)).draw(random.Random(0)))
    expected = {"V": 9000, "S": 9000, "N": 9000, "L": 3000, "L4": 3000, "L2": 3000}  # low rank is one kind of four
    assert all(abs(counts[choice] - number) < 4 * math.sqrt(number) for choice, number in expected.items())


def test_mutation_and_crossover():
    rng, words = random.Random(0), (LARGEST,) * 2000
    many = space(2000)
    changed = sum(a != b for a, b in zip("".join(words), "".join(many.mutate(words, 0.2, rng)), strict=True))
    expected = 2000 * 0.2 * (3 / 4 + 3 / 4 + 2 / 3 * 3)  # a new draw may be the old choice
    assert abs(changed - expected) < 4 * math.sqrt(expected)
    child = cross(words, ("NNNNN",) * 2000, rng)
    assert set("".join(child)) == {"L", "V", "N"}
    assert abs(Counter("".join(child))["N"] - 5000) < 4 * 50
    assert many.mutate(words, 0.0, rng) == words
    assert {split(word)[0] for word in cross(("L4NNNN",) * 99, ("L2NNNN",) * 99, rng)} == {"L4", "L2"}


@pytest.mark.parametrize("limit", [1, 10, 60])
def test_shrink_meets_any_limit(limit):
    rng, five = random.Random(0), space(5, limit)
    for _ in range(20):
        words = five.shrink(five.draw(rng), rng)
        assert five.size(words) == sum(map(size, words)) <= limit
    words = ("NNNNN",) * 5
    assert five.shrink(words, rng) == words


def test_a_word_is_made_smaller_as_if_it_were_drawn_until_it_is():
    """One layer with ranks 8 and 4, down to 6 of at most 30 parameters: how often each size comes, in 20,000 draws."""

    def weigh(word: str) -> int:
        return sum({"L": 8, "L4": 4, "V": 3, "S": 1, "N": 0}[choice] for choice in split(word))

    supports = choices((4,))
    odds: Counter[int] = Counter()
    for choice in itertools.product(*[[c for kind in kinds for c in kind] for kinds in supports]):
        likely = [1 / len(kinds) / (2 if c[0] == "L" else 1) for c, kinds in zip(choice, supports, strict=True)]
        odds[weigh("".join(choice))] += math.prod(likely)
    reached, ends = Counter({30: 1.0}), Counter()
    for params in range(30, 6, -1):
        smaller = {size: chance for size, chance in odds.items() if size < params}
        for size, chance in smaller.items():
            (ends if size <= 6 else reached)[size] += reached[params] * chance / sum(smaller.values())
    rng, one = random.Random(0), Space([supports], [weigh], 6)
    found = Counter(weigh(one.shrink((LARGEST,), rng)[0]) for _ in range(20_000))
    assert weigh(LARGEST) == 30 and sum(ends.values()) == pytest.approx(1)
    for size in range(7):
        assert found[size] / 20_000 == pytest.approx(ends[size], abs=4 * math.sqrt(ends[size] / 20_000) + 1e-9)


def test_a_layer_is_made_smaller_in_proportion_to_how_likely_that_is():
    """Of two, where any smaller word meets the limit: of 432 words 431 are smaller than the one, 5 than the other."""
    sizes = Counter(size("".join(word)) for word in itertools.product(*SUPPORTS.values()))
    assert sum(n for params, n in sizes.items() if params < size("SNNSN")) == 1 + 4
    words = (LARGEST, "SNNSN")
    rng, two = random.Random(0), space(2, size(LARGEST) + 1)
    second = sum(two.shrink(words, rng)[0] == LARGEST for _ in range(20_000))
    assert second / 20_000 == pytest.approx(5 / (431 + 5), abs=4 * math.sqrt(5 / 436 / 20_000))


def test_a_small_limit_is_met_at_once():
    """48 layers of at most a parameter each: 200 configurations in the time of a few draws, not of thousands each."""
    rng, tight = random.Random(0), space(48, 48)
    begun = time.process_time()
    assert all(tight.size(tight.shrink(tight.draw(rng), rng)) <= 48 for _ in range(200))
    spent = time.process_time() - begun
    begun = time.process_time()
    for _ in range(2000):
        tight.draw(rng)
    assert spent < 8 * (time.process_time() - begun)
