import os

import numpy as np
import pytest

from visionpeft.data.folder import ListFolder
from visionpeft.data.task import DataError

TOY = ListFolder(names=("absent", "toy"))


def refused(source, root, *words: str, split: str = "train") -> str:
    with pytest.raises(DataError) as caught:
        source.split(root, split)
    message = str(caught.value)
    assert all(word in message for word in words), message
    return message


@pytest.mark.parametrize("below", ["", "vtab-1k"])
def test_the_data_folder_may_hold_the_suite_or_be_it(root, below):
    split = TOY.split(root / below, "train")
    assert split.keys == tuple(f"images/{i:02}.jpg" for i in range(6))
    assert split.labels.tolist() == [0, 1, 2, 0, 1, 2] and split.labels.dtype == np.int64
    assert split.read(2) == (root / "vtab-1k/toy/images/02.jpg").read_bytes()
    assert split.files[2] == root / "vtab-1k/toy/images/02.jpg"
    assert split.places[2] == f"{root / 'vtab-1k/toy/train800.txt'}:3"
    assert not split.upright


def test_every_split_is_read(toy, root):
    assert [len(TOY.split(root, name)) for name in ("train", "val", "test")] == [6, 2, 4]


def test_the_tasks_own_folder_in_place_of_the_one_above_is_named(toy):
    assert (
        TOY.missing(toy) == f"{toy} holds the lists itself; give the folder above, in which it is called absent or toy"
    )


def test_a_set_of_ones_own_has_a_path_and_plain_list_names(toy):
    for old, new in (("train800", "train"), ("val200", "val"), ("train800val200", "trainval")):
        (toy / f"{old}.txt").rename(toy / f"{new}.txt")
    own = ListFolder(path=str(toy))
    assert own.missing(None) is None
    assert [len(own.split(None, name)) for name in ("train", "val", "test")] == [6, 2, 4]


def test_lists_and_images_may_lie_elsewhere(toy, root):
    lists = {}
    for name, old in (("train", "train800"), ("val", "val200"), ("test", "test")):
        text = (toy / f"{old}.txt").read_text().replace("images/", "")
        (toy / "annotations").mkdir(exist_ok=True)
        (toy / "annotations" / f"{name}_meta.list").write_text(text)
        lists[name] = f"annotations/{name}_meta.list"
    split = ListFolder(names=("toy",), lists=lists, images="images").split(root, "val")
    assert split.keys == ("06.jpg", "07.jpg") and split.read(0) == (toy / "images/06.jpg").read_bytes()


def test_lists_must_name_all_three():
    with pytest.raises(DataError, match="expected train, val and test"):
        ListFolder(names=("toy",), lists={"train": "a.txt"})


def test_a_source_without_a_place_is_refused():
    with pytest.raises(DataError, match="names .* or a path"):
        ListFolder()


def test_missing_says_what_to_do(root, toy, tmp_path):
    assert TOY.missing(root) is None
    assert "DATA=..." in TOY.missing(None) and "VISIONPEFT_DATA" in TOY.missing(None)
    nothing = TOY.missing(tmp_path / "nowhere")
    assert "no folder absent or toy" in nothing and "VISIONPEFT_DATA" in nothing
    (toy / "val200.txt").unlink()
    assert TOY.missing(root) == f"{toy} has no val200.txt or val.txt, expected lists of train, val and test"
    refused(TOY, root, "has no val200.txt")
    assert ListFolder(path=str(tmp_path / "mine")).missing(root) == f"there is no folder {tmp_path / 'mine'}"


def test_paths_may_hold_blanks_and_lists_windows_lines(toy, root):
    (toy / "images/08.jpg").rename(toy / "images/a  soap 3.jpg")
    (toy / "test.txt").write_bytes(b"\xef\xbb\xbfimages/a  soap 3.jpg 2\r\n\r\nimages/09.jpg\t0\r\n")
    split = TOY.split(root, "test")
    assert split.keys == ("images/a  soap 3.jpg", "images/09.jpg") and split.labels.tolist() == [2, 0]
    assert split.places[1].endswith("test.txt:3")


