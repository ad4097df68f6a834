import pytest

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.dtd import CLASSES, DTD


class Tiny(DTD):
    counts = {"train": 94, "validation": 94, "test": 94}
    train = "train[:20]"
    val = "validation[:3]"


def write(top, picture):
    """Write six images of each class and the lists of two of the ten divisions."""
    (top / "labels").mkdir(parents=True)
    lists = {f"{part}{k}": [] for part in ("train", "val", "test") for k in (1, 2)}
    for label, name in enumerate(CLASSES):
        (top / "images" / name).mkdir(parents=True)
        for i in range(6):
            (top / "images" / name / f"{name}_{i:04}.jpg").write_bytes(picture(10 * label + i))
            for k in (1, 2):
                lists[f"{('train', 'val', 'test')[(i + k) % 3]}{k}"].append(f"{name}/{name}_{i:04}.jpg")
    for name, keys in lists.items():
        (top / "labels" / f"{name}.txt").write_text("".join(f"{key}\n" for key in keys))


def test_sizes_and_slices():
    data = DTD()
    assert data.builder == "dtd:3.0.1"
    assert data.counts == {"train": 1880, "validation": 1880, "test": 1880}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("validation", 0, 200)
    assert data.part("test") == ("test", 0, 1880)
    assert len(CLASSES) == 47 and sorted(CLASSES) == list(CLASSES)


@pytest.mark.parametrize("below", ["", "dtd"])
def test_the_first_division_is_read(tmp_path, picture, below):
    folder = tmp_path / "dtd"
    write(folder / below, picture)
    assert Tiny().missing(folder) is None
    found = Tiny().examples(folder, "train")
    assert found.keys[:3] == ["banded/banded_0002.jpg", "banded/banded_0005.jpg", "blotchy/blotchy_0002.jpg"]
    assert found.labels.tolist() == [label for label in range(47) for _ in range(2)]
    assert found.read(3) == picture(15)
    split = Original(Tiny()).split(tmp_path, "val")
    assert len(split) == 3 and all(key.startswith("validation/") for key in split.keys)
    assert split.read(0) == (folder / below / "images" / split.keys[0].removeprefix("validation/")).read_bytes()


@pytest.mark.parametrize(("split", "part"), [("train", "train1"), ("validation", "val1"), ("test", "test1")])
def test_tensorflow_datasets_makes_the_same_of_it(tmp_path, picture, agrees, split, part):
    write(tmp_path / "dtd" / "dtd", picture)
    agrees(DTD(), tmp_path / "dtd", split, {"data_path": tmp_path / "dtd", "split_name": part})


@pytest.mark.parametrize("line", ["plain/plain_0001.jpg", "banded.jpg", "banded/../../secret.jpg"])
def test_bad_lists_are_named(tmp_path, picture, line):
    write(tmp_path, picture)
    with (tmp_path / "labels" / "train1.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match=r"train1\.txt: '.*\.jpg' is in none of the 47 classes' folders"):
        DTD().examples(tmp_path, "train")


def test_what_is_missing_is_named(tmp_path):
    assert "lacks images, labels/train1.txt, labels/val1.txt and 1 more of DTD" in str(DTD().missing(tmp_path))
