"""Counts against formulas, FLOPs against arithmetic, merged copies against the model."""

import time

import pytest
import torch
from torch import nn

from visionpeft.benchmark.backbone import build
from visionpeft.benchmark.cost import Meter, flops, flops_of_step, merged, parameters, stored, throughput
from visionpeft.methods.adaptformer import AdaptFormer
from visionpeft.methods.full import Full
from visionpeft.methods.lora import LoRA

from .conftest import BACKBONE, CPU

D, M, L, N = 48, 192, 2, 17  # width, MLP, blocks, tokens of the small model
LINEARS = N * (3 * D * D + D * D + 2 * D * M)
ATTENTION = 2 * N * N * D
PATCHES = 16 * 3 * 8 * 8 * D
FORWARD = 2 * (L * (LINEARS + ATTENTION) + PATCHES + 3 * D)


@pytest.fixture
def model():
    return build(BACKBONE, 3)


def test_forward_flops_by_hand(model):
    assert flops(model, torch.randn(2, 3, 32, 32)) == FORWARD


def test_a_frozen_layer_forms_no_weight_gradient(model):
    """LoRA's step: forward twice (the second for input gradients), but for the layers below the first trained one."""
    x, y = torch.randn(2, 3, 32, 32), torch.tensor([0, 1])
    method = LoRA(rank=1)
    method.inject(model)
    low_rank = 2 * 2 * N * (D + D) * L
    assert flops_of_step(model, method, x, y) < 2 * FORWARD + 2 * L * 2 * ATTENTION + 3 * low_rank
    full = build(BACKBONE, 3)
    assert flops_of_step(full, Full(), x, y) == 3 * FORWARD - 2 * PATCHES  # no gradient of the images


def test_counts_and_stored_bytes(model):
    keys = set(model.state_dict())
    LoRA(rank=2).inject(model)
    found = parameters(model, keys)
    adapters = L * 2 * 2 * (D + D)
    assert (found["head"], found["trainable"]) == (3 * D + 3, adapters + 3 * D + 3)
    assert found["stored_bytes"] == 4 * found["trainable"]
    assert set(stored(model, keys)) == {n for n, p in model.named_parameters() if p.requires_grad}


def test_merging_is_measured_on_a_copy(model):
    LoRA(rank=2).inject(model)
    for p in model.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.02)
    before = set(model.state_dict())
    copy, error = merged(model, torch.randn(4, 3, 32, 32))
    assert copy is not None
    assert set(model.state_dict()) == before
    assert 0 <= error < 1e-5
    assert flops(copy, torch.randn(2, 3, 32, 32)) == FORWARD < flops(model, torch.randn(2, 3, 32, 32))


def test_what_does_not_merge_says_so(model):
    AdaptFormer().inject(model)
    assert merged(model, torch.randn(4, 3, 32, 32)) == (None, None)


def test_throughput_is_positive(model):
    assert throughput(model, torch.randn(4, 3, 32, 32), torch.autocast("cpu", enabled=False)) > 0


def test_a_meter_sees_time_and_memory():
    with Meter(CPU)() as meter:
        block = torch.ones(50_000_000)  # 200 MB
        time.sleep(0.05)
    assert meter.seconds >= 0.05
    assert meter.peak_bytes > block.numel() * 4
    assert meter.kind == "process_rss"


def test_a_meter_leaves_out_what_is_put_aside():
    with (meter := Meter(CPU))():
        before = torch.ones(1000)
        with meter.aside():
            block = torch.ones(50_000_000)  # 200 MB
            time.sleep(0.2)
            size = block.numel() * 4
            del block
    with Meter(CPU)() as plain:
        before.sum()
    assert meter.seconds < 0.15
    assert meter.peak_bytes - plain.peak_bytes < size / 2


def test_counting_a_step_moves_no_statistics():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    assert flops_of_step(model, Full(), torch.randn(6, 3, 2, 2), torch.tensor([0, 1, 2, 3, 0, 1])) > 0
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
