"""The profile of a step: what operators count as, and that every kind is found in one."""

from argparse import Namespace

import pytest
import torch


@pytest.fixture
def page(load_script):
    return load_script("glora_profile")


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("aten::mm", "matrix products"),
        ("aten::addmm_", "matrix products"),
        ("aten::bmm", "attention"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu_backward", "attention"),
        ("aten::native_layer_norm_backward", "norms and activations"),
        ("aten::addcmul", "sums and elementwise"),
        ("aten::_foreach_addcmul_", "optimizer"),
        ("aten::copy_", "copies and allocation"),
        ("aten::view", "views and other operators"),
    ],
)
def test_kinds(page, operator, kind):
    assert page.kind(operator) == kind


def test_the_parts(page):
    run = page.Step(Namespace(model="pico", batch=2, precision="fp32"), torch.device("cpu"))
    model = page.made("pico", page.GLoRA(), "cpu", "fp32")
    found = page.parts(run, model, [("LLLVV",) * len(page.adapted_layers(model))] * 2)
    assert list(found) == [*page.KINDS, page.OTHERS, "outside operators"]
    assert all(value > 0 for name, value in found.items() if name != "outside operators")
    assert found["outside operators"] >= 0
