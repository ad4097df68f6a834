"""Few-shot tasks through the command line: the seed's sample, what a search may look at, augmentation that repeats."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.record import Record, read, record_files
from visionpeft.data.split import places
from visionpeft.data.task import Split
from visionpeft.methods.linear import Linear
from visionpeft.reports import leaderboard

SMALL = ["backbone=vit_pico", "recipe=fewshot", "epochs=2", "warmup=0", "task=fewshot_pets_k2"]
SEARCH = ["supernet_epochs=1", "population=2", "parents=1", "mutants=0", "crossovers=0", "generations=1"]


def paint(data: Path) -> None:
    """Three of the 37 classes, told by their colour, in lists as NOAH's."""
    lists, images = data / "oxford_pets" / "annotations", data / "oxford_pets" / "images"
    lists.mkdir(parents=True)
    images.mkdir()
    rng = np.random.default_rng(0)
    parts = {"train": 8, "val": 4, "test": 6}
    for part, count in parts.items():
        for label in range(3):
            for i in range(count):
                pixels = rng.integers(0, 120, (40, 30, 3), dtype=np.uint8)
                pixels[:, :, label] += 120
                Image.fromarray(pixels).save(images / f"{part}{label}_{i}.png")
        listed = [f"{part}{label}_{i}.png {label}\n" for label in range(3) for i in range(count)]
        (lists / f"{part}_meta.list").write_text("".join(listed))
    for seed in range(3):
        for shots in (1, 2):
            listed = [f"train{label}_{seed * 2 + i}.png {label}\n" for label in range(3) for i in range(shots)]
            (lists / f"train_meta.list.num_shot_{shots}.seed_{seed}").write_text("".join(listed * (3 - shots)))


@pytest.fixture
def command(folders, monkeypatch):
    paint(folders / "data")

    def run(*argv: str) -> int:
        monkeypatch.setattr(sys, "argv", ["visionpeft"])
        return main(["data=data", *SMALL, *argv])

    return run


def records(folder: Path) -> list[Record]:
    return [read(path) for path in record_files(folder / "runs")]


def test_the_seed_is_the_sample_and_seeds_are_averaged(command, folders):
    assert command("-m", "method=linear", "seed=0,1,2") == 0
    found = records(folders)
    data = [record.run["data"] for record in found]
    assert [(one["source"], one["sample"], one["by_seed"]) for one in data] == [
        ("noah", seed, True) for seed in range(3)
    ]
    assert len({one["splits"]["train"]["digest"] for one in data}) == 3
    assert len({one["splits"]["test"]["digest"] for one in data}) == 1
    assert [one["splits"]["train"]["size"] for one in data] == [3, 3, 3]
    assert found[0].cost["phases"][0]["features_once"] is False  # an image is another one each time
    (table,), _, _ = leaderboard.write(folders / "runs")
    (row,) = table.rows
    assert row.cells["pets_k2"].mean.n == 3 and len(table.setting.weights) == 64


def test_a_run_can_be_repeated_to_the_last_prediction(command, folders):
    assert command("method=lora", "runs=one") == command("method=lora", "runs=two") == 0
    one, two = (read(next(record_files(folders / name))) for name in ("one", "two"))
    assert one.curve == two.curve and one.predictions == two.predictions
    assert command("method=lora", "mixup=0", "cutmix=0", "runs=three") == 0
    three = read(next(record_files(folders / "three")))
    assert three.curve != one.curve and "recipe.mixup=0, recipe.cutmix=0" in three.label


def test_a_fourth_seed_is_refused(command, capsys):
    assert command("method=linear", "seed=3") == 2
    assert (
        "there are lists for seeds 0, 1 and 2, none for seed 3; others with source=own-sample"
        in capsys.readouterr().err
    )
    assert command("method=linear", "seed=3", "source=own-sample") == 0


def test_a_search_sees_the_training_images_alone(command, folders):
    """With two shots one for the supernet and one to validate; with one shot that one for both."""
    assert command("method=glora", *SEARCH) == 0
    assert command("method=glora", "task=fewshot_pets_k1", *SEARCH) == 0
    one, two = records(folders)
    assert [phase["split"] for phase in two.cost["phases"]] == ["train", "trainval"]
    sizes = [{name: split["size"] for name, split in r.run["data"]["splits"].items()} for r in (one, two)]
    assert sizes == [{"train": 3, "val": 3, "test": 18}] * 2
    train, val = (one.run["data"]["splits"][name] for name in ("train", "val"))
    assert train["digest"] == val["digest"] and train["repeated"] == 3
    assert val["of_train"] == 3 and "of_train" not in two.run["data"]["splits"]["val"]
    assert list(two.images) == ["trainval", "test"] and two.label.startswith("glora (")


