"""Rules on curves made by hand."""

from __future__ import annotations

import pytest

from visionpeft.reports.rules import BEST_VAL, LAST, ORACLE, ORACLE_EVERY_10, RULES, Epoch, epochs

CURVE = (
    Epoch(1, 0.50, val=0.60, val_loss=1.0),
    Epoch(2, 0.70, val=0.80, val_loss=0.9),
    Epoch(3, 0.90, val=0.70, val_loss=0.5),
    Epoch(4, 0.60, val=0.80, val_loss=0.8),
    Epoch(5, 0.80, val=0.80, val_loss=0.8),
)


def test_every_rule_on_one_curve() -> None:
    assert (LAST.choose(CURVE).epoch, LAST.choose(CURVE).test) == (5, 0.80)
    assert (BEST_VAL.choose(CURVE).epoch, BEST_VAL.choose(CURVE).test) == (4, 0.60)  # 2 has a higher loss, 5 is later
    assert (ORACLE.choose(CURVE).epoch, ORACLE.choose(CURVE).test) == (3, 0.90)


def test_the_literatures_way_looks_at_every_tenth_epoch() -> None:
    curve = tuple(Epoch(i, {7: 0.9, 10: 0.5, 20: 0.8, 30: 0.8, 35: 0.7}.get(i, 0.1)) for i in range(1, 36))
    assert ORACLE_EVERY_10.choose(curve) == Epoch(20, 0.8)
    assert ORACLE.choose(curve) == Epoch(7, 0.9)
    assert ORACLE_EVERY_10.choose(curve[:9]) is None


def test_a_rule_says_nothing_of_what_nobody_looked_at() -> None:
    assert BEST_VAL.choose((Epoch(1, 0.5), Epoch(2, 0.6, val=0.9, val_loss=0.1))) is None
    assert all(rule.choose(()) is None for rule in RULES)


def test_names_and_what_they_look_at() -> None:
    assert [(rule.name, rule.looks_at_test) for rule in RULES] == [
        ("last", False), ("best_val", False), ("oracle", True), ("oracle_every_10", True),
    ]  # fmt: skip


def test_only_epochs_that_were_scored_are_on_a_curve() -> None:
    rows = [
        {"phase": "1 train", "epoch": 1, "loss": 2.0},
        {"phase": "2 trainval", "epoch": 2, "loss": 1.0, "test": 0.6, "val": 0.7, "val_loss": 0.3},
        {"phase": "2 trainval", "epoch": 1, "loss": 1.5, "test": 0.5},
        {"phase": "2 trainval", "epoch": 3, "loss": 0.5, "test": "0.7"},
    ]
    assert epochs(rows, "test") == (Epoch(1, 0.5), Epoch(2, 0.6, 0.7, 0.3))
    assert epochs(rows, "test/sketch") == ()


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_rows_does_not_matter(rule) -> None:
    assert rule.choose(CURVE[::-1]) == rule.choose(CURVE)
