"""Folders that tensorflow-datasets itself prepared in the test, without TensorFlow, read back through `Prepared`."""

from __future__ import annotations

import io
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from visionpeft.data import digests, prepared
from visionpeft.data.decode import Preprocessing
from visionpeft.data.digests import Digests
from visionpeft.data.flavour import described
from visionpeft.data.loader import Batches
from visionpeft.data.official import DataSet, Examples, as_published
from visionpeft.data.original import Original
from visionpeft.data.pixels import pixels
from visionpeft.data.prepared import Prepared
from visionpeft.data.task import DataError, Task, load
from visionpeft.data.vtab.eurosat import EuroSAT

tfds = pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")
pytest.importorskip("array_record", reason="array_record is not installed")

COUNT = {"train": 60, "validation": 20}


def image(split: str, number: int) -> np.ndarray:
    return np.random.default_rng([len(split), number]).integers(0, 2, (5, 4, 1), dtype=np.uint8)


def encoded(split: str, number: int, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image(split, number)[..., 0]).save(file, form)
    return file.getvalue()


@dataclass(frozen=True)
class Named(DataSet):
    """Encoded images with file names."""

    names: ClassVar = ("prepared_toy",)
    builder: ClassVar = "prepared_toy/named:2.1.0"
    versions: ClassVar = ("1",)
    counts: ClassVar = COUNT
    train: ClassVar = "train[:30]"
    val: ClassVar = "validation[:10]"
    test: ClassVar = "train[50%:]"

    def missing(self, folder):
        return None

    def examples(self, folder, split):
        count = COUNT[split]
        keys = [f"a/{i}.png" for i in range(count)]
        return Examples(keys, np.arange(count) % 3, lambda i: encoded(split, i))

    def key(self, features):
        return features["name"].decode()

    def label(self, features):
        return int(features["label"])


@dataclass(frozen=True)
class Numbered(Named):
    """Arrays with numbers, grey and binary, as tensorflow-datasets keeps dSprites."""

    builder: ClassVar = "prepared_toy/numbered:2.1.0"
    encoded: ClassVar = False

    def examples(self, folder, split):
        count = COUNT[split]
        return Examples(range(count), np.arange(count) % 3, lambda i: np.repeat(image(split, i), 3, 2) * 255)

    def key(self, features):
        return int(features["name"].decode().strip("a/.png"))

    def numbers(self, split):
        return range(COUNT[split])

    def array(self, image):
        return super().array(image) * 255


class Silent(Numbered):
    """As older versions, whose records do not say their numbers."""

    def key(self, features):
        return None


class PreparedToy(tfds.core.GeneratorBasedBuilder):
    """The builder of both; `disordered` leaves the records as they come."""

    VERSION = tfds.core.Version("2.1.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="named"),
        tfds.core.BuilderConfig(name="numbered"),
        tfds.core.BuilderConfig(name="disordered"),
    ]
    url_infos: dict[str, object] = {}

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
            "label": tfds.features.ClassLabel(num_classes=3),
            "name": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=self.builder_config.name == "disordered",
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in COUNT}

    def _generate_examples(self, split):
        for i in range(COUNT[split]):
            features = {"image": io.BytesIO(encoded(split, i)), "label": i % 3, "name": f"a/{i}.png"}
            yield i if self.builder_config.name != "named" else f"a/{i}.png", features


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A data folder with prepared_toy/{named,numbered,disordered}/2.1.0, several shards each."""
    folder = tmp_path_factory.mktemp("tfds")
    for config in ("named", "numbered", "disordered"):
        builder = PreparedToy(config=config, data_dir=folder, file_format="array_record")
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=3))
    return folder


@pytest.fixture
def root(home, tmp_path) -> Path:
    """A copy that may be changed."""
    shutil.copytree(home, tmp_path / "data" / "tensorflow_datasets")
    return tmp_path / "data"


def as_tfrecord(folder: Path) -> None:
    """Write a prepared folder's records into TFRecord files, with checksums of zeros."""
    builder = tfds.builder_from_directory(folder)
    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    for split in COUNT:
        messages = iter(builder.as_data_source(split, deserialize_method=raw))
        lengths = builder.info.splits[split].shard_lengths
        for path, length in zip(builder.info.splits[split].filepaths, lengths, strict=True):
            frames = [next(messages) for _ in range(length)]
            text = b"".join(len(m).to_bytes(8, "little") + bytes(4) + m + bytes(4) for m in frames)
            Path(str(path).replace("array_record", "tfrecord")).write_bytes(text)
            Path(path).unlink()
    about = json.loads((folder / "dataset_info.json").read_text())
    text = json.dumps(about | {"fileFormat": "tfrecord"}).replace("array_record", "tfrecord")
    (folder / "dataset_info.json").write_text(text)


