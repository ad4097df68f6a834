from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from visionpeft.reports import leaderboard
from visionpeft.reports.order import VTAB

ALL = {"digits": 0.9, "letters": 0.8, "count": 0.5, "location": 0.3}


def test_it_writes_and_says_where(runs, capsys) -> None:
    runs.suite(ALL)
    assert leaderboard.main([str(runs.root)]) == 0
    out = capsys.readouterr().out
    assert "90.0" in out and str(runs.root / "leaderboard.md") in out and str(runs.root / "leaderboard.csv") in out
    names = ["leaderboard.csv", "leaderboard.html", "leaderboard.md", "mini"]
    assert sorted(path.name for path in runs.root.iterdir()) == names and str(runs.root / names[1]) in out


def test_with_published_it_writes_the_second_table(runs) -> None:
    runs.suite(ALL)
    assert leaderboard.main([str(runs.root), "--published"]) == 0
    assert (runs.root / "leaderboard_published.md").exists() and (runs.root / "leaderboard_published.csv").exists()


def test_nothing_to_tabulate_is_one_sentence(runs, capsys) -> None:
    assert leaderboard.main([str(runs.root)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and f"no records to tabulate in {runs.root}" in err
    assert leaderboard.main([str(runs.root / "nowhere")]) == 2
    assert "no folder" in capsys.readouterr().err


def test_a_refusal_is_one_message_and_keeps_the_last_table(runs, capsys) -> None:
    first = runs.add(0.5)
    leaderboard.main([str(runs.root)])
    before = (runs.root / "leaderboard.md").read_text()
    second = runs.add(0.9, seed=1, recipe__lr=9.0)
    capsys.readouterr()
    assert leaderboard.main([str(runs.root)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("no leaderboard: ") and err.count("\n") == 1
    assert first.name in err and second.name in err
    assert (runs.root / "leaderboard.md").read_text() == before


def test_a_table_that_cannot_be_made_does_not_keep_the_others_away(runs, capsys) -> None:
    runs.add(0.5)
    runs.add(0.9, seed=1, recipe__lr=9.0)
    runs.add(0.7, backbone__img_size=64)
    assert leaderboard.main([str(runs.root)]) == 2
    assert "a table: " in capsys.readouterr().out
    text = (runs.root / "leaderboard.md").read_text()
    assert "70.0" in text and "recipe.lr is 0.001 in the first and 9.0 in the second" in text


def test_test_images_that_were_learnt_from_are_told(runs) -> None:
    runs.put(runs.a_record(run=runs.a_run(), shared={"test": 3}))
    leaderboard.main([str(runs.root)])
    told = "Test images that are training images too, byte for byte: 3 of digits"
    assert told in (runs.root / "leaderboard.md").read_text()


def test_bad_files_do_not_stop_the_table(runs, capsys) -> None:
    runs.suite(ALL)
    (runs.root / "mini" / "a--lora--s0--cut.json").write_text("{")
    assert leaderboard.main([str(runs.root)]) == 0
    assert "not counted:\n  mini/a--lora--s0--cut.json: not readable" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["leaderboard", "check"])
def test_a_reader_that_stops_early_is_no_error(runs, command) -> None:
    runs.suite(ALL)
    command = [sys.executable, "-m", f"visionpeft.reports.{command}", str(runs.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_only_failed_runs_are_a_table_too(runs, capsys) -> None:
    runs.add(None, fields={"status": "oom", "scores": {}, "error": "no room"})
    assert leaderboard.main([str(runs.root)]) == 0
    assert "† lora, digits, seed 0: out of memory (no room)" in capsys.readouterr().out


def test_the_same_records_give_the_same_bytes(runs, tmp_path: Path) -> None:
    runs.suite(ALL, "lora", seeds=(2, 0, 1))
    runs.suite({"digits": 0.5}, "ssf")
    other = type(runs)(tmp_path / "other")
    for path in sorted(runs.root.glob("mini/*"), reverse=True):  # written in another order, elsewhere
        (other.root / "mini").mkdir(parents=True, exist_ok=True)
        (other.root / "mini" / path.name).write_bytes(path.read_bytes())
    for store in (runs, other, runs):
        leaderboard.write(store.root, beside_published=True)
    ends = [f"{name}.{end}" for name in ("leaderboard", "leaderboard_published") for end in ("md", "csv")]
    for name in ["leaderboard.html", *ends]:
        assert (runs.root / name).read_bytes() == (other.root / name).read_bytes()
        assert str(tmp_path) not in (runs.root / name).read_text()


@pytest.mark.parametrize("module", ["leaderboard", "stats", "literature", "build", "compare", "page"])
def test_no_torch_pandas_or_scipy_is_needed(module: str) -> None:
    code = (
        f"import sys, visionpeft.reports.{module}; "
        "print(sorted({'torch', 'timm', 'hydra', 'pandas', 'scipy', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_five_thousand_records_in_seconds(runs) -> None:
    curve = json.dumps([{"epoch": i, "loss": 1.2345678901 / (i + 1), "lr": 9.1e-4} for i in range(100)], indent=1)
    groups = {name: ("natural", 7) if i < 7 else ("specialized", 4) if i < 11 else ("structured", 8)
              for i, name in enumerate(VTAB)}  # fmt: skip
    for n in range(5000):
        task, seed, method = VTAB[n % 19], n // 19 % 5, n // 95
        group, size = groups[task]
        run = {"task__suite": "vtab", "task__group": group, "task__group_tasks": size, "task__suite_tasks": 19}
        path = runs.add((n * 7919 % 1000) / 1000, task, f"method_{method}", seed, **run)
        path.write_text(path.read_text().replace('"curve": []', f'"curve": {curve}'))
    start = time.process_time()  # not wall time: neighbours on the machine do not count
    for path in runs.root.glob("*/*.json"):
        json.loads(path.read_text())
    read, start = time.process_time() - start, time.process_time()
    (table,), skipped, _ = leaderboard.write(runs.root)
    seconds = time.process_time() - start
    assert len(table.rows) == 53 and not skipped
    assert seconds < 12 * read, (seconds, read)  # opening the files; about 6 times, 9 where the library is put together
    assert (runs.root / "leaderboard.html").stat().st_size < 3e6  # about 1.6 MB


def test_a_damaged_study_is_named_and_keeps_no_table_away(runs):
    runs.add()
    place = runs.root / "tuning" / "s"
    (place / "trials").mkdir(parents=True)
    (place / "study.json").write_text("{}")
    (place / "trials" / "0000.json").write_text("{")
    made, skipped, _ = leaderboard.write(runs.root)
    assert len(made) == 1 and "0000.json: not readable as JSON" in skipped[0] and skipped[0].startswith("studies: ")
