"""A part of a file that is being downloaded: how to ask for the rest, and whether an answer is that rest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from .official import Remote
from .unfinished import WORK, stem, writing

RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class Useless(Exception):
    """An address does not give the file; the message says why, and the next one may."""


class Changed(Exception):
    """What is served now is not what the part is a part of."""


class Part:
    """What has arrived of a file, with a note of the answer that it began with.

    Attributes:
        path: the file; it lies in the folder for unfinished work.
        pieces: how many answers it consists of, counting what an earlier process left as one.
    """

    def __init__(self, remote: Remote, folder: Path) -> None:
        self.remote = remote
        self.path = folder / WORK / f"{stem(remote.name)}.part"
        self._note = self.path.with_suffix(".json")
        self.pieces = int(self.size > 0)

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def total(self) -> int:
        """Bytes of the whole file, 0 if nobody says."""
        return self.remote.size or int(self._origin().get("total", 0))

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return 0 < self.total == self.size

    def clear(self) -> None:
        """Begin again."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.pieces = 0

    def request(self, url: str) -> dict[str, str]:
        """Return headers that ask for the rest, if what comes together can be told to be one file."""
        plain = {"Accept-Encoding": "identity"}
        rest = {"Range": f"bytes={self.size}-"}
        origin = self._origin()
        if self.size and origin.get("url") == url and origin.get("version"):
            return plain | rest | {"If-Range": origin["version"]}
        if (
            self.size and self.remote.digest
        ):  # another address, or one that names no version: the digest tells in the end
            return plain | rest
        return plain

    def accept(self, url: str, status: int, head: Mapping[str, str], file: BinaryIO) -> None:
        """Make the part ready for an answer's body; a useless answer costs nothing of it.

        Args:
            url: the address that was asked.
            status: 200 for the whole file, 206 for the rest of it, 416 if there is no such rest.
            head: the answer's headers, case-insensitive.
            file: the part, opened for appending.

        Raises:
            Useless, Changed: the body is not wanted.
            DataError: there is no room for it.
        """
        if status == 416:
            raise Changed
        if status == 206:
            total = self._continued(url, head)
        else:
            total = self._offered(head)
            file.truncate(0)  # before the note: a process killed between the two has nothing, which is safe
            self.pieces = 0
            self._note.write_text(json.dumps({"url": url, "version": _version(head), "total": total}))
        self.pieces += 1
        with writing(self.path.parent.parent, self.remote.name, lambda: max(0, total - self.size)):
            pass

    def _continued(self, url: str, head: Mapping[str, str]) -> int:
        """Check that a rest begins where the part ends and is of the same file; return the file's size."""
        match = RANGE.match(head.get("content-range", ""))
        origin = self._origin()
        noted = origin.get("version") if origin.get("url") == url else None
        same = noted is None or _version(head) in (None, noted)  # what If-Range has settled need not be said again
        if match is None or int(match[1]) != self.size or self.total not in (0, int(match[2])) or not same:
            raise Changed
        return int(match[2])

    def _offered(self, head: Mapping[str, str]) -> int:
        """Check that a whole file is the one expected, as far as a head tells; return its size, 0 if unknown."""
        length, expected = int(head.get("content-length") or 0), self.remote.size
        if "text/html" in head.get("content-type", "") and length != expected:
            raise Useless("it answers with a web page, perhaps one that asks to log in")
        if length and expected and length != expected:
            raise Useless(f"its file has {length:,} bytes, expected {expected:,}")
        return length

    def _origin(self) -> dict[str, Any]:
        """Return where the part began: url, version and total; empty if that is not known."""
        try:
            noted = json.loads(self._note.read_bytes())
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}


def _version(head: Mapping[str, str]) -> str | None:
    """Return what a server says a file's version is: a strong ETag, else its date."""
    tag = head.get("etag", "")
    return tag if tag.startswith('"') else head.get("last-modified")
