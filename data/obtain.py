"""All files of a source: what is missing is downloaded and unpacked, what a person must bring is named and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .download import fetch, left, place
from .official import Remote
from .task import DataError
from .unfinished import Listener, free, half_moved, readable
from .unpack import forget, unpack, unpacked


@dataclass(frozen=True)
class Delivery:
    """What a source's files are and how they come into a folder.

    Attributes:
        folder: where they go.
        remotes: what is served.
        lacking: returns None if all that is needed is there, else what is missing.
        terms: whose terms of use apply, with the page that states them.
        by_hand: what a person must do for what is not served.
        make: makes the files where they are not served as they are read; then nothing else is downloaded.
        maker: who or what does.
    """

    folder: Path
    remotes: tuple[Remote, ...]
    lacking: Callable[[], str | None]
    terms: str = ""
    by_hand: str = ""
    make: Callable[[Listener], None] | None = None
    maker: str = ""

    @property
    def missing(self) -> str | None:
        """What is missing, None if nothing is."""
        return half_moved(self.folder) or self.lacking()

    @property
    def outstanding(self) -> list[Remote]:
        """What would be downloaded."""
        return [r for r in self.remotes if r.urls and not self._here(r)] if self.missing else []

    @property
    def comes(self) -> bool:
        """Whether anything would come from elsewhere."""
        return bool(self.missing) and (self.make is not None or bool(self.outstanding))

    @property
    def brought(self) -> list[str]:
        """Where the files that only a person can get belong, as far as they are not there."""
        bare = [r for r in self.remotes if not (r.urls or self._here(r))]
        return [place(remote, self.folder) for remote in bare] if self.missing else []

    def _here(self, remote: Remote) -> bool:
        return (self.folder / remote.name).is_file() or (remote.unpack and unpacked(remote, self.folder))


def obtain(delivery: Delivery, listener: Listener | None = None) -> None:
    """Get the files into their folder; repeated, it goes on where it stopped.

    Raises:
        DataError: a file cannot be had, or not in full, or there is no room; the message says what to do.
    """
    if delivery.missing is None:
        return
    if delivery.make:
        _made(delivery, delivery.make, listener or Listener())
        return
    if not delivery.remotes:
        raise DataError("\n".join(filter(None, (delivery.missing, delivery.by_hand))))
    _room(delivery)
    known = [remote for remote in delivery.remotes if remote.unpack and unpacked(remote, delivery.folder)]
    try:
        _bring(delivery, listener)
        if known and delivery.missing:  # what was unpacked once has been removed since
            for remote in known:
                forget(remote, delivery.folder)
            _bring(delivery, listener)
    except DataError as error:
        others = [place(remote, delivery.folder) for remote in delivery.outstanding]
        more = [f"  and {other}" for other in others if other not in str(error)]
        raise DataError("\n".join(filter(None, (str(error), *more, delivery.by_hand)))) from None
    if reason := delivery.missing:
        raise DataError(f"{reason}, although {', '.join(r.name for r in delivery.remotes)} is there")


def _made(delivery: Delivery, make: Callable[[Listener], None], listener: Listener) -> None:
    """Have the files made, and see that they are what is wanted."""
    try:
        make(listener)
    except DataError as error:
        raise DataError("\n".join(filter(None, (str(error), delivery.by_hand)))) from None
    if reason := delivery.missing:
        raise DataError(f"{reason}, although {delivery.maker} went through")


def _bring(delivery: Delivery, listener: Listener | None) -> None:
    for remote in delivery.remotes:
        if remote.unpack and unpacked(remote, delivery.folder):
            continue
        fetch(remote, delivery.folder, listener)
        if remote.unpack:
            unpack(remote, delivery.folder, listener)


def _room(delivery: Delivery) -> None:
    """Refuse to begin a download that cannot end; an archive of images unpacks to about its own size."""
    folder = delivery.folder
    loading = sum(left(remote, folder) for remote in delivery.outstanding)
    unpacking = sum(r.size for r in delivery.remotes if r.unpack and not unpacked(r, folder))
    if loading + unpacking > (room := free(folder)):
        raise DataError(
            f"no room for {folder.name} in {folder.parent}: {readable(loading)} to download and about "
            f"{readable(unpacking)} to unpack, {readable(room)} free; make room, or name another folder with DATA="
        )
