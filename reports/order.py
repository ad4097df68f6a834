"""The order in which columns stand: groups and tasks as the literature prints them."""

from __future__ import annotations

import re

from .table import Column

GROUPS = ("natural", "specialized", "structured")
VTAB = (
    *("cifar100", "caltech101", "dtd", "flowers102", "pets", "svhn", "sun397"),
    *("patch_camelyon", "eurosat", "resisc45", "retinopathy"),
    *("clevr_count", "clevr_dist", "dmlab", "kitti_dist"),
    *("dsprites_loc", "dsprites_ori", "smallnorb_azi", "smallnorb_ele"),
)
"""The order in which the literature prints the 19 tasks; tasks of other suites come in alphabetical order."""


def place(column: Column) -> tuple[int, str, int, str, int]:
    """Return a sort key: groups and tasks in VTAB's order, others by name after them."""
    group = GROUPS.index(column.group) if column.group in GROUPS else len(GROUPS)
    task = VTAB.index(column.task) if column.task in VTAB else len(VTAB)
    return group, _by_number(column.group), task, _by_number(column.task), column.position


def _by_number(name: str) -> str:
    """Return a name that sorts by the numbers in it: 2-shot before 16-shot."""
    return re.sub(r"\d+", lambda number: number[0].zfill(9), name)
