"""The page in a real browser, headless; skipped where there is none."""

from __future__ import annotations

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from visionpeft.reports import leaderboard
from visionpeft.reports.compare import difference

from .tools import BROWSERS, program

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}
KNOWN = r"WARN (Detected faceted independent scales|Infinite extent)"
"""What Vega-Lite warns of in panels with scales of their own, and in layers without rows."""
HOSTILE = "x (<img src=x onerror=console.error('Uncaught')>)"


@pytest.fixture(scope="session")
def browser() -> str:
    return program(*BROWSERS)


class Page(HTMLParser):
    """The drawn document: the cells of each table and the marks of its charts, by section."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.hidden: set[str] = set()
        self.tags: list[str] = []
        self.marks: dict[str, list[str]] = {}
        self.text = ""
        self._section, self._cell = "", False
        self.feed(source)

    def handle_starttag(self, tag, attrs) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if tag == "section":
            self._section = values["id"]
            self.hidden |= {self._section} if "hidden" in values else set()
        elif values.get("aria-roledescription") in ("point", "bar", "rect mark") and "aria-label" in values:
            self.marks.setdefault(self._section, []).append(values["aria-label"])
        elif tag == "tr":
            self.tables.setdefault(self._section, []).append([])
        elif tag in ("td", "th"):
            self.tables[self._section][-1].append("")
            self._cell = True

    def handle_endtag(self, tag) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data) -> None:
        self.text += data
        if self._cell:
            self.tables[self._section][-1][-1] += data

    def methods(self) -> list[str]:
        """The first cell of each row of the table, without its two heads."""
        return [row[0] for row in self.tables["table"][2:]]


@pytest.fixture
def opened(browser: str, runs, tmp_path: Path):
    """Return a function that opens the page with a state and returns what it drew; errors fail the test."""

    def open_page(state: str = "") -> Page:
        leaderboard.write(runs.root)
        url = (runs.root / "leaderboard.html").as_uri() + (f"#{state}" if state else "")
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--virtual-time-budget=10000",
        ]
        command = [browser, *options, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        said = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
        assert not [line for line in said if not re.search(KNOWN, line)]
        source = re.sub(r"<(script|style)\b.*?</\1>", "", done.stdout, flags=re.DOTALL)
        return Page(source)

    return open_page


def test_it_draws_what_the_table_says(runs, opened) -> None:
    runs.suite(ALL, "lora", seeds=(0, 1))
    runs.suite({task: value - 0.1 for task, value in ALL.items()}, HOSTILE, seeds=(0, 1))
    page = opened()
    assert page.methods() == ["lora", HOSTILE] and "img" not in page.tags
    head, first = page.tables["table"][1], page.tables["table"][2]
    assert first[head.index("digits")] == "90.5±6.4" and first[head.index("mean of\u00a0tasks")].startswith("63.00±")
    assert {"shots", "shift"} <= page.hidden and "cost" not in page.hidden
    differences = next(row for row in page.tables["against"] if row[0] == HOSTILE)
    assert any("\u221210.00" in cell for cell in differences)
    tasks = [label for label in page.marks["against"] if "task: " in label]
    assert len(tasks) == 4 and all("difference: \u221210.00" in label for label in tasks), tasks


def test_sorting_filtering_and_hiding_change_what_they_should(runs, opened) -> None:
    runs.suite(ALL, "lora")
    runs.suite({**ALL, "digits": 0.95, "count": 0.1}, "ssf")
    runs.suite({"count": 0.6}, "vpt_deep")
    assert opened().methods() == ["lora", "ssf", "vpt_deep"]
    assert opened("sort=digits").methods() == ["ssf", "lora", "vpt_deep"]  # blanks last
    assert opened("sort=count&up=1").methods() == ["ssf", "lora", "vpt_deep"]
    page = opened("sort=count&find=o&hide=digits~natural")
    assert page.methods() == ["lora"] and "digits" not in page.tables["table"][1]
    assert "letters" in page.tables["table"][1]


def test_published_rows_are_marked_and_apart(runs, opened) -> None:
    runs.add(0.7, "pets", task__suite="vtab", task__suite_tasks=19, task__group_tasks=7)
    assert "copied" not in "".join(opened().methods())
    names = opened("published=1").methods()
    assert names[0] == "lora" and names[1].startswith("copied: settings chosen on validation")
    assert all(name.endswith("copied") or name.startswith("copied: ") for name in names[1:]) and len(names) > 90


def test_few_shot_and_shifted_test_sets_have_their_charts(runs, opened) -> None:
    for shots in (1, 4):
        task = {"suite": "fewshot", "group": f"{shots}-shot", "group_tasks": 1, "suite_tasks": 2}
        runs.add(0.5, f"pets_k{shots}", **{f"task__{key}": value for key, value in task.items()})
    page = opened()
    assert "shots" not in page.hidden and "shift" in page.hidden and "Few-shot curves" in page.text


def test_several_test_sets_have_bars(runs, opened) -> None:
    run = runs.a_run("imagenet", "lora")
    targets = {"test/a": None, "test/r": None}
    run["task"] |= {"suite": "dg", "group": "imagenet", "group_tasks": 1, "suite_tasks": 1, "targets": targets}
    splits = run["data"]["splits"]
    test = splits.pop("test")
    splits["test/a"] = test
    scores = {"test/a": 0.25}
    runs.put(runs.a_record(None, "lora", run, scores=scores, absent={"test/r": "nothing there"}))
    page = opened()
    assert "shift" not in page.hidden and "shots" in page.hidden and "imagenet/a" in page.text
    head, row = page.tables["table"][1:3]
    assert row[head.index("a")] == "25.0" and row[head.index("r")] == "\u2013"


def test_differences_on_a_task_are_those_of_the_statistics(runs, opened) -> None:
    a, b = np.array([0.91, 0.93, 0.90, 0.95]), np.array([0.90, 0.89, 0.91, 0.90])
    for seed in range(4):
        runs.add(a[seed], label="a", seed=seed)
        runs.add(b[seed], label="b", seed=seed)
    expected = difference(a * 100, b * 100)
    page = opened("ref=b&by=digits")
    row = next(row for row in page.tables["against"] if row[0] == "a")
    assert row[1] == f"+{expected.value:.2f}±{expected.half_width:.2f}"


def test_differences_that_are_all_alike_have_no_interval(runs, opened) -> None:
    for seed in range(2):
        runs.add((0.50, 0.75)[seed], label="a", seed=seed)
        runs.add((0.25, 0.50)[seed], label="b", seed=seed)
    page = opened("ref=b&by=digits")
    assert next(row for row in page.tables["against"] if row[0] == "a")[1] == "+25.00"
