"""Few-shot classification as NOAH (Zhang et al., 2022) defines it: k training images per class, three samples each.

The run's seed chooses the sample, so that the spread over seeds is that of both. What is learnt from is never more than
these images: `trainval` is exactly all of them, `train` the first half of each class in the list's order (rounded up)
and `val` the rest. A class with a single image has it in both, so with one shot a search is led by training images;
it has no others. NOAH's own search looked at the full validation list, up to 20,200 labelled images; that is the
source `noah-full-val`, where train is all k shots and val that list. No training run sees those images' labels
otherwise.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from .folder import Entry, files_below, parse
from .noah import DATA_SETS
from .obtain import Delivery
from .task import DataError, Source, Split

SEEDS = (0, 1, 2)
"""Those that NOAH drew lists with."""
VARIANTS = {"noah": "", "noah-full-val": "search on the full validation list", "own-sample": "own sample"}
"""What rows of tables say of the sources."""


@dataclass(frozen=True)
class FewShot(Source):
    """The k-shot training images of one seed, NOAH's test images.

    Attributes:
        dataset: one of noah.DATA_SETS.
        shots: training images per class.
        seed: which sample; in a task's yaml the run's seed.
        lists: noah: NOAH's lists, which there are for seeds 0, 1 and 2. noah-full-val: the same, with NOAH's full
            validation list as val. own-sample: drawn from `train_meta.list` for any seed, see `draw`.
    """

    dataset: str
    shots: int
    seed: int
    lists: Literal["noah", "noah-full-val", "own-sample"] = "noah"

    def __post_init__(self) -> None:
        if self.dataset not in DATA_SETS:
            raise DataError(f"no few-shot data set {self.dataset!r}; there are {', '.join(DATA_SETS)}")

    @property
    def name(self) -> str:  # type: ignore[override]
        """The data flavour: which of the lists are read."""
        return self.lists

    @property
    def sample(self) -> int:  # noqa: D102
        return self.seed

    @property
    def by_seed(self) -> bool:  # noqa: D102
        return True

    @property
    def variant(self) -> str:  # noqa: D102
        return VARIANTS[self.lists]

    @property
    def on_request(self) -> bool:  # noqa: D102
        return self.lists != "noah"

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        if root is None:
            return "give the folder that holds the data sets with DATA=... or VISIONPEFT_DATA"
        if self.lists != "own-sample" and self.seed not in SEEDS:
            return f"there are lists for seeds 0, 1 and 2, none for seed {self.seed}; others with source=own-sample"
        place = DATA_SETS[self.dataset]
        if reason := place.lacking(root):
            return reason
        folder = place.annotations(root)
        assert folder is not None
        if absent := [name for name in self._needed() if not (folder / name).is_file()]:
            own = "; write one, lines `path label`, with all training images" if self.lists == "own-sample" else ""
            return f"{folder} has no {absent[0]}{own}"
        if empty := [name for name in self._needed() if next(parse(folder / name), None) is None]:
            return f"{folder / empty[0]} is empty"
        return place.lacking(root, self._listed(root))

    def delivery(self, root: Path) -> Delivery:  # noqa: D102
        return DATA_SETS[self.dataset].delivery(root, lambda: self.missing(root), self._listed(root))

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        if name == "test":
            return self._split(root, self._read(root, DATA_SETS[self.dataset].test))
        if name == "val" and self.lists == "noah-full-val":
            return self._split(root, self._read(root, "val_meta.list"))
        split = self._split(root, self._part(self._shots(root), name))
        return replace(split, repeated=self._repeated(root)) if name == "train" else split

    def trainval(self, root: Path | None) -> Split:  # noqa: D102
        first, rest = (self._part(self._shots(root), name) for name in ("train", "val"))
        known = {entry.key for entry in first}
        return self._split(root, [*first, *(entry for entry in rest if entry.key not in known)])

    def _training(self) -> str:
        own = self.lists == "own-sample"
        return "train_meta.list" if own else f"train_meta.list.num_shot_{self.shots}.seed_{self.seed}"

    def _needed(self) -> tuple[str, ...]:
        test = DATA_SETS[self.dataset].test
        return self._training(), test, *(("val_meta.list",) if self.lists == "noah-full-val" else ())

    def _listed(self, root: Path) -> list[str]:
        """Return the first training and the first test image: where both are, the others should be."""
        place = DATA_SETS[self.dataset]
        folder = place.annotations(root)
        if folder is None:
            return [place.known] if place.known else []
        lists = [folder / name for name in (self._training(), "test_meta.list")]  # ImageNet has no such list of tests
        return [entry.key for path in lists if path.is_file() for entry in islice(parse(path), 1)]

    def _read(self, root: Path | None, name: str) -> list[Entry]:
        if root is None or (reason := self.missing(root)):
            raise DataError(str(reason if root else self.missing(None)))
        folder = DATA_SETS[self.dataset].annotations(root)
        assert folder is not None
        return list(parse(folder / name))

    def _repeated(self, root: Path | None) -> int:
        entries = self._read(root, self._training())
        return len(entries) - len(once(entries))

    def _shots(self, root: Path | None) -> list[Entry]:
        entries = once(self._read(root, self._training()))
        return draw(entries, self.shots, self.seed) if self.lists == "own-sample" else entries

    def _part(self, shots: Sequence[Entry], name: str) -> list[Entry]:
        if self.lists == "noah-full-val":
            return list(shots)
        return halves(shots)[name == "val"]

    def _split(self, root: Path | None, entries: Sequence[Entry]) -> Split:
        assert root is not None
        folder = DATA_SETS[self.dataset].pictures(root, self._listed(root))
        assert folder is not None
        files = files_below(folder, [(entry.place, entry.key) for entry in entries])
        return Split(
            keys=tuple(entry.key for entry in entries),
            labels=np.array([entry.label for entry in entries], dtype=np.int64),
            read=lambda i: files[i].read_bytes(),
            files=files,
            places=tuple(entry.place for entry in entries),
        )


def once(entries: Iterable[Entry]) -> list[Entry]:
    """Return a list without the lines that repeat an earlier one: Pets' lists for one shot have every line twice."""
    return list({(entry.key, entry.label): entry for entry in reversed(list(entries))}.values())[::-1]


def halves(entries: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return the first half of each class, rounded up, and the rest; an image that is alone in its class is in both."""
    by_class: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_class[entry.label].append(entry)
    cuts = {label: (len(ones) + 1) // 2 for label, ones in by_class.items()}
    first = [entry for label, ones in by_class.items() for entry in ones[: cuts[label]]]
    rest = [entry for label, ones in by_class.items() for entry in ones[cuts[label] :] or ones]
    return first, rest


def draw(entries: Iterable[Entry], shots: int, seed: int) -> list[Entry]:
    """Return a sample of our own: of each class the images with the smallest sha256 of "<seed> <path>".

    The same on every machine, and nested: the images of one shot are among those of two, so that a curve over shots
    is one of growing sets. Classes come in the order of their labels.

    Raises:
        DataError: a class has fewer images.
    """

    def place(entry: Entry) -> tuple[int, bytes]:
        return entry.label, hashlib.sha256(f"{seed} {entry.key}".encode(errors="surrogateescape")).digest()

    chosen: dict[int, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=place):
        if len(chosen[entry.label]) < shots:
            chosen[entry.label].append(entry)
    for label, ones in chosen.items():
        if len(ones) < shots:
            raise DataError(f"{ones[0].place}: class {label} has {len(ones)} images to draw from, expected {shots}")
    return [entry for ones in chosen.values() for entry in ones]
