"""What racing saved, from records: pairs that differ in it alone, and a search that it changed is told."""

import dataclasses
import sys

import pytest

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.record import read, record_files

SEARCH = ["method=glora", "task=mini_digits", "backbone=vit_pico", "img_size=16", "recipe=demo", "batch_size=16"]
SEARCH += ["lr=5e-3", "epochs=1", "warmup=0", "supernet_epochs=3", "method.rank=2", "population=6", "parents=2"]
SEARCH += ["mutants=3", "crossovers=2", "generations=3"]
"""A supernet that gets nine of ten images right, so that candidates can be behind early."""


@pytest.fixture
def page(load_script):
    return load_script("glora_race")


def test_pairs_and_table(page, folders, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["visionpeft"])
    assert page.main([str(folders / "runs")]) == 2
    assert main(["-m", *SEARCH, "race=true,false"]) == 0
    capsys.readouterr()
    assert page.main([str(folders / "runs")]) == 0
    (row,) = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert row[:3] == ["digits", "0", "24"] and float(row[3].rstrip("%")) < 90 and row[-1] == "yes"
    records = [read(path) for path in record_files(folders / "runs")]
    alone = dataclasses.replace(records[0], run=records[0].run | {"seed": 1})
    ((raced, whole),) = page.pairs([*records, alone])
    assert raced.scores == whole.scores and min(whole.notes["search"]["images"]) == 200
    seen, accuracy = raced.notes["search"]["images"], whole.notes["search"]["accuracy"]
    for images, bound, true in zip(seen, raced.notes["search"]["accuracy"], accuracy, strict=True):
        assert bound == true if images == 200 else bound >= true
    raced.notes["search"] |= {"images": [200] * 12 + [50] * 12, "seconds": 3.0}
    whole.notes["search"] |= {"seconds": 4.0}
    assert page.line(raced, whole) == "| digits | 0 | 24 | 62.5% | 3 | 4 | 0.75 | yes |"
    whole.notes["search"]["config"][3] = "NNNNN"
    assert page.line(raced, whole).endswith("| NO |")
