"""Images in a folder per split and class: the usual layout of a data set of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from .folder import files_below
from .task import DataError, Source, Split, more

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


@dataclass(frozen=True)
class ImageFolder(Source):
    """A data set of one's own as `<path>/<split>/<class>/*.jpg`; classes are those of train, sorted by name.

    Attributes:
        path: the folder that holds train, val and test.
        upright: turn images as their EXIF orientation says.
    """

    name: ClassVar[str] = "imagefolder"
    path: str
    upright: bool = True

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            return f"there is no folder {folder}"
        absent = [split for split in ("train", "val", "test") if not (folder / split).is_dir()]
        if not absent:
            return None
        advice = "; move about a fifth of each class's images from train to val" if absent == ["val"] else ""
        return f"{folder} lacks the folder {' and '.join(absent)}, expected train, val and test{advice}"

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        if problem := self.missing(root):
            raise DataError(problem)
        folder = Path(self.path).expanduser()
        classes = _subfolders(folder / "train")
        if not classes:
            raise DataError(f"{folder / 'train'} holds no folders; expected one per class, with images in it")
        if unknown := sorted(set(_subfolders(folder / name)) - set(classes)):
            known = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
            raise DataError(f"{folder / name / unknown[0]}: no such class in train; it has {known}")
        labels = {title: label for label, title in enumerate(classes)}
        found = [(key, labels[c]) for c in classes for key in self._images(folder, f"{name}/{c}")]
        files = files_below(folder, [(str(folder / key), key) for key, _ in found])
        return Split(
            keys=tuple(key for key, _ in found),
            labels=np.array([label for _, label in found], dtype=np.int64),
            read=lambda i: files[i].read_bytes(),
            files=files,
            places=tuple(map(str, files)),
            upright=self.upright,
        )

    @staticmethod
    def _images(folder: Path, below: str) -> list[str]:
        """Return the images of one class, at any depth, as paths relative to `folder`."""
        found = [path for path in (folder / below).rglob("*") if path.is_file() and not ignored(path)]
        if odd := sorted(path for path in found if path.suffix.lower() not in ENDINGS):
            raise DataError(f"{odd[0]}{more(len(odd))}: expected images ({', '.join(ENDINGS)}); convert or remove it")
        if not found and below.startswith("train/"):
            raise DataError(f"{folder / below} holds no images (looked for {', '.join(ENDINGS)})")
        return sorted(path.relative_to(folder).as_posix() for path in found)


def ignored(path: Path) -> bool:
    """Whether a file is one that file managers leave behind."""
    return path.name.startswith(".") or path.name.lower() in ("thumbs.db", "desktop.ini")


def _subfolders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
