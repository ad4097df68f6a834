"""One thread per test process: with several on two cores, torch's threads wait for each other more than they work."""

import os
from pathlib import Path

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
