"""The table of digests, and what becomes of a split that contradicts it."""

from __future__ import annotations

import csv
import dataclasses
import hashlib

import numpy as np
import pytest

from visionpeft.data import digests
from visionpeft.data.decode import Preprocessing
from visionpeft.data.digests import Digests, blaming, confirm, insist, pinned
from visionpeft.data.every import images_digest
from visionpeft.data.folder import ListFolder
from visionpeft.data.official import pick
from visionpeft.data.order import official_order
from visionpeft.data.original import Original
from visionpeft.data.pixels import pixels
from visionpeft.data.split import Split
from visionpeft.data.task import DataError, Task, load
from visionpeft.data.vtab.eurosat import EuroSAT
from visionpeft.data.vtab.flowers102 import Flowers102

SIZES = {
    "cifar100": 10000,
    "caltech101": 6084,
    "dtd": 1880,
    "flowers102": 6149,
    "pets": 3669,
    "svhn": 26032,
    "sun397": 21750,
    "patch_camelyon": 32768,
    "eurosat": 5400,
    "resisc45": 6300,
    "retinopathy": 42670,
    "clevr_count": 15000,
    "clevr_dist": 15000,
    "dmlab": 22735,
    "kitti_dist": 711,
    "dsprites_loc": 73728,
    "dsprites_ori": 73728,
    "smallnorb_azi": 12150,
    "smallnorb_ele": 12150,
}
"""Test images of the 19 tasks, as their authors give them."""
TASK = Task("toy", "vtab", "natural", 3)
SOURCE = Original(EuroSAT())


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def split() -> Split:
    return Split(("train/b", "train/a", "train/c"), np.array([2, 0, 1]), lambda i: b"%d" % i)


@pytest.fixture
def table(split, tmp_path, monkeypatch):
    """A table of one line: what the split is, with some digests changed."""

    def make(**changes: str) -> None:
        line = dataclasses.replace(Digests.of(split, "9" * 64), **changes)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["task", "split", *dataclasses.asdict(line), "status"])
            writer.writeheader()
            writer.writerow({"task": "toy", "split": "val", **dataclasses.asdict(line), "status": line.status})
        monkeypatch.setattr(digests, "TABLE", path)

    return make


def test_the_digests_of_a_split(split):
    found = Digests.of(split, "images")
    assert found.size == "3" and found.images == "images"
    assert found.keys == sha("train/a\ntrain/b\ntrain/c\n")
    assert found.order == sha("train/b\ntrain/a\ntrain/c\n")
    assert found.labels == sha("2\n0\n1\n")
    assert found.examples == sha("train/a\t0\ntrain/b\t2\ntrain/c\t1\n") == split.digest


@pytest.mark.parametrize(
    ("blank", "status"),
    [
        ([], "confirmed"),
        (["images"], "not yet confirmed: images"),
        (["images", "labels", "examples"], "not yet confirmed: labels images"),
        (["images", "labels", "examples", "keys", "order"], "not yet confirmed: keys labels images"),
    ],
)
def test_the_status_says_what_is_not_known(split, blank, status):
    assert dataclasses.replace(Digests.of(split, "9"), **dict.fromkeys(blank, "")).status == status


def test_what_agrees_with_all_is_confirmed(split, table):
    table()
    assert confirm(TASK, "val", split).state == "confirmed"
    assert confirm(TASK, "val", split, "9" * 64).state == insist(TASK, SOURCE, "val", split, "9" * 64) == "confirmed"


@pytest.mark.parametrize("blank", ["keys", "order", "labels", "examples", "images"])
def test_what_is_not_known_is_not_confirmed(split, table, blank):
    table(**{blank: ""})
    assert confirm(TASK, "val", split, "9" * 64).state == "unknown"
    assert insist(TASK, SOURCE, "val", split) == "unknown"


def test_other_tasks_splits_and_suites_are_unknown(split, table):
    table()
    assert confirm(TASK, "test", split).state == "unknown"
    assert confirm(dataclasses.replace(TASK, suite="fewshot"), "val", split).state == "unknown"
    assert confirm(dataclasses.replace(TASK, name="other"), "val", split).state == "unknown"


@pytest.mark.parametrize("what", ["keys", "order", "labels", "examples", "images"])
def test_a_contradiction_names_the_expected_and_the_found_digest(split, table, what):
    table(**{what: "0" * 64})
    found = Digests.of(split, "9" * 64)[what]
    verdict = confirm(TASK, "val", split, "9" * 64)
    assert (verdict.state, verdict.what, verdict.expected, verdict.found) == ("contradicts", what, "0" * 64, found)
    with pytest.raises(DataError) as caught:
        insist(TASK, SOURCE, "val", split, "9" * 64)
    message = str(caught.value)
    start = (
        f"vtab task toy, split val from source original: the digest of the {what} is {found[:16]}, expected {'0' * 16};"
    )
    assert message.startswith(start) and message.endswith("read them with source=folder")


def test_another_size_is_named_as_such(split, table):
    table(size="4")
    with pytest.raises(DataError, match=r"the size is 3, expected 4; files are missing, renamed or of another release"):
        insist(TASK, SOURCE, "val", split)


def test_images_are_compared_once_they_have_been_read(split, table):
    table(images="0" * 64)
    assert insist(TASK, SOURCE, "val", split) == "confirmed"
    with pytest.raises(
        DataError, match="the digest of the images is 9999999999999999, expected 0000000000000000; a file"
    ):
        insist(TASK, SOURCE, "val", split, "9" * 64)


