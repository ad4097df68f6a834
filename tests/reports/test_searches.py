"""Searches: which records they come from, what winners chose, and against what null."""

import math

import numpy as np
import pytest

from visionpeft.reports import searches

QKV = {"A": {"L": 40, "V": 10, "N": 0}, "D": {"V": 10, "N": 0}}
FC1 = {"A": {"L": 80, "V": 20, "N": 0}, "D": {"V": 20, "N": 0}}
LAYERS = {"blocks.0.qkv": QKV, "blocks.0.fc1": FC1, "blocks.1.qkv": QKV, "blocks.1.fc1": FC1}
DRAWN = ["LV-LV-LV-LV", "NN-NN-NN-NN"]


def note(winner: str, layers: dict = LAYERS) -> dict:
    return {"winner": 2, "config": [*DRAWN, winner], "generation": [0, 0, 1], "layers": layers}


@pytest.fixture
def found(runs):
    runs.add(task="digits", label="glora", fields={"notes": {"search": note("LV-NV-LN-NN")}})
    runs.add(task="digits", label="glora", seed=1, fields={"notes": {"search": note("LV-VN-LN-NN")}})
    runs.add(task="count", label="glora", fields={"notes": {"search": note("NV-LV-VN-LV")}})
    runs.add(task="count", label="lora")
    searched, skipped = searches.load(runs.root, "glora")
    assert len(searched) == 3 and not skipped
    return searches.alike(searched)


def test_choices(found):
    rows = {(r["layer"], r["support"], r["choice"]): r for r in searches.choices(found)}
    low = rows["qkv", "A", "L"]
    assert low["winners"] == pytest.approx(4 / 6) and low["drawn"] == 0.5 and low["uniform"] == pytest.approx(1 / 3)
    assert low["half_width"] == pytest.approx(4.303 * np.std([1, 1, 0], ddof=1) / math.sqrt(3), rel=1e-3)
    assert (low["runs"], low["layers"]) == (3, 6)
    assert rows["fc1", "A", "V"]["winners"] == pytest.approx(1 / 6) and rows["fc1", "A", "V"]["drawn"] == 0
    assert list(dict.fromkeys(key[0] for key in rows)) == ["qkv", "fc1"]


@pytest.mark.parametrize(("allowed", "config"), [({"N": 0}, "LN-LV-NN-NN"), ({"V": 0, "N": 0}, "LV-LV-NN-NN")])
def test_a_support_that_does_nothing_chooses_nothing(runs, allowed, config):
    """D of layers without bias: no choice now, scored apart without effect by glora versions before 5."""
    layers = {name: of | {"D": allowed} if "qkv" in name else of for name, of in LAYERS.items()}
    noted = {"winner": 0, "config": [config], "generation": [0], "layers": layers}
    runs.add(task="digits", label="glora", fields={"notes": {"search": noted}})
    one = searches.alike(searches.load(runs.root, "glora")[0])
    kinds = {("qkv", "A"), ("fc1", "A"), ("fc1", "D")}
    assert {(row["layer"], row["support"]) for row in searches.choices(one)} == kinds
    assert {(row["layer"], row["support"]) for row in searches.entropies(one)} == kinds
    assert len(searches.places(one)) == 4


def test_random_candidates_count_by_task_too(runs):
    """Of digits, twice, the candidates are the largest and the smallest; of count, once, the smallest."""
    few = note("NN-NN-NN-NN") | {"config": ["NN-NN-NN-NN", "NN-NN-NN-NN", "NN-NN-NN-NN"]}
    for task, seed, noted in (
        ("digits", 0, note("NN-NN-NN-NN")),
        ("digits", 1, note("NN-NN-NN-NN")),
        ("count", 0, few),
    ):
        runs.add(task=task, label="glora", seed=seed, task__group="natural", fields={"notes": {"search": noted}})
    searched, _ = searches.load(runs.root, "glora")
    drawn = {row["layer"]: row["drawn"] for row in searches.sizes(searched)}
    assert drawn == {"qkv": (50 / 2 + 0) / 2, "fc1": (100 / 2 + 0) / 2}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"backbone__weights_sha256": "f" * 64}, "weights=" + "f" * 64),
        ({"backbone__mean": [0.485, 0.456, 0.406]}, r"mean=\(0.485, 0.456, 0.406\)"),
        ({"data__source": "folder"}, "copy=folder"),
    ],
)
def test_searches_on_other_weights_or_images_are_not_pooled(runs, change, named):
    runs.add(task="digits", label="glora", fields={"notes": {"search": note("LV-NV-LN-NN")}})
    runs.add(task="count", label="glora", fields={"notes": {"search": note("LV-NV-LN-NN")}}, **change)
    searched, _ = searches.load(runs.root, "glora")
    with pytest.raises(searches.SearchError, match=named):
        searches.alike(searched)


