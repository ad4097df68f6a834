"""Few-shot lists: which images are learnt from, validated on and tested on; and NOAH's own lists, where they are."""

import csv
import hashlib
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from visionpeft.data.fewshot import FewShot, draw, halves, once
from visionpeft.data.folder import Entry, parse
from visionpeft.data.noah import DATA_SETS, DIGESTS
from visionpeft.data.task import DataError, Task, find, load

CLASSES = 37
LISTS = ("noah", "noah-full-val", "own-sample")


def sources(shots: int, seed: int = 0, dataset: str = "pets") -> tuple[FewShot, ...]:
    return tuple(FewShot(dataset, shots, seed, lists) for lists in LISTS)


def a_task(shots: int, seed: int = 0) -> Task:
    return Task(f"pets_k{shots}", "fewshot", f"{shots}-shot", CLASSES, sources=sources(shots, seed))


def lines(names: list[str]) -> str:
    """Names such as 3-train-07: the label is in front."""
    return "".join(f"{name}.jpg {name.partition('-')[0]}\n" for name in names)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder with lists as NOAH's for two shots, three classes, 8 training images of each, and empty images."""
    lists, images = tmp_path / "oxford_pets" / "annotations", tmp_path / "oxford_pets" / "images"
    lists.mkdir(parents=True)
    images.mkdir()
    named = {part: [f"{c}-{part}-{i:02}" for c in range(3) for i in range(8)] for part in ("train", "val", "test")}
    for name in (name for names in named.values() for name in names):
        (images / f"{name}.jpg").touch()
    for seed in range(3):
        chosen = [f"{c}-train-{i + seed:02}" for c in (2, 0, 1) for i in (1, 0)]
        (lists / f"train_meta.list.num_shot_2.seed_{seed}").write_text(lines(chosen))
    (lists / "train_meta.list.num_shot_1.seed_0").write_text(lines([f"{c}-train-00" for c in (0, 0, 1, 1, 2, 2)]))
    for part, names in named.items():
        (lists / f"{part}_meta.list").write_text(lines(names))
    return tmp_path


def keys(root: Path, source: FewShot, name: str) -> list[str]:
    split = load(a_task(source.shots), source, root, name)
    assert all(int(key[0]) == label for key, label in zip(split.keys, split.labels, strict=True))
    return [key.removesuffix(".jpg") for key in split.keys]


def test_two_shots_are_one_to_train_and_one_to_validate(root):
    source = FewShot("pets", 2, 0)
    assert keys(root, source, "train") == ["2-train-01", "0-train-01", "1-train-01"]
    assert keys(root, source, "val") == ["2-train-00", "0-train-00", "1-train-00"]
    assert keys(root, source, "trainval") == keys(root, source, "train") + keys(root, source, "val")
    assert len(keys(root, source, "test")) == 24 and source.split(root, "train").repeated == 0


def test_one_shot_is_both_and_repeated_lines_count_once(root):
    source = FewShot("pets", 1, 0)
    shot = ["0-train-00", "1-train-00", "2-train-00"]
    assert [keys(root, source, name) for name in ("train", "val", "trainval")] == [shot] * 3
    assert source.split(root, "train").repeated == 3


def test_the_seed_is_the_sample(root):
    found = [FewShot("pets", 2, seed) for seed in range(3)]
    assert [source.sample for source in found] == [0, 1, 2] and all(source.by_seed for source in found)
    assert len({source.split(root, "train").digest for source in found}) == 3
    assert len({source.split(root, "test").digest for source in found}) == 1


def test_a_fourth_seed_has_no_list(root):
    with pytest.raises(DataError) as caught:
        find(a_task(2, seed=3), root)
    assert "there are lists for seeds 0, 1 and 2, none for seed 3; others with source=own-sample" in str(caught.value)


def test_the_full_validation_list_is_no_training_image(root):
    source = FewShot("pets", 2, 0, "noah-full-val")
    shots = FewShot("pets", 2, 0).trainval(root)
    assert sorted(keys(root, source, "trainval")) == sorted(keys(root, source, "train"))
    assert source.split(root, "train").digest == shots.digest
    assert keys(root, source, "val") == [f"{c}-val-{i:02}" for c in range(3) for i in range(8)]


def test_alternatives_are_named_and_never_taken_by_default(root):
    task = a_task(2)
    assert find(task, root) is task.sources[0] and task.sources[0].variant == ""
    assert [find(task, root, name).variant for name in LISTS[1:]] == [
        "search on the full validation list",
        "own sample",
    ]
    (root / "oxford_pets" / "annotations" / "train_meta.list.num_shot_2.seed_0").unlink()
    with pytest.raises(DataError, match=r"noah: .*annotations has no train_meta.list.num_shot_2.seed_0"):
        find(task, root)
    assert find(task, root, "own-sample") is task.sources[2]


