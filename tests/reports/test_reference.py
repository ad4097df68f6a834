"""Published rows on the screen: of the methods that we ran, marked, in what width there is."""

import io
import re

import pytest

from visionpeft.reports import copied, reference, terminal
from visionpeft.reports.build import tables
from visionpeft.reports.literature import Board, Line
from visionpeft.reports.order import VTAB
from visionpeft.reports.reading import load
from visionpeft.reports.sheet import Item, Sheet, Strip

SIZES = {"natural": 7, "specialized": 4, "structured": 8}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def whole_suite(runs, label: str, accuracy: float) -> None:
    for i, task in enumerate(VTAB):
        group = ("natural", "specialized", "structured")[(i > 6) + (i > 10)]
        runs.add(
            accuracy,
            task,
            label,
            task__suite="vtab",
            task__group=group,
            task__group_tasks=SIZES[group],
            task__suite_tasks=19,
        )


def shown(runs, stream) -> str:
    made = tables(load(runs.root)[0])
    terminal.show(made, stream, published=True)
    return re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())


def test_each_of_our_rows_is_followed_by_the_published_ones_of_its_method(runs) -> None:
    whole_suite(runs, "lora (rank=4)", 0.71)
    whole_suite(runs, "mine", 0.7)
    text = shown(runs, io.StringIO()).partition("VTAB-1k: published rows")[2]
    assert "copied as printed and enter no average; leaderboard_published.md has all" in text
    lines = [re.split(r"  +", line.strip()) for line in text.splitlines() if "ours" in line or "copied," in line]
    names = [(line[0], line[1].rstrip("*")) for line in lines]
    assert names == [
        ("lora (rank=4)", "ours"), ("lora [last epoch]", "copied, val"), ("LoRA-8", "copied, TEST"), ("mine", "ours"),
    ]  # fmt: skip
    assert "71.00*" in lines[0] and "Mai et al." in lines[1] and "NOAH" in lines[2]
    published = next(row for row in copied.figures("vtab1k") if row["method"] == "LoRA-8")
    assert f"{float(published['mean_of_groups']):.2f}" in lines[2]


@pytest.mark.parametrize(
    ("width", "there", "gone"), [(140, ["from", "params", "Mai et al."], []), (80, [], ["from", "params"])]
)
def test_it_fits_a_terminal(runs, monkeypatch, width, there, gone) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    whole_suite(runs, "lora (rank=4, alpha=32.0, targets=qkv+proj+fc1+fc2)", 0.71)
    text = shown(runs, Terminal()).partition("VTAB-1k: published rows")[2].partition("\n")[2]
    assert max(map(len, text.splitlines())) <= width and "copied, TEST" in text and "71.00" in text
    assert all(word in text for word in there) and not any(word in text for word in gone)


def test_suites_and_methods_that_nobody_published_have_no_such_rows(runs) -> None:
    runs.suite({"digits": 0.9}, "lora")
    whole_suite(runs, "mine", 0.7)
    assert "copied" not in shown(runs, io.StringIO())


@pytest.mark.parametrize(
    ("method", "copied"),
    [
        ("adapter", ["rand_h_adapter [last epoch]", "rand_h_adapter [best TEST epoch (100 looks)]"]),
        ("adapter_pfeiffer", ["lora_p_adapter [last epoch]", "Adapter-8"]),
        ("repadapter", ["repadapter [last epoch]", "RepAdapter"]),
    ],
)
def test_adapters_stand_beside_those_of_their_own_placement(runs, method, copied) -> None:
    whole_suite(runs, method, 0.7)
    text = shown(runs, io.StringIO()).partition("VTAB-1k: published rows")[2]
    names = [re.split(r"  +", line.strip())[0] for line in text.splitlines() if "copied," in line]
    assert names == copied


def test_one_row_for_each_way_to_choose(runs) -> None:
    lines = [
        Line(section, "LoRA-8", "0.29", {"a": 1.0}, "", "", "", f"{i}", "", ("lora",))
        for i, section in enumerate(("test", "test", "unknown"))
    ]
    own = Line("ours", "lora", "0.3", {"a": 2.0}, "", "", "", "")
    found = reference.sheet(Board("s", "S", ("a",), (), (own, *lines)), {"lora": "lora"}, "vtab on small")
    assert [item.text for item in found.strips[2].items] == ["", "0", "2"] and "our rows: vtab on small" in found.title


def test_rows_of_another_setting_are_apart_and_both_backbones_are_named(runs) -> None:
    small = {"task__suite": "vtab", "backbone__name": "small", "backbone__interpolation": "bicubic"}
    for size in (16, 24):
        for seed in (0, 1):
            runs.add(0.7, "dtd", "lora", seed, backbone__img_size=size, **small)
    first, second = shown(runs, io.StringIO()).split("VTAB-1k: published rows")[1:]
    for text, size in ((first, 16), (second, 24)):
        assert f"our rows: vtab on small, recipe vtab, {size} px\n" in text and f"{40 - size} px" not in text
        assert "copied rows: on ViT-B/16 IN-21k sup (ViT-B_16.npz)" in text


def test_an_empty_cell_is_not_marked() -> None:
    assert terminal.aligned(Sheet("", (Strip("a", (Item("x"),)), Strip("b", (Item("", bold=True),))))) == "a  b\nx"
