"""The five test sets of ImageNet's classes: NOAH's lists to the letter, and where the images may lie."""

import numpy as np
import pytest

from visionpeft.data.fewshot import FewShot
from visionpeft.data.folder import parse
from visionpeft.data.imagenet import TEST_SETS, ImageNetTest
from visionpeft.data.task import DataError

A = """
6 11 13 15 17 22 23 27 30 37 39 42 47 50 57 70 71 76 79 89 90 94 96 97 99 105 107 108 110 113 124 125 130 132
143 144 150 151 207 234 235 254 277 283 287 291 295 298 301 306 307 308 309 310 311 313 314 315 317 319 323 324
326 327 330 334 335 336 347 361 363 372 378 386 397 400 401 402 404 407 411 416 417 420 425 428 430 437 438 445
456 457 461 462 470 472 483 486 488 492 496 514 516 528 530 539 542 543 549 552 557 561 562 569 572 573 575 579
589 606 607 609 614 626 627 640 641 642 643 658 668 677 682 684 687 701 704 719 736 746 749 752 758 763 765 768
773 774 776 779 780 786 792 797 802 803 804 813 815 820 823 831 833 835 839 845 847 850 859 862 870 879 880 888
890 897 900 907 913 924 932 933 934 937 943 945 947 951 954 956 957 959 971 972 980 981 984 986 987 988
"""
"""The 200 classes of ImageNet-A."""
R = """
1 2 4 6 8 9 11 13 22 23 26 29 31 39 47 63 71 76 79 84 90 94 96 97 99 100 105 107 113 122 125 130 132 144 145 147
148 150 151 155 160 161 162 163 171 172 178 187 195 199 203 207 208 219 231 232 234 235 242 245 247 250 251 254
259 260 263 265 267 269 276 277 281 288 289 291 292 293 296 299 301 308 309 310 311 314 315 319 323 327 330 334
335 337 338 340 341 344 347 353 355 361 362 365 366 367 368 372 388 390 393 397 401 407 413 414 425 428 430 435
437 441 447 448 457 462 463 469 470 471 472 476 483 487 515 546 555 558 570 579 583 587 593 594 596 609 613 617
621 629 637 657 658 701 717 724 763 768 774 776 779 780 787 805 812 815 820 824 833 847 852 866 875 883 889 895
907 928 931 932 933 934 936 937 943 945 947 948 949 951 953 954 957 963 965 967 980 981 983 988
"""
"""The 200 classes of ImageNet-R."""
OWN = {name: {int(number) for number in text.split()} for name, text in (("a", A), ("r", R))}
SIZES = {"val": 50000, "v2": 10000, "sketch": 50889, "a": 7500, "r": 30000}


def test_the_two_sets_of_200():
    assert [len(own) for own in OWN.values()] == [200, 200]
    assert len(OWN["a"] & OWN["r"]) == 86


@pytest.mark.parametrize("name", SIZES)
def test_the_lists(shared, name):
    entries = list(parse(TEST_SETS[name].annotations(shared) / "val_meta.list"))
    assert len(entries) == len({entry.key for entry in entries}) == SIZES[name]
    assert {entry.label for entry in entries} == OWN.get(name, set(range(1000)))
    assert sum(" " in entry.key for entry in entries) == (7500 if name == "a" else 0)
    if name in ("sketch", "a", "r"):  # the synset's folder is that of the training images of the same label
        train = parse(shared / "lists/noah/data/few-shot/imagenet/annotations/train_meta.list.num_shot_1.seed_0")
        synsets = {entry.label: entry.key.split("/")[0] for entry in train}
        assert all(synsets[entry.label] == entry.key.split("/")[1] for entry in entries)


@pytest.mark.parametrize("below", ["", "imagenet-adversarial"])
def test_imagenet_a_is_read_with_the_blanks_in_its_paths(shared, tmp_path, below):
    """All 7,500 images, as empty files: in the folder that NOAH names, or unpacked into the data folder."""
    (tmp_path / "lists").symlink_to(shared / "lists")
    for entry in parse(TEST_SETS["a"].annotations(tmp_path) / "val_meta.list"):
        image = tmp_path / below / entry.key
        image.parent.mkdir(parents=True, exist_ok=True)
        image.touch()
    split = ImageNetTest("a").split(tmp_path, "test")
    assert (len(split), set(np.unique(split.labels))) == (7500, OWN["a"])
    assert split.keys[0] == "imagenet-a/n07753592/0.003773_soap dispenser _ soap dispenser_0.28588653.jpg"


def listed(root, lines: str) -> None:
    (root / "imagenet" / "annotations").mkdir(parents=True)
    (root / "imagenet" / "annotations" / "val_meta.list").write_text(lines)


