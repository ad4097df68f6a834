from __future__ import annotations

import io
import re

import pytest

from visionpeft.reports import check, flat, leaderboard
from visionpeft.reports import show as show_command
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


STEERS = "lora (\x9b31m\x85\n\u202ered)"
NAMED = "lora (\\x9b31m\\x85\\n\\u202ered)"


@pytest.mark.parametrize("terminal", [False, True])
def test_names_in_records_do_not_steer_the_terminal(runs, monkeypatch, terminal) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    runs.add(0.5, label=STEERS, recipe__name="a\x9b2Jb", task__group="c\x9bd", fields={"shared": {"test": 1}})
    runs.add(None, "letters", label=STEERS, recipe__name="a\x9b2Jb", fields={"status": "oom", "error": "e\x1bf"})
    text = re.sub(r"\x1b\[[012]?m", "", shown(runs, Terminal() if terminal else io.StringIO()))  # rich's own, bold
    assert not set("\x1b\x9b\x85\u202e") & set(text)
    assert NAMED in text and "recipe a\\x9b2Jb" in text and "c\\x9bd" in text and "e\\x1bf" in text


@pytest.mark.parametrize("command", [leaderboard, check, flat, show_command])
def test_commands_name_what_would_steer_the_terminal(runs, capsys, command) -> None:
    if command is flat:
        pytest.importorskip("pyarrow")
    runs.add(0.5, label=STEERS)
    path = runs.add(0.4, label="lora")
    path.write_text(path.read_text().replace('"vit_pico"', '"vit_\\u001b[31m"').replace("0.001", "0.002"))
    (runs.root / "mini" / "a--lora--s0--\x1b[31m.json").write_text("{")
    command.main([str(runs.root)])
    out, err = capsys.readouterr()
    said = err if command is show_command else out + err  # what show draws is a file's text
    assert "\x1b" not in said and "\\x1b[31m" in said


def test_tables_on_a_screen_are_printable_and_in_a_file_to_the_letter(runs, monkeypatch) -> None:
    runs.add(0.5, label=STEERS)
    for stream, there, gone in ((Terminal(), "\\x9b31m", "\x9b"), (io.StringIO(), "\x9b31m", "\\x9b")):
        monkeypatch.setattr("sys.stdout", stream)
        show_command.main([str(runs.root), "--format", "csv"])
        assert there in stream.getvalue() and gone not in stream.getvalue()
