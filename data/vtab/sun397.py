"""SUN397: photographs of 397 kinds of scenes (Xiao et al., 2010)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from ..official import DataSet, Examples
from ..task import DataError
from .files import lines, plain

PARTS = {"train": "tr", "validation": "va", "test": "te"}
"""Split: what the lists of tensorflow-datasets call it."""


@dataclass(frozen=True)
class SUN397(DataSet):
    """108,753 images; a key is the path in the owners' archive: /a/abbey/sun_aaaulhwrhqgejnyt.jpg.

    Odd: VTAB uses none of the owners' ten divisions but one by tensorflow-datasets, which also shrank every image
    to at most 120,000 pixels and encoded it anew as JPEG. Since 2021 it leaves out one image that it cannot decode,
    number 66,481 of train: folders prepared later have 76,127 there, with the same slices.
    """

    names: ClassVar[tuple[str, ...]] = ("sun397", "SUN397")
    builder: ClassVar[str] = "sun397/tfds:4.0.0"
    counts: ClassVar[Mapping[str, int]] = {"train": 76128, "validation": 10875, "test": 21750}
    newer_counts: ClassVar[Mapping[str, int]] = {"train": 76127}
    val: ClassVar[str] = "validation[:200]"
    preparing: ClassVar[tuple[str, ...]] = ("tensorflow", "cv2")
    terms: ClassVar[str] = "Princeton University, for research: https://vision.princeton.edu/projects/2010/SUN/"
    by_hand: ClassVar[str] = (
        "the owners no longer serve SUN397.tar.gz (39,077,296,924 bytes, sha256 "
        "f404130965a7ad77bed5ececc71e720ab50f3cc1e1bb257257610d38f3b928ec) and Partitions.zip (18,293,705 bytes, "
        "sha256 e3311ea5f812d4cc6faef194688343d1111f6cd6f70f2c62f393c2b8d6ba1ec9): ask who still has them, put both "
        "into <data folder>/tensorflow_datasets/downloads/manual, then `make data TASK=vtab_sun397 SOURCE=tfds`"
    )
    inexact: ClassVar[str] = (
        "VTAB's images of SUN397 were shrunk and encoded anew by tensorflow-datasets, which the owners' files cannot "
        "give bit for bit; read a folder that it prepared (source=tfds) or a copy in the vtab-1k layout (source=folder)"
    )

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        return self.inexact

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        raise DataError(self.inexact)

    def key(self, features: Mapping[str, Any]) -> str:  # noqa: D102
        return plain(features["file_name"])

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])

    def known_keys(self, split: str) -> list[str] | None:
        """Return the keys of a split, which tensorflow-datasets lists in its package; None if that is not there."""
        package = find_spec("tensorflow_datasets")
        if package is None or package.origin is None:
            return None
        return lines(Path(package.origin).parent / "image_classification" / f"sun397_tfds_{PARTS[split]}.txt")
