"""Images that were changed are named, with the digest each should have and the one it has."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from visionpeft.data import altered as module
from visionpeft.data.altered import altered, altered_lists, expected, known
from visionpeft.data.digests import insist, pinned
from visionpeft.data.every import images_digest
from visionpeft.data.official import Remote, pick
from visionpeft.data.original import Original
from visionpeft.data.split import Split
from visionpeft.data.task import DataError, Task, load
from visionpeft.data.vtab.eurosat import EuroSAT
from visionpeft.data.vtab.flowers102 import Flowers102

TASK = Task("eurosat", "vtab", "specialized", 10)
IMAGES = [b"image %d" % i for i in range(30)]


def of(images: list[bytes]) -> Split:
    files = tuple(Path(f"/data/{i}.jpg") for i in range(len(images)))
    return Split(tuple(path.name for path in files), np.zeros(len(images), np.int64), lambda i: images[i], files)


def start(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()[:16]


@pytest.fixture(autouse=True)
def table(request, tmp_path, monkeypatch):
    """What is known of a toy's single images: 20 to train on, ten to validate."""
    if "shared" in request.fixturenames or "real" in request.function.__name__:
        return
    each = images_digest(of(IMAGES))[1]
    with (tmp_path / "images.npz").open("wb") as file:
        np.savez(file, **{"toy/train": each[:20], "toy/val": each[20:], "toy/train/2": each[:5]})
    monkeypatch.setattr(module, "IMAGES", tmp_path / "images.npz")


def test_nothing_is_said_of_images_that_are_as_they_were():
    assert altered("toy", "train", of(IMAGES[:20])) == altered("toy", "trainval", of(IMAGES)) == []


def test_each_changed_image_is_named_with_both_digests():
    changed = IMAGES[:3] + [b"other"] + IMAGES[4:25] + [b"another"] + IMAGES[26:]
    assert altered("toy", "trainval", of(changed)) == [
        f"/data/3.jpg: sha256 {start(b'other')}, expected {start(IMAGES[3])}",
        f"/data/25.jpg: sha256 {start(b'another')}, expected {start(IMAGES[25])}",
    ]
    assert altered("toy", "train/2", of([b"other", *IMAGES[1:5]])) == [
        f"/data/0.jpg: sha256 {start(b'other')}, expected {start(IMAGES[0])}"
    ]


def test_many_changed_images_are_counted():
    lines = altered("toy", "train", of([image + b"?" for image in IMAGES[:20]]))
    assert len(lines) == 11 and lines[-1] == "and 10 more of 20"


@pytest.mark.parametrize(("task", "line"), [("toy", "test"), ("toy", "trainval/2"), ("toy", "val/2"), ("other", "val")])
def test_where_single_images_are_not_known_none_is_named(task, line):
    assert expected(task, line) is None and altered(task, line, of([b"other"] * 5)) == []


def test_another_number_of_images_names_none():
    assert altered("toy", "val", of([b"other"] * 9)) == []


def test_images_that_are_missing_are_named_as_such(tmp_path):
    def read(i: int) -> bytes:
        return (tmp_path / "absent.jpg").read_bytes()

    split = Split(tuple(map(str, range(10))), np.zeros(10, np.int64), read, (tmp_path / "absent.jpg",) * 10)
    with pytest.raises(DataError, match="absent.jpg: No such file"):
        altered("toy", "val", split)


def test_the_real_table_has_each_image_of_the_confirmed_splits():
    confirmed = {
        f"{task}/{split}": int(line.size)
        for (task, split), line in pinned().items()
        if line.images and not split.startswith("trainval")
    }
    assert {name: len(each) for name, each in known().items()} == confirmed
    assert sum(confirmed.values()) == 1000 + 15000 + 5400 + 1000
    assert all(each.dtype == np.uint64 for each in known().values())
    eurosat = np.concatenate([each for name, each in known().items() if name.startswith("eurosat")])
    assert len(np.unique(eurosat)) == len(eurosat) == 21400  # no image is there twice


@pytest.fixture
def copy(shared, tmp_path) -> Path:
    """A data folder with EuroSAT in it, of files that may be changed."""
    shutil.copytree(shared / "originals" / "eurosat", tmp_path / "data" / "eurosat")
    return tmp_path / "data"


