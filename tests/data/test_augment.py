"""Augmented training images: what timm makes of them, the same for the same seed, nobody else's chance disturbed."""

import io
import random
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from visionpeft.data.augment import Augmentation, Augmented, View, seeded
from visionpeft.data.loader import Batches

CPU = torch.device("cpu")
HALF = (0.5,) * 3
NOAH = Augmentation(
    crop=0.08,
    flip=0.5,
    rand_augment="rand-m9-mstd0.5-inc1",
    color_jitter=0.4,
    erasing=0.25,
    mixup=0.8,
    cutmix=1.0,
    label_smoothing=0.1,
)


def picture(seed: int, side: tuple[int, int] = (60, 40)) -> np.ndarray:
    """A smooth image, as an array (height, width, 3)."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize(side, Image.Resampling.BICUBIC))


def encoded(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(seed)).save(buffer, "PNG")
    return buffer.getvalue()


def augmented(change: Augmentation, n: int = 6, seed: int = 0) -> Augmented:
    pixels = np.stack([picture(i, (32, 32)) for i in range(n)])
    batches = Batches(pixels, np.arange(n) % 3, HALF, HALF, CPU)
    view = View(change, 32, "bicubic", HALF, HALF)
    return Augmented(batches, view, encoded if change.crop else batches.image, 3, seed)


def served(images: Augmented, passes: int = 1, size: int = 2) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [pair for _ in range(passes) for pair in images.iterate(torch.arange(len(images)), size)]


def test_nothing_is_on_by_default():
    assert not Augmentation().augments and NOAH.augments and NOAH.changes_images and NOAH.mixes
    assert Augmentation(label_smoothing=0.1).augments and not Augmentation(label_smoothing=0.1).changes_images


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": 1.5}, "crop must lie in"),
        ({"flip": -0.1}, "flip must lie in"),
        ({"mixup": -1.0}, "mixup must not be negative"),
        ({"color_jitter": float("nan")}, "color_jitter must not be negative"),
        ({"label_smoothing": 1.0}, "label_smoothing must lie in"),
        ({"rand_augment": "m9"}, "rand_augment: timm cannot read 'm9', expected such as rand-m9-mstd0.5-inc1"),
        ({"rand_augment": "rand-q9"}, "rand_augment: timm cannot read 'rand-q9'"),
    ],
)
def test_values_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**change)


def test_one_draw_is_a_normalised_square():
    view = View(NOAH, 32, "bicubic", HALF, HALF)
    x = view(encoded(0), 5)
    assert x.shape == (3, 32, 32) and x.dtype == np.float32 and np.isfinite(x).all()
    assert np.array_equal(x, view(encoded(0), 5)) and not np.array_equal(x, view(encoded(0), 6))
    assert np.array_equal(x, view(picture(0), 5))  # published as an array, the same


def test_every_operation_works_with_this_pillow():
    """With timm's strongest posterisation no bit is kept, which Pillow refuses from version 13 on."""
    view = View(Augmentation(rand_augment="rand-m10-inc1"), 16, "bicubic", HALF, HALF)
    found = np.stack([view(picture(0, (16, 16)), seed) for seed in range(600)])
    assert np.isfinite(found).all()
    assert (found == -1).all((1, 2, 3)).any()  # posterised to black


def test_whole_images_flip_and_nothing_else():
    view = View(Augmentation(flip=1.0), 32, "bicubic", HALF, HALF)
    image = picture(3, (32, 32))
    expected = image[:, ::-1].transpose(2, 0, 1) / 127.5 - 1
    np.testing.assert_allclose(view(image, 0), expected, atol=1e-6)


