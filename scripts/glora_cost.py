"""What a training step of GLoRA costs: FLOPs, seconds, bytes kept for the backward pass.

Steps are compared with LoRA on all linear layers at the same rank, and with the released layer of GLoRA, which forms
W' densely in every layer. Times are taken in turn, on the same random subnets, in one process, and on a CPU they are
the processor's, which other jobs disturb less: read the ratios. `glora_candidates` times the search.

    python scripts/glora_cost.py [flops] [step] [floor] [--model tiny] [--batch 16] [--repeats 8] [--draws 100]
        [--smaller-ranks 4 2] [--peak 989e12] [--utilisation 0.4] [--supernet-epochs 100] [--epochs 100]
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time
from collections.abc import Callable
from unittest import mock

import torch
import torch.nn.functional as F
from glora_floor import add_options, floor
from glora_flops import LINEARS, MODELS, counted, flops, made, official, subnets
from torch import Tensor, nn
from torch.optim import Optimizer

from visionpeft.benchmark.device import autocast, pick_device, pick_precision
from visionpeft.benchmark.loop import make_optimizer
from visionpeft.benchmark.spec import Recipe
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_linear import GLoRALinear
from visionpeft.methods.glora_subnets import adapted_layers, choose
from visionpeft.methods.lora import LoRA

RECIPE = Recipe(name="step", lr=1e-3, weight_decay=1e-4, epochs=1, warmup=0)


def clock(device: torch.device) -> float:
    """Return seconds; on a CPU those of this process and its children, which other jobs disturb less."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class Step:
    """A training step as the harness makes it: a supernet draws its subnet, and the optimizer steps."""

    def __init__(self, args: argparse.Namespace, device: torch.device) -> None:
        size = MODELS[args.model][1].get("img_size", 224)
        torch.manual_seed(1)
        self.x = torch.randn(args.batch, 3, size, size, device=device)
        self.y = torch.randint(100, (args.batch,), device=device)
        self.precision = pick_precision(args.precision, device)
        self.optimizers: dict[nn.Module, Optimizer] = {}

    def loss(self, model: nn.Module) -> Tensor:
        """Run forward."""
        with autocast(self.precision, self.x.device):
            return F.cross_entropy(model(self.x), self.y)

    def seconds(self, model: nn.Module) -> float:
        """Return the time of one step; a supernet draws, and keeps the words it has, which are those of every row."""
        if model not in self.optimizers:
            trained = [p for p in model.parameters() if p.requires_grad]
            self.optimizers[model] = make_optimizer(RECIPE, [{"params": trained}])
        start = clock(self.x.device)
        if layers := adapted_layers(model):
            words = [layer.word for layer in layers]
            GLoRA().space(layers).draw(random.Random(0))
            choose(model, tuple(words))
        self.loss(model).backward()
        self.optimizers[model].step()
        end = clock(self.x.device)
        model.zero_grad(set_to_none=True)
        return end - start

    def kept(self, model: nn.Module) -> int:
        """Return the bytes kept for the backward pass, parameters aside."""
        own = {p.untyped_storage().data_ptr() for p in model.parameters()}
        kept: dict[int, Tensor] = {}
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.setdefault(id(t), t), lambda t: t):
            self.loss(model)
        storages = {s.data_ptr(): s.nbytes() for s in (t.untyped_storage() for t in kept.values())}
        return sum(size for pointer, size in storages.items() if pointer not in own)


def step(args: argparse.Namespace) -> None:
    """Print seconds and kept bytes of a step against LoRA's and the released layer's."""
    device = pick_device(args.device)
    run = Step(args, device)
    lora = made(args.model, LoRA(rank=args.rank, targets=LINEARS), device, run.precision)
    model = made(args.model, GLoRA(rank=args.rank), device, run.precision)

    def released(measure: Callable[[nn.Module], float]) -> float:
        with mock.patch.object(GLoRALinear, "forward", official):
            return measure(model)

    rows: dict[str, Callable[[Callable[[nn.Module], float]], float]] = {
        "LoRA, all linear layers": lambda measure: measure(lora),
        "GLoRA, supernet": lambda measure: measure(model),
        "GLoRA, released layer": released,
    }
    seconds: dict[str, list[float]] = {row: [] for row in rows}
    kept: dict[str, list[float]] = {row: [] for row in rows}
    for measure, found in ((run.seconds, seconds), (run.kept, kept)):
        for i, words in enumerate(subnets(model, args.repeats + 1)):
            choose(model, words)
            for j in range(len(rows)):  # each in turn first: what ran before leaves its mark on a memory allocator
                row = list(rows)[(i + j) % len(rows)]
                found[row].append(rows[row](measure))
    print(
        f"\n## A training step: {args.model}, batch {args.batch}, rank {args.rank}, {run.precision}, {where(device)}\n"
    )
    print(f"Medians of {args.repeats} random subnets.\n\n| | seconds | ratio | kept for backward (MB) | ratio |")
    print("|---|--:|--:|--:|--:|")
    base = list(rows)[0]
    for row in rows:
        times = seconds[row][1:]  # the first is a warm-up
        ratio = statistics.median(time / own for time, own in zip(times, seconds[base][1:], strict=True))
        size = statistics.mean(kept[row])
        more = size / statistics.mean(kept[base])
        print(f"| {row} | {statistics.median(times):.3f} | {ratio:.2f} | {size / 1e6:.0f} | {more:.2f} |")


def where(device: torch.device) -> str:
    """Return the device and torch's version."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return f"{name}, torch {torch.__version__.partition('+')[0]}"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what this script, `glora_candidates` and `glora_profile` all ask for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="tiny")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    parser.add_argument("--device", default="auto")
    return parser


def main() -> None:
    """Print what was asked for as Markdown tables."""
    parser = arguments(__doc__)
    parser.add_argument("parts", nargs="*", default=["flops", "step"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--draws", type=int, default=100, help="random configurations whose FLOPs are averaged")
    parser.add_argument("--smaller-ranks", type=int, nargs="*", default=[], help="that a supernet draws besides")
    add_options(parser)
    args = parser.parse_args()
    method = GLoRA(rank=args.rank, smaller_ranks=tuple(args.smaller_ranks))
    if "flops" in args.parts:
        flops(method, args.draws)
    if "floor" in args.parts:
        print(floor(args, counted(args.model, method, args.draws)))
    if "step" in args.parts:
        step(args)


if __name__ == "__main__":
    main()
