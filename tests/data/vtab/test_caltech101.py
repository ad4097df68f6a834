import re

import pytest

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.caltech101 import CLASSES, Caltech101


def test_sizes_and_slices():
    data = Caltech101()
    assert data.builder == "caltech101:3.0.2"
    assert data.counts == {"train": 3060, "test": 6084}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("train", 2754, 2954)
    assert data.part("test") == ("test", 0, 6084)
    assert len(CLASSES) == 102 and sorted(CLASSES, key=str.lower) == list(CLASSES)


def test_the_owners_files_do_not_tell_the_splits(tmp_path):
    for name in CLASSES:
        (tmp_path / "caltech101" / name).mkdir(parents=True)
    source = Original(Caltech101())
    assert "depends on the order in which a disk listed them" in str(source.missing(tmp_path))
    assert "source=tfds" in str(source.missing(tmp_path))
    for name in ("train", "val", "test"):
        with pytest.raises(DataError, match="which the owners' files do not tell"):
            source.split(tmp_path, name)
    with pytest.raises(DataError, match="which the owners' files do not tell"):
        Caltech101().examples(tmp_path / "caltech101", "train")


@pytest.mark.parametrize("split", ["train", "test"])
def test_keys_and_labels_as_tensorflow_datasets_serves_them(tmp_path, picture, agrees, split):
    top = tmp_path / "original" / "101_ObjectCategories"
    for label, name in enumerate(CLASSES):
        (top / name).mkdir(parents=True)
        for i in range(31):
            (top / name / f"image_{i:04}.jpg").write_bytes(picture(label) if i == 0 else b"\xff\xd8")
    labels = {f"{name}/image_{i:04}.jpg": label for label, name in enumerate(CLASSES) for i in range(31)}
    arguments = {"images_dir_path": tmp_path / "original", "is_train_split": split == "train"}
    agrees(Caltech101(), tmp_path, split, arguments, labels=labels)


def test_real_lists_have_these_classes(shared):
    lists = shared / "vtab-1k" / "caltech101"
    rows = [row for name in ("train800", "val200", "test") for row in (lists / f"{name}.txt").read_text().splitlines()]
    found = dict(re.fullmatch(r"images/(\w+)/image_\d+\.jpg (\d+)", row).groups() for row in rows)
    assert len(found) == 102
    assert {int(label): name for name, label in found.items()} == dict(enumerate(CLASSES))
