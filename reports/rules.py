"""Selection rules: which epoch of a training curve is its result. Curves in, (epoch, accuracy) out.

A run is scored by the rule in its recipe, `last` or `best_val`, while it runs. Here rules are applied to stored curves
afterwards, to tell what another one would have said: diagnostics, which stand beside the honest number and never in its
place. The oracle rules look at the test images, which is what most published VTAB-1k figures do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .sound import is_accuracy

TENTH = 10


@dataclass(frozen=True)
class Epoch:
    """What is known of one epoch; accuracies in [0, 1]. `val` and `val_loss` are None where nobody looked."""

    epoch: int
    test: float
    val: float | None = None
    val_loss: float | None = None


Epochs = tuple[Epoch, ...]


@dataclass(frozen=True)
class Rule:
    """A way to choose an epoch.

    Attributes:
        name: what records and tables call it.
        says: the same in words.
        looks_at_test: whether it chooses on the test images, so that no run may be scored by it.
        choose: the epoch of a curve; None where the curve lacks what the rule looks at.
    """

    name: str
    says: str
    looks_at_test: bool
    choose: Callable[[Epochs], Epoch | None]


def last(curve: Epochs) -> Epoch | None:
    """Return the last epoch."""
    return max(curve, key=lambda one: one.epoch, default=None)


def best_val(curve: Epochs) -> Epoch | None:
    """Return the epoch of the best validation accuracy; ties: the lower validation loss, then the earlier epoch."""
    if not curve or any(one.val is None or one.val_loss is None for one in curve):
        return None
    return max(curve, key=lambda one: (one.val, -(one.val_loss or 0.0), -one.epoch))


def oracle(curve: Epochs, every: int = 1) -> Epoch | None:
    """Return the best test epoch, the first of equal ones.

    Args:
        curve: the epochs.
        every: only epochs that are a multiple of it were looked at; 10 in FacT and RepAdapter.
    """
    seen = [one for one in curve if one.epoch % every == 0]
    return max(seen, key=lambda one: (one.test, -one.epoch), default=None)


LAST = Rule("last", "last epoch", False, last)
BEST_VAL = Rule("best_val", "best validation epoch", False, best_val)
ORACLE = Rule("oracle", "best test epoch", True, oracle)
ORACLE_EVERY_10 = Rule(
    "oracle_every_10", "best of every 10th epoch on the test images", True, partial(oracle, every=TENTH)
)
RULES = (LAST, BEST_VAL, ORACLE, ORACLE_EVERY_10)


def epochs(curve: Sequence[Mapping[str, Any]], test: str) -> Epochs:
    """Return the epochs of a record's curve that were scored on a test set, in order; empty if none were."""
    rows = [row for row in curve if isinstance(row, dict) and is_accuracy(row.get(test))]
    found = [Epoch(row["epoch"], row[test], row.get("val"), row.get("val_loss")) for row in rows]
    return tuple(sorted(found, key=lambda one: one.epoch))
