"""A search, its retraining and its table by one command each, on a list folder and on several domains."""

import sys

import numpy as np
import pytest
from PIL import Image

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.record import Record, read, record_files
from visionpeft.reports.leaderboard import main as leaderboard

SMALL = ["backbone=vit_pico", "backbone.weights=none", "backbone.model_args.depth=1", "img_size=16", "epochs=1"]
SMALL += ["warmup=0", "method=glora", "method.rank=2", "supernet_epochs=1", "population=4", "parents=2", "mutants=2"]
SMALL += ["crossovers=1", "generations=2", "seed=0"]
CLASSES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")


def paint(path) -> None:
    rng = np.random.default_rng(len(path.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(path)


def lay_out_pacs(data) -> None:
    for domain in ("photo", "art_painting", "cartoon", "sketch"):
        for title in CLASSES:
            for i in range(5):
                paint(data / "pacs" / domain / title / f"{i}.png")


def lay_out_flowers(data) -> None:
    folder = data / "vtab-1k" / "oxford_flowers102"
    for name, number in (("train800", 12), ("val200", 6), ("test", 8)):
        lines = [f"images/{name}_{i}.png {i % 3}" for i in range(number)]
        for line in lines:
            paint(folder / line.split()[0])
        (folder / f"{name}.txt").write_text("\n".join(lines))


@pytest.fixture
def command(folders, monkeypatch):
    def run(*argv: str) -> int:
        monkeypatch.setattr(sys, "argv", ["visionpeft"])
        return main(["-m", "data=data", *SMALL, *argv])

    return run


def finished(folders) -> Record:
    (path,) = record_files(folders / "runs")
    assert leaderboard([str(folders / "runs")]) == 0
    return read(path)


def complete(record: Record, err: str) -> None:
    """A supernet, three generations of four, and the winner trained on all images and merged; each generation said."""
    assert record.status == "ok" and record.run["method"]["name"] == "glora"
    assert [(phase["split"], phase["epochs"]) for phase in record.cost["phases"]] == [("train", 1), ("trainval", 1)]
    assert record.notes["search"]["generation"] == [0] * 4 + [1] * 4 + [2] * 4
    assert record.settled["config"] == record.notes["search"]["config"][record.notes["search"]["winner"]]
    assert record.params["merged_total"] is not None and {"inherited/test"} & {name[:14] for name in record.scores}
    said = [line.partition(": generation ")[2] for line in err.splitlines() if f"{record.stem}: search, best " in line]
    assert [line[:6] for line in said] == ["1 of 3", "2 of 3", "3 of 3"] and said[2].endswith("3 of 3, 0 s left")


def test_a_vtab_task_from_lists(command, folders, capsys):
    """As `make vtab METHOD=glora TASKS=available`, which passes over the tasks that are not there."""
    lay_out_flowers(folders / "data")
    assert command("task=glob(vtab_*)", "available=true", "source=folder") == 0
    record = finished(folders)
    assert record.run["task"]["name"] == "flowers102"
    complete(record, capsys.readouterr().err)


def test_pacs(command, folders, capsys):
    """As `make dg METHOD=glora TASKS=dg_pacs_photo`: one search, three test sets, with inherited weights too."""
    lay_out_pacs(folders / "data")
    assert command("task=dg_pacs_photo", "recipe=fewshot") == 0
    record = finished(folders)
    complete(record, capsys.readouterr().err)
    assert {
        f"{kind}/{name}" for kind in ("test", "inherited/test") for name in ("art_painting", "cartoon", "sketch")
    } <= set(record.scores)
