"""The leaderboard in Weights & Biases: its rows and cells as tables there, the written files as an artifact.

Imported only where it is switched on: `make leaderboard WANDB=offline`, or `--wandb offline`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import tidy
from .markdown import title
from .reading import LeaderboardError
from .table import Row, Table

MODES = ("disabled", "offline", "online")


def send(tables: Sequence[Table], files: Sequence[Path], root: Path, mode: str) -> str:
    """Log a run of job type "leaderboard" and return where it is.

    Args:
        tables: the leaderboard's.
        files: what was written of it, for the artifact.
        root: the folder of records; an offline run is in its `wandb/`.
        mode: offline or online.

    Raises:
        LeaderboardError: wandb is not installed, or has no account to send to.
    """
    try:
        import wandb
        from pydantic import ValidationError
    except ImportError:
        raise LeaderboardError("wandb is not installed; pip install 'visionpeft[wandb]', or leave WANDB out") from None
    try:
        run: Any = wandb.init(
            project="visionpeft",
            mode="online" if mode == "online" else "offline",
            dir=str(root),
            name="leaderboard",
            job_type="leaderboard",
            reinit="create_new",
            settings=wandb.Settings(silent=True, disable_git=True, console="off"),
        )
    except ValidationError as error:  # without the values, which may be secrets
        wrong = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        raise LeaderboardError(f"wandb's own settings, from WANDB_* variables, are wrong: {wrong}") from None
    except wandb.Error as error:
        raise LeaderboardError(f"wandb: {error} Or WANDB=offline, which needs no account") from None
    told = {"leaderboard": tidy.lines(tables), "cells": cells(tables)}
    artifact = wandb.Artifact("leaderboard", type="leaderboard")
    with run:
        run.log({name: wandb.Table(*_columns(lines)) for name, lines in told.items()})
        for file in files:
            artifact.add_file(str(file))  # which copies it: by the time of `wandb sync` there is another leaderboard
        run.log_artifact(artifact)
        return f"wandb sync {Path(run.dir).parent}" if mode == "offline" else str(run.url)


def cells(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Return one line for every cell of every table, accuracies in percent."""
    return [line for number, table in enumerate(tables, 1) for row in table.rows for line in _cells(number, table, row)]


def _cells(number: int, table: Table, row: Row) -> list[dict[str, Any]]:
    about: Mapping[str, Any] = {"table": number, "suite": table.setting.suite, "setting": title(table)}
    found = ((column, row.cells.get(column.name)) for column in table.columns)
    return [
        {
            **about,
            "method": row.label,
            "group": column.group,
            "task": column.name,
            "mean": cell.mean.value if cell.mean else None,
            "half_width": cell.mean.half_width if cell.mean else None,
            "n": len(cell.done),
            "seeds": " ".join(map(str, cell.seeds)),
            "failed": len(cell.failed),
            "records": " ".join(one.record.stem for one in cell.done),
        }
        for column, cell in found
        if cell is not None
    ]


def _columns(lines: Sequence[Mapping[str, Any]]) -> tuple[list[str | int], list[list[Any]]]:
    """Return the names of all columns, and the lines' values in their order."""
    columns: list[str | int] = [*tidy.names(lines)]
    return columns, [[line.get(str(column)) for column in columns] for line in lines]
