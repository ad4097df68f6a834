"""docs/records.md names every field of a record that a run leaves, and nothing that no code knows."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import sys
from pathlib import Path

import pytest

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.record import BESIDE, SCHEMA, Record, record_files
from visionpeft.benchmark.space import Space
from visionpeft.benchmark.spec import Preset, Recipe
from visionpeft.benchmark.trial import Chosen
from visionpeft.benchmark.tuned import Tuning, budget

from .test_generalisation import SMALL, lay_out

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "records.md").read_text()
NAMES = {part for word in re.findall(r"`([^`\n]+)`", PAGE) for part in re.findall(r"[a-z_][a-z0-9_]*", word)}
FREE = {"fields", "model_args", "reading", "notes", "targets"}
"""What is in these depends on the method, the backbone, the source and the task."""


@pytest.fixture
def record(folders, monkeypatch):
    """A run with all that a record can have: several test sets, one of them absent, validation, every epoch scored."""
    lay_out(folders)
    monkeypatch.setattr(sys, "argv", ["visionpeft"])
    argv = ["method=linear", "data=data", "recipe.train_on=train", "oracle=true", *SMALL]
    assert main(["--config-dir", str(folders / "conf"), *argv]) == 0
    (path,) = record_files(folders / "runs")
    return json.loads(path.read_text())


def keys(value):
    """Yield the names of all that is in a record."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in FREE:
                yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def first_column(part: str) -> set[str]:
    """Return the names in the first column of a part's table."""
    cells = re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)}


def test_every_field_of_a_run_is_on_the_page(record) -> None:
    assert record["absent"] and record["losses"] and "test/drawn" in record["curve"][-1]
    columns = {name for name in record["run"]["data"]["splits"] if "/" in name} | set(record["absent"])
    assert {key for key in keys(record) if key not in columns} - NAMES == set()
    assert set(record["run"]) <= {name.partition(".")[2] for name in first_column(PAGE)}
    cost = PAGE.partition("### Cost")[2].partition("### ")[0]
    assert first_column(cost) == set(record["cost"])


def test_its_table_is_the_record() -> None:
    table = PAGE.partition("## The file")[2].partition("### ")[0]
    assert first_column(table) == {field.name for field in dataclasses.fields(Record)}
    assert f"format of the file, {SCHEMA}." in table


def test_what_only_some_runs_have_is_on_the_page() -> None:
    own = {field.name for cls in (Recipe, Preset) for field in dataclasses.fields(cls)} - {"methods"}
    spent = budget(Tuning(trials=4), 0, Space({}, {}), {})
    chosen = Chosen("s", {}, 0, 0.5, 0.1, spent, {}).recorded
    assert own | set(chosen) <= NAMES


def test_what_is_no_part_of_the_id_is_on_the_page() -> None:
    ids = PAGE.partition("## Ids")[2].partition("## ")[0]
    named = set(re.findall(r"`(?:\w+\.)?(\w+)`", ids))
    assert {name for _, name in BESIDE} <= named
    assert named <= {name for _, name in BESIDE} | {"id", "run"}


def known() -> set[str]:
    """Return all names and words in the code that writes and reads records."""
    words = set()
    rooms = [file for room in ("benchmark", "data", "methods") for file in (ROOT / room).glob("*.py")]
    for file in [*rooms, ROOT / "reports" / "flat.py"]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                words |= set(re.findall(r"\w+", node.value))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                words.add(node.target.id)
            elif isinstance(node, (ast.arg, ast.keyword)) and node.arg:
                words.add(node.arg)
    return words


def test_nothing_is_on_the_page_that_the_code_does_not_know() -> None:
    outside = {"make", "check", "export", "merge", "numpy_nullable", "dtype_backend", "read_parquet", "other", "load"}
    assert NAMES - known() - outside == set()