def test_names_that_are_no_utf8_can_be_read_and_digested(toy, root):
    name = os.fsdecode(b"images/caf\xe9.jpg")
    (toy / "images/08.jpg").rename(toy / name)
    (toy / "test.txt").write_bytes(b"images/caf\xe9.jpg 1\n")
    split = TOY.split(root, "test")
    assert split.read(0) and len(split.digest) == 64


@pytest.mark.parametrize("line", ["images/01.jpg", "7", "images/01.jpg one", "images/01.jpg 1.0", "images/01.jpg 1_0"])
def test_a_bad_line_is_named(toy, root, line):
    (toy / "test.txt").write_text(f"images/08.jpg 2\n{line}\n")
    refused(TOY, root, f"{toy / 'test.txt'}:2: expected a path and an integer label, got '{line}'", split="test")


def test_an_empty_list_is_refused(toy, root):
    (toy / "test.txt").write_text("\n")
    refused(TOY, root, f"{toy / 'test.txt'} is empty", split="test")


def test_missing_images_are_named_and_counted(toy, root):
    (toy / "images/09.jpg").unlink()
    refused(TOY, root, f"{toy / 'test.txt'}:2: no image", "images/09.jpg", split="test")
    (toy / "images/10.jpg").unlink()
    refused(TOY, root, f"{toy / 'test.txt'}:2: no image", "(2 of 4 lines have such a problem)", split="test")
    (toy / "images/09.jpg").mkdir()
    refused(TOY, root, "test.txt:2:", "is no file", split="test")


@pytest.mark.parametrize(
    "path", ["../other/1.jpg", "images/../../other/1.jpg", "/etc/hosts", "C:\\x.jpg", "..\\x.jpg", "\\\\host\\x.jpg"]
)
def test_paths_that_leave_the_folder_are_refused(toy, root, path):
    (toy / "test.txt").write_text(f"images/08.jpg 2\n{path} 1\n")
    refused(TOY, root, f"{toy / 'test.txt'}:2: path {path} leaves the folder", split="test")


def test_links_out_of_the_folder_are_refused(toy, root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(b"")
    (toy / "images/link.jpg").symlink_to(outside / "secret.jpg")
    (toy / "elsewhere").symlink_to(outside)
    for path in ("images/link.jpg", "elsewhere/secret.jpg"):
        (toy / "test.txt").write_text(f"{path} 1\n")
        refused(TOY, root, "test.txt:1:", "leaves the folder through a link", split="test")
    (toy / "images/dangling.jpg").symlink_to(toy / "images/absent.jpg")
    (toy / "test.txt").write_text("images/dangling.jpg 1\n")
    refused(TOY, root, "test.txt:1: no image", split="test")


def test_links_within_the_folder_and_to_the_folder_are_followed(toy, root, tmp_path):
    (toy / "images/link.jpg").symlink_to("08.jpg")
    (toy / "test.txt").write_text("images/link.jpg 1\n")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/toy").symlink_to(toy)
    assert TOY.split(tmp_path / "linked", "test").read(0) == (toy / "images/08.jpg").read_bytes()


@pytest.mark.parametrize("change", ["other label", "one too few", "one twice", "another image"])
def test_the_joint_list_must_agree_with_its_parts(toy, root, change):
    joint = toy / "train800val200.txt"
    lines = joint.read_text().splitlines()
    if change == "other label":
        lines[3] = "images/03.jpg 2"
    elif change == "one too few":
        lines.pop()
    elif change == "one twice":
        lines.append(lines[0])
    else:
        lines[0] = "images/11.jpg 2"
    joint.write_text("\n".join(lines))
    for split in ("train", "val"):
        refused(TOY, root, "differs between train800val200.txt and the lists of train and val", split=split)


def test_the_joint_list_may_have_another_order_or_be_absent(toy, root):
    joint = toy / "train800val200.txt"
    joint.write_text("\n".join(reversed(joint.read_text().splitlines())))
    assert len(TOY.split(root, "train")) == 6
    joint.unlink()
    assert len(TOY.split(root, "train")) == 6
