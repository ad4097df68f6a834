from __future__ import annotations

import io

import pytest

from visionpeft.reports import leaderboard, shots, terminal
from visionpeft.reports.build import tables
from visionpeft.reports.reading import load

SETS = ("aircraft", "cars")


def add(runs, name: str, shot: int, accuracy: float, label: str = "lora", seed: int = 0) -> None:
    """A run of a suite of two data sets with 1, 2 and 16 shots."""
    task = {"name": f"{name}_k{shot}", "suite": "fewshot", "group": f"{shot}-shot", "group_tasks": 2, "suite_tasks": 6}
    runs.add(accuracy, label=label, seed=seed, task=f"{name}_k{shot}", **{f"task__{k}": v for k, v in task.items()})


@pytest.fixture
def filled(runs):
    for shot in (1, 16, 2):
        for i, name in enumerate(SETS):
            for seed in (0, 1):
                add(runs, name, shot, 0.1 + shot / 100 + i / 5 + seed / 100, seed=seed)
    return runs


def made(runs):
    return tables(load(runs.root)[0])


def words(sheet) -> dict[str, list[str]]:
    return {strip.header: [item.text for item in strip.items] for strip in sheet.strips}


def test_a_sheet_of_means_and_one_of_each_data_set(filled):
    (table,) = made(filled)
    mean, *single = shots.sheets(table)
    assert mean.title == "mean of the data sets" and [sheet.title for sheet in single] == list(SETS)
    points = [strip.header for strip in mean.strips if "shot" in strip.header]
    assert points == ["1 shot", "2 shots", "16 shots"]
    assert [words(mean)[point] for point in points] == [["21.50"], ["22.50"], ["36.50"]]  # 11 + 20 / 2 + .5
    assert words(single[1]) == {"method": ["lora"], "1 shot": ["31.5"], "2 shots": ["32.5"], "16 shots": ["46.5"]}


def test_an_incomplete_number_of_shots_has_no_mean(runs):
    for name, shot in (("aircraft", 1), ("cars", 1), ("aircraft", 4)):
        add(runs, name, shot, 0.5)
    (table,) = made(runs)
    mean, first, second = shots.sheets(table)
    assert [header for header in words(mean) if "shot" in header] == ["1 shot"]
    assert list(words(first)) == ["method", "1 shot", "4 shots"] and list(words(second)) == ["method", "1 shot"]
    lines = shots.text([table]).splitlines()
    assert lines == [
        "table,method,dataset,shots,mean,half_width,n",
        "1,lora,aircraft,1,50.0,,1",
        "1,lora,aircraft,4,50.0,,1",
        "1,lora,cars,1,50.0,,1",
        "1,lora,mean of the data sets,1,50.0,,1",
    ]


def test_a_cell_with_a_failed_seed_is_no_point(runs):
    add(runs, "cars", 1, 0.5)
    run = runs.a_run("cars_k1", seed=1, task__suite="fewshot", task__group="1-shot", task__suite_tasks=6)
    runs.put(runs.a_record(None, run=run, status="diverged", scores={}))
    (table,) = made(runs)
    assert words(shots.sheets(table)[1])["1 shot"] == ["50.0†"] and shots.text([table]) == ""


def test_other_tables_keep_their_sheets(runs):
    runs.add(0.5)
    (table,) = made(runs)
    assert shots.curves(table) == {} and shots.text([table]) == ""
    assert [sheet.title for sheet in shots.sheets(table)] == [""]


def test_the_files_and_the_screen_have_them(filled):
    _, _, files = leaderboard.write(filled.root)
    assert "leaderboard_shots.csv" in [file.name for file in files]
    page = (filled.root / "leaderboard.md").read_text()
    assert "### mean of the data sets" in page and "### cars" in page
    out = io.StringIO()
    terminal.show(made(filled), out)
    assert "\ncars\n" in out.getvalue() and "16 shots" in out.getvalue()


def test_no_file_of_curves_without_curves(runs):
    runs.add(0.5)
    assert "leaderboard_shots.csv" not in [file.name for file in leaderboard.write(runs.root)[2]]
