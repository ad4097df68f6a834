"""Write data/splits/digests.csv: what VTAB's splits are, computed from the owners' files as far as they are there.

    python scripts/pin_digests.py DATA

DATA holds one folder per data set, as for `source=original`; those that are absent keep the digests that they had, and
data sets whose keys follow from a rule (CIFAR-100, SVHN, PatchCamelyon, CLEVR, dSprites, smallNORB) need no files for
the digests of their keys. Labels need the lists, images all images of a split: Oxford Flowers with nothing but the
images of train and validation in `jpg/` yields the digests of these and leaves that of test as it was. A digest that
differs from the one in the table is an error: either the files are others, or the table is wrong. Of replicates, split
k of "train/k", there are lines where their files were once at hand.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
from pathlib import Path

import numpy as np

from visionpeft.benchmark.compose import read_task
from visionpeft.benchmark.overrides import choices, preset
from visionpeft.data.digests import TABLE, Digests, pinned
from visionpeft.data.every import images_digest
from visionpeft.data.official import DataSet, Examples, pick
from visionpeft.data.original import Original
from visionpeft.data.split import Split, joined
from visionpeft.data.task import DataError

SPLITS = ("train", "val", "trainval", "test")
FIELDS = ["task", "split", *(f.name for f in dataclasses.fields(Digests)), "status"]


def main() -> None:
    """Write the table and print what is known of each split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that holds the data sets")
    parser.add_argument("--out", type=Path, default=TABLE, help="the table to write")
    args = parser.parse_args()
    known = pinned() if TABLE.is_file() else {}
    rows = []
    for name in [choice.name for choice in choices("task") if choice.name.startswith("vtab_")]:
        task = read_task(preset("task", name))
        dataset = next((source.dataset for source in task.sources if isinstance(source, Original)), None)
        found = digests(dataset, args.data) if dataset else {}
        again = replicates(dataset, args.data) if dataset else {}
        pinned_before = [split for of, split in known if of == task.name and "/" in split]
        for split in dict.fromkeys((*SPLITS, *again, *pinned_before)):
            kind = split.partition("/")[0]
            size = sum(task.sizes[part] for part in (("train", "val") if kind == "trainval" else (kind,)))
            computed = (found | again).get(split, Digests(str(size)))
            line = merged(f"{name} {split}", known.get((task.name, split)), computed)
            rows.append({"task": task.name, "split": split, **dataclasses.asdict(line), "status": line.status})
            print(f"{task.name:16} {split:8} {line.size:>6}  {line.status}")
    with args.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def digests(
    dataset: DataSet, root: Path, replicate: int = 0, names: tuple[str, ...] = ("train", "val", "test")
) -> dict[str, Digests]:
    """Return the digests of splits of a data set, as far as its files tell."""
    parts = {name: part(dataset, root, name, replicate) for name in names}
    if any(split is None for split, _ in parts.values()):
        return {}
    found = {name: read(split, labelled) for name, (split, labelled) in parts.items() if split}
    (train, labelled), (val, _) = parts["train"], parts["val"]
    assert train and val
    return found | {"trainval": read(joined(train, val), labelled)}


def replicates(dataset: DataSet, root: Path) -> dict[str, Digests]:
    """Return the digests of the other training sets, of those whose labels and images are there."""
    found = {}
    for k in range(1, dataset.replicates + 1 if any((root / name).is_dir() for name in dataset.names) else 1):
        of_one = digests(dataset, root, k, ("train", "val"))
        found |= {f"{name}/{k}": one for name, one in of_one.items() if one.status == "confirmed"}
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


def read(split: Split, labelled: bool) -> Digests:
    """Return the digests of a split, those of labels and images blank where these are not there."""
    if not labelled:
        return dataclasses.replace(Digests.of(split), labels="", examples="")
    try:
        return Digests.of(split, images_digest(split)[0])
    except DataError:
        return Digests.of(split)


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
