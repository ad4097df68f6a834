from __future__ import annotations

import dataclasses

import pytest

from visionpeft.reports.build import tables
from visionpeft.reports.facets import choices, common, facets
from visionpeft.reports.reading import load
from visionpeft.reports.table import Setting, Table

OTHER = {
    "suite": "vtab", "model": "vit_tiny", "model_args": '{"depth":3}', "weights": "f" * 64, "img_size": 64,
    "mean": (0.5000001, 0.5, 0.5), "std": (0.4, 0.5, 0.5), "interpolation": "bilinear", "resize": 40, "jpeg": 75,
    "recipe": "fewshot", "select": "best_val", "train_on": "train", "sample": 2, "copy": "folder", "preset": "noah",
}  # fmt: skip


@pytest.fixture
def table(runs) -> Table:
    runs.add(0.5)
    return tables(load(runs.root)[0])[0]


@pytest.mark.parametrize("field", [one.name for one in dataclasses.fields(Setting)])
def test_whatever_sets_two_tables_apart_is_a_choice(table, field) -> None:
    setting = dataclasses.replace(table.setting, **{field: OTHER[field]})
    other = dataclasses.replace(table, setting=setting)
    (facet,) = choices([table, other])
    assert facets(table)[facet] != facets(other)[facet]
    assert facet not in common(table, [facet])


def test_there_is_no_choice_without_a_difference(table) -> None:
    assert choices([table]) == choices([table, table]) == choices([]) == []
    assert common(table, []) == {
        "suite": "mini",
        "backbone": f"vit_pico, weights {table.setting.weights[:8]}",
        "model": "vit_pico_patch4_32",
        "recipe": "vtab",
        "selection": "last epoch, trained on trainval",
        "images": "32 px, mean 0.5 0.5 0.5, std 0.5 0.5 0.5, bicubic",
    }


def test_the_model_of_another_backbone_is_told_but_not_chosen(table) -> None:
    setting = dataclasses.replace(table.setting, model="vit_tiny", weights="f" * 64)
    other = dataclasses.replace(table, setting=setting)
    assert choices([table, other]) == ["backbone"]
    assert common(other, ["backbone"])["model"] == "vit_tiny"
