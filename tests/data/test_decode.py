import io

import numpy as np
import pytest
from PIL import Image

from visionpeft.data.bilinear import bilinear
from visionpeft.data.decode import Preprocessing, decode
from visionpeft.data.task import DataError

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
    found = decode(encoded(image), Preprocessing(24, name), False)
    assert found.dtype == np.uint8 and np.array_equal(found, expected)


@pytest.mark.parametrize(("name", "half_pixel_centres"), [("tf1_bilinear", False), ("tf2_bilinear", True)])
def test_tensorflows_fractions_are_rounded_to_the_nearest_level(name, half_pixel_centres):
    image = np.asarray(colours())
    fractions = bilinear(image, 24, half_pixel_centres=half_pixel_centres)
    found = decode(encoded(Image.fromarray(image)), Preprocessing(24, name), False)
    assert found.dtype == np.uint8 and np.abs(found - fractions).max() <= 0.5
    assert np.abs(found - fractions).max() > 0.4  # the fractions are lost, no less


def test_the_middle_of_a_larger_square():
    image = colours(300, 500)
    whole = np.asarray(image.resize((256, 256), Image.Resampling.BICUBIC))
    found = decode(encoded(image), Preprocessing(224, resize=256), False)
    assert np.array_equal(found, whole[16:240, 16:240])
    assert np.array_equal(decode(encoded(image), Preprocessing(256, resize=256), False), whole)


def test_jpeg_is_pils_default_at_the_images_own_size():
    image = Image.fromarray(np.kron(RNG.integers(0, 256, (8, 8, 3)), np.ones((4, 4, 1))).astype(np.uint8))
    default = Image.open(io.BytesIO(encoded(image, "JPEG")))  # quality 75, 4:2:0
    for data in (encoded(image), np.asarray(image)):
        found = decode(data, Preprocessing(48, jpeg=75), False)
        assert np.array_equal(found, np.asarray(default.resize((48, 48), Image.Resampling.BICUBIC)))
    plain = decode(encoded(image), Preprocessing(48), False)
    assert 5 < np.abs(found - plain.astype(int)).mean() < 50  # colours bleed


def test_jpeg_of_grey_stays_grey():
    grey_image = Image.fromarray(RNG.integers(0, 256, (16, 16), dtype=np.uint8))
    found = decode(encoded(grey_image), Preprocessing(16, jpeg=75), False).astype(int)
    assert np.ptp(found, axis=-1).max() == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"interpolation": "bicubc"}, "'bicubc', expected one of bicubic, bilinear, lanczos, tf1_bilinear"),
        ({"resize": 200}, "resize must be at least the image size 224 that is cut out, got 200"),
        ({"jpeg": 0}, "jpeg must be a quality from 1 to 95, got 0"),
        ({"jpeg": 100}, "jpeg must be a quality from 1 to 95, got 100"),
    ],
)
def test_what_contradicts_itself_is_refused(values, message):
    with pytest.raises(DataError, match=message):
        Preprocessing(224, **values)


def test_an_image_of_the_right_size_is_untouched():
    image = colours(16, 16)
    for data in (encoded(image), np.asarray(image)):
        assert np.array_equal(decode(data, Preprocessing(16), True), np.asarray(image))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_every_format_is_read(kind):
    image = Image.new("RGB", (20, 20), (200, 100, 50))
    found = decode(encoded(image, kind), Preprocessing(8, "bilinear"), False).astype(int)
    assert np.abs(found - [200, 100, 50]).max() <= 3


def test_grey_and_one_bit():
    data = np.array([[0, 100], [200, 255]], np.uint8)
    assert np.array_equal(decode(encoded(Image.fromarray(data)), Preprocessing(2), False), grey(0, 100, 200, 255))
    one = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1", dither=Image.Dither.NONE)
    assert np.array_equal(decode(encoded(one), Preprocessing(2), False), grey(0, 255, 255, 0))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind):
    deep = Image.fromarray(np.array([[0, 257], [128 * 257, 65535]], np.uint16))
    assert np.array_equal(decode(encoded(deep, kind), Preprocessing(2), False), grey(0, 1, 128, 255))


def test_32_bit_grey_holds_16_bits_or_is_refused():
    def tiff(*values: int) -> bytes:
        return encoded(Image.fromarray(np.array(values, np.int32).reshape(2, 2)), "TIFF")

    assert np.array_equal(decode(tiff(0, 257, 128 * 257, 65535), Preprocessing(2), False), grey(0, 1, 128, 255))
    for values in ((0, 1, 2, 65536), (-1, 0, 1, 2)):
        with pytest.raises(ValueError, match="expected 0 to 65535"):
            decode(tiff(*values), Preprocessing(2), False)


def test_floats_are_refused():
    data = encoded(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF")
    with pytest.raises(ValueError, match="mode F has no known range"):
        decode(data, Preprocessing(2), False)


def test_palettes_with_and_without_transparency():
    picture = Image.new("P", (2, 2))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putdata([0, 1, 1, 0])
    expected = np.array([[[10, 20, 30], [200, 100, 50]], [[200, 100, 50], [10, 20, 30]]], np.uint8)
    for options in ({}, {"transparency": 0}, {"transparency": b"\x00\x80"}):
        assert np.array_equal(decode(encoded(picture, **options), Preprocessing(2), False), expected)
    assert np.array_equal(decode(encoded(picture, "GIF", transparency=1), Preprocessing(2), False), expected)


def test_alpha_is_dropped():
    solid = Image.new("RGBA", (4, 4), (10, 200, 30, 0))
    found = decode(encoded(solid), Preprocessing(4), False)
    assert np.array_equal(found, np.full((4, 4, 3), (10, 200, 30)))
    pale = Image.new("LA", (2, 2), (77, 3))
    assert np.array_equal(decode(encoded(pale), Preprocessing(2), False), grey(77, 77, 77, 77))


def test_cmyk():
    ink = Image.new("RGB", (16, 16), (255, 0, 0)).convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        assert np.abs(decode(encoded(ink, kind), Preprocessing(4), False).astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "MPO", "TIFF"])
def test_the_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert np.abs(decode(data, Preprocessing(4), False).astype(int) - [255, 0, 0]).max() <= 3


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
    assert np.array_equal(decode(data, Preprocessing(8), False), raw)
    assert np.array_equal(decode(data, Preprocessing(8), True), shown[orientation - 1])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"])
def test_truncated_images_are_refused(kind):
    data = encoded(colours(60, 60), kind)
    with pytest.raises(ValueError):
        decode(data[: len(data) // 2], Preprocessing(8), False)


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
        decode(data, Preprocessing(8), False)


def test_a_damaged_png_is_refused():
    data = bytearray(encoded(colours(60, 60)))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ValueError):
        decode(bytes(data), Preprocessing(8), False)
