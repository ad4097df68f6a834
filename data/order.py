"""The order tensorflow-datasets gives a split: by the md5 of its name and each example's key.

Source: tensorflow-datasets 4.9.10, core/hashing.py and core/shuffle.py; compared with orders that it prepared itself in
tests/data/test_order.py. VTAB takes its images from the front of that order, so it decides which images they are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from .task import DataError

Key = str | int | bytes
"""What names an example: a number, a name, a path."""
SLICE = re.compile(r"(?P<split>\w+)(\[(?P<start>\d+%?)?:(?P<stop>\d+%?)?\])?")


def official_order(split: str, keys: Sequence[Key]) -> np.ndarray:
    """Return indices into `keys` in the official order of a split, int64, shape (n,).

    Position p holds the key whose md5 over `split` and key, read as a 128-bit number, is the p-th smallest. Numbers
    are hashed as their decimal digits, names as UTF-8 with / between folders.
    """
    return _order_of_numbers(split, keys) if isinstance(keys, range) else _order(split, keys)


@lru_cache(maxsize=8)
def _order_of_numbers(split: str, keys: range) -> np.ndarray:
    """Return the order of numbers; it depends on nobody's files, and dSprites has 737,280 of them."""
    order = _order(split, keys)
    order.flags.writeable = False
    return order


def _order(split: str, keys: Sequence[Key]) -> np.ndarray:
    start = hashlib.md5(split.encode(), usedforsecurity=False)
    hashes = []
    for key in keys:
        hashed = start.copy()
        hashed.update(_bytes(key))
        hashes.append(hashed.digest())
    halves = np.frombuffer(b"".join(hashes), ">u8").reshape(-1, 2)
    return np.lexsort((halves[:, 1], halves[:, 0]))


def _bytes(key: Key) -> bytes:
    return key if isinstance(key, bytes) else str(key).replace("\\", "/").encode()


def slice_of(text: str, counts: Mapping[str, int]) -> tuple[str, int, int]:
    """Return (split, start, stop) of a slice such as "train[16200:16400]", "test[50%:]" or "test".

    Args:
        text: in the syntax of tensorflow-datasets.
        counts: number of examples of each split.
    """
    match = SLICE.fullmatch(text)
    if match is None or match["split"] not in counts:
        raise DataError(f"slice {text!r}, expected one such as train[:800] of {', '.join(counts)}")
    count = counts[match["split"]]
    start, stop = _place(match["start"] or "0", count), _place(match["stop"] or str(count), count)
    if not 0 <= start < stop <= count:
        raise DataError(f"slice {text!r} lies outside of {match['split']}, which has {count} examples")
    return match["split"], start, stop


def _place(text: str, count: int) -> int:
    return round(int(text[:-1]) * count / 100) if text.endswith("%") else int(text)
