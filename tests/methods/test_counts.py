"""Trainable parameters, head excluded, on the two shapes whose counts the literature prints or implies.

Literals from closed forms that were checked against the authors' code, not from running ours.
"""

import pytest
import timm
import torch

from visionpeft.methods.adapter import Adapter
from visionpeft.methods.adaptformer import AdaptFormer
from visionpeft.methods.bitfit import BitFit
from visionpeft.methods.fact import FacTTK, FacTTT
from visionpeft.methods.full import Full
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.linear import Linear
from visionpeft.methods.lora import LoRA
from visionpeft.methods.repadapter import RepAdapter
from visionpeft.methods.ssf import SSF
from visionpeft.methods.surgery import heads
from visionpeft.methods.vpt import VPT

LINEARS = ("qkv", "proj", "fc1", "fc2")
COUNTS = {  # method: (ViT-B/16, ViT-Ti/16)
    Full(): (85_798_656, 5_524_416),
    Linear(): (0, 0),
    BitFit(): (102_912, 25_728),
    VPT(tokens=1): (768, 192),
    VPT(tokens=50): (38_400, 9_600),
    VPT(tokens=10, deep=True): (92_160, 23_040),
    VPT(tokens=50, deep=True): (460_800, 115_200),
    Adapter(bottleneck=8): (313_536, 78_528),
    Adapter(bottleneck=10): (387_312, 97_008),
    Adapter(bottleneck=8, after=("mlp",)): (156_768, 39_264),
    Adapter(bottleneck=64, after=("mlp",)): (1_189_632, 297_984),
    AdaptFormer(bottleneck=8): (156_768, 39_264),
    AdaptFormer(bottleneck=64): (1_189_632, 297_984),
    LoRA(rank=8): (294_912, 73_728),
    LoRA(rank=8, targets=("qkv",)): (294_912, 73_728),
    LoRA(rank=8, targets=("q", "k", "v", "proj")): (589_824, 147_456),
    LoRA(rank=8, targets=LINEARS): (1_179_648, 294_912),
    SSF(): (205_824, 51_456),
    FacTTT(rank=4): (8_448, 3_840),
    FacTTT(rank=8): (21_504, 12_288),
    FacTTT(rank=16): (61_440, 43_008),
    FacTTK(rank=8): (13_952, 4_736),
    FacTTK(rank=16): (30_976, 12_544),
    FacTTK(rank=32): (86_528, 49_664),
    RepAdapter(bottleneck=8, up_groups=2): (239_808, 60_096),
    RepAdapter(bottleneck=8, up_groups=2, targets=("qkv",)): (119_904, 30_048),
    GLoRA(rank=2): (884_832, 221_280),
    GLoRA(rank=4): (1_603_776, 401_088),
    GLoRA(rank=8): (3_041_664, 760_704),
}


@pytest.mark.parametrize("method", COUNTS, ids=str)
def test_count(method):
    found = []
    for name in ("vit_base_patch16_224", "vit_tiny_patch16_224"):
        with torch.device("meta"):
            model = timm.create_model(name, num_classes=10)
        method.inject(model)
        head = {id(p) for layer in heads(model) for p in layer.parameters()}
        assert all(p.requires_grad for layer in heads(model) for p in layer.parameters())
        assert all(p.device.type == "meta" for p in model.parameters())
        found.append(sum(p.numel() for p in model.parameters() if p.requires_grad and id(p) not in head))
    assert tuple(found) == COUNTS[method]