def test_the_best_epoch_is_not_chosen_by_training_images(command, capsys):
    best = ["method=linear", "train_on=train", "select=best_val"]
    assert command(*best, "task=fewshot_pets_k1") == 2
    said = "fewshot task pets_k1: all 3 validation images are training images, so select=best_val would choose"
    assert said in capsys.readouterr().err
    assert command(*best) == command(*best, "task=fewshot_pets_k1", "source=noah-full-val") == 0


def test_what_is_fitted_on_validation_images_is_cut_out_of_them(command, folders, monkeypatch):
    fit = lambda self, job: (self, job.fit(job.build(self), self, split="val"))  # noqa: E731
    monkeypatch.setattr(Linear, "train", fit)
    assert command("method=linear") == 0
    (record,) = records(folders)
    assert [phase["split"] for phase in record.cost["phases"]] == ["val"]


@pytest.mark.parametrize("first", ["train0_0.png", "test0_0.png"])
def test_a_part_of_the_images_is_no_data_set(command, folders, first, capsys):
    (folders / "data" / "oxford_pets" / "images" / first).unlink()
    assert command("method=linear", "available=true") == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert "none of these tasks has its data here" in shown and "among them train0_0.png and test0_0.png" in shown


def test_the_full_validation_list_is_asked_for_by_name_and_shown(command, folders):
    assert command("method=linear", "source=noah-full-val") == 0
    (record,) = records(folders)
    assert record.label.endswith("search on the full validation list)")
    assert {name: split["size"] for name, split in record.run["data"]["splits"].items()} == {
        "train": 6,
        "val": 12,
        "test": 18,
    }
    assert set(record.images) == {"trainval", "val", "test"}


def test_one_image_cannot_be_mixed(command, folders, capsys):
    lists = folders / "data" / "oxford_pets" / "annotations"
    (lists / "train_meta.list.num_shot_1.seed_0").write_text("train0_0.png 0\n")
    assert command("method=linear", "task=fewshot_pets_k1") == 1
    assert "mixup and cutmix need two training images, there is one" in capsys.readouterr().err
    assert command("method=linear", "task=fewshot_pets_k1", "batch_size=3") == 2
    assert "mix images in pairs: batch_size must be even, got 3" in capsys.readouterr().err


def test_a_filter_that_only_evaluates_is_refused_beforehand(command, capsys):
    assert command("method=linear", "interpolation=tf2_bilinear") == 2
    assert "interpolation 'tf2_bilinear' cannot augment images" in capsys.readouterr().err


def test_where_a_split_is_among_others():
    def split(keys: str) -> Split:
        return Split(tuple(keys), np.zeros(len(keys), np.int64), lambda i: b"")

    whole = split("abcd")
    assert places(split("bc"), whole) == slice(1, 3)
    assert places(split("ca"), whole).tolist() == [2, 0]
    assert places(split("ax"), whole) is None


def test_the_real_flowers_as_far_as_they_are_at_hand(command, folders, shared):
    """NOAH's lists without the lines whose image is not in the VTAB-1k copy: a fifth of each, and no published task."""
    images = shared / "data" / "vtab-1k" / "oxford_flowers102" / "images"
    here = {path.name for path in images.iterdir()}
    lists = folders / "data" / "oxford_flowers" / "annotations"
    lists.mkdir(parents=True)
    (folders / "data" / "oxford_flowers" / "images").symlink_to(images)
    for path in (shared / "data/lists/noah/data/few-shot/oxford-flowers102/annotations").iterdir():
        lines = [line for line in path.read_text().splitlines() if line.partition(" ")[0] in here]
        (lists / path.name).write_text("\n".join(lines))
    assert command("-m", "method=linear", "task=fewshot_flowers102_k1,fewshot_flowers102_k4", "seed=0,1") == 0
    (table,), _, _ = leaderboard.write(folders / "runs")
    assert [(c.name, c.cut["test"], table.rows[0].cells[c.name].mean.n) for c in table.columns] == [
        ("flowers102_k1", (511, 2463), 2),
        ("flowers102_k4", (511, 2463), 2),
    ]
