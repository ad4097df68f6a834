"""How fast GLoRA's search scores candidates: merged into one plain model, unmerged, and in the released loop.

200 random images, for the released loop JPEG files that are decoded for each candidate. On a CPU the times are the
processor's, which other jobs disturb less: read the ratios.

    python scripts/glora_candidates.py [--model tiny] [--repeats 8]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from glora_cost import arguments, clock, where
from glora_flops import MODELS, made, official, subnets
from PIL import Image
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from visionpeft.benchmark.cost import throughput
from visionpeft.benchmark.device import autocast, pick_device, pick_precision
from visionpeft.benchmark.loop import predict
from visionpeft.data.loader import Batches
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_linear import GLoRALinear
from visionpeft.methods.glora_space import Words
from visionpeft.methods.glora_subnets import MergedSubnets, choose
from visionpeft.methods.linear import Linear


class Search:
    """A supernet and 200 validation images, and the ways to score a candidate."""

    def __init__(self, args: argparse.Namespace, device: torch.device, folder: Path) -> None:
        size = MODELS[args.model][1].get("img_size", 224)
        images = np.random.RandomState(0).randint(256, size=(200, size, size, 3), dtype=np.uint8)
        self.precision, self.folder = pick_precision(args.precision, device), folder
        self.batches = Batches(images, np.arange(200) % 100, (0.5,) * 3, (0.5,) * 3, device)
        self.supernet = made(args.model, GLoRA(rank=args.rank), device, self.precision).eval()
        self.subnets = MergedSubnets(self.supernet)
        (folder / "class").mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(folder / "class" / f"{i}.jpg")
        bicubic = transforms.Resize((size, size), transforms.InterpolationMode.BICUBIC)
        shown = transforms.Compose([bicubic, transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])
        self.loader = DataLoader(ImageFolder(str(folder), shown), batch_size=64, num_workers=args.workers)

    def merged(self, words: Words) -> object:
        """As our search does it."""
        return predict(self.subnets.become(words), self.batches, self.precision)

    def unmerged(self, words: Words) -> object:
        """Through the supernet's own layers."""
        choose(self.supernet, words)
        return predict(self.supernet, self.batches, self.precision)

    @torch.no_grad()
    def together(self, *several: Words) -> object:
        """Several merged models at once, by vmap over their stacked weights."""
        models = [deepcopy(self.subnets.become(words)) for words in several]
        weights, buffers = stack_module_state(models)  # type: ignore[arg-type]

        def call(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(models[0], (p, b), (x,))

        with autocast(self.precision, self.batches.device):
            return [vmap(call, (0, 0, None))(weights, buffers, x).argmax(-1) for x, _ in self.batches.iterate()]

    @torch.no_grad()
    def released(self, words: Words) -> object:
        """As the released code does it: files decoded anew, fp32, W' formed for each batch."""
        choose(self.supernet, words)
        with mock.patch.object(GLoRALinear, "forward", official):
            return [self.supernet(x.to(self.batches.device)).argmax(-1) for x, _ in self.loader]


def rate(score: Callable[..., object], words: list[Words], device: torch.device, at_once: int = 1) -> float:
    """Return candidates per second."""
    groups = [words[i : i + at_once] for i in range(0, len(words) - at_once + 1, at_once)]
    score(*groups[0])
    start = clock(device)
    for group in groups:
        score(*group)
    return len(groups) * at_once / (clock(device) - start)


def main() -> None:
    """Print candidates per second, and images per second of a merged and an unmerged model."""
    parser = arguments(__doc__)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    device = pick_device(args.device)
    with tempfile.TemporaryDirectory() as folder:
        one = Search(args, device, Path(folder))
        words = subnets(one.supernet, max(4, args.repeats))
        ways: dict[str, tuple[Callable[..., object], list[Words], int]] = {
            "merged into one plain model, one by one": (one.merged, words, 1),
            "the same, 4 at once by vmap": (one.together, words[:4], 4),
            "unmerged": (one.unmerged, words, 1),
            "the released loop": (one.released, words[:2], 1),
        }
        rounds = [{name: rate(*way[:2], device, way[2]) for name, way in ways.items()} for _ in range(3)]
        rates = {name: statistics.median(found[name] for found in rounds) for name in ways}
        ours = rates["merged into one plain model, one by one"]
        print(f"\n## A search: {args.model}, 200 images, rank {args.rank}, {one.precision}, {where(device)}\n")
        print("| candidates are scored | candidates/s | ratio | 1050 candidates (s) |\n|---|--:|--:|--:|")
        for name, value in rates.items():
            print(f"| {name} | {value:.2f} | {value / ours:.2f} | {1050 / value:.0f} |")
        x, _ = next(one.batches.iterate(batch_size=64))
        plain, merged = made(args.model, Linear(), device, one.precision), one.subnets.become(words[0])
        speeds = [throughput(m, x, autocast(one.precision, device)) for m in (plain, merged, one.supernet)]
        print(f"\nImages per second: plain {speeds[0]:.1f}, merged {speeds[1]:.1f}, unmerged {speeds[2]:.1f}.")


if __name__ == "__main__":
    main()
