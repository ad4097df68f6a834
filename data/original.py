"""The source that starts from what the owners of a data set publish; exact, and needs no TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from .imagefolder import ENDINGS
from .obtain import Delivery
from .official import DataSet, Examples, Remote, ordered, taken
from .task import DataError, Source, Split
from .unfinished import half_moved


@dataclass(frozen=True)
class Original(Source):
    """The owners' files, in `<data folder>/<one of the data set's names>/`, put into the official order.

    Attributes:
        dataset: what the files are and which slices of them VTAB takes.
        replicate: 0 for VTAB's 1000 training images; k for the k-th 1000 after them of the same order, which no other
            replicate shares, to tell the variance of the sample from that of the seed.
    """

    name: ClassVar[str] = "original"
    official: ClassVar[bool] = True
    dataset: DataSet
    replicate: int = 0

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        if root is None:
            return "give the folder that holds the data sets with DATA=... or VISIONPEFT_DATA"
        folders = [folder for folder in self._folders(root) if folder.is_dir()]
        if not folders:
            if self.dataset.inexact:
                return self.dataset.inexact
            if self._is(root):
                return f"{root} holds the images itself; give the folder above, in which it is called {self._called}"
            return f"no folder {self._called} in {root}; `make data` says how to get it"
        reasons = [self._lacks(folder) for folder in folders]
        return None if None in reasons else reasons[0]

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        if root is None or (reason := self.missing(root)):
            raise DataError(str(reason if root else self.missing(None)))
        folder = next(f for f in self._folders(root) if f.is_dir() and self._lacks(f) is None)
        split, start, stop = self.dataset.part(name, self.replicate)
        examples, order = _listed(self.dataset, folder, split, _stamp(folder))
        return taken(examples, split, order[start:stop])

    @property
    def published(self) -> tuple[Remote, ...]:  # noqa: D102
        return tuple(remote for remote in self.dataset.remotes if remote.digest and not remote.unpack)

    def delivery(self, root: Path) -> Delivery:  # noqa: D102
        data, folders = self.dataset, [folder for folder in self._folders(root) if folder.is_dir()]
        whole = (folder for folder in folders if self._lacks(folder) is None)
        folder = next(whole, next(iter(folders), self._folders(root)[0]))
        served = () if self._is(root) else data.remotes  # no second copy within the first
        return Delivery(folder, served, lambda: self._lacks(folder), data.terms, data.by_hand)

    def _is(self, folder: Path) -> bool:
        """Whether a folder that should hold data sets is this one."""
        return folder.is_dir() and self.dataset.missing(folder) is None

    @property
    def _called(self) -> str:
        return " or ".join(self.dataset.names)

    def _lacks(self, folder: Path) -> str | None:
        return half_moved(folder) or self.dataset.missing(folder)

    def _folders(self, root: Path) -> list[Path]:
        return [root.expanduser() / name for name in self.dataset.names]


@lru_cache(maxsize=2)
def _listed(dataset: DataSet, folder: Path, split: str, stamp: tuple[object, ...]) -> tuple[Examples, np.ndarray]:
    """Return all examples of a split and their official order; a run asks for parts of them a dozen times."""
    examples = dataset.examples(folder, split)
    return examples, ordered(examples, split, dataset.counts[split])


def _stamp(folder: Path) -> tuple[object, ...]:
    """Return what changes when files come, go or are renamed, or when one that is no image is written."""
    return tuple(_stamps(str(folder)))


def _stamps(folder: str) -> Iterator[object]:
    yield folder, os.stat(folder).st_mtime_ns  # noqa: PTH116, once per image of a large set
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.is_dir():
                yield from _stamps(entry.path)
            elif not entry.name.lower().endswith(ENDINGS):
                seen = entry.stat()
                yield entry.name, seen.st_size, seen.st_mtime_ns
