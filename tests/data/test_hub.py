"""Repositories of the Hugging Face Hub, as folders of parquet files written here."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import hydra
import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from visionpeft.data import digests, hub
from visionpeft.data.decode import Preprocessing
from visionpeft.data.flavour import described
from visionpeft.data.hub import Hub
from visionpeft.data.official import DataSet, Examples
from visionpeft.data.order import official_order
from visionpeft.data.original import Original
from visionpeft.data.pixels import pixels
from visionpeft.data.task import DataError, Task, find
from visionpeft.data.vtab.cifar100 import CIFAR100
from visionpeft.data.vtab.svhn import SVHN

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")

COUNT = 3000


def encoded(number: int, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (2, 2), (number % 256, number // 256, 7)).save(file, form)
    return file.getvalue()


@dataclass(frozen=True)
class Named(DataSet):
    """Three thousand encoded images with file names, in one split."""

    names: ClassVar = ("named",)
    builder: ClassVar = "named:1.0.0"
    counts: ClassVar = {"train": COUNT}
    val: ClassVar = "train[2000:2200]"
    test: ClassVar = "train[2900:]"

    def missing(self, folder):
        return None

    def examples(self, folder, split):
        return Examples([f"c_{i}.png" for i in range(COUNT)], np.arange(COUNT) % 5, encoded)

    def key(self, features):
        return f"c_{features['filename']}"

    def label(self, features):
        return int(features["label"])


@dataclass(frozen=True)
class Numbered(Named):
    """The same as arrays with numbers, in two splits."""

    counts: ClassVar = {"train": 2500, "validation": COUNT - 2500}
    val: ClassVar = "validation[:200]"
    test: ClassVar = "validation[400:]"
    encoded: ClassVar = False

    def examples(self, folder, split):
        first, count = {"train": 0, "validation": 2500}[split], self.counts[split]
        return Examples(range(count), np.arange(first, first + count) % 5, lambda i: array(first + i))

    def key(self, features):
        return features["id"]

    def numbers(self, split):
        return range(self.counts[split])


class Silent(Numbered):
    """Names of images say nothing of the numbers."""

    def key(self, features):
        return features.get("id")


def array(number: int) -> np.ndarray:
    return np.full((2, 2, 3), (number % 256, number // 256, 7), np.uint8)


def write(path: Path, numbers, names: str | None = "filename", form: str = "PNG", **columns) -> None:
    """Write rows with an image and a label, and, if asked, names in a column or in the images' structure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [f"folder/{i}.png" for i in numbers]
    images = [
        {"bytes": encoded(i, form), "path": f if names == "image" else None}
        for i, f in zip(numbers, files, strict=True)
    ]
    values = {"image": images, "label": [i % 5 for i in numbers]}
    if names not in (None, "image"):
        values[names] = files
    pq.write_table(pa.table(values | columns), path, row_group_size=300)


@pytest.fixture
def repo(tmp_path) -> Path:
    return tmp_path / "repo"


def assert_equal(ours, theirs, cache) -> None:
    assert ours.keys == theirs.keys and ours.labels.tolist() == theirs.labels.tolist()
    assert pixels(ours, Preprocessing(3), cache / "a").digest == pixels(theirs, Preprocessing(3), cache / "b").digest


@pytest.mark.parametrize("names", ["filename", "file_name", "path", "image"])
def test_named_images_are_put_into_the_official_order(repo, tmp_path, names):
    shuffled = np.random.default_rng(0).permutation(COUNT).tolist()
    for shard, (start, stop) in enumerate([(0, 1000), (1000, 1700)]):
        write(repo / "data" / f"train-{shard:05}-of-00002-0a1b.parquet", shuffled[start:stop], names)
    write(repo / "data" / "test-00000-of-00001.parquet", shuffled[1700:], names)  # another division of the same images
    (tmp_path / "named").mkdir()
    for name in ("train", "val", "test"):
        ours = Hub(Named(), str(repo)).split(None, name)
        assert_equal(ours, Original(Named()).split(tmp_path, name), tmp_path)
        assert len(ours.files) == 3
    assert_equal(
        Hub(Named(), str(repo), replicate=1).split(None, "val"), Original(Named(), 1).split(tmp_path, "val"), tmp_path
    )


