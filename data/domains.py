"""The same classes in several domains, a folder per domain and class: PACS and its kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from .folder import files_below
from .imagefolder import ENDINGS, ignored
from .order import official_order
from .task import DataError, Source, Split, more

LAYOUTS = ("", "kfold", "images")
"""Folders between a data set's own and its domains, as the usual copies have them."""


@dataclass(frozen=True)
class DomainFolder(Source):
    """One domain of `<name>/<domain>/<class>/*.jpg`; test is all of it, train and val are four fifths and a fifth.

    The first fifth of the domain's images, rounded down, in the order of the md5 of "val" and their path
    (domain/class/file) is val, the rest is train: the same images on every machine and for every seed of a run.

    Attributes:
        names: what the folder is called in common copies; looked for below the data folder.
        domain: its folder.
        classes: the class folders in the order of their labels; all must be there.
    """

    name: ClassVar[str] = "original"
    names: tuple[str, ...]
    domain: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        for what in ("names", "classes"):  # a yaml hands over lists
            object.__setattr__(self, what, tuple(getattr(self, what)))

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        if root is None:
            return "give the folder that holds the data sets with DATA=... or VISIONPEFT_DATA"
        here = [folder for folder in self._folders(root) if (folder / self.domain).is_dir()]
        if not here:
            return f"no folder {' or '.join(f'{name}/{self.domain}' for name in self.names)} in {root}"
        absent = [name for name in self.classes if not (here[0] / self.domain / name).is_dir()]
        return f"{here[0] / self.domain} lacks the folder {' and '.join(absent)}" if absent else None

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        if root is None or (problem := self.missing(root)):
            raise DataError(str(problem if root else self.missing(None)))
        top = next(folder for folder in self._folders(root) if (folder / self.domain).is_dir())
        found = [(key, label) for label, title in enumerate(self.classes) for key in self._images(top, title)]
        if name != "test":
            order = official_order("val", [key for key, _ in found])
            fifth = len(order) // 5
            found = [found[i] for i in sorted(order[:fifth] if name == "val" else order[fifth:])]
        files = files_below(top, [(str(top / key), key) for key, _ in found])
        return Split(
            keys=tuple(key for key, _ in found),
            labels=np.array([label for _, label in found], dtype=np.int64),
            read=lambda i: files[i].read_bytes(),
            files=files,
        )

    def _folders(self, root: Path) -> list[Path]:
        return [root.expanduser() / name / layout for name in self.names for layout in LAYOUTS]

    def _images(self, top: Path, title: str) -> list[str]:
        """Return the images of one class as paths relative to `top`."""
        found = [path for path in (top / self.domain / title).iterdir() if path.is_file() and not ignored(path)]
        if odd := sorted(path for path in found if path.suffix.lower() not in ENDINGS):
            raise DataError(f"{odd[0]}{more(len(odd))}: expected images ({', '.join(ENDINGS)}); convert or remove it")
        if not found:
            raise DataError(f"{top / self.domain / title} holds no images (looked for {', '.join(ENDINGS)})")
        return sorted(path.relative_to(top).as_posix() for path in found)
