"""The source that reads data set repositories of the Hugging Face Hub: parquet files with encoded images and labels.

Anyone may have put anything there, so whatever is known of a task's splits is compared with what is read
(`digests.py`): other examples, labels or images are refused.
"""

from __future__ import annotations

import dataclasses
import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from .official import DataSet, Examples, as_published, pick, position, text_of
from .order import Key
from .task import DataError, Source, Split

SHARD = re.compile(r"(?P<split>\w+)-\d+-of-\d+.*")
"""How shards are called: train-00000-of-00002-1a2b3c.parquet."""
CUT = {"train": "train800", "val": "val200", "test": "test"}
"""Splits of a repository that holds VTAB's slices instead of the whole data set, in the official order."""
NAMES = ("filename", "file_name", "image_path", "path", "name")
"""Columns that may name the images."""
KEPT = 1 << 30
"""Bytes of row groups that stay in memory, so that rows can be read in any order."""


@dataclass(frozen=True)
class Hub(Source):
    """A repository of the whole data set, or of VTAB's slices of it; downloaded when asked for by name.

    Attributes:
        dataset: what the examples are and which slices of them VTAB takes.
        repo: a repository such as blanchon/EuroSAT_RGB, looked for below the data folder before it is downloaded, or a
            folder that holds its parquet files.
        config: the repository's folder to read, where it has several configurations.
        revision: branch, tag or commit.
        image, label: names of the columns.
        replicate: as for the source `original`.
    """

    name: ClassVar[str] = "hub"
    official: ClassVar[bool] = True
    dataset: DataSet
    repo: str
    config: str = ""
    revision: str = "main"
    image: str = "image"
    label: str = "label"
    replicate: int = 0

    @property
    def on_request(self) -> bool:  # noqa: D102
        return True

    def missing(self, root: Path | None) -> str | None:  # noqa: D102
        absent = [package for package in ("huggingface_hub", "pyarrow") if find_spec(package) is None]
        return f"it needs {' and '.join(absent)}; pip install 'visionpeft[hub]'" if absent else None

    def split(self, root: Path | None, name: str) -> Split:  # noqa: D102
        if reason := self.missing(root):
            raise DataError(f"source hub: {reason}")
        files = self._files(root)
        if set(CUT.values()) <= set(files):
            found = self._cut(files[CUT[name]], name)
        else:
            split, start, stop = self.dataset.part(name, self.replicate)
            found = pick(self._examples(files, split), split, start, stop, self.dataset.counts[split])
        return dataclasses.replace(found, content=self.image)

    def _files(self, root: Path | None) -> dict[str, list[Path]]:
        """Return the parquet files by split, downloading what is not there."""
        places = [Path(self.repo).expanduser(), *([root.expanduser() / self.repo] if root else [])]
        folder = next((place for place in places if place.is_dir()), None) or self._download(places[-1])
        found: dict[str, list[Path]] = {}
        for path in sorted((folder / self.config).rglob("*.parquet")):
            found.setdefault(_split_of(path), []).append(path)
        if not found:
            raise DataError(
                f"{folder / self.config} holds no parquet files; other layouts of a repository are not read"
            )
        return found

    def _download(self, place: Path) -> Path:
        """Return where the files are once they are downloaded; `place` is where a person would put them."""
        from huggingface_hub import snapshot_download

        which = self._patterns
        try:
            return Path(snapshot_download(self.repo, repo_type="dataset", revision=self.revision, allow_patterns=which))
        except Exception as error:  # the hub's and the network's many kinds
            reason = f"{(str(error).strip() or type(error).__name__).splitlines()[0]:.200}"
            splits = "" if len(self.dataset.counts) == 1 else f" of {' and '.join(self.dataset.counts)}"
            origin = f"https://huggingface.co/datasets/{self.repo}/tree/{self.revision}/{self.config}"
            raise DataError(
                f"no folder {place}, and it cannot be downloaded from the Hugging Face Hub ({reason}); bring the "
                f"parquet files{splits} in {origin} into {place / self.config} and give the command again"
            ) from None

    @property
    def _patterns(self) -> list[str]:
        """Return which files are needed; * stands for folders, too. Splits that VTAB does not use are left out."""
        top, counts = f"{self.config}/" if self.config else "", self.dataset.counts
        if len(counts) == 1:
            return [f"{top}**/*.parquet", f"{top}*.parquet"]
        names = [*CUT.values(), *(name for split in counts for name in _spellings(split))]
        return [f"{top}*{name}*.parquet" for name in dict.fromkeys(names)]

    def _cut(self, files: list[Path], name: str) -> Split:
        """Return a split of a repository that holds VTAB's own slices."""
        if self.replicate:
            raise DataError(f"replicate {self.replicate}: {self.repo} holds VTAB's own training images only")
        split, start, stop = self.dataset.part(name)
        rows = Rows(files)
        if len(rows) != stop - start:
            raise DataError(f"{self.repo} has {len(rows)} rows in {CUT[name]}, expected {stop - start}")
        labels = self._labels(rows)
        keys = self._keys(rows, labels)
        texts = [position(split, i) for i in range(start, stop)] if keys is None else [text_of(split, k) for k in keys]
        return Split(tuple(texts), labels, lambda i: self._read(rows, i), tuple(files))

    def _examples(self, files: dict[str, list[Path]], split: str) -> Examples:
        """Return all examples of a split of tensorflow-datasets; where it has one only, the repository's are joined."""
        single = len(self.dataset.counts) == 1
        chosen = [path for name in files for path in files[name] if single or name in _spellings(split)]
        if not chosen:
            raise DataError(f"{self.repo} has no split {split}; it has {', '.join(files)}")
        rows = Rows(chosen)
        labels = self._labels(rows)
        keys: Sequence[Key] | None = self._keys(rows, labels)
        if keys is None and (not single or len(files) == 1):  # rows of one split lie in the owners' order
            keys = self.dataset.known_keys(split)
        if keys is None:
            raise DataError(
                f"{self.repo} does not name its images (it has the columns {', '.join(rows.columns)}), so the official "
                f"order cannot be found; another repository may have {' or '.join(NAMES[:2])}"
            )
        return Examples(keys, labels, lambda i: self._read(rows, i), tuple(chosen))

    def _labels(self, rows: Rows) -> np.ndarray:
        values = rows.column(self.label)
        if any(type(value) is not int for value in values):
            raise DataError(f"{self.repo}: column {self.label} holds {values[0]!r:.40}, expected numbers of classes")
        return np.array(values, np.int64)

    def _keys(self, rows: Rows, labels: np.ndarray) -> list[Key] | None:
        """Return the keys, made of the images' names as tensorflow-datasets serves them; None if there are none."""
        column = next((name for name in NAMES if name in rows.columns), f"{self.image}.path")
        names = rows.column(column, optional=True)
        if any(not isinstance(name, str) for name in names) or len(set(names)) < len(rows):
            return None
        keys: list[Key] = []
        for name, label in zip(names, labels.tolist(), strict=True):
            path = PurePosixPath(name.replace("\\", "/"))
            features = {"filename": path.name, "file_name": path.name, "image/file_name": path.name, "label": label}
            try:
                key = self.dataset.key(features | {"name": path.stem})
            except KeyError:  # tensorflow-datasets names these examples by something else
                return None
            if key is None:
                return None
            keys.append(key)
        return keys

    def _read(self, rows: Rows, i: int) -> bytes | np.ndarray:
        cell = rows.cell(self.image, i)
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(data, bytes):
            raise ValueError(f"column {self.image} of row {i} holds no encoded image")
        return as_published(self.dataset, data)


