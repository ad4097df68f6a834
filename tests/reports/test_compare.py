from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from visionpeft.reports.compare import (
    clustered,
    difference,
    differences,
    holm,
    mcnemar,
    mean_ranks,
    probability_of_improvement,
    ranks,
    variance,
    wilcoxon,
)
from visionpeft.reports.stats import t_quantile


@pytest.fixture
def scipy_stats():
    return pytest.importorskip("scipy.stats")


def test_a_difference_on_one_task_by_hand() -> None:
    done = difference(np.array([91.0, 93.0, 95.0]), np.array([90.0, 91.0, 92.0]))  # 1, 2, 3
    assert done.value == 2 and done.half_width == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)
    assert difference(np.array([91.0]), np.array([90.0])).half_width is None


def test_a_difference_on_one_task_agrees_with_scipy(scipy_stats) -> None:
    a, b = np.random.default_rng(0).normal(70, 1, (2, 5))
    done = scipy_stats.ttest_rel(a, b)
    low, high = done.confidence_interval()
    ours = difference(a, b)
    assert ours.p == pytest.approx(done.pvalue)
    assert (ours.value - ours.half_width, ours.value + ours.half_width) == pytest.approx((low, high))


def test_differences_that_are_all_alike_have_no_interval_and_no_p() -> None:
    alike = difference(np.array([0.5, 0.75]), np.array([0.25, 0.5]))
    assert (alike.value, alike.half_width, alike.p) == (0.25, None, None)
    nothing = difference(np.array([1.0, 1.0]), np.array([1.0, 1.0]))
    assert (nothing.value, nothing.half_width, nothing.p) == (0, None, 1)


@pytest.mark.parametrize("tasks", [1, 3])
def test_averages_of_differences_that_are_all_alike_have_none_either(tasks: int) -> None:
    d = np.ones((2, 3, tasks)) * np.array([0.25, 0.0])[:, None, None]
    alike, nothing = differences(d, np.full(tasks, 1 / tasks))
    assert (alike.value, alike.half_width, alike.p) == (pytest.approx(0.25), None, None)
    assert (nothing.value, nothing.half_width, nothing.p) == (0, None, 1)


def test_pairing_takes_out_what_both_share() -> None:
    common = np.array([0.0, 5.0, -3.0, 8.0])
    done = difference(80 + common + [0.1, -0.1, 0, 0], 79 + common)
    assert done.value == pytest.approx(1) and done.half_width < 0.2


def test_differences_of_averages_cover_what_they_say() -> None:
    d = np.random.default_rng(5).normal(size=(1500, 5, 7)) * np.linspace(0.3, 2, 7)
    done = differences(d, np.full(7, 1 / 7))
    assert 0.93 <= np.mean([abs(one.value) <= one.half_width for one in done]) <= 0.97
    assert 0.03 <= np.mean([one.p < 0.05 for one in done]) <= 0.07


def test_p_and_interval_say_the_same() -> None:
    d = np.random.default_rng(6).normal(0.3, 1, size=(300, 5, 7))
    for one in differences(d, np.full(7, 1 / 7)):
        if abs(abs(one.value) / one.half_width - 1) > 0.02:
            assert (one.p < 0.05) == (abs(one.value) > one.half_width)


def test_a_difference_is_over_the_tasks_that_both_have() -> None:
    d = np.array([[[1.0, 3.0], [1.0, 5.0]], [[1.0, np.nan], [3.0, np.nan]], [[np.nan, np.nan]] * 2])
    both, one, none = differences(d, np.full(2, 1 / 2))
    assert (both.value, both.tasks) == (2.5, 2)
    assert (one.value, one.tasks) == (2.0, 1) and one.half_width == pytest.approx(t_quantile(1))
    assert math.isnan(none.value) and none.tasks == 0 and none.p is None


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, None, 0.5]) == [1.0, None, 1.0]
    assert holm([]) == []


def test_wilcoxon_agrees_with_scipy(scipy_stats) -> None:
    random = np.random.default_rng(0)
    for n in (1, 2, 5, 9, 16, 19):
        d = random.normal(0.4, 1, n)
        assert wilcoxon(d) == pytest.approx(scipy_stats.wilcoxon(d, method="exact").pvalue)


