"""What a run costs: live parameters, FLOPs by counter, peak memory, throughput before and after merging."""

from __future__ import annotations

import contextlib
import gc
import resource
import sys
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from visionpeft.methods.base import Method
from visionpeft.methods.surgery import heads, merge

SAMPLE = 2
"""Images in a FLOP count: enough to be no special case, few enough to cost nothing."""


def stored(model: nn.Module, base_keys: set[str]) -> dict[str, Tensor]:
    """Return what must be kept beside the backbone to rebuild `model`: all that learns or that the backbone lacks."""
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    return {name: t for name, t in model.state_dict().items() if name in learns or name not in base_keys}


def parameters(model: nn.Module, base_keys: set[str]) -> dict[str, int | None]:
    """Count live parameters and the bytes that must be stored; `merged_total` is filled in by `merged`."""
    own = {id(p) for head in heads(model) for p in head.parameters()}
    return {
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "head": sum(p.numel() for p in model.parameters() if id(p) in own and p.requires_grad),
        "total": sum(p.numel() for p in model.parameters()),
        "merged_total": None,
        "stored_bytes": sum(t.numel() * t.element_size() for t in stored(model, base_keys).values()),
    }


def flops(model: nn.Module, x: Tensor) -> int:
    """Return the FLOPs of a forward pass per image, by torch's counter; attention is counted as matrix products."""
    model.eval()
    # with gradients on: torch's counter trips over modules that are handed a parameter without them
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(x)
    return counter.get_total_flops() // len(x)


def flops_of_step(model: nn.Module, method: Method, x: Tensor, y: Tensor) -> int:
    """Return the FLOPs of an ordinary training step (forward and backward) per image.

    It leaves the model as it was, the statistics of batch normalisation too. A supernet's are those of one subnet.
    """
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.train()
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        method.loss(model, x, y).backward()
    for p in model.parameters():
        p.grad = None
    for name, buffer in model.named_buffers():
        buffer.copy_(before[name])
    return counter.get_total_flops() // len(x)


def throughput(model: nn.Module, x: Tensor, context: contextlib.AbstractContextManager[Any]) -> float:
    """Return images per second of inference: the median of at least three passes, half a second or so in all."""
    model.eval()
    times: list[float] = []
    with torch.inference_mode(), context:
        model(x)
        while len(times) < 3 or (sum(times) < 0.5 and len(times) < 50):
            _wait(x.device)
            start = time.perf_counter()
            model(x)
            _wait(x.device)
            times.append(time.perf_counter() - start)
    return len(x) / sorted(times)[len(times) // 2]


def merged(model: nn.Module, x: Tensor) -> tuple[nn.Module | None, float | None]:
    """Return a merged copy and the largest change of a logit relative to the largest logit, in fp32.

    (None, None) if something of the method is left to run after merging.
    """
    copy = deepcopy(model).eval()
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        before = copy(x)
        if not merge(copy):
            return None, None
        return copy, ((copy(x) - before).abs().max() / before.abs().max()).item()


class Meter:
    """Wall-clock seconds and peak memory of a `with` block.

    Peak memory is what CUDA allocated, or on a CPU the resident set of the process, reset at the start where the
    system allows it (Linux); `kind` says which.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds, self.peak_bytes, self.kind = device, 0.0, 0, "process_rss"
        self._seconds_aside = 0.0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[Meter]:
        """Measure the block."""
        self._forget_peak()
        gc.collect()  # what earlier runs of the process left behind is not this one's
        start = time.perf_counter()
        try:
            yield self
        finally:
            _wait(self.device)
            self.seconds = time.perf_counter() - start - self._seconds_aside
            self.peak_bytes = max(self.peak_bytes, _peak_bytes(self.device))

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Leave a part of the block out: neither its seconds nor its memory count."""
        _wait(self.device)
        start, self.peak_bytes = time.perf_counter(), max(self.peak_bytes, _peak_bytes(self.device))
        try:
            yield
        finally:
            _wait(self.device)
            self._forget_peak()
            self._seconds_aside += time.perf_counter() - start

    def _forget_peak(self) -> None:
        if self.device.type == "cuda":
            self.kind = "cuda_allocated"
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