def test_numbered_arrays_lie_in_the_owners_order(repo, tmp_path):
    write(repo / "default" / "train" / "0000.parquet", range(2500), None)
    write(repo / "default" / "validation" / "0000.parquet", range(2500, COUNT), None)
    (tmp_path / "named").mkdir()
    for name in ("train", "val", "test"):
        assert_equal(Hub(Numbered(), str(repo)).split(None, name), Original(Numbered()).split(tmp_path, name), tmp_path)


def test_numbers_that_nothing_says_are_the_rows(repo):
    """Names of files, where tensorflow-datasets has numbers in ids alone: SVHN, smallNORB, CIFAR-100."""
    write(repo / "train.parquet", range(2500))
    write(repo / "validation.parquet", range(2500, COUNT))
    assert Hub(Silent(), str(repo)).split(None, "val").order == Hub(Numbered(), str(repo)).split(None, "val").order


def test_columns_of_one_file_have_pixels_of_their_own(repo, tmp_path):
    others = [{"bytes": encoded(i + 1), "path": None} for i in range(COUNT)]
    write(repo / "train.parquet", range(COUNT), image2=others)
    first, second = (Hub(Named(), str(repo), image=name) for name in ("image", "image2"))
    found = [pixels(source.split(None, "val"), Preprocessing(3), tmp_path / "cache") for source in (first, second)]
    assert first.split(None, "val").order == second.split(None, "val").order
    assert found[0].digest != found[1].digest and not np.array_equal(found[0].array, found[1].array)
    assert first.split(None, "val").content == first.trainval(None).content == "image"


def slices(repo: Path, names: str | None, data: DataSet, tmp_path: Path) -> list[list[int]]:
    """Write VTAB's slices in the official order; returns their numbers."""
    parts = []
    for name in ("train", "val", "test"):
        (tmp_path / "named").mkdir(exist_ok=True)
        split = Original(data).split(tmp_path, name)
        parts.append([int(key.rpartition("_")[2].partition(".")[0]) for key in split.keys])
        write(repo / "data" / f"{hub.CUT[name]}-00000-of-00001.parquet", parts[-1], names)
    return parts


def test_vtabs_slices_with_names(repo, tmp_path):
    slices(repo, "filename", Named(), tmp_path)
    for name in ("train", "val", "test"):
        assert_equal(Hub(Named(), str(repo)).split(None, name), Original(Named()).split(tmp_path, name), tmp_path)


def test_vtabs_slices_without_names_have_positions(repo, tmp_path):
    numbers = slices(repo, None, Named(), tmp_path)
    split = Hub(Named(), str(repo)).split(None, "val")
    assert split.keys[:2] == ("train[2000]", "train[2001]") and len(split) == 200
    assert split.labels.tolist() == [i % 5 for i in numbers[1]]
    with pytest.raises(DataError, match=r"replicate 1: .* holds VTAB's own training images only"):
        Hub(Named(), str(repo), replicate=1).split(None, "train")
    write(repo / "data" / "val200-00000-of-00001.parquet", range(199), None)
    with pytest.raises(DataError, match="has 199 rows in val200, expected 200"):
        Hub(Named(), str(repo)).split(None, "val")


def test_what_contradicts_the_known_digests_is_refused(repo, tmp_path, monkeypatch):
    (tmp_path / "named").mkdir()
    task, names = Task("toy", "vtab", "natural", 5), ("train", "val", "test")
    original = {name: Original(Named()).split(tmp_path, name) for name in names}
    table = {("toy", name): digests.Digests.of(split, "9" * 64) for name, split in original.items()}
    monkeypatch.setattr(digests, "pinned", lambda: table)
    source = Hub(Named(), str(repo))
    slices(repo, "filename", Named(), tmp_path)
    assert described(task, source, {name: source.split(None, name) for name in names})["flavour"] == "official"
    slices(repo, None, Named(), tmp_path)
    assert described(task, source, {name: source.split(None, name) for name in names})["flavour"] == "official"
    write(repo / "data" / "val200-00000-of-00001.parquet", range(200), None)
    with pytest.raises(DataError, match="split val from source hub: the digest of the labels is"):
        described(task, source, {name: source.split(None, name) for name in names})


