import hashlib

import numpy as np
import pytest

from visionpeft.data.folder import ListFolder
from visionpeft.data.imagefolder import ImageFolder
from visionpeft.data.task import DataError, Split, Target, Task, find, load

TOY = ListFolder(names=("toy",))
TASK = Task("toy", "vtab", "natural", 3, {"train": 6, "val": 2, "test": 4}, [TOY])


def test_digest_ignores_the_order_and_order_does_not():
    def split(keys: str, labels: list[int]) -> Split:
        return Split(tuple(keys), np.array(labels), lambda i: b"")

    one, two, other = split("ab", [0, 1]), split("ba", [1, 0]), split("ab", [1, 0])
    assert one.digest == two.digest == hashlib.sha256(b"a\t0\nb\t1\n").hexdigest()
    assert two.order == hashlib.sha256(b"b\t1\na\t0\n").hexdigest() != one.order
    assert other.digest != one.digest


def test_sources_become_a_tuple():
    assert TASK.sources == (TOY,)


def test_some_target_is_another_domain():
    same, other = Target("val", shifted=False), Target("v2")
    Task("t", "s", "g", 5, targets=(same, other))
    with pytest.raises(DataError, match="no target of s task t is shifted"):
        Task("t", "s", "g", 5, targets=(same,))


def test_find_takes_the_first_source_that_is_there(root, tmp_path):
    absent = ListFolder(names=("absent",))
    task = Task("toy", "vtab", "natural", 3, sources=(absent, TOY))
    assert find(task, root) is TOY
    own = ImageFolder(path=str(tmp_path / "no"))
    with pytest.raises(DataError) as caught:
        find(Task("toy", "vtab", "natural", 3, sources=(absent, own)), root)
    assert str(caught.value) == (
        f"no data for vtab task toy: folder: no folder absent in {root}; give the one that holds it with DATA=... or "
        f"VISIONPEFT_DATA; imagefolder: there is no folder {tmp_path / 'no'}"
    )


def test_find_by_name(root):
    assert find(TASK, root, "folder") is TOY
    with pytest.raises(DataError, match="cannot be read from source 'tfds'; it has folder"):
        find(TASK, root, "tfds")
    with pytest.raises(DataError, match="task toy has no source to read it from yet"):
        find(Task("toy", "vtab", "natural", 3), root)


def test_find_without_a_data_folder_says_how_to_give_it():
    with pytest.raises(DataError, match="DATA=... or VISIONPEFT_DATA"):
        find(TASK, None)


def test_trainval_is_train_followed_by_val(root):
    train, val, both = (load(TASK, TOY, root, name) for name in ("train", "val", "trainval"))
    assert both.keys == train.keys + val.keys and both.files == train.files + val.files
    assert both.labels.tolist() == train.labels.tolist() + val.labels.tolist()
    assert [both.read(i) for i in range(8)] == [train.read(i) for i in range(6)] + [val.read(i) for i in range(2)]
    assert both.places == train.places + val.places


def test_a_size_that_differs_is_no_error(root):
    assert len(load(Task("toy", "vtab", "natural", 3, {"test": 6084}, (TOY,)), TOY, root, "test")) == 4


def test_an_unknown_split_is_refused(root):
    with pytest.raises(DataError, match="no split 'tests'; expected one of train, val, trainval, test"):
        load(TASK, TOY, root, "tests")


@pytest.mark.parametrize("label", ["3", "-1"])
def test_labels_out_of_range_name_file_and_line(root, toy, label):
    (toy / "test.txt").write_text(f"images/08.jpg 2\nimages/09.jpg {label}\nimages/10.jpg 99\n")
    with pytest.raises(DataError) as caught:
        load(TASK, TOY, root, "test")
    assert str(caught.value) == (
        f"{toy / 'test.txt'}:2: label {label} of images/09.jpg, expected 0 to 2 (and 1 more); task toy has 3 classes"
    )


def test_an_image_listed_twice_is_refused(root, toy):
    (toy / "test.txt").write_text("images/08.jpg 2\nimages/09.jpg 0\nimages/08.jpg 2\n")
    with pytest.raises(DataError, match=r"test.txt:3: images/08.jpg was listed before \(.*test.txt:1\)"):
        load(TASK, TOY, root, "test")


def test_train_and_val_share_no_image(root, toy):
    (toy / "train800val200.txt").unlink()
    (toy / "val200.txt").write_text("images/00.jpg 0\n")
    with pytest.raises(DataError, match=r"val200.txt:1: images/00.jpg was listed before \(.*train800.txt:1\)"):
        load(TASK, TOY, root, "trainval")


@pytest.mark.parametrize(("image", "split", "name"), [("01", "train", "train800"), ("07", "val", "val200")])
def test_test_shares_no_image_with_train_or_val(root, toy, image, split, name):
    (toy / "test.txt").write_text(f"images/08.jpg 2\nimages/{image}.jpg 1\n")
    with pytest.raises(DataError, match=rf"{name}.txt:2: images/{image}.jpg is in {split} and in test"):
        load(TASK, TOY, root, "test")


def test_an_empty_split_is_refused(root):
    class Nothing(ListFolder):
        def split(self, root, name):
            return Split((), np.array([], dtype=np.int64), lambda i: b"")

    with pytest.raises(DataError, match="split train is empty"):
        load(TASK, Nothing(names=("toy",)), root, "train")
