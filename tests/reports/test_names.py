"""Short names of rows: what they keep, and that no two are alike."""

import itertools
import random

import pytest

from visionpeft.reports.names import NARROW, WIDE, short

SHARED = "recipe.epochs=5, recipe.warmup=0.5"


def test_what_fits_is_left_alone():
    labels = ["lora", "lora (tuned, 8 trials)", "linear"]
    assert short(labels) == {label: label for label in labels}


def test_values_that_all_rows_share_give_way_first():
    labels = ["linear", "lora", "lora (rank=16)", "lora (rank=16, scale=2, tuned, 32 trials)"]
    long = [f"{label[:-1]}, {SHARED})" if "(" in label else f"{label} ({SHARED})" for label in labels]
    assert list(short(long).values()) == [
        "linear (\u2026)",
        "lora (\u2026)",
        "lora (rank=16, \u2026)",
        "lora (rank=16,\u2026d, 32 trials)",
    ]


def test_words_give_way_after_values_and_names_after_words():
    tuned = [f"{method} ({SHARED}, tuned, 8 trials)" for method in ("lora", "full")]
    assert list(short(tuned).values()) == ["lora (\u2026, tuned, 8 trials)", "full (\u2026, tuned, 8 trials)"]
    ranks = [f"lora (rank={rank}, recipe.epochs=100, tuned, 8 trials)" for rank in (4, 8)]
    assert list(short(ranks).values()) == ["lora (rank=4, \u2026)", "lora (rank=8, \u2026)"]
    budgets = [f"vpt_deep (tokens=50, tuned, {trials} trials)" for trials in (8, 32)]
    assert list(short(budgets).values()) == ["vpt_deep (\u2026, 8 trials)", "vpt_deep (\u2026, 32 trials)"]
    assert list(short(budgets, NARROW).values()) == ["vpt_d\u2026 (8 trials)", "vpt_\u2026 (32 trials)"]


def test_tuned_and_untuned_are_told_apart_on_a_phone():
    labels = ["vpt_deep (tokens=50)", "vpt_deep (tokens=50, tuned, 32 trials)"]
    assert list(short(labels).values()) == [labels[0], "vpt_deep (tuned, 32 trials)"]
    assert list(short(labels, NARROW).values()) == ["vpt_deep (\u2026)", "vpt_deep\u2026 trials)"]


def test_what_is_alike_when_cut_is_numbered():
    labels = [f"adapter_pfeiffer (a={'x' * 30}{i}{'y' * 30})" for i in range(3)]
    names = list(short(labels).values())
    assert [name[-2:] for name in names[1:]] == [" 2", " 3"] and len(set(names)) == 3
    many = short([f"x (y={'z' * 40}{i}z)" for i in range(12)], 5).values()
    assert len(set(many)) == 12 and max(map(len, many)) == 5


def test_a_label_that_is_no_method_with_settings_is_cut_as_it_is():
    assert short(["a (b) c", "x" * 40], 5) == {"a (b) c": "a (b\u2026", "x" * 40: "xxxx\u2026"}


@pytest.mark.parametrize("most", [5, NARROW, WIDE])
def test_no_two_are_alike_and_none_is_too_long(most):
    draw = random.Random(0)
    values = [f"{key}={number}" for key, number in itertools.product(("rank", "scale", "lr"), (1, 10, 0.001))]
    for _ in range(200):
        labels = {
            f"{draw.choice(('lora', 'lo', 'glora_large'))} ({', '.join(draw.sample(values, draw.randint(1, 4)))})"
            for _ in range(9)
        }
        names = short(sorted(labels), most)
        assert names.keys() == labels and len(set(names.values())) == len(labels)
        assert max(map(len, names.values())) <= most
