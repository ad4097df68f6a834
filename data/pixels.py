"""Every image decoded once: a uint8 array on disk, named by the images' content, shared by tasks, methods and seeds.

Below the cache folder lie `<key>.npy`, the pixels of one ordered set of images, and `index/<fingerprint>.json`, which
leads from the examples' names and their files as they lie on disk (path, size, times) to a key, so that a warm start
opens no image. Both appear by renaming a finished file; a lock per key makes one process decode while its twins wait.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .cache import Shape, appearing, build, checksum, damage, lock, open_array, room, sweep
from .decode import Preprocessing, decode, side
from .every import each, images_digest, of_all, raw
from .task import DataError, Split
from .unfinished import Listener

SMALL = 0.5
"""Images are kept at their own size up to this part of the side they are enlarged to: a quarter of the room."""


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
    listener: Listener | None = None,
    *,
    small: bool = False,
) -> Pixels:
    """Return a split's images as a square uint8 array, decoding only what the cache does not hold.

    Args:
        split: the examples.
        preprocessing: what becomes of an image.
        cache: folder for decoded images; made if absent.
        listener: is told how many images are decoded, and of a cache file that was damaged and is made anew.
        small: leave it to `Batches.enlarged` to enlarge images that are squares of one size, half of that asked for or
            less; at 64 pixels instead of 224 they take a twelfth of the room and are the same in the end.

    Raises:
        DataError: images that cannot be read (the message names up to ten), or no room for the cache.
    """
    small = small and preprocessing.enlarges_later
    shape = Shape(len(split), preprocessing, split.upright)
    if not split.files and preprocessing.keeps(split.read(0)):
        array = np.stack([np.asarray(split.read(i)) for i in range(len(split))])
        return Pixels(array, *of_all([hashlib.sha256(raw(split, i)).digest() for i in range(len(split))]))
    cache = cache.expanduser()
    entry = cache / "index" / f"{_fingerprint(split, shape, small)}.json" if split.files else None
    if entry and (known := _known(cache, entry, shape)):
        return known
    return _settled(split, _own(split, shape) if small else shape, cache, entry, listener or Listener())


def _own(split: Split, shape: Shape) -> Shape:
    """Return the shape of a set at its images' own size, if all have one that is small enough; else the given one."""

    def look(i: int) -> int:
        try:
            return side(split.read(i))
        except (OSError, ValueError):  # named with the others when they are decoded
            return 0

    first = look(0)
    if 0 < first <= SMALL * shape.preprocessing.size and set(each(look, split)) == {first}:
        return _at(shape, first)
    return shape


def _at(shape: Shape, size: int) -> Shape:
    """Return the shape of a set at its images' own size."""
    if size == shape.preprocessing.size:
        return shape
    return dataclasses.replace(shape, preprocessing=Preprocessing(size, jpeg=shape.preprocessing.jpeg))


def _settled(split: Split, shape: Shape, cache: Path, entry: Path | None, listener: Listener) -> Pixels:
    """Return the pixels named by the images' content, decoding them if nobody has, and note the short way to them."""
    digest, each = images_digest(split)
    key = _key(digest, shape)
    with room(cache, shape.nbytes_on_disk):
        for folder in (cache / "index", cache / "locks"):
            folder.mkdir(parents=True, exist_ok=True)
        with lock(cache, key):
            array, why = _sound(cache, key, shape)
            if array is None:
                if why:
                    listener.remark(f"{why}; its {shape.count} images are decoded anew")
                sweep(cache, key)
                build(cache, key, shape, _decoded(split, shape, listener))
                array = open_array(cache, key, shape)
            if entry:
                with appearing(cache, key, entry) as file:
                    file.write(_noted(digest, each, shape))
    assert array is not None
    return Pixels(array, digest, each)


def _sound(cache: Path, key: str, shape: Shape) -> tuple[np.ndarray | None, str | None]:
    """Return a cache file's array, or None and what is wrong with it, if it is there at all."""
    array = open_array(cache, key, shape)
    why = None if array is None else damage(cache, key, shape, array)
    return (None, why) if why else (array, None)


def _key(digest: str, shape: Shape) -> str:
    return hashlib.sha256(f"{digest} {shape.text}".encode()).hexdigest()[:32]


def _noted(digest: str, each: np.ndarray, shape: Shape) -> bytes:
    """Return an index entry."""
    noted = {"digest": digest, "size": shape.preprocessing.size, "each": each.tobytes().hex()}
    return json.dumps(noted | {"sum": zlib.crc32(each.tobytes())}).encode()


def _known(cache: Path, entry: Path, shape: Shape) -> Pixels | None:
    """Return the pixels that an index entry leads to, or None if it is absent, damaged or leads nowhere."""
    try:
        found = json.loads(entry.read_bytes())
        digest, own = str(found["digest"]), _at(shape, int(found["size"]))
        each = np.frombuffer(bytes.fromhex(found["each"]), np.uint64)
        whole = len(each) == shape.count and zlib.crc32(each.tobytes()) == found["sum"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    array = _sound(cache, _key(digest, own), own)[0] if whole else None
    return None if array is None else Pixels(array, digest, each)


def _decoded(split: Split, shape: Shape, listener: Listener) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the images in order, decoded, with their checksums."""

    def work(i: int) -> tuple[np.ndarray, int]:
        image = decode(split.read(i), shape.preprocessing, split.upright)
        return image, checksum(image)

    for done, image in enumerate(each(work, split), start=1):
        yield image
        listener.advance("decoding images", done, len(split))


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
