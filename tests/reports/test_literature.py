from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

import pytest

from visionpeft.reports.build import tables
from visionpeft.reports.copied import FOLDER, figures
from visionpeft.reports.literature import texts
from visionpeft.reports.order import VTAB
from visionpeft.reports.reading import load

FILES = {"vtab1k": 91, "fewshot": 279, "dg": 25, "osu_vtab1k_runs": 320}


NAMES = {"fgvc_aircraft": "aircraft", "oxford_pets": "pets", "stanford_cars": "cars"}  # as our tasks are called


def test_columns_are_tasks_of_ours() -> None:
    tasks = {path.stem for path in (Path(__file__).parents[2] / "conf" / "task").glob("*.yaml")}
    assert {f"fewshot_{row['dataset']}_k{row['shots']}" for row in figures("fewshot")} <= tasks
    assert {f"vtab_{name}" for name in VTAB} <= tasks


def only(rows: list[dict[str, str]], **wanted: str) -> dict[str, str]:
    (row,) = [row for row in rows if all(row[key].startswith(value) for key, value in wanted.items())]
    return row


def test_every_file_has_all_its_rows() -> None:
    assert {path.stem for path in FOLDER.glob("*.csv")} == set(FILES)
    assert {name: len(figures(name)) for name in FILES} == FILES


def test_glora() -> None:
    row = only(figures("vtab1k"), method="GLoRA")
    assert row["printed_avg"] == "78.0" and row["mean_of_groups"] == "77.97" and row["params_M"] == "0.86"
    assert [float(row[task]) for task in VTAB] == [
        *(76.4, 92.9, 74.6, 99.6, 92.5, 91.5, 57.8),
        *(87.3, 96.8, 88.0, 76.0),
        *(83.1, 67.3, 54.5, 86.2, 83.8, 52.9, 37.0, 41.4),
    ]
    assert row["selects_on"] == "test"


def test_known_errors_are_kept_with_the_figures() -> None:
    rows = figures("vtab1k")
    full = only(rows, method="Full", source_paper="NOAH")
    assert full["flowers102"] == "87.2" and "transcription error" in full["notes"]
    assert "mislabelled" in only(rows, method="RepAdapter (as labelled)")["notes"]
    assert "printed 74.2 is wrong" in only(rows, method="NOAH", source_paper="PACE")["notes"]
    assert "AugReg" in only(rows, method="SSF", source_paper="V-PETL")["notes"]


def test_selection_rules_of_the_literature() -> None:
    rows = figures("vtab1k")
    rule = {
        (row["method"], row["source_paper"].split(" ")[0]): (row["selects_on"], row["data_copy"].split(" ")[0])
        for row in rows
    }
    assert rule["VPT-Deep", "Convpass"] == ("validation", "TFDS")
    assert rule["LoRA-8", "NOAH"] == ("test", "JPEG")
    assert rule["FacT-TT", "DyT"] == ("test", "JPEG")
    assert rule["lora [last epoch]", "Mai"] == ("validation", "JPEG")
    assert rule["lora [best TEST epoch (100 looks)]", "Mai"] == ("test", "JPEG")
    assert rule["RLRR", "PACE"] == ("unknown", "not")


def test_averages_follow_from_the_rows_own_figures() -> None:
    for row in figures("vtab1k"):
        scores = [float(row[task]) for task in VTAB]
        groups = [sum(part) / len(part) for part in (scores[:7], scores[7:11], scores[11:])]
        assert float(row["mean_of_19"]) == pytest.approx(sum(scores) / 19, abs=0.0051)
        assert float(row["mean_of_groups"]) == pytest.approx(sum(groups) / 3, abs=0.0051)


def test_other_files_by_sample() -> None:
    fewshot = {(r["method"], r["dataset"], r["shots"]): r["accuracy"] for r in figures("fewshot")}
    assert fewshot["NOAH", "food101", "16"] == "76.3" and fewshot["VPT", "food101", "1"] == "23.5"
    glora = only(figures("dg"), method="GLoRA")
    assert [glora[k] for k in ("imagenet", "imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r")] == [
        *("78.3", "67.5", "30.6", "13.3", "31.0")
    ]
    run = only(figures("osu_vtab1k_runs"), method="full", task="caltech101")
    assert (run["accuracy_last_epoch"], run["accuracy_best_test_epoch"]) == ("77.15", "89.87")


