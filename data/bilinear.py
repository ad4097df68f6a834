"""TensorFlow's two bilinear resizes, in numpy. Neither is antialiased: each output pixel is made of four neighbours.

They differ in where the output's pixels lie in the input. TensorFlow 2 (`tf.image.resize`) lines up the borders of the
images; TensorFlow 1 (`tf.compat.v1.image.resize`) the middles of their first pixels, so that what is enlarged comes out
shifted to the upper left, by 3 pixels from 32 to 224. The published code of task_adaptation and of VPT imports
`tensorflow.compat.v1`, hence calls the second.
"""

from __future__ import annotations

import numpy as np


def bilinear(image: np.ndarray, size: int, *, half_pixel_centres: bool) -> np.ndarray:
    """Return a uint8 image (height, width, channels) as float32 (size, size, channels), in grey levels.

    Args:
        image: what is resized.
        size: height and width of the result.
        half_pixel_centres: whether output pixel i lies at (i + 1/2) * scale - 1/2, as in TensorFlow 2, or at i * scale.
    """
    upper, lower, down = _neighbours(image.shape[0], size, half_pixel_centres)
    left, right, along = _neighbours(image.shape[1], size, half_pixel_centres)
    rows = _between(image[upper].astype(np.float32), image[lower].astype(np.float32), down[:, None, None])
    return _between(rows[:, left], rows[:, right], along[None, :, None])


def _neighbours(length: int, size: int, half_pixel_centres: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for each of `size` positions, the input pixels before and after it and how far it is between them."""
    half = np.float32(0.5 if half_pixel_centres else 0)
    scale = np.float32(length) / np.float32(size)  # TensorFlow's places are of 32 bits too
    places = (np.arange(size, dtype=np.float32) + half) * scale - half
    before = np.floor(places)
    ends = (before.clip(0, length - 1), np.ceil(places).clip(0, length - 1))
    return ends[0].astype(np.intp), ends[1].astype(np.intp), places - before


def _between(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    second -= first
    second *= share
    second += first
    return second
