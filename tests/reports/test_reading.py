from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from visionpeft.benchmark.record import run_id
from visionpeft.benchmark.store import pack
from visionpeft.reports.build import tables
from visionpeft.reports.found import Found
from visionpeft.reports.reading import LeaderboardError, check_cell, check_digests, load, superseded
from visionpeft.reports.table import Setting


def test_bad_files_are_named_and_left_out(runs) -> None:
    good = runs.add(0.5)
    folder = good.parent
    (folder / "a--lora--s0--cut.json").write_text('{"schema": 1, "id')
    (folder / "b--lora--s0--old.json").write_text('{"schema": 7}')
    (folder / "c--lora--s0--list.json").write_text("[1, 2]")
    edited = json.loads(good.read_text())
    edited["run"]["seed"] = 5
    (folder / "d--lora--s0--edited.json").write_text(json.dumps(edited))
    (folder / "e--lora--s0--binary.json").write_bytes(b"\xff\xfe\x00")
    (folder / "g--lora--s0--folder.json").mkdir()
    (folder / "f--lora--s0--none.json").write_text(json.dumps({**edited, "run": None}))
    found, skipped = load(runs.root)
    assert [one.file for one in found] == [good.relative_to(runs.root).as_posix()]
    assert [line.split(":")[0] for line in skipped] == [
        f"mini/{name}.json"
        for name in (
            "a--lora--s0--cut", "b--lora--s0--old", "c--lora--s0--list", "d--lora--s0--edited",
            "e--lora--s0--binary", "f--lora--s0--none", "g--lora--s0--folder",
        )
    ]  # fmt: skip
    assert not any(str(runs.root) in line for line in skipped)


def test_a_record_that_lacks_what_tables_need_is_left_out(runs) -> None:
    run = runs.a_run()
    del run["recipe"]["select"]
    runs.put(runs.a_record(run=run))
    assert load(runs.root) == ([], [f"mini/{runs.a_record(run=run).stem}.json: lacks 'select'"])


@pytest.mark.parametrize(
    ("change", "value", "where"),
    [
        ("backbone__mean", None, "run.backbone.mean is None"),
        ("recipe", "vtab", "string indices"),
        (
            "data__splits",
            {"test": {"size": "9", "expected": 9, "digest": "a", "order": "a"}},
            "run.data.splits.test.size is '9'",
        ),
    ],
)
def test_a_record_of_other_types_is_left_out(runs, change: str, value: object, where: str) -> None:
    record = runs.a_record()
    run = runs.a_run(**{change: value})
    path = runs.root / "mini" / "digits--lora--s0--x.json"
    path.parent.mkdir()
    path.write_text(json.dumps({**vars(record), "run": run, "id": run_id(run)}))
    found, (line,) = load(runs.root)
    assert not found and where in line


def test_a_run_without_a_test_score_is_left_out(runs) -> None:
    path = runs.add(None, fields={"scores": {"val": 0.9}})
    assert load(runs.root) == ([], [f"mini/{path.name}: has no test score"])


def counted(runs) -> list[Found]:
    """What tables count of a store of which nothing is left out."""
    found, skipped = load(runs.root)
    assert not skipped
    return list(superseded(found))


@pytest.mark.parametrize("accuracy", [float("nan"), float("inf"), -0.1, 93.0, "0.5", True, None])
def test_an_accuracy_that_is_none_is_left_out_by_name(runs, accuracy) -> None:
    path = runs.add(0.5, fields={"scores": {"test": accuracy}})
    other = runs.add(0.5, seed=1)
    (found,), (line,) = load(runs.root)
    assert found.file == f"mini/{other.name}"
    assert line == f"mini/{path.name}: accuracy {accuracy!r} of test, expected a number from 0 to 1; repeat that run"


def test_a_label_of_another_method_is_left_out_by_name(runs) -> None:
    path = runs.put(dataclasses.replace(runs.a_record(), label="glora"))
    assert load(runs.root) == ([], [f"mini/{path.name}: is called 'glora', but its method is lora; edited by hand?"])


