"""Intervals of averages over tasks: a bootstrap of the seeds within every task, the same digits for the same scores.

Tasks are fixed, seeds are what a repetition draws anew. Tasks that share images form a cluster and are resampled
together, since what one of them happens to gain the other may gain too. A plain bootstrap of five seeds is too narrow;
deviations are widened by sqrt(n / (n - 1)) and the quantile by Student's t over the normal's, with Satterthwaite's
degrees of freedom (Hesterberg, What Teachers Should Know About the Bootstrap, 2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .stats import LEVEL, half_width, t_quantile, varies

REPLICATES = 5000
SEED = 20_120_831
NORMAL = 1.959963984540054
"""The normal quantile at 97.5 %."""
SHARED = (("clevr_count", "clevr_dist"), ("dsprites_loc", "dsprites_ori"), ("smallnorb_azi", "smallnorb_ele"))
"""Tasks of VTAB that ask different questions of the same images."""

Clusters = tuple[tuple[int, ...], ...]
Parts = list[np.ndarray]


def clusters(names: Sequence[str], images: Sequence[str]) -> Clusters:
    """Return the positions of tasks by what they share, every task in one cluster.

    Args:
        names: the tasks; those of one trained model (task/target) belong together.
        images: the digest of each task's test images, empty where it is not known; equal digests are equal images.
    """
    known = {name: pair[0] for pair in SHARED for name in pair}
    found: list[tuple[set[str], list[int]]] = []
    for i, (name, digest) in enumerate(zip(names, images, strict=True)):
        task = name.partition("/")[0]
        keys, places = {known.get(task, task), *([digest] if digest else [])}, [i]
        for one in [one for one in found if one[0] & keys]:
            found.remove(one)
            keys, places = keys | one[0], [*one[1], *places]
        found.append((keys, places))
    return tuple(sorted(tuple(sorted(places)) for _, places in found))


def half_width_of_average(scores: np.ndarray, weights: np.ndarray, together: Clusters | None = None) -> float | None:
    """Return half the width of the 95 % interval of a weighted sum of the tasks' means.

    Args:
        scores: (seeds, tasks), NaN where a task lacks a seed.
        weights: of every task; tasks of weight zero are left out.
        together: positions of tasks that share images; every task alone if not given.

    Returns:
        None if a task has fewer than two seeds, a cluster's tasks have different ones, or nothing varies over seeds.
    """
    parts = contributions(scores[None], weights, together)
    return None if parts is None else half_widths(parts)[0]


def contributions(scores: np.ndarray, weights: np.ndarray, together: Clusters | None = None) -> Parts | None:
    """Return each cluster's weighted scores, (averages, seeds); an average is the sum of its clusters' means.

    Args:
        scores: (averages, seeds, tasks), all with the same scores missing.
        weights: of every task.
        together: as above.
    """
    parts = []
    for cluster in together or tuple((i,) for i in range(scores.shape[2])):
        inside = [i for i in cluster if weights[i]]
        if not inside:
            continue
        there = np.isfinite(scores[0][:, inside])
        seeds = there.all(axis=1)
        if seeds.sum() < 2 or (there.any(axis=1) != seeds).any():
            return None
        parts.append(scores[:, seeds][:, :, inside] @ weights[inside])
    return parts or None


def half_widths(parts: Parts) -> list[float | None]:
    """Return half the width of the 95 % interval of each average; that of one cluster alone is Student's t.

    None where no cluster varies over seeds.
    """
    if len(parts) == 1:
        return [half_width(part) for part in parts[0]]
    widths = np.quantile(np.abs(deviations(parts)), LEVEL, axis=1)
    varied = np.any([varies(part) for part in parts], axis=0)
    return [float(width) if some else None for width, some in zip(widths, varied, strict=True)]


def deviations(parts: Parts) -> np.ndarray:
    """Return how far each average may lie off, widened for few seeds, (averages, replicates)."""
    sizes = tuple(part.shape[1] for part in parts)
    wide = [math.sqrt(size / (size - 1)) for size in sizes]
    residuals = [(part - part.mean(axis=1, keepdims=True)) * w for part, w in zip(parts, wide, strict=True)]
    heavier = np.array([t_quantile(int(df)) / NORMAL for df in freedom(parts)])
    return np.concatenate(residuals, axis=1) @ _draws(sizes) * heavier[:, None]


def freedom(parts: Parts) -> np.ndarray:
    """Return Satterthwaite's degrees of freedom of each average, rounded down."""
    sizes = np.array([part.shape[1] for part in parts])
    variances = np.stack([part.var(axis=1, ddof=1) for part in parts], axis=1) / sizes
    squares = (variances**2 / (sizes - 1)).sum(axis=1)
    some = squares > 0
    found = np.ones(len(squares))
    found[some] = variances.sum(axis=1)[some] ** 2 / squares[some]
    return np.maximum(1, np.floor(found + 1e-9)).astype(int)


@lru_cache(maxsize=16)
def _draws(sizes: tuple[int, ...]) -> np.ndarray:
    """Return how often each seed of each part is drawn, as shares of its part, (sum of sizes, replicates)."""
    random = np.random.default_rng((SEED, *sizes))
    counts = [random.multinomial(size, np.full(size, 1 / size), REPLICATES) / size for size in sizes]
    return np.ascontiguousarray(np.concatenate(counts, axis=1).T)
