"""The contract between a method and the harness.

A method is a frozen dataclass: its fields are the hyper-parameters of one paper and it has one verb that every
method must define, `inject`. The others have a default and are overridden only by papers that need them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer


class Score(NamedTuple):
    """What validation tells: top-1 accuracy in [0, 1] and mean cross-entropy in nats."""

    accuracy: float
    loss: float


@dataclass(frozen=True)
class Method(ABC):
    """Hyper-parameters of one PEFT method; `inject` rewrites a pretrained timm model in place."""

    version: ClassVar[int] = 1
    """Raised when a change to the method can move a number; part of a run's id."""
    neutral: ClassVar[bool] = True
    """Whether the logits right after `inject` equal the pretrained model's."""

    @abstractmethod
    def inject(self, model: nn.Module) -> None:
        """Freeze the backbone and add what is trained; afterwards `requires_grad` is the whole truth.

        Before a run starts this is also called on an outline without memory (device meta), to refuse early.

        Raises:
            ValueError: the model lacks what the method adapts; the message says what it has instead.
        """

    def groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Parameter groups for the optimizer; a group may carry `lr_scale`, a factor on the recipe's rate."""
        return [{"params": [p for p in model.parameters() if p.requires_grad]}]

    def loss(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Training loss of one batch. x: (batch, 3, height, width) normalised; y: (batch,) or (batch, classes)."""
        return F.cross_entropy(model(x), y)

    def step(self, model: nn.Module, optimizer: Optimizer, t: int, steps: int) -> None:
        """Update the parameters from their gradients at step t (0, 1, ...) of `steps`."""
        optimizer.step()

    def lengths(self) -> dict[str, int]:
        """Return the epochs of fits that are not as long as the recipe says, by the field that says how long."""
        return {}

    def train(self, job: Job) -> tuple[Method, nn.Module]:
        """Return the method as finally settled and the model trained with it.

        A method that searches returns itself with the values it found, so that `inject` of the returned method
        rebuilds the returned model's structure.
        """
        return self, job.fit(job.build(self), self)


class Job(Protocol):
    """All that a method may ask of the harness while it trains. Test data is not in it."""

    seed: int
    workspace: Path
    """Folder for state that lets an interrupted `train` continue; removed once the run is recorded."""

    def build(self, method: Method) -> nn.Module:
        """Return a fresh pretrained backbone with a new head, on the device, with `method` injected."""

    def fit(
        self,
        model: nn.Module,
        method: Method,
        *,
        split: str | None = None,
        epochs: int | None = None,
        keep: str | None = None,
    ) -> nn.Module:
        """Train whatever requires a gradient, by the recipe, on `split` (default: the recipe's); return `model`.

        With `keep`, a name within the run, the outcome is kept in the workspace until the run is recorded: if the run
        is interrupted and started again, this fit is not repeated.
        """

    def batches(self, split: str | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the (x, y) of "train", "val" or "trainval" (default: the recipe's) once, in order, unaugmented."""

    def validate(self, model: nn.Module) -> Score:
        """Score `model` on the validation split; refuses a model that was fitted on it."""

    def outcomes(self, model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `model` makes of some validation images; refuses as `validate` does.

        Args:
            model: any mode; left in eval mode.
            images: their positions in the split, (m,).

        Returns:
            Whether each is classified rightly, and its cross-entropy in nats, both (m,), on the CPU.
        """

    def note(self, name: str, value: object) -> None:
        """Keep a JSON-able value in the run's record, such as the history of a search."""

    def also(self, name: str, model: nn.Module) -> None:
        """Let the harness score a further model, when all is trained; the record has it beside the result, by name."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how far something is that is no `fit`."""

    def say(self, text: str) -> None:
        """Say in a line how far a long phase has come, where no `progress` is seen: in a log, without a terminal."""

    def spent(self, seconds: float) -> None:
        """Count the time that an earlier, interrupted start of the run needed for what the workspace has kept of it."""


def positive(**values: float) -> None:
    """Raise ValueError unless every value is above zero; to be called from `__post_init__`."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be above 0, got {value!r}")


def fraction(**values: float) -> None:
    """Raise ValueError unless every value lies in [0, 1); to be called from `__post_init__`."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must lie in [0, 1), got {value!r}")
