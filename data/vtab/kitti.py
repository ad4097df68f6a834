"""KITTI: photographs from a car in traffic, with the place of every object around it (Geiger et al., 2012)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ..official import DataSet, Examples, Remote
from ..task import DataError
from .files import inside, lacking, lines, plain

VEHICLES = ("Car", "Van", "Truck")
"""The first three of the types; tensorflow-datasets calls them 0, 1 and 2."""
DEPTHS = np.array([-100, 8, 20, 999], np.float32)
"""Class i is a closest vehicle further away, in metres, than the i-th of these."""
NO_VEHICLE = 1000.0
URL = "https://s3.eu-central-1.amazonaws.com/avg-kitti/"
LISTS = ("mapping/train_rand.txt", "mapping/train_mapping.txt")


def _remote(name: str, digest: str, size: int) -> Remote:
    return Remote((URL + name,), name, f"sha256:{digest}", size)


@dataclass(frozen=True)
class Kitti(DataSet):
    """7,481 PNG files with a text file of objects each; a key is the file name: 000017.png.

    Odd: the owners publish no labels of their test images, so tensorflow-datasets divides the training images, video
    by video: a tenth of the videos, drawn with a fixed seed, is its test split, a tenth its validation split. Which
    video an image is from is in the owners' development kit. With any other kit the splits would have other sizes,
    which are checked. The label is the distance of the closest vehicle: up to 8 m, up to 20 m, beyond, no vehicle.
    tensorflow-datasets encodes the images anew, without loss, so it is their pixels that are the same everywhere.
    """

    names: ClassVar[tuple[str, ...]] = ("kitti", "KITTI", "Kitti")
    builder: ClassVar[str] = "kitti:3.3.0"
    counts: ClassVar[Mapping[str, int]] = {"train": 6347, "validation": 423, "test": 711}
    val: ClassVar[str] = "validation[:200]"
    remotes: ClassVar[tuple[Remote, ...]] = (
        _remote(
            "data_object_image_2.zip", "351c5a2aa0cd9238b50174a3a62b846bc5855da256b82a196431d60ff8d43617", 12569945557
        ),
        _remote("data_object_label_2.zip", "4efc76220d867e1c31bb980bbf8cbc02599f02a9cb4350effa98dbb04aaed880", 5601213),
        _remote("devkit_object.zip", "ce0b76b69c0c5f89690a0d65b7302bbbdb962a0c7e8aba6efc7050d1b04b4cf1", 63794),
    )
    preparing: ClassVar[tuple[str, ...]] = ("tensorflow", "cv2")
    terms: ClassVar[str] = "CC BY-NC-SA 3.0: https://www.cvlibs.net/datasets/kitti/"
    encoded: ClassVar[bool] = False

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        top = inside(folder, "raw")
        needed = ("training/image_2", "training/label_2")
        reason = lacking(top, needed, "KITTI's object images and labels")
        return reason or lacking(_kit(top), LISTS, "KITTI's devkit_object.zip")

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        top = inside(folder, "raw")
        names = [f"{number:06}" for number in divided(_videos(_kit(top)))[split]]
        files = tuple(top / "training" / "image_2" / f"{name}.png" for name in names)
        labels = [labelled(top / "training" / "label_2" / f"{name}.txt") for name in names]
        return Examples([path.name for path in files], np.array(labels, np.int64), lambda i: _decoded(files[i]), files)

    def key(self, features: Mapping[str, Any]) -> str:  # noqa: D102
        return plain(features["image/file_name"])

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        objects = features["objects"]
        places = np.asarray(objects["location"], np.float32).reshape(-1, 3)
        return closest(places[np.asarray(objects["type"], np.int64).reshape(-1) < len(VEHICLES), 2])


def closest(depths: Iterable[float]) -> int:
    """Return the class of an image by the depths of its vehicles: the last of `DEPTHS` below the smallest."""
    return int(np.searchsorted(DEPTHS, np.float32(min([*depths, NO_VEHICLE])), side="left")) - 1


def labelled(path: Path) -> int:
    """Return the class of an image by its label file, one object a line: type, 12 numbers, depth in metres, angle."""
    rows = [line.split(" ") for line in lines(path)]
    try:
        return closest(float(row[13]) for row in rows if row[0] in VEHICLES)
    except (IndexError, ValueError):
        raise DataError(f"{path}: a line has not the 15 fields of one object") from None


def divided(videos: list[str]) -> dict[str, list[int]]:
    """Return the image numbers of each split.

    Args:
        videos: the video of each image, in the order of the images' numbers.
    """
    names, generator = sorted(set(videos)), np.random.RandomState(123)
    tenth = max(1, len(names) // 10)
    test = set(generator.choice(names, tenth, replace=False).tolist())
    validation = set(generator.choice([name for name in names if name not in test], tenth, replace=False).tolist())
    splits: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for number, video in enumerate(videos):
        splits["test" if video in test else "validation" if video in validation else "train"].append(number)
    return splits


def _kit(top: Path) -> Path:
    return inside(top, "devkit_object", "devkit")


def _videos(kit: Path) -> list[str]:
    """Return the video of each image: the first list has its line in the second, from 1 on; videos are word 2 there."""
    order, mapping = (kit / name for name in LISTS)
    rows = [line.split(" ") for line in lines(mapping)]
    try:
        return [rows[int(number) - 1][1] for number in ",".join(lines(order)).split(",")]
    except (IndexError, ValueError):
        raise DataError(f"{order} and {mapping.name} do not belong together, expected those of one kit") from None


def _decoded(path: Path) -> np.ndarray:
    with Image.open(path, formats=("PNG",)) as image:
        return np.asarray(image.convert("RGB"))