def test_what_cannot_be_read_is_refused(repo, tmp_path):
    source = Hub(Named(), str(repo))
    repo.mkdir()
    with pytest.raises(DataError, match="holds no parquet files"):
        source.split(None, "train")
    path = repo / "train.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"train\.parquet: cannot be read as parquet"):
        source.split(None, "train")
    write(path, range(COUNT), None)
    with pytest.raises(
        DataError, match=r"does not name its images \(it has the columns image, label\), so the official"
    ):
        source.split(None, "train")
    write(path, range(2999))
    with pytest.raises(DataError, match="split train has 2999 examples in .*, expected 3000"):
        source.split(None, "train")
    with pytest.raises(DataError, match="no column fine_label; it has image, label, filename"):
        Hub(Named(), str(repo), label="fine_label").split(None, "train")
    write(path, range(COUNT), label=["Forest"] * COUNT)
    with pytest.raises(DataError, match="column label holds 'Forest', expected numbers of classes"):
        source.split(None, "train")
    write(path, range(2500), None)
    with pytest.raises(DataError, match="has no split validation; it has train"):
        Hub(Numbered(), str(repo)).split(None, "val")


def test_arrays_that_went_through_jpeg_are_named(repo, tmp_path):
    write(repo / "train.parquet", range(2500), None, form="JPEG")
    write(repo / "validation.parquet", range(2500, COUNT), None)
    split = Hub(Numbered(), str(repo)).split(None, "train")
    with pytest.raises(
        DataError, match=r"train/\d+ in .*train\.parquet: JPEG has lost what the data set was published as"
    ):
        pixels(split, Preprocessing(3), tmp_path / "cache")


def test_rows_are_read_in_any_order_with_bounded_memory(repo, monkeypatch):
    write(repo / "train.parquet", range(COUNT))
    rows = hub.Rows([repo / "train.parquet"])
    monkeypatch.setattr(hub, "KEPT", 1)
    for row in (0, 2999, 299, 300, 0):
        assert rows.cell("image", row)["bytes"] == encoded(row)
        assert len(rows._kept) == 1


def test_it_is_read_only_when_it_is_asked_for(repo):
    source = Hub(Named(), str(repo))
    task = Task("toy", "vtab", "natural", 5, sources=(source,))
    assert find(task, None, "hub") is source
    with pytest.raises(DataError):
        find(task, None)


def test_without_a_network_files_and_folder_are_named(monkeypatch, tmp_path):
    import huggingface_hub

    def refuse(*args, **kwargs):
        raise OSError("no network\nat all")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(DataError, match=r"no folder owner/name, and it cannot be downloaded .* \(no network\)"):
        Hub(Named(), "owner/name").split(None, "train")
    source = Hub(Numbered(), "owner/name", config="digits", revision="1a2b")
    with pytest.raises(DataError) as caught:
        source.split(tmp_path, "val")
    place = tmp_path / "owner" / "name"
    assert f"no folder {place}, and it cannot be downloaded" in str(caught.value)
    assert str(caught.value).endswith(
        "bring the parquet files of train and validation in "
        f"https://huggingface.co/datasets/owner/name/tree/1a2b/digits into {place}/digits and give the command again"
    )
    write(place / "digits" / "train-00000-of-00001.parquet", range(2500), None)
    write(place / "digits" / "validation-00000-of-00001.parquet", range(2500, COUNT), None)
    assert len(source.split(tmp_path, "val")) == 200


def test_downloads_are_parquet_files_of_one_configuration(repo, monkeypatch):
    import huggingface_hub

    write(repo / "rgb" / "train.parquet", range(COUNT))
    asked = {}

    def give(name, **settings):
        asked.update(settings, name=name)
        return str(repo)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", give)
    assert len(Hub(Named(), "owner/name", config="rgb", revision="1a2b").split(None, "train")) == 800
    assert asked["name"] == "owner/name" and asked["revision"] == "1a2b" and asked["repo_type"] == "dataset"
    assert asked["allow_patterns"] == ["rgb/**/*.parquet", "rgb/*.parquet"]


