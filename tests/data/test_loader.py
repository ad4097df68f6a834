import numpy as np
import pytest
import torch
from PIL import Image

from visionpeft.data.loader import Batches

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
PIXELS = np.random.default_rng(0).integers(0, 256, (10, 6, 6, 3), dtype=np.uint8)
LABELS = np.arange(10) % 4
CPU = torch.device("cpu")


def formula(pixels: np.ndarray) -> torch.Tensor:
    x = (pixels.astype(np.float64) / 255 - MEAN) / STD
    return torch.from_numpy(x.transpose(0, 3, 1, 2)).float()


@pytest.fixture
def batches() -> Batches:
    return Batches(PIXELS, LABELS, MEAN, STD, CPU)


def test_every_example_once_in_order(batches):
    found = list(batches.iterate(batch_size=4))
    assert [len(y) for _, y in found] == [4, 4, 2]
    x, y = (torch.cat(parts) for parts in zip(*found, strict=True))
    assert x.dtype == torch.float32 and x.is_contiguous() and y.dtype == torch.int64
    torch.testing.assert_close(x, formula(PIXELS), rtol=1e-5, atol=1e-6)
    assert y.tolist() == batches.labels.tolist() == LABELS.tolist()
    assert len(batches) == 10 and batches.device == CPU


def test_the_order_is_the_callers(batches):
    order = torch.tensor([7, 0, 7, 3])
    (x, y), (last, _) = batches.iterate(order, batch_size=3)
    assert y.tolist() == [3, 0, 3] and len(last) == 1
    torch.testing.assert_close(x, formula(PIXELS[[7, 0, 7]]), rtol=1e-5, atol=1e-6)
    assert list(batches.iterate(torch.tensor([], dtype=torch.int64))) == []


def test_batches_are_the_callers_to_keep_and_change(batches):
    first, again = (next(batches.iterate())[0] for _ in range(2))
    first.zero_()
    assert torch.equal(again, next(batches.iterate())[0])


def test_read_only_memory_maps_are_served(tmp_path, batches):
    np.save(tmp_path / "a.npy", PIXELS)
    mapped = Batches(np.load(tmp_path / "a.npy", mmap_mode="r"), LABELS, MEAN, STD, CPU)
    assert torch.equal(next(mapped.iterate())[0], next(batches.iterate())[0])


def test_features_take_the_images_place(batches):
    features = torch.randn(10, 5)
    new = batches.replaced(features)
    x, y = next(new.iterate(torch.tensor([2, 9]), batch_size=2))
    assert torch.equal(x, features[[2, 9]]) and y.tolist() == [2, 1] and len(new) == 10
    assert next(batches.iterate())[0].shape == (10, 3, 6, 6)
    with pytest.raises(ValueError, match="4 features for 10 images"):
        batches.replaced(features[:4])


def test_images_and_labels_must_match():
    with pytest.raises(ValueError, match="10 images and 9 labels"):
        Batches(PIXELS, LABELS[:9], MEAN, STD, CPU)


@pytest.mark.parametrize("name", ["bicubic", "bilinear"])
def test_small_images_are_enlarged_as_pil_does_it(batches, name):
    enlarged = [Image.fromarray(image).resize((20, 20), Image.Resampling[name.upper()]) for image in PIXELS]
    expected = formula(np.stack([np.asarray(image) for image in enlarged]))
    larger = batches.enlarged(20, name)
    order = torch.tensor([7, 0, 7, 3, 1])
    found = torch.cat([x for x, _ in larger.iterate(order, batch_size=2)])
    torch.testing.assert_close(found, expected[order], rtol=1e-5, atol=1e-6)
    streamed = torch.cat(list(larger._streamed(order.split(2))))
    torch.testing.assert_close(streamed, expected[order], rtol=1e-5, atol=1e-6)


def test_images_of_the_right_size_are_not_enlarged(batches):
    assert torch.equal(next(batches.enlarged(6, "bicubic").iterate())[0], next(batches.iterate())[0])


def test_streaming_equals_the_formula(batches):
    """The path of sets too large for the device, walked on the CPU."""
    order = torch.tensor([7, 0, 7, 3, 1])
    found = torch.cat(list(batches._streamed(order.split(2))))
    torch.testing.assert_close(found, formula(PIXELS[order]), rtol=1e-5, atol=1e-6)
    assert found.is_contiguous()
    assert list(batches._streamed(())) == []


def test_streaming_passes_errors_on_and_can_be_left(batches):
    stream = batches._streamed(torch.arange(10).split(2))
    next(stream)
    stream.close()
    batches._pixels = None
    with pytest.raises(AttributeError):
        next(batches._streamed(torch.arange(10).split(2)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("share", [1.0, 0.0])
def test_cuda_resident_and_streamed_equal_the_formula(monkeypatch, share):
    monkeypatch.setattr("visionpeft.data.loader.SHARE", share)
    batches = Batches(PIXELS, LABELS, MEAN, STD, torch.device("cuda"))
    assert (batches._resident is None) == (share == 0)
    x, y = (torch.cat(parts) for parts in zip(*batches.iterate(batch_size=3), strict=True))
    assert x.is_cuda and y.is_cuda and x.is_contiguous()
    torch.testing.assert_close(x.cpu(), formula(PIXELS), rtol=1e-5, atol=1e-6)
    assert y.tolist() == LABELS.tolist()
