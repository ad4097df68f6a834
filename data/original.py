"""The source that starts from what the owners of a data set publish; exact, and needs no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .official import DataSet, pick
from .task import DataError, Source, Split


@dataclass(frozen=True)
class Original(Source):
    """The owners' files, in `<data folder>/<one of the data set's names>/`, put into the official order.

    Attributes:
        dataset: what the files are and which slices of them VTAB takes.
        replicate: 0 for VTAB's 1000 training images; k for the k-th 1000 after them of the same order, which no other
            replicate shares, to tell the variance of the sample from that of the seed.
    """

    name: ClassVar[str] = "original"
    dataset: DataSet
    replicate: int = 0

    @property
    def sample(self) -> int:  # noqa: D102
        return self.replicate

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        if root is None:
            return "give the folder that holds the data sets with DATA=... or VISIONPEFT_DATA"
        folders = [folder for folder in self._folders(root) if folder.is_dir()]
        if not folders:
            return f"no folder {' or '.join(self.dataset.names)} in {root}; `make data` says how to get it"
        reasons = [self.dataset.missing(folder) for folder in folders]
        return None if None in reasons else reasons[0]

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        if root is None or (reason := self.missing(root)):
            raise DataError(str(reason if root else self.missing(None)))
        folder = next(f for f in self._folders(root) if f.is_dir() and self.dataset.missing(f) is None)
        split, start, stop = self.dataset.part(name)
        return pick(self.dataset.examples(folder, split), split, start, stop, self.dataset.counts[split])

    def _folders(self, root: Path) -> list[Path]:
        return [root.expanduser() / name for name in self.dataset.names]
