"""Every image decoded once: a uint8 array on disk, named by the images' content, shared by tasks, methods and seeds.

Below the cache folder lie `<key>.npy`, the pixels of one ordered set of images, and `index/<fingerprint>.json`, which
leads from the examples' names and their files as they lie on disk (path, size, times) to a key, so that a warm start
opens no image. Both appear by renaming a finished file; a lock per key makes one process decode while its twins wait.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from .cache import Shape, appearing, build, lock, open_array, room, sweep
from .decode import Preprocessing, decode, side
from .task import DataError, Split

NAMED = 10
"""How many bad images one message names."""
SMALL = 0.5
"""Images are kept at their own size up to this part of the side they are enlarged to: a quarter of the room."""
Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Pixels:
    """The decoded images of a split.

    Attributes:
        array: uint8, shape (n, size, size, 3); a read-only memory map where the images come from files. Where it was
            allowed, small images are as they were before they were enlarged.
        digest: sha256 over the encoded images in order: equal digests mean equal images.
        each: the first 64 bits of every image's own sha256, to find an image that two splits share, whatever its name.
    """

    array: np.ndarray
    digest: str
    each: np.ndarray


def pixels(
    split: Split,
    preprocessing: Preprocessing,
    cache: Path,
    progress: Progress = lambda done, total: None,
    *,
    small: bool = False,
) -> Pixels:
    """Return a split's images as a square uint8 array, decoding only what the cache does not hold.

    Args:
        split: the examples.
        preprocessing: what becomes of an image.
        cache: folder for decoded images; made if absent.
        progress: called with the number of images decoded so far and in all.
        small: leave it to `Batches.enlarged` to enlarge images that are squares of one size, half of that asked for or
            less; at 64 pixels instead of 224 they take a twelfth of the room and are the same in the end.

    Raises:
        DataError: images that cannot be read (the message names up to ten), or no room for the cache.
    """
    small = small and preprocessing.enlarges_later
    shape = Shape(len(split), preprocessing, split.upright)
    if not split.files and preprocessing.keeps(split.read(0)):
        array = np.stack([np.asarray(split.read(i)) for i in range(len(split))])
        return Pixels(array, *_digest([hashlib.sha256(_raw(split, i)).digest() for i in range(len(split))]))
    cache = cache.expanduser()
    entry = cache / "index" / f"{_fingerprint(split, shape, small)}.json" if split.files else None
    if entry and (known := _known(cache, entry, shape)):
        return known
    return _settled(split, _own(split, shape) if small else shape, cache, entry, progress)


def _own(split: Split, shape: Shape) -> Shape:
    """Return the shape of a set at its images' own size, if all have one that is small enough; else the given one."""

    def look(i: int) -> int:
        try:
            return side(split.read(i))
        except (OSError, ValueError):  # named with the others when they are decoded
            return 0

    first = look(0)
    if 0 < first <= SMALL * shape.preprocessing.size and set(_each(look, split)) == {first}:
        return _at(shape, first)
    return shape


def _at(shape: Shape, size: int) -> Shape:
    """Return the shape of a set at its images' own size."""
    if size == shape.preprocessing.size:
        return shape
    return dataclasses.replace(shape, preprocessing=Preprocessing(size, jpeg=shape.preprocessing.jpeg))


def images_digest(split: Split) -> str:
    """Return the digest of `Pixels`: of the encoded images, or arrays, in order; none is decoded.

    Raises:
        DataError: images that cannot be read; the message names up to ten.
    """
    return _digests(split)[0]


def _digests(split: Split) -> tuple[str, np.ndarray]:
    return _digest(list(_each(lambda i: hashlib.sha256(_raw(split, i)).digest(), split)))


