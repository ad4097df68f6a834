"""The command `data` as a user meets it; downloads come from a server on this machine."""

import csv
import io
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.fetch import _tasks
from visionpeft.data.official import DataSet, Examples, Remote
from visionpeft.data.original import Original
from visionpeft.data.task import Task

from ..data.server import running, sha256


@dataclass(frozen=True)
class Toy(DataSet):
    """Thirty images in one folder, ten for each split."""

    names: ClassVar[tuple[str, ...]] = ("toy",)
    builder: ClassVar[str] = "toy:1.0.0"
    counts: ClassVar[Mapping[str, int]] = {"train": 30}
    train: ClassVar[str] = "train[:10]"
    val: ClassVar[str] = "train[10:20]"
    test: ClassVar[str] = "train[20:]"
    remotes: ClassVar[tuple[Remote, ...]] = ()
    terms: ClassVar[str] = "Somebody, for research: http://somebody/terms"

    def missing(self, folder: Path) -> str | None:
        return None if (folder / "images").is_dir() else f"{folder} lacks the folder images"

    def examples(self, folder: Path, split: str) -> Examples:
        files = tuple(sorted((folder / "images").glob("*.jpg")))
        labels = np.arange(len(files)) % 3
        return Examples([path.name for path in files], labels, lambda i: files[i].read_bytes(), files)

    def key(self, features):
        return features["name"]

    def label(self, features):
        return features["label"]


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for i in range(30):
            info = tarfile.TarInfo(f"images/{i:02}.jpg")
            info.size = 3
            tar.addfile(info, io.BytesIO(b"%03d" % i))
    return buffer.getvalue()


BODY = archive()


@pytest.fixture
def server():
    with running() as server:
        yield server


@pytest.fixture
def toy(monkeypatch, server):
    """Make the command know one task, by this data set; a suite of which nothing is pinned."""

    def make(dataset: DataSet | None = None, suite: str = "toys", name: str = "toy", **remote) -> DataSet:
        if dataset is None:
            served = {"urls": (server.serve("toy.tar", BODY),), "name": "toy.tar", "digest": sha256(BODY)}
            one = Remote(**served | {"size": len(BODY)} | remote)
            dataset = type("Served", (Toy,), {"remotes": (one,)})()
        task = Task(name, suite, "natural", 3, sources=(Original(dataset),))
        monkeypatch.setattr("visionpeft.benchmark.fetch._tasks", lambda *_: {f"{suite}_{name}": task})
        return dataset

    return make


