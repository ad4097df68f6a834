"""The suite `mini`, for a machine without data or downloads: scikit-learn's digits and six rendered tasks.

Pixels are the same to the bit everywhere (see render.py); tests pin their digests.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from .render import SIDE, Draws
from .scenes import SCENES
from .task import DataError, Source, Split

SIZES = {"train": 800, "val": 200, "test": 1000}
PARTS = {"train": slice(0, 800), "val": slice(800, 1000), "test": slice(1000, 1797)}
"""Of the 1,797 digits in scikit-learn's order."""


@dataclass(frozen=True)
class Rendered(Source):
    """A task painted on the spot; train, val and test are painted from different seeds.

    Attributes:
        generator: name of a scene in scenes.py.
    """

    generator: str
    name: ClassVar[str] = "rendered"

    def __post_init__(self) -> None:
        if self.generator not in SCENES:
            raise DataError(f"no scene called {self.generator!r}; there are {', '.join(SCENES)}")

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        return None

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        scene = SCENES[self.generator]
        labels = _draws(self.generator, name).labels(SIZES[name], scene.classes)
        keys = tuple(f"{name}/{index:06d}" for index in range(len(labels)))
        return Split(keys, labels.astype(np.int64), partial(_rendered, self.generator, name))


@dataclass(frozen=True)
class Digits(Source):
    """Handwritten digits as they come with scikit-learn, 8x8 pixels of 0 to 16, enlarged to 32x32."""

    name: ClassVar[str] = "sklearn"

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        if importlib.util.find_spec("sklearn"):
            return None
        return "scikit-learn is not installed; pip install 'visionpeft[mini]'"

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        labels = _digits()[1][PARTS[name]]
        keys = tuple(f"{name}/{index:06d}" for index in range(len(labels)))
        return Split(keys, labels, partial(_digit, PARTS[name].start))


def _draws(generator: str, split: str) -> Draws:
    return Draws(SCENES[generator].seed, list(SIZES).index(split))


@lru_cache(maxsize=4)
def _paint(generator: str, split: str) -> np.ndarray:
    draws, scene = _draws(generator, split), SCENES[generator]
    return scene.paint(draws, draws.labels(SIZES[split], scene.classes))


def _rendered(generator: str, split: str, index: int) -> np.ndarray:
    return _paint(generator, split)[index]


@lru_cache(maxsize=1)
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scans (1797, 8, 8) and labels, from scikit-learn's file: to import it takes seconds of every start."""
    spec = importlib.util.find_spec("sklearn")
    assert spec and spec.origin
    file = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if file.exists():
        table = np.loadtxt(file, np.int64, delimiter=",")
        return table[:, :-1].reshape(-1, 8, 8).astype(np.int32), table[:, -1]
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images.astype(np.int32), bunch.target.astype(np.int64)


def _digit(first: int, index: int) -> np.ndarray:
    return enlarge(_digits()[0][first + index])


def enlarge(scan: np.ndarray) -> np.ndarray:
    """Return an 8x8 scan of 0 to 16 as (32, 32, 3) uint8, bilinear between pixel centres in exact integers."""
    place = 2 * np.arange(SIDE) - 3  # eighths of a small pixel, from the centre of the first
    low, part = place // 8, place % 8
    near, far = np.clip(low, 0, 7), np.clip(low + 1, 0, 7)
    rows = scan[near] * (8 - part)[:, None] + scan[far] * part[:, None]
    grey = (rows[:, near] * (8 - part) + rows[:, far] * part) * 255 // (16 * 64)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
