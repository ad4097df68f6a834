"""Several processes given one command share its runs; an interrupted one is gone on with."""

import dataclasses
import os
import random
import signal
import subprocess
import sys
import time

from visionpeft.benchmark import queue
from visionpeft.benchmark.plan import Planned
from visionpeft.benchmark.record import Record, read, record_files
from visionpeft.benchmark.spec import Options, Run
from visionpeft.benchmark.store import Store
from visionpeft.data.task import Task
from visionpeft.methods.lora import LoRA

from .conftest import BACKBONE, RECIPE

ARGV = [sys.executable, "-m", "visionpeft.benchmark", "-m", "method=linear", "task=mini_digits", "backbone=vit_pico"]
ARGV += ["img_size=16", "recipe=demo", "epochs=2", "seed=0,1,2,3"]


def planned(seed: int) -> Planned:
    run = Run("m", LoRA(), Task("t", "vtab", "natural", 3, sources=()), RECIPE, BACKBONE, seed, "m")
    return Planned(run, {"task": {"name": "t", "suite": "vtab"}, "method": {"name": "m"}, "seed": seed})


def failed(one: Planned) -> Record:
    return Record(id=one.id, status="oom", run=one.resolved, label="m", error="no room")


def start():
    return subprocess.Popen(ARGV, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_twins_share_the_work_and_kill_minus_nine_loses_none_of_it(folders):
    """Two processes, one killed somewhere in the middle; then the same command again: one whole record per run."""
    killed, twin = start(), start()
    deadline = time.monotonic() + 120
    while not list(folders.glob("runs/.locks/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(random.Random(0).uniform(0.2, 1.0))
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stderr.close()
    _, message = twin.communicate(timeout=240)
    assert twin.returncode == 0, message
    again = start()
    _, message = again.communicate(timeout=240)
    assert again.returncode == 0, message
    assert "4 of 4 runs are done already" in message
    found = [read(path) for path in record_files(folders / "runs")]
    assert sorted(record.run["seed"] for record in found) == [0, 1, 2, 3]
    assert {record.status for record in found} == {"ok"}


def test_a_failed_run_is_tried_again_once_by_those_who_share_it(tmp_path, monkeypatch):
    """Two processes with retry=true: what one of them has just tried in vain is not tried by the other."""
    options = Options(None, None, tmp_path, tmp_path, retry=True)
    store, tried = Store(tmp_path), []
    runs = [planned(seed) for seed in range(3)]
    for one in runs:
        store.write(failed(one))

    def attempt(one, *_):
        tried.append(one.run.seed)
        if len(tried) == 1:  # meanwhile the twin fails at the next one
            store.write(failed(runs[1]))
        store.write(failed(one))
        return "in vain"

    monkeypatch.setattr(queue, "_attempt", attempt)
    monkeypatch.setattr(queue, "Standings", lambda *_: None)
    assert list(queue.drain(runs, options)) == [runs[0].stem, runs[2].stem]
    assert tried == [0, 2]


def test_done_runs_without_an_adapter_are_told_where_adapters_are_asked_for(tmp_path):
    runs = [planned(seed) for seed in range(3)]
    for one in runs[:2]:
        path = Store(tmp_path).write(Record(id=one.id, status="ok", run=one.resolved, label="m"))
    path.with_suffix(".adapter").mkdir()
    options = Options(None, None, tmp_path, tmp_path)
    assert queue.without_adapter(runs, options) == []
    keeping = dataclasses.replace(options, save=True)
    assert queue.without_adapter(runs, keeping) == [str(tmp_path / "vtab" / f"{runs[0].stem}.json")]
