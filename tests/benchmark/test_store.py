"""Append-only, whole files, one process per run, nothing lost on a full disk."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from visionpeft.benchmark import store as store_module
from visionpeft.benchmark.record import Record, read, record_files, replace, run_id
from visionpeft.benchmark.store import Store, pack, sha256


def test_what_was_written_is_flushed_before_it_is_named(tmp_path, monkeypatch):
    place, seen, sync = tmp_path / "a.csv", [], os.fsync

    def noted(handle):
        seen.append((os.fstat(handle).st_size, place.exists()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    replace(place, b"abc")
    assert seen == [(3, False)] and place.read_bytes() == b"abc"


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, None])
def test_a_file_system_without_links_is_written_once_too(tmp_path, monkeypatch, number):
    def unlinked(source, target):
        raise NotImplementedError if number is None else OSError(number, "no links here")

    monkeypatch.setattr(os, "link", unlinked)
    place = tmp_path / "a.json"
    replace(place, b"first", once=True)
    with pytest.raises(FileExistsError):
        replace(place, b"second", once=True)
    assert place.read_bytes() == b"first" and [path.name for path in tmp_path.iterdir()] == ["a.json"]


def record(seed=0, status="ok"):
    run = {"task": {"name": "t", "suite": "s"}, "method": {"name": "m"}, "seed": seed}
    return Record(id=run_id(run), status=status, run=run, label="m", notes={"filler": "x" * 20000})


def test_written_once_and_found_again(tmp_path):
    store, classes = Store(tmp_path), {"test": np.array([0, 2, 65535])}
    path = store.write(record(), classes)
    assert path == tmp_path / "s" / f"{record().stem}.json"
    assert read(path) == record()
    assert store.done("s", record().stem)
    packed = path.with_suffix(".npz").read_bytes()
    assert sha256(packed) == sha256(pack(classes))  # the same bytes each time
    with np.load(path.with_suffix(".npz")) as stored:
        assert stored["predicted"].tolist() == [0, 2, 65535]


def test_predictions_of_several_test_sets(tmp_path):
    path = Store(tmp_path).write(record(), {"test/a": np.array([1, 999]), "test/a_200": np.array([2])})
    with np.load(path.with_suffix(".npz")) as stored:
        assert {name: stored[name].tolist() for name in stored} == {"test/a": [1, 999], "test/a_200": [2]}


def test_failed_runs_go_elsewhere(tmp_path):
    store = Store(tmp_path)
    assert store.write(record(status="oom")).parent.name == "failed"
    assert store.failed(record().stem)
    assert not store.done("s", record().stem)


def test_a_claimed_run_is_not_given_twice(tmp_path):
    store = Store(tmp_path)
    with store.claim("x") as mine:
        code = (
            "import sys; from pathlib import Path; from visionpeft.benchmark.store import Store\n"
            "with Store(Path(sys.argv[1])).claim('x') as mine: sys.exit(10 + mine)"
        )
        other = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
        assert (mine, other.returncode) == (True, 10)
    with store.claim("x") as mine:
        assert mine


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    def full(path, data, once=False):
        raise OSError(errno.ENOSPC, "No space left on device")

    rescue = tmp_path / "rescue"
    rescue.mkdir()
    monkeypatch.setattr(store_module, "replace", full)
    monkeypatch.setattr(store_module.tempfile, "gettempdir", lambda: str(rescue))
    with pytest.raises(OSError, match="No space left.*nothing is lost: make room, then move"):
        Store(tmp_path / "runs").write(record())
    assert read(rescue / f"{record().stem}.json") == record()


WRITER = """
import sys, itertools
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_store import record
from visionpeft.benchmark.store import Store
import numpy as np
store = Store(Path(sys.argv[1]))
print("ready", flush=True)
for seed in itertools.count():
    with store.claim(record(seed).stem) as mine:
        if mine and not store.done("s", record(seed).stem):
            store.write(record(seed), {"test": np.arange(1000)})
"""


def test_kill_minus_nine_leaves_whole_records(tmp_path):
    """Two writers of the same runs, killed at 20 random moments: every record is whole and none is there twice."""
    rng = random.Random(0)
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(Path(__file__).parent)]
    for _ in range(10):
        writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        for writer in writers:
            writer.stdout.readline()
        for writer in writers:
            time.sleep(rng.uniform(0, 0.1))
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
    paths = list(record_files(tmp_path))
    assert len(paths) > 10
    for path in paths:
        assert read(path).stem == path.stem
        with np.load(path.with_suffix(".npz")) as stored:
            assert stored["predicted"].tolist() == list(range(1000))
    assert len({read(path).id for path in paths}) == len(paths)
