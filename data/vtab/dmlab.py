"""DMLab: frames an agent saw in DeepMind Lab, by kind and distance of the object ahead (Beattie et al., 2016)."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..official import DataSet, Examples, Remote
from ..task import DataError
from .arrays import held
from .tfrecord import features, records, varint


@dataclass(frozen=True)
class DMLab(DataSet):
    """110,913 JPEG images of 480 x 360 in TFRecord files, read without TensorFlow; a key is the stored file name."""

    names: ClassVar[tuple[str, ...]] = ("dmlab", "DMLab")
    builder: ClassVar[str] = "dmlab:2.0.1"
    counts: ClassVar[Mapping[str, int]] = {"train": 65550, "validation": 22628, "test": 22735}
    val: ClassVar[str] = "validation[:200]"
    remotes: ClassVar[tuple[Remote, ...]] = (
        Remote(
            urls=("https://storage.googleapis.com/dmlab-vtab/dmlab.tar.gz",),
            name="dmlab.tar.gz",
            digest="sha256:638b18fa69a5d61bbc310cd0b87ac603a39f41de0fdb07b6e77de274a24480a4",
            size=3017022789,
        ),
    )
    terms: ClassVar[str] = "Google Research: https://github.com/google-research/task_adaptation"

    def missing(self, folder: Path) -> str | None:  # noqa: D102
        absent = [split for split in self.counts if not _shards(folder, split)]
        return f"{folder} lacks dmlab-{absent[0]}.tfrecord* of DMLab" if absent else None

    def examples(self, folder: Path, split: str) -> Examples:  # noqa: D102
        shards = _shards(folder, split)
        index = held(_indexed, *shards)()
        return Examples(index.names, index.labels, index.image, shards)

    def key(self, features: Mapping[str, Any]) -> bytes:  # noqa: D102
        name = features["filename"]
        return name if isinstance(name, bytes) else str(name).encode()

    def label(self, features: Mapping[str, Any]) -> int:  # noqa: D102
        return int(features["label"])


@dataclass(frozen=True)
class Index:
    """Where the examples of a split lie.

    Attributes:
        maps: the files, mapped into memory.
        names: the key of each example.
        labels: int64, shape (n,).
        places: number of the file, start and stop of the image in it, int64, shape (n, 3).
    """

    maps: tuple[mmap.mmap, ...]
    names: list[bytes]
    labels: np.ndarray
    places: np.ndarray

    def image(self, i: int) -> bytes:
        """Return an encoded image."""
        k, start, stop = self.places[i].tolist()
        return self.maps[k][start:stop]


def _shards(folder: Path, split: str) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob(f"dmlab-{split}.tfrecord*")))


def _indexed(*paths: Path) -> Index:
    maps, names, rows = [], [], []
    for k, path in enumerate(paths):
        try:
            with path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            maps.append(data)
            for record in records(data):
                found = features(data, record)
                names.append(data[slice(*found["filename"])])
                rows.append((varint(data, found["label"][0])[0], k, *found["image"]))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: {error}") from None
        except KeyError as error:
            raise DataError(f"{path}: an example lacks {error}, expected image, filename and label") from None
    table = np.array(rows, np.int64).reshape(-1, 4)
    return Index(tuple(maps), names, table[:, 0], table[:, 1:])
