"""CLEVR: rendered scenes of three to ten simple objects (Johnson et al., 2017)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ..official import DataSet, Examples, Remote
from ..task import DataError
from .arrays import held
from .files import inside, lacking, plain

PARTS = {"train": "train", "validation": "val"}
"""Split: what the files call it. The test images have no published scenes, so VTAB does not use them."""
DEPTHS = np.array([0, 8, 8.5, 9, 9.5, 10, 100], np.float32)
"""Class i is a closest object deeper than the i-th of these."""


@dataclass(frozen=True)
class Clevr(DataSet):
    """85,000 PNG files of 480 x 320 with a description of each scene; a key is the file name.

    Odd: VTAB's val is a slice of train, its test is the whole validation split. Nothing has fewer than three
    objects, so class 0 of the count is three. Depths are compared as 32-bit numbers, as VTAB did.

    Attributes:
        task: what is predicted, the count of objects (8 classes) or the distance of the closest one (6).
    """

    names: ClassVar[tuple[str, ...]] = ("clevr", "CLEVR_v1.0", "CLEVR")
    builder: ClassVar[str] = "clevr:3.1.0"
    counts: ClassVar[Mapping[str, int]] = {"train": 70000, "validation": 15000}
    val: ClassVar[str] = "train[63000:63200]"
    test: ClassVar[str] = "validation"
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            urls=("https://dl.fbaipublicfiles.com/clevr/CLEVR_v1.0.zip",),
            name="CLEVR_v1.0.zip",
            digest="sha256:5cd61cf1096ed20944df93c9adb31e74d189b8459a94f54ba00090e5c59936d1",
            size=19021600724,
        ),
    )
    terms: ClassVar[str] = "CC BY 4.0: https://cs.stanford.edu/people/jcjohns/clevr/"
    task: Literal["count", "distance"]

    def __post_init__(self) -> None:
        if self.task not in ("count", "distance"):
            raise DataError(f"task {self.task!r} of CLEVR, expected count or distance")

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        names = [name for part in PARTS.values() for name in (f"images/{part}", _scenes_file(part))]
        return lacking(inside(folder, "CLEVR_v1.0"), names, "CLEVR 1.0")

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        top, part = inside(folder, "CLEVR_v1.0"), PARTS[split]
        scenes = held(_scenes, top / _scenes_file(part))()
        keys = [name for name, _ in scenes]
        files = tuple(top / "images" / part / name for name in keys)
        labels = np.array([self._rule(depths) for _, depths in scenes], np.int64)
        return Examples(keys, labels, lambda i: files[i].read_bytes(), files)

    def key(self, features: Mapping[str, Any]) -> str:  # noqa: D102
        return plain(features["file_name"])

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return self._rule(np.asarray(features["objects"]["pixel_coords"])[:, 2])

    def known_keys(self, split: str) -> list[str]:
        """Return the keys of a split, which follow from its size."""
        return [f"CLEVR_{PARTS[split]}_{i:06}.png" for i in range(self.counts[split])]

    def _rule(self, depths: Sequence[float] | np.ndarray) -> int:
        return count(depths) if self.task == "count" else distance(depths)


def count(depths: Sequence[float] | np.ndarray) -> int:
    """Return the class of a scene by its number of objects: 0 for three, 7 for ten."""
    return len(depths) - 3


def distance(depths: Sequence[float] | np.ndarray) -> int:
    """Return the class of a scene by the depth of its closest object: the last of `DEPTHS` below it."""
    return int(np.searchsorted(DEPTHS, np.float32(min(depths)), side="left")) - 1


def _scenes_file(part: str) -> str:
    return f"scenes/CLEVR_{part}_scenes.json"


def _scenes(path: Path) -> list[tuple[str, list[float]]]:
    """Return image name and depths of the objects of each scene; nothing else of the large file stays in memory."""
    try:
        with path.open(encoding="utf-8") as file:
            scenes = json.load(file, object_hook=_reduced)
        if not isinstance(scenes, list) or not all(isinstance(scene, tuple) for scene in scenes):
            raise ValueError("no list of scenes")
        return scenes
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path}: no scenes of CLEVR ({error!r:.200})") from None


def _reduced(found: dict[str, Any]) -> Any:
    """Return what is needed of an object (its depth), of a scene (name and depths), of the file (the scenes)."""
    if "pixel_coords" in found:
        return float(found["pixel_coords"][2])
    if "objects" in found:
        return str(found["image_filename"]), found["objects"]
    return found.get("scenes")