def _split_of(path: Path) -> str:
    """Return which split a parquet file belongs to."""
    if match := SHARD.fullmatch(path.stem):
        return match["split"]
    return path.parent.name if path.stem.isdigit() else path.stem


def _spellings(split: str) -> tuple[str, ...]:
    return ("validation", "valid", "val", "dev") if split == "validation" else (split,)


class Rows:
    """The rows of parquet files, one after the other; row groups are read when a cell of theirs is wanted."""

    def __init__(self, files: Sequence[Path]) -> None:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        self._open = ParquetFile
        self._groups: list[tuple[Path, int]] = []
        self._starts: list[int] = []
        self._length = 0
        self._kept: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._reading = threading.Lock()
        for path in files:
            try:
                about = ParquetFile(path)
            except (OSError, ArrowException) as error:
                raise DataError(f"{path}: cannot be read as parquet ({error})") from None
            for number in range(about.num_row_groups):
                self._groups.append((path, number))
                self._starts.append(self._length)
                self._length += about.metadata.row_group(number).num_rows
            self.columns: list[str] = about.schema_arrow.names

    def __len__(self) -> int:
        return self._length

    def column(self, name: str, optional: bool = False) -> list[Any]:
        """Return all values of a column, or of a field of one ("image.path").

        Raises:
            DataError: it is absent and not optional.
        """
        outer, _, inner = name.partition(".")
        if outer not in self.columns and not optional:
            raise DataError(f"{self._groups[0][0]}: no column {name}; it has {', '.join(self.columns)}")
        values: list[Any] = []
        for path, number in self._groups if outer in self.columns else []:
            table = self._open(path).read_row_group(number, columns=[name])
            cells = table[outer].to_pylist() if outer in table.column_names else []
            values += [cell.get(inner) if isinstance(cell, dict) else cell for cell in cells] if inner else cells
        return values

    def cell(self, name: str, row: int) -> Any:
        """Return one value; any thread may ask."""
        group = bisect_right(self._starts, row) - 1
        with self._reading:
            column = self._kept.pop((name, group), None)
            if column is None:
                path, number = self._groups[group]
                column = self._open(path).read_row_group(number, columns=[name])[name]
            self._kept[name, group] = column
            while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > KEPT:
                self._kept.popitem(last=False)
        return column[row - self._starts[group]].as_py()
