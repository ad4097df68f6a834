"""The task values under conf/task against the literature's figures."""

from importlib.resources import files

import hydra
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from visionpeft.data.folder import ListFolder
from visionpeft.data.target import columns
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
    "aircraft": (100, 3333),
    "food101": (101, 30300),
    "flowers102": (102, 2463),
    "pets": (37, 3669),
    "cars": (196, 8041),
}
IMAGENET = {"val": 50000, "v2": 10000, "sketch": 50889, "a": 7500, "r": 30000}
PACS = {"photo": 1670, "art_painting": 2048, "cartoon": 2344, "sketch": 3929}
CLASSES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
USUAL = ["cifar", "caltech101", "dtd", "oxford_flowers102", "oxford_iiit_pet", "svhn", "sun397", "patch_camelyon"]
USUAL += ["eurosat", "resisc45", "diabetic_retinopathy", "clevr_count", "clevr_dist", "dmlab", "kitti"]
USUAL += ["dsprites_loc", "dsprites_ori", "smallnorb_azi", "smallnorb_ele"]
"""The folder names of the copy that is most in use, in the order of the tasks."""


def tasks(suite: str) -> dict[str, Task]:
    found = sorted(files("visionpeft.conf").joinpath("task").glob(f"{suite}_*.yaml"))
    loaded = {p.stem: hydra.utils.instantiate(OmegaConf.load(p), _convert_="all") for p in found}
    assert all(task.suite == suite and stem == f"{suite}_{task.name}" for stem, task in loaded.items())
    return {task.name: task for task in loaded.values()}


def listed(task: Task) -> ListFolder:
    """Return the source in the layout of the copies in circulation."""
    return next(source for source in task.sources if isinstance(source, ListFolder))


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
    names = [name for task in found.values() for name in listed(task).names]
    assert len(names) == len(set(names))
    for name, folder in zip(VTAB, USUAL, strict=True):
        (tmp_path / folder).mkdir()
        for split in ("train800", "val200", "test"):
            (tmp_path / folder / f"{split}.txt").touch()
        assert listed(found[name]).missing(tmp_path) is None, name
        assert {name, folder} <= set(listed(found[name]).names), name


@pytest.mark.parametrize("shots", [1, 2, 4, 8, 16])
def test_fewshot_tasks(shots):
    found = tasks("fewshot")
    assert len(found) == 25
    for name, (classes, test) in FEWSHOT.items():
        task, half = found[f"{name}_k{shots}"], classes * max(1, shots // 2)
        assert (task.group, task.num_classes) == (f"{shots}-shot", classes)
        assert task.sizes == {"train": half, "val": half, "test": test}
        assert [(s.dataset, s.shots, s.seed) for s in task.sources] == [(name, shots, 0)] * 3
        assert [source.name for source in task.sources] == ["noah", "noah-full-val", "own-sample"]


def test_the_seed_of_a_run_chooses_the_fewshot_sample():
    with initialize_config_module("visionpeft.conf", version_base="1.3"):
        chosen = compose(overrides=["+task=fewshot_cars_k8", "+seed=2"])
    assert [source.seed for source in hydra.utils.instantiate(chosen.task).sources] == [2, 2, 2]


def test_imagenet_generalisation():
    task = tasks("dg")["imagenet"]
    assert {target.name: target.size for target in task.targets} == IMAGENET
    assert list(columns(task)) == [f"test/{name}" for name in ("val", "v2", "sketch", "a", "a_200", "r", "r_200")]
    assert (task.num_classes, task.sizes, task.seen_by[0]) == (1000, {"train": 8000, "val": 8000}, "in1k")
    assert [(source.dataset, source.shots) for source in task.sources] == [("imagenet", 16)]
    assert [target.name for target in task.targets if not target.shifted] == ["val"]
    assert [target.sources[0].dataset for target in task.targets] == list(IMAGENET)


def test_pacs_trains_on_one_domain_and_tests_on_the_others():
    found = tasks("dg")
    assert set(found) == {"imagenet", *(f"pacs_{domain}" for domain in PACS)}
    for domain, images in PACS.items():
        task = found[f"pacs_{domain}"]
        assert (task.group, task.num_classes) == ("pacs", 7)
        assert (sum(task.sizes.values()), task.sizes["val"]) == (images, images // 5)
        assert {target.name: target.size for target in task.targets} == {k: n for k, n in PACS.items() if k != domain}
        assert all(target.sources[0].domain == target.name for target in task.targets)
        assert {source.classes for source in (task.sources[0], *(t.sources[0] for t in task.targets))} == {CLASSES}


def test_every_file_says_what_it_is():
    for path in files("visionpeft.conf").joinpath("task").glob("*.yaml"):
        first = path.read_text().splitlines()[0]
        assert first.startswith("# ") and 10 < len(first) < 100, path.name


@pytest.mark.parametrize("name", ["vtab_caltech101", "fewshot_food101_k4", "dg_pacs_photo"])
def test_tasks_are_chosen_by_their_file_name(name):
    with initialize_config_module("visionpeft.conf", version_base="1.3"):
        chosen = compose(overrides=[f"+task={name}"]).task
    assert hydra.utils.instantiate(chosen, _convert_="all").name == name.partition("_")[2]
