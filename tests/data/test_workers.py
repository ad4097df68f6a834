"""Worker processes: the same as without them, and gone when they should be."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from visionpeft.data import augment, workers
from visionpeft.data.augment import Augmentation, View
from visionpeft.data.loader import Batches

CPU = torch.device("cpu")

VIEW = View(Augmentation(flip=0.5, rand_augment="rand-m9-mstd0.5-inc1"), 16, "bicubic", (0.5,) * 3, (0.5,) * 3)
TASKS = [(np.full((16, 16, 3), i, np.uint8), i) for i in range(40)]


@pytest.fixture
def pool(monkeypatch):
    monkeypatch.setattr(workers, "cores", lambda: 2)
    pool = workers.processes(torch.device("cuda"))
    yield pool
    pool.shutdown()


def test_processes_give_what_this_one_gives_in_order(pool):
    found = list(workers.ahead(pool, VIEW, iter(TASKS)))
    assert all(np.array_equal(a, VIEW(*task)) for a, task in zip(found, TASKS, strict=True))


def test_an_error_in_a_process_is_raised_here(pool):
    with pytest.raises(ValueError, match="no image"):
        list(workers.ahead(pool, VIEW, [(b"bad", 0)]))


def test_few_results_wait(pool):
    taken = []
    tasks = (taken.append(task) or task for task in TASKS)
    next(workers.ahead(pool, VIEW, tasks))
    assert len(taken) == workers.PER_PROCESS


def test_none_where_they_would_share_the_processor_with_training(monkeypatch):
    assert workers.processes(torch.device("cpu")) is None
    monkeypatch.setattr(workers, "cores", lambda: 1)
    assert workers.processes(torch.device("cuda")) is None


def test_they_end_when_their_parent_is_killed(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, time, torch\n"
        "from visionpeft.data import workers\n"
        "if __name__ == '__main__':\n"
        "    workers.cores = lambda: 2\n"
        "    pool = workers.processes(torch.device('cuda'))\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert Path(f"/proc/{child}").exists() or sys.platform != "linux"
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not alive(child):
            return
        time.sleep(0.1)
    pytest.fail(f"worker {child} outlives its parent")


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended may be listed, as Z, until whoever inherited it looks."""
    try:
        os.kill(process, 0)
        stat = Path(f"/proc/{process}/stat")
        return not stat.exists() or stat.read_text().rpartition(") ")[2][0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_augmented_batches_are_the_same_with_and_without_processes(pool, monkeypatch):
    batches = Batches(np.stack([image for image, _ in TASKS]), np.arange(40) % 3, (0.5,) * 3, (0.5,) * 3, CPU)
    found, order = [], torch.randperm(40, generator=torch.Generator().manual_seed(0))
    for processes in (None, pool):
        monkeypatch.setattr(augment, "processes", lambda device, these=processes: these)
        images = augment.Augmented(batches, VIEW, batches.image, 3, 0)
        found.append([x for _ in range(2) for x, _ in images.iterate(order, 16)])
    assert [len(x) for x in found[1]] == [16, 16, 8] * 2
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