def test_entropy():
    uneven = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75)) / math.log(2)
    np.testing.assert_allclose(searches.entropy(np.array([[0.5, 0.5], [1, 0], [0.25, 0.75]])), [1, 0, uneven])


def test_entropies_have_the_null_of_as_many_draws(found):
    """Six draws of two: 0.65 is below none but 1 of 32, and 6:0 has 0."""
    (row,) = [r for r in searches.entropies(found) if (r["layer"], r["support"]) == ("qkv", "D")]
    assert row["winners"] == 1 and row["layers"] == 6  # three of six
    expected = sum(math.comb(6, k) / 64 * float(searches.entropy(np.array([k / 6, 1 - k / 6]))) for k in range(7))
    assert row["null"] == pytest.approx(expected, abs=0.02)
    assert row["null_low"] < row["null"] < row["null_high"] == 1


def test_sizes_count_a_task_once(found):
    rows = {(r["layer"], r["group"]): r for r in searches.sizes(found)}
    natural = rows["fc1", "natural"]
    assert natural["params"] == pytest.approx(((20 + 0) / 2 + (20 + 0) / 2) / 2) and natural["largest"] == 100
    assert natural["drawn"] == 50 and (natural["tasks"], natural["runs"]) == (1, 2)
    assert rows["fc1", "structured"]["params"] == 100 and rows["qkv", "structured"]["params"] == 10
    assert rows["qkv", "structured"]["share"] == pytest.approx(10 / 50)


def test_places(found):
    rows = {(r["layer"], r["place"], r["group"]): r["params"] for r in searches.places(found)}
    assert rows["qkv", 1, "natural"] == 50 and rows["qkv", 2, "natural"] == 40 and rows["fc1", 2, "structured"] == 100


def test_settings_are_not_mixed(runs):
    for seed, population in ((0, 20), (1, 20), (0, 50)):
        fields = {"rank": 8, "population": population, "mutants": population // 2}
        runs.add(label="glora", seed=seed, method__fields=fields, fields={"notes": {"search": note("LV-NV-LN-NN")}})
    found, _ = searches.load(runs.root, "glora")
    with pytest.raises(searches.SearchError, match="differ in setting") as refused:
        searches.alike(found)
    assert "\n  2 x glora on vit_pico at 32 px, population=20, mutants=10" in str(refused.value)
    assert len(searches.alike(found, "population=20")) == 2
    with pytest.raises(searches.SearchError, match="whose setting has 'rank=3' in it"):
        searches.alike(found, "rank=3")


def test_searches_that_raced_and_that_did_not_are_of_one_setting(runs):
    for seed, fields in enumerate(({"rank": 8}, {"rank": 8, "race": True}, {"rank": 8, "race": False})):
        runs.add(label="glora", seed=seed, method__fields=fields, fields={"notes": {"search": note("LV-NV-LN-NN")}})
    assert len(searches.alike(searches.load(runs.root, "glora")[0])) == 3


@pytest.mark.parametrize(
    ("noted", "message"),
    [
        ({k: v for k, v in note("LV-NV-LN-NN").items() if k != "layers"}, "its search lacks 'layers'; repeat that run"),
        (note("LV-NV"), "a configuration has 2 words and the search 4 layers"),
        (note("LV-NV-LN-SN"), "the word SN is none of blocks.1.fc1's"),
        (note("LV-NV-LN-L"), "the word L is none of blocks.1.fc1's"),
    ],
)
def test_what_cannot_be_read_is_named(runs, noted, message):
    path = runs.add(label="glora", fields={"notes": {"search": noted}})
    found, (line,) = searches.load(runs.root, "glora")
    assert not found and line.startswith(f"mini/{path.name}: ") and message in line


def test_ranks_are_choices_too():
    layers = {"a.qkv": {"A": {"L": 4, "L2": 2, "N": 0}, "D": {"V": 1, "N": 0}}}
    assert searches.parse("L2V", layers) == (("L2", "V"),)
