from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from visionpeft.reports import page as page_module
from visionpeft.reports.build import tables
from visionpeft.reports.embed import citations
from visionpeft.reports.page import FOLDER, SCRIPTS, STYLES, joined, text
from visionpeft.reports.reading import load, thinned
from visionpeft.reports.runs import RUN

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}
HOSTILE = "<script>alert(1)</script>"
BREAKOUT = "</script><img src=x onerror=alert(2)><!--<script>"


class Reader(HTMLParser):
    """Collects elements, and the text of scripts by their type."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"
        self.scripts += [""] * self._inside

    def handle_endtag(self, tag) -> None:
        self._inside = False

    def handle_data(self, data) -> None:
        if self._inside:
            self.scripts[-1] += data


def written(runs) -> str:
    found, skipped = load(runs.root)
    return text(tables(found), skipped)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def data(runs) -> dict:
    return json.loads(read(written(runs)).scripts[0])


def test_text_from_records_stays_text(runs) -> None:
    hostile, breaking = f"m ({HOSTILE})", f"m ({BREAKOUT})"
    method = {"name": "m", "target": HOSTILE, "version": 1, "fields": {BREAKOUT: HOSTILE}}
    failed = {"status": "oom", "scores": {}, "error": f"{BREAKOUT} & {HOSTILE}"}
    for task, accuracy in ALL.items():
        runs.add(accuracy, task, label=hostile, method=method, fields={"provenance": {"command": BREAKOUT}})
    runs.add(None, "digits", label=breaking, method=method, seed=1, fields=failed)
    (runs.root / "mini" / f"a--lora--s0--{HOSTILE.replace('/', '')}.json").write_text("{")
    reader = read(written(runs))
    frame = read((FOLDER / "frame.html").read_text(encoding="utf-8"))
    assert [tag for tag, _ in reader.tags] == [tag for tag, _ in frame.tags]
    assert len(reader.scripts) == 3
    found = json.loads(reader.scripts[0])
    assert {row["label"] for row in found["tables"][0]["rows"]} == {hostile, breaking}
    broken = next(row for row in found["tables"][0]["rows"] if row["label"] == breaking)
    assert broken["cells"]["digits"]["runs"][0][RUN.index("error")] == f"{BREAKOUT} & {HOSTILE}"
    assert "<" not in reader.scripts[0]


def test_the_script_makes_no_html_of_text() -> None:
    script = joined(SCRIPTS, "js")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script)


def test_nothing_is_fetched_and_no_other_script_runs(runs) -> None:
    runs.suite(ALL)
    page = written(runs)
    reader = read(page)
    assert not [attrs for _, attrs in reader.tags if {"src", "href"} & attrs.keys()]
    style = joined(STYLES, "css")
    assert "@import" not in style and "url(" not in style
    (policy,) = [attrs["content"] for tag, attrs in reader.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in reader.scripts[1:]]
    assert "default-src 'none'" in policy
    assert "script-src " + " ".join(f"'sha256-{digest}'" for digest in digests) + ";" in policy
    assert "unsafe-eval" not in policy and "@@" not in page


def test_every_part_is_on_the_page_once() -> None:
    parts = {path.name for path in FOLDER.iterdir()}
    assert parts == {"frame.html", *(f"{name}.css" for name in STYLES), *(f"{name}.js" for name in SCRIPTS)}
    assert all(len(path.read_text().splitlines()) <= 250 for path in FOLDER.iterdir())


def test_the_library_is_put_together_once_and_never_believed_by_half(monkeypatch, tmp_path) -> None:
    vl_convert = pytest.importorskip("vl_convert")
    made: list[str] = []
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda exports: made.append(exports) or "let a = '</script>';")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    library = page_module.library.__wrapped__  # anew, as another process has it
    first = library()
    assert first == "(() => {\"use strict\";let a = '<\\/script>';})();" and library() == first and len(made) == 1
    (kept,) = (tmp_path / "cache" / "visionpeft").iterdir()
    kept.write_text(kept.read_text()[:-1])
    assert library() == first and len(made) == 2 and library() == first and len(made) == 2
    kept.unlink()
    kept.parent.rmdir()
    kept.parent.write_text("no folder")
    assert library() == first and len(made) == 3

    def homeless() -> None:
        raise RuntimeError("could not determine home directory")

    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the standard says to ignore
    monkeypatch.setattr(page_module.Path, "home", homeless)
    assert library() == first and len(made) == 4


def test_without_the_library_the_page_has_its_tables(runs, monkeypatch) -> None:
    runs.suite(ALL)
    monkeypatch.setattr(page_module, "library", lambda: "")
    page = written(runs)
    assert len(page) < 200_000 and "visionpeft[figures]" in page


def test_lone_surrogates_do_not_stop_the_page(runs) -> None:
    runs.add(0.5, fields={"provenance": {"command": "a \ud800 b", "device": "\u2028"}})
    written(runs).encode("utf-8")


def test_cells_say_what_they_are_made_of(runs) -> None:
    runs.suite(ALL, "lora", seeds=(0, 1))
    runs.add(None, "letters", "ssf", fields={"status": "diverged", "scores": {}, "error": "the loss is nan"})
    lora, ssf = data(runs)["tables"][0]["rows"]
    cell = lora["cells"]["digits"]
    assert (cell["value"], cell["half"], cell["n"]) == (90.5, pytest.approx(6.3531, abs=1e-4), 2)
    assert [run[RUN.index("accuracy")] for run in cell["runs"]] == [90.0, 91.0]
    assert cell["runs"][0][RUN.index("file")].startswith("mini/digits--lora--s0--")
    assert lora["cells"]["mean of tasks"]["value"] == 63.0 and lora["cells"]["natural"]["n"] == 2
    assert ssf["cells"]["letters"]["why"] == "seed 0: diverged" and "value" not in ssf["cells"]["letters"]
    assert ssf["cells"]["digits"] == {"why": "not run", "mark": None}
    assert "mean of tasks" not in ssf["cells"]


def test_a_cell_with_a_failed_seed_says_that_it_is_not_averaged(runs) -> None:
    runs.add(0.5)
    runs.add(None, seed=1, fields={"status": "oom", "scores": {}})
    (row,) = data(runs)["tables"][0]["rows"]
    assert row["cells"]["digits"]["value"] == 50
    assert row["cells"]["digits"]["why"] == "seed 1: out of memory; enters no average"


def test_settings_of_a_row_and_those_that_differ_by_task(runs) -> None:
    for task, scale in (("digits", 1.0), ("count", 10.0)):
        method = {"name": "lora", "target": "m.M", "version": 1, "fields": {"rank": 8, "scale": scale}}
        runs.add(0.5, task, method=method, per_task="test")
    (row,) = data(runs)["tables"][0]["rows"]
    assert row["settings"] == {"rank": 8, "scale": {"by task": {"digits": 1.0, "count": 10.0}}}
    assert row["tuned"] == "per-task settings chosen on TEST"


@pytest.mark.parametrize(("folds", "judged"), [(1, "val200"), (5, "5 folds of what is learnt from")])
def test_a_tuned_row_says_with_which_budget(runs, folds, judged) -> None:
    runs.add(0.5, "digits", tuned={"study": "s", "trials": 32, "folds": folds})
    (row,) = data(runs)["tables"][0]["rows"]
    assert row["tuned"] == f"per-task settings, the best of 32 trials on {judged}"


def test_pairs_stand_in_the_order_that_the_script_reads(runs) -> None:
    for i, label in enumerate("abc"):
        runs.suite({task: value - i / 10 for task, value in ALL.items()}, label)
    found = data(runs)["tables"][0]
    assert [row["label"] for row in found["rows"]] == ["a", "b", "c"]
    assert [pair[0] for pair in found["pairs"]["mean of tasks"]] == [10, 20, 10]  # (0, 1), (0, 2), (1, 2)


def test_commands_and_curves_are_kept_short_and_whole(runs) -> None:
    curve = [{"phase": "1 trainval", "epoch": i, "loss": 2.123456 / i, "lr": 1.0} for i in range(1, 501)]
    command = "python -m visionpeft.benchmark seed=0 'task=mini digits'"
    runs.add(0.5, fields={"curve": curve, "provenance": {"command": command}})
    found = data(runs)
    (run,) = found["tables"][0]["rows"][0]["cells"]["digits"]["runs"]
    ((phase, points),) = run[RUN.index("curve")]
    assert phase == "1 trainval" and len(points) == 200
    assert points[:2] == [1, 2.12] and points[-2:] == [500, 0.00425]
    assert " ".join(found["words"][i] for i in run[RUN.index("command")]) == command


def test_a_thinned_curve_keeps_its_ends() -> None:
    rows = [{"epoch": i} for i in range(100)]
    assert [row["epoch"] for row in thinned(rows, 4)] == [0, 33, 66, 99]
    assert thinned(rows[:3], 4) == rows[:3] and thinned([1, None], 4) == []


def test_published_rows_come_with_their_suite_only(runs) -> None:
    runs.suite(ALL)
    assert data(runs)["published"] == {}
    runs.add(0.7, "pets", task__suite="vtab", task__suite_tasks=19, task__group_tasks=7)
    (board,) = data(runs)["published"].values()
    line = next(line for line in board["lines"] if line["method"] == "GLoRA")
    assert line["source"] and line["section"] in board["sections"]


def test_citations_are_of_methods_that_there_are() -> None:
    known = {path.stem for path in (FOLDER.parents[1] / "conf" / "method").glob("*.yaml")}
    assert {row["method"] for row in citations()} <= known
    assert all(row["link"].startswith("https://arxiv.org/abs/") for row in citations() if row["link"])