def test_every_figure_is_that_of_the_reference() -> None:
    shared = os.environ.get("VISIONPEFT_SHARED")
    if not shared:
        pytest.skip("VISIONPEFT_SHARED is not set: the reference tables are not here")
    pairs = {"vtab1k": "published_vtab1k", "fewshot": "published_fewshot", "dg": "published_dg"}
    for ours, theirs in pairs.items():
        with (Path(shared) / "reference" / f"{theirs}.csv").open(newline="") as file:
            rows = [{k: NAMES.get(v, v) for k, v in row.items()} for row in csv.DictReader(file)]
        kept = [key for key in rows[0] if key not in ("notes", "source_file")]
        assert [[r[k] for k in kept] for r in figures(ours)] == [[r[k] for k in kept] for r in rows]
        assert all(bool(a["notes"]) for a, b in zip(figures(ours), rows, strict=True) if b["notes"])


def test_no_path_of_a_machine_is_in_the_files() -> None:
    for path in FOLDER.glob("*.csv"):
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"(?<![\w/:.<>])/\w+/|file id|METHODS", text)


def test_the_page_marks_who_stands_behind_each_row(runs) -> None:
    for i, task in enumerate(VTAB):
        group, size = ("natural", 7) if i < 7 else ("specialized", 4) if i < 11 else ("structured", 8)
        runs.add(0.7, task, task__suite="vtab", task__group=group, task__group_tasks=size, task__suite_tasks=19)
    made = texts(tables(load(runs.root)[0]))
    (ours,) = [line for line in made["md"].splitlines() if line.startswith("| lora | **ours** |") and "last" in line]
    assert "| 70.0 | 70.0 | 70.0 | 70.0 | 70.0 |" in ours and "vit_pico" in ours and "test read once" in ours
    glora = [line for line in made["md"].splitlines() if line.startswith("| GLoRA | copied | 0.86 |")]
    assert "| 77.97 | 75.77 | 78.0 | architecture searched on TEST" in glora[0]
    assert made["md"].index("***ours***") < made["md"].index("***copied: settings chosen on validation")
    lines = list(csv.DictReader(io.StringIO(made["csv"])))
    assert [line["who"] for line in lines if line["suite"] == "vtab"] == ["ours"] + ["copied"] * 91
    assert {line["suite"] for line in lines} == {"vtab", "fewshot", "dg"}


def test_an_incomplete_suite_has_no_average_beside_published_ones(runs) -> None:
    runs.add(0.7, "pets", task__suite="vtab", task__suite_tasks=19, task__group_tasks=7)
    made = texts(tables(load(runs.root)[0]))
    line = only(list(csv.DictReader(io.StringIO(made["csv"]))), who="ours")
    assert line["mean_of_tasks"] == line["natural"] == "" and line["pets"] == "70.0"


def test_a_row_whose_epochs_were_read_on_test_images_says_so_beside_published_ones(runs) -> None:
    changes = {"task__suite": "vtab", "task__suite_tasks": 19, "task__group_tasks": 7}
    runs.add(0.7, "pets", "ssf", **changes)
    runs.add(0.7, "pets", "lora", oracle=True, **changes)
    lines = list(csv.DictReader(io.StringIO(texts(tables(load(runs.root)[0]))["csv"])))
    said = {line["method"]: line["selection"] for line in lines if line["who"] == "ours"}
    assert said["ssf"] == "last epoch, trained on trainval, test read once; seeds 0"
    assert "one reading of the test images; every epoch" in said["lora"] and "read once" not in said["lora"]


def test_the_page_without_runs_says_so() -> None:
    made = texts([])
    assert "No runs of suite vtab in this store yet." in made["md"]
