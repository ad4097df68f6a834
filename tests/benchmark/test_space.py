"""Spaces are read into values; what is wrong is said before anything runs."""

import pytest
from omegaconf import OmegaConf

from visionpeft.benchmark.compose import read_method
from visionpeft.benchmark.mapping import from_mapping
from visionpeft.benchmark.overrides import choices, preset
from visionpeft.benchmark.space import Range, Values, read_space, tried
from visionpeft.benchmark.spec import Recipe, Run
from visionpeft.data.task import Task
from visionpeft.methods.lora import LoRA

from .conftest import BACKBONE, RECIPE

RUN = Run("m", LoRA(rank=2), Task("t", "test", "natural", 3), RECIPE, BACKBONE, 0, "m")


def test_ranges_and_values_are_typed_by_their_fields():
    space = read_space(
        {"recipe": {"lr": {"log": [1e-4, 1e-2]}}, "method": {"rank": {"log": [2, 16]}, "scale": [1]}}, RUN
    )
    assert space.domains["recipe.lr"] == Range(1e-4, 1e-2, "log", False)
    assert space.domains["method.rank"] == Range(2, 16, "log", True)
    assert space.domains["method.scale"] == Values((1,))
    assert tried(RUN, {"method.scale": 1, "recipe.lr": 0.5}).method.scale == 1.0


def test_grids_are_half_decades_and_powers_of_two():
    assert Range(1e-4, 1e-2, "log", False).grid == pytest.approx([1e-4, 10**-3.5, 1e-3, 10**-2.5, 1e-2])
    assert Range(1e-4, 1e-2, "log", False).grid[-1] == 1e-2
    assert Range(2, 16, "log", True).grid == [2, 4, 8, 16]
    assert Range(0, 0.4, "uniform", False).grid == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_the_untuned_settings_are_those_of_the_run_where_the_space_holds_them():
    """The run has lr 1e-3 (RECIPE), rank 2 and scale 1.0; Optuna sees lists as JSON and numbers as they are."""
    rate = {"recipe": {"lr": {"log": [1e-4, 1e-2]}}}
    held = read_space(rate | {"method": {"rank": {"log": [2, 16]}, "scale": [0.1, 1]}}, RUN)
    assert held.untuned == {"recipe.lr": RECIPE.lr, "method.rank": 2, "method.scale": "1"} and not held.lacking
    outside = read_space(rate | {"method": {"rank": {"log": [4, 16]}, "scale": [0.1, 10]}}, RUN)
    assert outside.untuned is None and outside.lacking == {"method.rank": 2, "method.scale": 1.0}
    text = read_space({"method": {"targets": [["q", "v"], ["q", "k", "v"]]}}, RUN)
    assert text.untuned == {"method.targets": '["q","v"]'}


def test_the_digest_tells_spaces_apart():
    one, other = ({"recipe": {"lr": {"log": [1e-4, high]}}} for high in (1e-2, 1e-1))
    assert read_space(one, RUN).digest != read_space(other, RUN).digest


WRONG = {
    "none": (None, "declares no space to tune in"),
    "section": ({"backbone": {"resize": [1]}}, "unknown section 'backbone'"),
    "field": ({"method": {"rnak": [1]}}, "space.method.rnak: method has no such field; did you mean rank?"),
    "empty range": ({"recipe": {"lr": {"log": [1e-2, 1e-2]}}}, "space.recipe.lr: is an empty range: 0.01 is not below"),
    "log of zero": ({"recipe": {"lr": {"log": [0, 1]}}}, "must begin above 0"),
    "empty list": ({"recipe": {"lr": []}}, "is an empty list"),
    "twice": ({"method": {"rank": [4, 4]}}, "has a value twice"),
    "type": ({"method": {"rank": [2.5]}}, "space.method.rank: method: rank must be int, got 2.5"),
    "fraction of a whole": ({"method": {"rank": {"log": [1.5, 4]}}}, "the field is a whole number"),
    "refused by the method": ({"method": {"rank": [0, 4]}}, "rank must be above 0"),
    "three ends": ({"recipe": {"lr": {"log": [1, 2, 3]}}}, "log needs two numbers"),
    "infinite": ({"recipe": {"lr": {"log": [1, float("inf")]}}}, "log needs two numbers"),
    "another scale": ({"recipe": {"lr": {"exp": [1, 2]}}}, "expected a list"),
    "a rule": ({"recipe": {"select": ["last"]}}, "no setting to be tuned"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case):
    written, message = WRONG[case]
    with pytest.raises(ValueError) as error:
        read_space(written, RUN)
    assert message in str(error.value)


@pytest.mark.parametrize("name", [choice.name for choice in choices("method")])
def test_every_method_declares_a_space_for_its_own_default(name):
    """What the yaml gives is within what is searched, and rates reach a factor of three to either side of it."""
    written = OmegaConf.to_container(preset("method", name))
    recipe = OmegaConf.to_container(preset("recipe", "vtab")) | written["recipe"]
    run = Run(name, read_method(written["method"]), RUN.task, from_mapping(Recipe, recipe, "recipe"), BACKBONE, 0, name)
    space = read_space(written["space"], run)
    rate = space.domains["recipe.lr"]
    assert rate.low * 3 <= run.recipe.lr <= rate.high / 3
    for field, domain in space.domains.items():
        section, _, key = field.partition(".")
        if isinstance(domain, Values):
            assert getattr(run.method if section == "method" else run.recipe, key) in domain.values, field


def test_full_fine_tuning_is_searched_from_1e_5():
    assert preset("method", "full").space.recipe.lr.log[0] == 1e-5
