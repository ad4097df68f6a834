import itertools

import numpy as np
import pytest

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab import dsprites
from visionpeft.data.vtab.dsprites import NAME, DSprites, binned

FACTORS = (1, 1, 1, 8, 4, 2)


class Tiny(DSprites):
    counts = {"train": 64}
    val = "train[50:55]"
    test = "train[58:]"
    train = "train[:40]"


def write(folder, kind, images=None, classes=None):
    """Write 64 images in the owners' layout, spread over all angles and places if not told; return both."""
    folder.mkdir(parents=True, exist_ok=True)
    if classes is None:
        classes = np.array(list(itertools.product(*map(range, FACTORS)))) * [1, 1, 1, 5, 10, 16] + [0, 0, 0, 4, 1, 15]
    classes = np.array(classes, np.int64)
    if images is None:
        images = np.random.default_rng(0).integers(0, 2, (64, 64, 64), np.uint8)
    values = classes / 8
    path = folder / f"{NAME}.{kind}"
    if kind == "npz":
        metadata = np.array({"author": "a pickle, which is never opened"}, dtype=object)
        np.savez_compressed(path, metadata=metadata, imgs=images, latents_classes=classes, latents_values=values)
    else:
        h5py = pytest.importorskip("h5py", reason="h5py is not installed")
        with h5py.File(path, "w") as file:
            file.create_dataset("imgs", data=images, chunks=(24, 8, 8), compression="gzip")
            file["latents/classes"], file["latents/values"] = classes, values
    return images, classes


def test_sizes_and_slices():
    data = DSprites("location")
    assert data.builder == "dsprites:2.0.0"
    assert data.counts == {"train": 737280}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("train", 589824, 590024)
    assert data.part("test") == ("train", 663552, 737280)
    assert data.numbers("train") == range(737280)


def test_places_and_angles_in_sixteen_bins():
    places, angles = binned(np.arange(32), 32), binned(np.arange(40), 40)
    assert places.tolist() == [k for k in range(16) for _ in range(2)]
    assert angles.tolist() == [k for k in range(16) for _ in range(2 + (k % 2 == 0))]
    assert angles.tolist() == [int(k // 2.5) for k in range(40)]


@pytest.mark.parametrize("kind", ["npz", "hdf5"])
def test_both_files_are_read(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(dsprites, "BLOCK", 10)
    images, classes = write(tmp_path / "dsprites", kind)
    for task, column, step in (("location", 4, 2), ("orientation", 3, 2.5)):
        found = Tiny(task).examples(tmp_path / "dsprites", "train")
        assert list(found.keys) == list(range(64))
        assert found.labels.tolist() == [int(row[column] // step) for row in classes]
    assert found.read(7).shape == (64, 64, 3)
    assert all(np.array_equal(found.read(i)[..., k], 255 * images[i]) for i in range(64) for k in range(3))
    split = Original(Tiny("location")).split(tmp_path, "test")
    assert split.keys == ("train/63", "train/11", "train/2", "train/46", "train/57", "train/37")
    assert np.array_equal(split.read(1)[..., 0], 255 * images[11])


@pytest.mark.parametrize(
    ("latents", "expected"),
    [
        ((0, 0, 0, 0, 0), 0),
        ((0, 0, 0, 0, 31), 31),
        ((0, 0, 0, 1, 0), 32),
        ((0, 0, 1, 0, 0), 1024),
        ((0, 1, 0, 0, 0), 40960),
        ((1, 0, 0, 0, 0), 245760),
        ((2, 5, 39, 31, 31), 737279),
    ],
)
def test_factors_say_the_number_where_no_id_does(latents, expected):
    names = ("shape", "scale", "orientation", "x_position", "y_position")
    features = {f"label_{name}": np.int64(value) for name, value in zip(names, latents, strict=True)}
    assert DSprites("location").key(features) == expected
    assert DSprites("location").key(features | {"id": b"000042"}) == 42
    assert [DSprites(task).label(features) for task in ("location", "orientation")] == [
        latents[3] // 2,
        int(latents[2] // 2.5),
    ]


@pytest.mark.parametrize("task", ["location", "orientation"])
def test_tensorflow_datasets_makes_the_same_of_it(tmp_path, agrees, task):
    """Of the first 64 images, whose numbers their factors say."""
    write(tmp_path / "dsprites", "hdf5", classes=[[0, 0, 0, 0, i // 32, i % 32] for i in range(64)])
    agrees(DSprites(task), tmp_path / "dsprites", "train", {"filepath": tmp_path / "dsprites" / f"{NAME}.hdf5"})


def test_bad_files_and_tasks_are_named(tmp_path):
    with pytest.raises(DataError, match="task 'shape' of dSprites, expected location or orientation"):
        DSprites("shape")
    assert "lacks dsprites_ndarray" in str(DSprites("location").missing(tmp_path))
    write(tmp_path, "npz", np.full((64, 64, 64), 2, np.uint8))
    with pytest.raises(DataError, match="a pixel has the value 2, expected 0 or 1"):
        DSprites("location").examples(tmp_path, "train").read(0)
    write(tmp_path, "npz", np.zeros((64, 32, 32), np.uint8))
    with pytest.raises(DataError, match=r"images are uint8 \(64, 32, 32\), expected uint8 \(n, 64, 64\)"):
        DSprites("location").examples(tmp_path, "train").read(0)
    write(tmp_path, "npz", np.zeros((63, 64, 64), np.uint8))
    with pytest.raises(DataError, match="63 images, but 64 rows of classes"):
        DSprites("location").examples(tmp_path, "train").read(0)
    (tmp_path / f"{NAME}.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DataError, match=r"\.npz: cannot be read"):
        DSprites("location").examples(tmp_path, "train")
