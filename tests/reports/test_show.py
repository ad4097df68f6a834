from __future__ import annotations

import pytest

from visionpeft.reports import leaderboard
from visionpeft.reports.show import main

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}


@pytest.mark.parametrize(("form", "file"), [("md", "leaderboard.md"), ("csv", "leaderboard.csv")])
def test_what_is_shown_is_what_the_leaderboard_writes(runs, capsys, form: str, file: str) -> None:
    runs.suite(ALL)
    leaderboard.write(runs.root)
    assert main([str(runs.root), "--format", form]) == 0
    assert capsys.readouterr() == ((runs.root / file).read_text(), "")


def test_latex_to_input_or_as_a_document(runs, capsys) -> None:
    runs.suite(ALL)
    assert main([str(runs.root), "--format", "latex"]) == 0
    assert capsys.readouterr().out.startswith(
        "% needs \\usepackage{booktabs,graphicx}\n% digits (rendered): train 800 "
    )
    assert main([str(runs.root), "--format", "latex", "--standalone"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("\\documentclass") and out.endswith("\\end{document}\n")


def test_one_suite(runs, capsys) -> None:
    runs.add(0.5)
    runs.add(0.75, task__suite="other")
    assert main([str(runs.root), "--suite", "other"]) == 0
    out = capsys.readouterr().out
    assert "## other on" in out and "## mini on" not in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "word"], "no format word; choose one of csv, latex, md"),
        (["--suite", "vtab"], "no records of suite vtab in "),
        (["--standalone"], "a document of its own is for --format latex; given md"),
    ],
)
def test_a_mistake_is_one_sentence(runs, capsys, options: list[str], said: str) -> None:
    runs.add(0.5)
    assert main([str(runs.root), *options]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(said) and err.count("\n") == 1


def test_nothing_to_show_is_one_sentence(runs, capsys) -> None:
    assert main([str(runs.root), "--format", "latex"]) == 2
    assert capsys.readouterr().err.startswith(f"no records to tabulate in {runs.root}")
    assert main([str(runs.root / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("no folder")


def test_what_cannot_be_averaged_keeps_no_other_table_away(runs, capsys) -> None:
    runs.add(0.5)
    runs.add(0.9, seed=1, recipe__lr=9.0)
    assert main([str(runs.root)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("not counted: a table: ")
    runs.add(0.7, backbone__img_size=64)
    assert main([str(runs.root)]) == 2
    assert "70.0" in capsys.readouterr().out
