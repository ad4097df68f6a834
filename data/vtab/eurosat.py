"""EuroSAT, RGB: Sentinel-2 images of Europe, 10 kinds of land use (Helber et al., 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..official import DataSet, Examples, Remote
from .files import inside, lacking, plain

CLASSES = (
    *("AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial"),
    *("Pasture", "PermanentCrop", "Residential", "River", "SeaLake"),
)

ARCHIVES = ("2750", "EuroSAT_RGB")
"""What the published archives call the folder of the classes."""


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
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            urls=(
                "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
                "http://madm.dfki.de/files/sentinel/EuroSAT.zip",
            ),
            name="EuroSAT.zip",
            digest="sha256:8ebea626349354c5328b142b96d0430e647051f26efc2dc974c843f25ecf70bd",
            size=94280567,
        ),
    )
    terms: ClassVar[str] = "German Research Center for AI, MIT licence: https://github.com/phelber/EuroSAT"

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        return lacking(inside(folder, *ARCHIVES), CLASSES, "EuroSAT's RGB images")

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        found = [
            (f"{name}_{path.name}", label, path)
            for label, name in enumerate(CLASSES)
            for path in sorted((inside(folder, *ARCHIVES) / name).glob("*.jpg"))
        ]
        files = tuple(path for _, _, path in found)
        labels = np.array([label for _, label, _ in found], np.int64)
        return Examples([key for key, _, _ in found], labels, lambda i: files[i].read_bytes(), files)

    def key(self, features: Mapping[str, Any]) -> str:  # noqa: D102
        return f"{CLASSES[int(features['label'])]}_{plain(features['filename'])}"

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])
