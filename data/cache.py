"""Files of decoded images: written whole or not at all, checked when opened, tidied up after killed processes.

A file is a .npy array followed by a checksum of each image. All of them are compared whenever it is opened: a thousand
images of 224 pixels take 0.07 s of one core, less than anything that is done with them, so that a bit that flipped on
the disk is noticed before it is learnt from.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL
from filelock import FileLock, Timeout

from .decode import Preprocessing
from .every import cores
from .task import DataError, more
from .unfinished import FULL, free, readable

VERSION = 1
"""Raised when a change to decode.py can move a pixel."""
PARTIAL = ".partial"
"""Ending of files that are being written."""
SUM = np.dtype("<u4")
"""What an image's checksum, a CRC-32, is kept as."""
BLOCK = 64
"""Images whose checksums one thread computes at a time."""


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
    def nbytes_on_disk(self) -> int:
        """Size of the file."""
        return len(self.header) + self.nbytes + self.count * SUM.itemsize

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
    """Map a cache file, or return None if it is absent, cut short, no such array or of a version without checksums."""
    path, header = cache / f"{key}.npy", shape.header
    try:
        with path.open("rb") as file:
            if file.read(len(header)) != header or path.stat().st_size != shape.nbytes_on_disk:
                return None
    except OSError:
        return None
    return np.memmap(path, np.uint8, "r", offset=len(header), shape=shape.array)


def damage(cache: Path, key: str, shape: Shape, array: np.ndarray) -> str | None:
    """Compare every image of a mapped cache file with its checksum; return which differ, None if none does."""
    path = cache / f"{key}.npy"
    due = np.fromfile(path, SUM, offset=len(shape.header) + shape.nbytes)

    plain, size = np.asarray(array).reshape(-1).data, shape.nbytes // max(1, shape.count)

    def sums(start: int) -> list[int]:  # of bytes: an array for each image would take longer than its checksum
        stop = min(start + BLOCK, shape.count)
        return [zlib.crc32(plain[i * size : (i + 1) * size]) for i in range(start, stop)]

    with ThreadPoolExecutor(cores()) as pool:
        found = [one for block in pool.map(sums, range(0, shape.count, BLOCK)) for one in block]
    wrong = np.flatnonzero(np.array(found, SUM) != due)
    if not len(wrong):
        return None
    i = int(wrong[0])
    what = f"image {i} has the checksum {found[i]:08x}, expected {due[i]:08x}"
    return f"{path} is damaged: {what}{more(len(wrong))}; the disk may be failing"


def checksum(image: np.ndarray) -> int:
    """Return the checksum of a decoded image; other threads go on meanwhile."""
    return zlib.crc32(np.ascontiguousarray(image).data)


def build(cache: Path, key: str, shape: Shape, images: Iterator[tuple[np.ndarray, int]]) -> None:
    """Write a cache file from images and their checksums; call with the key's lock held."""
    needed, left = shape.nbytes_on_disk, free(cache)
    if needed > left:
        raise DataError(_no_room(cache, f"{readable(needed)} needed, {readable(left)} free"))
    sums = []
    with appearing(cache, key, cache / f"{key}.npy") as file:
        file.write(shape.header)
        for image, found in images:
            file.write(np.ascontiguousarray(image).data)
            sums.append(found)
        file.write(np.array(sums, SUM).tobytes())


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
def room(cache: Path, needed: int) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into a message; `needed` bytes are what is written."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in FULL:
            why = f"{why}, {readable(needed)} needed, {readable(free(cache))} free"
        raise DataError(_no_room(cache, why)) from None


def _no_room(cache: Path, why: str) -> str:
    return f"decoded images cannot be kept in {cache}: {why}; name another folder with VISIONPEFT_CACHE"
