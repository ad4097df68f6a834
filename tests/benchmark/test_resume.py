"""A search that is killed goes on, by the same command, to the record it would have left."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from safetensors import safe_open

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.loop import Loop
from visionpeft.benchmark.record import Record, read, record_files

ARGV = [sys.executable, "-m", "visionpeft.benchmark", "method=glora", "task=mini_digits", "backbone=vit_pico"]
ARGV += ["img_size=16", "recipe=demo", "epochs=1", "warmup=0", "supernet_epochs=1", "method.rank=2"]
ARGV += ["population=4", "parents=2", "mutants=2", "crossovers=1", "generations=5"]


def start(runs: Path) -> subprocess.Popen:
    env = os.environ | {"OMP_NUM_THREADS": "1", "VISIONPEFT_RUNS": str(runs)}
    return subprocess.Popen(ARGV, stderr=subprocess.PIPE, text=True, env=env)


def finish(process: subprocess.Popen, runs: Path) -> Record:
    _, message = process.communicate(timeout=240)
    assert process.returncode == 0, message
    (path,) = record_files(runs)
    return read(path)


def test_kill_minus_nine_in_a_search(folders):
    whole = finish(start(folders / "whole"), folders / "whole")
    runs = folders / "runs"
    killed, deadline = start(runs), time.monotonic() + 120
    while not list(runs.glob(".unfinished/*/search.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    (workspace,) = (runs / ".unfinished").iterdir()
    state = json.loads((workspace / "search.json").read_text())
    assert 0 < state["generation"] < 6 and not list(record_files(runs))
    with safe_open(workspace / "supernet.safetensors", "pt") as kept:
        phase = json.loads(kept.metadata()["seen"])["phase"]
    again = finish(start(runs), runs)
    assert (again.id, again.scores, again.settled) == (whole.id, whole.scores, whole.settled)
    seconds = [one.notes["search"].pop("seconds") for one in (again, whole)]
    assert (again.notes, again.curve, again.params) == (whole.notes, whole.curve, whole.params)
    assert again.cost["seconds_train"] > seconds[0] + phase["seconds"] and seconds[0] > state["seconds"] > 0
    assert again.predictions == whole.predictions and set(again.scores) == {"test", "inherited/test"}
    assert again.cost["phases"][0] == phase and not (runs / ".unfinished" / workspace.name).exists()


def test_interrupted_while_it_trains(folders, monkeypatch):
    """Three epochs of a supernet, then two of the winner: the first begin again, after the search only the last two."""
    trained: list[int] = []
    whole, stop = Loop.epochs, [0]

    def epochs(loop):
        for row in whole(loop):
            trained.append(row["epoch"])
            if len(trained) == stop[0]:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(Loop, "epochs", epochs)
    argv = [word for word in ARGV[3:] if not word.startswith(("epochs", "supernet_epochs", "generations"))]
    argv += ["epochs=2", "supernet_epochs=3", "generations=1"]
    argv += ["backbone.weights=none", "backbone.model_args.depth=1"]

    def start(runs: str, after: int = 0) -> int:
        trained.clear()
        stop[0] = after
        monkeypatch.setenv("VISIONPEFT_RUNS", str(folders / runs))
        return main(argv)

    def record(runs: str) -> Record:
        (path,) = record_files(folders / runs)
        found = read(path)
        assert found.notes["search"].pop("seconds") > 0
        return found

    assert start("whole") == 0 and trained == [1, 2, 3, 1, 2]
    for after, again in ((2, [1, 2, 3, 1, 2]), (4, [1, 2])):
        runs = f"after {after}"
        assert start(runs, after) == 130 and not list(record_files(folders / runs))
        assert start(runs) == 0 and trained == again
        one, other = record(runs), record("whole")
        assert (one.id, one.scores, one.settled, one.curve) == (other.id, other.scores, other.settled, other.curve)
        assert (one.notes, one.predictions["sha256"]) == (other.notes, other.predictions["sha256"])
