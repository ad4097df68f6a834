"""One encoded image of any common kind to a square uint8 array."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

INTERPOLATIONS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}
"""PIL's filters, all of them antialiased."""
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""What is opened; PIL's others include formats that start outside programs."""


def decode(data: bytes | np.ndarray, size: int, interpolation: str, upright: bool) -> np.ndarray:
    """Return an image as uint8, shape (size, size, 3): resized to a square, nothing cut off.

    Of an animation the first frame is taken. An alpha channel is dropped, as the loaders of the literature do.

    Raises:
        ValueError: the data is no complete image, or of a kind whose range of values is unknown.
    """
    try:
        with _open(data) as image:
            image.load()
            turned = ImageOps.exif_transpose(image) if upright else image
            square = to_rgb(turned).resize((size, size), INTERPOLATIONS[interpolation])
            return np.asarray(square)
    except MemoryError:
        raise
    except Exception as error:  # PIL's decoders raise whatever broken data happens to trigger
        raise ValueError(f"{str(error).strip() or type(error).__name__}") from None


def _open(data: bytes | np.ndarray) -> Image.Image:
    if isinstance(data, np.ndarray):
        return Image.fromarray(data)
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.UnidentifiedImageError:
        what = "an empty file" if not data else "no image"
        raise ValueError(f"{what}; readable are {', '.join(FORMATS)}") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode as 8-bit RGB; 16-bit grey is scaled, not clipped."""
    if image.mode.startswith("I"):
        return _from_16_bits(image).convert("RGB")
    if image.mode in ("F", "LAB"):
        raise ValueError(f"mode {image.mode} has no known range of values; save it as 8-bit or 16-bit PNG")
    if image.mode in ("P", "PA", "RGBa"):
        image = image.convert("RGBA")  # PIL warns of palettes with transparency that go to RGB directly
    return image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        low, high = values.min(), values.max()
        raise ValueError(f"grey values from {low} to {high}, expected 0 to 65535; save it as 8-bit or 16-bit")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
