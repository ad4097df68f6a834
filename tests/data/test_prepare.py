"""Data sets that tensorflow-datasets prepares on request, here from files on this machine and without TensorFlow."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from visionpeft.data import prepare as module
from visionpeft.data.obtain import obtain
from visionpeft.data.prepare import needed, prepare, unable
from visionpeft.data.prepared import Prepared
from visionpeft.data.task import DataError
from visionpeft.data.unfinished import Listener
from visionpeft.data.vtab.caltech101 import CLASSES, Caltech101
from visionpeft.data.vtab.kitti import Kitti
from visionpeft.data.vtab.retinopathy import Retinopathy
from visionpeft.data.vtab.sun397 import SUN397

IMAGES = 32
"""Of each class: 30 are drawn for train."""
SIZES = {"train": 30 * len(CLASSES), "test": (IMAGES - 30) * len(CLASSES)}


class Small(Caltech101):
    """As many images as the test writes."""

    counts = SIZES


class Heard(Listener):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


@pytest.fixture
def present(monkeypatch):
    """Have every package but those named."""

    def make(*absent: str) -> None:
        monkeypatch.setattr(module, "find_spec", lambda name: None if name in absent else object())

    return make


@pytest.fixture
def caltech(tmp_path, monkeypatch, present):
    """Let Caltech101's builder find made-up files in the owners' layout where it would download them."""
    tfds = pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")
    pytest.importorskip("array_record", reason="array_record is not installed")
    present()
    top = tmp_path / "owners" / "101_ObjectCategories"
    for label, name in enumerate(CLASSES):
        (top / name).mkdir(parents=True)
        for i in range(IMAGES):
            (top / name / f"image_{i:04}.jpg").write_bytes(b"\xff\xd8%d %d" % (label, i))
    builder = tfds.builder_cls("caltech101")
    files = SimpleNamespace(listdir=os.listdir, isdir=os.path.isdir, walk=os.walk)
    monkeypatch.setattr(sys.modules[builder.__module__], "tf", SimpleNamespace(io=SimpleNamespace(gfile=files)))
    builder.url_infos = {}  # looking at what is there before would look for checksums
    manager = tfds.download.DownloadManager
    monkeypatch.setattr(manager, "download_and_extract", lambda self, url: tmp_path / "owners")
    monkeypatch.setattr(manager, "extract", lambda self, path: str(tmp_path / "owners"))
    yield top
    del builder.url_infos


def test_what_was_prepared_is_read(caltech, tmp_path):
    source, root, heard = Prepared(Small()), tmp_path / "data", Heard()
    assert "expected" in str(source.missing(root))
    obtain(source.delivery(root), heard)
    assert source.missing(root) is None
    assert (root / "tensorflow_datasets" / "caltech101" / "3.0.2" / "dataset_info.json").is_file()
    train, val, test = (source.split(root, name) for name in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (800, 200, SIZES["test"])
    for split in (train, val, test):
        for i in (0, len(split) - 1):
            name, file = split.keys[i].split("/")[1:]
            assert split.read(i) == (caltech / name / file).read_bytes() and CLASSES[split.labels[i]] == name
    assert not set(train.keys) & set(val.keys)
    home = root / "tensorflow_datasets"
    assert heard.remarks == [f"tensorflow-datasets prepares caltech101:3.0.2 in {home}; it shows how far it is itself"]


def test_a_folder_that_is_there_is_not_prepared_again(caltech, tmp_path):
    delivery = Prepared(Small()).delivery(tmp_path / "data")
    obtain(delivery)
    shutil.rmtree(caltech)
    obtain(delivery)
    prepare(Small(), tmp_path / "data", Listener())  # as a second process that waited for the first
    assert delivery.missing is None and not delivery.comes


def test_an_interruption_leaves_nothing_that_is_read(caltech, tmp_path):
    """Killed while it writes: what tensorflow-datasets leaves has another name, and the command goes on."""
    source, root = Prepared(Small()), tmp_path / "data"
    kept = root / "tensorflow_datasets" / "caltech101" / "incomplete.ABC123_3.0.2"
    (kept / "some").mkdir(parents=True)
    assert source.missing(root) == (
        f"{kept} is not whole, preparing was interrupted; remove that folder and have the data set prepared again"
    )
    obtain(source.delivery(root))
    assert source.missing(root) is None


def test_a_version_without_its_description_is_named(caltech, tmp_path):
    """tensorflow-datasets would take the folder for whole and do nothing."""
    source, root = Prepared(Small()), tmp_path / "data"
    begun = root / "tensorflow_datasets" / "caltech101" / "3.0.2"
    begun.mkdir(parents=True)
    assert str(source.missing(root)).startswith(f"{begun} is not whole")
    with pytest.raises(DataError) as caught:
        obtain(source.delivery(root))
    assert str(caught.value) == (
        f"{begun} is not whole, preparing was interrupted; remove that folder and have the data set prepared again, "
        "although tensorflow-datasets' builder caltech101:3.0.2 went through"
    )


def test_a_builder_that_fails_is_an_error_with_its_reason(caltech, tmp_path):
    shutil.rmtree(caltech / "ant")
    (caltech / "ant").mkdir()
    (caltech / "ant" / "image_0001.jpg").touch()
    with pytest.raises(DataError) as caught:
        obtain(Prepared(Small()).delivery(tmp_path / "data"))
    home = tmp_path / "data" / "tensorflow_datasets"
    assert f"tensorflow-datasets could not prepare caltech101:3.0.2 in {home}: Fewer than 30 (1) points" in str(
        caught.value
    )
    assert "no folder caltech101 prepared" in str(Prepared(Small()).missing(tmp_path / "data"))


def test_files_to_bring_are_named_where_the_builder_fails(monkeypatch, tmp_path, present):
    present()

    def absent(*_: object) -> None:
        raise AssertionError("Manual directory does not exist")

    monkeypatch.setattr(module, "_built", absent)
    for dataset in (SUN397(), Retinopathy()):
        with pytest.raises(DataError, match=r"Manual directory does not exist \(AssertionError\)") as caught:
            prepare(dataset, tmp_path, Listener())
        assert "<data folder>/tensorflow_datasets/downloads/manual" in str(caught.value)


@pytest.mark.parametrize("dataset", [SUN397(), Retinopathy(), Kitti()], ids=lambda one: type(one).__name__)
def test_what_is_not_installed_is_named_with_the_command(dataset, present, tmp_path):
    present("tensorflow", "cv2")
    assert unable(dataset) == (
        f"preparing {dataset.builder} needs tensorflow, opencv-python-headless, with which its builder in "
        "tensorflow-datasets reads the owners' files and encodes the images: pip install "
        "tensorflow opencv-python-headless"
    )
    with pytest.raises(DataError, match="needs tensorflow, opencv"):
        prepare(dataset, tmp_path / "data", Listener())
    assert not (tmp_path / "data").exists()
    assert Prepared(dataset).delivery(tmp_path).make is None
    present()
    assert unable(dataset) is None and Prepared(dataset).delivery(tmp_path).make is not None


def test_the_builders_use_the_modules_that_are_asked_for():
    """Of those whose modules name OpenCV; TensorFlow reads files for nearly all of them."""
    tfds = pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")
    for dataset in (SUN397(), Retinopathy(), Kitti(), Caltech101()):
        builder = tfds.builder_cls(dataset.builder.partition(":")[0].partition("/")[0])
        found = sys.modules[builder.__module__]
        assert ("cv2" in Path(str(found.__file__)).read_text()) == ("cv2" in needed(dataset))
