"""Against what TensorFlow 2.21 returned for the same image: `tf.image.resize` and `tf.compat.v1.image.resize`."""

import numpy as np
import pytest

from visionpeft.data.bilinear import bilinear

IMAGE = (np.arange(5 * 4 * 3) * 37 % 256).astype(np.uint8).reshape(5, 4, 3)
TF2 = {
    2: [[137.5, 103.5], [127.5, 125.5]],
    3: [[103.944, 95.5, 87.056], [132.833, 67.5, 215.5], [62.167, 167.5, 130.611]],
    7: [
        [37.0, 76.643, 140.071, 75.5, 10.929, 74.357, 114.0],
        [144.429, 131.827, 111.663, 109.786, 107.908, 87.745, 75.143],
        [205.571, 153.786, 70.929, 116.071, 166.439, 125.378, 99.714],
        [157.0, 105.214, 22.357, 67.5, 130.929, 194.357, 234.0],
        [108.429, 121.949, 143.582, 110.357, 82.357, 145.786, 185.429],
        [59.857, 99.5, 162.929, 153.214, 135.663, 136.398, 136.857],
        [21.0, 60.643, 124.071, 187.5, 232.643, 149.786, 98.0],
    ],
}
TF1 = {
    2: [[37.0, 3.0], [123.0, 89.0]],
    3: [[37.0, 99.667, 77.0], [179.667, 71.667, 162.778], [66.333, 157.444, 134.778]],
    7: [
        [37.0, 100.429, 127.286, 44.429, 34.714, 98.143, 114.0],
        [171.286, 130.224, 104.837, 126.469, 116.755, 75.694, 65.429],
        [195.857, 113.0, 66.714, 130.143, 151.775, 131.612, 126.571],
        [147.286, 85.327, 49.49, 92.02, 145.0, 208.429, 224.286],
        [98.714, 141.245, 157.653, 95.694, 96.429, 159.857, 175.714],
        [50.143, 113.571, 161.327, 162.061, 152.347, 132.184, 127.143],
        [21.0, 84.429, 147.857, 211.286, 201.571, 118.714, 98.0],
    ],
}
"""The second channel."""


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize(("half_pixel_centres", "golden"), [(True, TF2), (False, TF1)])
def test_equal_to_tensorflow(size, half_pixel_centres, golden):
    found = bilinear(IMAGE, size, half_pixel_centres=half_pixel_centres)
    assert found.shape == (size, size, 3) and found.dtype == np.float32
    assert np.abs(found[..., 1] - golden[size]).max() < 1e-3


@pytest.mark.parametrize("half_pixel_centres", [True, False])
def test_an_image_of_the_right_size_is_untouched(half_pixel_centres):
    square = IMAGE[:4]
    assert np.array_equal(bilinear(square, 4, half_pixel_centres=half_pixel_centres), square)


def test_only_tensorflow_2_is_symmetric():
    mirrored = IMAGE[:, ::-1]
    two, twin = (bilinear(image, 9, half_pixel_centres=True) for image in (IMAGE, mirrored))
    assert np.allclose(two[:, ::-1], twin, atol=1e-3)
    one, other = (bilinear(image, 9, half_pixel_centres=False) for image in (IMAGE, mirrored))
    assert not np.allclose(one[:, ::-1], other, atol=10)


def test_not_antialiased():
    """Of a fine chequerboard, every fourth pixel is taken; an antialiased filter would return grey."""
    board = np.indices((16, 16)).sum(0)[..., None].repeat(3, -1) % 2 * 255
    found = bilinear(board.astype(np.uint8), 4, half_pixel_centres=False)
    assert np.array_equal(found, np.zeros((4, 4, 3)))
