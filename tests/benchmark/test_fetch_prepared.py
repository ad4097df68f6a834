"""`make data SOURCE=tfds` as a user meets it: tensorflow-datasets prepares what the owners' files do not give."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest

from visionpeft.benchmark.__main__ import main
from visionpeft.data import prepare
from visionpeft.data.original import Original
from visionpeft.data.prepared import Prepared
from visionpeft.data.task import DataError, Task

from .test_fetch import Toy

tfds = pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")
pytest.importorskip("array_record", reason="array_record is not installed")


class Drawn(Toy):
    """Its owners' files do not tell its splits."""

    names: ClassVar[tuple[str, ...]] = ("drawn",)
    builder: ClassVar[str] = "fetched_toy:1.0.0"
    by_hand: ClassVar[str] = "`make data SOURCE=tfds` prepares it"

    def missing(self, folder):
        return "its splits were drawn at random"

    def key(self, features):
        return features["name"].decode()

    def label(self, features):
        return int(features["label"])


class FetchedToy(tfds.core.GeneratorBasedBuilder):
    """What tensorflow-datasets makes of it."""

    VERSION = tfds.core.Version("1.0.0")
    url_infos: ClassVar[dict[str, object]] = {}

    def _info(self):
        features = {
            "image": tfds.features.Image(),
            "label": tfds.features.Scalar(np.int64),
            "name": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for i in range(30):
            yield f"{i}.jpg", {"image": io.BytesIO(b"\xff\xd8%d" % i), "label": i % 3, "name": f"{i}.jpg"}


@pytest.fixture
def command(folders, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run `visionpeft data` for that data set and return its exit code, output and messages."""
    task = Task("drawn", "toys", "natural", 3, sources=(Original(Drawn()), Prepared(Drawn())))
    monkeypatch.setattr("visionpeft.benchmark.fetch._tasks", lambda *_: {"toys_drawn": task})

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["data", f"data={folders / 'data'}", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def tensorflow(monkeypatch) -> Callable[[bool], None]:
    """Have TensorFlow, or not."""

    def make(there: bool) -> None:
        monkeypatch.setattr(prepare, "find_spec", lambda name: there or name != "tensorflow" or None)

    return make


def test_it_is_prepared_when_the_source_is_named_and_the_terms_are_accepted(command, folders, tensorflow):
    tensorflow(True)
    folder = folders / "data" / "tensorflow_datasets" / "fetched_toy" / "1.0.0"
    code, out, err = command("SOURCE=tfds")
    assert code == 2 and "so with TERMS=accept" in err and not folder.exists()
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "data set file to download from",
        "fetched_toy what its builder asks for ? tensorflow-datasets' builder fetched_toy:1.0.0",
    ]
    assert "files of unknown size to download into" in err and "0 bytes" not in err
    code, out, err = command("SOURCE=tfds", "TERMS=accept")
    assert code == 0 and (folder / "dataset_info.json").is_file()
    rows = [line.split()[:4] for line in out.splitlines()[3:]]  # below what would be loaded
    assert rows == [["toys_drawn", "tfds", name, "10"] for name in ("train", "val", "test")]
    assert "tensorflow-datasets prepares fetched_toy:1.0.0 in" in err
    code, again, err = command()  # it is found, and nothing is asked
    assert code == 0 and len(again.splitlines()) == 4 and "from source tfds" in err


def test_it_is_not_prepared_unasked_and_the_ways_to_it_are_named(command, folders, tensorflow):
    tensorflow(True)
    code, out, err = command("TERMS=accept")
    assert (code, out) == (1, "") and not (folders / "data").exists()
    assert "original: no folder drawn in" in err and "tfds: no folder fetched_toy prepared" in err
    assert "`make data SOURCE=tfds` prepares it" in err


def test_without_tensorflow_it_says_what_is_needed(command, folders, tensorflow):
    tensorflow(False)
    code, out, err = command("SOURCE=tfds", "TERMS=accept")
    assert (code, out) == (1, "") and not (folders / "data").exists()
    assert "preparing fetched_toy:1.0.0 needs tensorflow, with which its builder" in err
    assert err.rstrip().endswith("pip install tensorflow")


def test_a_builder_that_fails_is_said(command, tensorflow, monkeypatch):
    tensorflow(True)

    def fails(*_: object) -> None:
        raise DataError("tensorflow-datasets could not prepare it")

    monkeypatch.setattr("visionpeft.data.prepared.prepare", fails)
    code, out, err = command("SOURCE=tfds", "TERMS=accept")
    assert code == 1 and "error: tensorflow-datasets could not prepare it" in err
