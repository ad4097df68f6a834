"""What a trained model is scored on, once: test images, with all classes to choose from or those of the set alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from visionpeft.data.loader import Batches

from .loop import Diverged, predict_among


@dataclass(frozen=True)
class Held:
    """Decoded test images and, for each column they fill, the classes to choose from (ascending; None: all)."""

    batches: Batches
    columns: Mapping[str, np.ndarray | None]


@dataclass(frozen=True)
class Scores:
    """Accuracies in [0, 1], predicted classes and true ones, shape (n,), by column."""

    accuracies: dict[str, float]
    predicted: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]

    @property
    def kept(self) -> dict[str, np.ndarray]:
        """What is kept beside a record: predictions as their columns are called, labels as "labels/<column>"."""
        return self.predicted | {f"labels/{name}": labels for name, labels in self.labels.items()}


def score(model: nn.Module, tests: Iterable[Held], precision: str) -> Scores:
    """Return what a model makes of test images; each is seen once, however many columns its set fills.

    Raises:
        Diverged: the model's outputs are not finite.
    """
    found = Scores({}, {}, {})
    for test in tests:
        among = [None if own is None else torch.as_tensor(own) for own in test.columns.values()]
        predicted, losses = predict_among(model, test.batches, precision, among)
        if not losses.mean().isfinite():
            raise Diverged("the trained model's outputs are not finite")
        labels = test.batches.labels.cpu().numpy()
        for name, classes in zip(test.columns, predicted, strict=True):
            found.predicted[name], found.labels[name] = classes.numpy(), labels
            found.accuracies[name] = float((found.predicted[name] == labels).mean())
    return found
