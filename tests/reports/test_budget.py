"""The expected best of n trials against brute force and hand-made figures."""

import csv
import io
from itertools import combinations, product
from statistics import fmean

import pytest

from visionpeft.benchmark.trial import Chosen, Trial, text, trial_file
from visionpeft.reports import budget

VALUES = [0.5, 0.9, 0.7, 0.7, 0.0]


@pytest.mark.parametrize("n", range(1, 6))
def test_without_replacement_is_the_mean_over_all_subsets(n):
    assert budget.best_of(VALUES, n) == pytest.approx(fmean(map(max, combinations(VALUES, n))))


@pytest.mark.parametrize("n", range(1, 6))
def test_with_replacement_is_the_mean_over_all_draws(n):
    assert budget.best_of_redrawn(VALUES, n) == pytest.approx(fmean(map(max, product(VALUES, repeat=n))))


def test_the_whole_budget_finds_the_best_and_one_trial_the_mean():
    assert budget.best_of(VALUES, 5) == 0.9
    assert budget.best_of(VALUES, 1) == budget.best_of_redrawn(VALUES, 1) == pytest.approx(0.56)
    assert budget.best_of_redrawn(VALUES, 5) < 0.9


@pytest.mark.parametrize("n", [0, 6])
def test_a_budget_that_was_not_run_is_refused(n):
    with pytest.raises(ValueError, match=f"best of {n} trials needs 1 to 5"):
        budget.best_of(VALUES, n)


def test_a_study_that_began_untuned_has_that_trial_in_every_budget():
    """0.6 is always tried; of 0.9 and 0.3 one is drawn for a budget of two, so it ends at 0.9 or 0.6."""
    told = {"task": {"suite": "mini", "name": "digits"}, "method": {"name": "lora"}}
    tried = [Trial(number, "ok", {}, 1e-3, accuracy, 1.0) for number, accuracy in enumerate([0.6, 0.9, 0.3])]
    begun = budget.curve("s", told | {"untuned_first": True}, tried, True)
    assert begun.without == pytest.approx((0.6, 0.75, 0.9))
    assert begun.with_replacement == pytest.approx((0.6, 0.75, 0.825))  # both draws are 0.3 in a quarter of cases
    assert budget.curve("s", told, tried, True).without == pytest.approx((0.6, 0.8, 0.9))  # of three pairs two have 0.9


def a_study(runs, accuracies, budget=3):
    place = runs / "tuning" / "s"
    (place / "trials").mkdir(parents=True)
    told = {"task": {"suite": "mini", "name": "digits"}, "method": {"name": "lora"}, "trials": budget}
    (place / "study.json").write_text(text(told))
    for number, accuracy in enumerate(accuracies):
        trial_file(place, number).write_text(text(Trial(number, "ok", {}, 1e-3, accuracy, 1.0)))
    return place


def test_the_command_writes_plain_values_and_shows_them(tmp_path, capsys):
    a_study(tmp_path, [0.5, 0.75])
    assert budget.main([str(tmp_path)]) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tuning" / "budget.csv").read_text())))
    assert [(row["n"], row["best"], row["best_with_replacement"]) for row in rows] == [
        ("1", "0.625000", "0.625000"),
        ("2", "0.750000", "0.687500"),
    ]
    assert (rows[0]["study"], rows[0]["task"], rows[0]["method"], rows[0]["complete"]) == (
        "s",
        "digits",
        "lora",
        "false",
    )
    assert capsys.readouterr().out.splitlines()[2:4] == [
        "study             n=1    n=2",
        "s (unfinished)  62.50  75.00",
    ]


@pytest.mark.parametrize(("spent", "complete"), [(None, False), (2, False), (3, True)])
def test_a_study_whose_budget_has_grown_is_at_its_end_when_all_of_it_has_chosen(tmp_path, spent, complete):
    """Two of two trials had chosen; with a budget of three it was killed before the third had."""
    place = a_study(tmp_path, [0.5, 0.75, 0.25][:spent], budget=3)
    if spent:
        (place / "chosen.json").write_text(text(Chosen("s", {}, 1, 0.75, 1.0, {"trials": spent}, {})))
    (found,) = budget.curves(tmp_path)
    assert found.complete is complete


def test_a_damaged_trial_is_named(tmp_path, capsys):
    trial_file(a_study(tmp_path, [0.5]), 0).write_text("{")
    assert budget.main([str(tmp_path)]) == 2
    assert "0000.json: not readable as JSON" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_said(tmp_path, capsys):
    a_study(tmp_path, [0.5])
    (tmp_path / "tuning" / "budget.csv").mkdir()
    assert budget.main([str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("no budget.csv: ") and not said.out


def test_the_file_is_replaced_when_it_is_finished_and_never_written_into(tmp_path):
    """A reader that has the earlier one open, here by another name of it, goes on reading that."""
    a_study(tmp_path, [0.5])
    path, earlier = tmp_path / "tuning" / "budget.csv", tmp_path / "earlier.csv"
    path.write_text("earlier\n")
    earlier.hardlink_to(path)
    assert budget.main([str(tmp_path)]) == 0
    assert earlier.read_text() == "earlier\n" and path.read_text().startswith("study,suite,task,method,")
    assert [one.name for one in path.parent.iterdir() if one.is_file()] == ["budget.csv"]


def test_a_store_without_studies_says_how_to_get_one(tmp_path, capsys):
    assert budget.main([str(tmp_path)]) == 0
    assert "make tune" in capsys.readouterr().err


def test_a_store_that_is_not_there_is_an_error(tmp_path, capsys):
    assert budget.main([str(tmp_path / "nope")]) == 2
    assert f"no folder {tmp_path / 'nope'}" in capsys.readouterr().err
