"""What all data sets of VTAB share: slices of the official order, replicates, arrays of tensorflow-datasets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from visionpeft.data.official import DataSet, Examples, pick
from visionpeft.data.task import DataError


@dataclass(frozen=True)
class Toy(DataSet):
    names: ClassVar = ("toy",)
    builder: ClassVar = "toy:1.0.0"
    counts: ClassVar = {"train": 5000, "test": 40}
    val: ClassVar = "train[3500:3700]"

    def missing(self, folder):
        return None

    def examples(self, folder, split):
        count = self.counts[split]
        return Examples(range(count), np.arange(count) % 7, lambda i: b"%d" % i)

    def key(self, features):
        return features["id"]

    def label(self, features):
        return int(features["label"])


@dataclass(frozen=True)
class Small(Toy):
    counts: ClassVar = {"train": 1999, "validation": 300, "test": 40}
    val: ClassVar = "validation[:200]"


def order(split: str, count: int) -> list[int]:
    return sorted(range(count), key=lambda i: hashlib.md5(f"{split}{i}".encode()).digest())


def test_a_split_is_a_slice_of_the_official_order():
    split = pick(Toy().examples(Path(), "train"), "train", 3500, 3700, 5000)
    chosen = order("train", 5000)[3500:3700]
    assert split.keys == tuple(f"train/{i}" for i in chosen)
    assert split.labels.tolist() == [i % 7 for i in chosen]
    assert [split.read(i) for i in range(200)] == [b"%d" % i for i in chosen]
    assert split.files == ()


def test_files_follow_the_examples_unless_one_holds_them_all():
    keys = ["b", b"a", "c\\d"]
    order = sorted(range(3), key=lambda i: hashlib.md5(b"test" + [b"b", b"a", b"c/d"][i]).digest())
    files = tuple(Path(name) for name in "xyz")
    split = pick(Examples(keys, np.zeros(3, np.int64), bytes, files), "test", 0, 3, 3)
    assert split.files == tuple(files[i] for i in order)
    assert split.keys == tuple(["test/b", "test/a", "test/c\\d"][i] for i in order)
    assert pick(Examples(keys, np.zeros(3, np.int64), bytes, files[:1]), "test", 0, 2, 3).files == files[:1]


def test_another_number_of_examples_is_refused():
    with pytest.raises(DataError, match="split train has 3 examples in folder, expected 4: with others, the official"):
        pick(Examples("abc", np.zeros(3, np.int64), bytes, (Path("folder/a"),)), "train", 0, 2, 4)


def test_parts_are_vtabs_slices_unless_a_replicate_is_asked_for():
    assert [Toy().part(name) for name in ("train", "val", "test")] == [
        ("train", 0, 800),
        ("train", 3500, 3700),
        ("test", 0, 40),
    ]
    assert [Toy().part(name, 2) for name in ("train", "val", "test")] == [
        ("train", 2000, 2800),
        ("train", 2800, 3000),
        ("test", 0, 40),
    ]


def test_replicates_share_no_image_with_each_other_or_with_vtabs():
    toy = Toy()
    assert toy.replicates == 2  # the third thousand after the first would reach validation at 3500
    taken = [i for k in range(3) for name in ("train", "val") for i in range(*toy.part(name, k)[1:])]
    assert len(taken) == len(set(taken)) == 3000


@pytest.mark.parametrize("replicate", [3, 99, -1])
def test_replicates_that_would_overlap_are_refused(replicate):
    with pytest.raises(DataError, match=rf"replicate {replicate}: Toy has 0 \(VTAB's own\) to 2; others would share"):
        Toy().part("train", replicate)


def test_small_data_sets_have_no_replicates():
    assert Small().replicates == 0
    with pytest.raises(DataError, match=r"replicate 1: Small has 0 \(VTAB's own\) only"):
        Small().part("val", 1)


def test_grey_arrays_get_three_equal_channels():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    assert Toy().array(grey).tolist() == [[[v] * 3 for v in row] for row in ([0, 1, 2], [3, 4, 5])]
    colour = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert np.array_equal(Toy().array(colour), colour)


def test_keys_that_are_numbers_are_known_without_files():
    assert Toy().numbers("train") is None and Toy().known_keys("train") is None
