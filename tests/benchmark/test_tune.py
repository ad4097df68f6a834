"""Tuning: an equal budget that is shared and resumed exactly, on images that are not tested on."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("optuna", reason="optuna is not installed")

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.record import read, record_files
from visionpeft.benchmark.run import execute
from visionpeft.benchmark.store import Store
from visionpeft.benchmark.trial import CHOSEN, TIE, Trial, best, read_trials
from visionpeft.data.mini import Rendered

SMALL = [
    "method=linear",
    "task=mini_creatures",
    "backbone=vit_pico",
    "img_size=16",
    "recipe=demo",
    "epochs=2",
    "warmup=0",
]
SMALL += ["backbone.model_args.depth=1", "backbone.weights=none"]
NAME = "mini_creatures--linear--vit_pico--demo"


@pytest.fixture
def command(folders, monkeypatch):
    """Run a command; whatever opens a test split during `tune` fails it."""
    monkeypatch.setattr("visionpeft.benchmark.run.throughput", lambda *_: 1.0)
    split = Rendered.split

    def run(*argv: str) -> int:
        def spied(self, root, name):
            assert argv[0] != "tune" or name != "test", "a trial opened the test images"
            return split(self, root, name)

        monkeypatch.setattr(Rendered, "split", spied)
        monkeypatch.setattr(sys, "argv", ["visionpeft"])
        return main(list(argv))

    return run


def trials(folders, name=NAME):
    return read_trials(folders / "runs" / "tuning" / name)


def test_a_study_then_final_runs_with_what_it_chose(command, folders, capsys):
    assert command("tune", *SMALL, "trials=3") == 0
    found = trials(folders)
    assert [trial.number for trial in found] == [0, 1, 2] and {trial.status for trial in found} == {"ok"}
    assert not list(record_files(folders / "runs"))  # none that a leaderboard would read
    (chosen,) = (json.loads(path.read_text()) for path in folders.glob(f"runs/tuning/*/{CHOSEN}"))
    assert chosen["trial"] == best(found).number
    record = read(next(folders.glob(f"runs/tuning/{NAME}/mini/{found[0].runs[0]}.json")))
    assert set(record.scores) == set(record.losses) == {"val"} and not record.predictions
    assert record.run["recipe"]["train_on"] == "train" and "test" not in record.run["data"]["splits"]
    assert (record.scores["val"], record.losses["val"]) == (found[0].accuracy, found[0].loss)
    said = capsys.readouterr().err
    assert "trial 1, val " in said and "2 left, about " in said and "chose trial " in said

    assert command(*SMALL, "per_task=tuned") == command(*SMALL) == 0
    tuned, plain = sorted((read(path) for path in record_files(folders / "runs")), key=lambda r: "tuned" not in r.run)
    assert "tuned, 3 trials" in tuned.label and "tuned" not in plain.label and "tuned" not in plain.run
    assert tuned.run["recipe"]["lr"] == chosen["settings"]["recipe.lr"]
    assert tuned.run["recipe"]["train_on"] == "trainval" and set(tuned.scores) == {"test"}
    budget = tuned.run["tuned"]
    assert budget["study"] == NAME and budget["tie"] == TIE and set(budget["splits"]) == {"train", "val"}
    facts = [budget[name] for name in ("trials", "sampler", "seed", "pruner", "folds")]
    assert facts == [3, "tpe", 0, "none", 1] and len(budget["space"]) == 10
    for word, message in {
        "trials=4": "had 3 trials, this asks for 4; leave trials out, or tune on: python -m visionpeft.benchmark tune",
        "trials=2": "had 3 trials, this asks for 2; leave trials out, or tune with fewer under another name, study=",
        "lr=1": "leave it out",
        "epochs=3": "epochs was 2",
    }.items():
        assert command(*SMALL, word, "per_task=tuned") == 2
        assert message in capsys.readouterr().err


def settings(found):
    return [(trial.settings, trial.accuracy, trial.loss) for trial in found]


def test_a_dry_run_leaves_nothing(command, folders, capsys):
    assert command("tune", *SMALL, "trials=3", "dry=true") == 0
    assert NAME in capsys.readouterr().out
    assert not (folders / "runs").exists()


def test_an_interrupted_study_goes_on_as_if_it_had_not_been(command, folders, monkeypatch):
    assert command("tune", *SMALL, "trials=4") == 0
    whole = settings(trials(folders))
    monkeypatch.setenv("VISIONPEFT_RUNS", str(folders / "again" / "runs"))
    assert command("tune", *SMALL, "trials=2") == 0
    assert command("tune", *SMALL, "trials=4") == 0
    assert settings(trials(folders / "again")) == whole
    assert command("tune", *SMALL, "trials=4") == 0  # nothing left to do
    assert settings(trials(folders / "again")) == whole


@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_other_samplers(command, folders, sampler):
    assert command("tune", *SMALL, "trials=3", f"sampler={sampler}", "space.recipe.lr.log=[1e-4,1e-3]") == 0
    assert len({json.dumps(trial.settings) for trial in trials(folders)}) == 3


def test_a_study_begins_with_the_untuned_settings(command, folders):
    assert command("tune", *SMALL, "trials=2") == 0
    untuned, drawn = trials(folders)
    assert untuned.settings == {"recipe.lr": 3e-3, "recipe.weight_decay": 1e-4} != drawn.settings
    assert command("tune", *SMALL, "trials=1", "lr=0.01", "study=of_another_rate") == 0
    assert trials(folders, "of_another_rate")[0].settings["recipe.lr"] == 0.01
    assert command(*SMALL, "per_task=tuned") == 0
    (record,) = (read(path) for path in record_files(folders / "runs"))
    assert record.run["tuned"]["untuned_first"] is True and record.label.endswith("tuned, 2 trials)")


DRAWN = {
    "asked for": ["untuned_first=false"],
    "the space does not hold them": ["space.recipe.lr.log=[1e-2,1e-1]"],
}


@pytest.mark.parametrize("case", DRAWN)
def test_a_study_whose_trials_are_all_drawn_says_so(command, folders, capsys, case):
    assert command("tune", *SMALL, "trials=1", *DRAWN[case]) == 0
    note = "draws all trials: its space does not hold the untuned recipe.lr=0.003"
    assert (note in capsys.readouterr().err) == (case != "asked for")
    (trial,) = trials(folders)
    assert trial.settings["recipe.lr"] != 3e-3
    assert command(*SMALL, "per_task=tuned") == 0
    (record,) = (read(path) for path in record_files(folders / "runs"))
    assert record.run["tuned"]["untuned_first"] is False and record.label.endswith("tuned, 1 trials, all drawn)")


def test_a_study_of_before_goes_on_as_it_was_begun(command, folders, capsys):
    """It was not told how it begins, and its trials were all drawn."""
    assert command("tune", *SMALL, "trials=1", "untuned_first=false") == 0
    path = folders / "runs" / "tuning" / NAME / "study.json"
    told = json.loads(path.read_text())
    del told["untuned_first"], told["budget"]["untuned_first"]
    path.write_text(json.dumps(told))
    assert command("tune", *SMALL, "trials=2") == 1
    assert "untuned_first was False and is True" in capsys.readouterr().err
    assert command("tune", *SMALL, "trials=2", "untuned_first=false") == 0
    assert len(trials(folders)) == 2


def test_folds_average_over_all_that_may_be_learnt_from(command, folders):
    assert command("tune", *SMALL, "trials=1", "folds=3") == 0
    (trial,) = trials(folders)
    records = [read(folders / "runs" / "tuning" / NAME / "mini" / f"{stem}.json") for stem in trial.runs]
    assert [record.run["data"]["splits"]["val"]["size"] for record in records] == [334, 333, 333]
    assert trial.accuracy == pytest.approx(sum(record.scores["val"] for record in records) / 3)


def test_halving_records_epochs_and_stops_what_falls_behind(command, folders):
    halved = ["trials=5", "pruner=halving", "sampler=random", "space.recipe.lr.log=[1e-6,1.0]", "epochs=4"]
    assert command("tune", *SMALL, *halved) == 0
    found = trials(folders)
    assert {trial.status for trial in found} == {"ok", "pruned"}
    assert all(len(trial.seen) == 4 for trial in found if trial.status == "ok")
    assert all(0 < len(trial.seen) < 4 and not trial.runs for trial in found if trial.status == "pruned")
    assert best(found).status == "ok"


def test_halving_stops_no_trial_that_has_been_trained_to_its_end(command, folders):
    """Of two epochs the second is the last: there the worse half would be stopped, with nothing saved by it."""
    halved = ["trials=4", "pruner=halving", "sampler=random", "space.recipe.lr.log=[1e-6,1.0]", "epochs=2"]
    assert command("tune", *SMALL, *halved) == 0
    found = trials(folders)
    assert all((trial.status == "ok") == (len(trial.seen) == 2) for trial in found)
    assert {len(trial.seen) for trial in found} == {1, 2}


def test_a_trial_that_diverges_counts_as_the_worst(command, folders):
    """A rate of 1e37 leaves no finite loss."""
    assert command("tune", *SMALL, "trials=2", "space.recipe.lr.log=[1e37,1e38]") == 1
    assert [(trial.status, trial.accuracy) for trial in trials(folders)] == [("diverged", 0.0)] * 2


REFUSED = {
    "no trials": (["trials=0"], "trials must be above 0, got 0"),
    "no budget": ([], "trials must be given, the same number for every method"),
    "no space": (["trials=1", "~space"], "declares no space to tune in"),
    "unknown field": (["trials=1", "+space.recipe.rl=[1]"], "space.recipe.rl: recipe has no such field"),
    "empty range": (["trials=1", "space.recipe.lr.log=[1,1]"], "is an empty range"),
    "small grid": (["trials=999", "sampler=grid"], "the grid has 28 points"),
    "folds and pruner": (["trials=1", "folds=2", "pruner=halving"], "judges one run"),
    "settings twice": (["trials=1", "per_task=published"], "chosen already"),
    "odd name": (["trials=1", "study=../up"], "becomes the name of a folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_tuned_is_refused_before_anything_runs(command, folders, capsys, case):
    words, message = REFUSED[case]
    assert command("tune", *SMALL, *words) == 2
    assert message in capsys.readouterr().err
    assert not (folders / "runs" / "tuning").exists()


def test_another_space_under_the_same_name_is_refused(command, folders, capsys):
    assert command("tune", *SMALL, "trials=1") == 0
    assert command("tune", *SMALL, "trials=1", "space.recipe.lr.log=[1e-3,1e-1]") == 1
    said = capsys.readouterr().err
    assert "space.recipe.lr.log was [0.0001, 0.1] and is [0.001, 0.1]" in said and "study=..." in said
    assert command("tune", *SMALL, "trials=1", "space.recipe.lr.log=[1e-3,1e-1]", "study=other") == 0
    assert command(*SMALL, "trials=1") == 2
    assert "are for the command tune" in capsys.readouterr().err


def test_a_missing_study_is_named_with_the_command_that_makes_it(command, folders, capsys):
    assert command(*SMALL, "per_task=tuned") == 2
    assert f"no study {NAME}" in (said := capsys.readouterr().err)
    assert "python -m visionpeft.benchmark tune trials=32 method=linear task=mini_creatures" in said


def test_ties_go_to_the_lower_loss_then_the_smaller_rate_then_the_earlier_trial():
    def trial(number, accuracy, loss, lr, status="ok"):
        return Trial(number, status, {}, lr, accuracy, loss)

    assert best([trial(0, 0.8, 1.0, 1.0), trial(1, 0.9, 2.0, 1.0)]).number == 1
    assert best([trial(0, 0.9, 1.1, 0.1), trial(1, 0.9, 1.0, 1.0)]).number == 1
    assert best([trial(0, 0.9, 1.0, 1.0), trial(1, 0.9, 1.0, 0.1)]).number == 1
    assert best([trial(1, 0.9, 1.0, 1.0), trial(0, 0.9, 1.0, 1.0)]).number == 0
    assert best([trial(0, 0.99, None, 1.0, "pruned"), trial(1, 0.1, 1.0, 1.0)]).number == 1
    assert best([trial(0, 0.0, None, 1.0, "diverged")]) is None


def test_a_trial_is_claimed_so_that_twins_do_not_train_the_same_settings(command, folders, monkeypatch):
    seen = []

    def spied(planned, options, *rest):
        with Store(options.runs).claim(planned.stem) as mine:
            seen.append(mine)
        return execute(planned, options, *rest)

    monkeypatch.setattr("visionpeft.benchmark.tune.execute", spied)
    assert command("tune", *SMALL, "trials=1") == 0
    assert seen == [False]


def test_two_workers_one_of_them_killed_spend_the_budget_exactly(folders):
    """The killed one's trial is run again by the other; nothing is counted twice, nothing is left open."""
    argv = [sys.executable, "-m", "visionpeft.benchmark", "tune", *SMALL, "trials=6"]
    start = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
             for _ in range(2)]  # fmt: skip
    deadline = time.monotonic() + 200
    while not list(folders.glob("runs/tuning/*/trials/*.json")) and time.monotonic() < deadline:
        assert start[1].poll() is None, start[1].communicate()
        time.sleep(0.05)
    os.kill(start[0].pid, signal.SIGKILL)
    start[0].communicate()
    _, said = start[1].communicate(timeout=300)
    assert start[1].returncode == 0, said
    assert [trial.number for trial in trials(folders)] == list(range(6))
    import optuna
    from optuna.storages.journal import JournalFileBackend

    backend = JournalFileBackend(str(folders / "runs" / "tuning" / NAME / "journal.log"))
    study = optuna.load_study(study_name=NAME, storage=optuna.storages.JournalStorage(backend))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 6
