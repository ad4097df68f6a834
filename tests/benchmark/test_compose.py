"""From a yaml to a task: its sources, their data sets, and which training set is asked for."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from visionpeft.benchmark import compose
from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.compose import read_task
from visionpeft.benchmark.overrides import preset
from visionpeft.data.original import Original
from visionpeft.data.prepared import Prepared
from visionpeft.data.vtab.clevr import Clevr
from visionpeft.data.vtab.eurosat import EuroSAT

ORIGINAL = "visionpeft.data.original.Original"
EUROSAT = "visionpeft.data.vtab.eurosat.EuroSAT"
DATASET = {"_target_": EUROSAT}


def task(**source):
    values = {"_target_": "visionpeft.data.task.Task", "name": "toy", "suite": "s", "group": "g", "num_classes": 2}
    return read_task(OmegaConf.create(values | {"sources": [{"_target_": ORIGINAL} | source]}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: toy\nsuite: s\n", "lacks the key group; it has name, suite"),
        ("- name\n", "is a list, expected keys with values"),
        ("group: g\n", "lacks the keys name, suite; it has group"),
        ("", "lacks the keys name, suite, group; it has none"),
        ("name: [\n", "is not readable as yaml"),
    ],
)
def test_a_yaml_that_is_no_preset_is_named_with_what_it_lacks(tmp_path, text, said):
    path = tmp_path / "task" / "toy.yaml"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ValueError, match=f"{path} {said}"):
        preset("task", "toy", (tmp_path,))


@pytest.mark.parametrize(("text", "has"), [("lr: 1", "lr"), ("method: 3", "method"), ("method:\n  rank: 3", "method")])
def test_a_yaml_that_describes_no_method_is_named_before_anything_starts(capsys, tmp_path, text, has):
    path = tmp_path / "method" / "bad.yaml"
    path.parent.mkdir()
    for header in ("", "# @package _global_\n"):
        path.write_text(f"{header}{text}\n")
        preset.cache_clear()
        argv = ["--config-dir", str(tmp_path), "method=bad", "task=mini_digits", f"runs={tmp_path / 'runs'}"]
        assert main(argv) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert said == [f"error: {path} lacks the key method._target_; it has {has}"]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("given", "found"), [("/elsewhere", "/elsewhere"), ("elsewhere", "/home/.cache"), ("", "/home/.cache")]
)
def test_a_relative_cache_folder_of_the_user_is_ignored(monkeypatch, given, found):
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setattr(compose.Path, "home", lambda: Path("/home"))
    assert compose._user_cache() == Path(found)


def test_a_source_has_its_data_set():
    assert task(dataset=DATASET).sources == (Original(EuroSAT()),)
    assert task(dataset=DATASET, replicate=3).sources == (Original(EuroSAT(), 3),)


def test_an_anchor_in_a_yaml_is_one_data_set_for_several_sources():
    original, prepared = read_task(preset("task", "vtab_clevr_dist")).sources[:2]
    assert original == Original(Clevr("distance")) and prepared == Prepared(Clevr("distance"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"dataset": "eurosat"}, r"dataset must be a DataSet \(a mapping with _target_\), got 'eurosat'"),
        ({"dataset": {}}, r"dataset must be a DataSet \(a mapping with _target_\), got {}"),
        ({}, "dataset must be given"),
        (
            {"dataset": {"_target_": "os.system"}},
            r"task.sources.dataset._target_: 'os.system' cannot be imported",
        ),
        ({"dataset": {"_target_": "visionpeft.data.mini.Digits"}}, "Digits is no subclass of .*DataSet"),
        ({"dataset": {"_target_": "nowhere.Nothing"}}, "'nowhere.Nothing' cannot be imported"),
        ({"dataset": DATASET | {"task": 1}}, "task.sources.dataset: unknown field 'task'"),
        ({"dataset": DATASET, "replicate": "1"}, "replicate must be int, got '1'"),
        (
            {"dataset": {"_target_": "visionpeft.data.vtab.clevr.Clevr", "task": "color"}},
            "task must be one of count, distance, got 'color'",
        ),
    ],
)
def test_what_is_no_data_set_is_refused(source, message):
    with pytest.raises(ValueError, match=message):
        task(**source)


LINEAR = ("method=linear", "backbone=vit_pico")


def test_a_replicate_reaches_the_sources_that_have_it(composed):
    runs = composed("-m", *LINEAR, "task=vtab_eurosat,vtab_clevr_count", "replicate=0,2")
    assert len(runs) == 4
    for run in runs:
        sources = {source.name: source for source in run.task.sources}
        usual = "folder" in sources
        assert sources["original"].replicate == sources["tfds"].replicate == (0 if usual else 2)
    assert sum("folder" in [source.name for source in run.task.sources] for run in runs) == 2


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["task=mini_digits", "replicate=1"], "replicate=1: mini task digits has one training set only"),
        (["task=vtab_eurosat", "replicate=-1"], "replicate must be a whole number from 0 on, got -1"),
        (["task=vtab_eurosat", "replicate=two"], "replicate must be int, got 'two'"),
        (["task=mini_digits", "replicate=true"], "replicate must be a whole number from 0 on, got True"),
    ],
)
def test_replicates_that_do_not_exist_are_refused(composed, capsys, argv, message):
    assert composed(*LINEAR, *argv) == 2
    assert message in " ".join(capsys.readouterr().err.split())
