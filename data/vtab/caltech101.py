"""Caltech-101: photographs of 101 kinds of objects, and a class of other images (Fei-Fei et al., 2004)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..official import DataSet, Examples
from ..task import DataError
from .files import plain

CLASSES = (
    *("accordion", "airplanes", "anchor", "ant", "BACKGROUND_Google", "barrel", "bass", "beaver", "binocular"),
    *("bonsai", "brain", "brontosaurus", "buddha", "butterfly", "camera", "cannon", "car_side", "ceiling_fan"),
    *("cellphone", "chair", "chandelier", "cougar_body", "cougar_face", "crab", "crayfish", "crocodile"),
    *("crocodile_head", "cup", "dalmatian", "dollar_bill", "dolphin", "dragonfly", "electric_guitar", "elephant"),
    *("emu", "euphonium", "ewer", "Faces", "Faces_easy", "ferry", "flamingo", "flamingo_head", "garfield", "gerenuk"),
    *("gramophone", "grand_piano", "hawksbill", "headphone", "hedgehog", "helicopter", "ibis", "inline_skate"),
    *("joshua_tree", "kangaroo", "ketch", "lamp", "laptop", "Leopards", "llama", "lobster", "lotus", "mandolin"),
    *("mayfly", "menorah", "metronome", "minaret", "Motorbikes", "nautilus", "octopus", "okapi", "pagoda", "panda"),
    *("pigeon", "pizza", "platypus", "pyramid", "revolver", "rhino", "rooster", "saxophone", "schooner", "scissors"),
    *("scorpion", "sea_horse", "snoopy", "soccer_ball", "stapler", "starfish", "stegosaurus", "stop_sign"),
    *("strawberry", "sunflower", "tick", "trilobite", "umbrella", "watch", "water_lilly", "wheelchair", "wild_cat"),
    *("windsor_chair", "wrench", "yin_yang"),
)
"""The owners' folders, sorted as if they were in small letters."""


@dataclass(frozen=True)
class Caltech101(DataSet):
    """9,144 JPEG files in a folder per class; a key is folder and file: Faces/image_0001.jpg.

    Odd: the owners publish no splits. tensorflow-datasets drew 30 images of each class for train, in the order in
    which the file system of the machine it ran on happened to list them.
    """

    names: ClassVar[tuple[str, ...]] = ("caltech101", "caltech-101", "101_ObjectCategories")
    builder: ClassVar[str] = "caltech101:3.0.2"
    counts: ClassVar[Mapping[str, int]] = {"train": 3060, "test": 6084}
    val: ClassVar[str] = "train[2754:2954]"
    terms: ClassVar[str] = "CC BY 4.0: https://data.caltech.edu/records/mzrjq-6wc02"
    by_hand: ClassVar[str] = (
        "`make data TASK=vtab_caltech101 SOURCE=tfds DATA=<data folder>` has tensorflow-datasets prepare it with "
        "TensorFlow, which downloads the images itself"
    )
    inexact: ClassVar[str] = (
        "which images of Caltech101 are in train and test depends on the order in which a disk listed them when "
        "tensorflow-datasets drew them, which the owners' files do not tell; read a folder that it prepared "
        "(source=tfds; one prepared on another machine may differ) or a copy in the vtab-1k layout (source=folder)"
    )

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        return self.inexact

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        raise DataError(self.inexact)

    def key(self, features: Mapping[str, Any]) -> str:  # noqa: D102
        return f"{CLASSES[int(features['label'])]}/{plain(features['image/file_name'])}"

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])
