"""The controls of GLoRA's search: their statistics, and which runs they are."""

import dataclasses
import math
from argparse import Namespace

import pytest

from visionpeft.benchmark.record import Record
from visionpeft.benchmark.store import Store
from visionpeft.methods.lora import LoRA
from visionpeft.reports.build import tables
from visionpeft.reports.reading import load

KEYS = [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


@pytest.fixture
def scripts(load_script):
    return load_script("glora_controls"), load_script("glora_table")


def record(test: float, trained: int = 100) -> Record:
    return Record(
        id="", status="ok", run={}, label="", scores={"test": test}, params={"trainable": trained, "head": 10}
    )


@pytest.mark.parametrize(
    ("pairs", "tau"),
    [
        ([(1, 1), (2, 2), (3, 3)], 1.0),
        ([(1, 3), (2, 2), (3, 1)], -1.0),
        ([(1, 1), (2, 3), (2, 2), (3, 4)], 5 / math.sqrt(5 * 6)),
        ([(1, 1), (1, 2)], None),
        ([], None),
    ],
)
def test_kendall(scripts, pairs, tau):
    found = scripts[1].kendall(pairs)
    assert math.isnan(found) if tau is None else found == pytest.approx(tau)


def test_table(scripts):
    """Means over seeds, an average over tasks where a seed has all, differences paired by seed."""
    page = scripts[1]
    searched = {key: record(0.5 + 0.01 * i) for i, key in enumerate(KEYS)}
    for (_, seed), one in searched.items():
        one.scores["inherited/test"] = 0.25 + 0.02 * seed
    other = {(task, seed): record(0.6 + 0.02 * seed, 200) for task, seed in KEYS[:3]}
    lines = page.table({page.SEARCH: searched, "other": other}, KEYS)
    assert lines[0] == "| | parameters | a | b | mean | minus the search |"
    assert lines[2] == f"| {page.SEARCH} | 90 | 50.5 ± 6.4 | 52.5 ± 6.4 | 51.5 ± 6.4 |  |"
    assert lines[3] == f"| {page.INHERITED} | 90 | 26.0 ± 12.7 | 26.0 ± 12.7 | 26.0 ± 12.7 | -25.5 ± 6.4 |"
    assert lines[4] == "| other | 190 | 61.0 ± 12.7 | 60.0 | 60.0 | 9.0 |"


@pytest.fixture
def controls(scripts, tmp_path):
    args = {"backbone": "vit_pico", "weights": None, "tasks": ["mini_digits"], "seeds": [0], "rank": 8, "epochs": 10}
    args |= {
        "img_size": 16,
        "supernet_epochs": 20,
        "generations": 2,
        "population": 10,
        "subnets": 3,
        "options": True,
        "rows": None,
        "made": True,
    }
    args |= {"device": "cpu", "data": None, "cache": tmp_path, "runs": tmp_path, "out": tmp_path / "page.md"}
    return scripts[0].Controls(Namespace(**args))


def test_what_is_run(scripts, controls):
    assert controls.backbone.img_size == 16
    assert (controls.search.parents, controls.search.mutants, controls.search.crossovers) == (2, 5, 5)
    space = controls.space()
    near = controls.alike(0, 60_000)
    assert abs(space.size(near) - 60_000) < 1500 and near == controls.alike(0, 60_000) != controls.alike(1, 60_000)
    assert controls.matched_rank(60_000) == 5  # 6 blocks of 2048 parameters per rank: 61,440
    run = controls.run("lora", LoRA(), ("mini_digits", 3), 30)
    assert (run.recipe.epochs, run.recipe.warmup, run.seed, run.recipe.lr) == (30, 3, 3, 1e-3)
    assert controls.linears() == ("qkv", "proj", "fc1", "fc2")
    winner = record(0.5, 60_010)
    winner.settled["config"] = "-".join(["LVNSN"] * 24)
    rows = controls._from_winners({("mini_digits", 0): winner})
    assert [row for row in rows if row.startswith("LoRA")] == [
        "LoRA of equal size, 10 epochs",
        "LoRA of equal size, 30 epochs",
    ]
    longer = rows["the winner alone, 30 epochs"]["mini_digits", 0]
    assert (longer.recipe.epochs, longer.method.config) == (30, winner.settled["config"])
    without = {row[-1]: run[("mini_digits", 0)].method.config[:5] for row, run in rows.items() if "without" in row}
    assert without == {"A": "NVNSN", "B": "LNNSN", "C": "LVNSN", "D": "LVNNN", "E": "LVNSN"}
    controls.args.rows = ["LoRA", "without A"]
    assert len(controls._from_winners({("mini_digits", 0): winner})) == 3
    assert controls.wanted(scripts[1].SEARCH) and not controls.wanted("all supports, no search")
    assert controls.rows() == {scripts[1].SEARCH: {}} and controls.correlations({scripts[1].SEARCH: {}}) == {}


def test_subnets_are_those_that_the_random_search_drew(scripts, controls):
    search, drawn, key = record(0.5), record(0.5), ("mini_digits", 0)
    words = ["-".join([word] * 24) for word in ("NVNNN", "LNNNN", "VVNNN", "SSNNN")]
    drawn.notes["search"] = {"generation": [0] * 4, "config": words, "accuracy": [0.1, 0.2, 0.3, 0.4]}
    controls.execute = lambda runs: [record(0.9 - 0.1 * i) for i, _ in enumerate(runs)]
    rows = {scripts[1].SEARCH: {key: search}, scripts[0].RANDOM: {key: drawn}}
    assert controls.correlations(rows) == {key: (-1.0, 3)}


def test_the_store_makes_a_table(scripts, controls, monkeypatch):
    """Rows of one method differ in their labels, those that each seed's search settles too; what is run stays."""
    control, search = scripts[0], scripts[1].SEARCH
    controls.args.options, controls.keys = False, [("mini_digits", 0), ("mini_digits", 1)]
    monkeypatch.setattr(controls, "alike", lambda seed, size: (f"L{seed + 1}VVVV",) * 24)
    planned = []

    def execute(runs):
        planned.extend(made := control.plan(list(runs), controls.options))
        return [finished(one) for one in made]

    def finished(one):
        config = "-".join(["LVVSV" if one.run.seed else "VLLVS"] * 24)
        history = {"generation": [0, 0], "config": [config, config.replace("L", "V")], "accuracy": [0.1, 0.2]}
        params = {"trainable": 60_000 + 9000 * one.run.seed, "head": 10, "total": 1, "merged_total": 1}
        return Record(
            **one.asked,
            status="ok",
            scores={"test": 0.5},
            settled={"config": config},
            notes={"search": history},
            params=params | {"stored_bytes": 1},
        )

    monkeypatch.setattr(controls, "execute", execute)
    controls.correlations(controls.rows())
    store = Store(controls.args.runs)
    for one in planned:
        store.write(finished(one))
    (table,) = tables(load(controls.args.runs)[0])
    labels = [row.label for row in table.rows]
    assert f"glora ({search}, epochs=10, supernet_epochs=20)" in labels
    assert "glora (winner without A, seed 1, epochs=10, supernet_epochs=20)" in labels
    assert len({one.id for one in planned}) == len(planned) == len(labels) + 3  # three rows of two seeds
    bare = control.plan([dataclasses.replace(one.run, label="glora") for one in planned], controls.options)
    assert [one.id for one in bare] == [one.id for one in planned]


def test_a_single_seed_is_paired_by_task(scripts):
    """Half the width of 4 and 8 points: 12.706 times their standard deviation over the root of two."""
    base, keys = {("a", 0): 0.5, ("b", 0): 0.3}, [("a", 0), ("b", 0)]
    found = scripts[1].paired({("a", 0): 0.54, ("b", 0): 0.38}, keys, base)
    assert found == pytest.approx([0.04, 0.08]) and scripts[1].interval(found) == "6.0 ± 25.4"


def test_what_tau_is_by_chance(scripts):
    assert scripts[1].chance(30) == pytest.approx(1.96 * math.sqrt(130 / 7830))
    assert math.isnan(scripts[1].chance(1))


def test_tau_of_several_seeds(scripts):
    """Means over seeds with their interval, 12.706 times 0.1; a seed without all tasks has no mean over them."""
    taus = {("a", 0): (0.1, 30), ("a", 1): (0.3, 30), ("b", 0): (-0.2, 29)}
    lines = scripts[1].correlation(taus, KEYS)
    assert "accuracy of 29 random subnets" in lines[1] and "within ± 0.26" in lines[1]
    assert lines[2].splitlines() == [
        "| task | seed 0 | seed 1 | mean |",
        "|---|--:|--:|--:|",
        "| a | 0.10 | 0.30 | 0.20 ± 1.27 |",
        "| b | -0.20 |  | -0.20 |",
        "| mean | -0.05 |  | -0.05 |",
    ]
