from __future__ import annotations

import math

import pytest

from visionpeft.reports.build import tables
from visionpeft.reports.reading import LeaderboardError, load

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}


def made(runs):
    return tables(load(runs.root)[0])


def test_cells_and_both_averages_by_hand(runs) -> None:
    runs.suite({**ALL, "location": 0.1}, seeds=(0, 1, 2))  # each seed adds one point to every task
    (table,) = made(runs)
    (row,) = table.rows
    t = 4.302653 / math.sqrt(3)  # sd is 1 everywhere
    assert row.cells["digits"].mean.value == pytest.approx(91)
    assert row.cells["digits"].mean.half_width == pytest.approx(t, abs=1e-5)
    assert row.cells["digits"].mean.n == 3
    assert row.groups["natural"].value == pytest.approx(86)
    assert row.groups["structured"].value == pytest.approx(31)
    assert row.mean_of_groups.value == pytest.approx((86 + 31) / 2)
    assert row.mean_of_tasks.value == pytest.approx((91 + 81 + 51 + 11) / 4)
    assert row.mean_of_tasks.half_width == pytest.approx(t, abs=1e-5)


def test_the_averages_differ_where_groups_have_different_sizes(runs) -> None:
    for task, accuracy in {"digits": 0.9, "letters": 0.8, "count": 0.3}.items():
        runs.add(accuracy, task, task__suite_tasks=3, task__group_tasks=1 if task == "count" else 2)
    (row,) = made(runs)[0].rows
    assert row.mean_of_groups.value == pytest.approx((85 + 30) / 2)
    assert row.mean_of_tasks.value == pytest.approx(200 / 3)


def test_one_seed_has_no_interval(runs) -> None:
    runs.suite(ALL)
    (row,) = made(runs)[0].rows
    assert row.cells["digits"].mean.half_width is None
    assert row.mean_of_tasks.half_width is None


def test_an_incomplete_group_is_never_averaged(runs) -> None:
    runs.suite({"digits": 0.9, "count": 0.5, "location": 0.3})
    (row,) = made(runs)[0].rows
    assert set(row.groups) == {"structured"}
    assert row.mean_of_groups is None and row.mean_of_tasks is None


def test_a_group_without_any_run_keeps_the_suite_incomplete(runs) -> None:
    runs.suite({"digits": 0.9, "letters": 0.8})
    (row,) = made(runs)[0].rows
    assert set(row.groups) == {"natural"}
    assert row.mean_of_groups is None and row.mean_of_tasks is None


def test_a_row_is_not_completed_by_another_rows_tasks(runs) -> None:
    runs.suite(ALL, "lora")
    runs.suite({"digits": 0.99, "letters": 0.99}, "ssf")
    lora, ssf = made(runs)[0].rows
    assert (lora.label, ssf.label) == ("lora", "ssf")
    assert lora.mean_of_tasks and not ssf.mean_of_tasks and set(ssf.groups) == {"natural"}


def test_unequal_seeds_have_an_average_and_no_interval_of_it(runs) -> None:
    runs.suite(ALL, seeds=(0, 1))
    runs.add(0.92, "digits", seed=2)
    (row,) = made(runs)[0].rows
    assert row.mean_of_tasks.value == pytest.approx((91 + 80.5 + 50.5 + 30.5) / 4)
    assert row.mean_of_tasks.half_width is None
    assert row.groups["natural"].half_width is None
    assert row.groups["structured"].half_width == pytest.approx(12.706205 * 0.5, abs=1e-5)  # its tasks have equal seeds


def test_a_failed_seed_is_marked_and_blocks_the_averages(runs) -> None:
    runs.suite(ALL, seeds=(0, 1))
    runs.add(None, "digits", seed=2, fields={"status": "diverged", "scores": {}, "error": "loss is nan"})
    (table,) = made(runs)
    (row,) = table.rows
    assert row.cells["digits"].mean.n == 2 and not row.cells["digits"].clean
    assert set(row.groups) == {"structured"} and row.mean_of_tasks is None
    assert [(r.label, task, one.seed) for r, task, one in table.failures] == [("lora", "digits", 2)]


def test_a_seed_that_worked_later_is_no_failure(runs) -> None:
    runs.add(0.9, seed=0)
    runs.add(None, seed=0, recipe__lr=9.0, fields={"status": "diverged", "scores": {}})
    assert made(runs)[0].failures == []


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("backbone__weights_sha256", "0" * 64),
        ("backbone__weights_sha256", None),
        ("backbone__img_size", 64),
        ("backbone__model_args", {"global_pool": "avg"}),
        ("backbone__mean", [0.485, 0.456, 0.406]),
        ("backbone__std", [0.229, 0.224, 0.225]),
        ("backbone__interpolation", "bilinear"),
        ("recipe__select", "best_val"),
        ("recipe__train_on", "train"),
        ("recipe__name", "demo"),
        ("task__suite", "vtab"),
    ],
)
def test_other_settings_are_other_tables(runs, change: str, value: object) -> None:
    runs.add(0.5)
    runs.add(0.7, **{change: value})
    first, second = made(runs)
    assert {table.rows[0].cells["digits"].mean.value for table in (first, second)} == {50, 70}


def test_other_examples_in_another_table_are_no_contradiction(runs) -> None:
    runs.add(0.5)
    splits = runs.a_run()["data"]["splits"]
    splits["test"]["digest"] = "f" * 64
    runs.add(0.6, data__splits=splits, recipe__name="demo")
    assert len(made(runs)) == 2
    runs.add(0.6, label="ssf", data__splits=splits)
    with pytest.raises(LeaderboardError, match="differ in the test examples"):
        made(runs)


def test_parameters_are_means_over_tasks_and_inference_a_ratio(runs) -> None:
    for task, head in (("digits", 10_000), ("letters", 30_000)):
        params = {"trainable": 200_000 + head, "head": head, "total": 1_000_000, "merged_total": None}
        cost = {"flops_inference_per_image": 150, "flops_backbone_per_image": 100}
        runs.add(0.5, task, fields={"params": params, "cost": cost})
    (row,) = made(runs)[0].rows
    assert row.params["added"] == pytest.approx(0.2)
    assert row.params["trainable"] == pytest.approx(0.22)
    assert row.params["merged_total"] is None
    assert row.inference == pytest.approx(1.5)  # it does not merge: as it is


def test_merging_pays(runs) -> None:
    runs.add(0.5)
    assert made(runs)[0].rows[0].inference == 1.0


def test_rows_fall_by_the_mean_of_tasks_and_incomplete_ones_come_last(runs) -> None:
    runs.suite({task: value / 2 for task, value in ALL.items()}, "a")
    runs.suite(ALL, "b")
    runs.add(1.0, label="c")
    assert [row.label for row in made(runs)[0].rows] == ["b", "a", "c"]


def test_tasks_stand_in_the_literatures_order(runs) -> None:
    groups = {"dtd": "natural", "cifar100": "natural", "eurosat": "specialized", "dmlab": "structured"}
    for task in ("dmlab", "eurosat", "dtd", "cifar100"):
        runs.add(0.5, task, task__group=groups[task])
    assert [column.name for column in made(runs)[0].columns] == ["cifar100", "dtd", "eurosat", "dmlab"]
