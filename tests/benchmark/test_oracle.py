"""Every epoch scored on the test images after training: a diagnostic that moves no number and that no method sees."""

import copy
import dataclasses
import shutil
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.oracle import watched
from visionpeft.benchmark.record import read, record_files
from visionpeft.benchmark.score import Held
from visionpeft.methods.base import Method
from visionpeft.methods.lora import LoRA
from visionpeft.methods.surgery import freeze

from .conftest import colours

ARGV = [
    "method=lora",
    "backbone=vit_pico",
    "img_size=16",
    "recipe=demo",
    "epochs=3",
    "warmup=0",
    "drop_path=0.1",
    "batch_size=8",
]


@pytest.fixture
def tests():
    return [Held(colours(40, 3), {"test": None})]


def watching(job):
    job.run = dataclasses.replace(job.run, oracle=True)
    return job


def test_every_epoch_is_what_a_training_stopped_there_would_score(a_job, tests):
    """Against a fit whose weights were copied after each epoch and scored by hand."""
    job = watching(a_job(LoRA(rank=2), epochs=4, lr=1e-3, train_on="train"))
    models, method = [], job.run.method
    job._on_epoch = lambda row: models.append(copy.deepcopy(fitted))
    fitted = job.build(method)
    job.fit(fitted, method)
    before = {name: t.clone() for name, t in fitted.state_dict().items()}
    curve = watched(job, fitted, tests)
    x, y = tests[0].batches.iterate().__next__()
    with torch.no_grad():
        expected = [(model.eval()(x).argmax(-1) == y).double().mean().item() for model in models]
    assert [row["test"] for row in curve] == expected and len(set(expected)) > 1
    assert [row["val"] for row in curve] == [job.validate(model).accuracy for model in models]
    assert all(torch.equal(before[name], t) for name, t in fitted.state_dict().items())
    assert all("test" not in row for row in job.curve)


def test_buffers_are_those_of_their_epoch_too(a_job, tests):
    @dataclasses.dataclass(frozen=True)
    class Counting(Method):
        def inject(self, model):
            freeze(model)
            model.register_buffer("seen", torch.zeros(()))

        def step(self, model, optimizer, t, steps):
            model.seen += 1

    job = watching(a_job(Counting()))
    model = job.fit(job.build(Counting()), Counting())
    counts = []
    for epoch in (1, 2, 3):
        job.epochs[0].give(model, epoch)
        counts.append(model.seen.item())
    assert counts == [5, 10, 15]


class Searching(LoRA):
    """A supernet, two candidates on the recipe's own split, of which the first is the result."""

    def train(self, job):
        job.fit(job.build(self), self, split="train", epochs=2)
        kept = job.fit(job.build(self), self)
        job.fit(job.build(self), self)
        return self, kept


def test_only_the_fit_whose_model_is_returned_counts(a_job, tests):
    job = watching(a_job(Searching(rank=2)))
    _, model = job.run.method.train(job)
    curve = watched(job, model, tests)
    assert {row["phase"] for row in curve} == {"1 train", "2 trainval", "3 trainval"}
    assert {row["phase"] for row in curve if "test" in row} == {"2 trainval"}
    assert len(list(job.workspace.glob("epochs of */*.safetensors"))) == 6  # the supernet's are not kept


def test_of_several_fits_of_one_model_the_last_counts(a_job, tests):
    job = watching(a_job())
    method = job.run.method
    model = job.fit(job.fit(job.build(method), method), method)
    assert {row["phase"] for row in watched(job, model, tests) if "test" in row} == {"2 trainval"}


def test_a_model_that_was_not_fitted_by_the_recipe_has_no_epochs(a_job, tests):
    job = watching(a_job())
    model = job.fit(job.build(job.run.method), job.run.method, split="train")
    assert watched(job, model, tests) == job.curve and not job.epochs


def test_epochs_whose_outputs_are_not_finite_are_left_out(a_job, tests):
    job = watching(a_job())
    model = job.fit(job.build(job.run.method), job.run.method)
    broken = copy.deepcopy(model)
    broken.head.weight.data.fill_(float("nan"))
    job.epochs[0].keep(broken, 2)
    assert [row["epoch"] for row in watched(job, model, tests) if "test" in row] == [1, 3]


def test_a_fit_that_is_taken_from_disk_has_its_epochs(a_job, tests):
    curves = []
    for _ in range(2):
        job = watching(a_job())
        model = job.fit(job.build(job.run.method), job.run.method, keep="whole")
        curves.append(watched(job, model, tests))
    assert curves[0] == curves[1] and all("test" in row for row in curves[0])


