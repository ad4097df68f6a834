"""A run in TensorBoard, which needs no account: event files in `runs/tensorboard/<suite>/<run>/`."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping

from .plan import Planned
from .spec import Options
from .tracking import config, flat

FOLDER = "tensorboard"
"""Where event files go, in the folder of records."""
TRIED = ("method.name", "task.name", "task.suite", "backbone.name", "seed", "label")
TRIED_WHOLE = ("method.fields.", "recipe.")
"""What of the configuration are columns of the table of hyper-parameters: values, and all that a section has."""


def insist() -> None:
    """Check that tensorboard can be used.

    Raises:
        ValueError: it is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ValueError("tensorboard is not installed; pip install 'visionpeft[tensorboard]', or leave it out")


class TensorboardLog:
    """The log of one run; what an interrupted attempt at it left behind is replaced."""

    def __init__(self, planned: Planned, options: Options) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = options.runs / FOLDER / planned.run.task.suite / planned.stem
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._config = config(planned)
        self._writer = SummaryWriter(str(folder))
        self._writer.add_text("config", fenced(self._config))

    def epoch(self, phase: str, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch; each phase has curves of its own."""
        for name, value in values.items():
            self._writer.add_scalar(f"{phase.replace(' ', '_')}/{name}", value, epoch)

    def finish(self, summary: Mapping[str, float | str]) -> None:
        """Log numbers as scalars and, beside the hyper-parameters, as metrics; words as text."""
        numbers = {name: float(value) for name, value in summary.items() if not isinstance(value, str)}
        for name, value in summary.items():
            if name not in numbers:
                self._writer.add_text(name, str(value))
        self._writer.add_hparams(hyperparameters(self._config), numbers, run_name=".")  # "."; not a run of its own

    def close(self, failed: bool) -> None:
        """Write the event file out."""
        self._writer.close()


def hyperparameters(config: Mapping[str, object]) -> dict[str, bool | int | float | str]:
    """Return what is compared in TensorBoard's table of runs, lists as words."""
    found = {name: value for name, value in flat(config) if name in TRIED or name.startswith(TRIED_WHOLE)}
    return {name: value if isinstance(value, (bool, int, float, str)) else str(value) for name, value in found.items()}


def fenced(config: Mapping[str, object]) -> str:
    """Return a configuration as a block of Markdown, which TensorBoard shows as it is."""
    return f"```json\n{json.dumps(config, indent=1)}\n```"
