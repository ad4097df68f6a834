"""The band, the verdict and its reasons on literals."""

import pytest

from visionpeft.reports.build import tables
from visionpeft.reports.literature import figures, texts
from visionpeft.reports.reading import load
from visionpeft.reports.verdict import ROWS, band, lines, own_settings, verdict

PRESET = {
    "name": "vpt",
    "model": "vit_pico_patch4_32",
    "data": "rendered",
    "selected": "last epoch",
    "lacks": "",
}


def test_the_band_is_binomial_and_seeds_in_squares():
    assert band(50.0, 10_000, None) == pytest.approx(0.979982, abs=1e-6)
    assert band(50.0, 10_000, 1.0) == pytest.approx((0.979982**2 + 1) ** 0.5, abs=1e-6)
    assert band(100.0, 600, 0.3) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("ours", "said"),
    [(70.9, "reproduced"), (71.0, "reproduced"), (71.1, "above"), (69.0, "reproduced"), (68.9, "below")],
)
def test_verdicts(ours, said):
    assert verdict(ours, 70.0, 1.0) == said
    assert verdict(ours, 70.0, 1.0, ["other weights", "other images"]) == "not comparable: other weights; other images"


def test_every_published_row_is_there_once():
    for name, paper in ROWS.values():
        assert len([f for f in figures("vtab1k") if f["method"] == name and f["source_paper"].startswith(paper)]) == 1


def said(runs, accuracy=0.98, **preset):
    """What is said of VPT-Deep on Flowers102, published 98.0, on 1000 test images: the band is 0.9 points."""
    method = {"name": "vpt_deep", "target": "m.M", "version": 1, "fields": {}}
    run = runs.a_run("flowers102", "vpt_deep (preset=vpt)", method=method, task__suite="vtab")
    run["preset"] = PRESET | preset
    runs.put(runs.a_record(accuracy, "vpt_deep (preset=vpt)", run))
    made = tables(load(runs.root)[0])
    return list(lines(made[0], figures("vtab1k"))), made


@pytest.mark.parametrize(("accuracy", "word"), [(0.98, "reproduced"), (0.99, "above"), (0.97, "below")])
def test_a_row_beside_its_published_one(runs, accuracy, word):
    (line,), made = said(runs, accuracy)
    assert line == f"vpt_deep (preset=vpt), flowers102: {100 * accuracy:.1f} beside 98.0 ± 0.9 (VPT-Deep): {word}"
    assert line in texts(made)["md"]


@pytest.mark.parametrize(
    ("preset", "why"),
    [
        ({"model": "vit_base"}, "weights vit_pico_patch4_32 instead of vit_base"),
        ({"data": "tfds"}, "images from rendered instead of tfds"),
        ({"selected": "best of 10 looks at TEST"}, "published: best of 10 looks at TEST"),
        ({"lacks": "its rate is not released"}, "its rate is not released"),
    ],
)
def test_what_cannot_be_compared_says_why(runs, preset, why):
    (line,), _ = said(runs, **preset)
    assert line.endswith(f"(VPT-Deep): not comparable: {why}")


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("vpt_deep (preset=vpt)", []),
        ("vpt_deep (preset=vpt on another backbone)", []),
        ("vpt_deep (preset=vpt, recipe.epochs=3)", ["settings of its own: recipe.epochs=3"]),
    ],
)
def test_settings_of_the_command_line_are_not_the_repositorys(label, found):
    assert own_settings(label, {"method": {"name": "vpt_deep"}, "preset": {"name": "vpt"}}) == found
