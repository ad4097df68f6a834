"""The lists of NOAH (Zhang et al., 2022): where they are published, and where they and the images lie on a disk."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .obtain import Delivery
from .official import Remote
from .vtab.flowers102 import Flowers102
from .vtab.pets import Pets

COMMIT = "e9c55f360be4f7f1133a08bf84f86f0309e98f8c"
PAGE = f"https://github.com/ZhangYuanhan-AI/NOAH/tree/{COMMIT[:7]}/data/few-shot"
SERVED = f"https://raw.githubusercontent.com/ZhangYuanhan-AI/NOAH/{COMMIT}"
GUIDE = "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md"
"""Where NOAH sends its readers for the images."""
DIGESTS = Path(__file__).parent / "lists" / "noah.csv"
"""Path, size and sha256 of every list in NOAH's repository at that commit (MIT licence); the lists are not here."""
AROUND = ("", "{0}", "lists/noah/data/{0}", "NOAH/data/{0}", "vtab-1k")
"""Folders below the data folder in which a data set's are looked for; {0}: its folder's parent in NOAH's repository."""


@dataclass(frozen=True)
class DataSet:
    """Where the lists and the images of one data set are.

    Attributes:
        lists: its folder in NOAH's repository.
        names: that folder's and its images' names in common copies: NOAH's, CoOp's, torchvision's.
        images: folders that the lists' paths may be relative to.
        proof: a folder or file that is among the images.
        known: the first image of the published test list, looked for while there are no lists.
        archives: the images as their owners serve them.
        by_hand: what a person must do to have the images.
        suite: the parent of its folder in NOAH's repository.
        test: the list of test images.
    """

    lists: str
    names: tuple[str, ...]
    images: tuple[str, ...] = ("images",)
    proof: str = ""
    known: str = ""
    archives: tuple[Remote, ...] = ()
    by_hand: str = f"how to get the images: {GUIDE}"
    suite: str = "few-shot"
    test: str = "test_meta.list"

    def remotes(self) -> tuple[Remote, ...]:
        """Return the lists as files to be downloaded."""
        top = f"data/{self.suite}/{self.lists}/"
        with DIGESTS.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["path"].startswith(top)]
        return tuple(_list(row["path"], top, f"sha256:{row['sha256']}", int(row["size"])) for row in rows)

    def delivery(self, root: Path, lacking: Callable[[], str | None], listed: Sequence[str] = ()) -> Delivery:
        """Return what is to be downloaded, `lacking` telling whether all is there; for `listed` see `pictures`."""
        lists = () if self.annotations(root) else self.remotes()
        images = () if self.pictures(root, listed) else self.archives
        terms = f"lists: MIT, {PAGE}; images: their owners', see {GUIDE}"
        home = root.expanduser() / self.suite / self.names[0]
        return Delivery(home, lists + images, lacking, terms, self.by_hand)

    def lacking(self, root: Path, listed: Sequence[str] = ()) -> str | None:
        """Return None if there are lists and a folder with images, `listed` among them, else what is missing."""
        if self.annotations(root) is None:
            page = PAGE.replace("few-shot", self.suite)
            where = f"`make data` gets them from {page}/{self.lists}"
            return f"no {self.names[0]}/annotations with NOAH's lists in {root}; {where}"
        if self.pictures(root, listed) is None:
            how = "`make data` gets them" if self.archives else self.by_hand
            among = f", among them {' and '.join(listed)}" if listed else ""
            return f"no {self.names[0]}/{self.proof or self.images[0]} with the images in {root}{among}; {how}"
        return None

    def annotations(self, root: Path) -> Path | None:
        """Return the folder with the lists, if there is one."""
        found = (folder / "annotations" for folder in self._homes(root))
        return next((folder for folder in found if (folder / self.test).is_file()), None)

    def pictures(self, root: Path, listed: Sequence[str] = ()) -> Path | None:
        """Return the folder that the lists' paths are relative to: the first that has all of the `listed` images.

        A folder of the right name is not enough: a VTAB-1k copy has one too, with a part of the images.
        """
        return next((one for one in self.folders(root) if all((one / image).is_file() for image in listed)), None)

    def folders(self, root: Path) -> list[Path]:
        """Return the folders that may hold the images."""
        folders = [folder / below for folder in self._homes(root) for below in self.images]
        return [folder for folder in folders if (folder / self.proof).exists()]

    def _homes(self, root: Path) -> list[Path]:
        return [root.expanduser() / base.format(self.suite) / name for base in AROUND for name in self.names]


def _list(path: str, top: str, digest: str, size: int) -> Remote:
    return Remote((f"{SERVED}/{path}",), path.removeprefix(top), digest, size, unpack=False)


DATA_SETS = {
    "aircraft": DataSet(
        "fgvc-aircraft",
        ("fgvc_aircraft", "fgvc-aircraft", "fgvc-aircraft-2013b", "aircraft"),
        ("images", "data/images", "fgvc-aircraft-2013b/data/images"),
        known="1514522.jpg",
        archives=(
            Remote(
                ("https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",),
                "fgvc-aircraft-2013b.tar.gz",
                digest="",
                size=0,
            ),
        ),
    ),
    "food101": DataSet(
        "food101",
        ("food-101", "food101"),
        ("images", "food-101/images"),
        known="apple_pie/1214326.jpg",
        archives=(
            Remote(
                ("https://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",),
                "food-101.tar.gz",
                digest="md5:85eeb15f3717b99a5da872d97d918f87",  # torchvision's
                size=0,
            ),
        ),
    ),
    "flowers102": DataSet(
        "oxford-flowers102",
        ("oxford_flowers", "oxford-flowers102", "oxford_flowers102", "flowers-102", "flowers102"),
        ("images", "jpg"),
        known="image_00172.jpg",
        archives=Flowers102.remotes[:1],
    ),
    "pets": DataSet(
        "oxford-pets",
        ("oxford_pets", "oxford-pets", "oxford_iiit_pet", "oxford-iiit-pet", "pets"),
        ("images", "oxford-iiit-pet/images"),
        known="Abyssinian_201.jpg",
        archives=Pets.remotes[:1],
    ),
    "cars": DataSet(
        "standford-cars",  # spelt so in NOAH's repository
        ("stanford_cars", "stanford-cars", "standford-cars", "cars"),
        (".",),
        proof="cars_train",
        by_hand=(
            "the owners of Stanford Cars no longer serve it; put the folders cars_train (8,144 images) and cars_test "
            f"(8,041) of a copy into stanford_cars below the data folder, see {GUIDE}"
        ),
    ),
    "imagenet": DataSet("imagenet", ("imagenet", "ImageNet"), ("images/train", "train"), test="val_meta.list"),
}
"""The five data sets in the order of the literature, and ImageNet, whose lists have the same form."""
