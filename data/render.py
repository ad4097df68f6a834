"""Integer painting, the same to the bit on every machine: many small images at once, in fixed-point numbers.

Lengths are in 1/64 pixel, angles in 1/1024 turn, opacities in 1/64, and everything per image has shape (n,). A shape
is a *depth* field (n, 32, 32): how far a pixel's centre lies inside the outline, negative outside. `cover` turns a
depth into an opacity, `blend` lays a colour over a canvas. No float ever comes near a pixel.
"""

from __future__ import annotations

import math

import numpy as np

SIDE = 32
PIXEL = 64
TURN = 1024
SINE = np.array([round(math.sin(2 * math.pi * step / TURN) * 2**14) for step in range(TURN)], np.int32)
CENTRES = np.arange(SIDE, dtype=np.int32) * PIXEL + PIXEL // 2
Field = tuple[np.ndarray, np.ndarray]
"""Two coordinates, u and v, of every pixel or of a point per image."""


class Draws:
    """Random integers from the bytes of numpy's RandomState, whose stream is frozen for good."""

    def __init__(self, *seed: int) -> None:
        self._state = np.random.RandomState(list(seed))

    def words(self, *shape: int) -> np.ndarray:
        """Return 32-bit words as int64."""
        size = math.prod(shape)
        return np.frombuffer(self._state.bytes(4 * size), "<u4").astype(np.int64).reshape(shape)

    def within(self, low: object, high: object, *shape: int) -> np.ndarray:
        """Return integers from `low` to `high`, both included; bounds may be arrays that broadcast to `shape`."""
        first, last = np.asarray(low, np.int64), np.asarray(high, np.int64)
        return (first + (self.words(*shape) * (last - first + 1) >> 32)).astype(np.int32)

    def orders(self, count: int, size: int) -> np.ndarray:
        """Return `count` permutations of range(size), shape (count, size)."""
        return np.argsort(self.words(count, size), axis=1, kind="stable")

    def labels(self, count: int, classes: int) -> np.ndarray:
        """Return labels as evenly spread as possible, in random order."""
        return (np.arange(count) % classes)[self.orders(1, count)[0]]


def cos(angle: np.ndarray) -> np.ndarray:
    """Return 2**14 times the cosine."""
    return SINE[(angle + TURN // 4) % TURN]


def sin(angle: np.ndarray) -> np.ndarray:
    """Return 2**14 times the sine."""
    return SINE[angle % TURN]


def wide(values: object) -> np.ndarray:
    """Give a value per image the shape (n, 1, 1) of a field."""
    return np.asarray(values, np.int32).reshape(-1, 1, 1)


def turned(x: np.ndarray, y: np.ndarray, angle: np.ndarray) -> Field:
    """Return the vectors (x, y) turned by `angle`, towards positive y."""
    c, s = cos(angle), sin(angle)
    return (x * c - y * s) >> 14, (x * s + y * c) >> 14


def frame(x: object, y: object, angle: object = 0) -> Field:
    """Return every pixel's coordinates (u, v), each (n, 32, 32), in a frame centred at (x, y) and turned by `angle`."""
    dx, dy = CENTRES[None, None, :] - wide(x), CENTRES[None, :, None] - wide(y)
    return turned(dx, dy, -wide(angle))


def disc(uv: Field, radius: object) -> np.ndarray:
    """Depth of a disc."""
    u, v = uv
    return (wide(radius) ** 2 - u * u - v * v) // (2 * wide(radius))


def ellipse(uv: Field, length: object, width: object) -> np.ndarray:
    """Depth of an ellipse with these half axes along u and v."""
    u, v = uv
    return disc((u * wide(width) // wide(length), v), width)


def box(uv: Field, length: object, width: object) -> np.ndarray:
    """Depth of a rectangle with these half sides along u and v."""
    u, v = uv
    return np.minimum(wide(length) - abs(u), wide(width) - abs(v))


def polygon(uv: Field, inner: object, corners: int) -> np.ndarray:
    """Depth of a regular polygon around a circle of radius `inner`; the middle of one side lies on +u."""
    sides = [turned(*uv, -wide(TURN * side // corners))[0] for side in range(corners)]
    return wide(inner) - np.maximum.reduce(sides)


def stroke(start: Field, end: Field, radius: object) -> np.ndarray:
    """Depth of a round-ended line between two points."""
    u, v = frame(*start)
    across, down = wide(end[0] - start[0]), wide(end[1] - start[1])
    along = np.clip((u * across + v * down) * 64 // np.maximum(across**2 + down**2, 1), 0, 64)
    return disc((u - (along * across >> 6), v - (along * down >> 6)), radius)


def cover(depth: np.ndarray, soft: int = PIXEL) -> np.ndarray:
    """Return the opacity 0..64 of a depth, with an edge `soft` wide."""
    return np.clip((depth + soft // 2) * 64 // soft, 0, 64)


def blend(canvas: np.ndarray, colour: np.ndarray, opacity: np.ndarray) -> None:
    """Lay a colour over the canvas in place. canvas: (n, 32, 32, 3) int32; colour: (n, 3)."""
    canvas += (colour[:, None, None, :] - canvas) * opacity[..., None] >> 6


def canvas(colour: np.ndarray) -> np.ndarray:
    """Return images of one colour each. colour: (n, 3)."""
    return np.broadcast_to(colour[:, None, None, :], (len(colour), SIDE, SIDE, 3)).astype(np.int32)


def clouds(draws: Draws, count: int, cells: int) -> np.ndarray:
    """Smooth random fields 0..255: a lattice of `cells` (a divisor of 16) per side, bilinear in between."""
    lattice = draws.within(0, 255, count, cells + 1, cells + 1)
    step = SIDE // cells
    low, part = np.arange(SIDE) // step, (2 * (np.arange(SIDE) % step) + 1).astype(np.int32)
    rows = lattice[:, low] * (2 * step - part)[:, None] + lattice[:, low + 1] * part[:, None]
    return (rows[:, :, low] * (2 * step - part) + rows[:, :, low + 1] * part) // (4 * step * step)


def backdrop(draws: Draws, ground: np.ndarray, drift: int) -> np.ndarray:
    """Return clouds around one colour per image; `drift` is how far a channel may wander."""
    image = canvas(ground)
    blend(image, ground + draws.within(-drift, drift, *ground.shape), clouds(draws, len(ground), 4) >> 2)
    return image


def grain(draws: Draws, image: np.ndarray, strength: int) -> np.ndarray:
    """Return the images as uint8 with roughly bell-shaped noise of up to `strength` grey levels."""
    noise = draws.within(-strength, strength, *image.shape) + draws.within(-strength, strength, *image.shape)
    return np.clip(image + (noise >> 1), 0, 255).astype(np.uint8)


def colours(draws: Draws, count: int, low: int, high: int) -> np.ndarray:
    """Return random colours with channels from `low` to `high`, shape (n, 3)."""
    return draws.within(low, high, count, 3)


def contrasting(draws: Draws, ground: np.ndarray) -> np.ndarray:
    """Return random colours that differ from the ground's in every channel, shape (n, 3)."""
    return (ground + draws.within(85, 170, *ground.shape)) % 256
