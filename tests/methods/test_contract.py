"""What every method must do: parametrised over conf/method/*.yaml, so that a new yaml is tested by itself."""

import copy
import dataclasses
import importlib
import pickle
from importlib import resources

import pytest
import safetensors.torch
import timm
import torch
import yaml
from torch import nn

from visionpeft.methods.base import Method
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.surgery import heads, merge

FOLDER = resources.files("visionpeft.conf") / "method"
TEXTS = {
    entry.name.removesuffix(".yaml"): entry.read_text()
    for entry in sorted(FOLDER.iterdir(), key=str)
    if entry.name.endswith(".yaml")
}
VALUES = {name: yaml.safe_load(text) for name, text in TEXTS.items()}


def kind(name: str) -> type[Method]:
    module, _, leaf = VALUES[name]["method"]["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), leaf)


def fields(name: str) -> dict:
    values = {key: value for key, value in VALUES[name]["method"].items() if key != "_target_"}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


METHODS = {name: kind(name)(**fields(name)) for name in VALUES}
every = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)

SMALL = {"embed_dim": 48, "depth": 2, "num_heads": 3, "num_classes": 5}
VARIANTS = {
    "plain": ("vit_tiny_patch16_224", {"img_size": 32, "patch_size": 8}),
    "registers and layer scale": ("vit_small_patch14_reg4_dinov2", {"img_size": 28}),
    "distilled": ("deit_tiny_distilled_patch16_224", {"img_size": 32, "patch_size": 8}),
    "average pooling": (
        "vit_tiny_patch16_224",
        {"img_size": 32, "patch_size": 8, "class_token": False, "global_pool": "avg", "fc_norm": True},
    ),
    "no qkv bias": ("vit_tiny_patch16_224", {"img_size": 32, "patch_size": 8, "qkv_bias": False}),
}


def backbone(variant: str = "plain", **more) -> nn.Module:
    """A small model with no zero and no equal weights, as if it had been trained."""
    name, arguments = VARIANTS[variant]
    torch.manual_seed(0)
    model = timm.create_model(name, **SMALL | arguments | more).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def injected(method: Method, variant: str = "plain", noise: float = 0.0) -> nn.Module:
    """The same small model with the method in it, its trainable tensors moved by noise."""
    model = backbone(variant)
    torch.manual_seed(1)
    method.inject(model)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(torch.randn_like(parameter), alpha=noise)
    return model


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def images(model: nn.Module, number: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    dtype = next(model.parameters()).dtype
    return torch.randn(number, 3, *model.patch_embed.img_size, generator=generator).to(dtype)


@torch.no_grad()
def logits(model: nn.Module) -> torch.Tensor:
    return model.eval()(images(model))


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference relative to the largest logit."""
    return ((one - other).abs().max() / one.abs().max()).item()


@pytest.mark.parametrize("name", VALUES)
def test_yaml_lists_every_field(name):
    first, second = TEXTS[name].splitlines()[:2]
    assert first == "# @package _global_"
    assert second.startswith("# ") and len(second) > 12
    assert list(fields(name)) == [field.name for field in dataclasses.fields(kind(name))]
    assert float(VALUES[name]["recipe"]["lr"]) > 0 and float(VALUES[name]["recipe"]["weight_decay"]) >= 0


@pytest.mark.parametrize("owner", sorted({kind(name) for name in VALUES}, key=str), ids=lambda owner: owner.__name__)
def test_one_yaml_of_each_class_holds_its_defaults(owner):
    assert any(METHODS[name] == owner() for name in VALUES if kind(name) is owner)


@every
def test_is_a_value(method):
    assert hash(method) == hash(dataclasses.replace(method))
    assert pickle.loads(pickle.dumps(method)) == method
    assert not {field.name for field in dataclasses.fields(method)} & set(vars(Method))  # else a verb is lost


@every
@pytest.mark.parametrize("variant", VARIANTS)
def test_start(method, variant):
    """The pretrained model's function where the method says so, and a gradient for the head at least."""
    base = backbone(variant)
    model = injected(method, variant)
    far = difference(logits(base), logits(model))
    assert far < 1e-6 if method.neutral else far > 1e-5
    model.train()
    x = images(model)
    method.loss(model, x, torch.arange(len(x))).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert all(p.grad.abs().sum() > 0 for head in heads(model) for p in head.parameters())


@every
@pytest.mark.parametrize("training", [False, True])
def test_what_is_added_takes_the_mode_of_the_model(method, training):
    """A model in evaluation mode stays so: no dropout that nobody asked for."""
    model = backbone().train(training)
    method.inject(model)
    assert all(module.training is training for module in model.modules())


@every
def test_two_steps_move_exactly_what_requires_a_gradient(method):
    if isinstance(method, GLoRA):  # a supernet moves what it drew
        method = dataclasses.replace(method, config="LLLVV")
    model = injected(method).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    groups = method.groups(model)
    assert {id(p) for group in groups for p in group["params"]} == {id(p) for p in trainable(model).values()}
    optimizer = torch.optim.SGD([p for group in groups for p in group["params"]], lr=0.1)
    x = images(model, 16)
    for t in range(2):
        optimizer.zero_grad()
        method.loss(model, x, torch.arange(16) % 5).backward()
        method.step(model, optimizer, t)
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == set(trainable(model))


@every
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_base_checkpoint_still_fits(method, variant):
    base = backbone(variant).state_dict()
    model = injected(method, variant, noise=0.1)
    assert not model.load_state_dict(base, strict=False).unexpected_keys
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in base.items())


