"""What holds for all data sets of VTAB."""

import importlib
import inspect
import pkgutil
import re
from importlib.resources import files

import hydra
import pytest
from omegaconf import OmegaConf

from visionpeft.data import vtab
from visionpeft.data.official import DataSet
from visionpeft.data.task import DataError

SIZES = {  # train, val, test
    "CIFAR100": (800, 200, 10000),
    "Caltech101": (800, 200, 6084),
    "Clevr": (800, 200, 15000),
    "DMLab": (800, 200, 22735),
    "DSprites": (800, 200, 73728),
    "DTD": (800, 200, 1880),
    "EuroSAT": (800, 200, 5400),
    "Flowers102": (800, 200, 6149),
    "Kitti": (800, 200, 711),
    "PatchCamelyon": (800, 200, 32768),
    "Pets": (800, 200, 3669),
    "RESISC45": (800, 200, 6300),
    "Retinopathy": (800, 200, 42670),
    "SUN397": (800, 200, 21750),
    "SVHN": (800, 200, 26032),
    "SmallNORB": (800, 200, 12150),
}
TASKS = {"Clevr": ("count", "distance"), "DSprites": ("location", "orientation"), "SmallNORB": ("azimuth", "elevation")}
INEXACT = ("Caltech101", "Retinopathy", "SUN397")
ARRAYS = ("CIFAR100", "DSprites", "Kitti", "PatchCamelyon", "SVHN", "SmallNORB")
"""Whose pixels are compared, because tensorflow-datasets encodes them itself."""
HTTP = ("http://ufldl.stanford.edu/", "http://madm.dfki.de/")
"""Owners who serve nothing else."""


def all_of_them() -> dict[str, type[DataSet]]:
    modules = [
        importlib.import_module(f"{vtab.__name__}.{found.name}") for found in pkgutil.iter_modules(vtab.__path__)
    ]
    classes = {name: value for module in modules for name, value in inspect.getmembers(module, inspect.isclass)}
    return {name: kind for name, kind in classes.items() if issubclass(kind, DataSet) and kind is not DataSet}


@pytest.fixture(params=sorted(SIZES))
def data(request) -> DataSet:
    tasks = TASKS.get(request.param, ())
    return all_of_them()[request.param](*tasks[:1])


def test_sixteen_data_sets_for_nineteen_tasks():
    assert set(all_of_them()) == set(SIZES)
    assert len(SIZES) + sum(len(tasks) - 1 for tasks in TASKS.values()) == 19


def test_slices_have_the_official_sizes_and_share_nothing(data):
    parts = [data.part(name) for name in ("train", "val", "test")]
    assert tuple(stop - start for _, start, stop in parts) == SIZES[type(data).__name__]
    for i, (split, start, stop) in enumerate(parts):
        others = parts[:i] + parts[i + 1 :]
        assert all(split != other or stop <= first or last <= start for other, first, last in others)


def test_each_task_reads_its_data_set():
    seen = []
    for path in sorted(files("visionpeft.conf").joinpath("task").glob("vtab_*.yaml")):
        task = hydra.utils.instantiate(OmegaConf.load(path), _convert_="all")
        datasets = {source.dataset for source in task.sources if hasattr(source, "dataset")}
        assert len(datasets) == 1 and {"tfds", "folder"} <= {source.name for source in task.sources}, path.name
        data = datasets.pop()
        seen.append((type(data).__name__, getattr(data, "task", "")))
        parts = {name: data.part(name) for name in ("train", "val", "test")}
        assert {name: stop - start for name, (_, start, stop) in parts.items()} == task.sizes, path.name
        assert not seen[-1][1] or seen[-1][1].startswith(task.name.rpartition("_")[2]), path.name
    assert sorted(seen) == sorted((name, task) for name in SIZES for task in TASKS.get(name, ("",)))


def test_tasks_are_equal_by_value(data):
    for task in TASKS.get(type(data).__name__, ()):
        assert type(data)(task) == type(data)(task)
        assert hash(type(data)(task)) == hash(type(data)(task))


def test_what_can_be_rebuilt_and_what_cannot(data, tmp_path):
    assert bool(data.inexact) == (type(data).__name__ in INEXACT)
    assert data.encoded == (type(data).__name__ not in ARRAYS)
    if data.inexact:
        assert "source=tfds" in data.inexact and data.by_hand and not data.remotes
        assert data.missing(tmp_path) == data.inexact
        with pytest.raises(DataError, match=re.escape(data.inexact)):
            data.examples(tmp_path, "train")


def test_an_empty_folder_lacks_something(data, tmp_path):
    reason = data.missing(tmp_path)
    assert reason and not reason.endswith(".")
    assert data.inexact or str(tmp_path) in reason


def test_what_is_downloaded_can_be_checked(data):
    assert re.search(r"https?://\S+$", data.terms)
    names = [remote.name for remote in data.remotes]
    assert len(names) == len(set(names)) and (names or data.inexact)
    for remote in data.remotes:
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", remote.digest)
        assert remote.size > 0 or type(data).__name__ == "RESISC45"  # of its mirror, only the digest is known
        assert remote.urls and all(url.startswith(("https://", *HTTP)) for url in remote.urls)
        assert len(set(remote.urls)) == len(remote.urls)


def test_known_keys_are_as_many_as_the_split_has(data):
    for split, count in data.counts.items():
        if (keys := data.known_keys(split)) is not None:
            assert len(keys) == count


def test_tensorflow_datasets_has_these_builders(data, builder):
    made = builder(data.builder)
    assert str(made.version) == data.builder.partition(":")[2]
    assert "image" in made.info.features
