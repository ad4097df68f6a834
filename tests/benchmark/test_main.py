"""The command line as a user meets it: what runs, what is skipped, what is refused and how."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.overrides import CONF
from visionpeft.benchmark.record import read, record_files

SMALL = ["backbone=vit_pico", "img_size=16", "recipe=demo", "epochs=1", "warmup=0"]
RUN = ["method=linear", "task=mini_digits", *SMALL]


@pytest.fixture
def command(folders, monkeypatch):
    def run(*argv: str) -> int:
        monkeypatch.setattr(sys, "argv", ["visionpeft"])
        return main(list(argv))

    return run


def records(folder: Path):
    return [read(path) for path in record_files(folder / "runs")]


def test_a_run_leaves_one_record_and_is_not_done_twice(command, folders, capsys):
    assert command(*RUN) == 0
    (record,) = records(folders)
    assert record.run["recipe"]["epochs"] == 1
    assert record.label == "linear (recipe.epochs=1, recipe.warmup=0)"
    assert record.params["trainable"] == record.params["head"] == 128 * 10 + 10
    assert record.run["data"]["splits"]["test"]["size"] == 797
    capsys.readouterr()
    assert command(*RUN) == 0
    assert "1 of 1 runs are done already" in capsys.readouterr().err
    assert len(records(folders)) == 1


def test_the_same_run_gives_the_same_numbers(command, folders, monkeypatch):
    run = ["method=lora", *RUN[1:], "recipe.drop_path=0.1"]
    assert command(*run) == 0
    (first,) = records(folders)
    monkeypatch.setenv("VISIONPEFT_RUNS", str(folders / "again" / "runs"))
    assert command(*run) == 0
    (second,) = records(folders / "again")
    assert (first.id, first.scores, first.curve) == (second.id, second.scores, second.curve)
    assert first.predictions["sha256"] == second.predictions["sha256"]


def test_multirun_with_globs_and_bare_fields(command, folders, capsys):
    argv = ["-m", "method=lora,linear", "task=glob(mini_d*)", "seed=range(0,2)", *SMALL, "dry=true"]
    assert command(*argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if "to do" in line]) == 4
    assert not (folders / "runs" / "mini").exists()


def test_published_per_task_settings_are_marked(folders, monkeypatch):
    """FacT-TK: rank and scale as released for each task, and the row's name says so."""
    runs = []
    monkeypatch.setattr("visionpeft.benchmark.__main__.work", lambda found, options: len(runs.extend(found) or []))
    monkeypatch.setattr(sys, "argv", ["visionpeft"])
    argv = ["-m", "method=fact_tk", "task=vtab_caltech101,vtab_dtd", "backbone=vit_pico", "per_task=published"]
    assert main(argv) == 0
    assert [(run.method.rank, run.method.scale) for run in runs] == [(32, 10.0), (16, 0.01)]
    assert {run.label for run in runs} == {"fact_tk (published per-task settings, chosen on test)"}
    assert {run.per_task for run in runs} == {"test"}


def test_a_bare_name_finds_its_section(command, folders):
    assert command("method=lora", "rank=2", "lr=0.01", *RUN[1:]) == 0
    (record,) = records(folders)
    assert record.run["method"]["fields"]["rank"] == 2
    assert record.run["recipe"]["lr"] == 0.01
    assert record.label == "lora (rank=2, recipe.lr=0.01, recipe.epochs=1, recipe.warmup=0)"