def test_splits_that_are_not_used_are_not_downloaded():
    from huggingface_hub.utils import filter_repo_objects

    files = {f"cropped_digits/{name}-00000-of-00002.parquet" for name in ("train", "test", "extra")}
    files |= {"cropped_digits/test/0000.parquet", "full_numbers/train-00000-of-00001.parquet", "README.md"}
    for config, cut in (("cropped_digits", set()), ("", {"vtab/train800.parquet", "vtab/val200.parquet"})):
        source = Hub(SVHN(), "ufldl-stanford/svhn", config=config)
        found = set(filter_repo_objects(files | cut, allow_patterns=source._patterns))
        used = {"cropped_digits/train-00000-of-00002.parquet", "cropped_digits/test-00000-of-00002.parquet"}
        more = set() if config else {"full_numbers/train-00000-of-00001.parquet"}
        assert found == used | {"cropped_digits/test/0000.parquet"} | cut | more


@pytest.mark.parametrize(
    ("name", "dataset", "columns", "folder"),
    [
        ("cifar100", CIFAR100(), ("img", "fine_label"), "cifar100"),
        ("svhn", SVHN(), ("image", "label"), "cropped_digits"),
    ],
)
def test_declared_repositories_are_read_in_the_owners_order(name, dataset, columns, folder, tmp_path, monkeypatch):
    """Made-up rows in the columns and folders of the repositories, without names; as arrays, equal to the owners'."""
    monkeypatch.setattr(type(dataset), "counts", {"train": 1200, "test": 60})
    monkeypatch.setattr(type(dataset), "val", "train[1000:1200]")
    task = hydra.utils.instantiate(
        OmegaConf.load(files("visionpeft.conf").joinpath("task").joinpath(f"vtab_{name}.yaml")), _convert_="all"
    )
    source = next(source for source in task.sources if isinstance(source, Hub))
    image, label = columns
    for split, count in dataset.counts.items():
        rows = {
            image: [{"bytes": encoded(i), "path": None} for i in range(count)],
            label: [i % 10 for i in range(count)],
        }
        path = tmp_path / source.repo / folder / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(rows | {"coarse_label": rows[label]}), path)
    for name in ("train", "val", "test"):
        split, (kind, start, stop) = source.split(tmp_path, name), dataset.part(name)
        order = official_order(kind, range(dataset.counts[kind]))[start:stop]
        assert split.keys == tuple(f"{kind}/{i}" for i in order)
        assert split.labels.tolist() == [i % 10 for i in order]
        assert np.array_equal(split.read(3), array(order[3]))


def test_packages_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    assert Hub(Named(), "a/b").missing(None) == "it needs huggingface_hub and pyarrow; pip install 'visionpeft[hub]'"


def test_real_eurosat_from_parquet_is_the_original(shared, tmp_path):
    """The validation images of EuroSAT among all rows, the others without content, as a repository would have them."""
    from visionpeft.data.vtab.eurosat import EuroSAT

    top = shared / "originals" / "eurosat" / "2750"
    with (shared.parent / "reference" / "splits" / "eurosat.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = {row["file_name"] for row in rows[16200:16400]}
    paths = [top / row["file_name"].split("_")[0] / row["file_name"] for row in rows]
    order = np.random.default_rng(0).permutation(len(rows))
    images = [{"bytes": paths[i].read_bytes() if paths[i].name in wanted else b"", "path": None} for i in order]
    labels = [int(rows[i]["label"]) for i in order]
    values = {"image": images, "label": labels, "filename": [f"{paths[i].parent.name}/{paths[i].name}" for i in order]}
    pq.write_table(pa.table(values), tmp_path / "train-00000-of-00001.parquet", row_group_size=1000)
    ours = Hub(EuroSAT(), str(tmp_path)).split(None, "val")
    theirs = Original(EuroSAT()).split(shared / "originals", "val")
    assert (ours.digest, ours.order) == (theirs.digest, theirs.order)
    digests = [hashlib.sha256(b"".join(split.read(i) for i in range(200))).hexdigest() for split in (ours, theirs)]
    assert digests[0] == digests[1]
