"""Where records go: append-only, one file per run, never half a file, never two."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from .record import Record, read, replace


class Store:
    """The folder of records, `<root>/<suite>/*.json`; failed runs are in `<root>/failed/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, record: Record) -> Path:
        """Return where a record belongs."""
        return self.root / record.place

    def done(self, suite: str, stem: str) -> bool:
        """Whether the run has succeeded before.

        Raises:
            BadRecord: there is a file in the record's place that is none.
        """
        path = self.root / suite / f"{stem}.json"
        return path.exists() and read(path).status == "ok"

    def failed(self, stem: str) -> int | None:
        """Return when the run failed last, as its record's time stamp; None if it has not."""
        with contextlib.suppress(OSError):
            return (self.root / "failed" / f"{stem}.json").stat().st_mtime_ns
        return None

    def workspace(self, stem: str) -> Path:
        """Return the folder in which an interrupted run keeps what it needs to go on."""
        return self.root / ".unfinished" / stem

    @contextlib.contextmanager
    def claim(self, stem: str, wait: bool = False) -> Iterator[bool]:
        """Hold a run for this process; yields False if another one holds it. Released even by kill -9."""
        folder = self.root / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{stem}.lock")
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def write(self, record: Record, predictions: Mapping[str, np.ndarray] | None = None) -> Path:
        """Write a record, its predictions first, and return its path.

        Raises:
            OSError: the disk refuses; the record was then saved in the system's temporary folder, as the message says.
        """
        path = self.path(record)
        try:
            if predictions is not None:
                replace(path.with_suffix(".npz"), pack(predictions))
            replace(path, record.to_json().encode(), once=record.status == "ok")
        except OSError as error:
            raise _rescued(error, path, record, predictions) from error
        return path


def pack(predictions: Mapping[str, np.ndarray]) -> bytes:
    """Return predicted classes and labels as the bytes of a compressed .npz, an array (uint16) for each column.

    Predictions are called as the columns are, such as "test/sketch", but for those of "test": `predicted`; labels have
    "labels/" before the column, but for those of "test": `labels`.
    """
    buffer = io.BytesIO()
    arrays = {name: array.astype(np.uint16) for name, array in predictions.items()}
    plain = {"test": "predicted", "labels/test": "labels"}
    named: dict[str, Any] = {plain.get(name, name): array for name, array in arrays.items()}
    np.savez_compressed(buffer, **named)
    return buffer.getvalue()


def sha256(data: bytes) -> str:
    """Return the digest of some bytes."""
    return hashlib.sha256(data).hexdigest()


def _rescued(error: OSError, path: Path, record: Record, predictions: Mapping[str, np.ndarray] | None) -> OSError:
    """Save the record and its predictions elsewhere and return the error that says so."""
    for folder in (tempfile.gettempdir(), str(Path.home())):
        rescue = Path(folder) / path.name
        with contextlib.suppress(OSError):
            rescue.write_text(record.to_json())
            if predictions is not None:
                rescue.with_suffix(".npz").write_bytes(pack(predictions))
            return OSError(
                f"cannot write {path} ({error.strerror}); nothing is lost: make room, then move {rescue} there"
            )
    return OSError(f"cannot write {path} ({error.strerror}), nor anywhere else; the record was:\n{record.to_json()}")
