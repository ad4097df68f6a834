"""Files of decoded images: written whole or not at all, checked when opened, tidied up after killed processes."""

from __future__ import annotations

import contextlib
import io
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL
from filelock import FileLock, Timeout

from .decode import Preprocessing
from .task import DataError

VERSION = 1
"""Raised when a change to decode.py can move a pixel."""
PARTIAL = ".partial"
"""Ending of files that are being written."""


@dataclass(frozen=True)
class Shape:
    """What a set of images is decoded to."""

    count: int
    preprocessing: Preprocessing
    upright: bool

    @property
    def text(self) -> str:
        """What, beside the images, decides the pixels."""
        return f"{VERSION} {PIL.__version__} {self.preprocessing.text} {self.upright}"

    @property
    def array(self) -> tuple[int, int, int, int]:
        """Shape of the array."""
        return self.count, self.preprocessing.size, self.preprocessing.size, 3

    @property
    def nbytes(self) -> int:
        """Size of the pixels."""
        return math.prod(self.array)

    @property
    def header(self) -> bytes:
        """The beginning of the .npy file."""
        buffer = io.BytesIO()
        form = {"descr": "|u1", "fortran_order": False, "shape": self.array}
        np.lib.format.write_array_header_1_0(buffer, form)
        return buffer.getvalue()


def lock(cache: Path, key: str, wait: float = -1) -> FileLock:
    """Return the lock under which one process writes what belongs to a key while others wait (-1: for ever)."""
    return FileLock(cache / "locks" / f"{key}.lock", timeout=wait)


def open_array(cache: Path, key: str, shape: Shape) -> np.ndarray | None:
    """Map a cache file, or return None if it is absent, cut short or no such array."""
    path, header = cache / f"{key}.npy", shape.header
    try:
        with path.open("rb") as file:
            if file.read(len(header)) != header or path.stat().st_size != len(header) + shape.nbytes:
                return None
    except OSError:
        return None
    return np.memmap(path, np.uint8, "r", offset=len(header), shape=shape.array)


def build(cache: Path, key: str, shape: Shape, images: Iterator[np.ndarray]) -> None:
    """Write a cache file; call with the key's lock held."""
    free = shutil.disk_usage(cache).free
    if shape.nbytes > free:
        raise DataError(_no_room(cache, f"{_size(shape.nbytes)} needed, {_size(free)} free"))
    with appearing(cache, key, cache / f"{key}.npy") as file:
        file.write(shape.header)
        for image in images:
            file.write(image.tobytes())


@contextlib.contextmanager
def appearing(cache: Path, key: str, target: Path) -> Iterator[BinaryIO]:
    """Write a file that appears whole or not at all; call with the key's lock held."""
    handle, name = tempfile.mkstemp(suffix=PARTIAL, prefix=f"{key}.", dir=cache)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)  # noqa: PTH105
    finally:
        Path(name).unlink(missing_ok=True)


def sweep(cache: Path, key: str) -> None:
    """Remove what killed processes left half written: files whose lock is free, or is ours for `key`."""
    for path in cache.glob(f"*{PARTIAL}"):
        owner = path.name.partition(".")[0]
        ours = contextlib.nullcontext() if owner == key else lock(cache, owner, wait=0)
        with contextlib.suppress(Timeout), ours:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def room(cache: Path) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into a message."""
    try:
        yield
    except OSError as error:
        raise DataError(_no_room(cache, error.strerror or str(error))) from None


def _no_room(cache: Path, why: str) -> str:
    return f"decoded images cannot be kept in {cache}: {why}; name another folder with VISIONPEFT_CACHE"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
