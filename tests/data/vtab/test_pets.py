import pytest
from PIL import Image

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.pets import Pets


class Tiny(Pets):
    counts = {"train": 74, "test": 37}
    train = "train[:60]"
    val = "train[60:63]"


def write(top, picture):
    """Write two training images and one test image of each of 37 breeds, and the owners' lists."""
    (top / "images").mkdir(parents=True)
    (top / "annotations" / "trimaps").mkdir(parents=True)
    listed = {"trainval": [], "test": []}
    for breed in range(1, 38):
        for i in range(3):
            name = f"{'Breed' if breed % 3 else 'breed_of'}_{breed}_{100 + i}"
            (top / "images" / f"{name}.jpg").write_bytes(picture(3 * breed + i))
            Image.new("L", (5, 4)).save(top / "annotations" / "trimaps" / f"{name}.png")
            listed["test" if i == 2 else "trainval"].append(f"{name} {breed} {1 + breed % 2} {1 + breed // 2}\n")
    for name, rows in listed.items():
        (top / "annotations" / f"{name}.txt").write_text("".join(rows))


def test_sizes_and_slices():
    data = Pets()
    assert (data.builder, data.versions) == ("oxford_iiit_pet:4.0.0", ("3",))
    assert data.counts == {"train": 3680, "test": 3669}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("train", 2944, 3144)
    assert data.part("test") == ("test", 0, 3669)


@pytest.mark.parametrize("below", ["", "oxford-iiit-pet"])
def test_the_lists_are_read(tmp_path, picture, below):
    folder = tmp_path / "oxford_iiit_pet"
    write(folder / below, picture)
    assert Tiny().missing(folder) is None
    found = Tiny().examples(folder, "train")
    assert found.keys[:5] == [f"Breed_{b}_{100 + i}.jpg" for b in (1, 2) for i in (0, 1)] + ["breed_of_3_100.jpg"]
    assert found.labels.tolist() == [label for label in range(37) for _ in range(2)]
    assert found.read(1) == picture(4)
    split = Original(Tiny()).split(tmp_path, "val")
    assert len(split) == 3 and set(split.keys) <= {f"train/{key}" for key in found.keys}


@pytest.mark.parametrize(("split", "part"), [("train", "trainval"), ("test", "test")])
def test_tensorflow_datasets_makes_the_same_of_it(tmp_path, picture, agrees, split, part):
    write(tmp_path, picture)
    arguments = {"images_dir_path": tmp_path / "images", "annotations_dir_path": tmp_path / "annotations"}
    agrees(Pets(), tmp_path, split, arguments | {"images_list_file": tmp_path / "annotations" / f"{part}.txt"})


@pytest.mark.parametrize("line", ["Abyssinian_100 1 1", "Abyssinian_100 one 1 1", "../../secret 1 1 1"])
def test_bad_lists_are_named(tmp_path, picture, line):
    write(tmp_path, picture)
    with (tmp_path / "annotations" / "test.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match=r"test\.txt: '.*', expected lines such as 'Abyssinian_100 1 1 1'"):
        Pets().examples(tmp_path, "test")


def test_what_is_missing_is_named(tmp_path):
    (tmp_path / "images").mkdir()
    found = str(Pets().missing(tmp_path))
    assert found == f"{tmp_path} lacks annotations/trainval.txt, annotations/test.txt of Oxford-IIIT Pets"