def test_changed_files_of_eurosat_are_named(copy):
    """One bit of a training image, and two images that have become others: of the test set and of a replicate."""
    source = Original(EuroSAT())
    split = load(TASK, source, copy, "trainval")
    path, before = split.files[17], split.read(17)
    changed = before[:-1] + bytes([before[-1] ^ 1])
    path.write_bytes(changed)
    images = images_digest(split)[0]
    with pytest.raises(DataError) as caught:
        insist(TASK, source, "trainval", split, images)
    first, second, third = str(caught.value).splitlines()
    due = pinned()["eurosat", "trainval"].images
    assert f"the digest of the images is {images[:16]}, expected {due[:16]};" in first
    assert second == f"  {path}: sha256 {start(changed)}, expected {start(before)}"
    assert third.startswith("  put it back as published (`make data TASK=vtab_eurosat`")
    for source, name in ((Original(EuroSAT()), "test"), (Original(EuroSAT(), 15), "trainval")):
        split = load(TASK, source, copy, name)
        assert insist(TASK, source, name, split, images_digest(split)[0]) == "confirmed"
        before, changed = split.read(0), split.read(len(split) - 1)
        split.files[0].write_bytes(changed)
        with pytest.raises(DataError) as caught:
            insist(TASK, source, name, split, images_digest(split)[0])
        assert f"\n  {split.files[0]}: sha256 {start(changed)}, expected {start(before)}\n" in str(caught.value)


def test_a_changed_list_is_named(tmp_path):
    """Beside the images' folder or above it; one that is as published, absent or without a digest is not."""
    published = {"labels.txt": b"1 2", "ids.txt": b"3", "absent.txt": b"", "free.txt": b"5"}
    digests = {name: f"sha256:{hashlib.sha256(body).hexdigest()}" for name, body in published.items()}
    digests["ids.txt"] = f"md5:{hashlib.md5(b'3').hexdigest()}"
    lists = [Remote((), name, digest, 0, unpack=False) for name, digest in digests.items() if name != "free.txt"]
    for name, body in (("labels.txt", b"1 1"), ("ids.txt", b"3"), ("free.txt", b"?")):
        (tmp_path / name).write_bytes(body)
    split = Split(("a",), np.zeros(1, np.int64), lambda i: b"", (tmp_path / "jpg" / "a.jpg",))
    assert altered_lists(lists, split) == [
        f"{tmp_path / 'labels.txt'}: sha256 {start(b'1 1')}, expected {start(b'1 2')}"
    ]
    (tmp_path / "ids.txt").write_bytes(b"4")
    found, due = (hashlib.md5(body).hexdigest()[:16] for body in (b"4", b"3"))
    assert altered_lists(lists, split)[1] == f"{tmp_path / 'ids.txt'}: md5 {found}, expected {due}"
    assert altered_lists(lists, Split(("a",), np.zeros(1, np.int64), lambda i: b"")) == []


def test_changed_labels_of_flowers_are_named(shared, tmp_path):
    from scipy.io import loadmat, savemat

    folder, task = tmp_path / "flowers102", Task("flowers102", "vtab", "natural", 102)
    (folder / "jpg").mkdir(parents=True)
    (folder / "jpg" / "image_00001.jpg").touch()
    shutil.copy(shared / "originals" / "oxford_flowers102" / "setid.mat", folder)
    labels = loadmat(shared / "originals" / "oxford_flowers102" / "imagelabels.mat")["labels"]
    labels[0, 296] = 1  # the first training image's
    savemat(folder / "imagelabels.mat", {"labels": labels})
    source = Original(Flowers102())
    split = source.split(tmp_path, "train")
    with pytest.raises(DataError) as caught:
        insist(task, source, "train", split)
    first, second, third = str(caught.value).splitlines()
    assert "the digest of the labels is" in first
    found = hashlib.sha256((folder / "imagelabels.mat").read_bytes()).hexdigest()[:16]
    assert second == f"  {folder / 'imagelabels.mat'}: sha256 {found}, expected 4903e94206bac23b"
    assert third.startswith("  put it back as published (`make data TASK=vtab_flowers102` does where what is named")


def test_a_changed_flower_is_named(shared, tmp_path):
    images, data = shared / "vtab-1k" / "oxford_flowers102" / "images", Flowers102()
    for name in ("imagelabels.mat", "setid.mat"):
        shutil.copy(shared / "originals" / "oxford_flowers102" / name, tmp_path)
    (tmp_path / "jpg").symlink_to(images)
    split, first, last = data.part("val")
    found = pick(data.examples(tmp_path, split), split, first, last, data.counts[split])
    other = Split(found.keys, found.labels, lambda i: found.read(i) + b"?" if i == 5 else found.read(i), found.files)
    assert altered("flowers102", "val", found) == []
    due = start(found.read(5))
    assert altered("flowers102", "val", other) == [
        f"{found.files[5]}: sha256 {start(found.read(5) + b'?')}, expected {due}"
    ]
