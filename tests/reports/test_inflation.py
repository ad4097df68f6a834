"""What other rules would have said, on records made by hand and on the released runs of others."""

from __future__ import annotations

import csv
from collections import defaultdict

import numpy as np
import pytest

from visionpeft.reports import inflation, leaderboard
from visionpeft.reports.build import tables
from visionpeft.reports.copied import figures
from visionpeft.reports.inflation import OVERALL, added, inflations, values
from visionpeft.reports.reading import load


def curve(*accuracies: float) -> dict:
    """The fields of a record whose final fit scored so, after a first phase that was not looked at."""
    rows = [{"phase": "1 train", "epoch": 1, "loss": 1.0}]
    rows += [{"phase": "2 trainval", "epoch": i, "loss": 1.0, "test": a} for i, a in enumerate(accuracies, 1)]
    return {"fields": {"curve": rows}, "oracle": True}


def made(runs):
    (table,) = tables(load(runs.root)[0])
    return table


def test_the_oracle_by_hand(runs) -> None:
    """Digits: +2 and +4 points; letters: 0 and +1. Means of tasks by seed: +1 and +2.5."""
    runs.add(0.90, "digits", seed=0, **curve(0.92, 0.90))
    runs.add(0.90, "digits", seed=1, **curve(0.94, 0.90))
    runs.add(0.80, "letters", seed=0, **curve(0.70, 0.80))
    runs.add(0.80, "letters", seed=1, **curve(0.81, 0.80))
    found = {one.over: one for one in inflations(made(runs)) if one.rule.name == "oracle"}
    digits, mean = found["digits"], found[OVERALL]
    assert (digits.honest, digits.chosen, digits.added.value) == pytest.approx((90, 93, 3))
    assert digits.added.half_width == pytest.approx(12.7062, abs=1e-4)  # t(1) times the standard error, 1
    assert (mean.honest, mean.chosen, mean.added.value) == pytest.approx((85, 86.75, 1.75))
    assert (mean.seeds, mean.added.tasks) == ((0, 1), 2) and mean.added.half_width > 0


def test_only_runs_with_curves_are_in_it(runs) -> None:
    runs.add(0.5, "digits", seed=0, **curve(0.7, 0.5))
    runs.add(0.9, "digits", seed=1)
    runs.add(0.4, "digits", label="ssf")
    (line,) = values(made(runs))
    assert (line["method"], line["seeds"], line["honest"], line["chosen"], line["added"]) == ("lora", 1, 50, 70, 20)
    assert line["half_width"] is None and (line["rule"], line["looks_at_test"]) == ("oracle", True)


def test_page_and_csv_are_of_one_computation(runs, monkeypatch) -> None:
    runs.add(0.5, **curve(0.7, 0.5))
    runs.add(0.5, backbone__img_size=64, **curve(0.7, 0.5))
    seen, whole = [], inflation.inflations
    monkeypatch.setattr(inflation, "inflations", lambda table: seen.append(table) or whole(table))
    made, _, _ = leaderboard.write(runs.root)
    assert seen == made and len(seen) == 2


def test_without_such_curves_there_is_nothing(runs) -> None:
    runs.add(0.5)
    assert values(made(runs)) == [] and inflation.text([made(runs)], [[]]) == ""
    leaderboard.write(runs.root)
    assert "Diagnostic" not in (runs.root / "leaderboard.md").read_text()
    assert not (runs.root / "leaderboard_inflation.csv").exists()


def test_it_is_labelled_and_moves_no_cell(runs) -> None:
    runs.add(0.5, **curve(0.7, 0.5))
    leaderboard.write(runs.root)
    text = (runs.root / "leaderboard.md").read_text()
    honest, _, diagnostic = text.partition("### Diagnostic, no result")
    assert "50.0" in honest and "70.0" not in honest
    assert "| lora | digits | 1 | 50.00 | best test epoch | 70.00 | +20.00 |" in diagnostic
    with (runs.root / "leaderboard_inflation.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["table"], line["rule"], line["over"], line["added"]) == ("1", "oracle", "digits", "20.0")


def test_long_curves_are_looked_at_whole(runs, monkeypatch) -> None:
    monkeypatch.setattr("visionpeft.reports.reading.POINTS", 10)
    runs.add(0.5, **curve(*[0.5] * 47, 0.9, *[0.5] * 152))
    assert values(made(runs))[0]["chosen"] == 90


def test_the_released_runs_of_others_give_their_known_inflation() -> None:
    """304 runs (Mai et al., CVPR 2025): last against best of 100 test epochs, mean of 19 tasks, one seed."""
    rows = [row for row in figures("osu_vtab1k_runs") if row["task"] != "cifar100_augmented"]  # a 20th, not VTAB's
    scores = defaultdict(list)
    for row in rows:
        pair = float(row["accuracy_last_epoch"]), float(row["accuracy_best_test_epoch"])
        scores[row["method"]].append(pair)
    found = {}
    for method, pairs in scores.items():
        honest, chosen = np.array(pairs).T
        one = added(honest[None], chosen[None])
        assert one.half_width is None and one.tasks == 19
        found[method] = round(one.value, 2)
    assert len(rows) == 304
    assert (found["full"], found["vpt_deep"], found["linear"]) == (7.43, 1.51, 0.29)
    others = {value for method, value in found.items() if method not in ("full", "vpt_deep", "linear")}
    assert (min(others), max(others)) == (0.43, 0.86)
