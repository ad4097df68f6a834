import numpy as np
import pytest

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.cifar100 import CIFAR100


class Tiny(CIFAR100):
    counts = {"train": 60, "test": 20}
    train = "train[:40]"
    val = "train[50:55]"


def write(folder, sizes):
    """Write the binary version; return the images."""
    folder.mkdir(parents=True)
    images = {}
    for seed, (split, size) in enumerate(sizes.items()):
        random = np.random.default_rng(seed)
        images[split] = random.integers(0, 256, (size, 32, 32, 3), np.uint8)
        labels = [bytes([i % 20, (7 * i) % 100]) for i in range(size)]
        planes = [image.transpose(2, 0, 1).tobytes() for image in images[split]]
        (folder / f"{split}.bin").write_bytes(b"".join(a + b for a, b in zip(labels, planes, strict=True)))
    return images


def test_sizes_and_slices():
    data = CIFAR100()
    assert data.builder == "cifar100:3.0.2"
    assert data.counts == {"train": 50000, "test": 10000}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("train", 45000, 45200)
    assert data.part("test") == ("test", 0, 10000)
    assert data.numbers("train") == range(50000) and data.numbers("test") == range(10000)


@pytest.mark.parametrize("below", ["", "cifar-100-binary"])
def test_the_binary_version_is_read(tmp_path, below):
    images = write(tmp_path / "cifar100" / below, Tiny.counts)
    assert Tiny().missing(tmp_path / "cifar100") is None
    found = Tiny().examples(tmp_path / "cifar100", "test")
    assert list(found.keys) == list(range(20))
    assert found.labels.tolist() == [(7 * i) % 100 for i in range(20)]
    assert all(np.array_equal(found.read(i), images["test"][i]) for i in range(20))
    split = Original(Tiny()).split(tmp_path, "val")
    assert split.keys == ("train/42", "train/9", "train/7", "train/43", "train/38")
    assert split.labels.tolist() == [94, 63, 49, 1, 66]
    assert np.array_equal(split.read(2), images["train"][7])


@pytest.mark.parametrize("split", ["train", "test"])
def test_tensorflow_datasets_makes_the_same_of_it(tmp_path, agrees, split):
    write(tmp_path / "cifar100", Tiny.counts)
    arguments = {"split_prefix": f"{split}_", "filepaths": [tmp_path / "cifar100" / f"{split}.bin"]}
    agrees(CIFAR100(), tmp_path / "cifar100", split, arguments)


def test_what_is_missing_is_named(tmp_path):
    (tmp_path / "train").touch()  # of the version for Python
    assert "lacks train.bin, test.bin of CIFAR-100's binary version" in str(CIFAR100().missing(tmp_path))


def test_a_file_cut_short_is_named(tmp_path):
    write(tmp_path / "a", {"train": 3, "test": 1})
    (tmp_path / "a" / "train.bin").write_bytes((tmp_path / "a" / "train.bin").read_bytes()[:-5])
    with pytest.raises(DataError, match=r"train\.bin: 9217 bytes, expected records of 3074"):
        CIFAR100().examples(tmp_path / "a", "train")
