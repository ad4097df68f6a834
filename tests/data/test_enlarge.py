"""PIL is the reference; equal means equal in every pixel."""

import numpy as np
import pytest
import torch
from PIL import Image

from visionpeft.data.enlarge import enlarge, enlarge_array

RNG = np.random.default_rng(0)


def noise(side: int, count: int = 8) -> np.ndarray:
    images = RNG.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    images[0] = RNG.integers(0, 2, (side, side, 3), dtype=np.uint8) * 255  # overshoots most
    return images


def pils(images: np.ndarray, size: int, name: str) -> np.ndarray:
    square = [Image.fromarray(image).resize((size, size), Image.Resampling[name.upper()]) for image in images]
    return np.stack([np.asarray(image) for image in square])


def on_tensors(images: np.ndarray, size: int, name: str, device: str = "cpu") -> np.ndarray:
    found = enlarge(torch.from_numpy(images).permute(0, 3, 1, 2).to(device), size, name)
    assert found.dtype == torch.uint8
    return found.permute(0, 2, 3, 1).cpu().numpy()


@pytest.mark.parametrize("name", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("side", "size"), [(28, 224), (32, 224), (64, 224), (96, 224), (32, 70), (7, 15), (112, 224)])
def test_every_pixel_is_pils(side, size, name):
    images = noise(side)
    expected = pils(images, size, name)
    assert np.array_equal(on_tensors(images, size, name), expected)
    assert np.array_equal(enlarge_array(images, size, name), expected)


def test_torchs_own_resize_is_none():
    """If this fails one day, `enlarge` may have become unnecessary."""
    images = noise(32)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    found = torch.nn.functional.interpolate(x, (224, 224), mode="bicubic", antialias=True).round().clamp(0, 255)
    off = np.abs(found.permute(0, 2, 3, 1).numpy() - pils(images, 224, "bicubic").astype(float))
    assert off.max() > 10


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_every_pixel_is_pils_on_cuda():
    images = noise(64)
    assert np.array_equal(on_tensors(images, 224, "bicubic", "cuda"), pils(images, 224, "bicubic"))


def test_real_satellite_images(shared):
    files = sorted((shared / "originals" / "eurosat" / "2750").glob("*/*_1*.jpg"))[::60]
    images = np.stack([np.asarray(Image.open(file)) for file in files])
    small = np.stack(
        [np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC)) for image in images]
    )
    for ours in (images, small):
        assert np.array_equal(on_tensors(ours, 224, "bicubic"), pils(ours, 224, "bicubic"))
    assert len(files) > 150
