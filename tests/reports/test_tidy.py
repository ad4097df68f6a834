from __future__ import annotations

import csv
import io

from visionpeft.reports import tidy
from visionpeft.reports.build import tables
from visionpeft.reports.reading import load

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}


def lines(runs) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tidy.text(tables(load(runs.root)[0])))))


def test_plain_numbers_in_columns_of_their_own(runs) -> None:
    runs.suite(ALL, seeds=(0, 1, 2))
    (line,) = lines(runs)
    expected = {
        "table": "1", "suite": "mini", "method": "lora", "seeds": "0 1 2", "digits_mean": "91.0",
        "digits_half_width": "2.4841", "digits_n": "3", "digits_failed": "", "digits_source": "rendered",
        "digits_test_images": "1000", "digits_test_expected": "1000", "group_natural_mean": "86.0",
        "mean_of_groups_mean": "63.5", "mean_of_tasks_mean": "63.5",
        "params_trainable_without_head_M": "0.294912", "params_trainable_with_head_M": "0.302602",
        "params_head_M": "0.00769", "params_after_merge_M": "85.806346", "inference_cost_after_merge": "1.0",
        "backbone": "vit_pico", "select": "last", "train_on": "trainval", "img_size": "32", "mean": "0.5 0.5 0.5",
        "weights_sha256": runs.a_run()["backbone"]["weights_sha256"], "tasks_of_suite": "4",
    }  # fmt: skip
    assert {name: line[name] for name in expected} == expected
    assert 0.5 < float(line["mean_of_tasks_half_width"]) < 0.7
    digest = runs.a_run()["data"]["splits"]["test"]["digest"]
    assert f"test:{digest[:12]}" in line["digits_digests"]


def test_one_line_per_row_of_every_table_with_the_union_of_columns(runs) -> None:
    runs.suite(ALL, "lora")
    runs.add(0.5, label="ssf")
    runs.add(0.7, "pets", task__suite="vtab")
    read = lines(runs)
    assert [(line["table"], line["suite"], line["method"]) for line in read] == [
        ("1", "mini", "lora"),
        ("1", "mini", "ssf"),
        ("2", "vtab", "lora"),
    ]
    assert [line["pets_mean"] for line in read] == ["", "", "70.0"]
    assert [line["letters_mean"] for line in read] == ["80.0", "", ""]
    assert [line["mean_of_tasks_mean"] for line in read] == ["62.5", "", ""]


def test_rows_under_a_preset_say_which(runs) -> None:
    runs.add(0.5)
    preset = {"name": "vpt", "model": "m", "data": "d", "selected": "last epoch", "lacks": ""}
    runs.add(0.6, label="vpt_deep", preset=preset)
    assert [(line["method"], line["preset"]) for line in lines(runs)] == [("lora", ""), ("vpt_deep", "vpt")]


def test_failures_are_told(runs) -> None:
    runs.add(0.5)
    runs.add(None, seed=4, fields={"status": "diverged", "scores": {}})
    assert lines(runs)[0]["digits_failed"] == "seed 4 diverged"
