"""Small images enlarged as PIL does it, to the last bit, so that they can be kept and moved at their own size.

PIL resizes rows, rounds to whole grey levels, then columns, both with weights in fixed point of 22 bits; the tensors
here do the same on any device. torch's own resize does not: up to 2 grey levels apart in uint8, 26 in floating point.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .decode import PIL_FILTERS
from .every import cores

BITS = 22


def _linear(x: float) -> float:
    return 1 - x if x < 1 else 0.0


def _cubic(x: float) -> float:
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2 else 0.0


KERNELS: dict[str, tuple[int, Callable[[float], float]]] = {"bilinear": (1, _linear), "bicubic": (2, _cubic)}
"""Weights by distance, and how far they reach."""


def enlarge(x: Tensor, size: int, interpolation: str) -> Tensor:  # uint8 (n, c, h, w) -> uint8 (n, c, size, size)
    """Return images as PIL would enlarge them, computed where they are."""
    for axis in (3, 2):
        places, weights = _taps(x.shape[axis], size, interpolation, x.device)
        total = torch.full((), 1 << (BITS - 1), dtype=torch.int32, device=x.device)
        for place, weight in zip(places, weights, strict=True):
            total = total + x.index_select(axis, place).int() * (weight if axis == 3 else weight[:, None])
        x = (total >> BITS).clamp_(0, 255).to(torch.uint8)
    return x


def enlarge_array(images: np.ndarray, size: int, interpolation: str) -> np.ndarray:
    """Return images, uint8 (n, height, width, 3), enlarged by PIL itself, on all cores."""
    work = partial(_enlarged, size=size, interpolation=interpolation)
    with ThreadPoolExecutor(cores()) as pool:
        return np.stack(list(pool.map(work, images)))


def _enlarged(image: np.ndarray, size: int, interpolation: str) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((size, size), PIL_FILTERS[interpolation]))


@lru_cache(maxsize=16)
def _taps(length: int, size: int, interpolation: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which pixels make up each new one and by how much, both (taps, size)."""
    reach, kernel = KERNELS[interpolation]
    places = np.zeros((2 * reach + 1, size), np.int64)
    weights = np.zeros((2 * reach + 1, size), np.int32)
    for i in range(size):
        middle = (i + 0.5) * (length / size)
        found = range(max(0, int(middle - reach + 0.5)), min(length, int(middle + reach + 0.5)))
        shares = [kernel(abs(place - middle + 0.5)) for place in found]
        for tap, (place, share) in enumerate(zip(found, shares, strict=True)):
            scaled = share / sum(shares) * (1 << BITS)
            places[tap, i], weights[tap, i] = place, int(scaled + (0.5 if scaled >= 0 else -0.5))
    return torch.from_numpy(places).to(device), torch.from_numpy(weights).to(device)
