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
    # four tasks that vary independently: 8 degrees of freedom, and an average varies half as much as a task
    assert row.mean_of_tasks.half_width == pytest.approx(2.306 / math.sqrt(3) / 2, rel=0.12)


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


def test_unequal_seeds_have_an_average_and_an_interval(runs) -> None:
    runs.suite(ALL, seeds=(0, 1))
    runs.add(0.92, "digits", seed=2)
    (row,) = made(runs)[0].rows
    assert row.mean_of_tasks.value == pytest.approx((91 + 80.5 + 50.5 + 30.5) / 4)
    assert row.mean_of_tasks.n == 3 and row.mean_of_tasks.half_width > 0
    # variances of the two means: 0.25 each, over 4; one degree of freedom from each
    assert row.groups["structured"].half_width == pytest.approx(4.303 * math.sqrt(0.25 * 2 / 4), rel=0.05)


def test_a_task_with_one_seed_leaves_its_averages_without_an_interval(runs) -> None:
    runs.suite({"digits": 0.9, "count": 0.5, "location": 0.3}, seeds=(0, 1))
    runs.add(0.8, "letters")
    (row,) = made(runs)[0].rows
    assert row.mean_of_tasks.half_width is None and row.groups["natural"].half_width is None
    assert row.groups["structured"].half_width > 0


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
        ("backbone__resize", 40),
        ("backbone__jpeg", 75),
        ("recipe__select", "best_val"),
        ("recipe__train_on", "train"),
        ("recipe__name", "demo"),
        ("task__suite", "vtab"),
        ("data__sample", 1),
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


COPIES = {"official": "original", "noah-jpeg": "folder", "folder 1a2b3c4d": "folder"}


def test_copies_of_a_data_set_are_never_in_one_table_with_the_official_images(runs) -> None:
    """The same task from three copies: three tables, and no cell or average with accuracies of two of them."""
    for place, (flavour, source) in enumerate(COPIES.items()):
        for task in ALL:
            digests = {f"data__splits__{name}__digest": f"{flavour} {task} {name}" for name in ("train", "val", "test")}
            runs.add(0.1 + place / 10, task, data__source=source, data__flavour=flavour, **digests)
    found = made(runs)
    assert [table.setting.copy for table in found] == ["", "folder", "noah-jpeg"]
    for table, accuracy in zip(found, (10, 30, 20), strict=True):
        (row,) = table.rows
        assert row.mean_of_tasks.value == row.mean_of_groups.value == pytest.approx(accuracy)
        assert [cell.mean.value for cell in row.cells.values()] == [pytest.approx(accuracy)] * 4
    assert [column.sources for column in found[1].columns] == [("folder 1a2b3c4d",)] * 4


def test_official_images_share_a_table_whoever_serves_them(runs) -> None:
    flavours = ["official", "official, not yet confirmed"]
    for seed, (source, flavour) in enumerate(zip(("original", "tfds"), flavours, strict=True)):
        runs.add(task=list(ALL)[seed], data__source=source, data__flavour=flavour, data__confirmed={"test": "unknown"})
    (table,) = made(runs)
    assert [column.sources for column in table.columns] == [("official",), ("official, not yet confirmed",)]


def test_seeds_from_different_official_sources_are_averaged(runs) -> None:
    """Their digests say that the examples and images are the same."""
    for seed, source in enumerate(("original", "tfds")):
        known = {"data__flavour": "official", "data__confirmed": {"test": "confirmed"}, "data__reading": {"d": source}}
        runs.add(seed=seed, data__source=source, **known)
    (table,) = made(runs)
    assert table.rows[0].cells["digits"].seeds == (0, 1)


def test_what_is_confirmed_later_is_averaged_with_what_was_not_yet(runs) -> None:
    """The digests say that the images are the same; that they are the right ones may become known between two seeds."""
    runs.add(seed=0, data__flavour="official, not yet confirmed", data__confirmed={"test": "unknown"})
    runs.add(seed=1, data__flavour="official", data__confirmed={"test": "confirmed"})
    (table,) = made(runs)
    assert table.rows[0].cells["digits"].seeds == (0, 1)
    assert table.columns[0].sources == ("official", "official, not yet confirmed")


def test_older_records_from_folders_are_copies_too(runs) -> None:
    runs.add(task="digits", data__source="folder")
    runs.add(task="letters", data__source="original")
    assert [table.setting.copy for table in made(runs)] == ["", "folder"]
