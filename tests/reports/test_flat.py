"""Records as one flat table, and docs/records.md: what it shows works, what it says is so."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from visionpeft.reports import flat
from visionpeft.reports.reading import load

PAGE = (Path(__file__).parents[2] / "docs" / "records.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def several(runs) -> None:
    runs.add(0.5, fields={"provenance": {"versions": {"torch": "2.14.1"}, "dirty": True, "threads": 2}})
    runs.add(0.7, "count", seed=1, oracle=True, fields={"scores": {"test": 0.7, "val": 0.8}, "losses": {"val": 0.4}})
    runs.add(
        None, "count", seed=2, fields={"status": "oom", "scores": {}, "error": "no room", "params": {}, "cost": {}}
    )
    data = runs.a_run()["data"]
    sketch, plain = "test/sketch", data["splits"].pop("test")
    data["splits"] |= {"test/plain": plain, sketch: plain | {"size": 7, "expected": None}}
    scores = {"test/plain": 0.25, sketch: 3 / 7}
    runs.add(None, "letters", data=data, fields={"scores": scores})


def columns(runs) -> dict[str, list]:
    return flat.table(load(runs.root)[0]).to_pydict()


def test_a_row_for_each_accuracy_and_each_failure(runs) -> None:
    pytest.importorskip("pyarrow")
    several(runs)
    found = columns(runs)
    assert found["status"] == ["oom", "ok", "ok", "ok", "ok"]
    assert found["column"] == ["count", "count", "digits", "letters/plain", "letters/sketch"]
    assert found["test"] == ["test", "test", "test", "test/plain", "test/sketch"]
    assert found["accuracy"] == [None, 0.7, 0.5, 0.25, 3 / 7]
    assert found["val_accuracy"] == [None, 0.8, None, None, None] and found["val_loss"][1] == 0.4
    assert found["test_images"][2:] == [1000, 1000, 7] and found["test_expected"][-1] is None
    assert found["seed"] == [2, 1, 0, 0, 0] and found["oracle"] == [False, True, False, False, False]
    assert found["error"][0] == "no room" and found["params_total"][:2] == [None, 86_101_258]
    assert found["torch"][2] == "2.14.1" and found["dirty"][2:4] == [True, None] and found["threads"][2] == 2
    assert json.loads(found["method_fields"][0]) == {"label": "lora", "rank": 8}
    assert json.loads(found["recipe_fields"][0])["warmup"] == 10 and json.loads(found["mean"][0]) == [0.5, 0.5, 0.5]


def test_types_do_not_depend_on_the_records(runs) -> None:
    pytest.importorskip("pyarrow")
    runs.add(None, fields={"status": "oom", "scores": {}, "params": {}, "cost": {"seconds_train": "soon"}})
    few = flat.table(load(runs.root)[0])
    assert few.to_pydict()["seconds_train"] == [None]
    several(runs)
    assert few.schema == flat.table(load(runs.root)[0]).schema == flat.table([]).schema
    assert f"{len(few.schema)} flat columns" in PAGE


def test_the_file_holds_the_table_and_is_the_same_each_time(runs, capsys) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    several(runs)
    path = runs.root / "records.parquet"
    assert flat.main([str(runs.root)]) == 0
    assert capsys.readouterr().out == f"{path}: 5 rows, {len(flat.kinds())} columns\n"
    first, found = path.read_bytes(), load(runs.root)[0]
    assert parquet.read_table(path).equals(flat.table(found))
    assert flat.main([str(runs.root), "--to", str(path)]) == 0 and path.read_bytes() == first


@pytest.mark.parametrize(("number", "accuracy"), [(0, "accuracy"), (1, "scores.test")])
def test_pandas_reads_a_store_in_the_lines_of_the_page(runs, monkeypatch, number, accuracy) -> None:
    pytest.importorskip("pandas")
    runs.suite({"digits": 0.5, "count": 0.25}, seeds=(0, 1))
    flat.main([str(runs.root)])
    monkeypatch.chdir(runs.root.parent)
    assert [len([line for line in lines.splitlines() if line]) for lines in SNIPPETS] == [2, 2]
    names: dict = {}
    exec(SNIPPETS[number], names)
    records = names["records"]
    task = "task" if number == 0 else "run.task.name"
    assert records.groupby(task)[accuracy].mean().round(4).to_dict() == {"count": 0.255, "digits": 0.505}


def test_what_cannot_be_read_is_named_and_the_rest_is_written(runs, capsys) -> None:
    pytest.importorskip("pyarrow")
    assert flat.main([str(runs.root)]) == 2 and "no records in" in capsys.readouterr().err
    assert flat.main([str(runs.root / "nowhere")]) == 2 and "no folder" in capsys.readouterr().err
    path = runs.add(0.5)
    (path.parent / "a--lora--s0--cut.json").write_text("{")
    assert flat.main([str(runs.root)]) == 0
    assert "not counted: mini/a--lora--s0--cut.json: not readable as JSON" in capsys.readouterr().err
    runs.add(0.5, seed=3, fields={"scores": {"test": float("nan")}})
    assert flat.main([str(runs.root)]) == 0
    assert "not counted: mini/digits--lora--s3" in capsys.readouterr().err
    runs.add(0.5, seed=1, recipe__lr=9.0)
    before = (runs.root / "records.parquet").read_bytes()
    assert flat.main([str(runs.root)]) == 2
    assert "recipe.lr is 0.001 in the first and 9.0 in the second" in capsys.readouterr().err
    assert (runs.root / "records.parquet").read_bytes() == before


def test_what_the_leaderboard_refuses_is_named_and_left_out(runs, capsys) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    runs.add(0.5), runs.add(0.6, seed=1, recipe__lr=9.0)
    assert flat.main([str(runs.root)]) == 2 and "recipe.lr is 0.001" in capsys.readouterr().err
    assert not (runs.root / "records.parquet").exists()
    runs.add(0.7, recipe__name="other")
    assert flat.main([str(runs.root)]) == 2
    said = capsys.readouterr()
    assert "not counted: " in said.err and "recipe.lr is 0.001" in said.err and "1 rows" in said.out
    assert parquet.read_table(runs.root / "records.parquet").to_pydict()["accuracy"] == [0.7]


def test_numbers_that_no_column_holds_are_blank(runs) -> None:
    pytest.importorskip("pyarrow")
    runs.add(fields={"params": {"trainable": 10**30, "head": 2**63 - 1}, "cost": {"seconds_train": 10**400}})
    found = columns(runs)
    assert found["params_trainable"] == found["seconds_train"] == [None] and found["params_head"] == [2**63 - 1]


def test_without_pyarrow_it_says_what_to_install(runs, capsys, monkeypatch) -> None:
    runs.add(0.5)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(flat.importlib.util, "find_spec", lambda name: None)
    assert flat.main([str(runs.root)]) == 2
    assert "pip install 'visionpeft[parquet]'" in capsys.readouterr().err
