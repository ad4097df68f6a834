"""Pre-train vit_pico on images that pico_scenes.py makes up, and write its weights as fp16 safetensors.

    OMP_NUM_THREADS=1 python scripts/pretrain_pico.py --out benchmark/weights/vit_pico.safetensors

The network learns to name what made the picture: per patch which figure covers it, where its middle lies, how large it
is and how it is turned; per image which texture, its direction and pitch, how many figures, and all about the largest.
Seed 0, 6,000 steps of 64 images, one thread, bf16 autocast; the same machine and versions give the same weights. What
to expect is in docs/vit_pico.md.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from pico_scenes import AXIS, DIRECTED, FIGURES, MOST, TEXTURES, Dice, atlas, scenes
from safetensors.torch import save_file
from torch import Tensor, nn

ARGS = {"img_size": 32, "patch_size": 4, "embed_dim": 128, "depth": 6, "num_heads": 4}
DECAY = 0.05

WIDTHS = {
    "patch": {"figure": FIGURES + 1, "middle": 2, "turn": 2, "axis": 2, "size": 1, "clean": 3},
    "image": {
        "texture": TEXTURES, "grain": 2, "pitch": 1, "number": MOST + 1, "present": FIGURES,
        "figure": FIGURES, "middle": 2, "turn": 2, "axis": 2, "size": 1, "colour": 3,
    },
}  # fmt: skip
"""What is predicted, and by how many numbers."""
HARD = {"patch figure": 2, "figure": 2, "turn": 2, "axis": 2, "patch turn": 2, "patch axis": 2}
"""Weights of the losses that fall slowest; the others count once."""


class Heads(nn.ModuleDict):
    """One linear layer for all targets of the patches, one for those of the image."""

    def __init__(self, width: int) -> None:
        super().__init__({name: nn.Linear(width, sum(parts.values())) for name, parts in WIDTHS.items()})

    def forward(self, tokens: Tensor) -> dict[str, dict[str, Tensor]]:
        """(batch, 65, width) -> outputs by place and target."""
        out = {"patch": self["patch"](tokens[:, 1:]).float(), "image": self["image"](tokens[:, 0]).float()}
        return {
            name: dict(zip(WIDTHS[name], value.split(list(WIDTHS[name].values()), -1), strict=True))
            for name, value in out.items()
        }


@torch.no_grad()
def settle(model: nn.Module) -> None:
    """Start with attention to what is near and alike, which saves a small network most of its plateau.

    Positions get sines of several wavelengths; queries and keys share their weights; values and output are each
    other's negative transpose (after Trockman and Kolter, "Mimetic initialization of self-attention layers", 2023).
    """
    width = ARGS["embed_dim"]
    waves = math.pi * 2 ** torch.linspace(-1, 2, width // 4)
    place = AXIS.view(8, 4).mean(1)[:, None] * waves
    one = torch.cat([place.sin(), place.cos()], 1)
    rows, columns = one[:, None, :].expand(8, 8, -1), one[None, :, :].expand(8, 8, -1)
    model.pos_embed[0, 1:] = torch.cat([rows, columns], -1).reshape(64, width) * 0.3
    for block in model.blocks:
        query, key, value = block.attn.qkv.weight.chunk(3)
        for head in range(ARGS["num_heads"]):
            part = slice(head * 32, head * 32 + 32)
            nn.init.orthogonal_(query[part])
            key[part] = query[part]
        nn.init.orthogonal_(value)
        block.attn.proj.weight.copy_(-0.5 * value.T)


def direction(angle: Tensor, folds: int = 1) -> Tensor:
    """The angle as a point on the circle."""
    return torch.stack([(angle * folds).cos(), (angle * folds).sin()], -1)


def named(guess: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy in units of the logarithm of the number of classes."""
    return F.cross_entropy(guess, label, label_smoothing=0.05) / math.log(guess.shape[-1])


