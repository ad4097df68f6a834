"""W&B and TensorBoard without a network: what is on disk afterwards; neither is imported unless asked for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from visionpeft.benchmark import tracking
from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.record import read, record_files

TINY = ["backbone=vit_pico", "backbone.weights=none", "backbone.model_args.depth=1", "backbone.model_args.embed_dim=8"]
SMALL = ["method=linear", "task=mini_digits", *TINY, "recipe=demo", "epochs=2", "warmup=0"]
ROW = "linear (recipe.epochs=2, recipe.warmup=0)"


class Events:
    """The event files of a run, read by TensorBoard's own reader."""

    def __init__(self, folder: Path) -> None:
        module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        self._found = module.EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
        self._found.Reload()

    def scalars(self, name: str) -> dict[int, float]:
        return {one.step: one.value for one in self._found.Scalars(name)}

    def text(self, name: str) -> str:
        return self._found.Tensors(f"{name}/text_summary")[-1].tensor_proto.string_val[0].decode()

    def hyperparameters(self) -> dict[str, object]:
        data = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2").HParamsPluginData
        content = self._found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
        found = data.FromString(content).session_start_info.hparams
        return {name: getattr(value, value.WhichOneof("kind")) for name, value in found.items()}


def records(root: Path) -> list:
    return [read(path) for path in record_files(root)]


@pytest.mark.filterwarnings("default")  # the back-ends' own
def test_several_runs_of_one_process_are_logged_in_full(folders, monkeypatch, offline_runs):
    monkeypatch.setattr(sys, "argv", ["visionpeft"])
    assert main(["-m", *SMALL, "seed=0,1", "wandb=offline", "tensorboard=true"]) == 0
    done = records(folders / "runs")
    logged = offline_runs(folders / "runs")
    assert len(done) == len(logged) == 2
    for seed, (record, sent) in enumerate(zip(done, logged, strict=True)):
        _is_in_wandb(record, sent, seed)
        _is_in_tensorboard(record, Events(folders / "runs" / "tensorboard" / "mini" / record.stem), seed)


def _is_in_wandb(record, sent, seed) -> None:
    run = sent["run"]
    assert (run.display_name, run.run_group, run.job_type) == (record.stem, f"mini/{ROW}", f"seed {seed}")
    assert {"digits", "mini", "linear", "vit_pico"} == set(run.tags)
    assert sent["config"]["recipe"] == record.run["recipe"] and sent["config"]["id"] == record.id
    assert [row["1 trainval/loss"] for row in sent["history"]] == pytest.approx([row["loss"] for row in record.curve])
    assert [row["1 trainval/epoch"] for row in sent["history"]] == [1, 2]
    assert sent["summary"]["accuracy/test"] == record.scores["test"]
    assert sent["summary"]["cost/seconds_train"] == record.cost["seconds_train"]
    assert sent["summary"]["params/trainable"] == 8 * 10 + 10 and sent["exit"] == 0


def _is_in_tensorboard(record, events: Events, seed) -> None:
    for name in ("loss", "lr"):
        expected = {row["epoch"]: row[name] for row in record.curve}
        assert events.scalars(f"1_trainval/{name}") == pytest.approx(expected)
    assert events.scalars("accuracy/test") == pytest.approx({0: record.scores["test"]})
    assert events.scalars("cost/seconds_train") == pytest.approx({0: record.cost["seconds_train"]})
    assert json.loads(events.text("config").strip("`").removeprefix("json"))["data"] == record.run["data"]
    found = events.hyperparameters()
    assert (found["seed"], found["recipe.lr"], found["method.name"]) == (seed, 3e-3, "linear")
    others = {name for name in found if not name.startswith(("recipe.", "method.fields."))}
    assert others == {"method.name", "task.name", "task.suite", "backbone.name", "seed", "label"}
    assert events.text("status") == "ok"


@pytest.mark.filterwarnings("default")
def test_validation_accuracy_has_a_curve_and_a_failure_is_one(folders, monkeypatch, offline_runs):
    monkeypatch.setattr(sys, "argv", ["visionpeft"])
    logs = ["wandb=offline", "tensorboard=true"]
    assert main([*SMALL, "select=best_val", "train_on=train", *logs]) == 0
    assert main([*SMALL, "lr=1e30", *logs]) == 1
    good, bad = offline_runs(folders / "runs")
    record = next(one for one in records(folders / "runs") if one.status == "ok")
    curve = {row["epoch"]: row["val"] for row in record.curve}
    assert [row["1 train/val"] for row in good["history"]] == list(curve.values())
    events = folders / "runs" / "tensorboard" / "mini"
    assert Events(events / record.stem).scalars("1_train/val") == pytest.approx(curve)
    assert bad["summary"]["status"] == "diverged" and bad["exit"] == 1 and "loss is" in bad["summary"]["error"]
    assert Events(events / bad["run"].display_name).text("status") == "diverged"


