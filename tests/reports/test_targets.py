"""Tasks with several test sets: a column for each, means by name, blanks with their reason, two conventions apart."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from visionpeft.reports import literature
from visionpeft.reports.build import tables
from visionpeft.reports.footnotes import footnotes
from visionpeft.reports.markdown import header, section
from visionpeft.reports.reading import LeaderboardError, load
from visionpeft.reports.sheet import sheets
from visionpeft.reports.tidy import text

from .conftest import sha

TARGETS = {"test/v2": None, "test/a": None, "test/a_200": 200}
SCORES = {"test/v2": 0.6, "test/a": 0.1, "test/a_200": 0.3}
LOST = ("test/a", "test/a_200")
WHY = "noah: no imagenet-a"


def a_split(name: str) -> dict[str, Any]:
    digest = sha(name.removesuffix("_200"))
    own = {"classes": 200} if name.endswith("_200") else {}
    return {"size": 100, "expected": 100, "digest": digest, "order": digest, **own}


def one(runs, scores=SCORES, label="lora", seed=0, absent=(), **fields):
    """Write a record of a suite with one task, which has two test sets, one of them scored twice."""
    run = runs.a_run("imagenet", label, seed)
    run["task"] |= {"suite": "dg", "group": "imagenet", "group_tasks": 1, "suite_tasks": 1, "targets": TARGETS}
    run["task"] |= fields.pop("task", {})
    run["data"]["splits"] = {name: a_split(name) for name in ("train", "val")} | {
        name: a_split(name) | {"source": "noah", "reading": {}} for name in TARGETS if name not in absent
    }
    images = {"trainval": sha("t"), **{name: a_split(name)["digest"] for name in scores}}
    known = {"status": "ok", "scores": scores, "images": images, "absent": dict.fromkeys(absent, WHY)}
    return runs.put(runs.a_record(None, label, run, **known | fields))


def made(runs):
    (table,) = tables(load(runs.root)[0])
    return table


def drawn(runs) -> dict[str, list[str]]:
    (sheet,) = sheets(made(runs))
    return {
        f"{strip.over}/{strip.header}".lstrip("/"): [f"{item.text} {item.small}".strip() for item in strip.items]
        for strip in sheet.strips
    }


def test_a_column_for_each_and_their_mean_without_the_restricted_one(runs) -> None:
    one(runs)
    one(runs, {"test/v2": 0.62, "test/a": 0.12, "test/a_200": 0.5}, seed=1)
    table = made(runs)
    assert [(c.name, c.target, c.counted) for c in table.columns] == [
        ("imagenet/v2", "v2", True), ("imagenet/a", "a", True), ("imagenet/a_200", "a_200", False),
    ]  # fmt: skip
    (row,) = table.rows
    assert {name: cell.mean.value for name, cell in row.cells.items()} == pytest.approx(
        {"imagenet/v2": 61, "imagenet/a": 11, "imagenet/a_200": 40}
    )
    mean = row.targets["imagenet"]
    assert (mean.value, mean.n) == (pytest.approx(36), 2)
    assert mean.half_width == pytest.approx(12.7062 * 1, abs=1e-3)  # of 35 and 37: one model for both, so Student's t
    assert row.groups["imagenet"].value == row.mean_of_tasks.value == row.mean_of_groups.value == pytest.approx(36)
    assert list(drawn(runs))[2:6] == ["imagenet/v2", "a", "a_200", "mean"]
    assert drawn(runs)["mean"] == ["36.00 ±12.71"]


def test_the_two_conventions_are_explained(runs) -> None:
    one(runs)
    (mark,) = footnotes(made(runs))
    assert mark.startswith(
        "imagenet/a_200: the class is chosen among those of the test set; elsewhere, and so in every"
    )


def test_the_domain_that_was_learnt_from_is_shown_and_in_no_mean(runs) -> None:
    targets, scores = {"test/val": None, **TARGETS, "test/r": None}, {"test/val": 0.9, **SCORES, "test/r": 0.5}
    run = runs.a_run("imagenet")
    run["task"] |= {"suite": "dg", "group": "imagenet", "group_tasks": 1, "suite_tasks": 1, "targets": targets}
    run["task"] |= {"in_domain": ["test/val"]}
    run["data"]["splits"] = {name: a_split(name) for name in ("train", "val", *targets)}
    runs.put(runs.a_record(None, "lora", run, scores=scores, images={name: sha(name) for name in scores}))
    table = made(runs)
    assert {c.target: c.counted for c in table.columns} == {
        "val": False, "v2": True, "a": True, "a_200": False, "r": True,
    }  # fmt: skip
    (row,) = table.rows
    assert row.cells["imagenet/val"].mean.value == 90
    assert row.targets["imagenet"].value == row.mean_of_tasks.value == pytest.approx((60 + 10 + 50) / 3)
    own, same = footnotes(table)
    assert own.startswith("imagenet/a_200: the class is chosen")
    assert same == "imagenet/val: the domain that was learnt from; it enters no mean, which is over the other domains"


def test_a_test_set_that_nobody_had_is_a_blank_column_with_its_reason(runs) -> None:
    one(runs, {"test/v2": 0.6}, absent=LOST)
    one(runs, {"test/v2": 0.5}, label="ssf", absent=LOST)
    found = drawn(runs)
    assert (found["imagenet/v2"], found["a"], found["a_200"]) == (["60.0", "50.0"], ["", ""], ["", ""])
    assert "mean" not in found and not any(row.targets or row.groups or row.mean_of_tasks for row in made(runs).rows)
    assert (
        "Blank, as the test set was absent: imagenet/a, imagenet/a_200 of lora, ssf: noah: no imagenet-a"
        in footnotes(made(runs))
    )


def test_only_the_row_that_lacks_it_is_blank(runs) -> None:
    one(runs, {"test/v2": 0.6}, absent=LOST)
    one(runs, label="ssf")
    lora, ssf = sorted(made(runs).rows, key=lambda row: row.label)
    assert (set(lora.cells), lora.targets) == ({"imagenet/v2"}, {})
    assert ssf.targets["imagenet"].value == pytest.approx(35)
    assert [mark for mark in footnotes(made(runs)) if "absent" in mark] == [
        "Blank, as the test set was absent: imagenet/a, imagenet/a_200 of lora: noah: no imagenet-a"
    ]


def test_a_fuller_run_replaces_the_one_before_it(runs) -> None:
    """The same run once a test set has been added: its seed counts once, and nothing is blank any more."""
    one(runs, {"test/v2": 0.6}, absent=LOST)
    one(runs)
    (row,) = made(runs).rows
    assert {name: cell.seeds for name, cell in row.cells.items()} == dict.fromkeys(
        ("imagenet/v2", "imagenet/a", "imagenet/a_200"), (0,)
    )
    assert row.absent == {}


def test_seeds_with_other_test_sets_share_the_cells_that_both_have(runs) -> None:
    one(runs, {"test/v2": 0.6}, absent=LOST)
    one(runs, seed=1)
    (row,) = made(runs).rows
    assert (row.cells["imagenet/v2"].seeds, row.cells["imagenet/a"].seeds) == ((0, 1), (1,))


def test_a_failed_run_is_marked_in_all_its_columns(runs) -> None:
    one(runs)
    one(runs, {}, seed=1, status="oom", error="too large")
    (row,) = made(runs).rows
    assert [len(cell.failed) for cell in row.cells.values()] == [1, 1, 1]
    assert row.targets == {}


def test_other_test_images_are_refused_by_column(runs) -> None:
    one(runs)
    path = one(runs, label="ssf", images={"test/a": "f" * 64})
    with pytest.raises(LeaderboardError, match="differ in the test images of imagenet/a ") as error:
        made(runs)
    assert path.name in str(error.value)


def test_a_score_that_is_missing_leaves_the_record_out(runs) -> None:
    path = one(runs, {"test/v2": 0.5})
    assert load(runs.root) == ([], [f"dg/{path.name}: has no test/a score"])


def test_two_records_of_one_run_are_refused(runs) -> None:
    path = one(runs)
    (runs.root / "copy").mkdir()
    (runs.root / "copy" / path.name).write_text(path.read_text())
    with pytest.raises(LeaderboardError, match=f"copy/{path.name} and dg/{path.name} are two records"):
        made(runs)


def test_the_header_says_what_the_backbone_has_seen(runs) -> None:
    one(runs, task={"seen": ["in1k"]})
    said = "the backbone was trained on in1k before, so that imagenet is **not domain generalisation** · **1 seed"
    assert header(made(runs)).startswith(said)


def test_every_split_is_listed_and_columns_have_their_own_figures(runs) -> None:
    one(runs)
    page = section(made(runs), [])
    assert "| imagenet/a | rendered, tested on noah |" in page
    (values,) = csv.DictReader(text([made(runs)]).splitlines())
    assert [float(values[f"imagenet/{name}_mean"]) for name in ("v2", "a", "a_200")] == [60, 10, 30]
    assert float(values["targets_imagenet_mean"]) == 35


def test_published_figures_stand_under_their_convention(runs) -> None:
    one(runs, task={"seen": ["in1k"]})
    made_of = literature.texts([made(runs)])
    lines = [line for line in csv.DictReader(made_of["csv"].splitlines()) if line["suite"] == "dg"]
    ours = next(line for line in lines if line["who"] == "ours")
    assert [ours[f"imagenet_{name}"] for name in ("v2", "a", "a_200", "r")] == ["60.0", "10.0", "30.0", ""]
    assert "trained on in1k before: no domain generalisation" in ours["notes"]
    noah, zero_shot = (next(x for x in lines if x["method"].startswith(name)) for name in ("NOAH", "Zero-shot CLIP"))
    assert (noah["imagenet_a"], noah["imagenet_a_200"]) == ("11.9", "")
    assert (zero_shot["imagenet_a"], zero_shot["imagenet_a_200"], zero_shot["imagenet"]) == ("", "47.77", "66.73")


def test_a_seed_that_lacks_a_test_set_is_not_in_the_mean_of_its_task(runs) -> None:
    one(runs)
    one(runs, {"test/v2": 1.0}, seed=1, absent=LOST)
    (row,) = made(runs).rows
    assert row.cells["imagenet/v2"].mean.value == pytest.approx(80)  # both seeds have it
    assert (row.targets["imagenet"].value, row.targets["imagenet"].n) == (pytest.approx((60 + 10) / 2), 1)