@pytest.mark.parametrize("form", ["array_record", "tfrecord"])
@pytest.mark.parametrize("data", [Named(), Numbered()], ids=lambda data: type(data).__name__)
def test_what_was_prepared_is_what_the_originals_give(root, tmp_path, data, form):
    if form == "tfrecord":
        as_tfrecord(root / "tensorflow_datasets" / data.builder.replace(":", "/"))
    (root / "prepared_toy").mkdir()
    source, original = Prepared(data), Original(data)
    assert source.missing(root) is None and source.missing(root / "tensorflow_datasets") is None
    for name in ("train", "val", "test"):
        ours, theirs = source.split(root, name), original.split(root, name)
        assert ours.keys == theirs.keys and ours.labels.tolist() == theirs.labels.tolist()
        assert (ours.digest, ours.order) == (theirs.digest, theirs.order)
        assert all(np.array_equal(ours.read(i), theirs.read(i)) for i in range(len(ours)))
        assert len(ours.files) == 3 and all(form in path.name for path in ours.files)
        digests = [pixels(split, Preprocessing(6), tmp_path / "cache").digest for split in (ours, theirs)]
        assert digests[0] == digests[1]


def test_a_warm_cache_reads_no_record(root, tmp_path, monkeypatch):
    split = Prepared(Named()).split(root, "train")
    cold = pixels(split, Preprocessing(6), tmp_path / "cache")
    monkeypatch.setattr(prepared, "as_published", lambda *_: pytest.fail("read"))
    assert pixels(Prepared(Named()).split(root, "train"), Preprocessing(6), tmp_path / "cache").digest == cold.digest


def test_what_is_missing_is_said(root, tmp_path, monkeypatch):
    source = Prepared(Named())
    assert str(source.missing(None)).startswith("give the folder")
    assert source.missing(tmp_path) == (
        f"no folder prepared_toy/named prepared by tensorflow-datasets in {tmp_path}, expected "
        f"{tmp_path}/tensorflow_datasets/prepared_toy/named/2.1.0 with dataset_info.json; `make data` with SOURCE=tfds "
        "prepares it"
    )
    home = root / "tensorflow_datasets"
    for inner in ("prepared_toy", "prepared_toy/named", "prepared_toy/named/2.1.0"):
        assert source.missing(home / inner) == (
            f"{home / inner} lies within what tensorflow-datasets prepared; give the folder that holds it all, {home}"
        )
    with pytest.raises(DataError, match="no folder prepared_toy/named"):
        source.split(tmp_path, "train")
    monkeypatch.setattr(prepared, "find_spec", lambda name: None)
    assert str(source.missing(root)).endswith("pip install 'visionpeft[tfds]'")


def test_the_declared_version_comes_first_then_others_of_its_major_version(root):
    home = root / "tensorflow_datasets" / "prepared_toy" / "named"
    source = Prepared(Named())

    def files(version: str) -> set[str]:
        return {path.parent.name for path in Prepared(Named()).split(root, "train").files} & {version}

    for version in ("1.0.0", "2.0.9", "2.0.10", "3.0.0"):
        shutil.copytree(home / "2.1.0", home / version)
    assert files("2.1.0")
    shutil.rmtree(home / "2.1.0")
    assert files("2.0.10")
    shutil.rmtree(home / "2.0.10")
    shutil.rmtree(home / "2.0.9")
    assert files("1.0.0")  # an older major version with the same examples
    shutil.rmtree(home / "1.0.0")
    assert source.missing(root) == f"{home} has version 3.0.0, expected 2.* or 1.*"


def test_another_number_of_examples_is_refused(root, monkeypatch):
    monkeypatch.setattr(Named, "counts", {"train": 61, "validation": 20})
    with pytest.raises(
        DataError, match="2.1.0 has 60 examples in split train, expected 61; prepare the data set again"
    ):
        Prepared(Named()).split(root, "train")
    monkeypatch.setattr(Named, "newer_counts", {"train": 60})
    assert len(Prepared(Named()).split(root, "train")) == 30


def test_another_order_is_refused(root, monkeypatch):
    home = root / "tensorflow_datasets" / "prepared_toy"
    shutil.rmtree(home / "named")
    (home / "disordered").rename(home / "named")
    with pytest.raises(
        DataError, match="split train is not in the order of tensorflow-datasets; was it prepared without"
    ):
        Prepared(Named()).split(root, "train")


def test_another_order_of_numbers_is_refused(root):
    home = root / "tensorflow_datasets" / "prepared_toy"
    shutil.rmtree(home / "numbered")
    (home / "disordered").rename(home / "numbered")
    with pytest.raises(DataError, match="split validation is not in the order of tensorflow-datasets"):
        Prepared(Numbered()).split(root, "val")