@pytest.mark.parametrize("layout", ["val/{}", "images/val/{}", "images/val/n{:08}/{}"])
def test_validation_images_side_by_side_or_by_class(tmp_path, layout):
    """The list names no folders; most copies have one for each class, in the order of the labels."""
    labels = {"ILSVRC2012_val_00000001.JPEG": 2, "ILSVRC2012_val_00000002.JPEG": 0}
    listed(tmp_path, "".join(f"{name} {label}\n" for name, label in labels.items()))
    by_class = "08" in layout
    for label in range(3):
        (tmp_path / "imagenet" / layout.format(label, "") if by_class else tmp_path).mkdir(parents=True, exist_ok=True)
    for name, label in labels.items():
        image = tmp_path / "imagenet" / (layout.format(label, name) if by_class else layout.format(name))
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(name.encode())
    split = ImageNetTest("val").split(tmp_path, "test")
    assert split.keys == tuple(labels)
    assert [split.read(i).decode() for i in range(2)] == list(labels)


@pytest.mark.parametrize("place", ["imagenet-sketch/images", "imagenet-sketch/sketch", "sketch"])
def test_sketch_renamed_or_as_it_unpacks(tmp_path, place):
    annotations = tmp_path / "imagenet-sketch" / "annotations"
    annotations.mkdir(parents=True)
    (annotations / "val_meta.list").write_text("images/n1/sketch_0.JPEG 7\n")
    (tmp_path / place / "n1").mkdir(parents=True)
    (tmp_path / place / "n1" / "sketch_0.JPEG").write_bytes(b"drawn")
    split = ImageNetTest("sketch").split(tmp_path, "test")
    assert (split.keys, split.labels.tolist(), split.read(0)) == (("images/n1/sketch_0.JPEG",), [7], b"drawn")


def test_what_can_be_downloaded(tmp_path):
    """Lists and, where their owners serve them, images; nothing of what is there."""
    offers = {name: ImageNetTest(name).delivery(tmp_path) for name in SIZES}
    wanted = {
        name: [remote.name for remote in offer.outstanding if "list" not in remote.name]
        for name, offer in offers.items()
    }
    assert wanted == {
        "val": [], "v2": ["imagenetv2-matched-frequency.tar.gz"], "sketch": [], "a": ["imagenet-a.tar"],
        "r": ["imagenet-r.tar"],
    }  # fmt: skip
    assert all("annotations/val_meta.list" in [remote.name for remote in offer.remotes] for offer in offers.values())
    (offers["a"].folder / "imagenet-a").mkdir(parents=True)
    assert all("tar" not in remote.name for remote in ImageNetTest("a").delivery(tmp_path).remotes)


def test_what_is_missing_is_said(tmp_path):
    source = ImageNetTest("val")
    assert "DATA=" in source.missing(None)
    assert "no imagenet/annotations with NOAH's lists in" in source.missing(tmp_path)
    assert source.missing(tmp_path).endswith("/data/few-shot/imagenet")
    listed(tmp_path, "")
    assert "no imagenet/images/val with the images in" in source.missing(tmp_path)
    (tmp_path / "imagenet" / "val").mkdir()
    assert source.missing(tmp_path).endswith("val_meta.list is empty")
    (tmp_path / "imagenet" / "annotations" / "val_meta.list").write_text("x.JPEG 1\n")
    assert source.missing(tmp_path) == f"no image imagenet/images/val/x.JPEG in {tmp_path}"
    with pytest.raises(DataError, match="no image"):
        source.split(tmp_path, "test")
    with pytest.raises(DataError, match="no test set 'b' of ImageNet's classes; there are val, v2, sketch, a, r"):
        ImageNetTest("b")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_16_shots_are_learnt_from_and_validated_within(shared, tmp_path, seed):
    """16,000 images, as empty files: eight of each class to train on while a search validates on the other eight."""
    (tmp_path / "lists").symlink_to(shared / "lists")
    source = FewShot("imagenet", 16, seed)
    assert "imagenet" in source.missing(tmp_path)
    folder = shared / "lists/noah/data/few-shot/imagenet/annotations"
    for entry in parse(folder / f"train_meta.list.num_shot_16.seed_{seed}"):
        image = tmp_path / "imagenet" / "train" / entry.key
        image.parent.mkdir(parents=True, exist_ok=True)
        image.touch()
    splits = {name: source.split(tmp_path, name) for name in ("train", "val")}
    assert all(np.bincount(split.labels).tolist() == [8] * 1000 for split in splits.values())
    assert len(set(source.trainval(tmp_path).keys)) == 16000
    unofficial = {entry.key for entry in parse(folder / "unofficial_val_list_4_shot16seed0")}
    assert len(unofficial & set(source.trainval(tmp_path).keys)) == {0: 0, 1: 37, 2: 41}[seed]
