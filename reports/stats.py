"""Statistics of a table: numbers in, numbers out. numpy alone, so that a table can be made anywhere.

Scores are arrays whose last axis is tasks. A missing score is NaN and every mean keeps it: an average over an
incomplete set of tasks is NaN here and a blank in the table, never a number over fewer tasks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

LEVEL = 0.95
NOTHING = 1e-9
"""What is smaller is rounding: accuracies lie on a grid of one image."""


def mean_of_tasks(scores: np.ndarray) -> np.ndarray:
    """Return the mean over all tasks, shape (..., tasks) -> (...).

    Used by V-PETL Bench and many papers from 2024 on ("mean of 19").
    """
    return np.mean(scores, axis=-1)


def mean_of_groups(scores: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the mean of the group means, shape (..., tasks) -> (...).

    Used by VPT, NOAH, FacT, SSF, RepAdapter, GLoRA and PACE. On VTAB-1k it lies 1.5 to 3.5 points above the mean of
    tasks, because the structured group is the largest and the hardest.

    Args:
        scores: one score per task.
        groups: the task positions of every group; a group without a task gives NaN.
    """
    means = [mean_of_tasks(scores[..., list(g)]) if g else np.full(scores.shape[:-1], np.nan) for g in groups]
    return np.mean(means, axis=0)


def half_width(values: np.ndarray) -> float | None:
    """Return half the width of the 95 % Student's t interval of a mean.

    None for fewer than two values, and for equal ones: on a grid of accuracies two or three often agree by chance.
    """
    if len(values) < 2 or not np.isfinite(values).all() or not varies(values):
        return None
    return float(t_quantile(len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))


def varies(values: np.ndarray) -> np.ndarray:
    """Return whether values differ along the last axis, shape (..., values) -> (...)."""
    return np.ptp(values, axis=-1) > NOTHING


@lru_cache(maxsize=1024)
def t_quantile(freedom: int) -> float:
    """Return t with P(|T| < t) = 0.95 for a whole number of degrees of freedom."""
    low, high = 0.0, math.pi / 2
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if _central(middle, freedom) < LEVEL else (low, middle)
    return math.tan(low) * math.sqrt(freedom)


def p_value(statistic: float, freedom: int) -> float:
    """Return the two-sided P(|T| > |statistic|) for a whole number of degrees of freedom."""
    return max(0.0, 1 - _central(math.atan(abs(statistic) / math.sqrt(freedom)), freedom))


def _central(angle: float, freedom: int) -> float:
    """P(|T| < sqrt(freedom) tan(angle)), the finite series (Abramowitz & Stegun 26.7.3 and 26.7.4)."""
    odd, cos = freedom % 2, math.cos(angle)
    term, total = (cos if odd else 1.0), 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= cos * cos * k / (k + 1)
    inner = math.sin(angle) * total
    return 2 / math.pi * (angle + inner) if odd else inner