def test_two_records_of_one_run_are_refused(runs) -> None:
    path = runs.add(0.5)
    (runs.root / "copy").mkdir()
    (runs.root / "copy" / path.name).write_text(path.read_text())
    with pytest.raises(LeaderboardError, match=f"copy/{path.name} and mini/{path.name} are two records"):
        counted(runs)


def test_a_success_replaces_the_failures_before_it(runs) -> None:
    runs.add(None, fields={"status": "oom", "scores": {}})
    runs.add(0.5)
    assert [one.record.status for one in counted(runs)] == ["ok"]


def test_a_run_with_and_without_the_oracle_is_one_run(runs) -> None:
    """The diagnostic's record stands for both: never two seeds, never refused as a duplicate."""
    runs.add(0.5)
    watched = runs.add(0.5, oracle=True)
    runs.add(0.6, seed=1)
    found = counted(runs)
    assert [(one.seed, one.accuracy) for one in found] == [(0, 0.5), (1, 0.6)]
    assert watched.name in {one.file.removeprefix("mini/") for one in found}
    check_cell(found)


def test_such_a_pair_has_to_agree(runs) -> None:
    runs.add(0.5)
    runs.add(0.6, oracle=True)
    said = "are the same run with and without oracle=true, but their accuracies on digits are 0.6 and 0.5"
    with pytest.raises(LeaderboardError, match=said):
        counted(runs)


def test_two_records_with_the_oracle_are_refused_like_any_other_two(runs) -> None:
    path = runs.add(0.5, oracle=True)
    (runs.root / "copy").mkdir()
    (runs.root / "copy" / path.name).write_text(path.read_text())
    with pytest.raises(LeaderboardError, match=f"copy/{path.name} and mini/{path.name} are two records"):
        counted(runs)


def test_other_examples_are_refused_and_both_files_named(runs) -> None:
    a = runs.add(0.5, label="lora")
    splits = runs.a_run()["data"]["splits"]
    splits["test"]["digest"] = "f" * 64
    b = runs.add(0.6, label="ssf", data__splits=splits)
    with pytest.raises(LeaderboardError, match="differ in the test examples of digits") as error:
        check_digests(counted(runs))
    assert a.name in str(error.value) and b.name in str(error.value)


def test_the_same_names_with_other_images_are_refused(runs) -> None:
    runs.add(0.5, label="lora", fields={"images": {"trainval": "a" * 64, "test": "b" * 64}})
    runs.add(0.6, label="ssf", fields={"images": {"trainval": "c" * 64, "test": "b" * 64}})
    with pytest.raises(LeaderboardError, match="trainval images of digits .digests aaaaaaaa and cccccccc"):
        check_digests(counted(runs))


def test_images_in_another_order_cannot_be_compared_and_are_not(runs) -> None:
    splits = runs.a_run()["data"]["splits"]
    splits["val"]["order"] = "f" * 64
    runs.add(0.5, label="lora", fields={"images": {"trainval": "a" * 64}})
    runs.add(0.6, label="ssf", data__splits=splits, fields={"images": {"trainval": "c" * 64}})
    check_digests(counted(runs))


def test_another_order_of_the_same_examples_is_no_other_data(runs) -> None:
    runs.add(0.5, label="lora")
    splits = runs.a_run()["data"]["splits"]
    splits["test"]["order"] = "f" * 64
    runs.add(0.6, label="ssf", data__splits=splits)
    check_digests(counted(runs))


@pytest.mark.parametrize(
    ("change", "value", "words"),
    [
        ("recipe__lr", 0.01, "recipe.lr is 0.001 in the first and 0.01 in the second"),
        ("method__version", 2, "method.version is 1 in the first and 2 in the second"),
        ("method__fields", {"rank": 4, "label": "lora"}, "method.fields.rank is 8 in the first and 4 in the second"),
        ("recipe__precision", "bf16", "recipe.precision is 'fp32' in the first and 'bf16' in the second"),
        ("data__source", "folder", "data.source is 'rendered' in the first and 'folder' in the second"),
    ],
)
def test_one_cell_under_two_settings_is_refused(runs, change: str, value: object, words: str) -> None:
    a, b = runs.add(0.5), runs.add(0.6, seed=1, **{change: value})
    with pytest.raises(LeaderboardError) as error:
        check_cell(counted(runs))
    assert all(word in str(error.value) for word in (a.name, b.name, "'lora'", "digits", words))