REFUSED = {
    "unknown method": (["method=lorra"], "unknown method 'lorra'; did you mean lora"),
    "unknown task": (["task=mini_digitss"], "unknown task 'mini_digitss'; did you mean mini_digits"),
    "unknown backbone": (["backbone=vit_picco"], "unknown backbone 'vit_picco'; did you mean vit_pico"),
    "unknown recipe": (["recipe=vtap"], "unknown recipe 'vtap'; did you mean vtab"),
    "unknown field": (["method=lora", "rnk=4"], "unknown setting 'rnk'; did you mean rank"),
    "unknown dotted field": (["method=lora", "+method.rnk=4"], "unknown field 'rnk'; did you mean rank"),
    "field of another method": (["method=linear", "rank=4"], "unknown setting 'rank'"),
    "misspelt make variable": (["METHDO=lora"], "unknown setting 'METHDO'; did you mean method"),
    "rank 0": (["method=lora", "rank=0"], "rank must be above 0, got 0"),
    "rank too large": (["method=lora", "rank=99999"], "rank 99999 is above min(in, out) = 128"),
    "negative lr": (["lr=-1"], "lr must be above 0, got -1.0"),
    "lr no number": (["lr=fast"], "lr must be float, got 'fast'"),
    "best_val on 1000 images": (["select=best_val"], "add recipe.train_on=train"),
    "warm-up as long as training": (["epochs=1", "warmup=1"], "warmup (1) must be below epochs (1); give warmup=0"),
    "warm-up as long as a method's own fit": (
        ["method=glora", "epochs=9", "warmup=3", "supernet_epochs=3"],
        "warmup (3) must be below supernet_epochs (3); give less of it, or more epochs",
    ),
    "infinite lr": (["lr=inf"], "lr must be finite, got inf"),
    "a folder that is none": (["runs=5"], "cannot read the settings"),
    "no classes": (["task.num_classes=0"], "with 0 classes"),
    "a name that leaves the folder": (["task.name=../../evil"], "name may have letters, digits, dots and dashes"),
    "weights elsewhere by model_args": (["+backbone.model_args.checkpoint_path=x"], "must not set checkpoint_path"),
    "code from a package": (["backbone.weights=pkg://json/x"], "is not in this package"),
    "abstract method": (["method._target_=visionpeft.methods.base.Method"], "cannot read the settings"),
    "options that differ": (["-m", "save=true,false"], "one command runs with one data, source, runs"),
    "seed no number": (["seed=one"], "seed must be a whole number from 0 to 4294967295, got 'one'"),
    "seed too large": (["seed=4294967296"], "seed must be a whole number from 0 to 4294967295, got 4294967296"),
    "no data folder": (["data=nowhere"], "no folder nowhere; give DATA="),
    "no such weights": (["backbone.weights=nowhere.npz"], "no file nowhere.npz"),
    "wrong weights": (["backbone=vit_tiny", "backbone.weights=PICO"], "does not fit vit_tiny_patch16_224"),
    "pickle with code": (["backbone.weights=evil.pth"], "holds more than weights, so it is not loaded"),
    "damaged weights": (["backbone.weights=half.safetensors"], "cannot be read as weights"),
    "no such timm model": (["backbone=timm", "backbone.model=vit_tinny"], "timm has no model 'vit_tinny'"),
    "target not importable": (["method._target_=nowhere.Method"], "'nowhere.Method' cannot be imported"),
    "target no method": (["method._target_=os.system"], "cannot be imported"),
    "target no method class": (["method._target_=torch.nn.Linear"], "is no subclass of visionpeft.methods.base.Method"),
    "unsuitable backbone": (["method=vpt_deep", "backbone=resnet18", "weights=none"], "needs the blocks of a timm"),
    "device": (["device=cuda:7"], "device 'cuda:7' is not to be had here"),
    "no published settings": (
        ["method=lora", "per_task=published"],
        "no published per-task settings for method 'lora'",
    ),
    "published for another suite": (["method=ssf", "per_task=published"], "no published setting of ssf for mini task"),
    "bad wandb mode": (["wandb=on"], "wandb must be one of disabled, offline, online"),
    "missing value": (["backbone=timm"], "backbone.model"),
    "syntax": (["seed=[0"], "cannot read 'seed=[0' as name=value"),
}


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_message(command, folders, capsys, case):
    argv, message = REFUSED[case]
    torch.save({"x": Evil()}, folders / "evil.pth")
    (folders / "half.safetensors").write_bytes(b"\x10\x00")
    pico = str(Path(__file__).parents[2] / "benchmark" / "weights" / "vit_pico.safetensors")
    argv = [word.replace("PICO", pico) for word in argv]
    groups = {word.partition("=")[0] for word in argv}
    code = command(*[word for word in RUN if word.partition("=")[0] not in groups], *argv)
    out = capsys.readouterr()
    assert code == 2
    assert message in out.err
    assert "Traceback" not in out.err
    assert "code ran" not in out.out
    assert not list(record_files(folders / "runs"))


def test_all_missing_data_in_one_message(command, folders, capsys):
    (folders / "data").mkdir()
    code = command("-m", "task=glob(vtab_*)", "method=linear,full", "backbone=vit_pico", "data=data")
    message = capsys.readouterr().err
    assert code == 2
    assert message.count("no data for vtab task") == 19
    assert "no data for vtab task caltech101" in message


def test_available_tasks_alone(command, folders, capsys):
    (folders / "data").mkdir()
    argv = ["-m", "task=vtab_dtd,mini_digits", *RUN[:1], *SMALL, "data=data", "available=true", "dry=true"]
    assert command(*argv) == 0
    assert "1 to do" in capsys.readouterr().err


def test_an_empty_data_variable_is_none(command, folders, monkeypatch):
    """make exports it even when nobody set it."""
    monkeypatch.setenv("VISIONPEFT_DATA", "")
    assert command(*RUN) == 0


def test_unwritable_runs_are_named(command, folders, capsys):
    (folders / "file").write_text("")
    assert command(*RUN, "runs=file") in (1, 2)
    message = capsys.readouterr().err
    assert "file" in message
    assert "Traceback" not in message


