"""Where a row stands after each run: its mean over the tasks that are done."""

import dataclasses
from types import SimpleNamespace

import pytest

from visionpeft.benchmark.record import Record, run_id
from visionpeft.benchmark.standing import Standings, accuracy
from visionpeft.benchmark.store import Store


def resolved(task: str, seed: int, label: str, **more) -> dict:
    return {
        "task": {"name": task, "suite": "mini", **more}, "method": {"name": label, "fields": {}},
        "recipe": {"name": "demo", "select": "last", "train_on": "trainval"},
        "backbone": {
            "name": "vit_pico", "model": "vit_tiny_patch16_224", "model_args": {}, "weights_sha256": "f" * 64,
            "img_size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic",
        },
        "seed": seed, "data": {"source": "drawn"},
    }  # fmt: skip


def a_record(task: str, value: float, seed: int = 0, label: str = "lora", status: str = "ok") -> Record:
    run = resolved(task, seed, label)
    return Record(id=run_id(run), status=status, run=run, label=label, scores={"test": value} if status == "ok" else {})


def planned(record: Record) -> SimpleNamespace:
    run = SimpleNamespace(label=record.label, task=SimpleNamespace(**record.run["task"]))
    return SimpleNamespace(run=run, resolved=record.run, stem=record.stem)


def test_the_mean_goes_over_the_tasks_that_are_done(tmp_path):
    store = Store(tmp_path)
    runs = [a_record("digits", 0.9), a_record("digits", 0.7, seed=1), a_record("count", 0.5), a_record("tissue", 0.1)]
    other = a_record("digits", 0.3, label="ssf")
    standings = Standings([planned(one) for one in (*runs, other)], store)
    store.write(other)
    store.write(runs[0])
    assert standings.of(runs[0]) == "lora so far: 90.00 %, plain mean of 1 of 3 tasks"
    store.write(runs[1])
    store.write(runs[2])  # perhaps by another process
    assert standings.of(runs[2]) == "lora so far: 65.00 %, plain mean of 2 of 3 tasks"  # (0.8 + 0.5) / 2
    assert standings.of(other) == ""  # a single task


def test_failed_and_damaged_records_have_no_accuracy(tmp_path):
    store = Store(tmp_path)
    good, failed, bad = a_record("digits", 0.9), a_record("count", 0.0, status="oom"), a_record("tissue", 0.2)
    standings = Standings([planned(one) for one in (good, failed, bad)], store)
    store.write(failed)
    store.write(bad).write_text("{")
    store.write(good)
    assert standings.of(good) == "lora so far: 90.00 %, plain mean of 1 of 3 tasks"


def test_several_test_sets_count_as_the_tables_count_them():
    targets = {"test/val": None, "test/v2": None, "test/a": None, "test/a_200": 200}
    run = resolved("imagenet", 0, "lora", targets=targets, in_domain=["test/val"])
    record = Record(id=run_id(run), status="ok", run=run, label="lora")
    scores = {"test/val": 0.8, "test/v2": 0.6, "test/a": 0.2, "test/a_200": 0.4}
    assert accuracy(dataclasses.replace(record, scores=scores)) == pytest.approx(0.4)
    assert accuracy(dataclasses.replace(record, scores={"test/v2": 0.6})) is None


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [("backbone", "img_size", 24), ("backbone", "jpeg", 75), ("backbone", "mean", [0.0]),
     ("recipe", "select", "best_val"),
     ("data", "sample", 1), ("data", "source", "folder"), ("preset", "name", "noah")],
)  # fmt: skip
def test_what_stands_in_another_table_is_another_row(tmp_path, part, key, value):
    store, runs = Store(tmp_path), [a_record("digits", 0.9), a_record("count", 0.5)]
    run = resolved("digits", 0, "lora")
    run[part] = run.get(part, {}) | {key: value}
    other = Record(id=run_id(run), status="ok", run=run, label="lora", scores={"test": 0.1})
    standings = Standings([planned(one) for one in (*runs, other)], store)
    for one in (*runs, other):
        store.write(one)
    assert standings.of(runs[0]) == "lora so far: 70.00 %, plain mean of 2 of 2 tasks"
    assert standings.of(other) == ""  # a single task under these settings


def test_another_name_of_a_backbone_is_the_same_row(tmp_path):
    first, second = a_record("digits", 0.9), a_record("count", 0.5)
    second.run["backbone"]["name"] = "other"
    assert Standings([planned(one) for one in (first, second)], Store(tmp_path)).of(first) == ""  # none is done
    Store(tmp_path).write(first)
    found = Standings([planned(one) for one in (first, second)], Store(tmp_path)).of(second)
    assert found == "lora so far: 90.00 %, plain mean of 1 of 2 tasks"
