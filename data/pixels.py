"""Every image decoded once: a uint8 array on disk, named by the images' content, shared by tasks, methods and seeds.

Below the cache folder lie `<key>.npy`, the pixels of one ordered set of images, and `index/<fingerprint>.json`, which
leads from files as they lie on disk (path, size, times) to a key, so that a warm start opens no image. Both appear by
renaming a finished file; a lock per key makes one process decode while its twins wait.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from filelock import FileLock, Timeout

from .decode import INTERPOLATIONS, decode
from .task import DataError, Split

VERSION = 1
"""Raised when a change here or in decode.py can move a pixel."""
NAMED = 10
"""How many bad images one message names."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pixels:
    """The decoded images of a split.

    Attributes:
        array: uint8, shape (n, size, size, 3); a read-only memory map where the images come from files.
        digest: sha256 over the encoded images in order: equal digests mean equal images.
    """

    array: np.ndarray
    digest: str


@dataclass(frozen=True)
class _Shape:
    """What the images are decoded to."""

    size: int
    interpolation: str
    upright: bool

    @property
    def text(self) -> str:
        """What, beside the images, decides the pixels."""
        return f"{VERSION} {PIL.__version__} {self.size} {self.interpolation} {self.upright}"


def pixels(
    split: Split, size: int, interpolation: str, cache: Path, progress: Progress = lambda done, total: None
) -> Pixels:
    """Return a split's images as a square uint8 array, decoding only what the cache does not hold.

    Args:
        split: the examples.
        size: height and width; images are resized to it without a crop, with antialiasing.
        interpolation: bicubic, bilinear or lanczos.
        cache: folder for decoded images; made if absent.
        progress: called with the number of images decoded so far and in all.

    Raises:
        DataError: images that cannot be read (the message names up to ten), or no room for the cache.
    """
    if interpolation not in INTERPOLATIONS:
        raise DataError(f"interpolation {interpolation!r}, expected one of {', '.join(INTERPOLATIONS)}")
    shape = _Shape(size, interpolation, split.upright)
    if plain := _plain(split, size):
        return plain
    cache = cache.expanduser()
    entry = cache / "index" / f"{_fingerprint(split, shape)}.json" if split.files else None
    if entry and (found := _known(entry, len(split), size)):
        return found
    digests = list(_map(lambda i: hashlib.sha256(_bytes(split, i)).digest(), split, lambda *_: None))
    digest = hashlib.sha256(b"".join(digests)).hexdigest()
    key = hashlib.sha256(f"{digest} {shape.text}".encode()).hexdigest()[:32]
    target = cache / f"{key}.npy"
    with _writing(cache):
        for folder in (cache, cache / "index", cache / "locks"):
            folder.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "locks" / f"{key}.lock"):
            if _open(target, len(split), size) is None:
                _sweep(cache, key)
                _build(target, split, shape, progress)
        if entry:
            _replace(entry, json.dumps({"key": key, "digest": digest}).encode())
    array = _open(target, len(split), size)
    assert array is not None
    return Pixels(array, digest)
