from __future__ import annotations

import json

from visionpeft.reports.build import tables
from visionpeft.reports.markdown import page
from visionpeft.reports.reading import load

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}


def drawn(runs) -> str:
    found, skipped = load(runs.root)
    return page(tables(found), skipped)


def test_the_page_tells_everything_that_holds_for_its_numbers(runs) -> None:
    runs.suite(ALL, "lora", seeds=(0, 1, 2))
    runs.suite({task: value - 0.1 for task, value in ALL.items()}, "ssf", seeds=(0, 1, 2))
    text = drawn(runs)
    digest = runs.a_run()["data"]["splits"]["test"]["digest"]
    weights = runs.a_run()["backbone"]["weights_sha256"]
    for word in (
        "## mini on vit_pico, recipe vtab", "**3 seeds (0, 1, 2)**", "selection: **last epoch**",
        "trained on trainval", "100 epochs", f"`{weights[:8]}`", "mean 0.5 0.5 0.5, std 0.5 0.5 0.5", "32 px bicubic",
        "data: rendered", f"1,000, `{digest[:12]}`", "*mean of groups*", "*mean of tasks*", "Student's t", "bootstrap",
    ):  # fmt: skip
        assert word in text
    assert "| lora | 0.295 | **91.0** <sub>±2.5</sub> | **81.0** <sub>±2.5</sub> | **86.00** <sub>±" in text


def test_every_line_of_a_grid_has_the_same_number_of_cells(runs) -> None:
    runs.suite(ALL, "lora (targets=[q|v])")
    runs.put(runs.a_record(label="lora (<b>*x*\n| y |)"))
    lines = [line for line in drawn(runs).split("\n\n")[3].splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert {line.replace("\\|", "").count("|") for line in lines} == {lines[1].count("|")}
    assert "&lt;b&gt;\\*x\\* \\| y \\|" in lines[3]


def test_blanks_cuts_and_failures_are_explained(runs) -> None:
    splits = runs.a_run()["data"]["splits"]
    splits["test"] |= {"size": 600, "expected": 6149}
    runs.add(0.5, data__splits=splits)
    runs.add(None, "letters", seed=2, fields={"status": "oom", "scores": {}, "error": "CUDA out of memory"})
    text = drawn(runs)
    assert "- Runs on 2 of the suite's 4 tasks (natural 2 of 2);" in text
    assert "- ‡ truncated test set: digits has 600 of 6,149 images" in text
    assert "- † lora, letters, seed 2: out of memory (CUDA out of memory)" in text


def test_more_tasks_than_the_suite_is_said_to_have_are_not_averaged_and_the_page_says_why(runs) -> None:
    """Tasks whose suite no yaml counts."""
    for task in ("digits", "letters"):
        runs.add(0.5, task, task__suite_tasks=1, task__group_tasks=1)
    text = drawn(runs)
    said = "- Runs on 2 tasks (natural 2 of 1), though the records say that the suite has 1, so nothing is averaged;"
    assert said in text and "mean of tasks |" not in text


def test_rows_with_blank_averages_are_named(runs) -> None:
    runs.suite(ALL, "lora")
    runs.add(0.5, label="ssf")
    runs.add(0.5, label="ssf", seed=1)
    text = drawn(runs)
    assert "- Averages are blank where a task is missing or a run failed: ssf." in text
    assert "- Cells that say n= or seeds have others than the table's;" in text


def test_what_is_not_counted_is_named(runs) -> None:
    runs.suite(ALL)
    (runs.root / "mini" / "a--lora--s0--cut.json").write_text("{")
    assert "## Not counted\n\n- mini/a--lora--s0--cut.json: not readable as JSON" in drawn(runs)


def test_another_selection_rule_is_in_the_title(runs) -> None:
    runs.add(0.5, recipe__select="best_val", recipe__train_on="train")
    text = drawn(runs)
    assert "## mini on vit_pico, recipe vtab, best validation epoch" in text and "trained on train," in text


def test_titles_say_what_sets_two_tables_apart(runs) -> None:
    for changes in ({}, {"backbone__mean": [0.485, 0.456, 0.406], "backbone__jpeg": 75}):
        runs.add(0.5, **changes)
    runs.add(0.5, recipe__select="best_val", recipe__train_on="train")  # has a name of its own
    assert [line for line in drawn(runs).splitlines() if line.startswith("## mini")] == [
        "## mini on vit_pico, recipe vtab, mean 0.485 0.456 0.406, re-encoded as JPEG 75",
        "## mini on vit_pico, recipe vtab, best validation epoch",
        "## mini on vit_pico, recipe vtab, mean 0.5 0.5 0.5, not re-encoded",
    ]


def test_altered_images_are_in_the_header(runs) -> None:
    runs.add(0.5, backbone__resize=40, backbone__jpeg=75)
    assert "32 px bicubic, the middle of 40 px, re-encoded as JPEG 75, mean 0.5 0.5 0.5" in drawn(runs)


def test_several_data_flavours_are_told_by_task(runs) -> None:
    runs.suite({"letters": 0.5})
    runs.add(0.5, data__source="sklearn")
    assert "data: sklearn (digits); rendered (letters)" in drawn(runs)


def test_rows_whose_epochs_were_read_on_test_images_are_not_said_to_have_read_them_once(runs) -> None:
    runs.add(0.5, label="ssf")
    assert "trained on trainval, test read once" in drawn(runs) and "diagnostic" not in drawn(runs)
    runs.add(0.5, label="lora", oracle=True)
    text = drawn(runs)
    assert "test read once" not in text
    assert "one reading of the test images; every epoch of runs with oracle=true was also read for a diagnostic" in text
    assert "- Test images were also read at every epoch, for a diagnostic: lora.\n" in text


HOSTILE = "vtab\n\n<img src=x onerror=alert(1)> [a](http://b) ![c](http://d) *e* `f` \\| g &lt;h"
SHOWN = "vtab  &lt;img src=x onerror=alert(1)&gt; \\[a](http://b) !\\[c](http://d) \\*e\\* \\`f\\` \\\\\\| g &amp;lt;h"


def test_names_in_records_are_text_wherever_they_stand(runs) -> None:
    places = "task__suite task__group task__name recipe__name recipe__train_on recipe__precision backbone__name"
    places += " backbone__model backbone__interpolation data__source"
    changes = {place: f"{place} {HOSTILE}" for place in places.split()}
    curve = [{"phase": "1 trainval", "epoch": 1, "loss": 1.0, "test": 0.5}]
    run = runs.a_run(task__seen=[HOSTILE], oracle=True, **changes)
    run["data"]["splits"][HOSTILE] = run["data"]["splits"]["train"] | {"digest": HOSTILE}
    record = runs.a_record(run=run, curve=curve)
    (runs.root / "mini").mkdir()
    (runs.root / "mini" / "a--lora--s0--b.json").write_text(json.dumps(vars(record)))
    text = drawn(runs)
    assert "<img" not in text and "](" not in text.replace("\\[a](", "").replace("\\[c](", "")
    assert all(f"{place} {SHOWN}" in text for place in changes)
