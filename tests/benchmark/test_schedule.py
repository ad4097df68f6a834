"""Rates of whole runs beside timm's scheduler, stepped as the repositories step it, and beside literals."""

import dataclasses

import pytest
import torch
from timm.scheduler import CosineLRScheduler

from visionpeft.benchmark.mapping import from_mapping
from visionpeft.benchmark.schedule import rate
from visionpeft.benchmark.spec import Recipe

LATE = Recipe("r", 1e-3, 1e-4, 100, schedule="timm_epoch", warmup_lr=1e-6, min_lr=1e-5, lag=1)


def by_epoch(recipe, steps=15):
    rates = [rate(recipe, t, recipe.epochs, steps) for t in range(recipe.epochs * steps)]
    assert all(len(set(rates[e : e + steps])) == 1 for e in range(0, len(rates), steps))
    return rates[::steps]


def timms(recipe, late):
    """What timm's scheduler sets, stepped after epoch e with e (late) or with e + 1."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    args = {"lr_min": recipe.min_lr, "warmup_t": int(recipe.warmup), "warmup_lr_init": recipe.warmup_lr}
    scheduler, rates = CosineLRScheduler(optimizer, recipe.epochs, **args), []
    for epoch in range(recipe.epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step(epoch if late else epoch + 1)
    return rates


@pytest.mark.parametrize("late", [True, False])
def test_timm_by_epoch(late):
    recipe = dataclasses.replace(LATE, lag=int(late))
    assert by_epoch(recipe) == pytest.approx(timms(recipe, late), rel=1e-12)


def test_the_first_two_epochs_are_alike_and_the_peak_is_cut():
    rates = by_epoch(LATE)
    assert rates[:3] == [1e-6, 1e-6, pytest.approx(1e-6 + 999e-6 / 10)]
    assert max(rates) == rates[11] == pytest.approx(1e-5 + 0.99e-3 * 0.5 * (1 + 0.9510565163))
    assert rates[99] == pytest.approx(1e-5 + 0.99e-3 * 0.5 * (1 - 0.9980267284), rel=1e-6)


def test_a_cosine_after_the_warm_up():
    """VPT's: e / warmup, then half a cosine over what is left."""
    rates = by_epoch(Recipe("r", 0.5, 0, 8, warmup=2, schedule="epoch"))
    assert rates == pytest.approx([0, 0.25, 0.5, 0.466506, 0.375, 0.25, 0.125, 0.033494], abs=1e-6)


def test_a_schedule_by_step_has_no_floor():
    with pytest.raises(ValueError, match="warmup_lr, min_lr and lag belong to a schedule by epoch"):
        Recipe("r", 1e-3, 0, 10, warmup=1, min_lr=1e-5)
    with pytest.raises(ValueError, match="schedule must be one of step, epoch, timm_epoch, got 'cosine'"):
        from_mapping(Recipe, dataclasses.asdict(LATE) | {"schedule": "cosine"}, "recipe")
