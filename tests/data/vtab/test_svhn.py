import numpy as np
import pytest

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.svhn import SVHN

scipy_io = pytest.importorskip("scipy.io", reason="scipy is not installed")


class Tiny(SVHN):
    counts = {"train": 60, "test": 20}
    train = "train[:40]"
    val = "train[50:55]"


def write(folder, sizes, **replaced):
    """Write the owners' MATLAB files; return the images."""
    folder.mkdir(parents=True, exist_ok=True)
    images = {}
    for seed, (split, size) in enumerate(sizes.items()):
        images[split] = np.random.default_rng(seed).integers(0, 256, (size, 32, 32, 3), np.uint8)
        digits = np.array([[1 + i % 10] for i in range(size)], np.uint8)
        content = {"X": images[split].transpose(1, 2, 3, 0), "y": digits} | replaced
        scipy_io.savemat(folder / f"{split}_32x32.mat", content, do_compression=True)
    return images


def test_sizes_and_slices():
    data = SVHN()
    assert data.builder == "svhn_cropped:3.1.0"
    assert data.counts == {"train": 73257, "test": 26032}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("train", 65931, 66131)
    assert data.part("test") == ("test", 0, 26032)
    assert data.numbers("train") == range(73257) and data.numbers("test") == range(26032)


def test_the_digit_ten_is_zero(tmp_path):
    images = write(tmp_path / "svhn", Tiny.counts)
    found = Tiny().examples(tmp_path / "svhn", "test")
    assert list(found.keys) == list(range(20))
    assert found.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0] * 2
    assert all(np.array_equal(found.read(i), images["test"][i]) for i in range(20))
    split = Original(Tiny()).split(tmp_path, "val")
    assert split.keys == ("train/42", "train/9", "train/7", "train/43", "train/38")
    assert split.labels.tolist() == [3, 0, 8, 4, 9]
    assert np.array_equal(split.read(2), images["train"][7])


@pytest.mark.parametrize("split", ["train", "test"])
def test_tensorflow_datasets_makes_the_same_of_it(tmp_path, agrees, split):
    write(tmp_path / "svhn", Tiny.counts)
    arguments = {"split_prefix": f"{split}_", "filepath": tmp_path / "svhn" / f"{split}_32x32.mat"}
    agrees(SVHN(), tmp_path / "svhn", split, arguments)


def test_images_are_read_once_and_only_when_asked_for(tmp_path, monkeypatch):
    write(tmp_path, {"train": 5})
    asked = []
    loadmat = scipy_io.loadmat
    monkeypatch.setattr(
        scipy_io, "loadmat", lambda path, variable_names: asked.append(variable_names) or loadmat(path, None)
    )
    first, second = (SVHN().examples(tmp_path, "train") for _ in range(2))
    assert asked == [["y"], ["y"]]
    for found in (first, second):
        found.read(0), found.read(1)
    assert asked == [["y"], ["y"], ["X"]]


def test_bad_files_are_named(tmp_path):
    write(tmp_path, {"train": 5}, y=np.array([[0], [1], [2], [3], [4]], np.uint8))
    with pytest.raises(DataError, match=r"train_32x32\.mat: digits from 0 to 4, expected 1 to 10"):
        SVHN().examples(tmp_path, "train")
    write(tmp_path, {"train": 5}, X=np.zeros((5, 32, 32, 3), np.uint8))
    with pytest.raises(DataError, match=r"images are uint8 \(5, 32, 32, 3\), expected uint8 \(32, 32, 3, n\)"):
        SVHN().examples(tmp_path, "train").read(0)
    (tmp_path / "train_32x32.mat").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"train_32x32\.mat: cannot be read as a MATLAB file"):
        SVHN().examples(tmp_path, "train")
    assert "lacks test_32x32.mat of SVHN" in str(SVHN().missing(tmp_path))
