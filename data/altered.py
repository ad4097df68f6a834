"""Which images of a split were changed: each one's digest beside the one it had when the split was confirmed.

`splits/images.npz` keeps, of splits whose images are confirmed, the first 64 bits of every image's sha256, in order;
scripts/pin_digests.py writes it. It is opened only where the digest of all images of a split contradicts what is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from .every import NAMED, images_digest, name_of
from .official import Remote
from .split import Split

IMAGES = Path(__file__).parent / "splits" / "images.npz"
LEVELS, SHOWN = 3, 16
"""Folders from that of the images upwards in which lists lie; digits of a digest in a message."""
WHOLE = {"trainval": ("train", "val")}
"""Splits that are others in a row and are not kept twice."""


def altered(task: str, line: str, split: Split) -> list[str]:
    """Return a line for each image that is not what it was: its file, and the digests expected and found.

    Args:
        task: the task's name.
        line: the split as the table of digests calls it, such as "train/3".
        split: what was read.

    Returns:
        At most as many lines as one message has room for, and one that counts the others; none where single images are
        not known.

    Raises:
        DataError: images that cannot be read.
    """
    due = expected(task, line)
    if due is None or len(due) != len(split):
        return []
    found = images_digest(split)[1]
    wrong = np.flatnonzero(found != due).tolist()
    lines = [f"{name_of(split, i)}: sha256 {_hex(found[i])}, expected {_hex(due[i])}" for i in wrong[:NAMED]]
    return lines + ([f"and {len(wrong) - NAMED} more of {len(split)}"] if len(wrong) > NAMED else [])


def altered_lists(lists: Iterable[Remote], split: Split) -> list[str]:
    """Return a line for each file beside a split's images, or above them, that is not what its owners publish."""
    folders = split.files[0].parents[:LEVELS] if split.files else ()
    lines = []
    for remote in lists:
        kind, _, due = remote.digest.partition(":")
        for path in (folder / remote.name for folder in folders if (folder / remote.name).is_file()):
            if (found := hashlib.new(kind, path.read_bytes()).hexdigest()) != due:
                lines.append(f"{path}: {kind} {found[:SHOWN]}, expected {due[:SHOWN]}")
    return lines


def expected(task: str, line: str) -> np.ndarray | None:
    """Return the beginning of each image's digest, None where they are not known."""
    name, slash, sample = line.partition("/")
    parts = [known().get(f"{task}/{part}{slash}{sample}") for part in WHOLE.get(name, (name,))]
    return None if any(part is None for part in parts) else np.concatenate([p for p in parts if p is not None])


def known() -> Mapping[str, np.ndarray]:
    """Return what is known of single images, by task and split."""
    return _read(IMAGES)


@lru_cache(maxsize=4)
def _read(path: Path) -> Mapping[str, np.ndarray]:
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _hex(start: np.uint64) -> str:
    """Return the beginning of a digest as tools for sha256 print it."""
    return start.tobytes().hex()
