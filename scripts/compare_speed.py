"""Training throughput against the loop of the official repositories, in one process on one machine.

The plain loop is what FacT, RepAdapter, GLoRA and others run: PIL decodes and resizes every image in a DataLoader anew
each epoch, fp32, attention written out (timm 0.4 to 0.6), and for GLoRA W' formed densely in every layer. Ours is the
harness as users run it. Images per second over all epochs but the first, so that neither start-up nor our one decoding
counts.

    python scripts/compare_speed.py DATA WEIGHTS [--images 320] [--epochs 3] [--workers 2]
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from visionpeft.benchmark.backbone import build, preprocessing, resolve
from visionpeft.benchmark.compose import read_task
from visionpeft.benchmark.device import pick_device, pick_precision
from visionpeft.benchmark.overrides import preset
from visionpeft.benchmark.spec import Backbone, Recipe, Run
from visionpeft.benchmark.train import TrainingJob
from visionpeft.data.loader import Batches
from visionpeft.data.pixels import pixels
from visionpeft.data.task import Split, find, load
from visionpeft.methods.base import Method
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_linear import GLoRALinear
from visionpeft.methods.linear import Linear
from visionpeft.methods.lora import LoRA

RECIPE = Recipe("speed", lr=1e-3, weight_decay=1e-4, epochs=1, warmup=0)
METHODS: dict[str, Method] = {"linear": Linear(), "lora (q, v, rank 8)": LoRA(), "glora (supernet, rank 8)": GLoRA()}


class Files(Dataset[tuple[Tensor, int]]):
    """Images as the official data sets serve them."""

    def __init__(self, split: Split, backbone: Backbone) -> None:
        size, mean, std = backbone.img_size, backbone.mean, backbone.std
        bicubic = transforms.InterpolationMode.BICUBIC
        resize = transforms.Resize((size, size), interpolation=bicubic)
        self.transform = transforms.Compose([resize, transforms.ToTensor(), transforms.Normalize(mean, std)])
        self.files, self.labels = split.files, split.labels.tolist()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.open(self.files[index]).convert("RGB")), self.labels[index]


def plain(run: Run, split: Split, workers: int, epochs: int) -> float:
    """Return the images per second of the official loop."""
    device = pick_device("auto")
    model = build(run.backbone, run.task.num_classes)
    run.method.inject(model)
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False  # type: ignore[assignment]
    model.to(device).train()
    loader = DataLoader(
        Files(split, run.backbone), run.recipe.batch_size, shuffle=True, drop_last=True, num_workers=workers
    )
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    times = []
    for _ in range(epochs):
        start = time.perf_counter()
        for x, y in loader:
            loss = run.method.loss(model, x.to(device), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()  # as their meters do
        times.append(time.perf_counter() - start)
    steps = len(split) // run.recipe.batch_size
    return steps * run.recipe.batch_size * (epochs - 1) / sum(times[1:])


def ours(run: Run, batches: Batches, epochs: int) -> float:
    """Return the images per second of the harness."""
    job = TrainingJob(run, {"train": batches, "val": batches, "trainval": batches}, Path())
    job.fit(job.build(run.method), run.method, split="train", epochs=epochs)
    return float(job.phases[-1]["images_per_second"])


def dense(layer: GLoRALinear, x: Tensor) -> Tensor:
    """The official layer's forward: W' in every form."""
    return F.linear(x, *layer.effective())


def main() -> None:
    """Time all methods and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    backbone = resolve(Backbone("vit_tiny", preset("backbone", "vit_tiny").model, str(args.weights)))
    task = read_task(preset("task", "vtab_flowers102"))
    whole = load(task, find(task, args.data), args.data, "trainval")
    n = args.images
    split = Split(whole.keys[:n], whole.labels[:n], whole.read, whole.files[:n])
    device = pick_device("auto")
    assert backbone.mean and backbone.std
    print(f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}, ViT-Ti/16, batch 64, Flowers102")
    print(f"plain: fp32, {args.workers} loader processes; ours: {pick_precision('auto', device)}\n")
    print("| method | plain loop (images/s) | ours (images/s) | ratio |\n|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as cache:
        array = pixels(split, preprocessing(backbone), Path(cache)).array
        batches = Batches(array, split.labels, backbone.mean, backbone.std, device)
        for name, method in METHODS.items():
            run = Run(name, method, task, RECIPE, backbone, 0, name)
            with mock.patch.object(GLoRALinear, "forward", dense):
                before = plain(run, split, args.workers, args.epochs)
            after = ours(dataclasses.replace(run), batches, args.epochs)
            print(f"| {name} | {before:.1f} | {after:.1f} | {after / before:.1f} |", flush=True)


if __name__ == "__main__":
    main()