def test_a_sweep_on_joblib_s_processes_is_logged_by_each(folders, offline_runs):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    command = [sys.executable, "-m", "visionpeft.benchmark", "-m", *launcher, *SMALL, "lr=3e-3,1e30"]
    done = subprocess.run([*command, "wandb=offline", "tensorboard=true"], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "error: a run failed, see above; the others went on" in done.stderr
    found = {one.stem: one.status for one in records(folders / "runs")}
    assert sorted(found.values()) == ["diverged", "ok"]
    logged = {one["run"].display_name: one for one in offline_runs(folders / "runs")}
    assert {stem: one["summary"]["status"] for stem, one in logged.items()} == found
    events = [list((folders / "runs" / "tensorboard" / "mini" / stem).iterdir()) for stem in found]
    processes = [{path.name.split(".")[-2] for path in files} for files in events]
    assert len(processes[0]) == len(processes[1]) == 1 and processes[0] != processes[1]


def test_without_joblib_s_launcher_the_command_says_what_to_do(folders, monkeypatch, capsys):
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    monkeypatch.setattr(sys, "argv", ["visionpeft"])
    Plugins.instance()  # puts what is installed into the store
    launchers = ConfigStore.instance().repo["hydra"]["launcher"]
    monkeypatch.setattr("hydra.core.plugins.Plugins.discover", lambda *_: [])  # as if it were not installed
    monkeypatch.delitem(launchers, "joblib.yaml", raising=False)
    assert main(["-m", *SMALL, "seed=0,1", "hydra/launcher=joblib"]) == 2
    error = capsys.readouterr().err
    assert "pip install 'visionpeft[joblib]'; or give the command twice" in error and "Traceback" not in error


def test_nothing_is_imported_that_is_not_switched_on(folders, monkeypatch, capsys):
    for name in ("wandb", "tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    monkeypatch.setattr(sys, "argv", ["visionpeft"])
    assert main(SMALL) == 0
    assert main([*SMALL, "seed=1", "wandb=offline"]) == 2
    assert "pip install 'visionpeft[wandb]'" in capsys.readouterr().err
    assert main([*SMALL, "seed=1", "tensorboard=true"]) == 2
    assert "pip install 'visionpeft[tensorboard]'" in capsys.readouterr().err
    assert len(records(folders / "runs")) == 1


@pytest.mark.filterwarnings("default")
def test_without_a_key_nothing_starts(folders, monkeypatch):
    pytest.importorskip("wandb")
    code = "import sys; from visionpeft.benchmark.__main__ import main; sys.exit(main(sys.argv[1:]))"
    monkeypatch.setenv("HOME", str(folders / "home"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    command = [sys.executable, "-c", code, *SMALL, "wandb=online"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "error: wandb: No API key" in done.stderr and "WANDB=offline" in done.stderr
    assert not (folders / "runs" / "mini").exists()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("name", "value"), [("mode", "onlin"), ("base_url", "https://someone:secret@wandb.ai/x?q")], ids=["mode", "url"]
)
def test_a_wrong_setting_of_its_own_is_said_without_its_value_before_anything_starts(folders, name, value):
    pytest.importorskip("wandb")
    code = "import sys; from visionpeft.benchmark.__main__ import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *SMALL, "wandb=offline"]
    environment = {**os.environ, f"WANDB_{name.upper()}": value}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    said = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2 and said == f"error: wandb's own settings, from WANDB_* variables, are wrong: {name}"
    assert "Traceback" not in done.stderr and value not in done.stderr and not (folders / "runs" / "mini").exists()


def test_a_log_whose_end_fails_is_closed_once_and_remarked_once():
    remarks, closed = [], []

    class Stuck:
        def close(self, failed):
            closed.append(failed)
            raise OSError("no space")

    with tracking.Tracker([("W&B", Stuck), ("TensorBoard", Stuck)], remarks.append):
        pass
    assert closed == [False, False]
    assert remarks == [f"{name} failed (OSError: no space); the run is kept" for name in ("W&B", "TensorBoard")]


def test_epochs_of_an_earlier_attempt_are_told_at_the_end_once(tmp_path):
    told = []

    class Listening:
        def epoch(self, phase, epoch, values):
            told.append((phase, epoch, values))

        def finish(self, summary):
            told.append(summary)

        def close(self, failed):
            told.append(failed)

    tracker = tracking.Tracker([("W&B", Listening)], told.append)
    curve = [
        {"phase": "1 train", "epoch": 1, "loss": 2.0, "lr": 0.1},
        {"phase": "2 trainval", "epoch": 1, "loss": 1.0, "lr": 0.1, "test": 0.5},
    ]

    class Ended:
        status, error, scores, params = "oom", "no room", {}, {"merged_total": None}
        cost = {"phases": [], "seconds_train": 1.5}

    Ended.curve = curve
    with tracker:
        tracker.epoch({**curve[1], "epochs": 1})
        tracker.finish(Ended)
    first, missed, summary, failed = told
    assert first == ("2 trainval", 1, {"loss": 1.0, "lr": 0.1}) and missed[:2] == ("1 train", 1)
    assert summary == {"status": "oom", "error": "no room", "cost/seconds_train": 1.5} and failed


def test_a_log_that_fails_is_remarked_once_and_dropped_and_the_others_go_on(tmp_path):
    remarks, told = [], []

    class Failing:
        def epoch(self, *_):
            raise OSError("no space")

        def finish(self, _):
            raise AssertionError("it was dropped")

        def close(self, failed):
            raise OSError("no space either")

    class Listening:
        def epoch(self, phase, epoch, values):
            told.append(epoch)

        def finish(self, summary):
            raise RuntimeError("not reached")

        def close(self, failed):
            told.append("closed")

    def shut():
        raise PermissionError("not yours")

    logs = [("W&B", Failing), ("a service", shut), ("TensorBoard", Listening)]
    tracker = tracking.Tracker(logs, remarks.append)

    class Ended:
        status, error, scores, params, cost, curve = "ok", "", {}, {}, {}, []

    with tracker:
        tracker.epoch({"phase": "1 train", "epoch": 1, "loss": 2.0})
        tracker.epoch({"phase": "1 train", "epoch": 2, "loss": 1.0})
        tracker.finish(Ended)
    assert told == [1, 2, "closed"]
    assert remarks == [
        "a service failed (PermissionError: not yours); the run is kept",
        "W&B failed (OSError: no space); the run is kept",
        "TensorBoard failed (RuntimeError: not reached); the run is kept",
    ]