@pytest.fixture
def command(folders, monkeypatch, capsys):
    """Run `visionpeft data` for a folder and return its exit code, output and messages."""

    def run(*words: str, root: str = "data") -> tuple[int, str, str]:
        code = main(["data", f"data={folders / root}", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_terms_must_be_accepted_before_anything_is_asked_for(toy, command, server, folders):
    toy()
    code, out, err = command()
    assert code == 2 and server.asked == [] and not (folders / "data").exists()
    assert out.splitlines() == [
        "data set  file     to download  from",
        "toy       toy.tar  41.0 kB      127.0.0.1",
    ]
    assert "toy: Somebody, for research: http://somebody/terms" in err
    assert f"41.0 kB to download into {folders / 'data'} (which will be made), " in err and " free\n" in err
    assert "error: nothing was downloaded: if you accept these terms, say so with TERMS=accept\n" in err
    path = folders / "data" / "toy" / "toy.tar"
    assert f"or bring it yourself:\n  {path} ({len(BODY):,} bytes, sha256 {sha256(BODY)[7:]})\n" in err
    assert f"or use another source:\n  source=original: no folder toy in {folders / 'data'}" in err


def test_downloaded_unpacked_and_examined(toy, command, server, folders):
    toy()
    code, out, err = command("TERMS=accept")
    assert code == 0 and (folders / "data" / "toy" / "images" / "29.jpg").read_bytes() == b"029"
    rows = [line.split() for line in out.splitlines()[2:]]
    assert rows[0] == ["task", "source", "split", "size", "keys", "order", "labels", "images", "state"]
    assert [row[:4] for row in rows[1:]] == [["toys_toy", "original", name, "10"] for name in ("train", "val", "test")]
    assert all(row[8:] == ["not", "yet", "confirmed"] for row in rows[1:])
    assert "toy.tar: 100 % of 41.0 kB" in err and "open an issue with that file" in err
    code, again, _ = command()  # what is there is not asked for again, nor are terms
    assert code == 0 and again.splitlines() == out.splitlines()[2:] and len(server.asked) == 1
    with (folders / "runs" / "digests.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [len(row["images"]) for row in written] == [64, 64, 64] and written[0]["images"].startswith(rows[1][7])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2), ("\n", 2), ("", 2)])
def test_in_a_terminal_a_person_is_asked(toy, folders, monkeypatch, server, answer, code):
    toy()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", said := Terminal())
    assert main(["data", f"data={folders / 'data'}"]) == code
    assert "download this, under these terms? [y/N]" in said.getvalue() and len(server.asked) == (code == 0)


def test_without_a_network_the_file_its_place_and_checksum_are_named(toy, command, folders):
    toy(urls=("http://127.0.0.1:1/toy.tar",))
    code, _, err = command("terms=accept")
    path = folders / "data" / "toy" / "toy.tar"
    assert code == 1
    assert f"bring it yourself: {path} ({len(BODY):,} bytes, sha256 {sha256(BODY)[7:]})" in err
    path.write_bytes(BODY)
    assert command()[0] == 0


def test_what_a_person_must_get_is_said_in_the_data_sets_own_words_and_checked(toy, command, folders):
    words = "log in at http://somebody, accept the rules and put toy.tar into <data folder>/toy"
    remote = Remote((), "toy.tar", sha256(BODY), len(BODY))
    toy(type("ByHand", (Toy,), {"remotes": (remote,), "by_hand": words})())
    code, out, err = command("terms=accept")
    path = folders / "data" / "toy" / "toy.tar"
    assert code == 1 and out == "" and words in err and f"{path} ({len(BODY):,} bytes, sha256 " in err
    path.write_bytes(BODY[:-1] + b"?")
    code, _, err = command()
    assert code == 1 and f"expected {sha256(BODY)[7:]}" in err and words in err
    path.write_bytes(BODY)
    assert command()[0] == 0


def test_what_nobody_serves_says_where_it_is_from(toy, command):
    toy(type("Nobody", (Toy,), {"by_hand": "write to the owners"})())
    code, _, err = command()
    assert code == 1 and "toys_toy is not here" in err and err.rstrip().endswith("write to the owners")


def test_other_images_than_the_known_ones_contradict(toy, command):
    """Thirty numbers are not EuroSAT."""
    toy(suite="vtab", name="eurosat")
    code, out, err = command("terms=accept")
    assert code == 1 and out.count("CONTRADICTS") == 3
    assert "error: vtab_eurosat, train: the size is 10, expected 800" in err


def test_an_incomplete_copy_is_said(toy, command, folders):
    toy()
    command("terms=accept")
    (folders / "data" / "toy" / "images" / "07.jpg").unlink()
    code, _, err = command()
    assert code == 1 and "split train has 29 examples" in err and "expected 30" in err


REFUSED = {
    "nothing": ([], "say what to get: task=vtab_eurosat"),
    "no such task": (["task=vtab_eurosatt"], "unknown task 'vtab_eurosatt'; did you mean vtab_eurosat"),
    "no such suite": (["suite=vtap"], "unknown suite 'vtap'; did you mean vtab?"),
    "no such setting": (["TERM=accept"], "unknown setting 'TERM=accept'; did you mean terms?"),
    "no value": (["vtab_eurosat"], "unknown setting 'vtab_eurosat'"),
    "other terms": (["task=vtab_eurosat", "terms=yes"], "terms='yes', expected terms=accept or nothing"),
    "no folder": (["task=vtab_eurosat", "data=file"], "file is no folder"),
    "no data": (["task=vtab_eurosat", "data="], "with DATA=<folder> or VISIONPEFT_DATA"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(command, folders, case):
    (folders / "file").write_text("")
    words, message = REFUSED[case]
    code, out, err = command(*words)
    assert (code, out) == (2, "") and message in err


def test_a_source_that_the_task_has_not(command):
    code, _, err = command("task=vtab_eurosat", "source=orginal")
    assert code == 1 and "vtab task eurosat cannot be read from source 'orginal'; it has original" in err


def test_tasks_by_pattern_and_suite(command):
    assert len(_tasks(None, "vtab")) == 19
    assert list(_tasks("vtab_clevr_*, vtab_dtd", None)) == ["vtab_clevr_count", "vtab_clevr_dist", "vtab_dtd"]
    assert list(_tasks("vtab_dtd,mini_digits,vtab_dtd", None)) == ["vtab_dtd", "mini_digits"]
    code, out, _ = command("task=mini_dig*")
    assert code == 0 and [line.split()[:4] for line in out.splitlines()[1:]] == [
        ["mini_digits", "sklearn", "train", "800"],
        ["mini_digits", "sklearn", "val", "200"],
        ["mini_digits", "sklearn", "test", "797"],
    ]


def test_a_copy_with_too_few_images_shows_how_many_there_are(shared, folders, capsys):
    assert main(["data", "task=vtab_flowers102", "source=folder", f"data={shared / 'data'}"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[1:6] for row in rows][2] == ["folder", "test", "600", "of", "6149"]
    assert not {"confirmed", "CONTRADICTS"} & {row[-1] for row in rows}  # other files than the official ones


def test_eurosat_as_its_owners_publish_it(shared, folders, capsys):
    """Digests of 800, 200 and 5,400 real images; nothing is written where they lie."""
    root = shared / "data" / "originals"
    before = sorted(path.name for path in (root / "eurosat").iterdir())
    assert main(["data", "task=vtab_eurosat", f"data={root}"]) == 0
    assert [" ".join(line.split()[2:]) for line in capsys.readouterr().out.splitlines()[1:]] == [
        "train 800 8246dde0bcb3 333b8d230f03 82406848fbe7 7e5c5903c947 confirmed",
        "val 200 04fd9ad268eb 7e3eeb1a0d38 9e6a376ab2dd b09b9de49ef7 confirmed",
        "test 5400 3975c9c4b0ce e27f7a30d4e3 f64df7d900bb faae749ba040 confirmed",
    ]
    assert sorted(path.name for path in (root / "eurosat").iterdir()) == before


def test_without_words_it_shows_what_is_known(capsys):
    assert main(["data"]) == 0
    said = capsys.readouterr()
    lines = {tuple(words[:2]): words[2:] for words in map(str.split, said.out.splitlines())}
    assert len(lines) == 122 and lines["eurosat", "trainval/15"][-1] == "confirmed"
    assert lines["svhn", "test"] == ["26032", "-", "-", "not", "yet", "confirmed:", "labels", "images"]
    assert "task=vtab_eurosat" in said.err
