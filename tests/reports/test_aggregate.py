from __future__ import annotations

import math

import numpy as np
import pytest

from visionpeft.reports.aggregate import clusters, contributions, freedom, half_width_of_average
from visionpeft.reports.order import VTAB
from visionpeft.reports.stats import half_width, mean_of_groups, t_quantile


def equal(tasks: int) -> np.ndarray:
    return np.full(tasks, 1 / tasks)


def closed_form(scores: np.ndarray, weights: np.ndarray) -> float:
    """Welch and Satterthwaite's t interval of a weighted sum of independent means, written out anew."""
    variances = weights**2 * scores.var(axis=0, ddof=1) / len(scores)
    df = variances.sum() ** 2 / (variances**2 / (len(scores) - 1)).sum()
    return t_quantile(math.floor(df)) * math.sqrt(variances.sum())


@pytest.mark.parametrize(("seeds", "tasks"), [(5, 19), (5, 7), (3, 19), (10, 4)])
def test_it_agrees_with_the_closed_form(seeds: int, tasks: int) -> None:
    scores = np.random.default_rng(seeds * tasks).normal(70, 1, (seeds, tasks)) * np.linspace(0.5, 1.5, tasks)
    assert half_width_of_average(scores, equal(tasks)) == pytest.approx(closed_form(scores, equal(tasks)), rel=0.06)


def test_the_widening_agrees_with_scipys_bootstrap() -> None:
    stats = pytest.importorskip("scipy.stats")
    scores = np.random.default_rng(3).normal(0, 1, (40, 3))  # many seeds: nothing is left to widen
    done = stats.bootstrap(tuple(scores.T), lambda *x, axis: sum(one.mean(axis=axis) for one in x) / 3, vectorized=True,
                           method="percentile", n_resamples=5000, rng=np.random.default_rng(4))  # fmt: skip
    width = (done.confidence_interval.high - done.confidence_interval.low) / 2
    assert half_width_of_average(scores, equal(3)) == pytest.approx(width, rel=0.05)


@pytest.mark.parametrize("tasks", [19, 8, 7, 4, 2])
def test_it_covers_what_it_says_at_five_seeds(tasks: int) -> None:
    random = np.random.default_rng(tasks)
    spread = np.exp(random.normal(0, 0.7, tasks))  # some tasks vary more than others
    scores = random.normal(size=(1500, 5, tasks)) * spread
    weights = mean_of_groups(np.eye(tasks), [range(tasks // 2), range(tasks // 2, tasks)])  # unequal for odd numbers
    covered = [abs(one.mean(axis=0) @ weights) <= half_width_of_average(one, weights) for one in scores]
    assert 0.93 <= np.mean(covered) <= 0.97


def test_tasks_that_share_images_must_be_drawn_together() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(size=(1500, 5, 6))
    scores[:, :, 1] = scores[:, :, 0]  # two questions to the same images, the same luck
    scores[:, :, 3] = scores[:, :, 2]
    together = ((0, 1), (2, 3), (4,), (5,))
    covered = [[abs(one.mean()) <= half_width_of_average(one, equal(6), how) for one in scores]
               for how in (together, None)]  # fmt: skip
    clustered, alone = np.mean(covered, axis=1)
    assert 0.93 <= clustered <= 0.97 and alone < 0.92


def test_the_same_scores_give_the_same_digits() -> None:
    scores = np.random.default_rng(0).normal(size=(5, 19))
    first = half_width_of_average(scores, equal(19))
    np.random.default_rng().normal(size=1000)
    half_width_of_average(scores[:3], equal(19))
    assert half_width_of_average(scores.copy(), equal(19)) == first


def test_one_task_alone_is_students_t() -> None:
    scores = np.array([[90.0, 1.0], [92.0, np.nan], [94.0, 3.0]])
    assert half_width_of_average(scores, np.array([1.0, 0.0])) == half_width(scores[:, 0])
    assert half_width_of_average(scores, np.array([0.0, 1.0])) == half_width(np.array([1.0, 3.0]))


def test_without_two_seeds_everywhere_there_is_no_interval() -> None:
    scores = np.array([[90.0, 80.0], [91.0, np.nan]])
    assert half_width_of_average(scores, equal(2)) is None
    assert half_width_of_average(scores[:1], equal(2)) is None


def test_tasks_may_have_different_seeds_unless_they_share_images() -> None:
    scores = np.array([[1.0, 2.0], [2.0, 1.0], [np.nan, 3.0], [3.0, np.nan]])
    assert half_width_of_average(scores, equal(2)) > 0
    assert half_width_of_average(scores, equal(2), ((0, 1),)) is None


def test_scores_that_never_vary_have_no_interval() -> None:
    scores = np.full((3, 4), 70.0)
    assert half_width_of_average(scores, equal(4)) is None
    scores[0, 2] = 71.0
    assert half_width_of_average(scores, equal(4)) > 0


def test_degrees_of_freedom_by_hand() -> None:
    scores = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    assert freedom(contributions(scores[None], equal(2))).tolist() == [2]  # all of the variance is the first task's
    scores[:, 1] = [3.0, 1.0, 2.0]
    assert freedom(contributions(scores[None], equal(2))).tolist() == [4]  # both alike: 2 + 2


def test_clusters_are_found_by_name_by_images_and_by_the_model() -> None:
    pairs = [[VTAB[i] for i in cluster] for cluster in clusters(VTAB, [""] * 19) if len(cluster) > 1]
    assert pairs == [
        ["clevr_count", "clevr_dist"],
        ["dsprites_loc", "dsprites_ori"],
        ["smallnorb_azi", "smallnorb_ele"],
    ]
    names = ("pets_k1", "pets_k4", "cars_k1", "imagenet/a", "imagenet/r", "other/a")
    assert clusters(names, ["p", "p", "c", "a", "r", "a"]) == ((0, 1), (2,), (3, 4, 5))
    assert clusters(("a", "b"), ["", ""]) == ((0,), (1,))
