"""Weights & Biases, imported only when switched on."""

from __future__ import annotations

import sys
from typing import Any

from .plan import Planned
from .record import Record
from .spec import Options


class Tracker:
    """One tracked run as a context manager; does nothing where `wandb=disabled`."""

    def __init__(self, planned: Planned, options: Options) -> None:
        self._run: Any = None
        self._steps = 0
        if options.wandb == "disabled":
            return
        try:
            import wandb
        except ImportError:
            raise ValueError("wandb is not installed; pip install 'visionpeft[wandb]', or WANDB=disabled") from None
        task = planned.run.task
        options.runs.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project="visionpeft",
            mode=options.wandb,
            dir=str(options.runs),
            name=planned.stem,
            group=f"{task.suite}/{planned.run.method_name}",
            tags=[task.name, planned.run.backbone.name],
            config=planned.resolved,
            reinit="create_new",  # several runs in one process
            settings=wandb.Settings(silent=True, disable_git=True, console="off"),
        )

    def epoch(self, row: dict[str, Any]) -> None:
        """Log an epoch of the training curve."""
        if self._run is not None:
            self._run.log({k: v for k, v in row.items() if k != "phase"}, step=self._steps)
            self._steps += 1

    def finish(self, record: Record) -> None:
        """Store scores, counts and cost as the run's summary."""
        if self._run is not None:
            scores = {f"accuracy/{split}": value for split, value in record.scores.items()}
            self._run.summary.update({"status": record.status} | scores | record.params | record.cost)

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._run is not None:
            self._run.finish(exit_code=1 if sys.exc_info()[0] else 0)