EXTERNAL = """
import torch
from dataclasses import dataclass
from visionpeft.methods.base import Method
from visionpeft.methods.surgery import freeze

@dataclass(frozen=True)
class Mine(Method):
    boom: bool = False
    greedy: bool = False
    def inject(self, model):
        freeze(model)
        model.norm.requires_grad_(True)
    def loss(self, model, x, y):
        if self.boom:
            raise RuntimeError("a bug of mine")
        if self.greedy:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().loss(model, x, y)
"""


@pytest.fixture
def external(folders, monkeypatch):
    (folders / "my_package.py").write_text(EXTERNAL)
    monkeypatch.syspath_prepend(str(folders))
    yield
    sys.modules.pop("my_package", None)


def test_a_method_may_live_elsewhere(command, folders, external):
    assert command("method._target_=my_package.Mine", *RUN[1:]) == 0
    (record,) = records(folders)
    assert record.run["method"]["name"] == "mine"
    assert record.params["trainable"] - record.params["head"] == 2 * 128


SPY = """
import gc
from dataclasses import dataclass
from visionpeft.methods.linear import Linear

@dataclass(frozen=True)
class Spy(Linear):
    def train(self, job):
        assert job.run.task.sources == ()
        for split in ("test", "test/x"):
            for reach in (lambda: next(job.batches(split)), lambda: job.fit(job.build(self), self, split=split)):
                try:
                    reach()
                except ValueError:
                    continue
                raise AssertionError(f"reached {split}")
        return super().train(job)
"""


def test_a_method_that_looks_for_test_images_finds_none(command, folders, external):
    (folders / "my_spy.py").write_text(SPY)
    assert command("method._target_=my_spy.Spy", *RUN[1:]) == 0


def test_out_of_memory_becomes_a_record(command, folders, external):
    assert command("method._target_=my_package.Mine", "+method.greedy=true", *RUN[1:]) == 1
    (record,) = records(folders)
    assert (record.status, record.error) == ("oom", "CUDA out of memory. Tried to allocate 2 GiB")
    assert record.label == "mine (greedy=True, recipe.epochs=1, recipe.warmup=0)"


def test_one_failing_run_does_not_take_the_others_down(command, folders, external, capsys):
    argv = ["-m", "method._target_=my_package.Mine", "+method.boom=true,false", *RUN[1:]]
    assert command(*argv) == 1
    message = capsys.readouterr().err
    assert "1 of 2 runs failed" in message
    assert "a bug of mine" in message
    assert "retry=true" in message
    assert len(records(folders)) == 1


def test_a_diverged_run_becomes_a_record(command, folders, capsys):
    argv = ["method=full", *RUN[1:], "lr=1e30", "precision=fp32"]
    assert command(*argv) == 1
    (record,) = records(folders)
    assert (record.status, record.scores) == ("diverged", {})
    assert "the loss is nan in epoch 1 of 1" in record.error
    assert command(*argv) == 0  # not tried again ...
    capsys.readouterr()
    assert command(*argv, "retry=true") == 1  # ... unless asked to


@pytest.mark.parametrize("method", ["linear", "vpt_deep"])
def test_a_model_that_ends_in_nan_is_no_result(command, folders, method):
    assert command(f"method={method}", *RUN[1:], "lr=1e38", "precision=fp32") == 1
    (record,) = records(folders)
    assert (record.status, record.scores) == ("diverged", {})


def test_tasks_of_one_name_are_kept_apart(command, folders):
    """Two suites may have a task of the same name: each record has the data of its own."""
    from PIL import Image

    for suite, count in (("one", 4), ("two", 6)):
        for split in ("train", "val", "test"):
            for label in ("a", "b"):
                (folders / suite / split / label).mkdir(parents=True)
                for i in range(count):
                    Image.new("RGB", (8, 8), (i, 40 * count, 9)).save(folders / suite / split / label / f"{i}.png")
        (folders / "conf" / "task").mkdir(parents=True, exist_ok=True)
        (folders / "conf" / "task" / f"{suite}_own.yaml").write_text(
            f"# mine\n_target_: visionpeft.data.task.Task\nname: own\nsuite: {suite}\ngroup: mine\nnum_classes: 2\n"
            f"sources:\n  - _target_: visionpeft.data.imagefolder.ImageFolder\n    path: {folders / suite}\n"
        )
    argv = ["-m", "--config-dir", str(folders / "conf"), "task=one_own,two_own", "method=linear", *SMALL]
    assert command(*argv, "batch_size=4") == 0
    sizes = {r.run["task"]["suite"]: r.run["data"]["splits"]["train"]["size"] for r in records(folders)}
    assert sizes == {"one": 8, "two": 12}


