"""The band, the verdict and its reasons on literals."""

import pytest

from visionpeft.reports.build import tables
from visionpeft.reports.checks.plausible import plausible
from visionpeft.reports.copied import figures
from visionpeft.reports.literature import texts
from visionpeft.reports.order import VTAB
from visionpeft.reports.reading import load
from visionpeft.reports.verdict import band, lines, own_settings, verdict

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


def put(runs, accuracy=0.98, task="flowers102", looks=(), **preset):
    """A run of VPT-Deep; looks are test accuracies of epochs 10, 20, ..., each 0.01 below that of the next epoch."""
    method = {"name": "vpt_deep", "target": "m.M", "version": 1, "fields": {}}
    group = "natural" if task in VTAB[:7] else "specialized" if task in VTAB[7:11] else "structured"
    sizes = {"group_tasks": {"natural": 7, "specialized": 4, "structured": 8}[group], "suite_tasks": 19}
    run = runs.a_run(task, "vpt_deep (preset=vpt)", method=method)
    run["task"] |= {"suite": "vtab", "group": group, **sizes}
    run["preset"] = PRESET | preset
    curve = [{"phase": "fit", "epoch": 10 * i + j, "loss": 1.0, "lr": 0.1, "test": test + j / 100}
             for i, test in enumerate(looks, 1) for j in (0, 1)]  # fmt: skip
    run |= {"oracle": True} if looks else {}
    runs.put(runs.a_record(accuracy, "vpt_deep (preset=vpt)", run, curve=curve))


def said(runs, accuracy=0.98, looks=(), **preset):
    """What is said of VPT-Deep on Flowers102, published 98.0, on 1000 test images: the band is 0.9 points."""
    put(runs, accuracy, looks=looks, **preset)
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


LOOKS = {"selected": "best of 10 looks at TEST", "rule": "oracle_every_10"}


@pytest.mark.parametrize(("best", "word"), [(0.98, "reproduced"), (0.99, "above"), (0.97, "below")])
def test_what_was_chosen_on_test_is_judged_by_our_best_of_the_same_looks(runs, best, word):
    """The honest 90.0 is no part of it, nor are epochs 11 and 21, which were better and not looked at."""
    (line,), _ = said(runs, 0.9, looks=(best, 0.9), **LOOKS)
    rule = "best of every 10th epoch on the test images: a diagnostic, no result"
    assert line == f"vpt_deep (preset=vpt), flowers102: {100 * best:.1f} ({rule}) beside 98.0 ± 0.9 (VPT-Deep): {word}"


def test_without_such_looks_of_ours_the_way_to_them_is_told(runs):
    (line,), _ = said(runs, 0.98, **LOOKS)
    assert line.startswith("vpt_deep (preset=vpt), flowers102: 98.0 beside 98.0 ± 0.9 (VPT-Deep): not comparable: ")
    assert line.endswith("best of 10 looks at TEST; run it with oracle=true (ORACLE=1) to have such a figure beside it")


def test_what_hardly_matters_is_told_beside_the_verdict(runs):
    (line,), _ = said(runs, 0.98, otherwise="its mixed precision is fp16")
    assert line.endswith("(VPT-Deep): reproduced (its mixed precision is fp16)")


@pytest.mark.parametrize(("otherwise", "beside"), [("", ""), ("its adapters are ours", " (its adapters are ours)")])
def test_a_row_above_the_one_it_restates_is_a_warning_whatever_is_told_beside_it(runs, otherwise, beside):
    _, made = said(runs, 0.99, otherwise=otherwise)
    (found,) = [one.what for one in plausible(made) if "band" in one.what]
    what = "vpt_deep (preset=vpt), flowers102: 99.0 beside 98.0 ± 0.9 (VPT-Deep)"
    assert found == f"{what}: above the published band{beside}"


@pytest.mark.parametrize(("accuracy", "lacks"), [(0.98, ""), (0.97, ""), (0.99, "its rate is not released")])
def test_no_other_verdict_is_a_warning(runs, accuracy, lacks):
    _, made = said(runs, accuracy, lacks=lacks)
    assert not [one for one in plausible(made) if "band" in one.what]


def test_a_whole_suite_is_judged_by_its_averages_too(runs):
    """A point above on all tasks is within the band of each, and above that of the average.

    The band of the mean of 19 tasks of p_i on 1000 images: 1.96 * sqrt(sum p_i (1 - p_i) / 1000) / 19.
    """
    (row,) = (
        one for one in figures("vtab1k") if one["method"] == "VPT-Deep" and one["source_paper"].startswith("NOAH")
    )
    for task in VTAB:
        put(runs, round(float(row[task]) * 10 + 10) / 1000, task)
    judged = {
        line.split(": ")[0].split(", ")[1]: line for line in lines(tables(load(runs.root)[0])[0], figures("vtab1k"))
    }
    assert list(judged) == [*VTAB, "mean of groups", "mean of tasks"]
    shares = [float(row[task]) / 100 for task in VTAB]
    within = 100 * 1.959964 * sum(p * (1 - p) / 1000 for p in shares) ** 0.5 / 19
    said = f"{float(row['mean_of_19']):.1f} ± {within:.1f} (VPT-Deep): above"
    assert judged["mean of tasks"].endswith(said) and within < 0.6
    assert judged["dmlab"].endswith("reproduced")
    (runs.root / "vtab" / next(runs.root.glob("vtab/dmlab*")).name).unlink()
    assert len(list(lines(tables(load(runs.root)[0])[0], figures("vtab1k")))) == 18


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
