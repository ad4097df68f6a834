"""Where the seconds of GLoRA's training step go, by kind of operation, beside LoRA's on all linear layers.

Measured with torch's profiler over a few steps on random subnets. On a CUDA device the rows are the time of kernels,
and what is left of the wall-clock time is that in which the device waits; on a CPU they are the operators', and what
is left is Python's and autograd's own. The profiler itself takes time: read the parts, and take ratios from
`glora_cost`.

    python scripts/glora_profile.py [--model tiny] [--batch 8] [--repeats 4] [--device auto]
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from glora_cost import Step, arguments, where
from glora_flops import LINEARS, made, subnets
from torch import nn
from torch.profiler import ProfilerActivity, profile

from visionpeft.benchmark.device import pick_device
from visionpeft.methods.glora import GLoRA
from visionpeft.methods.glora_subnets import adapted_layers, choose
from visionpeft.methods.lora import LoRA

KINDS = {
    "optimizer": r"_foreach|_fused_adam|Optimizer",
    "attention": r"attention|bmm|softmax",
    "matrix products": r"mm_?$|linear$|matmul$|addmv|conv",
    "norms and activations": r"norm|gelu",
    "sums and elementwise": r"(add|sub|mul|div|sum|addcmul|addcdiv|nan_to_num|neg|sqrt|lerp)_?$",
    "copies and allocation": r"copy|cat$|empty|zero|fill|clone|contiguous|to$|resize|new_|set_$",
}
"""Names of operators, the first match counts; the others are views and the like."""
OTHERS, WAITING = "views and other operators", {"cpu": "outside operators", "cuda": "the device waits"}


def kind(operator: str) -> str:
    """Return what an operator is counted as."""
    return next((name for name, pattern in KINDS.items() if re.search(pattern, operator)), OTHERS)


def parts(run: Step, model: nn.Module, words: Iterable[tuple[str, ...]]) -> dict[str, float]:
    """Return the seconds of a step by kind of operation, averaged over subnets; `words` is ignored by other models."""
    device, spent, steps = run.x.device, 0.0, 0
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    run.seconds(model)  # a warm-up
    with profile(activities=activities) as profiler:
        for subnet in words:
            if adapted_layers(model):
                choose(model, subnet)
            start = time.perf_counter()
            run.seconds(model)
            spent, steps = spent + time.perf_counter() - start, steps + 1
    found = dict.fromkeys([*KINDS, OTHERS], 0.0)
    for event in profiler.key_averages():
        own = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        found[kind(event.key)] += own / 1e6 / steps
    return found | {WAITING[device.type]: max(0.0, spent / steps - sum(found.values()))}


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--batch", type=int, default=8)
    args = parser.parse_args()
    device = pick_device(args.device)
    run = Step(args, device)
    lora = made(args.model, LoRA(rank=args.rank, targets=LINEARS), device, run.precision)
    glora = made(args.model, GLoRA(rank=args.rank), device, run.precision)
    words = list(subnets(glora, args.repeats))
    one, other = (shown | {"all": sum(shown.values())} for shown in (parts(run, lora, words), parts(run, glora, words)))
    print(
        f"## Where a step goes: {args.model}, batch {args.batch}, rank {args.rank}, {run.precision}, {where(device)}\n"
    )
    print("| | LoRA, all linear layers, ms | GLoRA, supernet, ms | difference |\n|---|--:|--:|--:|")
    for name, mine in one.items():
        print(f"| {name} | {mine * 1e3:.1f} | {other[name] * 1e3:.1f} | {(other[name] - mine) * 1e3:+.1f} |")


if __name__ == "__main__":
    main()
