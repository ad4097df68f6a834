"""The examples of one split: what they are called, their labels, and how to read them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Split:
    """The examples of one split, in order.

    Attributes:
        keys: what names each example, unique within the split (a path in the folder layout).
        labels: int64, shape (n,).
        read: index -> encoded image bytes (anything PIL opens) or a uint8 array (height, width, 3).
        files: the file behind each example, for messages and the cache's fingerprint; empty if there is none.
        places: for messages, where each label is stated, such as train.txt:12; empty if the keys say enough.
        upright: whether to turn images as their EXIF orientation says; the official VTAB decoders ignore it.
        repeated: lines of its list that name an image again and were left out.
        content: what of its files is read, such as a column, where they hold several images of each example.
    """

    keys: tuple[str, ...]
    labels: np.ndarray
    read: Callable[[int], bytes | np.ndarray]
    files: tuple[Path, ...] = ()
    places: tuple[str, ...] = ()
    upright: bool = False
    repeated: int = 0
    content: str = ""

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, chosen: np.ndarray) -> Split:
        """Return some of the examples, by their places, in that order."""
        places = [int(i) for i in chosen]
        return dataclasses.replace(
            self,
            keys=tuple(self.keys[i] for i in places),
            labels=self.labels[places],
            read=lambda i: self.read(places[i]),
            files=tuple(self.files[i] for i in places) if len(self.files) == len(self) else self.files,
            places=tuple(self.places[i] for i in places) if self.places else (),
        )

    @property
    def digest(self) -> str:
        """sha256 over the sorted (key, label) pairs: equal for the same examples in any order."""
        return _digest(sorted(zip(self.keys, self.labels.tolist(), strict=True)))

    @property
    def order(self) -> str:
        """sha256 over the (key, label) pairs as they come."""
        return _digest(zip(self.keys, self.labels.tolist(), strict=True))


def places(part: Split, whole: Split) -> slice | np.ndarray | None:
    """Return where the examples of a split are among others: a slice if they are in a row; None if some are not."""
    where = {key: i for i, key in enumerate(whole.keys)}
    found = np.array([where.get(key, -1) for key in part.keys])
    if found.min() < 0:
        return None
    in_a_row = np.array_equal(found, np.arange(found[0], found[0] + len(found)))
    return slice(int(found[0]), int(found[-1]) + 1) if in_a_row else found


def _digest(pairs: Iterable[tuple[str, int]]) -> str:
    text = "".join(f"{key}\t{label}\n" for key, label in pairs)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def joined(first: Split, second: Split) -> Split:
    """Return the examples of two splits, one after the other."""
    size = len(first)
    return Split(
        keys=first.keys + second.keys,
        labels=np.concatenate([first.labels, second.labels]),
        read=lambda i: first.read(i) if i < size else second.read(i - size),
        files=first.files + second.files,
        places=first.places + second.places,
        upright=first.upright,
        content=first.content,
    )
