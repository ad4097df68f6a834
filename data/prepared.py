"""The source that reads folders which tensorflow-datasets prepared; TensorFlow itself is not needed.

Their records lie in the official order already, so a slice is read and nothing else; that they do is checked by their
keys. Older versions of smallNORB and SVHN do not say the keys: examples are then called by their positions, and that
these are the official ones is assumed. They hold encoded images: those of data sets that are published as arrays are
decoded again, so that digests are those of the source `original`.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .obtain import Delivery
from .official import DataSet, as_published, position, text_of
from .order import official_order
from .prepare import HOME, prepare, unable
from .task import DataError, Source, Split, more
from .vtab.tfrecord import records

HOMES = ("", HOME)
"""The data folder may be the one of tensorflow-datasets or hold it."""
INFO = "dataset_info.json"
BEGUN = ("incomplete.*_*", "[0-9]*.[0-9]*.[0-9]*")
"""What folders of versions are called before they are whole, or if they lost that file."""
AGAIN = "remove that folder and have the data set prepared again"
DEEPEST = 3
"""Levels of folders below a home: name, configuration, version."""


@dataclass(frozen=True)
class Prepared(Source):
    """A folder `<name>/<configuration>/<version>` of tensorflow-datasets, in array_record or TFRecord files.

    Attributes:
        dataset: what the examples are and which slices of them VTAB takes.
        replicate: as for the source `original`.
    """

    name: ClassVar[str] = "tfds"
    official: ClassVar[bool] = True
    dataset: DataSet
    replicate: int = 0

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        if root is None:
            return "give the folder that holds the data sets with DATA=... or VISIONPEFT_DATA"
        found = self._versions(root)
        if not found:
            return self._absence(root.expanduser())
        if not any(map(self._accepts, found)):
            versions = ", ".join(path.name for path in found)
            return f"{found[0].parent} has version {versions}, expected {' or '.join(self._majors)}"
        if find_spec("tensorflow_datasets") is None:
            return "reading it needs tensorflow-datasets (not TensorFlow); pip install 'visionpeft[tfds]'"
        return None

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        if root is None or (reason := self.missing(root)):
            raise DataError(str(reason if root else self.missing(None)))
        folder = next(path for path in self._versions(root) if self._accepts(path))
        split, start, stop = self.dataset.part(name, self.replicate)
        stored = opened(folder, split, (folder / INFO).stat().st_mtime_ns)
        if stored.count not in (self.dataset.counts[split], self.dataset.newer_counts.get(split)):
            raise DataError(
                f"{folder} has {stored.count} examples in split {split}, expected {self.dataset.counts[split]}; "
                "prepare the data set again"
            )
        keys, labels = _listed(self.dataset, stored, split, start, stop)

        def read(i: int) -> bytes | np.ndarray:
            return as_published(self.dataset, stored.features(start + i)["image"])

        return Split(keys, labels, read, stored.files)

    def delivery(self, root: Path) -> Delivery:  # noqa: D102
        data = self.dataset
        return Delivery(
            folder=root.expanduser() / HOME / self._builder.partition("/")[0],
            remotes=(),
            lacking=lambda: self.missing(root),
            terms=data.terms,
            by_hand=unable(data) or "",
            make=None if unable(data) else lambda listener: prepare(data, root, listener),
            maker=f"tensorflow-datasets' builder {data.builder}",
        )

    def _absence(self, root: Path) -> str:
        """Return why no version is there: it is the wrong folder, preparing one was interrupted, or none was begun."""
        if above := next((folder for folder in root.absolute().parents[:DEEPEST] if self._versions(folder)), None):
            return f"{root} lies within what tensorflow-datasets prepared; give the folder that holds it all, {above}"
        folders = [root / home / self._builder for home in HOMES]
        if begun := [path for folder in folders for form in BEGUN for path in folder.glob(form)]:
            return f"{begun[0]} is not whole, preparing was interrupted; {AGAIN}"
        wanted = root / HOME / self.dataset.builder.replace(":", "/")
        return (
            f"no folder {self._builder} prepared by tensorflow-datasets in {root}, expected {wanted} with {INFO}; "
            "`make data` with SOURCE=tfds prepares it"
        )

    @property
    def _builder(self) -> str:
        return self.dataset.builder.partition(":")[0]

    @property
    def _majors(self) -> list[str]:
        """Return the versions that will do, as "3.*"."""
        own = self.dataset.builder.partition(":")[2].partition(".")[0]
        return [f"{major}.*" for major in (own, *self.dataset.versions)]

    def _accepts(self, folder: Path) -> bool:
        return f"{folder.name.partition('.')[0]}.*" in self._majors

    def _versions(self, root: Path) -> list[Path]:
        """Return the folders of prepared versions: the usual one, others of its major version, others; newest first."""
        usual = self.dataset.builder.partition(":")[2]
        found = [
            path.parent
            for home in HOMES
            for path in (root.expanduser() / home / self._builder).glob(f"*/{INFO}")
            if path.parent.name.replace(".", "").isdigit()
        ]
        major = usual.partition(".")[0]
        newest = sorted(found, key=lambda path: [int(part) for part in path.name.split(".")], reverse=True)
        return sorted(newest, key=lambda path: (path.name != usual, path.name.partition(".")[0] != major))


@dataclass(frozen=True, eq=False)
class Stored:
    """The records of one prepared split.

    Attributes:
        count: number of examples.
        features: number -> an example's features, its image still encoded.
        files: what holds them.
    """

    count: int
    features: Callable[[int], Mapping[str, Any]]
    files: tuple[Path, ...]


@lru_cache(maxsize=8)
def opened(folder: Path, split: str, stamp: int) -> Stored:
    """Return the records of a split; `stamp` tells a folder that was prepared again from what it was before.

    Raises:
        DataError: there is no such split, or its files cannot be read.
    """
    try:
        import tensorflow_datasets as tfds

        builder = tfds.builder_from_directory(folder)
        if split not in builder.info.splits:
            raise DataError(f"{folder} has no split {split}; it has {', '.join(builder.info.splits) or 'none'}")
        about = builder.info.splits[split]
        files = tuple(Path(path) for path in about.filepaths)
        if absent := [path for path in files if not path.is_file()]:
            raise DataError(f"{folder} is not whole: split {split} lacks {absent[0].name}{more(len(absent))}; {AGAIN}")
        if builder.info.file_format.value == "tfrecord":
            messages: Sequence[bytes] = Messages(files)
        else:
            messages = builder.as_data_source(split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES)
    except DataError:
        raise
    except Exception as error:  # tensorflow-datasets raises whatever a damaged folder happens to trigger
        raise DataError(
            f"{folder} cannot be read as tensorflow-datasets prepared it ({error!r:.300}); {AGAIN}"
        ) from None
    return Stored(about.num_examples, _parser(builder.info.features, messages, f"split {split} in {folder}"), files)


def _parser(features: Any, messages: Sequence[bytes], where: str) -> Callable[[int], Mapping[str, Any]]:
    """Return number -> an example's features, images still encoded."""
    import tensorflow_datasets as tfds

    images = [name for name in features if isinstance(features[name], tfds.features.Image)]
    skip = {name: tfds.decode.SkipDecoding() for name in images}

    def parse(i: int) -> Mapping[str, Any]:
        try:
            if not (message := messages[i]):
                raise EOFError("its file is cut short")  # array_record gives nothing there, and raises nothing
            return features.deserialize_example_np(message, decoders=skip)
        except Exception as error:  # whatever a damaged record happens to trigger
            raise DataError(f"record {i} of {where} cannot be read ({error!r:.300})") from None

    return parse