OF_A_TASK = [
    ("method__fields", {"rank": 4, "label": "lora"}, "method.fields.rank is 8 in the first and 4 in the second"),
    ("method__version", 2, "method.version is 1 in the first and 2 in the second"),
    ("recipe__lr", 3e-3, "recipe.lr is 0.001 in the first and 0.003 in the second"),
    ("versions", {"harness": 2}, "versions is None in the first and {'harness': 2} in the second"),
]


@pytest.mark.parametrize(("change", "value", "words"), OF_A_TASK)
def test_a_row_of_two_settings_is_refused(runs, change: str, value: object, words: str) -> None:
    """Tasks of one name that were run otherwise are never averaged: a default may have moved in between."""
    one, other = runs.add(0.5, "count"), runs.add(0.5, "digits", **{change: value})
    with pytest.raises(LeaderboardError) as error:
        tables(load(runs.root)[0])
    assert all(part in str(error.value) for part in (words, one.name, other.name, "both called 'lora'"))


def test_what_was_chosen_for_each_task_may_differ_between_tasks_and_a_version_may_not(runs) -> None:
    changed = {"method__fields": {"rank": 4}, "recipe__lr": 3e-3, "recipe__precision": "bf16"}
    found = {"study": "a", "trials": 8, "folds": 1, "trial": 2, "seed": 0, "splits": {}, "space": "x"}
    chosen = {"tuned": [found, found | {"study": "b", "trial": 5, "seed": 1, "splits": {"val": "x"}}],
              "per_task": ["test", "test"]}  # fmt: skip
    for name, (here, there) in chosen.items():
        runs.add(0.5, "count", f"lora ({name})", **{name: here})
        runs.add(0.5, "digits", f"lora ({name})", **{name: there, **changed, "method__fields": {"rank": 4}})
    assert {row.label for row in tables(load(runs.root)[0])[0].rows} == {"lora (tuned)", "lora (per_task)"}
    runs.add(0.5, "location", "lora (per_task)", per_task="test", method__version=2)
    with pytest.raises(LeaderboardError, match="method.version is 1 in the first and 2 in the second"):
        tables(load(runs.root)[0])


def test_a_row_tuned_with_two_budgets_is_refused(runs) -> None:
    spent = {"study": "a", "trials": 8, "folds": 1, "untuned_first": True}
    runs.add(0.5, "count", "lora (tuned)", tuned=spent)
    runs.add(0.5, "digits", "lora (tuned)", tuned=spent | {"study": "b", "untuned_first": False})
    with pytest.raises(LeaderboardError, match="tuned.untuned_first is True in the first and False in the second"):
        tables(load(runs.root)[0])


def beside(path, right: int, size: int = 1000) -> None:
    labels = np.zeros(size, np.uint16)
    path.with_suffix(".npz").write_bytes(pack({"test": (np.arange(size) >= right), "labels/test": labels}))


def test_an_edited_accuracy_is_left_out_by_name(runs) -> None:
    """Of a record without a seal: by the predictions beside it, or as no whole number of right answers."""
    beside(runs.add(0.5, "digits"), 500)
    beside(runs.add(0.7, "count"), 500)
    runs.add(0.6, "letters")
    runs.add(0.60005, "location")
    (runs.add(0.5, "other")).with_suffix(".npz").write_bytes(b"damaged: check-records says so")
    found, skipped = load(runs.root)
    assert {one.task for one in found} == {"digits", "letters", "other"}
    assert [line.partition(": ")[2] for line in skipped] == [
        "accuracy 0.7 of test, but 500 of the 1000 predictions beside it are right; edited by hand?",
        "accuracy 0.60005 of test is no whole number of right answers out of 1000; edited by hand?",
    ]


