"""Comparisons of methods on the same tasks and seeds: arrays in, numbers out.

Differences are taken seed by seed on the same task, so that what two runs share cancels. Where a family of comparisons
is made at once, p-values are adjusted after Holm (1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .aggregate import Clusters, contributions, deviations, half_widths
from .stats import NOTHING, half_width, p_value

ALPHA = 0.05


@dataclass(frozen=True)
class Difference:
    """A mean paired difference; half_width (95 %) and p are None where there are fewer than two pairs.

    Pairs that all differ alike give no interval, and no p unless nothing differs, which is p = 1.

    Attributes:
        tasks: over how many tasks.
    """

    value: float
    half_width: float | None
    p: float | None
    tasks: int = 1


def difference(a: np.ndarray, b: np.ndarray) -> Difference:
    """Compare two methods on one task, a minus b, over the same seeds: Student's paired t."""
    d = a - b
    width = half_width(d)
    if width is None:
        return Difference(float(d.mean()), None, _certain(d.mean()) if len(d) > 1 else None)
    error = d.std(ddof=1) / math.sqrt(len(d))
    return Difference(float(d.mean()), width, p_value(d.mean() / error, len(d) - 1))


def _certain(value: float) -> float | None:
    """Return p of a difference that is the same with every seed: their spread, by which it is judged, is unknown."""
    return 1.0 if abs(value) < NOTHING else None


def differences(d: np.ndarray, weights: np.ndarray, together: Clusters | None = None) -> list[Difference]:
    """Compare averages over tasks by the bootstrap within tasks.

    Args:
        d: paired differences, (comparisons, seeds, tasks), NaN where either method lacks a seed.
        weights: of every task in the average.
        together: positions of tasks that share images.
    """
    found: list[Difference | None] = [None] * len(d)
    patterns = np.isfinite(d).reshape(len(d), -1)
    for pattern in np.unique(patterns, axis=0):
        same = np.flatnonzero((patterns == pattern).all(axis=1))
        for i, one in zip(same, _alike(d[same], weights, together), strict=True):
            found[i] = one
    return [one for one in found if one is not None]


def _alike(d: np.ndarray, weights: np.ndarray, together: Clusters | None) -> list[Difference]:
    """Return the differences of comparisons that lack the same scores; tasks without any leave the average."""
    there = np.isfinite(d[0]).any(axis=0)
    used = np.where(there, weights, 0.0)
    count = int((used != 0).sum())
    if not count:
        return [Difference(math.nan, None, None, 0)] * len(d)
    used = used / used.sum()
    values = np.nanmean(d[:, :, used != 0], axis=1) @ used[used != 0]
    parts = contributions(d, used, together)
    if parts is None:
        return [Difference(float(value), None, None, count) for value in values]
    ps = [difference(part, np.zeros_like(part)).p for part in parts[0]] if len(parts) == 1 else _ps(parts, values)
    found = zip(values, half_widths(parts), ps, strict=True)
    return [Difference(float(v), w, _certain(v) if w is None else p, count) for v, w, p in found]


def _ps(parts: list[np.ndarray], values: np.ndarray) -> Sequence[float | None]:
    """Return the share of replicates that lie off by more than the values, never quite zero."""
    off = np.abs(deviations(parts))
    more = (off >= np.abs(values)[:, None] - 1e-12).sum(axis=1)
    return [float(p) for p in (1 + more) / (1 + off.shape[1])]


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for a family of comparisons (Holm's step-down); None stays and does not count."""
    order = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    adjusted, largest = list(ps), 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[i] = largest
    return adjusted


def wilcoxon(d: np.ndarray) -> float | None:
    """Return the exact two-sided p of Wilcoxon's signed-rank test of differences, ties included; None without any.

    Zero differences are left out (Wilcoxon, 1945). The null distribution is counted over all signs of these ranks.
    """
    d = np.round(d[np.isfinite(d)], 9)  # what is equal in percent is equal
    d = d[d != 0]
    if not len(d):
        return None
    doubled = np.rint(2 * ranks(np.abs(d))).astype(int)  # halves become whole numbers
    chances = _rank_sums(tuple(sorted(doubled.tolist())))
    positive = int(doubled[d > 0].sum())
    return float(min(1.0, 2 * min(chances[: positive + 1].sum(), chances[positive:].sum())))


@lru_cache(maxsize=256)
def _rank_sums(ranked: tuple[int, ...]) -> np.ndarray:
    """Return the chance of every sum of ranks of which each is in it or not, as a coin falls."""
    chances = np.zeros(sum(ranked) + 1)
    chances[0] = 1.0
    for rank in ranked:
        chances = (chances + np.concatenate([np.zeros(rank), chances[:-rank]])) / 2
    return chances


def ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1, the smallest first; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place.reshape(values.shape)]


