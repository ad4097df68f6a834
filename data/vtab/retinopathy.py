"""Diabetic Retinopathy Detection: photographs of eyes in five stages of a disease (Kaggle and EyePACS, 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..official import DataSet, Examples
from ..task import DataError
from .files import plain


@dataclass(frozen=True)
class Retinopathy(DataSet):
    """88,702 images; a key is patient and eye: 4_left.

    Odd: tensorflow-datasets scaled the eyes to a radius of 300 pixels, took away the local average colour, cut off
    the rim and encoded the result as JPEG of quality 72. Its validation split is the part of the contest's test
    images that counted for the public ranking, its test split the rest.
    """

    names: ClassVar[tuple[str, ...]] = ("diabetic_retinopathy_detection", "retinopathy", "diabetic_retinopathy")
    builder: ClassVar[str] = "diabetic_retinopathy_detection/btgraham-300:3.0.0"
    counts: ClassVar[Mapping[str, int]] = {"train": 35126, "validation": 10906, "test": 42670}
    val: ClassVar[str] = "validation[:200]"
    preparing: ClassVar[tuple[str, ...]] = ("tensorflow", "cv2")
    terms: ClassVar[str] = "rules of the contest: https://www.kaggle.com/c/diabetic-retinopathy-detection/rules"
    by_hand: ClassVar[str] = (
        "Kaggle gives the images to users who accepted the rules: log in at "
        "https://www.kaggle.com/c/diabetic-retinopathy-detection/data, download all files, join the parts "
        "(cat train.zip.* > train.zip, cat test.zip.* > test.zip), unpack them so that "
        "<data folder>/tensorflow_datasets/downloads/manual has the folders train, test and sample and the file "
        "trainLabels.csv, then `make data TASK=vtab_retinopathy SOURCE=tfds`"
    )
    inexact: ClassVar[str] = (
        "VTAB's images of Diabetic Retinopathy were processed and encoded anew by tensorflow-datasets, which the "
        "owners' files cannot give bit for bit; read a folder that it prepared (source=tfds) or a copy in the vtab-1k "
        "layout (source=folder)"
    )

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        return self.inexact

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        raise DataError(self.inexact)

    def key(self, features: Mapping[str, Any]) -> str:  # noqa: D102
        return plain(features["name"])

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])
