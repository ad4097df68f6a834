"""What a run's id depends on, and what it does not."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image

from visionpeft.benchmark.plan import Planned, plan
from visionpeft.benchmark.spec import Options
from visionpeft.data.hub import Hub
from visionpeft.data.official import DataSet
from visionpeft.data.task import Task


@dataclass(frozen=True)
class Toy(DataSet):
    """Twelve named images of three classes."""

    names: ClassVar = ("toy",)
    builder: ClassVar = "toy:1.0.0"
    counts: ClassVar = {"train": 12}
    train: ClassVar = "train[:6]"
    val: ClassVar = "train[6:8]"
    test: ClassVar = "train[8:]"

    def missing(self, folder):
        return None

    def examples(self, folder, split):
        raise AssertionError("the owners' files are not read")

    def key(self, features):
        return features["filename"]

    def label(self, features):
        return features["label"]


def write(folder: Path) -> str:
    """Write a repository; returns its folder."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    from pyarrow.parquet import write_table

    images = []
    for i in range(12):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (i, 5, 7)).save(file, "PNG")
        images.append({"bytes": file.getvalue(), "path": None})
    names = [f"{i}.png" for i in range(12)]
    folder.mkdir(parents=True)
    write_table(
        pa.table({"image": images, "label": [i % 3 for i in range(12)], "filename": names}), folder / "a.parquet"
    )
    return str(folder)


@pytest.fixture
def planned(a_job, tmp_path):
    def make(**fields: str) -> Planned:
        task = Task("toy", "test", "natural", 3, sources=(Hub(Toy(), **fields),))
        options = Options(data=None, source="hub", runs=tmp_path / "runs", cache=tmp_path / "cache", device="cpu")
        (found,) = plan([dataclasses.replace(a_job().run, task=task)], options)
        return found

    return make


def test_where_a_repository_lies_is_no_part_of_a_run(planned, tmp_path):
    first = planned(repo=write(tmp_path / "here"))
    second = planned(repo=write(tmp_path / "there"), revision="1a2b")
    assert first.id == second.id and first.asked == second.asked
    assert str(tmp_path) not in str(first.asked)
    assert first.resolved["data"]["reading"] == {
        "dataset": {}, "config": "", "image": "image", "label": "label", "replicate": 0,
    }  # fmt: skip
