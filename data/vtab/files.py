"""Where the owners' files lie: as their archives unpack, or without the archive's outermost folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..task import DataError


def inside(folder: Path, *names: str) -> Path:
    """Return the first folder of these names in `folder`, or `folder` itself if it has none of them."""
    return next((folder / name for name in names if (folder / name).is_dir()), folder)


def lacking(folder: Path, names: Sequence[str], what: str) -> str | None:
    """Return None if `folder` holds all these files or folders, else a sentence on the first ones that it lacks."""
    absent = [name for name in names if not (folder / name).exists()]
    if not absent:
        return None
    more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
    return f"{folder} lacks {', '.join(absent[:3])}{more} of {what}"


def lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not blank, without blanks around them."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({getattr(error, 'strerror', None) or error})") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def variable(path: Path, name: str) -> np.ndarray:
    """Return an array of numbers from a MATLAB file."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise DataError(f"{path}: reading it needs scipy; pip install 'visionpeft[data]'") from None
    try:
        found = loadmat(path, variable_names=[name])[name]
        if found.dtype.kind not in "biuf":
            raise TypeError(f"it holds {found.dtype}, no numbers")
        return found
    except Exception as error:  # scipy raises whatever broken data happens to trigger
        raise DataError(f"{path}: cannot be read as a MATLAB file with a variable {name} ({error!r:.200})") from None


def plain(value: object) -> str:
    """Return a text feature of tensorflow-datasets, which is bytes, as text."""
    return value.decode() if isinstance(value, bytes) else str(value)
