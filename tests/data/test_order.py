"""The official order, against two real ones and against what tensorflow-datasets itself prepares."""

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionpeft.data.order import official_order, slice_of
from visionpeft.data.task import DataError

COUNTS = {"train": 27000, "test": 100}


def rows(shared: Path, name: str) -> dict[str, list[dict[str, str]]]:
    """Return the rows of a reference order by split."""
    with (shared.parent / "reference" / "splits" / f"{name}.csv").open(newline="") as file:
        found: dict[str, list[dict[str, str]]] = {}
        for row in csv.DictReader(file):
            found.setdefault(row["split"], []).append(row)
    return found


def test_the_key_of_least_md5_comes_first():
    keys = ["a", "b", "c", "d", "e"]
    by_hand = sorted(range(5), key=lambda i: int(hashlib.md5(f"train{keys[i]}".encode()).hexdigest(), 16))
    assert official_order("train", keys).tolist() == by_hand == [4, 1, 2, 0, 3]
    assert official_order("test", keys).tolist() != by_hand  # the split's name is hashed too


def test_numbers_are_hashed_as_digits_and_folders_are_divided_by_slashes():
    assert official_order("train", range(50)).tolist() == official_order("train", list(map(str, range(50)))).tolist()
    windows, unix = [f"a\\{i}" for i in range(50)], [f"a/{i}".encode() for i in range(50)]
    assert official_order("train", windows).tolist() == official_order("train", unix).tolist()


def test_no_keys_have_an_order():
    assert official_order("train", []).tolist() == []


@pytest.mark.parametrize(
    ("name", "key", "sizes"),
    [
        ("eurosat", lambda row: f"{row['file_name'].split('_')[0]}_{row['file_name']}", {"train": 27000}),
        ("oxford_flowers102", lambda row: row["file_name"], {"train": 1020, "validation": 1020, "test": 6149}),
    ],
)
def test_real_orders_position_by_position(shared, name, key, sizes):
    found = rows(shared, name)
    assert {split: len(listed) for split, listed in found.items()} == sizes
    for split, listed in found.items():
        assert [int(row["position"]) for row in listed] == list(range(len(listed)))
        keys = [key(row) for row in listed]
        shuffled = np.random.default_rng(0).permutation(len(keys))
        order = official_order(split, [keys[i] for i in shuffled])
        assert [keys[shuffled[i]] for i in order] == keys


@pytest.fixture(scope="module")
def toy():
    """A data set that tensorflow-datasets prepares without TensorFlow; `names` are its keys."""
    tfds = pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")
    pytest.importorskip("array_record", reason="array_record is not installed")

    class OfficialOrderToy(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        url_infos: dict[str, object] = {}  # nothing is downloaded
        names: list[object] = []

        def _info(self):
            features = {"image": tfds.features.Image(shape=(2, 2, 3)), "number": np.int64}
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(), "validation": self._generate_examples()}

        def _generate_examples(self):
            for number, name in enumerate(self.names):
                file = io.BytesIO()
                Image.new("RGB", (2, 2)).save(file, "PNG")
                yield name, {"image": io.BytesIO(file.getvalue()), "number": number}

    return OfficialOrderToy


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(list(range(300)), id="numbers"),
        pytest.param([f"Forest_Forest_{i}.jpg" for i in range(300)], id="names"),
        pytest.param([f"züge/{i}" for i in range(300)], id="other alphabets"),
        pytest.param([f"a/b\\{i}.png" for i in range(300)], id="paths"),
        pytest.param([b"\xff\x00\\%d" % i for i in range(300)], id="bytes"),
    ],
)
def test_the_order_is_what_tensorflow_datasets_prepares(toy, tmp_path, monkeypatch, names):
    monkeypatch.setattr(toy, "names", names)
    builder = toy(data_dir=tmp_path, file_format="array_record")
    builder.download_and_prepare()
    for split in ("train", "validation"):
        prepared = [int(example["number"]) for example in builder.as_data_source(split)]
        assert sorted(prepared) == list(range(300))
        assert official_order(split, names).tolist() == prepared


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train", ("train", 0, 27000)),
        ("train[:800]", ("train", 0, 800)),
        ("train[16200:16400]", ("train", 16200, 16400)),
        ("train[21600:]", ("train", 21600, 27000)),
        ("train[:]", ("train", 0, 27000)),
        ("test[50%:]", ("test", 50, 100)),
        ("train[10%:20%]", ("train", 2700, 5400)),
    ],
)
def test_slices(text, expected):
    assert slice_of(text, COUNTS) == expected


@pytest.mark.parametrize(
    "text", ["", "validation[:5]", "train[", "train[5]", "train[-3:]", "train[:5]+test", "train[a:]"]
)
def test_what_is_no_slice_is_refused(text):
    with pytest.raises(DataError, match=r"expected one such as train\[:800\] of train, test"):
        slice_of(text, COUNTS)


@pytest.mark.parametrize("text", ["test[:101]", "test[100:]", "test[50:50]", "test[60:50]", "test[0%:120%]"])
def test_slices_beyond_the_split_are_refused(text):
    with pytest.raises(DataError, match="lies outside of test, which has 100 examples"):
        slice_of(text, COUNTS)
