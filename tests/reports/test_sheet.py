from __future__ import annotations

import csv
import io

from visionpeft.reports import tidy
from visionpeft.reports.build import tables
from visionpeft.reports.contrast import marks, mean_rank
from visionpeft.reports.order import VTAB
from visionpeft.reports.reading import load
from visionpeft.reports.sheet import millions, sheets

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}


def strips(runs, sheet: int = 0):
    (table,) = tables(load(runs.root)[0])
    return {f"{s.over}/{s.header}".lstrip("/"): s.items for s in sheets(table)[sheet].strips}


def words(items) -> list[str]:
    return [f"{item.text}{'*' if item.bold else ''} {item.small}".strip() for item in items]


def test_a_small_suite_is_one_sheet_in_groups(runs) -> None:
    runs.suite(ALL, "lora", seeds=(0, 1))
    runs.suite({task: value - 0.1 for task, value in ALL.items()}, "ssf", seeds=(0, 1))
    drawn = strips(runs)
    assert list(drawn) == [
        "method", "params (M)", "natural/digits", "letters", "mean", "structured/count", "location",
        "mean of groups", "mean of tasks", "with head (M)", "merged (M)", "inference",
    ]  # fmt: skip
    assert words(drawn["method"]) == ["lora", "ssf"]
    assert words(drawn["natural/digits"]) == ["90.5* ±6.4", "80.5 ±6.4"]  # 12.706 * 0.5
    assert [word.partition("±0.")[0] for word in words(drawn["mean of tasks"])] == ["63.00* ", "53.00 "]
    assert words(drawn["params (M)"]) == ["0.295", "0.295"]
    assert words(drawn["inference"]) == ["1.00x", "1.00x"]


def test_bold_only_among_cells_with_the_same_seeds(runs) -> None:
    runs.suite(ALL, "lora", seeds=(0, 1))
    runs.suite(ALL, "ssf", seeds=(0, 1))
    runs.add(0.99, label="lucky")
    runs.add(0.99, label="others", seed=3)
    runs.add(0.99, label="others", seed=4)
    runs.add(0.99, label="broken")
    runs.add(0.99, label="broken", seed=1)
    runs.add(None, label="broken", seed=2, fields={"status": "oom", "scores": {}})
    drawn = dict(zip(words(strips(runs)["method"]), words(strips(runs)["natural/digits"]), strict=True))
    assert drawn == {
        "lora": "90.5* ±6.4",
        "ssf": "90.5* ±6.4",  # equal as printed is equal
        "lucky": "99.0 n=1",
        "others": "99.0 seeds 3 4",
        "broken": "99.0†",
    }


def test_more_seeds_than_the_others_lose_nothing_and_win_nothing(runs) -> None:
    """Two seeds are the table's; by these eager is ahead, though its third is bad, and lucky is behind."""
    runs.suite(ALL, "lora", seeds=(0, 1))
    runs.suite(ALL, "ssf", seeds=(0, 1))
    runs.suite({task: value - 0.1 for task, value in ALL.items()}, "bitfit", seeds=(0, 1))
    runs.suite({task: value + 0.02 for task, value in ALL.items()}, "eager", seeds=(0, 1))
    runs.suite({task: value - 0.02 for task, value in ALL.items()}, "lucky", seeds=(0, 1))
    for task in ALL:
        runs.add(0.1, task, "eager", seed=2)
        runs.add(0.99, task, "lucky", seed=2)
    drawn = strips(runs)
    shown = {name: dict(zip(words(drawn["method"]), words(drawn[name]), strict=True)) for name in drawn}
    for name in ("natural/digits", "mean", "mean of groups", "mean of tasks"):
        assert [label for label, word in shown[name].items() if "*" in word] == ["eager"], name
        assert all(word.endswith("n=3") == (label in ("eager", "lucky")) for label, word in shown[name].items())
    assert shown["natural/digits"]["eager"].startswith("65.0*")  # 92, 93, 10
    (table,) = tables(load(runs.root)[0])
    assert mean_rank(table) == {"eager": 1.0, "lora": 2.5, "ssf": 2.5, "lucky": 4.0, "bitfit": 5.0}
    assert [label for (column, label), mark in marks(table).items() if (column, mark) == ("count", "best")] == ["eager"]


def test_an_average_says_from_how_many_seeds_to_how_many_it_is(runs) -> None:
    runs.suite(ALL, "lora", seeds=(0, 1))
    runs.suite(ALL, "ssf", seeds=(0, 1))
    runs.add(0.5, "count", "ssf", seed=2)
    runs.suite(ALL, "linear")
    drawn = strips(runs)
    shown = dict(zip(words(drawn["method"]), (item.small for item in drawn["mean of tasks"]), strict=True))
    assert "n=" not in shown["lora"] and shown["ssf"].endswith("n=2-3") and shown["linear"] == "n=1"
    (table,) = tables(load(runs.root)[0])
    line = next(line for line in csv.DictReader(io.StringIO(tidy.text([table]))) if line["method"] == "ssf")
    assert line["mean_of_tasks_seeds"] == line["mean_of_groups_seeds"] == line["group_structured_seeds"] == "2-3"
    assert line["group_natural_seeds"] == "2"


def test_a_single_row_is_not_the_best(runs) -> None:
    runs.suite(ALL)
    assert words(strips(runs)["natural/digits"]) == ["90.0"]


def test_a_cell_where_every_run_failed_shows_the_mark_alone(runs) -> None:
    runs.suite(ALL)
    runs.add(None, label="full", fields={"status": "oom", "scores": {}})
    drawn = strips(runs)
    assert words(drawn["natural/digits"]) == ["90.0", "†"]
    assert words(drawn["params (M)"]) == ["0.295", ""]


def test_a_large_suite_has_a_summary_and_a_sheet_for_each_group(runs) -> None:
    sizes = {"natural": 7, "specialized": 4, "structured": 8}
    for i, task in enumerate(VTAB):
        group = "natural" if i < 7 else "specialized" if i < 11 else "structured"
        runs.add(0.5, task, task__group=group, task__group_tasks=sizes[group], task__suite_tasks=19)
    assert list(strips(runs)) == [
        "method", "params (M)", "natural", "specialized", "structured", "mean of groups", "mean of tasks",
        "with head (M)", "merged (M)", "inference",
    ]  # fmt: skip
    assert list(strips(runs, 2)) == ["method", "patch_camelyon", "eurosat", "resisc45", "retinopathy", "mean"]


def test_a_cut_test_set_is_marked(runs) -> None:
    splits = runs.a_run()["data"]["splits"]
    splits["test"] |= {"size": 600, "expected": 6149}
    runs.add(0.5, data__splits=splits)
    assert "natural/digits‡" in strips(runs)


def test_millions() -> None:
    assert [millions(v) for v in (None, 0.0, 0.0384, 0.294912, 85.798656)] == ["", "0", "0.038", "0.295", "85.8"]
