"""The protocol tax is paired by task and seed; what lacks a task is no number."""

from argparse import Namespace

import pytest

PLAIN = {("a", 0): 50.0, ("b", 0): 30.0, ("a", 1): 52.0, ("b", 1): 34.0}
OTHER = {("a", 0): 52.0, ("b", 0): 36.0, ("a", 1): 52.0, ("b", 1): 38.0}


@pytest.fixture
def script(load_script):
    return load_script("protocol_tax")


def keyed(scores, factor):
    return {("lora", factor, task, seed): value for (task, seed), value in scores.items()}


def told(script, seeds, other=OTHER):
    scores = keyed(PLAIN, script.CANONICAL) | keyed(other, "JPEG 75")
    return script.change(scores, scores, ("lora", "JPEG 75"), Namespace(tasks=["a", "b"], seeds=seeds))


def test_intervals_are_over_seeds_or_over_tasks_where_there_is_one_seed(script):
    """12.706 times the standard deviation over the root of two: of 4 and 2 by seed, of 2 and 6 by task."""
    assert told(script, [0, 1]) == "+3.0 ±12.7 <sub>n=2</sub>"
    assert told(script, [0]) == "+4.0 ±25.4 (+2.0, +6.0)"


def test_a_seed_that_lacks_a_task_does_not_count(script):
    part = {key: value for key, value in OTHER.items() if key != ("b", 1)}
    assert told(script, [0, 1], part) == told(script, [0])
    assert told(script, [1], part) == ""
    levels = script.level(keyed(PLAIN, script.CANONICAL), "lora", Namespace(tasks=["a", "b"], seeds=[0, 1, 2]))
    assert levels.tolist() == [40.0, 43.0]