def mean_ranks(scores: np.ndarray) -> np.ndarray:
    """Return each method's rank averaged over tasks, 1 is best; (methods, tasks) -> (methods,)."""
    return np.mean([ranks(-np.round(task, 9)) for task in scores.T], axis=0)


def clustered(values: np.ndarray, together: Clusters) -> np.ndarray:
    """Return the means over tasks that share images, so that a test over tasks counts them once.

    Args:
        values: (..., tasks); what is NaN is left out, and a cluster without any value is NaN.
        together: positions of tasks that share images.
    """
    means = [mean_of_known(values[..., list(cluster)], axis=-1) for cluster in together]
    return np.stack(means, axis=-1)


def mean_of_known(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean without NaN; NaN where there is nothing else."""
    known = np.isfinite(values)
    counts = known.sum(axis=axis)
    totals = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def probability_of_improvement(a: np.ndarray, b: np.ndarray) -> float:
    """Return how often a run of `a` beats one of `b` on a task drawn at random; ties count half.

    Args:
        a: (seeds, tasks), NaN where a seed is missing; Agarwal et al. (2021).
        b: the same of the other method.
    """
    x, y = a[:, None, :], b[None, :, :]
    games = (np.isfinite(x) & np.isfinite(y)).sum(axis=(0, 1))
    wins = ((x > y).sum(axis=(0, 1)) + (x >= y).sum(axis=(0, 1))) / 2  # NaN beats nothing
    played = games > 0
    return float((wins[played] / games[played]).mean()) if played.any() else math.nan


@dataclass(frozen=True)
class TwoModels:
    """McNemar's exact test: a comparison of two trained models on the same images, not of two methods."""

    only_first: int
    only_second: int
    p: float


def mcnemar(first: np.ndarray, second: np.ndarray) -> TwoModels:
    """Compare two models by which images of one test set each gets right, (images,) of bool.

    Other seeds are other models, which this test does not know of; it says nothing on how methods were trained.
    """
    one, two = int((first & ~second).sum()), int((second & ~first).sum())
    n, log_half = one + two, math.log(0.5)
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + n * log_half
            for i in range(min(one, two) + 1)]  # fmt: skip
    return TwoModels(one, two, min(1.0, 2 * math.fsum(map(math.exp, logs))))


@dataclass(frozen=True)
class Variance:
    """Where a method's scores vary from, as variances; None where the runs cannot tell.

    Of one task, `sample` often falls below 0 by chance where another sample changes little. An average over tasks needs
    these too, or it is too high.
    """

    seed: float | None
    sample: float | None
    test: float | None


def variance(by_sample: Sequence[np.ndarray], images: int | None) -> Variance:
    """Split the variance of accuracies in [0, 1]: one-way random effects, unequal numbers of seeds allowed.

    Args:
        by_sample: for every training sample, the accuracies of its seeds.
        images: size of the test set; what another one would change is binomial.
    """
    groups = [np.asarray(group, float) for group in by_sample if len(group)]
    every = np.concatenate(groups) if groups else np.array([])
    test = float((every * (1 - every)).mean() / images) if len(every) and images else None
    sizes = np.array([len(group) for group in groups])
    within = sizes.sum() - len(groups)
    if within < 1:
        return Variance(None, None, test)
    seed = float(sum(((group - group.mean()) ** 2).sum() for group in groups) / within)
    if len(groups) < 2:
        return Variance(seed, None, test)
    means = np.array([group.mean() for group in groups])
    between = float((sizes * (means - every.mean()) ** 2).sum() / (len(groups) - 1))
    typical = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(groups) - 1)
    return Variance(seed, (between - seed) / float(typical), test)
