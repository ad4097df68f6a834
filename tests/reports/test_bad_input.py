"""What is wrong with a store is named by every command that reads it: left out, set apart or refused."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from visionpeft.reports import check, figures, flat, leaderboard, show

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}
BAD = "count--lora--s0"
COMMANDS = {
    "leaderboard": leaderboard.main,
    "table": show.main,
    "figures": figures.main,
    "export": flat.main,
    "check-records": check.main,
}


@pytest.fixture
def said(runs, capsys, monkeypatch):
    """Run all commands on the store; return {command: (exit code, all that it said)}. Nothing is drawn."""
    monkeypatch.setattr(figures, "export", lambda spec, rows, stem: [stem])

    def run() -> dict[str, tuple[int, str]]:
        return {name: (main([str(runs.root)]), "".join(capsys.readouterr())) for name, main in COMMANDS.items()}

    return run


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def other_rate(path: Path) -> None:
    values = json.loads(path.read_text())
    values["run"]["recipe"]["lr"] = 9.0
    path.write_text(json.dumps(values))


def lines(runs) -> list[dict[str, str]]:
    return list(csv.DictReader((runs.root / "leaderboard.csv").read_text().splitlines()))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_text(path.read_text()[:300]), "not readable as JSON"),
        (lambda path: path.write_text("[" * 100_000), "not readable as JSON"),
        (other_rate, "does not match its contents"),
        (lambda path: edit(path, schema=2), "schema 2, expected 1; was it written by another version?"),
        (lambda path: edit(path, scores=[]), "scores is [], which tables cannot read"),
        (lambda path: edit(path, label="glora"), "is called 'glora', but its method is lora; edited by hand?"),
        (lambda path: edit(path, label="lora (\ud800)"), "has '\\ud800', which cannot be shown"),
        (lambda path: edit(path, label="lora (a\x00b)"), "has '\\x00', which cannot be shown"),
        (lambda path: edit(path, label="lora (\x1b[31m)"), "has '\\x1b', which cannot be shown"),
        (lambda path: edit(path, scores={"test": math.nan}), "accuracy nan of test, expected a number from 0 to 1"),
        (lambda path: edit(path, scores={"test": 93.0}), "accuracy 93.0 of test, expected a number from 0 to 1"),
        (lambda path: edit(path, scores={"test": None}), "accuracy None of test, expected a number from 0 to 1"),
    ],
)
def test_a_file_that_cannot_be_believed_is_named_and_left_out(runs, said, spoil, message) -> None:
    runs.suite(ALL, seeds=(0, 1, 2))
    (path,) = runs.root.glob(f"mini/{BAD}*.json")
    spoil(path)
    for name, (code, text) in said().items():
        assert code == (1 if name == "check-records" else 0), name
        assert f"mini/{path.name}: " in text and message in text, name
    (line,) = lines(runs)
    assert (line["count_n"], line["count_mean"]) == ("2", "51.5")  # of seeds 1 and 2: 51 and 52


def refused(runs, said, *messages: str) -> None:
    for name, (code, text) in said().items():
        assert code == (1 if name == "check-records" else 2), name
        assert all(message in text for message in messages), name
    assert not (runs.root / "leaderboard.csv").exists() and not (runs.root / "records.parquet").exists()


def test_two_records_of_one_run_are_refused_by_name(runs, said) -> None:
    path = runs.add(0.5)
    (runs.root / "copy").mkdir()
    (runs.root / "copy" / path.name).write_bytes(path.read_bytes())
    refused(runs, said, f"copy/{path.name}", f"mini/{path.name}", "records of the same run")


def test_what_is_refused_in_one_table_leaves_the_others(runs, said) -> None:
    runs.suite(ALL, label="ssf")
    path = runs.add(0.5, recipe__select="best_val", recipe__train_on="train")
    (runs.root / "copy").mkdir()
    (runs.root / "copy" / path.name).write_bytes(path.read_bytes())
    for name, (code, text) in said().items():
        assert code == {"check-records": 1, "figures": 0}.get(name, 2) and "records of the same run" in text, name
    assert [(line["select"], line["mean_of_tasks_mean"]) for line in lines(runs)] == [("last", "62.5")]


def test_other_data_under_one_name_is_refused(runs, said) -> None:
    runs.suite(ALL)
    splits = runs.a_run()["data"]["splits"]
    splits["test"]["digest"] = "f" * 64
    other = runs.add(0.6, label="ssf", data__splits=splits)
    refused(runs, said, "differ in the test examples of digits", other.name)


def test_one_cell_under_two_settings_is_refused(runs, said) -> None:
    runs.suite(ALL)
    other = runs.add(0.6, seed=1, recipe__lr=9.0)
    refused(runs, said, other.name, "recipe.lr is 0.001 in the first and 9.0 in the second")


def test_one_task_in_two_groups_is_refused(runs, said) -> None:
    runs.suite(ALL)
    other = runs.add(0.6, label="ssf", task__group="structured")
    refused(runs, said, other.name, "put digits into other groups")


def test_mixed_rules_are_tables_apart(runs, said) -> None:
    runs.suite(ALL)
    runs.add(0.99, recipe__select="best_val", recipe__train_on="train")
    assert all(code == 0 for code, _ in said().values())
    found = [(line["select"], line["digits_mean"], line["mean_of_tasks_mean"]) for line in lines(runs)]
    assert found == [("best_val", "99.0", ""), ("last", "90.0", "62.5")]


def test_one_seed_has_no_interval_and_is_told(runs, said) -> None:
    runs.suite(ALL)
    found = said()
    assert "one seed on digits, letters, count, location; at least 3, better 5" in found["check-records"][1]
    (line,) = lines(runs)
    assert (line["seeds"], line["mean_of_tasks_mean"], line["mean_of_tasks_half_width"]) == ("0", "62.5", "")
    assert line["digits_half_width"] == ""


def test_other_task_sets_have_no_average(runs, said) -> None:
    runs.suite(ALL)
    runs.suite({"digits": 0.99, "letters": 0.99}, "part")
    assert "mini: part: lacks 2 of the 4 test sets" in said()["check-records"][1]
    means = {line["method"]: line["mean_of_tasks_mean"] for line in lines(runs)}
    assert means == {"lora": "62.5", "part": ""}


def test_an_empty_store_is_one_sentence(runs, said) -> None:
    for name, (code, text) in said().items():
        assert code == 2 and text.count("\n") == 1 and str(runs.root) in text and "make demo" in text, name


def test_a_store_of_bad_files_alone_is_not_called_empty_in_silence(runs, said) -> None:
    path = runs.add(0.5)
    path.write_text("{")
    for name, (code, text) in said().items():
        assert code == (1 if name == "check-records" else 2) and path.name in text, name


@pytest.mark.parametrize("row", [{"epoch": None}, {"epoch": 1, "val": "x"}, {}, 3, {"epoch": 10**400, "loss": 10**400}])
def test_odd_curves_do_not_make_it_stumble(runs, said, row) -> None:
    good = {"phase": "1", "epoch": 1, "loss": 0.5, "test": 0.5, "val": 0.5, "val_loss": 1.0}
    row = {**good, "epoch": None, **row} if isinstance(row, dict) else row
    runs.suite(ALL, "ssf")
    runs.add(0.5, fields={"curve": [good, row]})
    runs.add(0.5, "count", oracle=True, fields={"curve": [good, row]})
    assert {code for code, _ in said().values()} <= {0, 1}


@pytest.mark.parametrize("main", COMMANDS.values(), ids=COMMANDS)
def test_a_file_in_the_place_of_the_store_is_called_one(tmp_path, capsys, main) -> None:
    (tmp_path / "store").write_text("")
    assert main([str(tmp_path / "store")]) == 2
    assert f"{tmp_path / 'store'} is a file, expected a folder of records" in capsys.readouterr().err
