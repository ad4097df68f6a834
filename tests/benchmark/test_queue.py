"""Several processes given one command share its runs; an interrupted one is gone on with."""

import os
import random
import signal
import subprocess
import sys
import time

from visionpeft.benchmark.record import read, record_files

ARGV = [sys.executable, "-m", "visionpeft.benchmark", "-m", "method=linear", "task=mini_digits", "backbone=vit_pico"]
ARGV += ["img_size=16", "recipe=demo", "epochs=2", "seed=0,1,2,3"]


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
