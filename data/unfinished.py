"""What is not finished lies in `<data set>/.visionpeft/` until it is, in the hands of one process at a time."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from .task import DataError

WORK = ".visionpeft"
"""Folder of unfinished work, beside a data set's files and on their disk, so that what is finished can be renamed."""
UNPACKED = ".unpacked"
"""Ending of folders whose content is complete and being moved into place."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Listener:
    """Who is told how far things are; this one keeps it to itself."""

    def advance(self, what: str, done: int, total: int) -> None:
        """Take note that `done` of `total` bytes are there (total 0: unknown)."""

    def say(self, text: str) -> None:
        """Take note of how far things are, in words, where `advance` is not seen."""

    def remark(self, text: str) -> None:
        """Take note of something a person may want to know."""


@contextlib.contextmanager
def alone(folder: Path, name: str, listener: Listener) -> Iterator[Path]:
    """Hold a file for this process while others wait; yields where to keep what is unfinished."""
    work = folder / WORK
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / f"{stem(name)}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        listener.remark(f"another process is busy with {name}, waiting for it")
        lock.acquire()
    try:
        yield work
    finally:
        lock.release()


def stem(name: str) -> str:
    """Return a file's name, which may have folders, as the name of one file."""
    return name.replace("/", "--")


def half_moved(folder: Path) -> str | None:
    """Return what to do about a data set whose files were being moved into place when the process was killed."""
    if not any((folder / WORK).glob(f"*{UNPACKED}")):
        return None
    return f"unpacking was interrupted in {folder}; give the command that got the data again, it goes on from there"


@contextlib.contextmanager
def writing(folder: Path, what: str, needed: Callable[[], int]) -> Iterator[None]:
    """Refuse to begin without room, and turn a disk that fills up or forbids writing into a message.

    Args:
        folder: where is written.
        what: the file, for the message.
        needed: returns how many bytes are still to be written.
    """
    if needed() > free(folder):
        raise DataError(_no_room(folder, what, needed()))
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DataError(_no_room(folder, what, needed())) from None
        raise DataError(f"{what} cannot be written in {folder}: {error.strerror or error}") from None


def free(folder: Path) -> int:
    """Return how many bytes there is room for in a folder that need not exist yet."""
    return shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.is_dir())).free


def readable(count: int) -> str:
    """Return a number of bytes as a person reads it."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _no_room(folder: Path, what: str, needed: int) -> str:
    amounts = f"{readable(needed)} needed, {readable(free(folder))} free"
    return f"no room for {what} in {folder}: {amounts}; make room, or name another folder"