def test_our_own_sample_is_the_smallest_digests_of_each_class(root):
    source = FewShot("pets", 3, 7, "own-sample")
    found = keys(root, source, "trainval")
    for label in range(3):
        names = [f"{label}-train-{i:02}" for i in range(8)]
        expected = sorted(names, key=lambda name: hashlib.sha256(f"7 {name}.jpg".encode()).hexdigest())[:3]
        assert sorted(name for name in found if name[0] == str(label)) == sorted(expected)
    assert Counter(key[0] for key in keys(root, source, "train")) == {"0": 2, "1": 2, "2": 2}


def test_our_own_samples_grow_and_differ():
    entries = [Entry(f"list:{i}", f"{i}.jpg", i % 2) for i in range(60)]
    one, two, four = ({entry.key for entry in draw(entries, shots, 0)} for shots in (1, 2, 4))
    assert len(one) == 2 and one < two < four and len(four) == 8
    assert {entry.key for entry in draw(reversed(entries), 4, 0)} == four != {e.key for e in draw(entries, 4, 1)}
    with pytest.raises(DataError, match="class 0 has 30 images to draw from, expected 31"):
        draw(entries, 31, 0)


def test_halves_of_odd_classes_lean_to_training():
    entries = [Entry("", f"{label}{i}", label) for label, count in ((0, 1), (1, 3), (2, 4)) for i in range(count)]
    first, rest = ([entry.key for entry in part] for part in halves(entries))
    assert first == ["00", "10", "11", "20", "21"] and rest == ["00", "12", "22", "23"]


def test_once_keeps_the_first_line_and_what_contradicts_it():
    entries = [Entry("1", "a", 0), Entry("2", "a", 0), Entry("3", "a", 1), Entry("4", "b", 1)]
    assert [entry.place for entry in once(entries)] == ["1", "3", "4"]


def test_what_is_missing_is_said(root, tmp_path):
    source = FewShot("pets", 2, 0)
    assert "DATA=" in FewShot("pets", 2, 0).missing(None)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert source.missing(empty).startswith(
        f"no oxford_pets/annotations with NOAH's lists in {empty}; `make data` gets them"
    )
    (root / "oxford_pets" / "images").rename(root / "oxford_pets" / "pictures")
    assert source.missing(root) == f"no oxford_pets/images with the images in {root}; `make data` gets them"
    with pytest.raises(DataError, match="no oxford_pets/images"):
        source.split(root, "train")
    with pytest.raises(DataError, match="no few-shot data set 'dogs'; there are aircraft, food101"):
        FewShot("dogs", 1, 0)


def test_an_image_that_is_not_there_is_named_with_its_line(root):
    (root / "oxford_pets" / "images" / "0-train-01.jpg").unlink()
    with pytest.raises(DataError, match=r"seed_0:3: no image .*0-train-01.jpg"):
        FewShot("pets", 2, 0).split(root, "train")


@pytest.mark.parametrize("first", ["2-train-01.jpg", "0-test-00.jpg"])
def test_a_vtab_copy_is_not_taken_for_all_images(root, first):
    """It has a folder of the right name, with a part of them: the rest is still to be had, with lists or without."""
    source, whole, copy = FewShot("pets", 2, 0), root / "oxford_pets/images", root / "vtab-1k/oxford_iiit_pet/images"
    copy.parent.mkdir(parents=True)
    whole.rename(copy)
    (copy / first).unlink()
    assert source.missing(root) == (
        f"no oxford_pets/images with the images in {root}, among them 2-train-01.jpg and 0-test-00.jpg; "
        "`make data` gets them"
    )
    assert [remote.name for remote in source.delivery(root).outstanding] == ["images.tar.gz"]
    (root / "oxford_pets").rename(root / "away")
    assert "images.tar.gz" in [remote.name for remote in source.delivery(root).outstanding]


def test_the_first_folder_with_all_images_is_read(root):
    part, whole = root / "oxford_pets" / "images", root / "vtab-1k" / "pets" / "images"
    shutil.copytree(part, whole)
    (part / "0-test-00.jpg").unlink()
    for name in ("train", "test"):
        assert {file.parent for file in FewShot("pets", 2, 0).split(root, name).files} == {whole}


@pytest.mark.parametrize("name", ["train_meta.list.num_shot_2.seed_0", "test_meta.list"])
def test_an_empty_list_is_said(root, name):
    path = root / "oxford_pets" / "annotations" / name
    path.write_text("\n")
    source = FewShot("pets", 2, 0)
    assert source.missing(root) == f"{path} is empty" and source.delivery(root).remotes == ()


def test_images_without_lists_are_not_downloaded_again(root):
    (root / "oxford_pets" / "annotations").rename(root / "oxford_pets" / "away")
    (root / "oxford_pets" / "images" / "Abyssinian_201.jpg").touch()
    assert not any(remote.unpack for remote in FewShot("pets", 2, 0).delivery(root).remotes)


def test_lists_and_images_may_lie_apart(root):
    """Lists in a clone of NOAH, images as torchvision leaves them."""
    (root / "NOAH/data/few-shot/oxford-pets").mkdir(parents=True)
    (root / "oxford_pets" / "annotations").rename(root / "NOAH/data/few-shot/oxford-pets/annotations")
    (root / "oxford_pets").rename(root / "oxford-iiit-pet")
    split = FewShot("pets", 2, 0).split(root, "train")
    assert split.files[0] == root / "oxford-iiit-pet/images/2-train-01.jpg"


