"""The arithmetic floor of GLoRA: a formula, test sets as they are, and what a plan of 30 minutes needs."""

from argparse import ArgumentParser

import pytest


@pytest.fixture
def page(load_script):
    return load_script("glora_floor")


def test_work(page):
    """800 images an epoch of the supernet, 200 a candidate, 1000 an epoch of retraining, every test image twice."""
    found = page.work(page.Model(step=3.0, forward=1.0), page.Schedule(10, 7, 5), tests=50)
    assert found == {"supernet": 24_000, "search": 1400, "retraining": 15_000, "test": 100}
    raced = page.work(page.Model(step=3.0, forward=1.0), page.Schedule(10, 7, 5, seen=0.5), tests=50)
    assert raced == found | {"search": 700}


def test_the_real_test_sets(page):
    sizes = page.test_sizes()
    assert len(sizes) == 19 and (sizes["vtab_kitti_dist"], sizes["vtab_dsprites_loc"]) == (711, 73_728)
    assert sum(sizes.values()) == 387_904


def test_the_table(page):
    """At 0.5 PFLOP/s, a step of 2.5 and a forward pass of 1 TFLOP make 20, 2, 25 and 40.83 PFLOPs for the mean task."""
    parser = ArgumentParser()
    page.add_options(parser)
    given = [
        "--peak",
        "1e15",
        "--utilisation",
        "0.5",
        "--supernet-epochs",
        "10",
        "--evaluations",
        "10",
        "--epochs",
        "10",
    ]
    lines = page.floor(parser.parse_args(given), page.Model(2.5e12, 1e12)).splitlines()
    assert lines[0].endswith("arithmetic, not a measurement")
    rows = {line.split(" | ")[0].strip("| "): line.strip(" |").split(" | ")[1:] for line in lines if line[:1] == "|"}
    assert rows["supernet"] == ["20.00", "40.0", "380.00", "12.7"]
    assert rows["search"] == ["2.00", "4.0", "38.00", "1.3"]
    total = 19 * 47 + 2 * 387.904
    assert rows["all"][2:] == [f"{total:.2f}", f"{total / 0.5 / 60:.1f}"]
    assert f"need {total / 1800:.0%} of the peak" in lines[-1] and lines[-1].endswith("needs 10%.")