def test_a_sealed_record_that_was_edited_is_left_out_by_name(runs) -> None:
    path = runs.add(0.5)
    path.write_text(runs.a_record(0.5, run=runs.a_run()).to_json().replace('"test": 0.5', '"test": 0.6'))
    found, skipped = load(runs.root)
    assert not found and "changed after it was written, as its seal shows; edited by hand?" in skipped[0]


def test_the_size_of_the_suite_at_the_time_is_no_setting(runs) -> None:
    runs.add(0.5)
    runs.add(0.6, seed=1, task__suite_tasks=5, backbone__name="another name of the same weights")
    check_cell(counted(runs))


def by_seed(runs, sample: int, test: str = "t", source: str = "noah") -> dict:
    """A run's data where the seed chooses the training images."""
    data = runs.a_run()["data"]
    for name, split in data["splits"].items():
        split["digest"] = split["order"] = f"{test if name == 'test' else f'{name}{sample}{source}'}" * 8
    return {"data": {**data, "source": source, "sample": sample, "by_seed": True}}


def test_seeds_that_choose_their_training_images_are_one_cell(runs) -> None:
    for seed in range(3):
        runs.add(0.5 + seed / 10, seed=seed, **by_seed(runs, seed))
    found = counted(runs)
    check_digests(found)
    check_cell(found)
    assert [Setting.of(one.record.run).sample for one in found] == [0, 0, 0]


def test_such_seeds_share_their_test_images(runs) -> None:
    runs.add(0.5, seed=0, **by_seed(runs, 0))
    runs.add(0.6, seed=1, **by_seed(runs, 1, test="u"))
    with pytest.raises(LeaderboardError, match="differ in the test examples of digits"):
        check_digests(counted(runs))
    with pytest.raises(LeaderboardError, match="data.splits.test.digest is 'tttttttt' in the first"):
        check_cell(counted(runs))


def test_one_such_sample_is_the_same_for_all_methods(runs) -> None:
    runs.add(0.5, label="lora", seed=1, **by_seed(runs, 1))
    other = by_seed(runs, 1)
    other["data"]["splits"]["train"]["digest"] = "f" * 64
    runs.add(0.6, label="ssf", seed=1, **other)
    with pytest.raises(LeaderboardError, match="differ in the train examples of digits"):
        check_digests(counted(runs))


def test_such_samples_of_another_source_are_other_rows(runs) -> None:
    """Comparable, for the test images are the same; never averaged."""
    runs.add(0.5, seed=0, **by_seed(runs, 0))
    runs.add(0.6, label="lora (own sample)", seed=0, **by_seed(runs, 0, source="own-sample"))
    check_digests(counted(runs))
    with pytest.raises(LeaderboardError, match="data.source is '(noah|own-sample)' in the first and"):
        check_cell(counted(runs))


def test_a_seed_that_says_nothing_of_the_sample_leaves_it_fixed(runs) -> None:
    """Training sets numbered by hand are no seeds: they are separate tables, and never one cell."""
    plain = {key: value for key, value in by_seed(runs, 1)["data"].items() if key != "by_seed"}
    runs.add(0.5, seed=0, data={**plain, "sample": 0})
    runs.add(0.6, seed=1, data={**plain, "sample": 1})
    assert [Setting.of(one.record.run).sample for one in counted(runs)] == [0, 1]
    with pytest.raises(LeaderboardError, match="data.sample is 0 in the first and 1 in the second"):
        check_cell(counted(runs))


def test_validation_images_apart_are_compared(runs) -> None:
    runs.add(0.5, label="lora", fields={"images": {"val": "a" * 64}})
    runs.add(0.6, label="ssf", fields={"images": {"val": "b" * 64}})
    with pytest.raises(LeaderboardError, match="val images of digits .digests aaaaaaaa and bbbbbbbb"):
        check_digests(counted(runs))
