"""Where a record comes from: versions, commit, device, time, and the line that repeats it."""

from __future__ import annotations

import datetime
import platform
import shlex
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from .spec import Run
from .train import TrainingJob


def provenance(run: Run, job: TrainingJob) -> dict[str, Any]:
    """Return where a record comes from: versions, commit, device, time, the line that repeats it."""
    device = job.device
    return {
        "versions": {name: _version(name) for name in ("visionpeft", "torch", "timm", "numpy", "pillow")},
        "python": platform.python_version(),
        **_commit(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {_cpu()}",
        "threads": torch.get_num_threads(),
        "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "compiled": job.compiled,
        "command": _command(run),
    }


def _command(run: Run) -> str:
    """Return the line that repeats a run, from the same data; empty if a script made it."""
    return "" if run.overrides is None else shlex.join(["python", "-m", "visionpeft.benchmark", *run.overrides])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return None


@lru_cache(maxsize=1)
def _commit() -> dict[str, Any]:
    """Return the checkout's commit and whether it had changes; nothing if there is no checkout."""
    folder = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


@lru_cache(maxsize=1)
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
