"""Candidates that are left early: what a search finds is what it would find if each saw every image."""

import math
import random

import pytest
import torch

from visionpeft.methods.base import Score
from visionpeft.methods.evolution import State, evolve
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_space import Space, Words, choices
from visionpeft.methods.race import Race, standing

IMAGES = 40
NONE = [0.0] * 4


def shown(right, losses):
    """What a candidate makes of images that it is shown."""
    return lambda images: (torch.tensor(right)[images], torch.tensor(losses)[images])


def test_hard_images_come_first():
    """Failed by 3 of 4, by 0 of 0 (a half is assumed), by 1 of 2, and by 0 of 4; of equals, the first."""
    assert Race([4, 0, 2, 4], [3, 0, 1, 0]).order == [0, 1, 2, 3]
    assert Race([4, 4, 4, 4], [0, 1, 4, 1]).order == [2, 1, 3, 0]
    assert Race.of(3).order == [0, 1, 2]


def test_all_images_where_there_is_nothing_to_be_behind():
    race = Race.of(4)
    assert race.run(shown([True, False, False, True], [0.5, 2.0, 1.0, 0.5]), None) == (Score(0.5, 1.0), 4)
    assert (race.seen, race.failed, race.order) == ([1] * 4, [0, 1, 1, 0], [1, 2, 0, 3])


@pytest.mark.parametrize(
    ("right", "losses", "seen", "score"),
    [
        ([True, False, False, True], NONE, 3, Score(0.5, 0.0)),  # at most 2 of 4, and the bar has 3
        ([False, True, True, True], NONE, 4, Score(0.75, 0.0)),  # as good, in loss better
        ([False, True, True, True], [0.1] * 4, 4, Score(0.75, 0.1)),  # as good in all
        ([False, True, True, True], [0.1, 0.4, 0.1, 0.1], 2, Score(0.75, 0.125)),  # its loss is past the bar
        ([True, True, True, True], [9.0] * 4, 4, Score(1.0, 9.0)),  # right more often, whatever its loss
        ([True, False, True, True], [0.1, math.nan, 0.1, 0.1], 2, None),  # no finite loss is behind any
    ],
)
def test_left_when_it_is_sure_to_be_behind(right, losses, seen, score):
    """One image at a time, in their order, against 3 of 4 right and a loss of 0.1."""
    best, images = Race.of(4).run(shown(right, losses), BAR)
    assert images == seen
    assert score is None or (best.accuracy, best.loss) == (score.accuracy, pytest.approx(score.loss, rel=1e-6))


BAR = Score(0.75, float(torch.tensor(0.1)))


def test_no_fewer_images_are_shown_than_it_takes_to_be_behind():
    """At first the 20 of 40 that may all be wrong, then a quarter of the 40, and the last with those before them."""
    shown_at_once = []

    def outcomes(images):
        shown_at_once.append(len(images))
        return images >= 18, torch.zeros(len(images))

    assert Race.of(40).run(outcomes, Score(0.5, 1.0)) == (Score(0.55, 0.0), 40)
    assert Race.of(40).run(outcomes, Score(0.2, 1.0)) == (Score(0.55, 0.0), 40)
    assert shown_at_once == [20, 10, 10, 40]


def test_the_sum_of_losses_knows_no_order():
    losses = [1e16, 1.0, 1.0, 1.0]
    scores = {
        Race(seen, [0] * 4).run(shown([True] * 4, losses), Score(0.0, 0.0))[0] for seen in ([0, 1, 2, 3], [3, 2, 1, 0])
    }
    assert len(scores) == 1


class Images:
    """A model whose accuracy depends on its words: each image has a difficulty, and a word of few letters helps."""

    def __init__(self, seed: int, coarse: bool) -> None:
        rng = random.Random(seed)
        self.hardness = [rng.random() for _ in range(IMAGES)]
        self.seed, self.coarse, self.scored = seed, coarse, 0

    def __call__(self, words: Words):
        rng = random.Random(f"{self.seed} {words}")
        skill = sum(letter in "LV" for word in words for letter in word) / (5 * len(words))
        noise = [rng.gauss(0, 0.1) for _ in self.hardness]
        right = [skill + e > h for h, e in zip(self.hardness, noise, strict=True)]
        losses = [0.0 if self.coarse else rng.random() for _ in right]
        if rng.random() < 0.05:
            losses[rng.randrange(IMAGES)] = math.nan
        whole = shown(right, losses)

        def outcomes(images):
            self.scored += len(images)
            return whole(images)

        return outcomes


@pytest.mark.parametrize(("population", "parents"), [(16, 4), (16, 1), (6, 9)])
@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_race_changes_neither_parents_nor_winner(seed, coarse, population, parents):
    """Ties in accuracy, with `coarse` in loss too, and candidates without a finite loss are among them."""
    found, states, scored = [], [], []
    for race in (True, False):
        sizes = {"population": population, "parents": parents, "mutants": population // 2}
        method = GLoRA(**sizes, crossovers=population // 3, generations=6, race=race)
        images, state = Images(seed, coarse), State(random.Random(seed), Race.of(IMAGES))
        space = Space([choices()] * 4, [lambda word: sum("NSVL".index(letter) for letter in word)] * 4)
        found.append([state.best(method.parents) for _ in evolve(method, space, images, state)])
        states.append(state)
        scored.append(images.scored)
    raced, whole = (list(state.tried.values()) for state in states)
    assert repr(found[0]) == repr(found[1]) and [c.words for c in raced] == [c.words for c in whole]
    assert scored[0] == sum(c.images for c in raced) <= scored[1] == IMAGES * 7 * population
    assert {c.images for c in whole} == {c.images for c in raced[:parents]} == {IMAGES}
    assert population < parents or scored[0] < 0.9 * scored[1]
    for one, true in zip(raced, whole, strict=True):
        assert repr(one.score) == repr(true.score) or standing(one.score) <= standing(true.score)
        assert one.images < IMAGES or repr(one.score) == repr(true.score)
