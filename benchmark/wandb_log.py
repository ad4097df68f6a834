"""A run in Weights & Biases: one run there for each of ours, grouped by the suite and the row of its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .plan import Planned
from .spec import Options
from .tracking import config

GROUP, TAG = 128, 64
"""The longest group and tag that W&B takes."""


def insist(mode: str) -> None:
    """Check that wandb can be used; asks for a key where it is online and there is a terminal to answer from.

    Raises:
        ValueError: it is not installed, has no key, or cannot read its own settings.
    """
    try:
        import wandb
        from pydantic import ValidationError
    except ImportError:
        raise ValueError("wandb is not installed; pip install 'visionpeft[wandb]', or WANDB=disabled") from None
    try:
        wandb.setup()
    except ValidationError as error:
        # without values and what is said of them, which may hold secrets
        wrong = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        raise ValueError(f"wandb's own settings, from WANDB_* variables, are wrong: {wrong}") from None
    except wandb.Error as error:
        raise ValueError(f"wandb: {error}") from None
    if mode == "online":
        try:
            wandb.login(verify=False)
        except wandb.Error as error:
            raise ValueError(f"wandb: {error} Or WANDB=offline, which needs no account") from None


class WandbLog:
    """The log of one run; several may be open in one process."""

    def __init__(self, planned: Planned, options: Options) -> None:
        import wandb

        run, method = planned.run, planned.run.method_name
        options.runs.mkdir(parents=True, exist_ok=True)
        self._run: Any = wandb.init(
            project="visionpeft",
            mode=options.wandb,
            dir=str(options.runs),
            name=planned.stem,
            group=f"{run.task.suite}/{run.label}"[:GROUP],
            job_type=f"seed {run.seed}",
            tags=[tag[:TAG] for tag in dict.fromkeys((run.task.suite, run.task.name, method, run.backbone.name))],
            config=config(planned),
            reinit="create_new",  # several runs in one process
            settings=wandb.Settings(silent=True, disable_git=True, console="off"),
        )
        self._phases: set[str] = set()

    def epoch(self, phase: str, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch; each phase is drawn over its own epochs."""
        if phase not in self._phases:
            self._phases.add(phase)
            self._run.define_metric(f"{phase}/epoch", hidden=True)
            self._run.define_metric(f"{phase}/*", step_metric=f"{phase}/epoch")
        self._run.log({f"{phase}/{name}": value for name, value in {"epoch": epoch, **values}.items()})

    def finish(self, summary: Mapping[str, float | str]) -> None:
        """Store scores, counts and cost as the run's summary."""
        self._run.summary.update(dict(summary))

    def close(self, failed: bool) -> None:
        """End the run, as failed where it did not end well."""
        self._run.finish(exit_code=1 if failed else 0)
