import io

import numpy as np
import pytest
from PIL import Image

from visionpeft.data.decode import decode

RNG = np.random.default_rng(0)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def colours(height: int = 30, width: int = 40) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def grey(*values: int) -> np.ndarray:
    return np.array(values, np.uint8).reshape(2, 2)[..., None].repeat(3, -1)


@pytest.mark.parametrize("name", ["bicubic", "bilinear", "lanczos"])
def test_a_whole_image_becomes_a_square_by_pils_own_filter(name):
    image = colours()
    expected = np.asarray(image.resize((24, 24), Image.Resampling[name.upper()]))
    found = decode(encoded(image), 24, name, False)
    assert found.dtype == np.uint8 and np.array_equal(found, expected)


def test_an_image_of_the_right_size_is_untouched():
    image = colours(16, 16)
    for data in (encoded(image), np.asarray(image)):
        assert np.array_equal(decode(data, 16, "bicubic", True), np.asarray(image))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_every_format_is_read(kind):
    image = Image.new("RGB", (20, 20), (200, 100, 50))
    found = decode(encoded(image, kind), 8, "bilinear", False).astype(int)
    assert np.abs(found - [200, 100, 50]).max() <= 3


def test_grey_and_one_bit():
    data = np.array([[0, 100], [200, 255]], np.uint8)
    assert np.array_equal(decode(encoded(Image.fromarray(data)), 2, "bicubic", False), grey(0, 100, 200, 255))
    one = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1", dither=Image.Dither.NONE)
    assert np.array_equal(decode(encoded(one), 2, "bicubic", False), grey(0, 255, 255, 0))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind):
    deep = Image.fromarray(np.array([[0, 257], [128 * 257, 65535]], np.uint16))
    assert np.array_equal(decode(encoded(deep, kind), 2, "bicubic", False), grey(0, 1, 128, 255))


def test_32_bit_grey_holds_16_bits_or_is_refused():
    def tiff(*values: int) -> bytes:
        return encoded(Image.fromarray(np.array(values, np.int32).reshape(2, 2)), "TIFF")

    assert np.array_equal(decode(tiff(0, 257, 128 * 257, 65535), 2, "bicubic", False), grey(0, 1, 128, 255))
    for values in ((0, 1, 2, 65536), (-1, 0, 1, 2)):
        with pytest.raises(ValueError, match="expected 0 to 65535"):
            decode(tiff(*values), 2, "bicubic", False)


def test_floats_are_refused():
    data = encoded(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF")
    with pytest.raises(ValueError, match="mode F has no known range"):
        decode(data, 2, "bicubic", False)


def test_palettes_with_and_without_transparency():
    picture = Image.new("P", (2, 2))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putdata([0, 1, 1, 0])
    expected = np.array([[[10, 20, 30], [200, 100, 50]], [[200, 100, 50], [10, 20, 30]]], np.uint8)
    for options in ({}, {"transparency": 0}, {"transparency": b"\x00\x80"}):
        assert np.array_equal(decode(encoded(picture, **options), 2, "bicubic", False), expected)
    assert np.array_equal(decode(encoded(picture, "GIF", transparency=1), 2, "bicubic", False), expected)


def test_alpha_is_dropped():
    solid = Image.new("RGBA", (4, 4), (10, 200, 30, 0))
    found = decode(encoded(solid), 4, "bicubic", False)
    assert np.array_equal(found, np.full((4, 4, 3), (10, 200, 30)))
    pale = Image.new("LA", (2, 2), (77, 3))
    assert np.array_equal(decode(encoded(pale), 2, "bicubic", False), grey(77, 77, 77, 77))


def test_cmyk():
    ink = Image.new("RGB", (16, 16), (255, 0, 0)).convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        assert np.abs(decode(encoded(ink, kind), 4, "bicubic", False).astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "MPO", "TIFF"])
def test_the_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert np.abs(decode(data, 4, "bicubic", False).astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_followed_only_if_asked(orientation):
    image = colours(8, 8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, exif=exif)
    raw = np.asarray(image)
    shown = [
        raw,
        raw[:, ::-1],
        raw[::-1, ::-1],
        raw[::-1],
        raw.transpose(1, 0, 2),
        np.rot90(raw, -1),
        raw[::-1, ::-1].transpose(1, 0, 2),
        np.rot90(raw),
    ]
    assert np.array_equal(decode(data, 8, "bicubic", False), raw)
    assert np.array_equal(decode(data, 8, "bicubic", True), shown[orientation - 1])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"])
def test_truncated_images_are_refused(kind):
    data = encoded(colours(60, 60), kind)
    with pytest.raises(ValueError):
        decode(data[: len(data) // 2], 8, "bicubic", False)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file; readable are JPEG"),
        (b"<html>404</html>", "no image; readable are JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 2 2\n%%EndComments\n", "no image"),
    ],
)
def test_what_is_no_image_is_refused(data, words):
    with pytest.raises(ValueError, match=words):
        decode(data, 8, "bicubic", False)


def test_a_damaged_png_is_refused():
    data = bytearray(encoded(colours(60, 60)))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ValueError):
        decode(bytes(data), 8, "bicubic", False)
