from pathlib import Path

import pytest
from PIL import Image

from visionpeft.data.imagefolder import ImageFolder
from visionpeft.data.task import DataError


def refused(source: ImageFolder, *words: str, split: str = "train") -> None:
    with pytest.raises(DataError) as caught:
        source.split(None, split)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for i, name in enumerate(["train/b/2.PNG", "train/b/1.jpg", "train/a/deep/x.jpeg", "val/a/1.jpg", "test/b/1.webp"]):
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, i, i)).save(path)
    (tmp_path / "own/train/b/Thumbs.db").write_text("no image")
    (tmp_path / "own/train/b/.hidden.jpg").write_text("no image")
    (tmp_path / "own/train/.git").mkdir()
    return tmp_path / "own"


def test_takes_classes_from_train_by_name(own):
    source = ImageFolder(path=str(own))
    train, val, test = (source.split(None, name) for name in ("train", "val", "test"))
    assert train.keys == ("train/a/deep/x.jpeg", "train/b/1.jpg", "train/b/2.PNG")
    assert train.labels.tolist() == [0, 1, 1] and train.upright
    assert (val.keys, val.labels.tolist()) == (("val/a/1.jpg",), [0])
    assert (test.keys, test.labels.tolist()) == (("test/b/1.webp",), [1])


def test_refuses_classes_that_train_lacks(own):
    (own / "test/c").mkdir()
    refused(ImageFolder(path=str(own)), f"{own / 'test/c'}: no such class in train; it has a, b", split="test")


def test_refuses_an_empty_class_and_no_class(own):
    (own / "train/c").mkdir()
    refused(ImageFolder(path=str(own)), f"{own / 'train/c'} holds no images")


def test_without_val_says_how_to_make_one(own):
    (own / "val/a/1.jpg").unlink()
    (own / "val/a").rmdir()
    (own / "val").rmdir()
    problem = ImageFolder(path=str(own)).missing(None)
    assert problem.startswith(f"{own} lacks the folder val") and "move about a fifth" in problem
    refused(ImageFolder(path=str(own)), "lacks the folder val")
    assert ImageFolder(path=str(own / "no")).missing(None) == f"there is no folder {own / 'no'}"


def test_refuses_links_that_leave_it(own, tmp_path):
    (tmp_path / "away.jpg").write_bytes(b"")
    (own / "train/a/away.jpg").symlink_to(tmp_path / "away.jpg")
    refused(ImageFolder(path=str(own)), "train/a/away.jpg", "leaves the folder through a link")


def test_refuses_files_that_are_no_images_instead_of_passing_over_them(own):
    (own / "train/a/photo.heic").write_bytes(b"")
    (own / "train/a/zebra.heic").write_bytes(b"")
    refused(ImageFolder(path=str(own)), f"{own / 'train/a/photo.heic'} (and 1 more): expected images (.jpg,", "convert")
