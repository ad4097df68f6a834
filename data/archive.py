"""What is in an archive, zip, tar (plain, gz, bz2, xz) or one file in gz, and whether all of it is harmless."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from .task import DataError
from .unfinished import WORK

RATIO, FLOOR = 100, 1_000_000_000
"""An archive may unpack to so many times its size, or to so many bytes if that is more; images hardly compress."""
MEMBERS = 5_000_000
CHUNK = 1 << 20
FILE, FOLDER, LINK, OTHER = "a file", "a folder", "a link", "no plain file"
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError)
FORGED = (struct.error, ValueError, LookupError, OverflowError, NotImplementedError)
"""What the readers of the standard library raise where an archive contradicts itself, by accident or not."""
ZIP, GZIP, BY_HAND = b"PK", b"\x1f\x8b", (b"Rar!", b"7z\xbc\xaf")


@dataclass(frozen=True)
class Member:
    """One entry of an archive: its kind is a file, a folder, or something that no data set needs.

    Its size is None where only reading it tells.
    """

    name: str
    size: int | None
    kind: str
    open: Callable[[], IO[bytes] | gzip.GzipFile | None]

    def reader(self) -> IO[bytes] | gzip.GzipFile:
        """Open a plain file's content."""
        opened = self.open()
        assert opened is not None
        return opened

    def place(self, archive: Path) -> PurePosixPath:
        """Return where it goes, below any folder.

        Raises:
            DataError: it would go elsewhere, or is no plain file or folder.
        """
        path = PurePosixPath(self.name.replace("\\", "/"))
        first = path.parts[0] if path.parts else ""
        outside = path.is_absolute() or ".." in path.parts or ":" in first or first == WORK or "\0" in self.name
        if outside or (self.kind == FILE and not first):
            raise DataError(f"{archive} has a member {self.name!r} that leaves its folder; nothing was unpacked")
        if self.kind not in (FILE, FOLDER):
            raise DataError(f"{archive} has a member {self.name!r} that is {self.kind}; nothing was unpacked")
        return path


def inspect(archive: Path) -> tuple[int, int]:
    """Return (bytes, members) that an archive unpacks to; it is read through, nothing is written.

    Raises:
        DataError: a member is not harmless, or the archive is damaged.
    """
    limit = max(FLOOR, RATIO * archive.stat().st_size)
    size = count = 0
    with sound(archive):
        for member in members(archive):
            member.place(archive)
            own = _measured(member, limit) if member.size is None else member.size
            size, count = size + own, count + 1
            if own < 0 or size > limit or count > MEMBERS:
                what = f"more than {MEMBERS:,} files" if count > MEMBERS else f"more than {limit:,} bytes"
                raise DataError(f"{archive} claims to hold {what}, as no data set's does; nothing was unpacked")
    if not count:
        raise DataError(f"{archive} holds no files; remove it, so that it can be had again")
    return size, count


@contextlib.contextmanager
def sound(archive: Path) -> Iterator[None]:
    """Turn what a damaged archive makes its readers raise into a message."""
    try:
        yield
    except DataError:
        raise
    except BROKEN + FORGED as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{archive} is damaged ({reason}); remove it, so that it can be had again") from None


def members(archive: Path) -> Iterator[Member]:
    """Yield what an archive holds, in order; a member can be read until the next one. Use it within `sound`.

    Raises:
        DataError: it is of a kind that is not read here.
    """
    with archive.open("rb") as file:
        start = file.read(8)
    if start.startswith(BY_HAND):
        raise DataError(
            f"{archive} is a rar or 7z archive, which is not read here: unpack it into {archive.parent} yourself, "
            f"with `unrar x` or `7z x`, and give the command again"
        )
    if start.startswith(ZIP):
        yield from _zip(archive)
    elif tarfile.is_tarfile(archive):
        yield from _tar(archive)
    elif start.startswith(GZIP):
        yield Member(archive.stem, None, FILE, partial(gzip.open, archive))
    else:
        raise DataError(f"{archive} is no zip, tar or gz archive, it begins with {start!r}; replace it")


def _zip(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as zipped:
        if sum(info.compress_size for info in zipped.infolist()) > archive.stat().st_size:
            raise DataError(f"{archive} has members that overlap, as no data set's has; nothing was unpacked")
        for info in zipped.infolist():
            form = stat.S_IFMT(info.external_attr >> 16)
            plain = FOLDER if info.filename.endswith("/") else FILE
            kind = {0: plain, stat.S_IFREG: plain, stat.S_IFDIR: FOLDER, stat.S_IFLNK: LINK}.get(form, OTHER)
            if info.flag_bits & 1:
                kind = "encrypted"
            yield Member(info.filename, info.file_size, kind, partial(zipped.open, info))


def _tar(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive) as tar:
        for info in tar:
            kind = FILE if info.isreg() and not info.issparse() else FOLDER if info.isdir() else OTHER
            kind = LINK if info.issym() or info.islnk() else kind
            yield Member(info.name, info.size, kind, partial(tar.extractfile, info))
        # tarfile takes any header that it cannot read for the end; behind the real one there are zeros only
        assert tar.fileobj is not None
        rest = 0
        while block := tar.fileobj.read(CHUNK):
            rest += len(block)
            if block.strip(b"\0"):
                raise tarfile.ReadError("a bad header")
        if not rest:
            raise tarfile.ReadError("its end is missing")


def _measured(member: Member, limit: int) -> int:
    """Return the size of a member by reading it, no further than a limit."""
    size = 0
    with member.reader() as source:
        while size <= limit and (block := source.read(CHUNK)):
            size += len(block)
    return size
