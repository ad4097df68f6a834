"""Who hears of a run while it goes on: Weights & Biases and TensorBoard, each imported only where it is switched on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from .plan import Planned
from .record import Record
from .spec import Options

PER_EPOCH = ("loss", "lr", "val", "val_loss")
"""What of a row of the curve is a number to draw."""


class Log(Protocol):
    """A back-end's log of one run."""

    def epoch(self, phase: str, epoch: int, values: Mapping[str, float]) -> None:
        """Add an epoch of a phase of training."""

    def finish(self, summary: Mapping[str, float | str]) -> None:
        """Add what is known of the run at its end."""

    def close(self, failed: bool) -> None:
        """Write everything out."""


def insist(options: Options) -> None:
    """Check, before any run starts, that what is switched on can be used.

    Raises:
        ValueError: it is not installed, or there is no account to log in to.
    """
    if options.wandb != "disabled":
        from . import wandb_log

        wandb_log.insist(options.wandb)
    if options.tensorboard:
        from . import tensorboard_log

        tensorboard_log.insist()


def logs(planned: Planned, options: Options) -> Iterator[tuple[str, Callable[[], Log]]]:
    """Yield what is switched on as (its name, how to open it for a run)."""
    if options.wandb != "disabled":
        from .wandb_log import WandbLog

        yield "W&B", lambda: WandbLog(planned, options)
    if options.tensorboard:
        from .tensorboard_log import TensorboardLog

        yield "TensorBoard", lambda: TensorboardLog(planned, options)


class Tracker:
    """One run's logs as a context manager.

    The run is worth more than its logs: one that fails, be it when it is opened, is remarked once and told no more.
    """

    def __init__(self, logs: Iterable[tuple[str, Callable[[], Log]]], remark: Callable[[str], None]) -> None:
        self._remark = remark
        self._logs: dict[str, Log] = {}
        self._told: set[tuple[str, int]] = set()
        self._failed = False
        for name, opened in logs:
            try:
                self._logs[name] = opened()
            except Exception as error:
                self._lost(name, error)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Log a row of the training curve, once."""
        phase, epoch = row["phase"], row["epoch"]
        if (phase, epoch) not in self._told:
            self._told.add((phase, epoch))
            values = {name: row[name] for name in PER_EPOCH if name in row}
            self._tell(lambda log: log.epoch(phase, epoch, values))

    def finish(self, record: Record) -> None:
        """Log scores, counts and cost; and epochs that another process trained, before it was interrupted."""
        self._failed = record.status != "ok"
        for row in record.curve:
            self.epoch(row)
        self._tell(lambda log: log.finish(summary(record)))

    def _tell(self, say: Callable[[Log], None]) -> None:
        for name, log in tuple(self._logs.items()):
            try:
                say(log)
            except Exception as error:
                del self._logs[name]
                with contextlib.suppress(Exception):
                    log.close(True)
                self._lost(name, error)

    def _lost(self, name: str, error: Exception) -> None:
        self._remark(f"{name} failed ({type(error).__name__}: {error}); the run is kept")

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        for name, log in self._logs.items():
            try:
                log.close(self._failed or raised is not None)
            except Exception as error:
                self._lost(name, error)


def config(planned: Planned) -> dict[str, Any]:
    """Return what a log says of a run at its start: all that was asked, resolved, with its row's name and its id."""
    return {"label": planned.run.label, "id": planned.id, **planned.resolved}


def summary(record: Record) -> dict[str, float | str]:
    """Return what a log says of a run at its end: {"accuracy/test": 0.93, "cost/seconds_train": 12.5, ...}."""
    parts: dict[str, Mapping[str, Any]] = {"accuracy": record.scores, "params": record.params, "cost": record.cost}
    found = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
    numbers = {name: value for name, value in found.items() if isinstance(value, (int, float, str))}
    return {"status": record.status} | ({"error": record.error} if record.error else {}) | numbers


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings as (dotted name, value)."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
