import struct

import numpy as np
import pytest

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.smallnorb import FILES, SmallNORB, matrix

BYTE, INTEGER = 0x1E3D4C55, 0x1E3D4C54


class Tiny(SmallNORB):
    counts = {"train": 36, "test": 36}
    train = "train[:20]"
    val = "test[:5]"


def write_matrix(path, magic, array):
    sizes = [*array.shape, 1, 1][: max(3, array.ndim)]
    path.write_bytes(struct.pack(f"<{2 + len(sizes)}i", magic, array.ndim, *sizes) + array.tobytes())


def write(folder):
    """Write the owners' matrices; return the pairs of images."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = {}
    for seed, (split, name) in enumerate(FILES.items()):
        pairs[split] = np.random.default_rng(seed).integers(0, 256, (36, 2, 96, 96), np.uint8)
        info = np.array([[i % 10, i % 9, 2 * ((i + seed) % 18), i % 6] for i in range(36)], "<i4")
        write_matrix(folder / f"{name}-dat.mat", BYTE, pairs[split])
        write_matrix(folder / f"{name}-info.mat", INTEGER, info)
        write_matrix(folder / f"{name}-cat.mat", INTEGER, np.arange(36, dtype="<i4") % 5)
    return pairs


def test_sizes_and_slices():
    data = SmallNORB("azimuth")
    assert data.builder == "smallnorb:2.0.0"
    assert data.counts == {"train": 24300, "test": 24300}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("test", 0, 200)  # of the test split
    assert data.part("test") == ("test", 12150, 24300)
    assert data.numbers("train") == data.numbers("test") == range(24300)


def test_left_images_and_both_tasks(tmp_path):
    pairs = write(tmp_path / "smallnorb")
    azimuth = Tiny("azimuth").examples(tmp_path / "smallnorb", "train")
    assert azimuth.labels.tolist() == [*range(18), *range(18)]  # from 0, 2, ... 34 degrees / 10
    assert Tiny("elevation").examples(tmp_path / "smallnorb", "train").labels.tolist() == [*range(9)] * 4
    assert list(azimuth.keys) == list(range(36))
    assert all(np.array_equal(azimuth.read(i)[..., k], pairs["train"][i, 0]) for i in range(36) for k in range(3))
    split = Original(Tiny("azimuth")).split(tmp_path, "val")
    assert split.keys == ("test/16", "test/13", "test/27", "test/30", "test/19")
    assert split.labels.tolist() == [17, 14, 10, 13, 2]
    assert np.array_equal(split.read(3)[..., 0], pairs["test"][30, 0])


@pytest.mark.parametrize("task", ["azimuth", "elevation"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_tensorflow_datasets_makes_the_same_of_it(tmp_path, agrees, split, task):
    write(tmp_path / "smallnorb")
    paths = {f"{kind}_path": tmp_path / "smallnorb" / f"{FILES[split]}-{kind}.mat" for kind in ("dat", "cat", "info")}
    agrees(SmallNORB(task), tmp_path / "smallnorb", split, {"split_prefix": f"{split}_", **paths})


@pytest.mark.parametrize("shape", [(7,), (7, 4), (3, 2, 2), (2, 2, 4, 4)])
def test_a_matrix_of_any_rank(tmp_path, shape):
    """Less than three dimensions are stored as three."""
    array = np.arange(np.prod(shape), dtype="<i4").reshape(shape)
    write_matrix(tmp_path / "a.mat", INTEGER, array)
    assert np.array_equal(matrix(tmp_path / "a.mat"), array)
    write_matrix(tmp_path / "a.mat", BYTE, array.astype("u1"))
    assert matrix(tmp_path / "a.mat").dtype == np.uint8


def test_bad_files_and_tasks_are_named(tmp_path):
    with pytest.raises(DataError, match="task 'category' of smallNORB, expected azimuth or elevation"):
        SmallNORB("category")
    assert "training-dat.mat" in str(SmallNORB("azimuth").missing(tmp_path))
    write(tmp_path)
    assert SmallNORB("azimuth").missing(tmp_path) is None
    path = tmp_path / f"{FILES['train']}-dat.mat"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"training-dat\.mat: no binary matrix of smallNORB, or cut short"):
        SmallNORB("azimuth").examples(tmp_path, "train")
    for content in (b"", b"\x1f\x8b\x08\x00" * 9, struct.pack("<5i", BYTE, -2, 1, 1, 1)):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"training-dat\.mat: no binary matrix of smallNORB, or cut short"):
            SmallNORB("azimuth").examples(tmp_path, "train")
    write_matrix(path, BYTE, np.zeros((36, 96, 96), np.uint8))
    with pytest.raises(DataError, match=r"shapes \(36, 96, 96\) and \(36, 4\), expected"):
        SmallNORB("azimuth").examples(tmp_path, "train")
