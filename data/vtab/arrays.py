"""Data sets that are published as arrays: one file holds all examples, and is read once however many are asked for."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..task import DataError
from .files import plain

T = TypeVar("T")
KEPT = 4
"""How many files' contents stay in memory; a data set has up to three that are read in turn."""
_loading = threading.Lock()


def held(load: Callable[..., T], *paths: Path) -> Callable[[], T]:
    """Return a function that gives `load(*paths)`.

    The files are read at the first call, whichever thread makes it, and their content stays in memory while it is
    among the few read last, for whoever else asks for it. A file that changed meanwhile is another one.
    """
    try:
        stamps = tuple((seen.st_size, seen.st_mtime_ns) for seen in (path.stat() for path in paths))
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from None

    def get() -> T:
        with _loading:
            return _load(load, paths, stamps)

    return get


@functools.lru_cache(maxsize=KEPT)
def _load(load: Callable[..., Any], paths: tuple[Path, ...], stamps: tuple[tuple[int, int], ...]) -> Any:
    return load(*paths)


def rgb(grey: np.ndarray) -> np.ndarray:
    """Return a grey image in three equal channels, as VTAB shows it to a model: (h, w) -> (h, w, 3)."""
    return np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=-1)


def number(features: Mapping[str, Any]) -> int | None:
    """Return an example's number from its id ("train_00042"), which newer versions have, None without one."""
    return int(plain(features["id"]).rpartition("_")[2]) if "id" in features else None