def test_other_sources_and_replicates_may_have_other_images(split, table):
    table(keys="0" * 64)
    assert insist(TASK, ListFolder(names=("toy",)), "val", split) == "unknown"
    assert insist(TASK, Original(EuroSAT(), 1), "val", split) == "unknown"
    table()
    assert insist(TASK, ListFolder(names=("toy",)), "val", split) == "unknown"


def test_examples_without_names_are_known_by_labels_and_images(split, table):
    nameless = dataclasses.replace(split, keys=("train[5]", "train[6]", "train[7]"))
    table()
    assert confirm(TASK, "val", nameless, "9" * 64).state == "confirmed"
    table(labels="0" * 64)
    assert confirm(TASK, "val", nameless).what == "labels"
    table(images="")
    assert confirm(TASK, "val", nameless).state == insist(TASK, SOURCE, "val", nameless) == "keys assumed"


def test_the_table_has_all_splits_of_all_tasks():
    found = pinned()
    own = {(task, split) for task in SIZES for split in ("train", "val", "trainval", "test")}
    replicates = {("eurosat", f"{split}/{k}") for split in ("train", "val", "trainval") for k in range(1, 16)}
    assert set(found) == own | replicates
    assert all(found[line].status == "confirmed" for line in replicates)
    assert len({found[line].images for line in replicates}) == 45  # no two of them are the same images
    for task, test in SIZES.items():
        assert [found[task, split].size for split in ("train", "val", "trainval")] == ["800", "200", "1000"]
        assert found[task, "test"].size == str(test)
    for line in found.values():
        assert all(len(value) in (0, 64) for name, value in dataclasses.asdict(line).items() if name != "size")
        assert bool(line.images) <= bool(line.labels) == bool(line.examples) <= bool(line.keys) == bool(line.order)


def test_the_table_says_of_each_line_what_is_known():
    with digests.TABLE.open(newline="") as file:
        for row in csv.DictReader(file):
            assert row["status"] == pinned()[row["task"], row["split"]].status


def test_known_keys_follow_from_the_rule():
    """smallNORB's: numbers; val is taken from the test split, test is its second half."""
    order = official_order("test", range(24300))
    for task in ("smallnorb_azi", "smallnorb_ele"):
        assert pinned()[task, "val"].order == sha("".join(f"test/{i}\n" for i in order[:200]))
        assert pinned()[task, "test"].order == sha("".join(f"test/{i}\n" for i in order[12150:]))
        assert pinned()[task, "test"].status == "not yet confirmed: labels images"
    order = official_order("train", [f"CLEVR_train_{i:06}.png" for i in range(70000)])
    keys = "".join(f"train/CLEVR_train_{i:06}.png\n" for i in order[63000:63200])
    assert pinned()["clevr_dist", "val"].order == sha(keys)


def test_real_eurosat_is_confirmed(shared, tmp_path):
    task = Task("eurosat", "vtab", "specialized", 10)
    for name in ("train", "val", "trainval"):
        split = load(task, SOURCE, shared / "originals", name)
        images = pixels(split, Preprocessing(8), tmp_path).digest
        assert insist(task, SOURCE, name, split, images) == "confirmed"
    assert insist(task, SOURCE, "test", SOURCE.split(shared / "originals", "test")) == "confirmed"


def test_a_real_replicate_is_confirmed_and_another_one_refused(shared, monkeypatch):
    task, third = Task("eurosat", "vtab", "specialized", 10), Original(EuroSAT(), 3)
    split = load(task, third, shared / "originals", "trainval")
    images = images_digest(split)[0]
    assert insist(task, third, "trainval", split, images) == "confirmed"
    with pytest.raises(DataError, match="split trainval from source original: the digest of the keys is"):
        insist(task, Original(EuroSAT(), 4), "trainval", split, images)


def test_real_flowers_are_confirmed_as_far_as_they_are_known(shared, tmp_path):
    """Train and validation in full; of the test images there are labels alone."""
    (tmp_path / "flowers102").mkdir()
    for name in ("imagelabels.mat", "setid.mat"):
        (tmp_path / "flowers102" / name).symlink_to(shared / "originals" / "oxford_flowers102" / name)
    (tmp_path / "flowers102" / "jpg").symlink_to(shared / "vtab-1k" / "oxford_flowers102" / "images")
    task, data = Task("flowers102", "vtab", "natural", 102), Flowers102()
    for name, state in {"train": "confirmed", "val": "confirmed", "test": "unknown"}.items():
        split, start, stop = data.part(name)
        found = pick(data.examples(tmp_path / "flowers102", split), split, start, stop, data.counts[split])
        images = "" if name == "test" else pixels(found, Preprocessing(8), tmp_path / "cache").digest
        assert insist(task, Original(data), name, found, images) == state


@pytest.mark.parametrize("known", [True, False])
def test_an_image_that_cannot_be_decoded_is_named_as_changed_where_it_is_known(split, table, tmp_path, known):
    """They are no pictures: with the digest that is known of them that is said, with another that they changed."""
    found = images_digest(split)[0]
    table(images=found if known else "0" * 64)
    changed = f"the digest of the images is {found[:16]}, expected {'0' * 16}; a file was changed"
    message = "3 images cannot be read; put them back as published" if known else changed
    with pytest.raises(DataError, match=message), blaming(TASK, SOURCE, "val", split):
        pixels(split, Preprocessing(8), tmp_path)
