import csv

import numpy as np
import pytest
from scipy.io import savemat

from visionpeft.data.official import pick
from visionpeft.data.task import DataError
from visionpeft.data.vtab.flowers102 import Flowers102


@pytest.fixture
def folder(tmp_path):
    """Six images of three kinds, two in each split."""
    savemat(tmp_path / "imagelabels.mat", {"labels": np.array([[1, 2, 3, 1, 2, 3]], np.uint8)})
    parts = {"trnid": [[5, 2]], "valid": [[1, 3]], "tstid": [[6, 4]]}
    savemat(tmp_path / "setid.mat", {name: np.array(ids, np.uint16) for name, ids in parts.items()})
    (tmp_path / "jpg").mkdir()
    for number in range(1, 7):
        (tmp_path / "jpg" / f"image_{number:05}.jpg").write_bytes(b"%d" % number)
    return tmp_path


def test_sizes_and_slices():
    data = Flowers102()
    assert data.counts == {"train": 1020, "validation": 1020, "test": 6149} and data.encoded and not data.inexact
    slices = [data.part(name) for name in ("train", "val", "test")]
    assert slices == [("train", 0, 800), ("validation", 0, 200), ("test", 0, 6149)]
    assert data.replicates == 0


def test_examples(folder):
    data = Flowers102()
    assert data.missing(folder) is None
    train, test = data.examples(folder, "train"), data.examples(folder, "test")
    assert train.keys == ["image_00005.jpg", "image_00002.jpg"] and train.labels.tolist() == [1, 1]
    assert test.keys == ["image_00006.jpg", "image_00004.jpg"] and test.labels.tolist() == [2, 0]
    assert test.read(1) == b"4" and test.files[1] == folder / "jpg" / "image_00004.jpg"


def test_what_is_missing_is_named(folder):
    (folder / "jpg" / "image_00001.jpg").unlink()
    assert Flowers102().missing(folder) == f"{folder} lacks the folder jpg of Oxford Flowers (102flowers.tgz)"
    (folder / "setid.mat").unlink()
    assert Flowers102().missing(folder) == f"{folder} lacks setid.mat of Oxford Flowers"


def test_broken_lists_are_refused(folder):
    (folder / "setid.mat").write_bytes(b"no MATLAB file")
    with pytest.raises(DataError, match=r"setid\.mat: cannot be read as a MATLAB file with a variable trnid"):
        Flowers102().examples(folder, "train")
    savemat(folder / "setid.mat", {"trnid": np.array([[7]])})
    with pytest.raises(DataError, match=r"setid\.mat: image 7, but 6 labels"):
        Flowers102().examples(folder, "train")


def test_keys_and_labels_as_tensorflow_datasets_serves_them():
    features = {"label": 72, "file_name": b"image_00297.jpg"}
    assert Flowers102().key(features) == "image_00297.jpg"
    assert Flowers102().label(features) == 72


def test_the_real_splits(shared):
    """The reference lists the order that tensorflow-datasets prepared from the owners' files."""
    expected: dict[str, list[tuple[str, int]]] = {}
    with (shared.parent / "reference" / "splits" / "oxford_flowers102.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            expected.setdefault(row["split"], []).append((f"{row['split']}/{row['file_name']}", int(row["label"])))
    for split, count in Flowers102().counts.items():
        found = pick(Flowers102().examples(shared / "originals" / "oxford_flowers102", split), split, 0, count, count)
        assert list(zip(found.keys, found.labels.tolist(), strict=True)) == expected[split]
