"""What is said of data that is not here: every source of the task with what it lacks."""

import pytest

from visionpeft.benchmark.compose import read_task
from visionpeft.benchmark.overrides import preset
from visionpeft.benchmark.remedy import absence, declined, sources
from visionpeft.data.original import Original
from visionpeft.data.task import DataError

NAMES = ["vtab_eurosat", "vtab_svhn", "vtab_caltech101", "vtab_sun397", "vtab_retinopathy", "vtab_kitti_dist"]


@pytest.mark.parametrize("name", NAMES)
def test_every_source_is_named_with_its_folder(name, tmp_path):
    task = read_task(preset("task", name))
    lines = list(sources(task, tmp_path))
    assert [line.partition(":")[0] for line in lines] == [f"source={source.name}" for source in task.sources]
    for line in lines:
        assert str(tmp_path) in line or "source=" in line
    assert f"expected {tmp_path}/tensorflow_datasets/" in lines[1]
    said = absence(name, task, tmp_path, None)
    assert said.startswith(f"{name} is not here\n  source=original: ") and all(line in said for line in lines)
    assert absence(name, task, tmp_path, "folder").count("source=tfds: ") == 1


def test_a_source_that_downloads_when_it_is_named_says_so(tmp_path):
    lines = list(sources(read_task(preset("task", "vtab_cifar100")), tmp_path))
    assert lines[2] == "source=hub: read, and downloaded, when it is asked for by that name"


@pytest.mark.parametrize("name", ["vtab_sun397", "vtab_retinopathy"])
def test_what_a_person_must_bring_is_said_with_its_place(name, tmp_path):
    said = absence(name, read_task(preset("task", name)), tmp_path, None)
    assert "<data folder>/tensorflow_datasets/downloads/manual" in said and f"TASK={name} SOURCE=tfds" in said


def test_a_source_that_is_here_is_told_from_those_that_are_not(tmp_path):
    for split in ("train800", "val200", "test"):
        (tmp_path / "eurosat").mkdir(exist_ok=True)
        (tmp_path / "eurosat" / f"{split}.txt").touch()
    lines = list(sources(read_task(preset("task", "vtab_eurosat")), tmp_path))
    assert lines[-1] == "source=folder: it is here"


def test_an_unknown_source_is_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot be read from source 'tdfs'; it has original, tfds, hub, folder"):
        absence("vtab_eurosat", read_task(preset("task", "vtab_eurosat")), tmp_path, "tdfs")


def test_files_are_named_with_place_size_and_digest_instead_of_a_download(tmp_path):
    tasks = {name: read_task(preset("task", name)) for name in ("vtab_eurosat", "vtab_kitti_dist")}
    originals = [next(s for s in task.sources if isinstance(s, Original)) for task in tasks.values()]
    orders = [source.delivery(tmp_path) for source in originals]
    one = declined(orders[:1], {"vtab_eurosat": tasks["vtab_eurosat"]}, tmp_path).splitlines()
    assert one[0].endswith("say so with TERMS=accept") and one[1] == "  or bring it yourself:"
    digest = "8ebea626349354c5328b142b96d0430e647051f26efc2dc974c843f25ecf70bd"
    assert one[2] == f"  {tmp_path}/eurosat/EuroSAT.zip (94,280,567 bytes, sha256 {digest})"
    assert one[3] == "  or use another source:" and len(one) == 8
    both = declined(orders, tasks, tmp_path).splitlines()
    assert both[1] == "  or bring them yourself:" and len(both) == 6  # of many, sources would fill the screen
