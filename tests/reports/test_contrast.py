from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from visionpeft.reports.averages import together
from visionpeft.reports.build import tables
from visionpeft.reports.contrast import budgets, family, marks, mean_rank, pairs, variances
from visionpeft.reports.footnotes import footnotes
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
    rows(runs, "worse", (0.80, 0.82, 0.809))  # 0.1, 0.1, 0.101: t = 301
    (table,) = made(runs)
    assert marks(table) == {("digits", "best"): "best", ("digits", "close"): "same"}


def test_a_difference_that_is_the_same_with_every_seed_is_no_proof(runs) -> None:
    rows(runs, "best", (0.50, 0.75))
    rows(runs, "behind", (0.25, 0.50))
    assert marks(made(runs)[0]) == {("digits", "best"): "best", ("digits", "behind"): "same"}


def test_holm_counts_the_whole_column(runs) -> None:
    rows(runs, "best", (0.90, 0.92, 0.91))
    rows(runs, "behind", (0.880, 0.891, 0.889))  # 2.0, 2.9, 2.1: t = 8.3, p = 0.014
    assert ("digits", "behind") not in marks(made(runs)[0])
    for i in range(4):  # p is multiplied by five now
        rows(runs, f"other{i}", (0.881 - i / 1000, 0.889, 0.890))
    assert marks(made(runs)[0])["digits", "behind"] == "same"


def test_other_seeds_and_failed_cells_take_no_part(runs) -> None:
    rows(runs, "a", (0.5, 0.6))
    rows(runs, "b", (0.4, 0.5))
    runs.add(0.99, label="lucky")
    rows(runs, "broken", (0.99, 0.99))
    runs.add(None, label="broken", seed=2, fields={"status": "oom", "scores": {}})
    assert {label for _, label in marks(made(runs)[0])} <= {"a", "b"}


BUDGET = {"study": "s", "trial": 1, "trials": 8, "sampler": "tpe", "pruner": "none", "folds": 1, "untuned_first": True}
USUAL = "8 trials by tpe after the untuned settings, judged on val, pruner none"
OTHERS = {
    "trials": ({"trials": 16}, USUAL.replace("8", "16")),
    "sampler": ({"sampler": "random"}, USUAL.replace("tpe", "random")),
    "pruner": ({"pruner": "halving"}, USUAL.replace("none", "halving")),
    "folds": ({"folds": 5}, USUAL.replace("on val", "on 5 folds")),
    "drawn": ({"untuned_first": False}, USUAL.replace(" after the untuned settings", ", all drawn")),
    "a grid": ({"sampler": "grid", "untuned_first": False}, "8 trials by grid, judged on val, pruner none"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_budget_is_equal_in_all_that_makes_one(runs, case) -> None:
    """The study, its seed and the trial that it chose are no part of it, nor is the method's own space."""
    changed, words = OTHERS[case]
    runs.add(0.5, label="lora (tuned)", tuned=BUDGET)
    runs.add(0.5, label="bitfit (tuned)", tuned=BUDGET | {"study": "t", "trial": 3, "seed": 1, "space": "y"})
    assert budgets(made(runs)[0]) == {USUAL: ("bitfit (tuned)", "lora (tuned)")}
    assert not any("budgets" in line for line in footnotes(made(runs)[0]))
    runs.add(0.4, label="full (tuned)", tuned=BUDGET | changed)
    assert budgets(made(runs)[0]) == {USUAL: ("bitfit (tuned)", "lora (tuned)"), words: ("full (tuned)",)}
    (said,) = (line for line in footnotes(made(runs)[0]) if "budgets" in line)
    assert said.startswith("Settings were tuned with unequal budgets: ") and f"{words}: full (tuned)" in said


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
    assert (pair.tasks.value, pair.tasks.half_width, pair.tasks.p) == (pytest.approx(10), None, None)
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


def domains(
    runs, label: str, pacs: tuple[float, float, float], imagenet: float, in_domain: float | None = None
) -> None:
    """Write a task with three shifted test sets, and one with a single, beside its own domain if asked for."""
    for task, values in (
        ("pacs", dict(zip("abc", pacs, strict=True))),
        ("imagenet", {"v2": imagenet, "val": in_domain}),
    ):
        scores = {f"test/{name}": value for name, value in values.items() if value is not None}
        run = runs.a_run(task, label)
        split = run["data"]["splits"].pop("test")
        run["data"]["splits"] |= {name: split | {"digest": task + name} for name in scores}
        run["task"] |= {"group_tasks": 2, "suite_tasks": 2, "targets": dict.fromkeys(scores)}
        run["task"] |= {"in_domain": ["test/val"]} if "test/val" in scores else {}
        runs.put(runs.a_record(None, label, run, scores=scores, images={name: task + name for name in scores}))


def test_a_task_with_several_test_sets_counts_once(runs) -> None:
    domains(runs, "a", (0.5, 0.6, 0.7), 0.4)
    domains(runs, "b", (0.4, 0.5, 0.6), 0.8)
    (table,) = made(runs)
    (found,) = pairs(table).values()
    b_first = 1 if table.rows[0].label == "b" else -1
    assert found.tasks.value == pytest.approx(b_first * (40 - 10) / 2) and found.tasks.tasks == 2
    assert found.groups.value == pytest.approx(b_first * (40 - 10) / 2) and found.groups.tasks == 2
    assert (found.wilcoxon, found.improvement) == (1, 0.5)
    assert mean_rank(table) == {"a": 1.5, "b": 1.5}


def test_the_domain_that_was_learnt_from_is_in_no_comparison(runs) -> None:
    domains(runs, "a", (0.5, 0.5, 0.5), 0.5, in_domain=0.1)
    domains(runs, "b", (0.4, 0.4, 0.4), 0.4, in_domain=0.9)
    (table,) = made(runs)
    (found,) = pairs(table).values()
    assert (table.rows[0].label, found.tasks.value, found.improvement) == ("a", pytest.approx(10), 1)
    assert mean_rank(table) == {"a": 1, "b": 2}
    assert marks(table)["imagenet/val", "b"] == "best"


def test_tasks_of_several_test_sets_with_an_image_set_in_common_are_one_cluster(runs) -> None:
    domains(runs, "a", (0.5, 0.6, 0.7), 0.4)
    (table,) = made(runs)
    assert together(table.columns) == ((0,), (1, 2, 3))
    shared = tuple(replace(c, images="pacstest/a") if c.task == "imagenet" else c for c in table.columns)
    assert together(shared) == ((0, 1, 2, 3),)


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


@pytest.mark.parametrize(("true", "near"), [(0.0, 0.06), (1.0, 0.5)])
def test_variance_over_training_samples_is_kept_from_falling_below_zero_after_it_was_pooled(runs, true, near) -> None:
    """19 tasks, 2 samples of a known variance, 3 seeds that vary by 1 point: the deviation is 0.11, or 0.3.

    With each task kept from falling below 0, samples that are equal would have a variance of 0.18.
    """
    random = np.random.default_rng(0)
    for task in range(19):
        for sample, shift in enumerate((-((true / 2) ** 0.5), (true / 2) ** 0.5)):
            for seed, noise in enumerate(random.normal(0, 1, 3)):
                runs.add(round(0.7 + (shift + noise) / 100, 3), f"task{task:02}", seed=seed, data__sample=sample)
    first, *_ = every = made(runs)
    found = variances(first, every)["lora"]
    assert found.seed == pytest.approx(1, abs=0.25)
    assert found.sample == pytest.approx(true, abs=near) and found.sample >= 0
