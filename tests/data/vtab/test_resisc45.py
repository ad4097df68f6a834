import pytest

from visionpeft.data.original import Original
from visionpeft.data.vtab.resisc45 import CLASSES, RESISC45


class Tiny(RESISC45):
    counts = {"train": 90}
    train = "train[:40]"
    val = "train[50:53]"
    test = "train[60:]"


def write(top, picture):
    for label, name in enumerate(CLASSES):
        (top / name).mkdir(parents=True)
        for i in (1, 2):
            (top / name / f"{name}_{i:03}.jpg").write_bytes(picture(2 * label + i))


def test_sizes_and_slices():
    data = RESISC45()
    assert data.builder == "resisc45:3.0.0"
    assert data.counts == {"train": 31500}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("train", 18900, 19100)
    assert data.part("test") == ("train", 25200, 31500)
    assert len(CLASSES) == 45 and sorted(CLASSES) == list(CLASSES)


@pytest.mark.parametrize("below", ["", "NWPU-RESISC45"])
def test_class_folders_are_read(tmp_path, picture, below):
    folder = tmp_path / "resisc45"
    write(folder / below, picture)
    (folder / below / "beach" / "Thumbs.db").touch()
    assert Tiny().missing(folder) is None
    found = Tiny().examples(folder, "train")
    assert found.keys[:3] == ["airplane_airplane_001.jpg", "airplane_airplane_002.jpg", "airport_airport_001.jpg"]
    assert found.labels.tolist() == [label for label in range(45) for _ in range(2)]
    assert found.read(3) == picture(4)
    assert len(Original(Tiny()).split(tmp_path, "test")) == 30


def test_tensorflow_datasets_makes_the_same_of_it(tmp_path, picture, agrees):
    write(tmp_path / "resisc45", picture)
    agrees(RESISC45(), tmp_path / "resisc45", "train", {"path": tmp_path / "resisc45"})


def test_what_is_missing_is_named(tmp_path):
    for name in CLASSES[2:]:
        (tmp_path / name).mkdir()
    assert RESISC45().missing(tmp_path) == f"{tmp_path} lacks airplane, airport of RESISC45's class folders"
