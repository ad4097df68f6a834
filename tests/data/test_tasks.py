"""The task values under conf/task against the literature's figures."""

from importlib.resources import files

import hydra
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from visionpeft.data.task import Task

VTAB = {
    "cifar100": ("natural", 100, 10000),
    "caltech101": ("natural", 102, 6084),
    "dtd": ("natural", 47, 1880),
    "flowers102": ("natural", 102, 6149),
    "pets": ("natural", 37, 3669),
    "svhn": ("natural", 10, 26032),
    "sun397": ("natural", 397, 21750),
    "patch_camelyon": ("specialized", 2, 32768),
    "eurosat": ("specialized", 10, 5400),
    "resisc45": ("specialized", 45, 6300),
    "retinopathy": ("specialized", 5, 42670),
    "clevr_count": ("structured", 8, 15000),
    "clevr_dist": ("structured", 6, 15000),
    "dmlab": ("structured", 6, 22735),
    "kitti_dist": ("structured", 4, 711),
    "dsprites_loc": ("structured", 16, 73728),
    "dsprites_ori": ("structured", 16, 73728),
    "smallnorb_azi": ("structured", 18, 12150),
    "smallnorb_ele": ("structured", 9, 12150),
}
FEWSHOT = {
    "aircraft": (100, 3333, 3333),
    "food101": (101, 20200, 30300),
    "flowers102": (102, 1633, 2463),
    "pets": (37, 736, 3669),
    "cars": (196, 1635, 8041),
}
IMAGENET = {"v2": 10000, "sketch": 50889, "a": 7500, "r": 30000}
USUAL = ["cifar", "caltech101", "dtd", "oxford_flowers102", "oxford_iiit_pet", "svhn", "sun397", "patch_camelyon"]
USUAL += ["eurosat", "resisc45", "diabetic_retinopathy", "clevr_count", "clevr_dist", "dmlab", "kitti"]
USUAL += ["dsprites_loc", "dsprites_ori", "smallnorb_azi", "smallnorb_ele"]
"""The folder names of the copy that is most in use, in the order of the tasks."""


def tasks(suite: str) -> dict[str, Task]:
    found = sorted(files("visionpeft.conf").joinpath("task").glob(f"{suite}_*.yaml"))
    loaded = {p.stem: hydra.utils.instantiate(OmegaConf.load(p), _convert_="all") for p in found}
    assert all(task.suite == suite and stem == f"{suite}_{task.name}" for stem, task in loaded.items())
    return {task.name: task for task in loaded.values()}


def test_vtab_tasks():
    found = tasks("vtab")
    assert set(found) == set(VTAB)
    for name, (group, classes, test) in VTAB.items():
        task = found[name]
        assert (task.group, task.num_classes) == (group, classes), name
        assert task.sizes == {"train": 800, "val": 200, "test": test}, name
    assert sum(task.num_classes for task in found.values()) == 940


def test_vtab_folders_are_found_by_their_usual_names(tmp_path):
    found = tasks("vtab")
    names = [name for task in found.values() for name in task.sources[0].names]
    assert len(names) == len(set(names))
    for name, folder in zip(VTAB, USUAL, strict=True):
        (tmp_path / folder).mkdir()
        for split in ("train800", "val200", "test"):
            (tmp_path / folder / f"{split}.txt").touch()
        assert found[name].sources[0].missing(tmp_path) is None, name
        assert {name, folder} <= set(found[name].sources[0].names), name


@pytest.mark.parametrize("shots", [1, 2, 4, 8, 16])
def test_fewshot_tasks(shots):
    found = tasks("fewshot")
    assert len(found) == 25
    for name, (classes, val, test) in FEWSHOT.items():
        task = found[f"{name}_k{shots}"]
        assert (task.group, task.num_classes) == (f"{shots}-shot", classes)
        assert task.sizes == {"train": classes * shots, "val": val, "test": test}
        assert task.sources[0].lists["train"] == f"annotations/train_meta.list.num_shot_{shots}.seed_0"


def test_imagenet_variants():
    found = tasks("imagenet")
    assert {name: task.sizes["test"] for name, task in found.items()} == IMAGENET
    assert all((t.num_classes, t.sizes["train"], t.sizes["val"]) == (1000, 16000, 2959) for t in found.values())


def test_every_file_says_what_it_is():
    for path in files("visionpeft.conf").joinpath("task").glob("*.yaml"):
        first = path.read_text().splitlines()[0]
        assert first.startswith("# ") and 10 < len(first) < 100, path.name


@pytest.mark.parametrize("name", ["vtab_caltech101", "fewshot_food101_k4", "imagenet_v2"])
def test_tasks_are_chosen_by_their_file_name(name):
    with initialize_config_module("visionpeft.conf", version_base="1.3"):
        chosen = compose(overrides=[f"+task={name}"]).task
    assert hydra.utils.instantiate(chosen, _convert_="all").name == name.partition("_")[2]
