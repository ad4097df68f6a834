"""Images in a folder with lists of paths and labels: the layout of every VTAB-1k copy."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from .task import DataError, Source, Split

LISTS = {
    "train": ("train800.txt", "train.txt"),
    "val": ("val200.txt", "val.txt"),
    "trainval": ("train800val200.txt", "trainval.txt"),
    "test": ("test.txt",),
}
"""Usual names of a split's list; the first one present is read."""
SUITES = ("vtab-1k", "")
"""A data folder may hold the task folders or a folder of that name which holds them."""
LINE = re.compile(r"(?P<path>\S.*?)\s+(?P<label>-?[0-9]{1,9})")


class Entry(NamedTuple):
    """One line of a list."""

    place: str
    key: str
    label: int


@dataclass(frozen=True)
class ListFolder(Source):
    """A folder with one list per split: lines `path label`, paths relative to the folder.

    Attributes:
        names: what the folder is called in common copies; looked for below the data folder.
        path: the folder itself, for a data set of one's own; then the data folder is not used.
        lists: {split: file name} where they are not the usual ones.
        images: sub-folder that the paths are relative to.
        upright: turn images as their EXIF orientation says; the official decoders do not.
    """

    name: ClassVar[str] = "folder"
    names: tuple[str, ...] = ()
    path: str = ""
    lists: Mapping[str, str] = field(default_factory=dict)
    images: str = ""
    upright: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        if not self.names and not self.path:
            raise DataError("ListFolder needs names (folders to look for below the data folder) or a path")
        if self.lists and not {"train", "val", "test"} <= set(self.lists):
            raise DataError(f"lists names {', '.join(self.lists)}, expected train, val and test")

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        if not self.path and root is None:
            return "give the folder that holds the data sets with DATA=... or VISIONPEFT_DATA"
        folders = self._folders(root)
        if any(self._complete(folder) for folder in folders):
            return None
        for folder in folders:
            if folder.is_dir():
                absent = next(split for split in ("train", "val", "test") if not self._list(folder, split))
                return f"{folder} has no {' or '.join(self._usual(absent))}, expected lists of train, val and test"
        if self.path:
            return f"there is no folder {self.path}"
        wanted = " or ".join(self.names)
        if root and self._complete(root):
            return f"{root} holds the lists itself; give the folder above, in which it is called {wanted}"
        return f"no folder {wanted} in {root}; give the one that holds it with DATA=... or VISIONPEFT_DATA"

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        folder = next((f for f in self._folders(root) if self._complete(f)), None)
        if folder is None:
            raise DataError(str(self.missing(root)))
        entries = self._entries(folder, name)
        if name in ("train", "val"):
            self._compare(folder)
        below = f"{self.images}/" if self.images else ""
        files = files_below(folder, [(entry.place, below + entry.key) for entry in entries])
        return Split(
            keys=tuple(entry.key for entry in entries),
            labels=np.array([entry.label for entry in entries], dtype=np.int64),
            read=lambda i: files[i].read_bytes(),
            files=files,
            places=tuple(entry.place for entry in entries),
            upright=self.upright,
        )

    def _folders(self, root: Path | None) -> list[Path]:
        if self.path:
            return [Path(self.path).expanduser()]
        base = Path(root or "").expanduser()
        return [base / suite / name for suite in SUITES for name in self.names]

    def _usual(self, split: str) -> Sequence[str]:
        return (self.lists[split],) if split in self.lists else () if self.lists else LISTS[split]

    def _list(self, folder: Path, split: str) -> Path | None:
        return next((folder / name for name in self._usual(split) if (folder / name).is_file()), None)

    def _complete(self, folder: Path) -> bool:
        return all(self._list(folder, split) for split in ("train", "val", "test"))

    def _entries(self, folder: Path, split: str) -> list[Entry]:
        path = self._list(folder, split)
        assert path is not None
        entries = list(parse(path))
        if not entries:
            raise DataError(f"{path} is empty; expected lines such as 'images/0001.jpg 7'")
        return entries

    def _compare(self, folder: Path) -> None:
        """Check that the joint list, if there is one, says the same as train and val together."""
        both = self._list(folder, "trainval")
        if both is None:
            return
        joint, parts = list(parse(both)), self._entries(folder, "train") + self._entries(folder, "val")
        first, second = (Counter((entry.key, entry.label) for entry in entries) for entries in (joint, parts))
        if odd := (first - second) + (second - first):
            entry = next(entry for entry in joint + parts if (entry.key, entry.label) in odd)
            raise DataError(
                f"{entry.place}: '{entry.key} {entry.label}' differs between {both.name} and the lists of "
                f"train and val ({sum(odd.values())} such lines); {both.name} must hold the lines of both"
            )


def parse(path: Path) -> Iterator[Entry]:
    """Yield the lines of a list; blank ones are skipped."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not (line := line.strip()):
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise DataError(f"{path}:{number}: expected a path and an integer label, got {line[:80]!r}")
        yield Entry(f"{path}:{number}", _plain(match["path"]), int(match["label"]))


def _plain(path: str) -> str:
    """Return a relative path without empty and `.` steps, so that one file has one key."""
    steps = path.split("/")
    return path if path.startswith("/") else "/".join(step for step in steps if step not in ("", "."))


def files_below(folder: Path, listed: list[tuple[str, str]]) -> tuple[Path, ...]:
    """Return the file behind each (place, relative path).

    Raises:
        DataError: some are missing or outside the folder; the message names the first and counts the others.
    """
    top = os.path.realpath(folder)
    parents: dict[str, bool] = {}
    problems = [f"{place}: {text}" for place, path in listed if (text := _problem(top, path, parents))]
    if problems:
        more = f" ({len(problems)} of {len(listed)} lines have such a problem)" if len(problems) > 1 else ""
        raise DataError(problems[0] + more)
    return tuple(folder / path for _, path in listed)


def _problem(top: str, path: str, parents: dict[str, bool]) -> str | None:
    """Return what is wrong with a path relative to the real folder `top`; `parents` remembers checked ones."""
    if path.startswith(("/", "\\")) or path[1:2] == ":" or ".." in re.split(r"[/\\]", path):
        return f"path {path} leaves the folder, expected one below {top}"
    full = os.path.join(top, path)  # noqa: PTH118, once per image of a large set
    parent = os.path.dirname(full)  # noqa: PTH120
    try:
        mode = os.lstat(full).st_mode
        if parent not in parents:
            parents[parent] = _below(parent, top)
        if not parents[parent] or (stat.S_ISLNK(mode) and not _below(full, top)):
            return f"path {path} leaves the folder through a link; copy the images below {top}"
        mode = Path(full).stat().st_mode if stat.S_ISLNK(mode) else mode
    except (OSError, ValueError):
        return f"no image {full}"
    return None if stat.S_ISREG(mode) else f"{full} is no file"


def _below(path: str, top: str) -> bool:
    return os.path.commonpath([os.path.realpath(path), top]) == top
