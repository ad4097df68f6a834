from __future__ import annotations

import math

import numpy as np
import pytest

from visionpeft.reports.stats import (
    half_width,
    mean_of_groups,
    mean_of_tasks,
    p_value,
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


def test_one_seed_or_a_missing_one_has_no_interval() -> None:
    assert half_width(np.array([1.0])) is None
    assert half_width(np.array([])) is None
    assert half_width(np.array([1.0, np.nan])) is None


def test_seeds_that_agree_have_no_interval() -> None:
    assert half_width(np.array([5.0, 5.0, 5.0])) is None
    assert half_width(np.array([0.3 - 0.2, 0.4 - 0.3])) is None  # but for rounding
    assert half_width(np.array([0.5, 0.50002])) > 0  # one of 50,000 images


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


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 30, 120])
def test_p_values_agree_with_scipy(freedom: int) -> None:
    special = pytest.importorskip("scipy.special")
    for statistic in (-3.0, 0.0, 0.5, 2.0, 12.7):
        assert p_value(statistic, freedom) == pytest.approx(2 * special.stdtr(freedom, -abs(statistic)), abs=1e-12)
    assert p_value(t_quantile(freedom), freedom) == pytest.approx(0.05)


def test_a_cells_interval_covers_what_it_says() -> None:
    random = np.random.default_rng(0)
    draws = random.normal(size=(20_000, 5))  # 5 seeds, the true mean is 0
    covered = np.mean([abs(draw.mean()) <= half_width(draw) for draw in draws])
    assert 0.93 <= covered <= 0.97
