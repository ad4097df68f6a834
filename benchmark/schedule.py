"""The learning rate at every step: ours, or that of a repository whose figures are restated."""

from __future__ import annotations

import math

from .spec import Recipe


def schedule(step: int, steps: int, warmup: int) -> float:
    """Return the factor on the learning rate at `step` (0, 1, ...): linear warm-up, then half a cosine down to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def rate(recipe: Recipe, t: int, epochs: int, steps: int) -> float:
    """Return the learning rate at step t (0, 1, ...) of `epochs` with `steps` each."""
    if recipe.schedule == "step":
        return recipe.lr * schedule(t, epochs * steps, round(recipe.warmup * steps))
    return _of_epoch(recipe, max(0, t // steps - recipe.lag), epochs)


def _of_epoch(recipe: Recipe, epoch: int, epochs: int) -> float:
    """Return the rate of a whole epoch; timm's cosine runs from epoch 0 on, under the warm-up, so its peak is cut."""
    if epoch < recipe.warmup:
        return recipe.warmup_lr + epoch * (recipe.lr - recipe.warmup_lr) / recipe.warmup
    start = 0 if recipe.schedule == "timm_epoch" else recipe.warmup
    cosine = math.cos(math.pi * (epoch - start) / (epochs - start))
    return recipe.min_lr + 0.5 * (recipe.lr - recipe.min_lr) * (1 + cosine)
