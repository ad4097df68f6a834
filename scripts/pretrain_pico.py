"""Pre-train vit_pico on images that this file makes up, and write its weights as fp16 safetensors.

    OMP_NUM_THREADS=1 python scripts/pretrain_pico.py --out benchmark/weights/vit_pico.safetensors

A scene is a texture with up to twelve figures from a fixed atlas of 128 outlines on it, textured, bent, tinted, noisy. The
network learns to name what made the picture: per patch which figure covers it, where its middle lies, how large it is and
how it is turned; per image which texture, its direction and pitch, how many figures, and everything of the largest one.
One thread and bf16 autocast; the same machine and versions give the same weights. See docs/vit_pico.md.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

ARGS = {"img_size": 32, "patch_size": 4, "embed_dim": 128, "depth": 6, "num_heads": 4}
FIGURES, TEXTURES, MOST = 48, 13, 12
AXIS = (torch.arange(32) + 0.5) / 16 - 1
DIRECTED = (1, 3, 4, 5, 9, 10, 11, 12)
"""Textures whose direction and pitch can be told."""


@dataclass
class Dice:
    """Random numbers of one stream."""

    stream: torch.Generator

    def between(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform floats."""
        return torch.rand(shape, generator=self.stream) * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        """Standard normal floats."""
        return torch.randn(shape, generator=self.stream)

    def pick(self, high: int, *shape: int) -> Tensor:
        """Integers below `high`."""
        return torch.randint(high, shape, generator=self.stream)


def atlas(dice: Dice, side: int = 64) -> Tensor:
    """Return the figures' opacities (FIGURES, 1, side, side): a third closed outlines, a third lines, a third compounds."""
    axis = torch.linspace(-1.25, 1.25, side)
    x, y = axis[None, :].expand(side, side), axis[:, None].expand(side, side)
    radius, angle = torch.hypot(x, y), torch.atan2(y, x)
    figures = []
    for index in range(FIGURES):
        kind = index % 3
        outline = 0.5 + sum(
            dice.between(0, 0.45 / order, 1) * torch.cos(order * angle + dice.between(0, 6.3, 1)) for order in range(1, 7)
        )
        corners = 3 + index // 3 % 6
        wedge = math.pi / corners
        regular = 0.7 * math.cos(wedge) / torch.cos((angle % (2 * wedge)) - wedge)
        depth = (regular if index < 12 else outline) - radius
        if kind == 1 or kind == 2:
            joints = dice.between(-0.85, 0.85, 3 + index % 4, 2)
            width = float(dice.between(0.08, 0.2, 1))
            lines = torch.stack([_line(x, y, a, b, width) for a, b in zip(joints, joints[1:], strict=False)]).amax(0)
            depth = lines if kind == 1 else torch.maximum(lines, outline * 0.7 - radius)
        if index % 7 == 6:
            depth = torch.minimum(depth, 0.16 - depth)
        figures.append((depth * 12 + 0.5).clamp(0, 1))
    return torch.stack(figures)[:, None]


def pointing(figures: Tensor) -> Tensor:
    """Return the direction (FIGURES,) of each figure's longer axis, towards the end where it tapers off."""
    side = figures.shape[-1]
    mass = figures[:, 0] / figures.sum((1, 2, 3))[:, None, None]
    axis = torch.linspace(-1.25, 1.25, side)
    x = axis - (mass.sum(1) * axis).sum(1, keepdim=True)
    y = axis - (mass.sum(2) * axis).sum(1, keepdim=True)
    xx, yy = (mass.sum(1) * x**2).sum(1), (mass.sum(2) * y**2).sum(1)
    xy = torch.einsum("nyx,ny,nx->n", mass, y, x)
    angle = torch.atan2(2 * xy, xx - yy) / 2
    along = x[:, None, :] * angle.cos()[:, None, None] + y[:, :, None] * angle.sin()[:, None, None]
    return angle + math.pi * ((mass * along**3).sum((1, 2)) < 0)


def _line(x: Tensor, y: Tensor, a: Tensor, b: Tensor, width: float) -> Tensor:
    ab = b - a
    along = (((x - a[0]) * ab[0] + (y - a[1]) * ab[1]) / (ab @ ab + 1e-6)).clamp(0, 1)
    return width - torch.hypot(x - a[0] - along * ab[0], y - a[1] - along * ab[1])


