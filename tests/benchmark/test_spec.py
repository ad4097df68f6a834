"""Values are read from plain mappings and checked on the way in."""

import pytest

from visionpeft.benchmark.mapping import from_mapping
from visionpeft.benchmark.spec import Backbone, Recipe
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.lora import LoRA

RECIPE = {"name": "r", "lr": 1e-3, "weight_decay": 0.0, "epochs": 3, "warmup": 0}


def test_lists_become_tuples_and_ints_floats():
    lora = from_mapping(LoRA, {"rank": 4, "scale": 2, "targets": ["q", "k"]}, "method")
    assert lora == LoRA(rank=4, scale=2.0, targets=("q", "k"))
    assert isinstance(lora.scale, float)
    assert hash(lora)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rnk": 4}, "unknown field 'rnk'; did you mean rank"),
        ({"rank": "four"}, "rank must be int, got 'four'"),
        ({"rank": 2.5}, "rank must be int, got 2.5"),
        ({"rank": True}, "rank must be int, got True"),
        ({"rank": 0}, "rank must be above 0, got 0"),
        ({"targets": "q"}, "targets must be a list, got 'q'"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_bad_method_fields(values, message):
    with pytest.raises(ValueError, match=message):
        from_mapping(LoRA, values, "method")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": -1.0}, "lr must be above 0, got -1.0"),
        ({"lr": float("nan")}, "lr must be finite, got nan"),
        ({"epochs": 0}, "epochs must be above 0"),
        ({"weight_decay": -0.1}, "weight_decay must not be negative"),
        ({"optimizer": "adam"}, "optimizer must be one of adamw, sgd, got 'adam'"),
        ({"select": "best_val"}, "cannot train on them.*train_on=train"),
        ({"drop_path": 1.0}, r"drop_path must lie in \[0, 1\)"),
    ],
)
def test_bad_recipes(change, message):
    with pytest.raises(ValueError, match=message):
        from_mapping(Recipe, RECIPE | change, "recipe")


def test_best_val_on_the_training_images_alone_is_accepted():
    assert from_mapping(Recipe, RECIPE | {"select": "best_val", "train_on": "train"}, "recipe").select == "best_val"


def test_a_field_may_say_what_to_give_instead():
    said = r"method: rank must be int, got \[8, 4\]; give the largest as rank and the others as smaller_ranks$"
    with pytest.raises(ValueError, match=said):
        from_mapping(GLoRA, {"rank": [8, 4]}, "method")
    assert from_mapping(GLoRA, {"rank": 8, "smaller_ranks": [4]}, "method") == GLoRA(rank=8, smaller_ranks=(4,))


def test_missing_fields_are_named():
    with pytest.raises(ValueError, match="recipe: lr must be given"):
        from_mapping(Recipe, {k: v for k, v in RECIPE.items() if k != "lr"}, "recipe")


def test_a_normalisation_is_named_or_given():
    values = {"name": "b", "model": "vit_tiny_patch16_224"}
    with pytest.raises(ValueError, match="normalisation must be one of backbone, imagenet, unit, got 'image_net'"):
        from_mapping(Backbone, values | {"normalisation": "image_net"}, "backbone")
    with pytest.raises(ValueError, match="normalisation=unit says mean and std; give it or them, not both"):
        from_mapping(Backbone, values | {"normalisation": "unit", "mean": [0.5, 0.5, 0.5]}, "backbone")


@pytest.mark.parametrize("change", [{"img_size": 0}, {"mean": [0.5]}, {"std": [0.5, 0.0, 0.5]}])
def test_bad_backbones(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        from_mapping(Backbone, {"name": "b", "model": "vit_tiny_patch16_224"} | change, "backbone")
