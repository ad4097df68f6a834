"""A file that somebody serves: fetched from the first address that has it, resumed where it stopped, and checked.

Only when its digest is right does it get its name. pooch streams and hashes; `pooch.retrieve` itself would begin again
after every interruption, so what is here asks for the rest, with as many addresses and attempts as it takes.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from .official import Remote
from .part import Changed, Part, Useless
from .task import DataError
from .unfinished import Listener, alone, writing

ATTEMPTS = 3
"""Requests in a row that bring nothing new before an address is given up."""
PAUSE = 2.0
"""Seconds between them, growing."""
TIMEOUT = (20, 60)
"""Seconds to wait for a connection, and for the next bytes."""
CHUNK = 1 << 16
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which it is worth asking again."""


def fetch(remote: Remote, folder: Path, listener: Listener | None = None) -> Path:
    """Return the path of a file, downloading it if it is not there; several processes do so once.

    A file that is there already, from whomever, is checked and never changed.

    Raises:
        DataError: no address has it, it is not what it should be, or there is no room; the message says what to do.
    """
    listener = listener or Listener()
    target = folder / remote.name
    if not target.is_file():
        with writing(folder, remote.name, lambda: left(remote, folder)), alone(folder, remote.name, listener):
            if not target.is_file():  # another process may have brought it meanwhile
                _download(remote, folder, listener)
                return target
    check(target, remote)
    return target


def check(path: Path, remote: Remote) -> None:
    """Compare a file with what is known of it.

    Raises:
        DataError: its size or digest is another; the message has what was expected and found.
    """
    if why := _misfit(path, remote):
        again = " or remove it to have it downloaded" if remote.urls else ""
        raise DataError(f"{path} is not what its owners publish: {why}; replace it{again}")


def left(remote: Remote, folder: Path) -> int:
    """Return how many bytes are still to be downloaded."""
    return 0 if (folder / remote.name).is_file() else max(0, remote.size - Part(remote, folder).size)


def place(remote: Remote, folder: Path) -> str:
    """Return where a file belongs and how to tell the right one, for people who bring it themselves."""
    known = [f"{remote.size:,} bytes"] * bool(remote.size) + [remote.digest.replace(":", " ")] * bool(remote.digest)
    return f"{folder / remote.name}" + (f" ({', '.join(known)})" if known else "")


def _download(remote: Remote, folder: Path, listener: Listener) -> None:
    """Try the addresses in turn until one gives the right file."""
    target, part = folder / remote.name, Part(remote, folder)
    rejected = target.with_name(f"{target.name}.rejected")
    rejected.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in remote.urls:
        try:
            why = _complete(url, part, listener)
        except Useless as error:
            failures.append(f"{url}: {error}")
            continue
        if why is None:
            return _publish(part, target, listener)
        os.replace(part.path, rejected)  # noqa: PTH105
        part.clear()
        failures.append(f"{url}: {why}; kept as {rejected} until the next attempt")
    lines = [f"{remote.name} could not be downloaded", *failures, f"bring it yourself: {place(remote, folder)}"]
    raise DataError("\n  ".join(lines))


def _complete(url: str, part: Part, listener: Listener) -> str | None:
    """Get all of a file from an address; return None, or how it differs from the one expected."""
    _drain(url, part, listener)
    why = _misfit(part.path, part.remote)
    if why and part.pieces > 1:  # pieces that do not belong together; all of it from this address may still be right
        part.clear()
        _drain(url, part, listener)
        why = _misfit(part.path, part.remote)
    return why


def _drain(url: str, part: Part, listener: Listener) -> None:
    """Ask an address for what is missing until nothing is, or nothing more comes."""
    _pooch()
    from requests import RequestException

    first = most = part.size
    idle, why = 0, ""
    while not part.whole:
        if idle == ATTEMPTS:
            raise Useless(why)
        time.sleep(PAUSE * idle)
        try:
            _ask(url, part, listener)
            if part.size and part.total in (0, part.size):
                return
            why = f"its answer ended at {part.size:,} bytes, expected {part.total:,}"
        except Changed:
            part.clear()
            why = why or "it does not go on with the file it began"
        except RequestException as error:
            why = _reason(error)
            if not (_passing(error) or part.size > first):
                raise Useless(why) from None
        idle = 0 if part.size > most else idle + 1
        most = max(most, part.size)


def _ask(url: str, part: Part, listener: Listener) -> None:
    """Make one request and append its body to the part, if the head says that it continues it."""
    answers: list[Any] = []
    with part.path.open("ab") as file:

        def judge(response: Any, **_: object) -> None:
            answers.append(response)
            if (response.ok and not response.is_redirect) or response.status_code == 416:
                # an archive that a server calls an encoding of its content would be unpacked on the way
                response.raw.headers.pop("content-encoding", None)
                part.accept(url, response.status_code, response.headers, file)

        download = _pooch().HTTPDownloader(
            progressbar=_Bar(part, listener),
            chunk_size=CHUNK,
            timeout=TIMEOUT,
            headers=part.request(url),
            hooks={"response": judge},
        )
        try:
            download(url, file, None)
        finally:
            for answer in answers:
                answer.close()


class _Bar:
    """What pooch takes for a progress bar. It counts chunks of one answer; the listener hears of the whole file."""

    total = 0

    def __init__(self, part: Part, listener: Listener) -> None:
        self._part, self._listener = part, listener

    def update(self, count: int) -> None:
        self._listener.advance(self._part.remote.name, self._part.size, self._part.total)

    def reset(self) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to close."""


def _misfit(path: Path, remote: Remote) -> str | None:
    """Return how a file differs from the one expected, or None."""
    size = path.stat().st_size
    if remote.size and size != remote.size:
        return f"{size:,} bytes, expected {remote.size:,}"
    if not remote.digest:
        return None
    algorithm, _, expected = remote.digest.partition(":")
    found = _pooch().file_hash(str(path), alg=algorithm)
    return None if found == expected.lower() else f"{algorithm} {found}, expected {expected}"


def _publish(part: Part, target: Path, listener: Listener) -> None:
    """Give a file that is whole and right its name."""
    if not part.remote.digest:
        found = _pooch().file_hash(str(part.path))
        listener.remark(f"nobody publishes a digest of {part.remote.name}; this one has sha256 {found}")
    with part.path.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(part.path, target)  # noqa: PTH105
    part.clear()


def _passing(error: Exception) -> bool:
    """Whether asking again may help, although nothing has come yet."""
    answer = getattr(error, "response", None)
    return answer is not None and answer.status_code in PASSING


def _reason(error: Exception) -> str:
    """Return in few words why a request failed."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"it answers {error.response.status_code} {error.response.reason}"
    texts = {
        exceptions.SSLError: "its certificate cannot be verified",
        exceptions.Timeout: f"no answer within {TIMEOUT[1]} seconds",
        exceptions.ConnectionError: "no connection, or one that broke",
        exceptions.ChunkedEncodingError: "the connection broke",
        exceptions.InvalidSchema: "it leads to something other than http or https",
        exceptions.TooManyRedirects: "it leads in circles",
    }
    return next((text for kind, text in texts.items() if isinstance(error, kind)), str(error))


def _pooch() -> ModuleType:
    try:
        import pooch
    except ImportError:
        raise DataError("downloading and checking files needs pooch; pip install 'visionpeft[data]'") from None
    return pooch