def losses(out: dict[str, dict[str, Tensor]], truth: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return every target's loss."""
    of = {name[3:]: value for name, value in truth.items() if name.startswith("of_")}
    return _patch_losses(out["patch"], truth, of) | _image_losses(out["image"], truth, of)


def _patch_losses(guess: dict[str, Tensor], truth: dict[str, Tensor], of: dict[str, Tensor]) -> dict[str, Tensor]:
    covered, who = truth["owner"] >= 0, truth["owner"].clamp_min(0)
    mine = {name: value[torch.arange(len(who))[:, None], who] for name, value in of.items()}
    middles = AXIS.view(8, 4).mean(1)
    centre = torch.stack([middles.repeat(8), middles.repeat_interleave(8)], -1)
    label = torch.where(covered, mine["figure"], FIGURES).flatten()
    return {
        "patch figure": named(guess["figure"].flatten(0, 1), label),
        "patch middle": F.l1_loss(guess["middle"][covered], (mine["middle"] - centre)[covered]),
        "patch turn": F.l1_loss(guess["turn"][covered], direction(mine["points"])[covered]) / 2,
        "patch axis": F.l1_loss(guess["axis"][covered], direction(mine["points"], 2)[covered]) / 2,
        "patch size": F.l1_loss(guess["size"][covered][:, 0], mine["size"][covered]),
        "patch clean": F.l1_loss(guess["clean"], truth["clean"]),
    }


def _image_losses(guess: dict[str, Tensor], truth: dict[str, Tensor], of: dict[str, Tensor]) -> dict[str, Tensor]:
    area = F.one_hot(truth["owner"] + 1, of["figure"].shape[1] + 1).sum(1)[:, 1:]
    seen, rows = area.amax(1) > 0, torch.arange(len(area))
    main = {name: value[rows, area.argmax(1)] for name, value in of.items()}
    present = torch.zeros(len(rows), FIGURES).scatter_add_(1, of["figure"], (area > 0).float()).clamp(0, 1)
    marked = torch.isin(truth["texture"], torch.tensor(DIRECTED))
    return {
        "texture": named(guess["texture"], truth["texture"]),
        "grain": F.l1_loss(guess["grain"][marked], direction(truth["angle"], 2)[marked]) / 2,
        "pitch": F.l1_loss(guess["pitch"][marked][:, 0], truth["pitch"][marked]) / 4,
        "number": named(guess["number"], truth["number"]),
        "present": F.binary_cross_entropy_with_logits(guess["present"], present) * 3,
        "figure": named(guess["figure"][seen], main["figure"][seen]),
        "middle": F.l1_loss(guess["middle"][seen], main["middle"][seen]),
        "turn": F.l1_loss(guess["turn"][seen], direction(main["points"])[seen]) / 2,
        "axis": F.l1_loss(guess["axis"][seen], direction(main["points"], 2)[seen]) / 2,
        "size": F.l1_loss(guess["size"][seen][:, 0], main["size"][seen]),
        "colour": F.l1_loss(guess["colour"][seen], main["colour"][seen]),
    }


def optimizers(model: nn.Module, heads: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, which a short training gains much from, AdamW for the rest."""
    inner = [p for p in model.blocks.parameters() if p.ndim == 2]
    rest = [p for p in [*model.parameters(), *heads.parameters()] if all(p is not q for q in inner)]
    return [
        torch.optim.Muon(inner, lr=rate, weight_decay=DECAY, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=rate, weight_decay=DECAY, betas=(0.9, 0.98)),
    ]


def pretrain(steps: int, rate: float, batch: int, seed: int) -> nn.Module:
    """Train and return the averaged network."""
    torch.manual_seed(seed)
    dice = Dice(torch.Generator().manual_seed(seed))
    figures = atlas(dice)
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0, **ARGS)
    for block in model.blocks:
        block.attn.fused_attn = False  # its backward in bf16 is twice as slow as plain matrix products on a CPU
    settle(model)
    heads, average = Heads(ARGS["embed_dim"]), copy.deepcopy(model)
    both = optimizers(model, heads, rate)
    started, smooth = time.monotonic(), {}
    for step in range(steps):
        for group in (group for optimizer in both for group in optimizer.param_groups):
            group["lr"] = rate * min(1, (step + 1) / 200) * min(1, (1 - step / steps) / 0.5)
        x, truth = scenes(dice, figures, batch)
        with torch.autocast("cpu", torch.bfloat16):
            out = heads(model.forward_features(x))
        parts = losses(out, truth)
        sum(part * HARD.get(name, 1) for name, part in parts.items()).backward()
        nn.utils.clip_grad_norm_([*model.parameters(), *heads.parameters()], 1.0)
        for optimizer in both:
            optimizer.step()
            optimizer.zero_grad()
        for ours, theirs in zip(average.parameters(), model.parameters(), strict=True):
            ours.data.lerp_(theirs.data, max(1 / (step + 1), 0.005))
        smooth = {name: 0.98 * smooth.get(name, part) + 0.02 * part for name, part in floats(parts).items()}
        if step % 100 == 99:
            text = "  ".join(f"{name} {value:.3f}" for name, value in smooth.items())
            print(f"{step + 1}  {time.monotonic() - started:.0f} s  {text}", flush=True)
    return average


def floats(parts: dict[str, Tensor]) -> dict[str, float]:
    """Return the losses as plain numbers."""
    return {name: float(part.detach()) for name, part in parts.items()}


def main() -> None:
    """Read the command line, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = pretrain(given.steps, given.rate, given.batch, given.seed)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    state = {name: value.to(torch.float16).contiguous() for name, value in model.state_dict().items()}
    save_file(state, given.out, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
