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
        "lora (rank=16,\u202632 trials, \u2026)",
    ]


def test_words_stay_where_every_row_has_them():
    labels = [f"{method} ({SHARED}, tuned, 8 trials)" for method in ("lora", "full")]
    assert list(short(labels).values()) == ["lora (\u2026, tuned, 8 trials)", "full (\u2026, tuned, 8 trials)"]


def test_tuned_and_untuned_are_told_apart_on_a_phone():
    labels = ["vpt_deep (tokens=50)", "vpt_deep (tokens=50, tuned, 32 trials)"]
    assert list(short(labels, NARROW).values()) == ["vpt_deep (\u2026)", "vpt_deep\u2026 trials)"]


def test_what_is_alike_when_cut_is_numbered():
    labels = [f"adapter_pfeiffer (a={'x' * 30}{i}{'y' * 30})" for i in range(3)]
    names = list(short(labels).values())
    assert [name[-2:] for name in names[1:]] == [" 2", " 3"] and len(set(names)) == 3


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
