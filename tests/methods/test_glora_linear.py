"""The layer of GLoRA against its formula, in all 432 forms."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from visionpeft.methods.evolution import FULL, SUPPORTS
from visionpeft.methods.glora_linear import GLoRALinear

WORDS = ["".join(word) for word in itertools.product(*SUPPORTS.values())]
R = 3


def layer(word: str = FULL, bias: bool = True, like: GLoRALinear | None = None) -> GLoRALinear:
    """A layer made for `word`; its tensors are the beginnings of those of `like`, or random."""
    torch.manual_seed(0)
    made = GLoRALinear(nn.Linear(6, 8, bias).double(), R, word)
    torch.manual_seed(1)
    with torch.no_grad():
        for name in made.shapes(word):
            tensor = getattr(made, name)
            source = tensor.clone().normal_() if like is None else getattr(like, name)
            tensor.copy_(source[tuple(slice(n) for n in tensor.shape)])
    return made


def by_hand(m: GLoRALinear, word: str) -> tuple[Tensor, Tensor]:
    """W' and b' of the text, with the supports taken from the shared storage."""
    a, b, c, d, e = word
    zero = torch.zeros(8, 6, dtype=torch.float64)

    def matrix(down: Tensor, up: Tensor, letter: str) -> Tensor:
        return {"L": down @ up, "V": zero + down[:, [0]], "S": zero + down[0, 0], "N": zero}[letter]

    def vector(v: Tensor, letter: str) -> Tensor:
        return {"V": v, "S": v[0] * torch.ones_like(v), "N": torch.zeros_like(v)}[letter]

    A, B = matrix(m.A_down, m.A_up, a), matrix(m.B_down, m.B_up, b)
    C = {"L": (m.C_down @ m.C_up)[:, 0], "V": m.C_down[:, 0], "N": torch.zeros(6, dtype=torch.float64)}[c]
    bias = torch.zeros(8, dtype=torch.float64) if m.bias is None else m.bias + m.bias * vector(m.D, d)
    return m.weight + m.weight * A + B, bias + vector(m.E, e) + m.weight @ C


@pytest.mark.parametrize("bias", [True, False])
def test_all_forms(bias):
    """Forward, gradients and fold; in the supernet's storage and in a layer that has only what the word needs."""
    shared = layer(bias=bias)
    x = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    for word in WORDS:
        shared.choose(word)
        expected = F.linear(x, *by_hand(shared, word))
        torch.testing.assert_close(shared(x), expected)
        torch.testing.assert_close(shared.fold()(x), expected)
        alone = layer(word, bias, like=shared)
        torch.testing.assert_close(alone(x), expected)
        tensors = [x, *(getattr(alone, name) for name in alone.shapes(word))]
        wanted = torch.autograd.grad(F.linear(x, *alone.effective()).square().sum(), tensors)
        for one, other in zip(torch.autograd.grad(alone(x).square().sum(), tensors), wanted, strict=True):
            torch.testing.assert_close(one, other)


def test_w_is_formed_for_a_low_rank_a_alone():
    """Otherwise no (out, in) tensor but W itself is kept for the backward pass."""
    for word in WORDS:
        module, kept = layer(word), []
        hooks = torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: kept.append(t) or t, lambda t: t)
        with hooks:
            module(torch.randn(5, 6, dtype=torch.float64))
        dense = [t for t in kept if t.shape in ((8, 6), (6, 8)) and t.data_ptr() != module.weight.data_ptr()]
        assert bool(dense) == (word[0] == "L"), word


def test_live_parameters():
    """A, B: (in + out) r, out, 1, 0; C: (in + 1) r, in, 0; D, E: out, 1, 0."""
    matrix, column = {"L": 14 * R, "V": 8, "S": 1, "N": 0}, {"L": 7 * R, "V": 6, "N": 0}
    vector = {"V": 8, "S": 1, "N": 0}
    for word in WORDS:
        a, b, c, d, e = word
        expected = matrix[a] + matrix[b] + column[c] + vector[d] + vector[e]
        made = layer(word)
        own = [p for name, p in made.named_parameters() if name not in ("weight", "bias")]
        assert made.live(word) == sum(p.numel() for p in own) == expected
    assert layer(FULL, bias=False).live(FULL) == layer().live(FULL) - 8  # no b, no D


def test_start():
    torch.manual_seed(0)
    made = GLoRALinear(nn.Linear(192, 576), 8, FULL)
    for name, fans in (("A_up", 200), ("B_up", 200), ("C_up", 9)):
        bound = (6 / fans) ** 0.5
        assert 0.7 * bound < getattr(made, name).abs().max().item() <= bound
    assert not any(getattr(made, name).any() for name in ("A_down", "B_down", "C_down", "D", "E"))


def test_bf16_keeps_small_changes_of_scale():
    """The factor 1 + A is not rounded to bfloat16, in which 1.001 is 1."""
    made = layer("VNNNN", bias=False).float()
    with torch.no_grad():
        made.A_down.fill_(0.001)
    x = torch.randn(64, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ratio = made(x).double() / F.linear(x, made.weight).double()
    assert abs(ratio.median().item() - 1.001) < 1e-4
