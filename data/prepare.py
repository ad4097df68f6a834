"""A data set prepared by tensorflow-datasets itself, for `source=tfds`: downloaded and written by its own builder.

That is the only way to the examples of data sets that it draws at random or encodes anew, and it takes TensorFlow. The
folder appears when it is whole; a process that is killed leaves one with another name, which nothing reads.
"""

from __future__ import annotations

import contextlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .official import DataSet
from .task import DataError
from .unfinished import Listener, alone, writing

HOME = "tensorflow_datasets"
"""Where it is prepared, below the data folder, so that no folder holds both the owners' files and its own."""
MANUAL = "downloads/manual"
"""Where files that it does not download belong, below that folder."""
ALWAYS = ("tensorflow_datasets", "array_record", "importlib_resources")
"""The last one 4.9.10 does not declare, and without it finds no checksums of what it downloads."""
PACKAGES = {
    "tensorflow_datasets": "tensorflow-datasets",
    "array_record": "array-record",
    "importlib_resources": "importlib-resources",
    "tensorflow": "tensorflow",
    "cv2": "opencv-python-headless",
}
"""Modules that preparing may need, by what pip calls them."""


def unable(dataset: DataSet) -> str | None:
    """Return what this machine lacks to prepare a data set, None if nothing."""
    absent = [PACKAGES[name] for name in PACKAGES if name in needed(dataset) and find_spec(name) is None]
    if not absent:
        return None
    return (
        f"preparing {dataset.builder} needs {', '.join(absent)}, with which its builder in tensorflow-datasets "
        f"reads the owners' files and encodes the images: pip install {' '.join(absent)}"
    )


def needed(dataset: DataSet) -> tuple[str, ...]:
    """Return the modules that preparing a data set needs."""
    return (*ALWAYS, *dataset.preparing)


def prepare(dataset: DataSet, root: Path, listener: Listener) -> None:
    """Have tensorflow-datasets download and write a data set below a data folder, unless that is done.

    Raises:
        DataError: a package is missing, or the builder failed; the message has its reason.
    """
    if reason := unable(dataset):
        raise DataError(reason)
    home, name = root.expanduser() / HOME, dataset.builder.partition(":")[0]
    with writing(root.expanduser(), name, lambda: 0), alone(home, name, listener):
        listener.remark(f"tensorflow-datasets prepares {dataset.builder} in {home}; it shows how far it is itself")
        try:
            built = _built(name, home)
        except Exception as error:  # a builder raises whatever its packages, its files or the network make it
            reason = f"{(str(error).strip() or type(error).__name__).splitlines()[0]:.300}"
            why = (
                f"tensorflow-datasets could not prepare {dataset.builder} in {home}: {reason} ({type(error).__name__})"
            )
            raise DataError(f"{why}\n{dataset.by_hand}" if MANUAL in dataset.by_hand else why) from None
    if (found := str(built.version)) != dataset.builder.partition(":")[2]:
        listener.remark(f"this tensorflow-datasets has {name} in version {found}, not {dataset.builder}")


def _built(name: str, home: Path) -> Any:
    """Return the builder after it has done its work, or found it done."""
    import tensorflow_datasets as tfds

    with contextlib.redirect_stdout(sys.stderr):  # it prints what it does where our tables go
        builder = tfds.builder(name, data_dir=home, file_format="array_record")
        config = tfds.download.DownloadConfig(try_download_gcs=False, manual_dir=home / MANUAL)
        builder.download_and_prepare(download_dir=(home / MANUAL).parent, download_config=config)
    return builder
