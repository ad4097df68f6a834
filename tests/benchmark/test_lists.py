"""A run reads what was planned, or does not run: its record states the plan's digests."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from visionpeft.benchmark.plan import insist_on_backbone, plan
from visionpeft.benchmark.run import open_splits
from visionpeft.benchmark.spec import Options, Run
from visionpeft.data.folder import ListFolder
from visionpeft.data.task import DataError, Task
from visionpeft.data.unfinished import Listener
from visionpeft.methods.lora import LoRA

from .conftest import BACKBONE, RECIPE

LISTS = {"train800": range(6), "val200": range(6, 9), "test": range(9, 12)}


@pytest.fixture
def planned(tmp_path):
    folder = tmp_path / "data" / "toy"
    (folder / "images").mkdir(parents=True)
    for i in range(12):
        Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(folder / "images" / f"{i}.png")
    for name, numbers in LISTS.items():
        (folder / f"{name}.txt").write_text("".join(f"images/{i}.png {i % 3}\n" for i in numbers))
    options = Options(data=tmp_path / "data", source=None, runs=tmp_path / "runs", cache=tmp_path / "cache")
    task = Task("toy", "vtab", "natural", 3, sources=(ListFolder(names=("toy",)),))
    (one,) = plan([Run("lora", LoRA(rank=2), task, RECIPE, BACKBONE, 0, "lora")], options)
    return one, options, folder


def opened(one, options):
    return open_splits(one, options, torch.device("cpu"), Listener())


def test_what_was_planned_is_opened(planned):
    one, options, _ = planned
    found = opened(one, options)
    assert {name: len(split) for name, split in found.splits.items()} == {"train": 6, "val": 3, "trainval": 9}
    assert list(found.images) == ["trainval", "test"]


@pytest.mark.parametrize(("name", "said"), [("train800", "train"), ("val200", "val"), ("test", "test")])
def test_a_label_that_changed_since_is_refused(planned, name, said):
    one, options, folder = planned
    lines = (folder / f"{name}.txt").read_text()
    (folder / f"{name}.txt").write_text(lines.replace(" 0\n", " 1\n"))
    with pytest.raises(DataError, match=f"^{said} changed since this run was planned.*give the command again"):
        opened(one, options)


def test_another_order_is_refused_too(planned):
    one, options, folder = planned
    lines = (folder / "train800.txt").read_text().splitlines(keepends=True)
    (folder / "train800.txt").write_text("".join(reversed(lines)))
    with pytest.raises(DataError, match=r"^train changed since"):
        opened(one, options)


def test_another_copy_is_refused(planned):
    """Prepared by tensorflow-datasets when it was planned, a folder now, whatever the lists say."""
    one, options, _ = planned
    data = one.resolved["data"] | {"source": "tfds"}
    with pytest.raises(DataError, match=r"^test, train, val changed since"):
        opened(dataclasses.replace(one, resolved=one.resolved | {"data": data}), options)


def test_weights_that_changed_since_are_refused(planned, tmp_path):
    one, _, _ = planned
    insist_on_backbone(one)
    (tmp_path / "other.safetensors").write_bytes(b"other weights")
    backbone = dataclasses.replace(one.run.backbone, weights=str(tmp_path / "other.safetensors"))
    with pytest.raises(ValueError, match=r"other\.safetensors changed since this run was planned"):
        insist_on_backbone(dataclasses.replace(one, run=dataclasses.replace(one.run, backbone=backbone)))
