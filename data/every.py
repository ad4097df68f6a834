"""Every image of a split looked at, on all cores: its bytes, the digests of these, and the names of bad ones."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from .task import DataError, Split

NAMED = 10
"""How many bad images one message names."""
CHUNK = 16
"""Images that a thread takes at a time: handing over each by itself would cost as much as reading it."""
AHEAD = 2
"""Chunks that wait for each thread."""
T = TypeVar("T")


def images_digest(split: Split) -> tuple[str, np.ndarray]:
    """Return `digest` and `each` of `Pixels`, of the encoded images, or arrays; none is decoded.

    Raises:
        DataError: images that cannot be read; the message names up to ten.
    """
    return of_all(list(each(lambda i: hashlib.sha256(raw(split, i)).digest(), split)))


def each(work: Callable[[int], T], split: Split) -> Iterator[T]:
    """Yield `work(i)` for every example in order, on all cores, with few results waiting at any time.

    Raises:
        DataError: after the last example, naming those that could not be read.
    """

    def chunk(start: int) -> list[T | Exception]:
        return [_tried(work, i) for i in range(start, min(start + CHUNK, len(split)))]

    waiting: deque[Future[list[T | Exception]]] = deque()
    bad: list[str] = []
    starts = range(0, len(split), CHUNK)
    pool, ahead = ThreadPoolExecutor(cores()), AHEAD * cores()
    try:
        for number in range(-ahead, len(starts)):
            if number + ahead < len(starts):
                waiting.append(pool.submit(chunk, starts[number + ahead]))
            for i, result in enumerate(waiting.popleft().result() if number >= 0 else (), start=number * CHUNK):
                if isinstance(result, Exception):
                    bad.append(f"{name_of(split, i)}: {getattr(result, 'strerror', None) or result}")
                elif not bad:
                    yield result
            if len(bad) >= NAMED:
                break
    finally:
        pool.shutdown(cancel_futures=True)
    if bad:
        count = "an image" if len(bad) == 1 else f"{len(bad)} images" if len(bad) < NAMED else f"{NAMED} or more images"
        lines = "\n  ".join(bad[:NAMED])
        remedy = "replace them or take them off the lists" if split.places else "put them back as published"
        raise DataError(f"{count} cannot be read; {remedy}:\n  {lines}")


def _tried(work: Callable[[int], T], i: int) -> T | Exception:
    """Return what becomes of an example, or why it cannot be read."""
    try:
        return work(i)
    except (OSError, ValueError) as error:
        return error


def name_of(split: Split, i: int) -> str:
    """Return what an example is called in messages: its file, or its key and the file that holds all."""
    if len(split.files) == len(split):
        return str(split.files[i])
    return f"{split.keys[i]} in {split.files[0]}" if len(set(split.files)) == 1 else split.keys[i]


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def raw(split: Split, i: int) -> bytes:
    """Return what the digests are over: an example's encoded bytes, or the shape and bytes of its array."""
    data = split.read(i)
    return data if isinstance(data, bytes) else f"{data.shape}".encode() + data.tobytes()


def of_all(digests: list[bytes]) -> tuple[str, np.ndarray]:
    """Return the digest of all and the beginning of each."""
    joined = b"".join(digests)
    return hashlib.sha256(joined).hexdigest(), np.frombuffer(joined, np.uint64)[::4].copy()
