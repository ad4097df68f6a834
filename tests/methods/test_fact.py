"""FacT: both forms against their sums written out, one matrix at a time."""

import copy
import pickle

import pytest
import timm
import torch
from torch import Tensor, nn

from visionpeft.methods.fact import FacTTK, FacTTT
from visionpeft.methods.surgery import merge

D, R = 48, 4
SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": D, "depth": 2, "num_heads": 3, "num_classes": 5}
NAMES = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
both = pytest.mark.parametrize("method", [FacTTT(rank=R, scale=0.5), FacTTK(rank=R, scale=0.5)], ids=["TT", "TK"])


def injected(method: FacTTT | FacTTK, **more) -> nn.Module:
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", **SMALL | more).double().eval()
    method.inject(model)
    with torch.no_grad():
        model.fact.V.normal_()
    return model


def change(layer: nn.Linear) -> Tensor:
    """What the layer adds for each unit input, as (out, in)."""
    base = nn.functional.linear(torch.eye(layer.in_features, dtype=torch.float64), layer.weight, layer.bias)
    return (layer(torch.eye(layer.in_features, dtype=torch.float64)) - base).T


def assembled(model: nn.Module, parts: list[Tensor], outs: int, ins: int) -> Tensor:
    """The cores of a layer's matrices, each as V Sigma U, put side by side or under each other, times the scale."""
    matrices = [0.5 * model.fact.V @ sigma @ model.fact.U for sigma in parts]
    return torch.cat(matrices, 0 if ins == 1 else 1)


def test_tensor_train():
    model = injected(FacTTT(rank=R, scale=0.5))
    for b, block in enumerate(model.blocks):
        for i, (name, outs, ins) in enumerate(zip(NAMES, (3, 1, 4, 1), (1, 1, 1, 4), strict=True)):
            sigma = model.fact.cores.sigmas[4 * b + i]
            parts = list(sigma.chunk(outs, 0)) if ins == 1 else list(sigma.chunk(ins, 1))
            torch.testing.assert_close(change(block.get_submodule(name)), assembled(model, parts, outs, ins))


def test_tucker():
    """S_m = sum_k C[:, :, k] P[k, m]; Sigma_m = S_m^T for q, k, v, proj, interleaved over the parts of the MLP."""
    model = injected(FacTTK(rank=R, scale=0.5))
    cores = torch.einsum("abk,km->mab", model.fact.cores.C, model.fact.cores.P)
    assert len(cores) == 24
    for b, block in enumerate(model.blocks):
        s = cores[12 * b : 12 * b + 12]
        expected = assembled(model, [m.T for m in s[:3]], 3, 1)
        torch.testing.assert_close(change(block.attn.qkv), expected)
        torch.testing.assert_close(change(block.attn.proj), assembled(model, [s[3].T], 1, 1))
        columns = torch.stack(list(s[4:8]), 2).reshape(R, 4 * R)  # (a, b, part) with the part fastest
        parts = [part.T for part in columns.chunk(4, 1)]
        torch.testing.assert_close(change(block.mlp.fc1), assembled(model, parts, 4, 1))
        rows = torch.stack(list(s[8:12]), 2).reshape(R, 4 * R)
        torch.testing.assert_close(change(block.mlp.fc2), assembled(model, list(rows.chunk(4, 1)), 1, 4))


@both
def test_start(method):
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", depth=2)
    method.inject(model)
    assert not model.fact.V.any()
    assert 0.98 * 192**-0.5 < model.fact.U.abs().max().item() <= 192**-0.5
    if isinstance(method, FacTTT):
        bounds = [R**-0.5, R**-0.5, R**-0.5, (4 * R) ** -0.5]
        for sigma, bound in zip(model.fact.cores.sigmas, 2 * bounds, strict=True):
            assert 0.75 * bound < sigma.abs().max().item() <= bound
    else:
        for tensor, fans in ((model.fact.cores.C, 2 * R * R), (model.fact.cores.P, R + 24)):
            assert 0.9 * (6 / fans) ** 0.5 < tensor.abs().max().item() <= (6 / fans) ** 0.5


@both
def test_the_factors_have_one_owner(method):
    model = injected(method)
    names = {name for name, _ in model.named_parameters()}
    assert {"fact.U", "fact.V"} <= names and not any("factors" in name for name in names)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert all(twin.blocks[i].mlp.fc1.factors is twin.fact for i in range(2))
        assert twin.fact is not model.fact
    merge(model)
    assert not hasattr(model, "fact")


@both
def test_dropout_before_v(method):
    layer = injected(type(method)(rank=R, dropout=0.5)).blocks[0].mlp.fc1
    x = torch.randn(3, D, dtype=torch.float64)
    assert torch.equal(layer(x), layer(x))
    layer.train()
    assert not torch.equal(layer(x), layer(x))


@both
def test_other_mlp_ratios(method):
    model = injected(method, mlp_ratio=2.0)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    before = model(x)
    assert merge(model)
    torch.testing.assert_close(model(x), before)


@both
def test_what_cannot_be_cut_into_squares(method):
    with pytest.raises(
        ValueError, match=r"48 x 48 matrices, in a row or a column, and blocks\.0\.mlp\.fc1 is 120 x 48"
    ):
        injected(method, mlp_ratio=2.5)


@both
def test_bad_fields(method):
    for fields in ({"rank": 0}, {"scale": -1.0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match=f"{next(iter(fields))} must"):
            type(method)(**fields)
    with pytest.raises(ValueError, match="rank 99999 is above the model's width 48"):
        injected(type(method)(rank=99999))
