"""The oracle diagnostic: what every epoch of the final fit would have scored on the test images.

It never chooses a run's result. Training has ended and the run is scored when the test images are shown to the kept
weights, on a copy of the model, so nothing of this can be seen by a method or change what it learnt.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch import nn

from .loop import Diverged
from .score import Held, score
from .train import TrainingJob


def watched(job: TrainingJob, model: nn.Module, tests: list[Held]) -> list[dict[str, Any]]:
    """Return the job's curve with, in the rows of the fit that `model` came from, accuracies by test set.

    Where validation images are not trained on, also with validation accuracy. If a method fitted this model several
    times, the last fit counts; a model that was not fitted on the recipe's own split has no such epochs.
    """
    epochs = next((one for one in reversed(job.epochs) if one.of() is model), None)
    if epochs is None:
        return job.curve
    copy = deepcopy(model)
    curve = []
    for row in job.curve:
        if row["phase"] == epochs.phase:
            epochs.give(copy, row["epoch"])
            row = row | _looked(job, copy, tests)
        curve.append(row)
    return curve


def _looked(job: TrainingJob, model: nn.Module, tests: list[Held]) -> dict[str, float]:
    """Return what an epoch's weights score; nothing if its outputs are not finite."""
    try:
        found = dict(score(model, tests, job.precision).accuracies)
    except Diverged:
        return {}
    if job.run.recipe.train_on == "train":
        val = job.validate(model)
        found |= {"val": val.accuracy, "val_loss": val.loss}
    return found
