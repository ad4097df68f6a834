"""Processes that work ahead of a device, in order."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import Any, TypeVar

import torch

from .every import cores

MOST = 16
"""Processes at most: what a fast GPU needs."""
PER_PROCESS = 8
"""Tasks that are handed out ahead for each process."""
T = TypeVar("T")


def processes(device: torch.device) -> ProcessPoolExecutor | None:
    """Return a pool that ends with this process, or None where the device itself is the processor they would share."""
    count = min(cores() - 1, MOST)
    if device.type == "cpu" or count < 1:
        return None
    # not by fork, which copies the locks of threads and a CUDA context into the children
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    context.set_forkserver_preload(["visionpeft.data.augment"])
    return ProcessPoolExecutor(count, context, _prepare)


def _prepare() -> None:
    """Use one thread, and end when the parent does, even by kill -9."""
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()


def ahead(pool: ProcessPoolExecutor, work: Callable[..., T], tasks: Iterable[tuple[Any, ...]]) -> Iterator[T]:
    """Yield `work(*task)` for each task in order, computed by the pool, with few results waiting at any time."""
    waiting: deque[Future[T]] = deque()
    most = PER_PROCESS * pool._max_workers  # type: ignore[attr-defined]
    for task in tasks:
        waiting.append(pool.submit(work, *task))
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
