"""A small data set in the folder layout: six train, two val and four test images in three classes."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

LISTS = {"train800": range(6), "val200": range(6, 8), "train800val200": range(8), "test": range(8, 12)}


def write_image(path: Path, seed: int, side: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(colours).resize(side, Image.Resampling.BICUBIC).save(path)


def write_task(folder: Path, seed: int = 0) -> Path:
    for i in range(12):
        write_image(folder / "images" / f"{i:02}.jpg", seed + i)
    for name, members in LISTS.items():
        (folder / f"{name}.txt").write_text("".join(f"images/{i:02}.jpg {i % 3}\n" for i in members))
    return folder


@pytest.fixture
def image_writer() -> Callable[..., None]:
    return write_image


@pytest.fixture
def task_writer() -> Callable[..., Path]:
    return write_task


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder with vtab-1k/toy in it."""
    write_task(tmp_path / "data" / "vtab-1k" / "toy")
    return tmp_path / "data"


@pytest.fixture
def toy(root: Path) -> Path:
    return root / "vtab-1k" / "toy"


@pytest.fixture
def shared() -> Path:
    """Real data, where there is some."""
    if not (folder := os.environ.get("VISIONPEFT_SHARED")):
        pytest.skip("needs real data: VISIONPEFT_SHARED is not set")
    return Path(folder) / "data"
