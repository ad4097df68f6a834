"""Costs of rows: on one machine at a time, over the same tasks, memory of one kind."""

import pytest

from visionpeft.reports import costs
from visionpeft.reports.build import tables
from visionpeft.reports.reading import load

CPU, GPU = {"device": "cpu X", "threads": 2, "compiled": False}, {"device": "H100", "threads": 16, "compiled": True}
ON_CPU, ON_GPU = "cpu X, 2 threads, fp32", "H100, fp32, compiled"
BY_KEY = {measure.key: measure for measure in costs.MEASURES}


def spent(where, seconds, memory=0, kind="process_rss", **more):
    cost = {"seconds_train": seconds, "peak_memory_bytes": memory, "peak_memory_kind": kind, **more}
    return {"provenance": where, "cost": cost}


def of(runs, label, key, where, column=""):
    (table,) = tables(load(runs.root)[0])
    row = next(row for row in table.rows if row.label == label)
    return costs.of(row, BY_KEY[key], costs.over(table, column), costs.by_task(table, row, where))


def test_machines_are_never_averaged(runs):
    for seed, (where, seconds) in enumerate([(CPU, 10), (CPU, 20), (GPU, 1)]):
        runs.add(seed=seed, fields=spent(where, seconds))
    (table,) = tables(load(runs.root)[0])
    assert costs.machines(table) == (ON_CPU, ON_GPU)
    assert (of(runs, "lora", "seconds", ON_CPU), of(runs, "lora", "seconds", ON_GPU)) == (15, 1)
    assert of(runs, "lora", "seconds", "elsewhere") is None


def test_a_mean_needs_every_task_and_weighs_them_alike(runs):
    for task, seed, seconds in (("digits", 0, 2), ("digits", 1, 4), ("count", 0, 9)):
        runs.add(task=task, seed=seed, fields=spent(CPU, seconds))
    runs.add(task="digits", label="linear", fields=spent(CPU, 1))
    assert of(runs, "lora", "seconds", ON_CPU) == (3 + 9) / 2
    assert of(runs, "linear", "seconds", ON_CPU) is None
    assert of(runs, "linear", "seconds", ON_CPU, "digits") == 1 and of(runs, "lora", "seconds", ON_CPU, "digits") == 3
    assert of(runs, "lora", "seconds", ON_CPU, "structured") == 9


def test_memory_of_a_process_is_not_that_of_a_gpu(runs):
    runs.add(label="a", fields=spent(CPU, 1, 2**30))
    runs.add(label="b", fields=spent(GPU, 1, 2**31, "cuda_allocated"))
    runs.add(label="c", fields=spent(GPU, 1, 2**31, None))
    assert (of(runs, "a", "process", ON_CPU), of(runs, "a", "memory", ON_CPU)) == (2**30, None)
    assert (of(runs, "b", "process", ON_GPU), of(runs, "b", "memory", ON_GPU)) == (None, 2**31)
    assert of(runs, "c", "memory", ON_GPU) is None is of(runs, "c", "process", ON_GPU)


def test_the_rate_after_merging_counts_where_there_is_one(runs):
    runs.add(label="a", fields=spent(CPU, 1, images_per_second_merged=50, images_per_second_inference=40))
    runs.add(label="b", fields=spent(CPU, 1, images_per_second_merged=None, images_per_second_inference=40))
    assert (of(runs, "a", "rate", ON_CPU), of(runs, "b", "rate", ON_CPU)) == (50, 40)


def test_a_run_with_several_test_sets_counts_once(runs):
    targets = {"test/a": None, "test/b": None}
    for seed, seconds in ((0, 10), (1, 40)):
        run = runs.a_run("imagenet", seed=seed)
        run["task"] |= {"suite": "dg", "group": "imagenet", "group_tasks": 1, "suite_tasks": 1, "targets": targets}
        splits = run["data"]["splits"]
        tests = targets if seed else ["test/a"]
        splits |= dict.fromkeys(tests, splits.pop("test"))
        scores, absent = dict.fromkeys(tests, 0.2), {} if seed else {"test/b": "nothing there"}
        runs.put(runs.a_record(None, "lora", run, scores=scores, absent=absent, **spent(CPU, seconds)))
    assert of(runs, "lora", "seconds", ON_CPU) == 25 == of(runs, "lora", "seconds", ON_CPU, "mean of imagenet")


def test_values_of_a_row_need_no_machine(runs):
    runs.add()
    assert of(runs, "lora", "added", "anywhere") == pytest.approx(0.294912)
    assert of(runs, "lora", "inference", "anywhere") == 1
