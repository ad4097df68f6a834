"""The search in the space of configurations, on a toy whose best answer is known."""

import math
import random
from collections import Counter
from dataclasses import asdict

import pytest
import torch

from visionpeft.methods.base import Score
from visionpeft.methods.evolution import Candidate, State, evolve
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_space import LARGEST, Space, choices
from visionpeft.methods.race import Race

WEIGHT = {"L": 8, "V": 3, "S": 1, "N": 0}


def size(word: str) -> int:
    return sum(WEIGHT[letter] for letter in word)


def space(layers: int, limit: float | None = None) -> Space:
    return Space([choices()] * layers, [size] * layers, limit)


IMAGES = 20


def scarcity(words) -> Score:
    """Best where nothing is chosen: of 20 images right are those that ask for no less."""
    total = sum(size(word) for word in words)
    return Score(sum(total <= 80 * image for image in range(IMAGES)) / IMAGES, float(total))


def outcomes_of(score):
    """What gives a score: the first images are right, and all losses are alike."""

    def outcomes(words):
        accuracy, loss = score(words)
        right = torch.arange(IMAGES) < round(accuracy * IMAGES)
        return lambda images: (right[images], torch.full(images.shape, loss))

    return outcomes


def begun(seed: int) -> State:
    return State(random.Random(seed), Race.of(IMAGES))


def search(score=scarcity, layers=4, seed=0, limit=None, **fields) -> list[Candidate]:
    return searched(GLoRA(**fields), space(layers, limit), score, begun(seed))


def searched(method, within, score, state, file=None) -> list[Candidate]:
    """All candidates of a search, which is saved after each generation where there is a file."""
    for left in evolve(method, within, outcomes_of(score), state):
        assert left is state
        if file:
            left.save(file)
    return list(state.tried.values())


def test_the_published_numbers_of_candidates():
    tried = search(layers=48, race=False)
    assert Counter(c.generation for c in tried) == dict.fromkeys(range(21), 50)
    assert len({c.words for c in tried}) == 1050
    assert all(c.params == sum(map(size, c.words)) and c.score == scarcity(c.words) for c in tried)


def test_it_finds_more_than_chance():
    evolved = min(search(), key=lambda c: c.rank)
    chance = min(search(generations=0, population=1050), key=lambda c: c.rank)
    assert evolved.params < chance.params


def test_without_generations_it_is_random_search():
    tried = search(generations=0, population=60)
    assert Counter(c.generation for c in tried) == {0: 60}


def test_the_last_generation_counts():
    """The best is found among all, and it is of the last generation where that is where it lies."""
    seen = []

    def later_is_better(words):
        seen.append(words)
        return Score(0.5, 1 / len(seen))

    tried = search(later_is_better, generations=3)
    assert min(tried, key=lambda c: c.rank) == tried[-1] and tried[-1].generation == 3


def test_ties():
    def candidate(accuracy, loss, params):
        return Candidate(0, (LARGEST,), params, Score(accuracy, loss), IMAGES)

    best = candidate(0.5, 1.0, 10)
    worse = [candidate(0.5, 1.0, 11), candidate(0.5, 1.1, 1), candidate(0.4, 0.1, 1)]
    assert sorted([*worse, best], key=lambda c: c.rank)[0] == best
    broken = [candidate(0.9, loss, 1) for loss in (math.nan, math.inf)]
    assert sorted([*broken, *worse, best], key=lambda c: c.rank) == [best, *worse, *broken]


def test_the_seed_decides():
    assert search(seed=3) == search(seed=3) != search(seed=4)


def test_a_limit_holds_for_every_candidate():
    assert max(c.params for c in search(limit=20, layers=8)) <= 20


def test_a_space_smaller_than_the_search():
    tried = search(layers=1, generations=30)
    assert len(tried) == len({c.words for c in tried}) <= 432
    assert min(tried, key=lambda c: c.rank).words == ("NNNNN",)


def test_a_search_with_nothing_new_left_ends():
    """Two layers of which one parameter in all may live have 9 forms: none, or one of four scalars in either."""
    tried = search(layers=2, limit=1, generations=50, population=20, mutants=5, crossovers=5)
    assert len(tried) == 9 and {c.generation for c in tried} <= {0, 1}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [0, 7, 20, 33])
def test_an_interrupted_search_ends_as_it_would_have(tmp_path, after):
    """Killed while it scores its n-th candidate; what was scored in whole generations is not scored again."""
    method = GLoRA(population=10, parents=3, mutants=4, crossovers=4, generations=3)
    whole = searched(method, space(4), scarcity, begun(5))
    seen, file = [], tmp_path / "run" / "search.json"

    def fatal(words):
        if len(seen) == after:
            raise Killed
        seen.append(words)
        return scarcity(words)

    with pytest.raises(Killed):
        searched(method, space(4), fatal, State.load(file, 5, IMAGES), file)
    scored = []
    resumed = State.load(file, 5, IMAGES)
    assert len(resumed.tried) == after - after % 10
    found = searched(method, space(4), lambda words: scored.append(words) or scarcity(words), resumed, file)
    assert found == whole and len(scored) == 40 - (after - after % 10)
    assert State.load(file, 99, IMAGES).best(5) == sorted(whole, key=lambda c: c.rank)[:5]


def test_a_state_survives_what_json_lacks(tmp_path):
    tried = {(LARGEST,): Candidate(1, (LARGEST,), 5, Score(1 / 3, math.nan), 2)}
    state = State(random.Random(1), Race([4, 3, 4], [2, 1, 0]), 2, tried)
    state.save(tmp_path / "search.json")
    again = State.load(tmp_path / "search.json", 0, 9)
    assert again.rng.random() == state.rng.random()
    assert repr(asdict(again)["tried"]) == repr(asdict(state)["tried"]) and again.generation == 2
    assert again.race == state.race