def test_crops_keep_at_least_their_share():
    """Of an image whose left half is black and right half white, a crop of all but little still shows both."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 255
    view = View(Augmentation(crop=0.9), 32, "bilinear", HALF, HALF)
    shares = [(view(image, seed) > 0).mean() for seed in range(50)]
    assert min(shares) > 0.4 and max(shares) < 0.6 and len(set(shares)) > 1
    small = View(Augmentation(crop=0.08), 32, "bilinear", HALF, HALF)
    assert {0.0, 1.0} & {(small(image, seed) > 0).mean() for seed in range(50)}


def test_originals_are_turned_and_re_encoded_as_in_evaluation():
    buffer = io.BytesIO()
    turned = Image.Exif()
    turned[0x0112] = 3  # upside down
    Image.fromarray(picture(1)).save(buffer, "PNG", exif=turned)
    plain, upright = (View(Augmentation(crop=1.0), 32, "bicubic", HALF, HALF, upright=up) for up in (False, True))
    assert not np.array_equal(plain(buffer.getvalue(), 0), upright(buffer.getvalue(), 0))
    assert np.array_equal(upright(buffer.getvalue(), 0), plain(picture(1)[::-1, ::-1], 0))
    poor = View(Augmentation(crop=1.0), 32, "bicubic", HALF, HALF, jpeg=5)
    assert 0.01 < np.abs(poor(picture(1), 0) - plain(picture(1), 0)).mean() < 0.5


@pytest.mark.parametrize("name", ["tf2_bilinear", "nearest"])
def test_filters_that_only_evaluate_are_refused(name):
    with pytest.raises(ValueError, match=f"interpolation '{name}' cannot augment images; it takes bicubic, bilinear"):
        View(Augmentation(flip=0.5), 32, name, HALF, HALF)
    View(Augmentation(mixup=0.5), 32, name, HALF, HALF)  # mixes what is decoded already


def test_the_generators_of_others_are_left_alone():
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    served(augmented(NOAH))
    with pytest.raises(KeyError), seeded(4):
        raise KeyError
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected


def test_the_same_seed_shows_the_same_images_and_each_pass_others():
    one, two, other = (served(augmented(NOAH, seed=seed), passes=2) for seed in (0, 0, 1))
    assert all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(one, two, strict=True))
    assert not any(torch.equal(a, c) for (a, _), (c, _) in zip(one, other, strict=True))
    assert not any(torch.equal(a, c) for (a, _), (c, _) in zip(one[:3], one[3:], strict=True))


def test_labels_are_mixed_and_smoothed():
    """The images have labels 0 1 2 0 and are mixed with those across: 0 with 0, 1 with 2."""
    for x, y in served(augmented(NOAH, n=4), passes=20, size=4):
        assert x.shape == (4, 3, 32, 32)
        low, high = 0.1 / 3, 0.9 + 0.1 / 3
        torch.testing.assert_close(y[[0, 3]], torch.tensor([[high, low, low]] * 2))
        assert y[1, 0].item() == pytest.approx(low) and y[1].sum().item() == pytest.approx(1)
        torch.testing.assert_close(y[2], y[1, [0, 2, 1]])


def test_mixup_by_hand():
    """With mixup alone an image is lam times itself and 1 - lam times its partner, and so is its label."""
    images = augmented(Augmentation(mixup=1.0), n=2)
    plain = torch.stack([torch.from_numpy(picture(i, (32, 32)).transpose(2, 0, 1) / 127.5 - 1).float() for i in (0, 1)])
    lams = []
    for x, y in served(images, passes=5):
        lam = y[0, 0].item()
        torch.testing.assert_close(y, torch.tensor([[lam, 1 - lam, 0.0], [1 - lam, lam, 0.0]]))
        torch.testing.assert_close(x, lam * plain + (1 - lam) * plain.flip(0), atol=1e-5, rtol=0)
        lams.append(lam)
    assert len(set(lams)) == 5


def test_smoothing_alone_leaves_images_as_they_are():
    images = augmented(Augmentation(label_smoothing=0.3), n=3)
    ((x, y), (last, _)) = served(images)
    plain = next(images._plain.iterate(torch.arange(2)))[0]
    assert torch.equal(x, plain) and len(last) == 1
    torch.testing.assert_close(y, torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]))


def test_without_mixing_labels_stay_numbers():
    x, y = served(augmented(Augmentation(flip=0.5, erasing=1.0)))[0]
    assert y.tolist() == [0, 1] and y.dtype == torch.int64
    assert x.abs().max() > 1  # noise, beyond what a pixel can be


def test_no_warnings_from_timm():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        served(augmented(NOAH), passes=3)