def test_what_is_kept_is_no_part_of_the_cost(a_job):
    job, calls = watching(a_job()), []

    @contextmanager
    def aside():
        calls.append(len(list(job.workspace.glob("epochs of */*"))))
        yield

    job.aside = aside
    job.fit(job.build(job.run.method), job.run.method)
    assert calls == [0, 1, 2]


def test_a_disk_without_room_is_named_before_training(a_job, monkeypatch):
    job = watching(a_job())
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(ValueError, match="keeps the weights of 3 epochs until the run ends.* give RUNS= a folder"):
        job.fit(job.build(job.run.method), job.run.method)
    assert not job.curve


@pytest.fixture
def small(folders, monkeypatch):
    """A task of 24, 6 and 28 images in a folder, and the words that run it."""
    random = np.random.RandomState(0)
    for split, count in (("train", 12), ("val", 3), ("test", 14)):
        for label in (0, 1):
            (folders / "own" / split / str(label)).mkdir(parents=True)
            for i in range(count):
                image = random.randint(0, 140, size=(8, 8, 3)) + 60 * label
                Image.fromarray(image.astype(np.uint8)).save(folders / "own" / split / str(label) / f"{i}.png")
    (folders / "conf" / "task").mkdir(parents=True)
    (folders / "conf" / "task" / "own.yaml").write_text(
        f"# mine\n_target_: visionpeft.data.task.Task\nname: own\nsuite: own\ngroup: mine\nnum_classes: 2\n"
        f"sources:\n  - _target_: visionpeft.data.imagefolder.ImageFolder\n    path: {folders / 'own'}\n"
    )
    monkeypatch.setattr(sys, "argv", ["visionpeft"])
    return ["--config-dir", str(folders / "conf"), "task=own", *ARGV]


def run(folders, name, *argv):
    """Return the record of a command, and make sure that nothing is left of its work."""
    runs = folders / name
    assert main([*argv, f"runs={runs}"]) == 0
    (path,) = record_files(runs)
    assert not list((runs / ".unfinished").glob("*"))
    return read(path)


@pytest.mark.parametrize("selection", [(), ("select=best_val", "train_on=train")])
def test_it_changes_nothing_but_what_the_curve_tells(folders, small, selection):
    plain, with_it = run(folders, "a", *small, *selection), run(folders, "b", *small, *selection, "oracle=true")
    assert plain.scores == with_it.scores and plain.predictions["sha256"] == with_it.predictions["sha256"]
    if selection:
        assert all(row["val"] == other["val"] for row, other in zip(plain.curve, with_it.curve, strict=True))
    known = set(plain.curve[0])
    assert [{k: v for k, v in row.items() if k in known} for row in with_it.curve] == plain.curve
    assert [set(row) - known for row in with_it.curve] == [{"test"}] * 3
    assert "oracle" not in plain.run and with_it.run == plain.run | {"oracle": True}
    assert plain.id != with_it.id and plain.label == with_it.label
    best = max(plain.curve, key=lambda row: (row["val"], -row["val_loss"]))["epoch"] if selection else 3
    assert with_it.curve[best - 1]["test"] == with_it.scores["test"]


SPY = """
import gc
import types
from visionpeft.benchmark.score import Held
from visionpeft.data.loader import Batches
from visionpeft.methods.linear import Linear

LEFT_OUT = (type, types.ModuleType, types.FrameType, types.GeneratorType)

class Spy(Linear):
    def train(self, job):
        settled, model = super().train(job)
        assert job.run.oracle and all("test" not in row for row in job.curve)
        found, seen = [job], set()
        while found:  # all that can be reached from a job, but for modules, classes and what is running
            one = found.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            assert not isinstance(one, Held)
            if isinstance(one, Batches):
                assert len(one) in (24, 6, 30), len(one)
            found += [x for x in gc.get_referents(one) if gc.is_tracked(x) and not isinstance(x, LEFT_OUT)
                      and not (isinstance(x, dict) and "__builtins__" in x)]
        return settled, model
"""


def test_no_test_image_can_be_reached_while_it_is_on(folders, small, monkeypatch):
    (folders / "my_spy.py").write_text(SPY)
    monkeypatch.syspath_prepend(str(folders))
    argv = [word for word in small if not word.startswith("method=")]
    assert main([*argv, "method._target_=my_spy.Spy", "oracle=true"]) == 0
    (path,) = record_files(folders / "runs")
    assert all("test" in row for row in read(path).curve)


def test_a_switch_is_true_or_false(small, capsys):
    assert main([*small, "oracle=yes_please"]) == 2
    assert "oracle must be true or false, got 'yes_please'" in capsys.readouterr().err
