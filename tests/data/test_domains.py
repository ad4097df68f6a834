"""A folder per domain and class: which images are train and val, where copies are found, what is refused."""

from hashlib import md5
from pathlib import Path

import pytest

from visionpeft.data.domains import DomainFolder
from visionpeft.data.task import DataError

CLASSES = ("cat", "dog")
PAINTED = DomainFolder(("toys", "Toys"), "painted", CLASSES)


def make(folder: Path, domain: str = "painted", images: int = 8) -> Path:
    for i, title in enumerate(CLASSES):
        (folder / domain / title).mkdir(parents=True)
        for j in range(images):
            (folder / domain / title / f"{j}.png").write_bytes(f"{domain}{i}{j}".encode())
    return folder


def test_a_domain_is_split_by_md5_and_tested_as_a_whole(tmp_path):
    make(tmp_path / "toys")
    train, val, test = (PAINTED.split(tmp_path, name) for name in ("train", "val", "test"))
    keys = [f"painted/{title}/{j}.png" for title in CLASSES for j in range(8)]
    by_hash = sorted(keys, key=lambda key: int(md5(b"val" + key.encode()).hexdigest(), 16))
    assert list(val.keys) == sorted(by_hash[:3])  # a fifth of 16, rounded down
    assert list(train.keys) == sorted(by_hash[3:])
    assert list(test.keys) == keys
    assert test.labels.tolist() == [0] * 8 + [1] * 8
    assert test.read(9) == b"painted11"


@pytest.mark.parametrize("place", ["toys", "Toys", "toys/kfold", "Toys/images"])
def test_the_usual_layouts_are_the_same_examples(tmp_path, place):
    make(tmp_path / "a" / "toys")
    make(tmp_path / "b" / place)
    assert PAINTED.split(tmp_path / "b", "train").order == PAINTED.split(tmp_path / "a", "train").order


def test_what_is_missing_is_said(tmp_path):
    assert "DATA=" in PAINTED.missing(None)
    assert PAINTED.missing(tmp_path) == f"no folder toys/painted or Toys/painted in {tmp_path}"
    make(tmp_path / "toys", "drawn")
    (tmp_path / "toys" / "painted" / "cat").mkdir(parents=True)
    assert PAINTED.missing(tmp_path) == f"{tmp_path / 'toys' / 'painted'} lacks the folder dog"
    for root in (None, tmp_path):
        with pytest.raises(DataError, match="DATA=|lacks the folder dog"):
            PAINTED.split(root, "test")


def test_odd_files_are_named_and_left_ones_of_file_managers_ignored(tmp_path):
    folder = make(tmp_path / "toys") / "painted" / "cat"
    (folder / ".DS_Store").touch()
    (folder / "Thumbs.db").touch()
    assert len(PAINTED.split(tmp_path, "test")) == 16
    (folder / "notes.txt").touch()
    with pytest.raises(DataError, match="notes.txt: expected images"):
        PAINTED.split(tmp_path, "test")


def test_a_class_without_images_is_named(tmp_path):
    make(tmp_path / "toys", images=0)
    with pytest.raises(DataError, match="cat holds no images"):
        PAINTED.split(tmp_path, "train")


SIZES = {"photo": (392, 98), "art_painting": (168, 42), "cartoon": (168, 42), "sketch": (168, 42)}
"""A fifth of each domain of the seeded part of PACS in the shared folder."""
VAL = {
    "photo": "898a42882504",
    "art_painting": "7427d9fc44ff",
    "cartoon": "5d73088a3e65",
    "sketch": "c6a151708e46",
}


@pytest.mark.parametrize("domain", SIZES)
def test_pacs(shared, domain):
    classes = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
    source = DomainFolder(("pacs", "PACS"), domain, classes)
    train, val, test = (source.split(shared, name) for name in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (*SIZES[domain], sum(SIZES[domain]))
    assert val.digest.startswith(VAL[domain])
    assert set(train.keys) | set(val.keys) == set(test.keys)
    assert set(test.labels.tolist()) == set(range(7))