def _settled(split: Split, shape: Shape, cache: Path, entry: Path | None, progress: Progress) -> Pixels:
    """Return the pixels named by the images' content, decoding them if nobody has, and note the short way to them."""
    digest, each = _digests(split)
    key = hashlib.sha256(f"{digest} {shape.text}".encode()).hexdigest()[:32]
    with room(cache):
        for folder in (cache / "index", cache / "locks"):
            folder.mkdir(parents=True, exist_ok=True)
        with lock(cache, key):
            array = open_array(cache, key, shape)
            if array is None:
                sweep(cache, key)
                build(cache, key, shape, _decoded(split, shape, progress))
                array = open_array(cache, key, shape)
            if entry:
                noted = {"key": key, "digest": digest, "size": shape.preprocessing.size, "each": each.tobytes().hex()}
                with appearing(cache, key, entry) as file:
                    file.write(json.dumps(noted).encode())
    assert array is not None
    return Pixels(array, digest, each)


def _known(cache: Path, entry: Path, shape: Shape) -> Pixels | None:
    """Return the pixels that an index entry leads to, or None if it is absent or leads nowhere."""
    try:
        found = json.loads(entry.read_bytes())
        key, digest, size = str(found["key"]), str(found["digest"]), int(found["size"])
        each = np.frombuffer(bytes.fromhex(found["each"]), np.uint64)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    array = open_array(cache, key, _at(shape, size))
    return None if array is None or len(each) != shape.count else Pixels(array, digest, each)


def _decoded(split: Split, shape: Shape, progress: Progress) -> Iterator[np.ndarray]:
    """Yield the images in order, decoded."""

    def work(i: int) -> np.ndarray:
        return decode(split.read(i), shape.preprocessing, split.upright)

    for done, image in enumerate(_each(work, split), start=1):
        yield image
        progress(done, len(split))


def _each(work: Callable[[int], T], split: Split) -> Iterator[T]:
    """Yield `work(i)` for every example in order, on all cores, with few results waiting at any time.

    Raises:
        DataError: after the last example, naming those that could not be read.
    """
    waiting: deque[Future[T]] = deque()
    bad: list[str] = []
    workers = cores()
    pool, ahead = ThreadPoolExecutor(workers), 4 * workers
    try:
        for i in range(-ahead, len(split)):
            if i + ahead < len(split):
                waiting.append(pool.submit(work, i + ahead))
            if i < 0:
                continue
            try:
                result = waiting.popleft().result()
            except (OSError, ValueError) as error:
                bad.append(f"{_name(split, i)}: {getattr(error, 'strerror', None) or error}")
                if len(bad) == NAMED:
                    break
            else:
                if not bad:
                    yield result
    finally:
        pool.shutdown(cancel_futures=True)
    if bad:
        count = "an image" if len(bad) == 1 else f"{len(bad)} images" if len(bad) < NAMED else f"{NAMED} or more images"
        raise DataError(f"{count} cannot be read; replace them or take them off the lists:\n  " + "\n  ".join(bad))


def _name(split: Split, i: int) -> str:
    """Return what an example is called in messages: its file, or its key and the file that holds all."""
    if len(split.files) == len(split):
        return str(split.files[i])
    return f"{split.keys[i]} in {split.files[0]}" if len(set(split.files)) == 1 else split.keys[i]


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _raw(split: Split, i: int) -> bytes:
    """Return what the digests are over: an example's encoded bytes, or the shape and bytes of its array."""
    data = split.read(i)
    return data if isinstance(data, bytes) else f"{data.shape}".encode() + data.tobytes()


def _digest(digests: list[bytes]) -> tuple[str, np.ndarray]:
    """Return the digest of all and the beginning of each."""
    joined = b"".join(digests)
    return hashlib.sha256(joined).hexdigest(), np.frombuffer(joined, np.uint64)[::4].copy()


def _fingerprint(split: Split, shape: Shape, small: bool) -> str:
    """Return a digest of the files as the disk lists them, what of them is read and the keys; no image is opened.

    With a file for each example the files come in the examples' order; where a file holds many, the keys say which.
    """
    lines = [f"{shape.text} small" if small else shape.text]
    for path in split.files if len(split.files) == len(split) else dict.fromkeys(split.files):
        try:
            seen = path.stat()
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from None
        lines.append(f"{path.absolute()}\t{seen.st_size}\t{seen.st_mtime_ns}\t{seen.st_ctime_ns}")
    text = "\n".join([*lines, split.content, *split.keys])
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
