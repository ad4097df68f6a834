"""Presets: what they set, who may have them, what a command line still decides, and how their runs are told apart."""

import dataclasses

import pytest

from visionpeft.benchmark.plan import _preset, _recipe
from visionpeft.benchmark.spec import Recipe
from visionpeft.reports.build import tables
from visionpeft.reports.copied import figures
from visionpeft.reports.reading import load
from visionpeft.reports.verdict import lines

from ..reports.conftest import Runs

FACT = ("method=fact_tk", "preset=fact", "task=vtab_flowers102")


def test_fact_is_what_its_repository_did(composed):
    (run,) = composed(*FACT)
    assert (run.method.rank, run.method.scale, run.per_task, run.label) == (32, 1.0, "test", "fact_tk (preset=fact)")
    recipe = run.recipe
    assert (recipe.optimizer, recipe.lr, recipe.weight_decay, recipe.epochs) == ("adamw", 1e-3, 1e-4, 100)
    assert (recipe.schedule, recipe.warmup, recipe.warmup_lr, recipe.min_lr) == ("timm_epoch", 10, 1e-6, 1e-5)
    assert (recipe.lag, recipe.batch_size, recipe.drop_path, recipe.head_init) == (1, 64, 0.1, "linear")
    assert recipe.select == "last"
    backbone = run.backbone
    assert (backbone.model, backbone.normalisation) == ("vit_base_patch16_224.orig_in21k", "imagenet")
    assert run.preset.name == "fact" and run.preset.data == "noah-jpeg"


def test_ssf_has_other_weights_unless_the_command_line_has(composed):
    ssf = ("method=ssf", "preset=ssf", "task=vtab_eurosat")
    (run,) = composed(*ssf)
    assert run.backbone.model == "vit_base_patch16_224.augreg_in21k"
    assert (run.recipe.lr, run.recipe.weight_decay, run.recipe.drop_path) == (3e-3, 5e-2, 0.2)
    assert composed(*ssf, "backbone=vit_tiny")[0].label == "ssf (preset=ssf on another backbone)"


def test_what_the_command_line_says_wins_and_shows(composed):
    (run,) = composed(*FACT, "scale=3", "lr=5e-3", "drop_path=0.2")
    assert (run.method.rank, run.method.scale, run.recipe.lr, run.recipe.drop_path) == (32, 3.0, 5e-3, 0.2)
    assert run.label == "fact_tk (preset=fact, scale=3.0, recipe.lr=0.005, recipe.drop_path=0.2)"
    (run,) = composed(*FACT, "normalisation=unit")
    assert (run.backbone.normalisation, run.label) == ("unit", "fact_tk (preset=fact, backbone.normalisation=unit)")
    (run,) = composed(*FACT, "per_task=null")
    assert (run.method.scale, run.label) == (10.0, "fact_tk (preset=fact, without its per-task settings)")


def test_a_method_has_its_own_settings_under_a_preset(composed):
    (run,) = composed("method=lora", "preset=noah")
    assert (run.method.targets, run.method.dropout, run.label) == (("qkv",), 0.1, "lora (preset=noah)")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["preset=fcat"], "unknown preset 'fcat'; did you mean fact?"),
        (
            ["method=lora", "preset=fact"],
            "preset=fact restates a repository that never trained 'lora'; it has fact_tt, fact_tk",
        ),
        (
            ["method=fact_tk", "preset=osu", "per_task=published"],
            "preset=osu has one setting for all tasks, and per_task=published is another repository's",
        ),
        (["method=vpt_deep", "preset=vpt"], "preset=vpt: its lr per task was not released; give lr="),
        (["method=fact_tk", "preset=fact", "task=mini_digits"], "no published setting of fact_tk for mini task digits"),
    ],
)
def test_what_contradicts_a_preset_is_refused(composed, capsys, argv, message):
    assert composed(*argv) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_later_fields_leave_earlier_ids_alone():
    usual = Recipe("r", 1e-3, 0, 20)
    assert "schedule" not in _recipe(usual) and "head_init" not in _recipe(usual)
    late = Recipe("r", 1e-3, 0, 20, schedule="timm_epoch", lag=1)
    assert _recipe(late)["schedule"] == "timm_epoch" and "min_lr" not in _recipe(late)


PRESETS = [("fact", "fact_tk"), ("repadapter", "repadapter"), ("ssf", "ssf"), ("vpt", "vpt_deep"), ("osu", "lora")]


@pytest.mark.parametrize(("name", "method"), PRESETS)
def test_only_what_was_published_by_task_differs_between_tasks(composed, name, method):
    """A table refuses a row whose tasks have other settings, unless the run says that they were chosen by task."""
    needs = ["lr=0.1"] if name == "vpt" else []
    runs = composed("-m", f"method={method}", f"preset={name}", "task=vtab_caltech101,vtab_eurosat,vtab_dmlab", *needs)
    assert len(runs) == 3 and len({run.label for run in runs}) == 1
    assert len({(run.method, run.recipe) for run in runs}) == 1 or all(run.per_task for run in runs)


REPEATED = {"fact": ("fact_tk", 70.8), "repadapter": ("repadapter", 71.0), "noah": ("lora", 69.4), "ssf": ("ssf", 75.1)}
"""Published accuracies on DTD, as in published/vtab1k.csv: chosen on TEST."""


@pytest.mark.parametrize("name", REPEATED)
def test_a_run_under_a_shipped_preset_can_reproduce_the_published_row(composed, tmp_path, name):
    """From the preset as it is composed; the images are NOAH's, the best look is the published figure."""
    method, published = REPEATED[name]
    (asked,) = composed(f"method={method}", f"preset={name}", "task=vtab_dtd", "oracle=true")
    store, best = Runs(tmp_path), published / 100
    run = store.a_run("dtd", asked.label, **_preset(asked), oracle=asked.oracle, per_task=asked.per_task)
    run["task"] |= {"suite": "vtab", "group_tasks": 7, "suite_tasks": 19}
    run["method"] |= {"name": method, "fields": dataclasses.asdict(asked.method)}
    run["backbone"]["model"] = asked.backbone.model
    run["data"] |= {"source": "folder", "flavour": "noah-jpeg (folder)"}
    curve = [
        {"phase": "fit", "epoch": e, "loss": 1.0, "lr": 0.1, "test": best - 0.01 * (e != 90)} for e in range(1, 101)
    ]
    store.put(store.a_record(best - 0.1, asked.label, run, curve=curve))
    (line,) = lines(tables(load(tmp_path)[0])[0], figures("vtab1k"))
    assert f"{published} (best" in line and f": a diagnostic, no result) beside {published} ±" in line
    assert line.partition("): reproduced")[2] == (f" ({asked.preset.otherwise})" if asked.preset.otherwise else "")
