"""The source that starts from the owners' files, on a data set that is ten thousand numbers in as many files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from visionpeft.data.official import DataSet, Examples
from visionpeft.data.original import Original
from visionpeft.data.task import DataError, Task, find, load


@dataclass(frozen=True)
class Numbers(DataSet):
    names: ClassVar = ("numbers", "Numbers")
    builder: ClassVar = "numbers:1.0.0"
    counts: ClassVar = {"train": 3000}
    val: ClassVar = "train[2100:2300]"
    test: ClassVar = "train[2400:]"

    def missing(self, folder):
        return None if (folder / "whole").exists() else f"{folder} lacks whole"

    def examples(self, folder, split):
        return Examples(range(3000), np.arange(3000) % 4, lambda i: b"%d" % i, (folder / "whole",))

    def key(self, features):
        return features["id"]

    def label(self, features):
        return int(features["label"])


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "numbers").mkdir()
    (tmp_path / "Numbers").mkdir()
    (tmp_path / "Numbers" / "whole").touch()
    return tmp_path


def test_splits_come_from_the_first_folder_that_is_whole(root):
    source = Original(Numbers())
    task = Task("numbers", "toy", "natural", 4, {"train": 800, "val": 200, "test": 600}, (source,))
    assert find(task, root, "original") is source
    for name, size in task.sizes.items():
        split = load(task, source, root, name)
        assert len(split) == size and split.files == (root / "Numbers" / "whole",)
    assert len(load(task, source, root, "trainval")) == 1000


def test_what_is_missing_is_said(root, tmp_path):
    source = Original(Numbers())
    assert source.missing(None) == "give the folder that holds the data sets with DATA=... or VISIONPEFT_DATA"
    (root / "Numbers" / "whole").unlink()
    assert source.missing(root) == f"{root / 'numbers'} lacks whole"
    with pytest.raises(DataError, match="numbers lacks whole"):
        source.split(root, "train")
    empty = tmp_path / "empty"
    assert str(source.missing(empty)).startswith(f"no folder numbers or Numbers in {empty}")
    with pytest.raises(DataError, match="give the folder"):
        source.split(None, "train")


def test_the_data_sets_own_folder_in_place_of_the_one_above_is_named(root):
    source, own = Original(Numbers()), root / "Numbers"
    assert source.missing(own) == (
        f"{own} holds the images itself; give the folder above, in which it is called numbers or Numbers"
    )
    assert source.delivery(own).remotes == ()  # and nothing is downloaded into it


def test_replicates_are_other_training_images_for_the_same_test(root):
    usual, other = Original(Numbers()), Original(Numbers(), 1)
    assert (usual.sample, usual.variant) == (0, "") and (other.sample, other.variant) == (1, "replicate=1")
    assert not set(usual.trainval(root).keys) & set(other.trainval(root).keys)
    assert usual.split(root, "test").order == other.split(root, "test").order
    with pytest.raises(DataError, match=r"replicate 2: Numbers has 0 \(VTAB's own\) to 1"):
        Original(Numbers(), 2).split(root, "val")
