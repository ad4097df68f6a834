"""An archive becomes files: nothing is written before all of its members are found harmless, and then all or nothing.

The members are written into the folder for unfinished work and moved into place when the last one is there. A process
killed while it writes leaves nothing in place; one killed while it moves leaves what `half_moved` tells from a whole.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .archive import CHUNK, FOLDER, inspect, members, sound
from .official import Remote
from .unfinished import UNPACKED, WORK, Listener, alone, stem, writing

BLOCK = 4096
"""What a small file takes on disk."""


def unpack(remote: Remote, folder: Path, listener: Listener | None = None) -> None:
    """Put the members of an archive that lies in a folder into that folder; several processes do so once.

    Raises:
        DataError: the archive is damaged, of a kind that is not read here, or has members that reach out of the folder,
            links, devices or absurd sizes (then nothing is written); or there is no room.
    """
    archive, listener = folder / remote.name, listener or Listener()
    with writing(folder, archive.name, lambda: 0), alone(folder, remote.name, listener) as work:
        if unpacked(remote, folder):
            return
        whole = work / f"{stem(remote.name)}{UNPACKED}"
        if not whole.is_dir():
            begun = work / f"{stem(remote.name)}.unpacking"
            shutil.rmtree(begun, ignore_errors=True)  # of a process that was killed
            try:
                _write(archive, begun, listener)
                begun.rename(whole)
            finally:
                shutil.rmtree(begun, ignore_errors=True)
        _move(whole, folder)
        _mark(remote, folder).write_text(_content(remote))
        shutil.rmtree(whole)


def unpacked(remote: Remote, folder: Path) -> bool:
    """Whether this very archive was unpacked in a folder before; what became of the files since is another question."""
    mark = _mark(remote, folder)
    moving = mark.with_name(f"{stem(remote.name)}{UNPACKED}")
    return mark.is_file() and mark.read_text() == _content(remote) and not moving.exists()


def forget(remote: Remote, folder: Path) -> None:
    """Have an archive unpacked again."""
    _mark(remote, folder).unlink(missing_ok=True)


def _write(archive: Path, begun: Path, listener: Listener) -> None:
    """Write all members below a new folder."""
    size, count = inspect(archive)
    done = 0
    with writing(begun.parent.parent, f"the content of {archive.name}", lambda: size + count * BLOCK), sound(archive):
        begun.mkdir()
        for member in members(archive):
            target = begun / member.place(archive)
            if member.kind == FOLDER:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.reader() as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, CHUNK)
                done += file.tell()
            listener.advance(f"unpacking {archive.name}", done, size)


def _move(source: Path, target: Path) -> None:
    """Move what is in one folder into another; folders that are in both become one."""
    for entry in source.iterdir():
        if entry.is_dir() and (target / entry.name).is_dir():
            _move(entry, target / entry.name)
        else:
            os.replace(entry, target / entry.name)  # noqa: PTH105


def _mark(remote: Remote, folder: Path) -> Path:
    return folder / WORK / f"{stem(remote.name)}.done"


def _content(remote: Remote) -> str:
    return f"{remote.digest} {remote.size}\n"
