"""Which weight each column has in each average of a table, and which columns vary together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .aggregate import Clusters, clusters
from .stats import mean_of_groups, mean_of_tasks
from .table import Column


def averages(columns: Sequence[Column], group_tasks: Mapping[str, int], suite_tasks: int) -> dict[str, np.ndarray]:
    """Return the columns' weights in every average that a table may have, by name.

    Names are "mean of <task>" for tasks with several test sets, a group's own, and "mean of groups" and "mean of
    tasks"; an incomplete group or suite has none. In all of them a task counts once, by the mean of those of its test
    sets that are counted.

    Args:
        columns: of the table.
        group_tasks: how many tasks each group has.
        suite_tasks: how many tasks the suite has.
    """
    groups = {column.task: column.group for column in columns}
    tasks = of_tasks(columns)
    found = {f"mean of {name}": tasks[:, i] for i, name in enumerate(groups) if (tasks[:, i] != 0).sum() > 1}
    places = {g: [i for i, group in enumerate(groups.values()) if group == g] for g in group_tasks}
    full = {g: place for g, place in places.items() if len(place) == group_tasks[g]}
    found |= {g: mean_of_groups(tasks, [place]) for g, place in full.items()}
    if len(full) == len(places) and len(groups) == suite_tasks:
        found["mean of groups"] = mean_of_groups(tasks, list(places.values()))
        found["mean of tasks"] = mean_of_tasks(tasks)
    return found


def of_tasks(columns: Sequence[Column]) -> np.ndarray:
    """Return the columns' weights in each task, (columns, tasks): equal for those that are counted, else zero."""
    names = dict.fromkeys(column.task for column in columns)
    inside = np.array([[c.counted and c.task == name for name in names] for c in columns], float)
    return inside / inside.sum(axis=0)


def together(columns: Sequence[Column]) -> Clusters:
    """Return which columns are resampled together: a task's, scored on the same models, and others of their images."""
    return clusters([column.name for column in columns], [column.images for column in columns])