@pytest.mark.parametrize("d", [[1, 1, 2, -1, 3], [2, -2, 2, 5, 0, 4, -1], [1, 1, 1, 1], [0, 0, -3]])
def test_wilcoxon_with_ties_is_counted_over_all_signs(d: list[int]) -> None:
    kept = np.array([one for one in d if one], float)
    of = ranks(np.abs(kept))
    seen = of[kept > 0].sum()
    sums = np.array([of[np.array(signs, bool)].sum() for signs in itertools.product([0, 1], repeat=len(kept))])
    expected = min(1, 2 * min((sums <= seen).mean(), (sums >= seen).mean()))
    assert wilcoxon(np.array(d, float)) == pytest.approx(expected)


def test_wilcoxon_without_a_difference_says_nothing() -> None:
    assert wilcoxon(np.zeros(4)) is None and wilcoxon(np.array([])) is None


def test_ranks_agree_with_scipy(scipy_stats) -> None:
    values = np.array([3.0, 1.0, 3.0, 2.0, 3.0, 1.0])
    assert ranks(values).tolist() == scipy_stats.rankdata(values).tolist() == [5, 1.5, 5, 3, 5, 1.5]


def test_mean_ranks_by_hand() -> None:
    scores = np.array([[90.0, 50.0], [80.0, 60.0], [80.0, 40.0]])
    assert mean_ranks(scores).tolist() == [1.5, 1.75, 2.75]


def test_tasks_of_one_cluster_count_once() -> None:
    missing = clustered(np.array([1.0, np.nan, np.nan]), ((0, 1), (2,)))
    assert missing[0] == 1 and np.isnan(missing[1])
    assert clustered(np.array([1.0, 3.0, 10.0]), ((0, 1), (2,))).tolist() == [2.0, 10.0]


def test_probability_of_improvement_agrees_with_mann_and_whitney(scipy_stats) -> None:
    a, b = np.random.default_rng(0).normal(0, 1, (2, 5, 3)).round(1)
    u = [scipy_stats.mannwhitneyu(x, y).statistic / 25 for x, y in zip(a.T, b.T, strict=True)]
    assert probability_of_improvement(a, b) == pytest.approx(np.mean(u))
    assert probability_of_improvement(np.array([[1.0], [1.0]]), np.array([[1.0], [np.nan]])) == 0.5


def test_mcnemar_agrees_with_the_binomial_test(scipy_stats) -> None:
    random = np.random.default_rng(0)
    first, second = random.random((2, 5000)) < np.array([[0.83], [0.80]])
    done = mcnemar(first, second)
    n = done.only_first + done.only_second
    assert done.p == pytest.approx(scipy_stats.binomtest(done.only_first, n).pvalue)
    assert n == (first != second).sum()
    assert mcnemar(first, first).p == 1


def test_variance_by_hand() -> None:
    # within: 1, 1 -> 1 each over 2 degrees; means 1 and 5: between = 2 * (4 + 4) / 1 = 16; (16 - 1) / 2
    done = variance([np.array([0.0, 2.0]), np.array([4.0, 6.0])], None)
    assert done.seed == pytest.approx(2) and done.sample == pytest.approx((16 - 2) / 2) and done.test is None


def test_variance_recovers_what_was_put_in() -> None:
    random = np.random.default_rng(0)
    found = []
    for _ in range(800):
        samples = random.normal(0, 2, 6)
        sizes = (5, 5, 3, 5, 2, 5)
        by_sample = [s + random.normal(0, 1, n) for s, n in zip(samples, sizes, strict=True)]
        done = variance(by_sample, None)
        found.append((done.seed, done.sample))
    assert np.mean(found, axis=0) == pytest.approx([1, 4], rel=0.06)


def test_variance_of_equal_samples_is_nothing_on_average() -> None:
    """Kept from falling below 0 on every task, it would be 0.2 and more of the variance over seeds."""
    random = np.random.default_rng(0)
    found = [variance(list(random.normal(0.7, 1, (2, 3))), None).sample for _ in range(4000)]
    assert np.mean(found) == pytest.approx(0, abs=0.03) and min(found) < -0.1


def test_variance_is_that_of_one_way_analysis(scipy_stats) -> None:
    by_sample = [np.array([0.9, 0.91, 0.89]), np.array([0.8, 0.82, 0.81])]
    done = variance(by_sample, None)
    f = scipy_stats.f_oneway(*by_sample).statistic
    assert done.sample == pytest.approx((f - 1) * done.seed / 3)


def test_variance_says_only_what_the_runs_can_tell() -> None:
    one = variance([np.array([0.5])], 1000)
    assert (one.seed, one.sample) == (None, None) and one.test == pytest.approx(0.25 / 1000)
    assert variance([np.array([0.5, 0.6])], 1000).sample is None
    assert variance([np.array([0.5]), np.array([0.6])], None).sample is None
    assert variance([], 1000).test is None
