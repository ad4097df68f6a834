from __future__ import annotations

import io

from visionpeft.reports.build import tables
from visionpeft.reports.reading import load
from visionpeft.reports.terminal import show

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(runs, stream: io.StringIO) -> str:
    show(tables(load(runs.root)[0]), stream)
    return stream.getvalue()


def test_plain_text_is_aligned(runs) -> None:
    runs.suite(ALL, "lora")
    runs.suite({task: value - 0.1 for task, value in ALL.items()}, "vpt_shallow")
    text = shown(runs, io.StringIO())
    lines = text.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("method")]
    assert lines[at - 1].split() == ["natural", "structured"]
    assert lines[at + 1].startswith("lora  ") and lines[at + 2].startswith("vpt_shallow  ")
    assert len({len(line) for line in lines[at : at + 3]}) == 1
    assert "mini on vit_pico, recipe vtab" in text and "<sub>" not in text and "**" not in text


def test_a_terminal_gets_the_same_figures(runs, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    runs.suite(ALL, "lora", seeds=(0, 1))
    text = shown(runs, Terminal())
    for word in ("lora", "90.5", "±6.4", "mean of groups", "63.00", "natural"):
        assert word in text
