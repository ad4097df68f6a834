"""A task with several test sets through the command line: what is scored, what stays blank, what a method sees."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.record import Record, read, record_files

SMALL = ["task=own_toys", "backbone=vit_pico", "img_size=16", "recipe=demo", "epochs=1", "warmup=0", "batch_size=4"]
CLASSES = ("blue", "green", "red")
DOMAIN = "_target_: visionpeft.data.domains.DomainFolder, names: [toys], classes: [blue, green, red]"
TASK = f"""# toys
_target_: visionpeft.data.task.Task
name: toys
suite: own
group: toys
num_classes: 3
seen_by: [pico]
sizes: {{train: 12, val: 3}}
sources: [{{{DOMAIN}, domain: painted}}]
targets:
  - {{_target_: visionpeft.data.task.Target, name: drawn, size: 15, sources: [{{{DOMAIN}, domain: drawn}}]}}
  - _target_: visionpeft.data.task.Target
    name: cut
    size: 99
    own_classes: 3
    shifted: false
    sources: [{{{DOMAIN}, domain: cut}}]
  - {{_target_: visionpeft.data.task.Target, name: lost, own_classes: 2, sources: [{{{DOMAIN}, domain: lost}}]}}
"""


def paint(data: Path, domain: str, images: int = 5) -> None:
    rng = np.random.default_rng(len(domain))
    for label, title in enumerate(CLASSES):
        (data / "toys" / domain / title).mkdir(parents=True)
        for i in range(images):
            pixels = rng.integers(0, 120, (8, 8, 3), dtype=np.uint8)
            pixels[:, :, 2 - label] += 100
            Image.fromarray(pixels).save(data / "toys" / domain / title / f"{i}.png")


def lay_out(folders: Path) -> None:
    """Paint all domains, and declare the task."""
    for domain in ("painted", "drawn", "cut"):
        paint(folders / "data", domain)
    (folders / "conf" / "task").mkdir(parents=True)
    (folders / "conf" / "task" / "own_toys.yaml").write_text(TASK)


@pytest.fixture
def command(folders, monkeypatch):
    lay_out(folders)

    def run(*argv: str) -> int:
        monkeypatch.setattr(sys, "argv", ["visionpeft"])
        return main(["--config-dir", str(folders / "conf"), "data=data", *SMALL, *argv])

    return run


def records(folder: Path) -> list[Record]:
    return [read(path) for path in record_files(folder / "runs")]


def test_every_test_set_in_one_run(command, folders, capsys):
    assert command("method=lora") == 0
    (record,) = records(folders)
    assert list(record.scores) == ["test/drawn", "test/cut", "test/cut_3"]
    assert record.run["task"]["targets"] == {
        "test/drawn": None, "test/cut": None, "test/cut_3": 3, "test/lost": None, "test/lost_2": 2,
    }  # fmt: skip
    assert record.run["task"]["in_domain"] == ["test/cut", "test/cut_3"]
    splits = record.run["data"]["splits"]
    assert {name: (split["size"], split["expected"]) for name, split in splits.items()} == {
        "train": (12, 12), "val": (3, 3), "test/drawn": (15, 15), "test/cut": (15, 99), "test/cut_3": (15, 99),
    }  # fmt: skip
    assert splits["test/cut_3"]["classes"] == 3 and "classes" not in splits["test/cut"]
    assert splits["test/drawn"]["reading"]["domain"] == "drawn"
    assert record.images["test/cut"] == record.images["test/cut_3"] != record.images["test/drawn"]
    (path,) = record_files(folders / "runs")
    with np.load(path.with_suffix(".npz")) as stored:
        kept = [*record.scores, *(f"labels/{name}" for name in record.scores)]
        assert {name: len(stored[name]) for name in stored} == dict.fromkeys(kept, 15)
        labels = np.repeat([0, 1, 2], 5)
        assert all((stored[f"labels/{name}"] == labels).all() for name in record.scores)
        assert record.scores == {name: (stored[name] == labels).mean() for name in record.scores}
    why = "original: no folder toys/lost in the data folder"
    assert record.absent == {"test/lost": why, "test/lost_2": why}
    assert record.run["task"]["seen"] == ["pico"]
    said = capsys.readouterr().err
    assert f"own toys: no test/lost and test/lost_2 ({why}); the tables mark it" in said
    assert "own toys: test/cut has 15 images instead of 99; the tables mark it" in said
    assert f"toys--lora--s0--{record.id}: drawn {100 * record.scores['test/drawn']:.2f}, cut " in said


def test_a_test_set_that_comes_later_is_scored_by_a_new_run(command, folders):
    assert command("method=linear") == 0
    paint(folders / "data", "lost")
    assert command("method=linear") == 2  # of three classes, not of the two that are its own
    for i in range(5):
        (folders / "data" / "toys" / "lost" / "red" / f"{i}.png").unlink()
    text = (folders / "conf" / "task" / "own_toys.yaml").read_text()
    (folders / "conf" / "task" / "own_toys.yaml").write_text(text.replace(", own_classes: 2", ""))
    paint(folders / "data" / "again", "lost")
    (folders / "data" / "toys" / "lost").rename(folders / "data" / "toys" / "old")
    (folders / "data" / "again" / "toys" / "lost").rename(folders / "data" / "toys" / "lost")
    assert command("method=linear") == 0
    first, second = sorted(records(folders), key=lambda record: len(record.scores))
    assert set(second.scores) - set(first.scores) == {"test/lost"}
    assert (second.absent, second.curve) == ({}, first.curve)


def test_without_any_test_set_the_run_is_refused_or_left_out(command, folders, capsys):
    for domain in ("drawn", "cut"):
        (folders / "data" / "toys" / domain).rename(folders / "data" / "toys" / f"un{domain}")
    assert command("method=linear") == 2
    message = capsys.readouterr().err
    assert "none of the test sets of own task toys is here (drawn: original: no folder toys/drawn in data" in message
    assert command("-m", "method=linear", "available=true", "task=own_toys,mini_digits", "dry=true") == 0
    assert "1 to do" in capsys.readouterr().err


SPY = """
import gc
from dataclasses import dataclass
from visionpeft.data.loader import Batches
from visionpeft.methods.linear import Linear

