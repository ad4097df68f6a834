"""EuroSAT, RGB: Sentinel-2 images of Europe, 10 kinds of land use (Helber et al., 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..official import DataSet, Examples, Remote

CLASSES = (
    *("AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial"),
    *("Pasture", "PermanentCrop", "Residential", "River", "SeaLake"),
)


@dataclass(frozen=True)
class EuroSAT(DataSet):
    """27,000 JPEG files of 64 x 64 pixels in a folder per class.

    Odd: there is one split only, so VTAB's val and test are slices of it; other releases' test sets are others. A key
    is the label and the file name: Forest_Forest_687.jpg.
    """

    names: ClassVar[tuple[str, ...]] = ("eurosat", "EuroSAT")
    builder: ClassVar[str] = "eurosat/rgb:2.0.0"
    counts: ClassVar[Mapping[str, int]] = {"train": 27000}
    val: ClassVar[str] = "train[16200:16400]"
    test: ClassVar[str] = "train[21600:]"
    remotes: ClassVar[tuple[Remote, ...]] = ()

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        absent = [name for name in CLASSES if not (_top(folder) / name).is_dir()]
        return f"{folder} lacks the folder {' and '.join(absent)} of EuroSAT's RGB images" if absent else None

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        found = [
            (f"{name}_{path.name}", label, path)
            for label, name in enumerate(CLASSES)
            for path in sorted((_top(folder) / name).glob("*.jpg"))
        ]
        files = tuple(path for _, _, path in found)
        labels = np.array([label for _, label, _ in found], np.int64)
        return Examples([key for key, _, _ in found], labels, lambda i: files[i].read_bytes(), files)

    def key(self, features: Mapping[str, Any], index: int) -> str:  # noqa: D102
        name = features["filename"]
        text = name.decode() if isinstance(name, bytes) else str(name)
        return f"{CLASSES[int(features['label'])]}_{text}"

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])


def _top(folder: Path) -> Path:
    """Return the folder of the class folders: the archive's own, or its content placed directly."""
    return folder / "2750" if (folder / "2750").is_dir() else folder
