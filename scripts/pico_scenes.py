"""The made-up images that vit_pico is pre-trained on, and what is true of each.

A scene is a texture with up to twelve figures from a fixed atlas on it, bent, tinted, lit and noisy. Nothing in here is
shared with the suite `mini` (data/scenes.py): figures are random outlines drawn from a stencil, not named objects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FIGURES, TEXTURES, MOST = 48, 13, 12
AXIS = (torch.arange(32) + 0.5) / 16 - 1


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
    """Return the figures' opacities (FIGURES, 1, side, side): outlines, bent lines and both joined."""
    axis = torch.linspace(-1.25, 1.25, side)
    x, y = axis[None, :].expand(side, side), axis[:, None].expand(side, side)
    radius, angle = torch.hypot(x, y), torch.atan2(y, x)
    figures = []
    for index in range(FIGURES):
        kind, corners = index % 3, 3 + index // 3 % 6
        waves = (dice.between(0, 0.45 / k, 1) * torch.cos(k * angle + dice.between(0, 6.3, 1)) for k in range(1, 7))
        outline = 0.5 + sum(waves)
        wedge = math.pi / corners
        regular = 0.7 * math.cos(wedge) / torch.cos((angle % (2 * wedge)) - wedge)
        depth = (regular if index < 12 else outline) - radius
        if kind:
            joints = dice.between(-0.85, 0.85, 3 + index % 4, 2)
            width = float(dice.between(0.08, 0.2, 1))
            lines = torch.stack([_line(x, y, a, b, width) for a, b in zip(joints, joints[1:], strict=False)]).amax(0)
            depth = lines if kind == 1 else torch.maximum(lines, outline * 0.7 - radius)
        if index % 7 == 6:
            depth = torch.minimum(depth, 0.16 - depth)  # hollow
        figures.append((depth * 12 + 0.5).clamp(0, 1))
    return torch.stack(figures)[:, None]


def _line(x: Tensor, y: Tensor, a: Tensor, b: Tensor, width: float) -> Tensor:
    ab = b - a
    along = (((x - a[0]) * ab[0] + (y - a[1]) * ab[1]) / (ab @ ab + 1e-6)).clamp(0, 1)
    return width - torch.hypot(x - a[0] - along * ab[0], y - a[1] - along * ab[1])


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


def turned(angle: Tensor) -> tuple[Tensor, Tensor]:
    """Pixel coordinates in frames turned by `angle` (n,): u and v, each (n, 32, 32)."""
    c, s = angle.cos()[:, None, None], angle.sin()[:, None, None]
    x, y = AXIS[None, None, :], AXIS[None, :, None]
    return x * c + y * s, y * c - x * s


def spectrum(dice: Dice, slope: Tensor, angle: Tensor, squeeze: Tensor) -> Tensor:
    """Noise (n, 32, 32) of unit variance, falling off with frequency; `squeeze` below 1 sharpens it along `angle`."""
    f = torch.fft.fftfreq(32) * 32
    c, s = angle.cos()[:, None, None], angle.sin()[:, None, None]
    fu, fv = f[None, None, :] * c + f[None, :, None] * s, f[None, :, None] * c - f[None, None, :] * s
    gain = (1 + (fu * squeeze[:, None, None]) ** 2 + fv**2) ** (-slope[:, None, None] / 2)
    field = torch.fft.ifft2(torch.fft.fft2(dice.normal(len(angle), 32, 32)) * gain).real
    return (field - field.mean((1, 2), keepdim=True)) / field.std((1, 2), keepdim=True)


DIRECTED = (1, 3, 4, 5, 9, 10, 11, 12)
"""Textures that are asked for their direction and pitch."""


