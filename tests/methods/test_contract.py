"""What every method must do: parametrised over conf/method/*.yaml, so that a new yaml is tested by itself."""

import copy
import dataclasses
import pickle

import pytest
import safetensors.torch
import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from visionpeft.methods.base import Method
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.surgery import heads, merge

from .small import (
    METHODS,
    SMALL,
    TEXTS,
    VALUES,
    VARIANTS,
    backbone,
    difference,
    fields,
    images,
    injected,
    kind,
    logits,
    trainable,
)

every = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


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
        method.step(model, optimizer, t, 2)
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
def test_flops_can_be_counted(method):
    """Torch's counter fails where a module is given a parameter while no gradient is recorded."""
    model = injected(method)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(images(model))
    assert counter.get_total_flops() > 0
    if isinstance(method, GLoRA):
        method = dataclasses.replace(method, config="LLLVV")
    with FlopCounterMode(display=False) as counter:
        method.loss(model, images(model), torch.arange(4)).backward()
    assert counter.get_total_flops() > 0


@every
def test_compiles_in_one_graph(method):
    torch._dynamo.reset()
    model = injected(method, noise=0.1)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert difference(logits(model), logits(compiled)) < 1e-6