def turned(angle: Tensor) -> tuple[Tensor, Tensor]:
    """Pixel coordinates in frames turned by `angle` (n,): u and v, each (n, 32, 32)."""
    c, s = angle.cos()[:, None, None], angle.sin()[:, None, None]
    x, y = AXIS[None, None, :], AXIS[None, :, None]
    return x * c + y * s, y * c - x * s


def spectrum(dice: Dice, count: int, slope: Tensor, angle: Tensor, squeeze: Tensor) -> Tensor:
    """Noise (count, 32, 32) of unit variance whose amplitude falls with frequency; `squeeze` stretches it along `angle`."""
    f = torch.fft.fftfreq(32) * 32
    c, s = angle.cos()[:, None, None], angle.sin()[:, None, None]
    fu, fv = f[None, None, :] * c + f[None, :, None] * s, f[None, :, None] * c - f[None, None, :] * s
    gain = (1 + (fu * squeeze[:, None, None]) ** 2 + fv**2) ** (-slope[:, None, None] / 2)
    field = torch.fft.ifft2(torch.fft.fft2(dice.normal(count, 32, 32)) * gain).real
    return (field - field.mean((1, 2), keepdim=True)) / field.std((1, 2), keepdim=True)


def textures(dice: Dice, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Return fields in [0, 1], (count, 32, 32), and what they are: kind, angle, pitch (log2 cycles per image)."""
    kind, angle, pitch = dice.pick(TEXTURES, count), dice.between(0, 2 * math.pi, count), dice.between(0.3, 3.3, count)
    u, v = turned(angle)
    waves, phase = (2**pitch * math.pi)[:, None, None], dice.between(0, 2 * math.pi, count, 1, 1)
    along, across = torch.sin(u * waves + phase), torch.sin(v * waves + phase * 1.7)
    shift = dice.between(-0.6, 0.6, count, 2, 1, 1)
    ring = torch.hypot(u - shift[:, 0], v - shift[:, 1])
    ones = torch.ones(count)
    rough = spectrum(dice, count, dice.between(0.5, 1.2, count), angle, ones)
    smooth = spectrum(dice, count, dice.between(1.8, 3, count), angle, ones)
    fibre = spectrum(dice, count, ones * 2, angle, dice.between(0.1, 0.3, count))
    sites = dice.between(-1.1, 1.1, count, 24, 2)
    sites[:, 4:][(pitch < 1.8)] = 9
    far = (AXIS[None, None, None, :] - sites[..., 0, None, None]) ** 2 + (AXIS[None, None, :, None] - sites[..., 1, None, None]) ** 2
    cells = dice.between(0, 1, count, 24).gather(1, far.argmin(1).flatten(1)).view(count, 32, 32)
    fields = torch.stack([
        torch.zeros_like(u), (u * 0.7 + 0.5), ring, along * 0.5 + 0.5, along * 4 + 0.5, along * across * 4 + 0.5,
        torch.sin(ring * waves + phase) * 2 + 0.5, rough * 0.3 + 0.5, smooth * 3 + 0.5, fibre * 0.4 + 0.5,
        (along * across - 0.3) * 6, (u + shift[:, 0] + smooth * 0.12) * 20 + 0.5, cells * 0,
    ])  # fmt: skip
    fields[12] = cells
    chosen = fields[kind, torch.arange(count)].clamp(0, 1)
    return chosen, {"texture": kind, "angle": angle, "pitch": pitch}


def colours(dice: Dice, count: int, apart: Tensor | None = None) -> Tensor:
    """Colours (count, 3); kept at a distance from `apart` where given."""
    colour = dice.between(0, 1, count, 3)
    if apart is None:
        return colour
    gap = colour - apart
    return (apart + gap * (0.35 / gap.norm(dim=1, keepdim=True).clamp_min(1e-3)).clamp_min(1)).clamp(0, 1)


def scenes(dice: Dice, figures: Tensor, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Return normalised images (count, 3, 32, 32) and the targets that `losses` reads."""
    field, truth = textures(dice, count)
    first, second = colours(dice, count), colours(dice, count)
    ground = first + (second - first) * dice.between(0.1, 1, count, 1)
    image = first[..., None, None] + (ground - first)[..., None, None] * field[:, None]
    mean = image.mean((2, 3))
    crowd = dice.between(0, 1, count)
    number = torch.where(crowd < 0.45, 1, torch.where(crowd < 0.9, dice.pick(MOST - 1, count) + 2, 0))
    alike = dice.between(0, 1, count) < 0.3
    owner = torch.full((count, 8, 8), -1)
    points = pointing(figures)
    facts, common = [], (dice.pick(FIGURES, count), colours(dice, count, mean))
    for turn in range(MOST):
        free = dice.between(0, 1, count) < 0.4
        fact = {
            "figure": torch.where(alike, common[0], dice.pick(FIGURES, count)),
            "angle": dice.between(-1, 1, count) * torch.where(free, math.pi, 0.4),
            "size": torch.where(number > 1, dice.between(0.13, 0.36, count), dice.between(0.2, 0.9, count)),
        }
        reach = (1.05 - fact["size"]).clamp_min(0.15)[:, None]
        fact["middle"] = dice.between(-1, 1, count, 2) * reach
        there = (turn < number).nonzero()[:, 0]
        opacity = torch.zeros(count, 32, 32)
        opacity[there] = place(dice, figures, {name: value[there] for name, value in fact.items()})
        fact["colour"] = torch.where(alike[:, None], common[1], colours(dice, count, mean))
        paint = fact["colour"][..., None, None].expand(-1, -1, 32, 32)
        filled = (dice.between(0, 1, count) < 0.25)[:, None, None, None]
        paint = torch.where(filled, paint + (field.roll(1, 0)[:, None] - 0.5) * 0.5, paint)
        image = image + (paint - image) * (opacity * dice.between(0.7, 1, count, 1, 1))[:, None]
        owner[F.avg_pool2d(opacity[:, None], 4)[:, 0] > 0.35] = turn
        facts.append(fact | {"points": fact["angle"] + points[fact["figure"]]})
        if turn + 1 >= int(number.max()):
            break
    truth |= {"number": number, "owner": owner.flatten(1), "clean": F.avg_pool2d(image, 4).flatten(2).mT}
    truth |= {f"of_{name}": torch.stack([fact[name] for fact in facts], 1) for name in facts[0]}
    light = (AXIS[None, :, None] * dice.between(-0.2, 0.2, count, 1, 1))[:, None]
    noise = dice.normal(count, 3, 32, 32) * dice.between(0, 0.08, count, 1, 1, 1)
    return ((image + light + noise).clamp(0, 1) - 0.5) * 2, truth


def place(dice: Dice, figures: Tensor, fact: dict[str, Tensor]) -> Tensor:
    """Opacity (n, 32, 32) of one figure per image, bent a little by a smooth field."""
    count = len(fact["angle"])
    bend = F.interpolate(dice.normal(count, 2, 4, 4) * 0.06, size=32, mode="bilinear", align_corners=True)
    x, y = AXIS[None, None, :] - fact["middle"][:, 0, None, None], AXIS[None, :, None] - fact["middle"][:, 1, None, None]
    c, s = fact["angle"].cos()[:, None, None], fact["angle"].sin()[:, None, None]
    size, aspect = fact["size"][:, None, None], dice.between(0.8, 1.25, count, 1, 1)
    uv = torch.stack([(x * c + y * s) / size * aspect, (y * c - x * s) / size / aspect], -1) / 1.25
    return F.grid_sample(figures[fact["figure"]], uv + bend.permute(0, 2, 3, 1), align_corners=False)[:, 0]


WIDTHS = {
    "patch": {"figure": FIGURES + 1, "middle": 2, "turn": 2, "axis": 2, "size": 1, "clean": 3},
    "image": {
        "texture": TEXTURES, "grain": 2, "pitch": 1, "number": MOST + 1, "present": FIGURES,
        "figure": FIGURES, "middle": 2, "turn": 2, "axis": 2, "size": 1, "colour": 3,
    },
}  # fmt: skip


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


def losses(out: dict[str, dict[str, Tensor]], truth: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return every target's loss; classifications are in units of the logarithm of their class count."""
    patch, image = out["patch"], out["image"]
    owner, rows = truth["owner"], torch.arange(len(truth["number"]))
    covered, who = owner >= 0, owner.clamp_min(0)
    of = {name[3:]: value for name, value in truth.items() if name.startswith("of_")}
    mine = {name: value[rows[:, None], who] for name, value in of.items()}
    centre = torch.stack([AXIS.view(8, 4).mean(1).repeat(8), AXIS.view(8, 4).mean(1).repeat_interleave(8)], -1)
    label = torch.where(covered, mine["figure"], FIGURES).flatten()
    area = F.one_hot(who, of["figure"].shape[1]).mul(covered[..., None]).sum(1)
    seen, largest = area.amax(1) > 0, area.argmax(1)
    main = {name: value[rows, largest] for name, value in of.items()}
    present = torch.zeros(len(rows), FIGURES).scatter_add_(1, of["figure"], (area > 0).float()).clamp(0, 1)
    marked = torch.isin(truth["texture"], torch.tensor(DIRECTED))

    def named(guess: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(guess, label, label_smoothing=0.05) / math.log(guess.shape[-1])

    return {
        "patch figure": named(patch["figure"].flatten(0, 1), label),
        "patch middle": F.l1_loss(patch["middle"][covered], (mine["middle"] - centre)[covered]),
        "patch turn": F.l1_loss(patch["turn"][covered], direction(mine["points"])[covered]) / 2,
        "patch axis": F.l1_loss(patch["axis"][covered], direction(mine["points"], 2)[covered]) / 2,
        "patch size": F.l1_loss(patch["size"][covered][:, 0], mine["size"][covered]),
        "patch clean": F.l1_loss(patch["clean"], truth["clean"]),
        "texture": named(image["texture"], truth["texture"]),
        "grain": F.l1_loss(image["grain"][marked], direction(truth["angle"], 2)[marked]) / 2,
        "pitch": F.l1_loss(image["pitch"][marked][:, 0], truth["pitch"][marked]) / 4,
        "number": named(image["number"], truth["number"]),
        "present": F.binary_cross_entropy_with_logits(image["present"], present) * 3,
        "figure": named(image["figure"][seen], main["figure"][seen]),
        "middle": F.l1_loss(image["middle"][seen], main["middle"][seen]),
        "turn": F.l1_loss(image["turn"][seen], direction(main["points"])[seen]) / 2,
        "axis": F.l1_loss(image["axis"][seen], direction(main["points"], 2)[seen]) / 2,
        "size": F.l1_loss(image["size"][seen][:, 0], main["size"][seen]),
        "colour": F.l1_loss(image["colour"][seen], main["colour"][seen]),
    }


def pretrain(minutes: float, steps: int, rate: float, batch: int, seed: int) -> nn.Module:
    """Train for `steps` (or until `minutes` are over) and return the averaged network."""
    torch.manual_seed(seed)
    dice = Dice(torch.Generator().manual_seed(seed))
    figures = atlas(dice)
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0, **ARGS)
    for block in model.blocks:
        block.attn.fused_attn = False  # its backward in bf16 is twice as slow as plain matrix products on a CPU
    import os
    if os.environ.get("SETTLE"): settle(model)
    heads, average = Heads(ARGS["embed_dim"]), copy.deepcopy(model)
    parameters = [*model.parameters(), *heads.parameters()]
    inner = [p for p in model.blocks.parameters() if p.ndim == 2]
    rest = [p for p in parameters if all(p is not q for q in inner)]
    optimizers = [
        torch.optim.Muon(inner, lr=rate, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=rate, weight_decay=0.05, betas=(0.9, 0.98)),
    ]
    started, smoothed = time.monotonic(), {}
    for step in range(steps):
        progress = max(step / steps, (time.monotonic() - started) / (60 * minutes)) if minutes else step / steps
        if progress >= 1:
            break
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = rate * min(1, (step + 1) / 200) * min(1, (1 - progress) / 0.5)
        x, truth = scenes(dice, figures, batch)
        with torch.autocast("cpu", torch.bfloat16):
            out = heads(model.forward_features(x))
        parts = losses(out, truth)
        sum(parts.values()).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        for ours, theirs in zip(average.parameters(), model.parameters(), strict=True):
            ours.data.lerp_(theirs.data, max(1 / (step + 1), 0.005))
        smoothed = {k: 0.98 * smoothed.get(k, float(v.detach())) + 0.02 * float(v.detach()) for k, v in parts.items()}
        if step % 100 == 99:
            text = " ".join(f"{k.replace(' ', '_')} {v:.3f}" for k, v in smoothed.items())
            print(f"{step + 1} {time.monotonic() - started:.0f}s {sum(smoothed.values()):.3f} | {text}", flush=True)
    return average


def main() -> None:
    """Read the command line, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=0, help="stop after this time instead (for trials)")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = pretrain(given.minutes, given.steps, given.rate, given.batch, given.seed)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    state = {name: value.to(torch.float16).contiguous() for name, value in model.state_dict().items()}
    save_file(state, given.out, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