TINY = "backbone=vit_pico img_size=16 epochs=1 warmup=0"
LINES = {
    "a sweep": f"-m method=lora task=glob(mini_dig*) rank=4 targets=[qkv,fc1] lr=1e-2 device=cpu {TINY}",
    "a preset": f"preset=fact method=fact_tt task=mini_digits per_task=null source=null {TINY}",
    "a folder with a blank": f"method=linear task=own {TINY} --config-dir 'my conf'",
}


@pytest.mark.parametrize("case", LINES)
def test_the_line_in_a_record_repeats_the_run(command, folders, capsys, case):
    own = folders / "my conf" / "task" / "own.yaml"
    own.parent.mkdir(parents=True)
    own.write_text((CONF / "task" / "mini_digits.yaml").read_text().replace("name: mini_digits", "name: own"))
    assert command(*shlex.split(LINES[case])) == 0
    (record,) = records(folders)
    words = shlex.split(record.provenance["command"])
    assert words[:3] == ["python", "-m", "visionpeft.benchmark"]
    capsys.readouterr()
    assert command(*words[3:]) == 0
    assert "1 of 1 runs are done already" in capsys.readouterr().err


def test_half_a_record_is_named_not_taken_for_done(command, folders, capsys):
    assert command(*RUN) == 0
    (path,) = record_files(folders / "runs")
    path.write_text("")
    assert command(*RUN) == 2
    assert path.name in capsys.readouterr().err


def test_ctrl_c_stops_at_once_and_says_how_to_go_on(folders):
    command = [sys.executable, "-m", "visionpeft.benchmark", "method=full", "task=mini_digits", "backbone=vit_pico"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background job ignores it, and its children
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 120
    while not list(folders.glob("runs/.locks/*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    stopped = time.monotonic()
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - stopped < 20
    assert "the same command goes on from here" in message
    assert "Traceback" not in message
    assert not list(record_files(folders / "runs"))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc to see what is imported")
def test_ctrl_c_while_libraries_are_imported_is_no_traceback(folders):
    process = subprocess.Popen([sys.executable, "-m", "visionpeft.benchmark", *RUN], stderr=subprocess.PIPE, text=True)
    maps, deadline = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 60
    while "libtorch" not in maps.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert (process.returncode, message) == (130, "")


def test_list_shows_what_there_is(command, capsys):
    assert command("list", "method") == 0
    shown = capsys.readouterr().out
    for path in (Path(__file__).parents[2] / "conf" / "method").glob("*.yaml"):
        assert path.stem in shown


def test_an_adapter_that_cannot_be_kept_loses_no_result(command, folders, monkeypatch, capsys):
    """Nor does a run that was made without one keep silent about it."""

    def full(*_, **__):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("visionpeft.benchmark.adapter.save_file", full)
        assert command("method=lora", *RUN[1:], "save=true") == 1
    (path,) = record_files(folders / "runs")
    assert f"No space left on device; the result is in {path}" in capsys.readouterr().err
    assert command("method=lora", *RUN[1:], "save=true") == 0
    said = capsys.readouterr().err
    assert "1 of these ran without save=true and left no adapter" in said and "move a record away" in said
    path.unlink()
    assert command("method=lora", *RUN[1:], "save=true") == 0
    assert path.exists() and path.with_suffix(".adapter").is_dir()


def test_save_predict_merge(command, folders, capsys):
    assert command("method=lora", *RUN[1:], "save=true") == 0
    (path,) = record_files(folders / "runs")
    adapter = path.with_suffix(".adapter")
    record = json.loads(path.read_text())
    assert (adapter / "adapter.safetensors").stat().st_size - 4096 < record["params"]["stored_bytes"]
    from PIL import Image

    Image.new("L", (20, 30), 200).save(folders / "x.png")
    capsys.readouterr()
    assert command("predict", str(adapter), "x.png") == 0
    assert "class" in capsys.readouterr().out
    assert command("predict", str(adapter), "nothing.png") == 2
    assert command("merge", str(adapter), "merged.safetensors") == 0
    forged = folders / "forged"
    shutil.copytree(adapter, forged)
    (forged / "evil.py").write_text("print('code ran')")
    text = (adapter / "adapter.yaml").read_text()
    (forged / "adapter.yaml").write_text(text.replace("visionpeft.methods.lora.LoRA", "evil.X"))
    assert command("predict", str(forged), "x.png") == 2
    assert "--trust imports and runs it" in capsys.readouterr().err
    import timm
    from safetensors.torch import load_file

    size = {"img_size": 16, "patch_size": 4, "embed_dim": 128, "depth": 6, "num_heads": 4}
    plain = timm.create_model("vit_tiny_patch16_224", num_classes=10, **size)
    plain.load_state_dict(load_file(folders / "merged.safetensors"))
