"""Commands on real EuroSAT images: which source is read, what the record says of it, and what is refused."""

import hashlib
import sys
from pathlib import Path

import pytest

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.record import read, record_files

SMALL = ["task=vtab_eurosat", "method=linear", "backbone=vit_pico", "img_size=16", "recipe.epochs=1", "recipe.warmup=0"]


@pytest.fixture
def command(folders, monkeypatch, shared, capsys):
    def run(*argv: str, data: Path | None = None) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["visionpeft"])
        folder = data or shared / "data" / "originals"
        code = main([*SMALL, f"data={folder}", *argv])
        shown = capsys.readouterr()
        return code, " ".join((shown.out + shown.err).split())

    return run


def records(folder: Path):
    return [read(path) for path in record_files(folder / "runs")]


def test_a_run_on_the_originals_says_that_they_are_confirmed(command, folders):
    code, shown = command("source=original")
    assert code == 0 and "data: eurosat from original (official)" in shown
    (record,) = records(folders)
    data = record.run["data"]
    assert (data["source"], data["flavour"], data["sample"]) == ("original", "official", 0)
    assert data["confirmed"] == {"train": "confirmed", "val": "confirmed", "test": "confirmed"}
    assert data["reading"] == {"dataset": {}, "replicate": 0}
    assert {name: split["size"] for name, split in data["splits"].items()} == {"train": 800, "val": 200, "test": 5400}
    assert 0.2 < record.scores["test"] < 0.9


def test_a_replicate_is_another_row_with_the_same_test_images(command, folders, monkeypatch):
    """Planned, not trained."""
    from visionpeft.benchmark import __main__ as program

    planned = []
    monkeypatch.setattr(program, "drain", lambda found, options: planned.extend(found) or {})
    assert command("-m", "replicate=0,1,15")[0] == 0
    assert [one.run.label.endswith(f", replicate={k})") for one, k in zip(planned, (0, 1, 15), strict=True)] == [
        False,
        True,
        True,
    ]
    assert [one.resolved["data"]["sample"] for one in planned] == [0, 1, 15]
    assert len({one.id for one in planned}) == 3
    splits = [one.resolved["data"]["splits"] for one in planned]
    assert len({s["train"]["digest"] for s in splits}) == len({s["val"]["digest"] for s in splits}) == 3
    assert len({s["test"]["order"] for s in splits}) == 1
    assert [one.resolved["data"]["confirmed"]["train"] for one in planned] == ["confirmed"] * 3
    assert {one.resolved["data"]["flavour"] for one in planned} == {"official"}


def test_a_replicate_beyond_the_last_is_refused(command):
    code, shown = command("replicate=16")
    assert code == 2 and "replicate 16: EuroSAT has 0 (VTAB's own) to 15" in shown


def test_a_folder_has_no_replicates(command):
    code, shown = command("replicate=1", "source=folder")
    assert code == 2 and "cannot be read from source 'folder'; it has original, tfds, hub" in shown


@pytest.fixture
def copy(shared, tmp_path) -> Path:
    """The originals as links, those of class Pasture file by file."""
    top = shared / "data" / "originals" / "eurosat" / "2750"
    (tmp_path / "data" / "eurosat" / "Pasture").mkdir(parents=True)
    for path in top.iterdir():
        if path.name != "Pasture":
            (tmp_path / "data" / "eurosat" / path.name).symlink_to(path)
    for path in (top / "Pasture").iterdir():
        (tmp_path / "data" / "eurosat" / "Pasture" / path.name).symlink_to(path)
    return tmp_path / "data"


def test_a_tampered_image_is_found_when_it_has_been_read(command, copy, folders):
    path = copy / "eurosat" / "Pasture" / "Pasture_1875.jpg"  # the first test image
    before, other = path.read_bytes(), path.with_name("Pasture_1.jpg").read_bytes()
    path.unlink()
    path.write_bytes(other)
    code, shown = command(data=copy)
    assert code == 1 and "split test from source original: the digest of the images is" in shown
    found, due = (hashlib.sha256(image).hexdigest()[:16] for image in (other, before))
    assert f"a file was changed or encoded anew: {path}: sha256 {found}, expected {due} put it back" in shown
    path.write_bytes(before[:700])  # what cannot be decoded is named in the same way
    code, shown = command("retry=true", data=copy)
    found = hashlib.sha256(before[:700]).hexdigest()[:16]
    assert code == 1 and f"{path}: sha256 {found}, expected {due} put it back" in shown
    assert not records(folders)


def test_renamed_images_are_found_before_anything_is_read(command, copy):
    folder = copy / "eurosat" / "Pasture"
    for number in range(1, 2001):
        (folder / f"Pasture_{number}.jpg").rename(folder / f"Pasture_{number + 9000}.jpg")
    code, shown = command(data=copy)
    assert code == 2 and "split train from source original: the digest of the keys is" in shown
    assert "files are missing, renamed or of another release" in shown


def test_missing_images_are_found_before_anything_is_read(command, copy):
    (copy / "eurosat" / "Pasture" / "Pasture_3.jpg").unlink()
    code, shown = command(data=copy)
    assert code == 2 and "split train has 26999 examples" in shown and "expected 27000" in shown
