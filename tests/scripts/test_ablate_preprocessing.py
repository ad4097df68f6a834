"""The ablation changes one factor at a time, on images that are cut and made smaller as it says."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from visionpeft.benchmark.backbone import describe
from visionpeft.benchmark.record import Record
from visionpeft.benchmark.spec import Backbone
from visionpeft.data.task import Source, Split

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Six(Source):
    name: ClassVar[str] = "six"

    def missing(self, root):
        return None

    def split(self, root, name):
        files = tuple(Path(f"{i}.png") for i in range(6))
        return Split(tuple("abcdef"), np.arange(6), lambda i: IMAGES[i], files)


@pytest.fixture
def script(load_script):
    return load_script("ablate_preprocessing")


def test_each_condition_differs_from_the_canonical_in_one_factor(script):
    shown = [
        describe(Backbone("b", "vit_tiny_patch16_224", "none", **condition)) for condition in script.CONDITIONS.values()
    ]
    changed = [{key for key in one if one[key] != shown[0][key]} for one in shown]
    assert changed == [set(), *[{"mean", "std"}] * 2, *[{"interpolation"}] * 2, {"jpeg"}, {"resize"}]
    assert len({str(one) for one in shown}) == len(script.CONDITIONS)


def test_only_the_test_set_is_cut(script):
    source = script.Cut(Six(), "", 4)
    assert len(source.split(None, "train")) == 6
    cut = source.split(None, "test")
    assert cut.keys == tuple("abcd") and len(cut.files) == len(cut.labels) == 4


def test_downsampled_images_are_pils(script):
    small = script.Downsampled(Six(), "", 4).split(None, "test")
    expected = Image.fromarray(IMAGES[2]).resize((32, 32), Image.Resampling.BICUBIC)
    assert len(small) == 4 and np.array_equal(small.read(2), np.asarray(expected))
    assert not small.files  # files would lead the cache to the images at their own size


def test_a_cell_is_the_mean_paired_change_and_its_intervals(script, tmp_path, monkeypatch):
    """Two seeds, four test images: the changed path is right on one image more with seed 0."""
    monkeypatch.setattr(script, "task", lambda name, seed, args: SimpleNamespace(sources=[None]))
    monkeypatch.setattr(script, "load", lambda *_: SimpleNamespace(labels=np.array([0, 1, 2, 3])))
    (tmp_path / "preprocessing").mkdir()
    records = []
    for jpeg, seed, predicted in (
        (None, 0, [0, 1, 0, 0]),
        (None, 1, [0, 1, 0, 0]),
        (75, 0, [0, 1, 2, 0]),
        (75, 1, [0, 1, 0, 0]),
    ):
        file = f"{jpeg}{seed}.npz"
        np.savez(tmp_path / "preprocessing" / file, predicted=np.array(predicted))
        run = {
            "task": {"name": "t", "suite": "preprocessing"},
            "method": {"name": "m"},
            "backbone": {"jpeg": jpeg},
            "seed": seed,
        }
        accuracy = float((np.array(predicted) == [0, 1, 2, 3]).mean())
        records.append(Record("i", "ok", run, "m", scores={"test": accuracy}, predictions={"file": file}))
    args = SimpleNamespace(runs=tmp_path)
    assert script.cell(records, "t", {"jpeg": None}, {"jpeg": None}, args) == "50.0 n=2"  # both seeds agree
    # changes 25 and 0: mean 12.5, t(1) 12.706 * 17.678 / sqrt(2); per image 0, 0, 50, 0: 1.96 * 25 / sqrt(4)
    assert script.cell(records, "t", {"jpeg": 75}, {"jpeg": None}, args) == "+12.5 ±158.8 <sub>(24.5)</sub>"
    with pytest.raises(SystemExit, match="two records of one seed"):
        script.cell([*records, records[2]], "t", {"jpeg": 75}, {"jpeg": None}, args)
    assert script.cell(records, "other", {"jpeg": 75}, {"jpeg": None}, args) == ""
