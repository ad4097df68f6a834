"""What the tests against the authors' code share: how tensors are drawn, and the golden outputs."""

import itertools
import zlib
from pathlib import Path

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
D, DEPTH, CLASSES = 48, 2, 7
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}
WORDS = ["".join(letters) for letters in itertools.product("LVSN", "LVSN", "LVN", "SNV", "SNV")]
"""The 432 configurations of a GLoRA layer, in the order of the authors' list."""


def draw(name: str, *shape: int, std: float = 1.0, mean: float = 0.0) -> Tensor:
    z = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    return torch.from_numpy(mean + std * z)


def backbone_value(name: str, shape: torch.Size) -> Tensor:
    if name.endswith("bias"):
        return draw(name, *shape, std=0.2)
    if "norm" in name:
        return draw(name, *shape, std=0.2, mean=1.0)
    std = 0.5 if name in ("cls_token", "pos_embed") else 1.5 / float(np.prod(shape[1:])) ** 0.5
    return draw(name, *shape, std=std)


def small_vit(drop_path: float = 0.0) -> VisionTransformer:
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": D, "depth": DEPTH, "num_heads": 3}
    vit = VisionTransformer(**sizes, num_classes=CLASSES, drop_path_rate=drop_path).double()  # type: ignore[arg-type]
    vit.load_state_dict({name: backbone_value(name, value.shape) for name, value in vit.state_dict().items()})
    return vit.eval()


def distance(found: Tensor, golden: np.ndarray) -> float:
    """Largest difference relative to the largest golden value."""
    return float(np.abs(found.detach().double().numpy() - golden).max() / np.abs(golden).max())
