from __future__ import annotations

import pytest

from visionpeft.reports.build import tables
from visionpeft.reports.contrast import family, marks, mean_rank, pairs, variances
from visionpeft.reports.reading import load

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}


def made(runs):
    return tables(load(runs.root)[0])


def rows(runs, label: str, accuracies: tuple[float, ...], task: str = "digits") -> None:
    for seed, accuracy in enumerate(accuracies):
        runs.add(accuracy, task, label, seed)


def test_the_best_and_those_that_cannot_be_told_from_it(runs) -> None:
    rows(runs, "best", (0.90, 0.92, 0.91))
    rows(runs, "close", (0.91, 0.90, 0.91))  # differs by -0.01, 0.02, 0: t = 0.38
    rows(runs, "worse", (0.80, 0.82, 0.81))  # 0.1 on every seed
    (table,) = made(runs)
    assert marks(table) == {("digits", "best"): "best", ("digits", "close"): "same"}


def test_holm_counts_the_whole_column(runs) -> None:
    rows(runs, "best", (0.90, 0.92, 0.91))
    rows(runs, "behind", (0.880, 0.891, 0.889))  # 2.0, 2.9, 2.1: t = 8.3, p = 0.014
    assert ("digits", "behind") not in marks(made(runs)[0])
    for i in range(4):  # p is multiplied by five now
        rows(runs, f"other{i}", (0.881 - i / 1000, 0.889, 0.8895))
    assert marks(made(runs)[0])["digits", "behind"] == "same"


def test_other_seeds_and_failed_cells_take_no_part(runs) -> None:
    rows(runs, "a", (0.5, 0.6))
    rows(runs, "b", (0.4, 0.5))
    runs.add(0.99, label="lucky")
    rows(runs, "broken", (0.99, 0.99))
    runs.add(None, label="broken", seed=2, fields={"status": "oom", "scores": {}})
    assert {label for _, label in marks(made(runs)[0])} <= {"a", "b"}


def test_one_seed_marks_the_best_alone(runs) -> None:
    runs.suite(ALL, "a")
    runs.suite({task: value - 0.001 for task, value in ALL.items()}, "b")
    found = marks(made(runs)[0])
    assert set(found.values()) == {"best"} and {label for _, label in found} == {"a"}
    assert {name for name, _ in found} == {*ALL, "natural", "structured", "mean of groups", "mean of tasks"}


def test_equal_means_are_both_the_best(runs) -> None:
    rows(runs, "a", (0.5, 0.6))
    rows(runs, "b", (0.6, 0.5))
    assert marks(made(runs)[0]) == {("digits", "a"): "best", ("digits", "b"): "best"}


def test_pairs_by_hand(runs) -> None:
    runs.suite(ALL, "a", seeds=(0, 1))
    runs.suite({task: value - 0.1 for task, value in ALL.items()}, "b", seeds=(0, 1))
    (table,) = made(runs)
    (pair,) = pairs(table).values()
    assert (pair.tasks.value, pair.tasks.half_width) == (pytest.approx(10), pytest.approx(0, abs=1e-9))
    assert pair.groups.value == pytest.approx(10) and pair.improvement == 1
    assert pair.wilcoxon == pytest.approx(2 / 2**4)  # four tasks, all in favour of a


def test_a_pair_is_compared_on_what_both_have(runs) -> None:
    runs.suite(ALL, "a", seeds=(0, 1))
    runs.suite({"digits": 0.7, "count": 0.6}, "b", seeds=(1, 2))
    (table,) = made(runs)
    (pair,) = pairs(table).values()
    assert pair.tasks.tasks == 2 and pair.groups is None
    assert pair.tasks.value == pytest.approx(((91 - 71) + (51 - 61)) / 2) and pair.tasks.half_width is None


def test_tasks_that_share_images_count_once_over_tasks(runs) -> None:
    for label, gain in (("a", 0.1), ("b", 0.0)):
        for task in ALL:
            images = {"test": "same" if task in ("count", "location") else task}
            runs.add(0.5 + gain, task, label, fields={"images": images})
    (pair,) = pairs(made(runs)[0]).values()
    assert pair.wilcoxon == pytest.approx(2 / 2**3)


def test_the_family_of_a_reference_is_all_its_comparisons(runs) -> None:
    rows(runs, "a", (0.90, 0.92, 0.91))
    rows(runs, "b", (0.880, 0.891, 0.889))
    rows(runs, "c", (0.5, 0.9, 0.7))
    (table,) = made(runs)
    found = pairs(table)
    ps = {place: pair.tasks.p for place, pair in found.items()}
    adjusted = family(found, 3, lambda pair: pair.tasks.p)
    assert adjusted[0][0] is None and adjusted[1][0] == pytest.approx(min(1, 2 * ps[0, 1]))
    assert adjusted[0][1] == adjusted[1][0]


def test_ranks_are_of_complete_rows(runs) -> None:
    runs.suite(ALL, "a")
    runs.suite({**ALL, "digits": 0.95}, "b")
    runs.suite({"digits": 0.99}, "c")
    assert mean_rank(made(runs)[0]) == {"a": (2 + 3 * 1.5) / 4, "b": (1 + 3 * 1.5) / 4}


def test_variance_over_seeds_and_training_samples(runs) -> None:
    for sample, accuracies in enumerate(((0.50, 0.52), (0.54, 0.56))):
        for seed, accuracy in enumerate(accuracies):
            runs.add(accuracy, seed=seed, data__sample=sample)
    first, second = every = made(runs)
    assert (first.setting.sample, second.setting.sample) == (0, 1)  # never averaged with each other
    found = variances(first, every)["lora"]
    assert found.seed == pytest.approx(2.0)  # points squared: 1, 1 around each mean
    assert found.sample == pytest.approx((16 / 2 * 2 - 2) / 2)  # means 51 and 55: 2 * 8 between them
    assert found.test == pytest.approx(1e4 * (0.25 + 0.2496 + 0.2484 + 0.2464) / 4 / 1000, rel=1e-3)
    assert variances(first, [first])["lora"].sample is None