def test_what_make_data_would_download(tmp_path):
    delivery = FewShot("pets", 2, 0).delivery(tmp_path)
    assert delivery.folder == tmp_path / "few-shot" / "oxford_pets" and delivery.missing.startswith("no oxford_pets")
    lists = [remote for remote in delivery.remotes if not remote.unpack]
    assert len(lists) == 15 + 3 and {remote.name.partition("/")[0] for remote in lists} == {"annotations"}
    url = "https://raw.githubusercontent.com/ZhangYuanhan-AI/NOAH/e9c55f360be4f7f1133a08bf84f86f0309e98f8c/"
    assert lists[0].urls[0].startswith(f"{url}data/few-shot/oxford-pets/annotations/")
    assert [remote.name for remote in delivery.remotes if remote.unpack] == ["images.tar.gz"]
    assert not FewShot("cars", 2, 0).delivery(tmp_path).outstanding[0].unpack
    assert "no longer serve it" in FewShot("cars", 2, 0).delivery(tmp_path).by_hand


def test_what_is_there_is_not_downloaded(root):
    assert FewShot("pets", 2, 0).delivery(root).remotes == ()


# NOAH's own lists

FACTS = {
    "aircraft": (100, 3333, 3333),
    "food101": (101, 20200, 30300),
    "flowers102": (102, 1633, 2463),
    "pets": (37, 736, 3669),
    "cars": (196, 1635, 8041),
}


@pytest.fixture
def noah(shared: Path) -> Path:
    return shared / "lists" / "noah"


def test_the_lists_are_those_whose_digests_are_pinned(noah):
    with DIGESTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 107
    for row in rows:
        data = (noah / row["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (int(row["size"]), row["sha256"]), row["path"]


@pytest.mark.parametrize("name", FACTS)
def test_sizes_of_the_lists(noah, name):
    classes, val, test = FACTS[name]
    folder = noah / "data" / "few-shot" / DATA_SETS[name].lists / "annotations"
    listed = {part: list(parse(folder / f"{part}_meta.list")) for part in ("val", "test")}
    assert (len(listed["val"]), len(listed["test"])) == (val, test)
    tested = {entry.key for entry in listed["test"]}
    assert not tested & {entry.key for entry in listed["val"]}
    for shots in (1, 2, 4, 8, 16):
        for seed in range(3):
            lines = list(parse(folder / f"train_meta.list.num_shot_{shots}.seed_{seed}"))
            entries = once(lines)
            counts = Counter(entry.label for entry in entries)
            assert counts == dict.fromkeys(range(classes), shots), (shots, seed)
            assert len(lines) == len(entries) * (2 if (name, shots) == ("pets", 1) else 1)
            assert not tested & {entry.key for entry in entries}
            first, rest = halves(entries)
            assert {len(first), len(rest)} == {classes * max(1, shots // 2)}


def test_pets_one_shot_from_the_real_list(noah, tmp_path):
    """37 images, listed twice each; the images themselves are stand-ins here."""
    (tmp_path / "lists").symlink_to(noah.parent)
    images = tmp_path / "oxford_pets" / "images"
    images.mkdir(parents=True)
    source = FewShot("pets", 1, 0)
    for name in ("train_meta.list.num_shot_1.seed_0", "test_meta.list"):
        for entry in parse(noah / "data/few-shot/oxford-pets/annotations" / name):
            (images / entry.key).touch()
    splits = {name: load(a_task(1), source, tmp_path, name) for name in ("train", "val", "trainval", "test")}
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 37,
        "val": 37,
        "trainval": 37,
        "test": 3669,
    }
    assert splits["train"].repeated == 37
    assert np.array_equal(np.sort(splits["train"].labels), np.arange(37))


def test_flowers_images_at_hand(noah, shared):
    """How many lines of the real lists have their image in the VTAB-1k copy: a fifth, so it is not the data set."""
    here = {path.name for path in (shared / "vtab-1k" / "oxford_flowers102" / "images").iterdir()}
    folder = noah / "data/few-shot/oxford-flowers102/annotations"
    counts = {
        name: sum(entry.key in here for entry in parse(folder / name))
        for name in ("train_meta.list.num_shot_1.seed_0", "train_meta.list.num_shot_16.seed_0", "test_meta.list")
    }
    assert list(counts.values()) == [19, 340, 511] and len(here) == 1600
    for shots, seed in ((k, seed) for k in (1, 2, 4, 8, 16) for seed in range(3)):
        assert "among them image_" in FewShot("flowers102", shots, seed).missing(shared)
    assert [remote.name for remote in FewShot("flowers102", 4, 0).delivery(shared).remotes] == ["102flowers.tgz"]


def test_the_known_images_are_the_first_of_the_test_lists(noah):
    for place in (place for place in DATA_SETS.values() if place.archives):
        first = next(parse(noah / "data" / "few-shot" / place.lists / "annotations" / place.test))
        assert place.known == first.key
