from __future__ import annotations

import math

import numpy as np
import pytest

from visionpeft.reports.stats import (
    half_width,
    half_width_of_average,
    mean_of_groups,
    mean_of_tasks,
    t_quantile,
)


@pytest.mark.parametrize(
    ("freedom", "printed"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (10, 2.228), (30, 2.042), (120, 1.980)],
)
def test_t_quantile_is_that_of_printed_tables(freedom: int, printed: float) -> None:
    assert t_quantile(freedom) == pytest.approx(printed, abs=5e-4)


def test_t_quantile_agrees_with_scipy() -> None:
    special = pytest.importorskip("scipy.special")
    for freedom in (*range(1, 60), 1000):
        assert t_quantile(freedom) == pytest.approx(special.stdtrit(freedom, 0.975), rel=1e-11)


def test_half_width_by_hand() -> None:
    # 1, 2, 3: sd 1, t(2) = 4.302653, over sqrt 3
    assert half_width(np.array([1.0, 2.0, 3.0])) == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)
    # 90, 94: sd 2 sqrt 2, over sqrt 2, times t(1)
    assert half_width(np.array([90.0, 94.0])) == pytest.approx(2 * 12.706205, abs=1e-5)
    assert half_width(np.array([5.0, 5.0, 5.0])) == 0


def test_one_seed_or_a_missing_one_has_no_interval() -> None:
    assert half_width(np.array([1.0])) is None
    assert half_width(np.array([])) is None
    assert half_width(np.array([1.0, np.nan])) is None


def test_both_averages_by_hand() -> None:
    scores = np.array([90.0, 80.0, 30.0])
    assert mean_of_tasks(scores) == pytest.approx(200 / 3)
    assert mean_of_groups(scores, [[0, 1], [2]]) == pytest.approx((85 + 30) / 2)


def test_averages_keep_the_seeds_axis() -> None:
    scores = np.array([[90.0, 80.0, 30.0], [92.0, 82.0, 34.0]])
    assert mean_of_groups(scores, [[0, 1], [2]]).tolist() == [57.5, 60.5]


def test_an_incomplete_set_has_no_average() -> None:
    scores = np.array([90.0, np.nan, 30.0])
    assert np.isnan(mean_of_tasks(scores))
    assert np.isnan(mean_of_groups(scores, [[0, 1], [2]]))
    assert np.isnan(mean_of_groups(np.array([90.0]), [[0], []]))


def test_interval_of_an_average_takes_t_over_the_seeds_averages() -> None:
    scores = np.array([[90.0, 10.0], [80.0, 24.0], [85.0, 21.0]])  # seeds' means 50, 52, 53
    expected = half_width(np.array([50.0, 52.0, 53.0]))
    assert half_width_of_average(scores, mean_of_tasks) == pytest.approx(expected)
    scores[1, 0] = np.nan
    assert half_width_of_average(scores, mean_of_tasks) is None
