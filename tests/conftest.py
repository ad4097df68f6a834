"""One thread per test process: with several on two cores, torch's threads wait for each other more than they work."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real images and weights that VISIONPEFT_SHARED names."""
    folder = os.environ.get("VISIONPEFT_SHARED")
    if not folder:
        pytest.skip("VISIONPEFT_SHARED names no folder with real images and weights")
    return Path(folder)


@pytest.fixture
def folders(tmp_path, monkeypatch) -> Path:
    """Fresh folders for records and decoded images; no data folder."""
    monkeypatch.setenv("VISIONPEFT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("VISIONPEFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VISIONPEFT_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def offline_runs(monkeypatch, tmp_path) -> Callable[[Path], list[dict[str, Any]]]:
    """A function that reads W&B's offline runs in a folder of records, by when they began."""
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staged"))

    def read(root: Path) -> list[dict[str, Any]]:
        wandb.teardown()  # its process writes on after a run has ended, and is done when it ends itself
        found = [_offline_run(path) for path in (root / "wandb").glob("offline-run-*/*.wandb")]
        return sorted(found, key=lambda one: one["run"].start_time.ToNanoseconds())

    return read


def _offline_run(path: Path) -> dict[str, Any]:
    """Return what an offline run will send, as wandb's own messages say it."""
    from wandb.proto.wandb_internal_pb2 import Record

    found: dict[str, Any] = {"history": [], "summary": {}, "artifacts": {}, "folder": path.parent}
    for blob in _blobs(path.read_bytes()):
        record = Record.FromString(blob)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found["run"] = record.run
            found["config"] = {one.key: json.loads(one.value_json) for one in record.run.config.update}
        elif kind == "history":
            found["history"].append(_values(record.history.item))
        elif kind == "summary":
            found["summary"] |= _values(record.summary.update)
        elif kind == "artifact":
            found["artifacts"][record.artifact.name] = record.artifact
        elif kind == "exit":
            found["exit"] = record.exit.exit_code
    return found


def _values(items: Any) -> dict[str, Any]:
    return {".".join(one.nested_key) or one.key: json.loads(one.value_json) for one in items}


def _blobs(data: bytes, block: int = 2**15) -> Iterator[bytes]:
    """Yield the messages of a LevelDB log: 7 bytes of header, then pieces that do not cross a block."""
    at, part = 7, b""
    while at < len(data):
        if block - at % block < 7:
            at += block - at % block
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        part += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last piece
            yield part
            part = b""
