"""The script that writes the table of digests: what it cannot compute it keeps, what contradicts it refuses."""

import importlib.util
import sys
from pathlib import Path

import pytest

from visionpeft.data.altered import IMAGES, expected
from visionpeft.data.digests import TABLE, Digests, pinned
from visionpeft.data.vtab.eurosat import EuroSAT

SCRIPT = Path(__file__).parents[2] / "scripts" / "pin_digests.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("pin_digests", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(script, monkeypatch, *argv) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, argv)])
    script.main()


def test_without_files_the_table_stays_as_it_is(script, monkeypatch, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    run(script, monkeypatch, tmp_path / "data", "--out", tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == TABLE.read_text()
    assert (tmp_path / IMAGES.name).read_bytes() == IMAGES.read_bytes()
    assert capsys.readouterr().out.count("confirmed") == 121


def test_what_is_known_and_what_is_found_are_put_together(script):
    known, found = Digests("3", keys="a", images="d"), Digests("3", keys="a", labels="b")
    assert script.merged("toy val", known, found) == Digests("3", keys="a", labels="b", images="d")
    assert script.merged("toy val", None, found) == found


def test_a_contradiction_is_an_error(script):
    with pytest.raises(SystemExit, match="toy val: the digest of its images is c, the table has d"):
        script.merged("toy val", Digests("3", images="d"), Digests("3", images="c"))


def test_real_images_give_the_pinned_digests(script, shared):
    found = script.digests(EuroSAT(), shared / "data" / "originals")
    assert {name: one.digests for name, one in found.items()} == {
        name: pinned()["eurosat", name] for name in ("train", "val", "trainval", "test")
    }
    for name in ("train", "val", "test"):
        assert found[name].each.tolist() == expected("eurosat", name).tolist()
    assert found["trainval"].each is None  # train's and val's, one after the other
