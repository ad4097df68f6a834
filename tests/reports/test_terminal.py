from __future__ import annotations

import io
import re

import pytest

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


@pytest.mark.parametrize(
    ("width", "there", "gone"),
    [
        (200, ["90.5 ±6.4", "63.00 ±0.", "natural", "mean of", "1.00x", "merged", "0.295"], []),
        (120, ["90.5 ±6.4", "63.00 ±0."], ["merged"]),
        (80, ["90.5", "63.00"], ["merged", "±", "…"]),
        (40, ["90.5", "63.00", "0.295"], ["…"]),  # nothing fits: plain text, which the terminal wraps
    ],
)
def test_a_terminal_gets_what_fits(runs, monkeypatch, width: int, there: list[str], gone: list[str]) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    runs.suite(ALL, "lora", seeds=(0, 1))
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown(runs, Terminal()))
    assert all(word in text for word in there) and not any(word in text for word in gone)