@every
def test_copies(method):
    """By deepcopy and pickle, complete and independent."""
    model = injected(method, noise=0.1)
    expected, mine = logits(model), trainable(model)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(logits(twin), expected)
        theirs = trainable(twin)
        assert list(theirs) == list(mine) and all(theirs[name] is not mine[name] for name in mine)
        with torch.no_grad():
            for parameter in theirs.values():
                parameter.add_(1.0)
        assert torch.equal(logits(model), expected)
        assert not torch.equal(logits(twin), expected)


@every
def test_the_adapter_alone_restores_the_model(method, tmp_path):
    """What is trained or was not in the base, through safetensors, into a freshly injected backbone."""
    base, model = backbone(), injected(method, noise=0.1)
    chosen = trainable(model).keys() | (model.state_dict().keys() - base.state_dict().keys())
    safetensors.torch.save_file({name: model.state_dict()[name] for name in chosen}, tmp_path / "adapter.safetensors")
    twin = injected(method)
    twin.load_state_dict(safetensors.torch.load_file(tmp_path / "adapter.safetensors"), strict=False)
    assert torch.equal(logits(twin), logits(model))
    whole = injected(method)
    whole.load_state_dict(model.state_dict())
    assert torch.equal(logits(whole), logits(model))


@every
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-9)], ids=["fp32", "fp64"])
def test_merge_keeps_the_function(method, variant, dtype, tolerance):
    model = injected(method, variant, noise=0.1).to(dtype)
    expected = logits(model)
    complete = merge(model)
    assert difference(expected, logits(model)) < tolerance
    if complete:
        base = backbone(variant)
        added = model.state_dict().keys() - base.state_dict().keys()
        assert model.state_dict().keys() >= base.state_dict().keys()
        assert all(name.endswith(".bias") for name in added)
        plain = timm.create_model(VARIANTS[variant][0], **SMALL | VARIANTS[variant][1]).to(dtype)
        left = plain.load_state_dict(model.state_dict(), strict=False)
        assert not left.missing_keys and set(left.unexpected_keys) == added


def test_what_merges_completely():
    """Whatever is linear between two of the backbone's operations; known methods by name."""
    merged = {name: merge(injected(method)) for name, method in METHODS.items()}
    never = {"adapter", "adapter_pfeiffer", "adaptformer", "vpt_shallow", "vpt_deep"}
    always = {"full", "linear", "bitfit", "lora", "ssf", "fact_tt", "fact_tk", "repadapter", "glora"}
    assert not any(merged[name] for name in never) and all(merged[name] for name in always)


@every
def test_bf16_autocast(method):
    model = injected(method, noise=0.01).train()
    x = images(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = method.loss(model, x, torch.arange(len(x)))
    loss.backward()
    assert torch.isfinite(loss)
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)


@every
def test_other_architectures_are_served_or_refused_in_one_sentence(method):
    torch.manual_seed(0)
    swin = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=28, embed_dim=48, depths=(1, 1), num_heads=(3, 3), num_classes=5
    )
    try:
        method.inject(swin)
    except ValueError as refusal:
        assert "SwinTransformer" in str(refusal) or "PatchEmbed" in str(refusal)
        assert "\n" not in str(refusal) and not str(refusal).endswith(".")
        return
    x = torch.randn(2, 3, 28, 28)
    method.loss(swin, x, torch.tensor([0, 1])).backward()
    assert all(torch.isfinite(p.grad).all() for p in swin.parameters() if p.grad is not None)


@every
def test_rewiring_a_model_twice_is_refused(method):
    model = injected(method)
    rewired = {type(m) for m in model.modules()} != {type(m) for m in backbone().modules()}
    if rewired:
        with pytest.raises(ValueError, match="already adapted|needs the blocks of a timm"):
            method.inject(model)


@every
def test_gradient_checkpointing_changes_nothing(method):
    if isinstance(method, GLoRA):  # a supernet draws anew each time
        method = dataclasses.replace(method, config="LLLVV")
    gradients = []
    for checkpointing in (False, True):
        model = injected(method, noise=0.1).eval()
        model.set_grad_checkpointing(checkpointing)
        x = images(model)
        method.loss(model, x, torch.arange(len(x))).backward()
        gradients.append([p.grad for p in trainable(model).values()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@every
def test_compiles_in_one_graph(method):
    torch._dynamo.reset()
    model = injected(method, noise=0.1)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert difference(logits(model), logits(compiled)) < 1e-6
