"""What a copy of a data set is worth: the official examples, NOAH's re-encoded export of them, or a folder of its own.

Numbers on different flavours are not comparable: the JPEG export changes CIFAR-100 by ten points. NOAH's exporter
(data/vtab-source/get_vtab1k.py in its repository) saves every decoded image through PIL's default JPEG encoder.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from PIL import Image, JpegImagePlugin

from .digests import insist
from .folder import ListFolder
from .task import Source, Split, Task

NOAH = "noah-jpeg"
OFFICIAL = "official"
UNCONFIRMED = f"{OFFICIAL}, not yet confirmed"
EXPORTED = re.compile(r"images/(train800|val200|train800val200|test)/\d{6}\.jpg")
"""What NOAH's exporter calls the images."""
LOOKED_AT = 3
"""Images of each split whose encoding is looked at."""
SUBSAMPLED = 2
"""PIL's number for 4:2:0: colours at half the resolution, in both directions."""


def described(task: Task, source: Source, splits: Mapping[str, Split]) -> dict[str, Any]:
    """Return {"flavour": how tables call the images}, for official sources what is confirmed, for NOAH's that they are.

    Of training sets other than VTAB's nothing is known; the test images tell whose they are.

    Args:
        task: what the images are for.
        source: where they were read.
        splits: all of them, train among them.

    Raises:
        DataError: an official source gave other examples than are known to be the task's.
    """
    if source.official:
        states = {name: insist(task, source, name, split) for name, split in splits.items()}
        judged = {state for name, state in states.items() if name == "test" or not source.sample}
        return {"flavour": OFFICIAL if judged == {"confirmed"} else UNCONFIRMED, "confirmed": states}
    if all(_exported(split) for split in splits.values()):
        return {"flavour": NOAH, "exported": True}  # names and labels may be those of a better copy
    own = f" {splits['train'].digest[:8]}" if isinstance(source, ListFolder) else ""
    return {"flavour": source.name + own}


def _exported(split: Split) -> bool:
    """Whether a split has the names and the encoding of NOAH's export, as far as its first images tell."""
    first = range(min(LOOKED_AT, len(split)))
    return all(map(EXPORTED.fullmatch, split.keys)) and all(_default_jpeg(split, i) for i in first)


def _default_jpeg(split: Split, i: int) -> bool:
    """Whether PIL wrote this image with its default settings: quality 75, 4:2:0."""
    data = split.read(i)
    try:
        with Image.open(io.BytesIO(data if isinstance(data, bytes) else b""), formats=("JPEG",)) as image:
            tables = {number: list(table) for number, table in image.quantization.items()}  # type: ignore[attr-defined]
            return tables == _default_tables() and JpegImagePlugin.get_sampling(image) == SUBSAMPLED
    except (OSError, ValueError, SyntaxError):  # whatever it is, no such JPEG; it is reported when it is decoded
        return False


@lru_cache(maxsize=1)
def _default_tables() -> dict[int, list[int]]:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG")
    file.seek(0)
    with Image.open(file) as image:
        return {number: list(table) for number, table in image.quantization.items()}  # type: ignore[attr-defined]