def test_records_that_do_not_say_their_numbers_have_positions(root, monkeypatch):
    (root / "prepared_toy").mkdir()
    task, names = Task("toy", "vtab", "natural", 3), ("train", "val", "test")
    original = {name: Original(Numbered()).split(root, name) for name in names}
    known = {("toy", name): Digests.of(split) for name, split in original.items()}
    monkeypatch.setattr(digests, "pinned", lambda: known)
    found = {name: Prepared(Silent()).split(root, name) for name in names}
    assert found["val"].keys == tuple(f"validation[{i}]" for i in range(10))
    assert found["test"].keys == tuple(f"train[{i}]" for i in range(30, 60))
    assert found["test"].labels.tolist() == original["test"].labels.tolist()
    assert described(task, Prepared(Silent()), found) == {
        "flavour": "official, not yet confirmed",
        "confirmed": dict.fromkeys(names, "keys assumed"),
    }
    home = root / "tensorflow_datasets" / "prepared_toy"
    shutil.rmtree(home / "numbered")
    (home / "disordered").rename(home / "numbered")
    with pytest.raises(DataError, match="split val from source tfds: the digest of the labels is"):
        described(task, Prepared(Silent()), {"val": Prepared(Silent()).split(root, "val")})


def test_damaged_folders_are_named(root):
    folder = root / "tensorflow_datasets" / "prepared_toy" / "named" / "2.1.0"
    lost = next(folder.glob("*train*00001-of*"))
    lost.unlink()
    with pytest.raises(DataError, match=f"named/2.1.0 is not whole: split train lacks {lost.name}; remove that folder"):
        Prepared(Named()).split(root, "test")
    cut = next(folder.glob("*validation*00001-of*"))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    with pytest.raises(DataError, match="of split validation in .*named/2.1.0 cannot be read .*cut short"):
        Prepared(Named()).split(root, "val")
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(DataError, match="named/2.1.0 cannot be read as tensorflow-datasets prepared it"):
        Prepared(Named()).split(root, "train")


def test_cut_tfrecord_files_are_named(root):
    folder = root / "tensorflow_datasets" / "prepared_toy" / "named" / "2.1.0"
    as_tfrecord(folder)
    path = next(folder.glob("*validation*00001-of*"))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="cannot be read as tensorflow-datasets prepared it .*cut short"):
        Prepared(Named()).split(root, "val")


def test_arrays_that_went_through_jpeg_are_refused():
    with pytest.raises(ValueError, match="JPEG has lost what the data set was published as, arrays"):
        as_published(Numbered(), encoded("train", 0, "JPEG"))
    assert as_published(Named(), b"any") == b"any"


@pytest.fixture(scope="module")
def eurosat(tmp_path_factory) -> Path:
    """EuroSAT as tensorflow-datasets' own builder prepares it; it would use TensorFlow to list the files only."""
    if not (shared := os.environ.get("VISIONPEFT_SHARED")):
        pytest.skip("needs real data: VISIONPEFT_SHARED is not set")
    from tensorflow_datasets.image_classification import eurosat as module

    originals, folder = Path(shared) / "data" / "originals" / "eurosat", tmp_path_factory.mktemp("eurosat")
    with pytest.MonkeyPatch.context() as patch:
        listing = SimpleNamespace(glob=lambda pattern: [str(p) for p in Path(pattern).parents[1].glob("*/*")])
        patch.setattr(module, "tf", SimpleNamespace(io=SimpleNamespace(gfile=listing)))
        module.Eurosat.url_infos = {}  # nothing is downloaded
        patch.setattr(tfds.download.DownloadManager, "download_and_extract", lambda self, url: str(originals))
        builder = module.Eurosat(config="rgb", data_dir=folder, file_format="array_record")
        builder.download_and_prepare()
    return folder


def test_real_eurosat_is_the_same_from_both(shared, eurosat, tmp_path):
    """Identical examples, order, images and pixels, of all 6,400 images."""
    task = Task("eurosat", "vtab", "specialized", 10)
    ours, theirs = Prepared(EuroSAT()), Original(EuroSAT())
    assert ours.missing(eurosat) is None
    for name, size in {"trainval": 1000, "test": 5400}.items():
        first, second = load(task, ours, eurosat, name), load(task, theirs, shared / "originals", name)
        assert len(first) == len(second) == size
        assert (first.digest, first.order) == (second.digest, second.order)
        found = [pixels(split, Preprocessing(64), tmp_path / part) for split, part in ((first, "a"), (second, "b"))]
        assert found[0].digest == found[1].digest
        order, half, cpu = torch.randperm(size), (0.5,) * 3, torch.device("cpu")
        here, there = (
            Batches(images.array, split.labels, half, half, cpu).iterate(order, 64)
            for images, split in zip(found, (first, second), strict=True)
        )
        assert all(
            torch.equal(a, b) for one, other in zip(here, there, strict=True) for a, b in zip(one, other, strict=True)
        )
    other = Prepared(EuroSAT(), 15).split(eurosat, "val")
    assert other.order == Original(EuroSAT(), 15).split(shared / "originals", "val").order