@dataclass(frozen=True)
class Spy(Linear):
    def train(self, job):
        assert job.run.task.sources == job.run.task.targets == ()
        for split in ("test", "drawn", "test/drawn", "test/cut_3"):
            for reach in (lambda: next(job.batches(split)), lambda: job.fit(job.build(self), self, split=split)):
                try:
                    reach()
                except ValueError:
                    continue
                raise AssertionError(f"reached {split}")
        held, seen, ours = [job], set(), set()
        while held:  # everything that the job holds, however deep
            one = held.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            ours |= {len(one)} if isinstance(one, Batches) else set()
            inside = one if isinstance(one, (list, tuple, set)) else one.values() if isinstance(one, dict) else ()
            held += [*inside, *vars(one).values()] if hasattr(one, "__dict__") else [*inside]
        assert ours == {12, 3, 15}, ours
        assert "drawn" not in str(job.run.task)
        return super().train(job)
"""


def test_a_method_that_looks_for_test_images_finds_none(command, folders, monkeypatch):
    for title in CLASSES:  # 14 test images, so that they differ in number from the 15 to learn from
        (folders / "data" / "toys" / "drawn" / title / "0.png").unlink()
        (folders / "data" / "toys" / "cut" / title / "0.png").unlink()
    (folders / "my_spy.py").write_text(SPY)
    monkeypatch.syspath_prepend(str(folders))
    assert command("method._target_=my_spy.Spy") == 0
    sys.modules.pop("my_spy", None)


def test_a_backbone_that_has_seen_the_task_is_pointed_out(command, folders, capsys):
    """This task is one that `pico` overlaps with, as in1k does with ImageNet's."""
    warning = "own toys: vit_pico was trained on pico, so that this is not domain generalisation"
    assert command("method=linear", "dry=true") == 0
    assert warning in capsys.readouterr().err
    assert command("method=linear", "dry=true", "task.seen_by=[in1k]") == 0
    assert "domain generalisation" not in capsys.readouterr().err


def test_an_ordinary_record_is_as_it_was(command, folders):
    assert command("method=linear", "task=mini_digits") == 0
    (record,) = records(folders)
    assert (list(record.scores), list(record.images), record.absent) == (["test"], ["trainval", "test"], {})
    assert set(record.run["task"]) == {"name", "suite", "group", "num_classes", "group_tasks", "suite_tasks"}
    assert set(record.run["data"]["splits"]) == {"train", "val", "test"}


def test_test_images_that_were_learnt_from_under_another_name_are_counted(command, folders, capsys):
    toys = folders / "data" / "toys"
    (toys / "drawn" / "red" / "new name.png").write_bytes((toys / "painted" / "red" / "2.png").read_bytes())
    assert command("method=linear") == 0
    (record,) = map(read, record_files(Path("runs")))
    assert record.shared == {"test/drawn": 1}
    note = "note: 1 images of test/drawn are training images too, byte for byte; the tables mark it"
    assert note in capsys.readouterr().err
