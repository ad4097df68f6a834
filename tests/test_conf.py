"""Every yaml reads as the value it describes; facts of the benchmark are pinned elsewhere."""

import dataclasses
from pathlib import Path

import pytest
import timm
from omegaconf import OmegaConf

from visionpeft.benchmark.compose import read_method, read_task
from visionpeft.benchmark.mapping import from_mapping
from visionpeft.benchmark.overrides import choices, preset
from visionpeft.benchmark.spec import Backbone, Preset, Recipe
from visionpeft.data.augment import Augmentation

AUGMENTING = {field.name for field in dataclasses.fields(Augmentation)}
CONF = Path(__file__).parents[1] / "conf"


def names(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@pytest.mark.parametrize("name", names("method"))
def test_methods(name):
    written = OmegaConf.to_container(preset("method", name))
    read_method(written["method"])
    assert {"lr", "weight_decay"} <= set(written["recipe"])
    from_mapping(Recipe, OmegaConf.to_container(preset("recipe", "vtab")) | written["recipe"], "recipe")


@pytest.mark.parametrize("name", names("task"))
def test_tasks(name):
    task = read_task(preset("task", name))
    assert f"{task.suite}_{task.name}" == name


@pytest.mark.parametrize("name", names("recipe"))
def test_recipes_list_every_field(name):
    assert set(preset("recipe", name)) == {field.name for field in dataclasses.fields(Recipe)}


@pytest.mark.parametrize("name", names("recipe"))
def test_recipes(name):
    assert from_mapping(Recipe, OmegaConf.to_container(preset("recipe", name)), "recipe").name == name


@pytest.mark.parametrize("name", sorted(set(names("backbone")) - {"timm"}))
def test_backbones(name):
    backbone = from_mapping(Backbone, OmegaConf.to_container(preset("backbone", name)), "backbone")
    assert backbone.name == name
    assert timm.get_pretrained_cfg(backbone.model, allow_unregistered=False)


@pytest.mark.parametrize("name", names("published"))
def test_published_settings_are_fields_of_the_method_or_the_recipe(name):
    written = preset("published", name)
    assert written.selected_on in ("test", "val200")
    assert {f"vtab_{task}" for task in written.tasks} == {n for n in names("task") if n.startswith("vtab_")}
    method = preset("method", name).method
    for values in written.tasks.values():
        for key in values:
            section, _, field = key.partition(".")
            assert field in (method if section == "method" else preset("recipe", "vtab"))


@pytest.mark.parametrize("name", names("preset"))
def test_presets(name):
    """Each sets every field that says how its repository trained, for methods and a backbone that exist."""
    written = OmegaConf.to_container(preset("preset", name))
    per_method, needs = written["preset"].pop("per_method", {}), written["preset"].pop("needs", [])
    found = from_mapping(Preset, written["preset"], "preset")
    assert found.name == name and set(found.methods) <= set(names("method")) and set(per_method) <= set(found.methods)
    assert timm.get_pretrained_cfg(found.model, allow_unregistered=False)
    usual = OmegaConf.to_container(preset("recipe", "vtab"))
    assert set(usual) - set(written["recipe"]) <= AUGMENTING | {"name", "select", "train_on", *needs}
    from_mapping(Recipe, usual | written["recipe"], "recipe")
    assert set(written["backbone"]) <= set(preset("backbone", "vit_base"))
    if written.get("per_task"):
        assert set(found.methods) <= set(names("published"))


@pytest.mark.parametrize("group", ["method", "task", "recipe", "backbone", "published", "preset"])
def test_every_yaml_describes_itself(group):
    assert all(choice.description for choice in choices(group))


def test_the_fewshot_recipe_is_that_of_noah():
    """Figures from its scripts; the training schedule is ours where it looked at test images."""
    recipe = from_mapping(Recipe, OmegaConf.to_container(preset("recipe", "fewshot")), "recipe")
    assert (recipe.lr, recipe.weight_decay, recipe.epochs, recipe.batch_size) == (5e-3, 1e-4, 100, 64)
    assert (recipe.rand_augment, recipe.color_jitter, recipe.erasing) == ("rand-m9-mstd0.5-inc1", 0.4, 0.25)
    assert (recipe.mixup, recipe.cutmix, recipe.label_smoothing, recipe.crop, recipe.flip) == (0.8, 1.0, 0.1, 0.08, 0.5)


@pytest.mark.parametrize("name", ["vtab", "demo"])
def test_other_recipes_do_not_augment(name):
    assert not from_mapping(Recipe, OmegaConf.to_container(preset("recipe", name)), "recipe").augments
