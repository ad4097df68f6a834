"""The command `figures`, and charts as files."""

import csv

import pytest
from PIL import Image

from visionpeft.benchmark.trial import Trial, text, trial_file
from visionpeft.reports.figures import main

LAYERS = {
    f"blocks.{i}.{kind}": {"A": {"L": 40, "V": 10, "N": 0}, "D": {"V": 10, "N": 0}}
    for i in range(2)
    for kind in ("qkv", "fc1")
}


def searched(runs, label: str = "glora", **changes):
    noted = {"winner": 1, "config": ["LV-LV-NN-NN", "VV-LV-NV-LN"], "generation": [0, 1], "layers": LAYERS}
    return runs.add(label=label, fields={"notes": {"search": noted}}, **changes)


def test_pictures_and_the_rows_behind_them(runs, capsys):
    searched(runs)
    searched(runs, task="count", seed=1)
    assert main([str(runs.root), "--method", "glora"]) == 0
    written = {path.name for path in (runs.root / "figures").iterdir()}
    charts = ("choices", "entropies", "sizes", "places")
    assert written == {f"glora_{chart}.{end}" for chart in charts for end in ("png", "svg", "pdf", "csv")}
    assert len(capsys.readouterr().out.split()) == 16
    with Image.open(runs.root / "figures" / "glora_sizes.png") as image:
        assert min(image.size) > 300
    svg = (runs.root / "figures" / "glora_choices.svg").read_text()
    assert "glora on vit_pico at 32 px. searches: 2, tasks: 2, seeds: 2" in svg and "fc1" in svg
    with (runs.root / "figures" / "glora_sizes.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["layer"], first["group"], first["params"], first["drawn"]) == ("qkv", "natural", "15.0", "25.0")


def test_of_a_choice_of_settings(runs, tmp_path, capsys):
    searched(runs)
    searched(runs, recipe__epochs=5, seed=1)
    searched(runs, label="other")
    assert main([str(runs.root), "--method", "glora"]) == 2
    assert (
        "1 x glora on vit_pico at 32 px, epochs=5" in capsys.readouterr().err and not (runs.root / "figures").exists()
    )
    assert main([str(runs.root), "--method", "glora", "--setting", "epochs=5", "--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 16


@pytest.mark.parametrize(
    ("absent", "message"),
    [("runs", "it appears with the first run"), ("altair", "drawing needs altair; pip install 'visionpeft[figures]'")],
)
def test_what_is_missing_is_said(runs, monkeypatch, capsys, absent, message):
    if absent == "altair":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == absent else object())
    root = runs.root / "none" if absent == "runs" else runs.root
    assert main([str(root), "--method", "glora"]) == 2
    assert message in capsys.readouterr().err


def test_without_a_search(runs, capsys):
    runs.add()
    assert main([str(runs.root), "--method", "lora"]) == 2
    assert f"no figures of lora from {runs.root}: no record of a search" in capsys.readouterr().err


def test_charts_of_the_leaderboard(runs, capsys):
    for label, scores in {"a": (0.9, 0.8, 0.5, 0.3), "b": (0.8, 0.7, 0.6, 0.2)}.items():
        runs.suite(dict(zip(("digits", "letters", "count", "location"), scores, strict=True)), label=label)
    assert main([str(runs.root)]) == 0
    files = capsys.readouterr().out.split()
    names = {file.rpartition("/")[2].rpartition(".")[0] for file in files}
    assert {"mini-differences", "mini-tasks", "mini-groups"} <= names and len(files) == 4 * len(names)
    with (runs.root / "figures" / "mini-tasks.csv").open(newline="") as file:
        found = {row["column"]: float(row["value"]) for row in csv.DictReader(file) if row["method"] == "b"}
    assert found == pytest.approx({"digits": -10, "letters": -10, "count": 10, "location": -10})
    assert (runs.root / "figures" / "mini-tasks.pdf").read_bytes().startswith(b"%PDF")
    assert main([str(runs.root), "--reference", "c"]) == 2
    assert "no row 'c' to compare with; there are a, b" in capsys.readouterr().err


def test_what_other_rules_add_and_what_tuning_buys(runs, capsys):
    for seed in (0, 1):
        curve = [{"phase": "1 trainval", "epoch": e, "loss": 1.0, "test": 0.5 + 0.1 * (e == 1)} for e in (1, 2)]
        runs.add(0.5, seed=seed, oracle=True, fields={"curve": curve})
    place = runs.root / "tuning" / "s"
    (place / "trials").mkdir(parents=True)
    (place / "study.json").write_text(text({"task": {"suite": "mini", "name": "digits"}, "method": {"name": "lora"}}))
    for number, accuracy in enumerate((0.5, 0.75, 0.25)):
        trial_file(place, number).write_text(text(Trial(number, "ok", {}, 1e-3, accuracy, 1.0)))
    assert main([str(runs.root)]) == 0
    (best,) = rows(runs, "mini-inflation")
    assert (best["rule"], best["over"], best["seeds"]) == ("best test epoch", "digits", "2")
    assert float(best["value"]) == pytest.approx(10) and best["half"] == ""  # the same with both seeds
    bought = rows(runs, "mini-budget")
    assert [(row["n"], row["method"], row["set"]) for row in bought] == [
        (n, "lora (unfinished)", "digits") for n in ("1", "2", "3")
    ]
    assert [float(row["value"]) for row in bought] == pytest.approx([50, 200 / 3, 75], abs=1e-4)
    assert (runs.root / "figures" / "mini-budget.svg").read_text().count(">lora (unfinished)<") == 1  # in one legend
    (place / "study.json").write_text("{")
    assert main([str(runs.root)]) == 2
    assert "study.json: not readable as JSON" in capsys.readouterr().err


def test_training_curves_are_means_over_seeds_and_phases_follow_each_other(runs) -> None:
    for seed, losses in enumerate(([2.0, 1.0, 0.5], [4.0, 2.0, 1.0])):
        named = [("1 train", 1), ("1 train", 2), ("2 trainval", 1)]
        curve = [{"phase": p, "epoch": e, "loss": loss} for (p, e), loss in zip(named, losses, strict=True)]
        runs.add(0.5, seed=seed, fields={"curve": curve})
    assert main([str(runs.root)]) == 0
    found = [(row["method"], row["set"], float(row["epoch"]), float(row["value"])) for row in rows(runs, "mini-loss")]
    assert found == [("lora", "digits", 1, 3), ("lora", "digits", 2, 1.5), ("lora", "digits", 3, 0.75)]


def rows(runs, name: str) -> list[dict[str, str]]:
    with (runs.root / "figures" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))