class Messages(Sequence[bytes]):
    """The messages of TFRecord files, by number; the files are mapped, not read."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._maps = []
        self._places: list[tuple[int, int, int]] = []
        for number, path in enumerate(files):
            with path.open("rb") as file:
                self._maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            self._places += [(number, start, stop) for start, stop in records(self._maps[-1])]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, i: Any) -> Any:
        number, start, stop = self._places[i]
        return self._maps[number][start:stop]


@lru_cache(maxsize=32)
def _listed(dataset: DataSet, stored: Stored, split: str, start: int, stop: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the keys and labels of a slice; positions instead of keys where the records do not say these.

    Raises:
        DataError: the keys are not in the official order.
    """
    keys = []
    labels = []
    for i in range(start, stop):
        features = stored.features(i)
        keys.append(dataset.key(features))
        labels.append(dataset.label(features))
    known = [key for key in keys if key is not None]
    if not np.array_equal(official_order(split, known), np.arange(len(known))):
        raise DataError(
            f"{stored.files[0].parent}: split {split} is not in the order of tensorflow-datasets; was it prepared "
            "without shuffling? prepare it again"
        )
    if len(known) < len(keys):
        return tuple(position(split, i) for i in range(start, stop)), np.array(labels, np.int64)
    return tuple(text_of(split, key) for key in known), np.array(labels, np.int64)
