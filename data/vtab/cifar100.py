"""CIFAR-100: 100 kinds of objects in images of 32 x 32 pixels (Krizhevsky, 2009)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..official import DataSet, Examples, Remote
from ..task import DataError
from .arrays import number
from .files import inside, lacking

RECORD = np.dtype([("coarse", "u1"), ("label", "u1"), ("image", "u1", (3, 32, 32))])
"""One example of the binary version: two labels, then all red, all green, all blue values."""


@dataclass(frozen=True)
class CIFAR100(DataSet):
    """60,000 images in two files of the binary version; a key is an image's number in its file.

    Odd: the version for Python is a pickle, which may run code when it is opened, so it is not read. The label is the
    fine one of 100, not the coarse one of 20.
    """

    names: ClassVar[tuple[str, ...]] = ("cifar100", "cifar-100-binary", "cifar")
    builder: ClassVar[str] = "cifar100:3.0.2"
    counts: ClassVar[Mapping[str, int]] = {"train": 50000, "test": 10000}
    val: ClassVar[str] = "train[45000:45200]"
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            urls=("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",),
            name="cifar-100-binary.tar.gz",
            digest="sha256:58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            size=168513733,
        ),
    )
    terms: ClassVar[str] = "Alex Krizhevsky, University of Toronto: https://www.cs.toronto.edu/~kriz/cifar.html"
    encoded: ClassVar[bool] = False

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        what = "CIFAR-100's binary version (the one for Python is a pickle and is not read)"
        return lacking(inside(folder, "cifar-100-binary"), ("train.bin", "test.bin"), what)

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        path = inside(folder, "cifar-100-binary") / f"{split}.bin"
        try:
            records = np.memmap(path, RECORD, "r")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or f"{path.stat().st_size} bytes, expected records of 3074"
            raise DataError(f"{path}: {reason}") from None
        images = records["image"]
        return Examples(
            keys=range(len(records)),
            labels=records["label"].astype(np.int64),
            read=lambda i: np.ascontiguousarray(images[i].transpose(1, 2, 0)),
            files=(path,),
        )

    def key(self, features: Mapping[str, Any]) -> int | None:  # noqa: D102
        return number(features)

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])

    def numbers(self, split: str) -> range:  # noqa: D102
        return range(self.counts[split])
