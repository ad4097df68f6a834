"""Write data/splits/digests.csv: what VTAB's splits are, computed from the owners' files as far as they are there.

    python scripts/pin_digests.py DATA

DATA holds one folder per data set, as for `source=original`; those that are absent keep the digests that they had, and
data sets whose keys follow from a rule (CIFAR-100, SVHN, PatchCamelyon, CLEVR, dSprites, smallNORB) need no files for
the digests of their keys. Labels need the lists, images all images of a split: Oxford Flowers with nothing but the
images of train and validation in `jpg/` yields the digests of these and leaves that of test as it was. A digest that
differs from the one in the table is an error: either the files are others, or the table is wrong. Of replicates, split
k of "train/k", there are lines where their files were once at hand. Beside the table, images.npz gets the beginning of
the digest of each encoded image, by which one that was changed is named.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionpeft.benchmark.compose import read_task
from visionpeft.benchmark.overrides import choices, preset
from visionpeft.data.altered import IMAGES, known
from visionpeft.data.digests import TABLE, Digests, pinned
from visionpeft.data.every import images_digest
from visionpeft.data.official import DataSet, Examples, pick
from visionpeft.data.original import Original
from visionpeft.data.split import Split, joined
from visionpeft.data.task import DataError

SPLITS = ("train", "val", "trainval", "test")
FIELDS = ["task", "split", *(f.name for f in dataclasses.fields(Digests)), "status"]


class Computed(NamedTuple):
    """What a split's files give.

    Attributes:
        digests: of the split.
        each: the beginning of the digest of each encoded image; None where it is not kept, or images are missing.
    """

    digests: Digests
    each: np.ndarray | None = None


def main() -> None:
    """Write the table and print what is known of each split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that holds the data sets")
    parser.add_argument("--out", type=Path, default=TABLE, help="the table to write")
    args = parser.parse_args()
    before, images = pinned() if TABLE.is_file() else {}, dict(known()) if IMAGES.is_file() else {}
    rows = []
    for name in [choice.name for choice in choices("task") if choice.name.startswith("vtab_")]:
        task = read_task(preset("task", name))
        dataset = next((source.dataset for source in task.sources if isinstance(source, Original)), None)
        found = digests(dataset, args.data) | replicates(dataset, args.data) if dataset else {}
        pinned_before = [split for of, split in before if of == task.name and "/" in split]
        for split in dict.fromkeys((*SPLITS, *found, *pinned_before)):
            kind = split.partition("/")[0]
            size = sum(task.sizes[part] for part in (("train", "val") if kind == "trainval" else (kind,)))
            computed = found.get(split, Computed(Digests(str(size))))
            line = merged(f"{name} {split}", before.get((task.name, split)), computed.digests)
            rows.append({"task": task.name, "split": split, **dataclasses.asdict(line), "status": line.status})
            if computed.each is not None:
                images[f"{task.name}/{split}"] = computed.each
            print(f"{task.name:16} {split:8} {line.size:>6}  {line.status}")
    write(rows, images, args.out)


def write(rows: list[dict[str, str]], images: dict[str, np.ndarray], table: Path) -> None:
    """Write the table and, beside it, what is known of single images."""
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with table.with_name(IMAGES.name).open("wb") as out:
        np.savez(out, **{name: images[name] for name in sorted(images)})  # type: ignore[arg-type]


def digests(
    dataset: DataSet, root: Path, replicate: int = 0, names: tuple[str, ...] = ("train", "val", "test")
) -> dict[str, Computed]:
    """Return the digests of splits of a data set, as far as its files tell."""
    parts = {name: part(dataset, root, name, replicate) for name in names}
    if any(split is None for split, _ in parts.values()):
        return {}
    found = {name: read(split, labelled, dataset.encoded) for name, (split, labelled) in parts.items() if split}
    (train, labelled), (val, _) = parts["train"], parts["val"]
    assert train and val
    return found | {"trainval": read(joined(train, val), labelled, keep=False)}


def replicates(dataset: DataSet, root: Path) -> dict[str, Computed]:
    """Return the digests of the other training sets, of those whose labels and images are there."""
    found = {}
    for k in range(1, dataset.replicates + 1 if any((root / name).is_dir() for name in dataset.names) else 1):
        of_one = digests(dataset, root, k, ("train", "val"))
        found |= {f"{name}/{k}": one for name, one in of_one.items() if one.digests.status == "confirmed"}
    return found


def part(dataset: DataSet, root: Path, name: str, replicate: int = 0) -> tuple[Split | None, bool]:
    """Return a split and whether its labels are known; None if not even its keys are."""
    split, start, stop = dataset.part(name, replicate)
    for folder in (root / name for name in dataset.names if (root / name).is_dir()):
        try:
            return pick(dataset.examples(folder, split), split, start, stop, dataset.counts[split]), True
        except (DataError, OSError) as error:
            print(f"  {folder}, split {split}: {error}")
    keys = dataset.known_keys(split)
    if keys is None:
        return None, False
    nothing = Examples(keys, np.zeros(len(keys), np.int64), lambda i: b"")
    return pick(nothing, split, start, stop, dataset.counts[split]), False


def read(split: Split, labelled: bool, keep: bool) -> Computed:
    """Return the digests of a split, those of labels and images blank where these are not there."""
    if not labelled:
        return Computed(dataclasses.replace(Digests.of(split), labels="", examples=""))
    try:
        images, each = images_digest(split)
    except DataError:
        return Computed(Digests.of(split))
    return Computed(Digests.of(split, images), each if keep else None)


def merged(where: str, known: Digests | None, found: Digests) -> Digests:
    """Return what is known and what was found together.

    Raises:
        SystemExit: they disagree.
    """
    for name, value in dataclasses.asdict(known or Digests()).items():
        if value and found[name] and value != found[name]:
            raise SystemExit(f"{where}: the digest of its {name} is {found[name]}, the table has {value}")
    return Digests(**{f.name: found[f.name] or (known or Digests())[f.name] for f in dataclasses.fields(Digests)})


if __name__ == "__main__":
    main()