def textures(dice: Dice, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Return fields in [0, 1], (count, 32, 32), and what they are: kind, angle, pitch (log2 cycles per image)."""
    kind, angle, pitch = dice.pick(TEXTURES, count), dice.between(0, 2 * math.pi, count), dice.between(0.3, 3.3, count)
    u, v = turned(angle)
    waves, phase = (2**pitch * math.pi)[:, None, None], dice.between(0, 2 * math.pi, count, 1, 1)
    along, across = torch.sin(u * waves + phase), torch.sin(v * waves + phase * 1.7)
    shift = dice.between(-0.6, 0.6, count, 2, 1, 1)
    ring = torch.hypot(u - shift[:, 0], v - shift[:, 1])
    even = torch.ones(count)
    rough = spectrum(dice, dice.between(0.5, 1.2, count), angle, even)
    smooth = spectrum(dice, dice.between(1.8, 3, count), angle, even)
    fibre = spectrum(dice, even * 2, angle, dice.between(0.1, 0.3, count))
    kinds = (
        torch.zeros_like(u),
        u * 0.7 + 0.5,
        ring,
        along * 0.5 + 0.5,
        along * 4 + 0.5,
        along * across * 4 + 0.5,
        torch.sin(ring * waves + phase) * 2 + 0.5,
        rough * 0.3 + 0.5,
        smooth * 3 + 0.5,
        fibre * 0.4 + 0.5,
        (along * across - 0.3) * 6,
        (u + shift[:, 0] + smooth * 0.12) * 20 + 0.5,
        cells(dice, pitch),
    )
    chosen = torch.stack(kinds)[kind, torch.arange(count)].clamp(0, 1)
    return chosen, {"texture": kind, "angle": angle, "pitch": pitch}


def cells(dice: Dice, pitch: Tensor) -> Tensor:
    """Return mosaics (n, 32, 32) of 24 cells, or of 4 where the pitch is low."""
    sites = dice.between(-1.1, 1.1, len(pitch), 24, 2)
    sites[:, 4:][pitch < 1.8] = 9
    x, y = AXIS[None, None, None, :] - sites[..., 0, None, None], AXIS[None, None, :, None] - sites[..., 1, None, None]
    nearest = (x**2 + y**2).argmin(1)
    return dice.between(0, 1, len(pitch), 24).gather(1, nearest.flatten(1)).view(-1, 32, 32)


def colours(dice: Dice, count: int, apart: Tensor | None = None) -> Tensor:
    """Colours (count, 3), at least 0.35 away from `apart` where given."""
    colour = dice.between(0, 1, count, 3)
    if apart is None:
        return colour
    gap = colour - apart
    return (apart + gap * (0.35 / gap.norm(dim=1, keepdim=True).clamp_min(1e-3)).clamp_min(1)).clamp(0, 1)


def scenes(dice: Dice, figures: Tensor, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Return images (count, 3, 32, 32) in [-1, 1] and what is true of them.

    `owner` (count, 64) says which figure covers a patch, -1 none; `of_*` (count, number, ...) are the figures' facts.
    """
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
    for turn in range(int(number.max())):
        fact = figure(dice, number)
        fact["figure"] = torch.where(alike, common[0], fact["figure"])
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
    truth |= {"number": number, "owner": owner.flatten(1), "clean": F.avg_pool2d(image, 4).flatten(2).mT}
    truth |= {f"of_{name}": torch.stack([fact[name] for fact in facts], 1) for name in facts[0]}
    light = (AXIS[None, :, None] * dice.between(-0.2, 0.2, count, 1, 1))[:, None]
    noise = dice.normal(count, 3, 32, 32) * dice.between(0, 0.08, count, 1, 1, 1)
    return ((image + light + noise).clamp(0, 1) - 0.5) * 2, truth


def figure(dice: Dice, number: Tensor) -> dict[str, Tensor]:
    """Choose one figure per image: which, its angle (mostly near upright), half its size, its middle."""
    count = len(number)
    free = dice.between(0, 1, count) < 0.4
    fact = {
        "figure": dice.pick(FIGURES, count),
        "angle": dice.between(-1, 1, count) * torch.where(free, math.pi, 0.4),
        "size": torch.where(number > 1, dice.between(0.14, 0.4, count), dice.between(0.3, 0.95, count)),
    }
    reach = (1.05 - fact["size"]).clamp_min(0.15)[:, None]
    return fact | {"middle": dice.between(-1, 1, count, 2) * reach}


def place(dice: Dice, figures: Tensor, fact: dict[str, Tensor]) -> Tensor:
    """Opacity (n, 32, 32) of one figure per image, bent a little by a smooth field."""
    count = len(fact["angle"])
    bend = F.interpolate(dice.normal(count, 2, 4, 4) * 0.06, size=32, mode="bilinear", align_corners=True)
    x = AXIS[None, None, :] - fact["middle"][:, 0, None, None]
    y = AXIS[None, :, None] - fact["middle"][:, 1, None, None]
    c, s = fact["angle"].cos()[:, None, None], fact["angle"].sin()[:, None, None]
    size, aspect = fact["size"][:, None, None], dice.between(0.8, 1.25, count, 1, 1)
    uv = torch.stack([(x * c + y * s) / size * aspect, (y * c - x * s) / size / aspect], -1) / 1.25
    return F.grid_sample(figures[fact["figure"]], uv + bend.permute(0, 2, 3, 1), align_corners=False)[:, 0]
