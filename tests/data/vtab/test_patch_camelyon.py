import threading

import numpy as np
import pytest

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.patch_camelyon import PatchCamelyon

h5py = pytest.importorskip("h5py", reason="h5py is not installed")
NAME = "camelyonpatch_level_2_split"


class Tiny(PatchCamelyon):
    counts = {"train": 30, "validation": 20, "test": 10}
    train = "train[:20]"
    val = "validation[:4]"


def write(folder, sizes, labels=0):
    """Write the owners' HDF5 files, with so many labels too many; return the images."""
    folder.mkdir(parents=True, exist_ok=True)
    images = {}
    for seed, (part, size) in enumerate(sizes.items()):
        images[part] = np.random.default_rng(seed).integers(0, 256, (size, 96, 96, 3), np.uint8)
        with h5py.File(folder / f"{NAME}_{part}_x.h5", "w") as file:
            file["x"] = images[part]
        with h5py.File(folder / f"{NAME}_{part}_y.h5", "w") as file:
            file["y"] = np.array([i // 3 % 2 for i in range(size + labels)], np.uint8).reshape(-1, 1, 1, 1)
    return images


def test_sizes_slices_and_keys():
    data = PatchCamelyon()
    assert data.builder == "patch_camelyon:2.0.0"
    assert data.counts == {"train": 262144, "validation": 32768, "test": 32768}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("validation", 0, 200)
    assert data.part("test") == ("test", 0, 32768)
    assert data.numbers("train") is None
    assert data.known_keys("train")[-1] == "train_262143"
    assert data.known_keys("validation")[:2] == ["valid_0", "valid_1"]


def test_images_and_labels(tmp_path):
    images = write(tmp_path / "pcam", {"train": 30, "valid": 20, "test": 10})
    assert Tiny().missing(tmp_path / "pcam") is None
    found = Tiny().examples(tmp_path / "pcam", "validation")
    assert found.keys == Tiny().known_keys("validation")
    assert found.labels.tolist() == [i // 3 % 2 for i in range(20)]
    assert all(np.array_equal(found.read(i), images["valid"][i]) for i in range(20))
    split = Original(Tiny()).split(tmp_path, "val")
    assert split.keys == ("validation/valid_5", "validation/valid_19", "validation/valid_17", "validation/valid_8")
    assert split.labels.tolist() == [1, 0, 1, 0]
    assert np.array_equal(split.read(1), images["valid"][19])


@pytest.mark.parametrize(("split", "part"), [("train", "train"), ("validation", "valid"), ("test", "test")])
def test_tensorflow_datasets_makes_the_same_of_it(tmp_path, agrees, split, part):
    write(tmp_path, {part: 25})
    paths = {f"{part}_{kind}": tmp_path / f"{NAME}_{part}_{kind}.h5" for kind in "xy"}
    agrees(PatchCamelyon(), tmp_path, split, arguments={"split": part, "paths": paths})


def test_threads_may_read_at_once(tmp_path):
    images = write(tmp_path, {"train": 30})
    found = PatchCamelyon().examples(tmp_path, "train")
    right = []
    read = [
        threading.Thread(
            target=lambda: right.append(all(np.array_equal(found.read(i), images["train"][i]) for i in range(30)))
        )
        for _ in range(4)
    ]
    [thread.start() for thread in read], [thread.join() for thread in read]
    assert right == [True] * 4


def test_bad_files_are_named(tmp_path):
    assert "lacks camelyonpatch_level_2_split_train_x.h5" in str(PatchCamelyon().missing(tmp_path))
    write(tmp_path, {"train": 5}, labels=1)
    with pytest.raises(DataError, match=r"train_x\.h5: 5 images, but another number of labels in .*train_y\.h5"):
        PatchCamelyon().examples(tmp_path, "train")
    with h5py.File(tmp_path / f"{NAME}_test_x.h5", "w") as file:
        file["x"] = np.zeros((2, 32, 32, 3), np.uint8)
    with h5py.File(tmp_path / f"{NAME}_test_y.h5", "w") as file:
        file["x"] = np.zeros(2)
    with pytest.raises(DataError, match=r"its x has shape \(2, 32, 32, 3\), expected \(n, 96, 96, 3\)"):
        PatchCamelyon().examples(tmp_path, "test")
    (tmp_path / f"{NAME}_test_x.h5").unlink()
    (tmp_path / f"{NAME}_test_x.h5").write_bytes(b"\x1f\x8b of a file that was not unpacked")
    with pytest.raises(DataError, match=r"test_x\.h5: cannot be read as HDF5"):
        PatchCamelyon().examples(tmp_path, "test")
