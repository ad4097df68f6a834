"""One encoded image of any common kind to a square uint8 array."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from .bilinear import bilinear
from .task import DataError

PIL_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}
"""PIL's filters, all of them antialiased."""
TENSORFLOW = {"tf1_bilinear": {"half_pixel_centres": False}, "tf2_bilinear": {"half_pixel_centres": True}}
"""TensorFlow's, rounded to whole grey levels here, whereas the literature normalised their fractions."""
INTERPOLATIONS = (*PIL_FILTERS, *TENSORFLOW)
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""What is opened; PIL's others include formats that start outside programs."""


@dataclass(frozen=True)
class Preprocessing:
    """What decides the pixels of an image, beside the image.

    Attributes:
        size: side of the square that comes out.
        interpolation: bicubic, bilinear or lanczos as PIL has them, tf1_bilinear or tf2_bilinear.
        resize: side of the square that an image is resized to, whose middle is then cut out; None: `size`, so that
            nothing is cut off.
        jpeg: quality of a JPEG (4:2:0) that the image is written to and read from at its own size, before anything
            else; None: it is taken as it is.
    """

    size: int
    interpolation: str = "bicubic"
    resize: int | None = None
    jpeg: int | None = None

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise DataError(f"interpolation {self.interpolation!r}, expected one of {', '.join(INTERPOLATIONS)}")
        if self.resize is not None and self.resize < self.size:
            raise DataError(f"resize must be at least the image size {self.size} that is cut out, got {self.resize}")
        if self.jpeg is not None and not 1 <= self.jpeg <= 95:
            raise DataError(f"jpeg must be a quality from 1 to 95, got {self.jpeg}")

    @property
    def text(self) -> str:
        """Everything in one line, of which cache files are named."""
        altered = [f" {name} {value}" for name in ("resize", "jpeg") if (value := getattr(self, name)) is not None]
        return f"{self.size} {self.interpolation}{''.join(altered)}"

    @property
    def enlarges_later(self) -> bool:
        """Whether small images may be kept at their own size, because `enlarge.py` gives the same pixels."""
        return self.resize is None and self.interpolation in ("bicubic", "bilinear")

    def keeps(self, data: bytes | np.ndarray) -> bool:
        """Whether an image comes out as it goes in: an array of the right size."""
        plain = self.jpeg is None and self.resize in (None, self.size)
        return plain and isinstance(data, np.ndarray) and data.shape == (self.size, self.size, 3)


def decode(data: bytes | np.ndarray, preprocessing: Preprocessing, upright: bool) -> np.ndarray:
    """Return an image as uint8, shape (size, size, 3).

    Of an animation the first frame is taken. An alpha channel is dropped, as the loaders of the literature do.

    Raises:
        ValueError: the data is no complete image, or of a kind whose range of values is unknown.
    """
    try:
        return _square(opened(data, preprocessing.jpeg, upright), preprocessing)
    except MemoryError:
        raise
    except Exception as error:  # PIL's decoders raise whatever broken data happens to trigger
        raise ValueError(f"{str(error).strip() or type(error).__name__}") from None


def side(data: bytes | np.ndarray) -> int:
    """Return the side of a square image, from its header alone; 0 for one that is no square.

    Raises:
        ValueError: the data is no image.
    """
    with _open(data) as image:
        width, height = image.size
    return width if width == height else 0


def opened(data: bytes | np.ndarray, jpeg: int | None, upright: bool) -> Image.Image:
    """Return an image in RGB at its own size, re-encoded as JPEG of that quality if one is given."""
    with _open(data) as image:
        image.load()
        return _reencoded(to_rgb(ImageOps.exif_transpose(image) if upright else image), jpeg)


def _reencoded(image: Image.Image, quality: int | None) -> Image.Image:
    """Return an image as it comes back from a JPEG of that quality; colours are halved in resolution."""
    if quality is None:
        return image
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return Image.open(buffer)


def _square(image: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    side, name = preprocessing.resize or preprocessing.size, preprocessing.interpolation
    if name in PIL_FILTERS:
        array = np.asarray(image.resize((side, side), PIL_FILTERS[name]))
    else:
        array = np.rint(bilinear(np.asarray(image), side, **TENSORFLOW[name])).astype(np.uint8)
    edge = round((side - preprocessing.size) / 2)
    return array[edge : edge + preprocessing.size, edge : edge + preprocessing.size]


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
