import csv

import numpy as np
import pytest
from PIL import Image

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.eurosat import CLASSES, EuroSAT

SLICES = {"train": ("train", 0, 800), "val": ("train", 16200, 16400), "test": ("train", 21600, 27000)}


def test_sizes_and_slices():
    data = EuroSAT()
    assert data.counts == {"train": 27000} and data.encoded and not data.inexact
    assert {name: data.part(name) for name in SLICES} == SLICES
    assert len(CLASSES) == 10


def test_sixteen_training_sets():
    data = EuroSAT()
    assert data.replicates == 15  # and VTAB's own
    assert data.part("train", 1) == ("train", 1000, 1800)
    assert data.part("train", 15) == ("train", 15000, 15800)
    assert data.part("val", 15) == ("train", 15800, 16000)
    assert data.part("test", 15) == SLICES["test"]
    with pytest.raises(DataError, match=r"replicate 16: EuroSAT has 0 \(VTAB's own\) to 15"):
        data.part("train", 16)


@pytest.mark.parametrize("archive", ["2750", "EuroSAT_RGB", ""])
def test_files_are_found_however_they_were_unpacked(tmp_path, archive):
    folder = tmp_path / "eurosat" / archive
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (64, 64)).save(folder / name / f"{name}_1.jpg")
    (folder / "River" / "notes.txt").touch()
    data = EuroSAT()
    assert data.missing(tmp_path / "eurosat") is None
    found = data.examples(tmp_path / "eurosat", "train")
    assert found.keys == [f"{name}_{name}_1.jpg" for name in CLASSES]
    assert found.labels.tolist() == list(range(10))
    assert found.read(3) == (folder / "Highway" / "Highway_1.jpg").read_bytes()


def test_what_is_missing_is_named(tmp_path):
    for name in CLASSES[:-1]:
        (tmp_path / name).mkdir()
    assert EuroSAT().missing(tmp_path) == f"{tmp_path} lacks SeaLake of EuroSAT's RGB images"


def test_keys_and_labels_as_tensorflow_datasets_serves_them():
    features = {"label": 5, "filename": b"Pasture_1875.jpg"}
    assert EuroSAT().key(features) == "Pasture_Pasture_1875.jpg"
    assert EuroSAT().label(features) == 5


def test_the_real_splits(shared):
    """The reference lists the order that tensorflow-datasets prepared from the same images."""
    with (shared.parent / "reference" / "splits" / "eurosat.csv").open(newline="") as file:
        rows = [
            (f"train/{r['file_name'].split('_')[0]}_{r['file_name']}", int(r["label"])) for r in csv.DictReader(file)
        ]
    for replicate in (0, 7):
        source = Original(EuroSAT(), replicate)
        for name in SLICES:
            split = source.split(shared / "originals", name)
            _, start, stop = EuroSAT().part(name, replicate)
            assert list(zip(split.keys, split.labels.tolist(), strict=True)) == rows[start:stop]
            assert len(split.files) == len(split) == {"train": 800, "val": 200, "test": 5400}[name]
    assert split.read(17) == split.files[17].read_bytes()
    assert np.bincount(split.labels).min() > 300
