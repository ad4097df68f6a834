"""The one training loop, and the job through which a method uses it. No method is named here."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from timm.layers import DropPath, PatchDropout
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import SGD, AdamW, Optimizer

from visionpeft.data.loader import Batches
from visionpeft.methods.base import Method, Score
from visionpeft.methods.surgery import heads

from .backbone import build
from .spec import Recipe, Run


class Diverged(RuntimeError):
    """The training loss became NaN or infinite."""


def pick_device(name: str) -> torch.device:
    """Return the named device; auto takes CUDA, else Apple's, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r} is not to be had here ({str(error).splitlines()[0]})") from None
    return device


def pick_precision(name: str, device: torch.device) -> str:
    """Return bf16 or fp32; auto takes bf16 where the device multiplies matrices in it natively."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu":
        return "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() and _native_bf16() else "fp32"
    return "fp32"


def _native_bf16() -> bool:
    capability = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capability.get("amx_bf16") or capability.get("avx512_bf16") or torch.cpu._is_amx_tile_supported())


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return the context in which a model runs at this precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def schedule(step: int, steps: int, warmup: int) -> float:
    """Return the factor on the learning rate at `step` (0, 1, ...): linear warm-up, then half a cosine down to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def make_optimizer(recipe: Recipe, groups: list[dict[str, Any]]) -> Optimizer:
    """Return the recipe's optimizer over a method's parameter groups."""
    if recipe.optimizer == "sgd":
        return SGD(groups, lr=recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay)
    return AdamW(groups, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)


@torch.no_grad()
def predict(model: nn.Module, batches: Batches, precision: str) -> tuple[Tensor, float]:
    """Return the predicted class of every example, shape (n,), and the mean cross-entropy."""
    model.eval()
    classes, loss = [], 0.0
    with autocast(precision, batches.device):
        for x, y in batches.iterate():
            logits = model(x).float()
            classes.append(logits.argmax(-1))
            loss += F.cross_entropy(logits, y, reduction="sum").item()
    return torch.cat(classes).cpu(), loss / len(batches)


class TrainingJob:
    """What a method is given to train with: a backbone, the training and validation images, the recipe.

    Test data is not in it, by construction: whoever makes a job hands over "train" and "val" alone.
    """

    def __init__(
        self,
        run: Run,
        data: dict[str, Batches],
        workspace: Path,
        *,
        on_epoch: Callable[[dict[str, Any]], None] = lambda row: None,
        compiled: bool = False,
    ) -> None:
        self.run, self.seed, self.workspace = run, run.seed, workspace
        self.device = data["train"].device
        self.precision = pick_precision(run.recipe.precision, self.device)
        self.curve: list[dict[str, Any]] = []
        self.notes: dict[str, Any] = {}
        self.seconds, self.images_per_second = 0.0, 0.0
        self._data, self._on_epoch, self._compiled = data, on_epoch, compiled
        self._base: nn.Module | None = None
        self._seen: WeakKeyDictionary[nn.Module, set[str]] = WeakKeyDictionary()

    def build(self, method: Method) -> nn.Module:
        """Return a fresh pretrained backbone with a new head, on the device, with `method` injected."""
        run = self.run
        if self._base is None:
            self._base = build(run.backbone, run.task.num_classes, run.recipe.drop_path, run.seed)
        model = deepcopy(self._base)
        torch.manual_seed(run.seed)
        method.inject(model)
        if self.device.type == "cpu" and self.precision == "bf16":
            _plain_attention(model)
        return model.to(self.device)

    def batches(self, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the (x, y) of a split once, in order."""
        return self._split(split).iterate(batch_size=self.run.recipe.batch_size)

    def note(self, name: str, value: object) -> None:
        """Keep a JSON-able value in the record."""
        self.notes[name] = value

    def validate(self, model: nn.Module) -> Score:
        """Score a model on the validation split; refuses one that was fitted on it."""
        if {"val", "trainval"} & self._seen.get(model, set()):
            raise ValueError("this model was fitted on the validation images; validate one fitted on split='train'")
        batches = self._split("val")
        classes, loss = predict(model, batches, self.precision)
        return Score((classes == batches.labels.cpu()).double().mean().item(), loss)

    def fit(
        self, model: nn.Module, method: Method, *, split: str | None = None, epochs: int | None = None
    ) -> nn.Module:
        """Train whatever requires a gradient and return `model`.

        With select=best_val, a fit on the recipe's own split ends with the weights of its best validation epoch
        (ties: the lower validation loss, then the earlier epoch).
        """
        recipe = self.run.recipe
        split, epochs = split or recipe.train_on, epochs or recipe.epochs
        selects = recipe.select == "best_val" and split == recipe.train_on
        self._seen.setdefault(model, set()).add(split)
        loop = _Loop(model, method, self._split(split), recipe, epochs, self.run.seed, self.precision, self._compiled)
        best: tuple[tuple[float, float], dict[str, Tensor]] | None = None
        for row in loop.epochs():
            if selects:
                score = self.validate(model)
                row |= {"val": score.accuracy, "val_loss": score.loss}
                rank = (score.accuracy, -score.loss)
                if best is None or rank > best[0]:
                    best = rank, {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
            self.curve.append({"phase": f"{split}", **row})
            self._on_epoch({**self.curve[-1], "epochs": epochs})
        if best is not None:
            model.load_state_dict(best[1], strict=False)
        self.seconds += sum(loop.seconds)
        self.images_per_second = loop.images_per_second
        return model

    def _split(self, name: str) -> Batches:
        if name not in self._data:
            raise ValueError(f"a method may read {', '.join(self._data)}, not {name!r}")
        return self._data[name]


class _Loop:
    """One call of fit: optimizer, schedule, order of images."""

    def __init__(
        self,
        model: nn.Module,
        method: Method,
        batches: Batches,
        recipe: Recipe,
        epochs: int,
        seed: int,
        precision: str,
        compiled: bool,
    ) -> None:
        self.model, self.method, self.recipe = model, method, recipe
        self.total, self.precision = epochs, precision
        self.batch_size = min(recipe.batch_size, len(batches))
        self.steps = len(batches) // self.batch_size
        self.warmup = round(recipe.warmup * self.steps)
        self.optimizer = make_optimizer(recipe, method.groups(model))
        self.order = torch.Generator().manual_seed(seed)
        self.seconds: list[float] = []
        torch.manual_seed(seed)
        self.learner: nn.Module = model
        self.batches = batches
        if _only_head_learns(model, method):
            self.learner, self.batches = _on_features(model, batches, precision)
        elif compiled:
            self.learner = torch.compile(model)  # type: ignore[assignment]

    def epochs(self) -> Iterator[dict[str, Any]]:
        """Run epoch after epoch, yielding its number, mean loss and last learning rate."""
        t = 0
        for epoch in range(self.total):
            start = time.perf_counter()
            self.model.train()
            losses, lr = [], 0.0
            order = torch.randperm(len(self.batches), generator=self.order)[: self.steps * self.batch_size]
            for x, y in self.batches.iterate(order, self.batch_size):
                lr = self._set_rate(t)
                losses.append(self._step(x, y, t))
                t += 1
            loss = torch.stack(losses).mean().item()  # the one synchronisation of an epoch
            self.seconds.append(time.perf_counter() - start)
            if not math.isfinite(loss):
                raise Diverged(f"the loss is {loss} in epoch {epoch + 1} of {self.total}")
            yield {"epoch": epoch + 1, "loss": loss, "lr": lr}

    @property
    def images_per_second(self) -> float:
        """Return the training rate over all epochs but the first."""
        steady = self.seconds[1:] or self.seconds
        return self.steps * self.batch_size * len(steady) / sum(steady)

    def _set_rate(self, t: int) -> float:
        rate = self.recipe.lr * schedule(t, self.total * self.steps, self.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)
        return rate

    def _step(self, x: Tensor, y: Tensor, t: int) -> Tensor:
        with autocast(self.precision, self.batches.device):
            loss = self.method.loss(self.learner, x, y)
        loss.backward()
        self.method.step(self.model, self.optimizer, t)
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()


def _plain_attention(model: nn.Module) -> None:
    """Let timm write attention out as matrix products: on CPUs torch's fused one is slow in bf16.

    Backward through 197 tokens, 3 heads of 64, batch 32, one core: 20 ms against 73 ms; the whole step of LoRA on a
    ViT-Ti/16 0.72 s against 1.38 s (torch 2.14).
    """
    for module in model.modules():
        if getattr(module, "fused_attn", False):
            module.fused_attn = False  # type: ignore[assignment]


def _only_head_learns(model: nn.Module, method: Method) -> bool:
    """Whether features can be computed once: one linear head learns, nothing before it is random, plain loss."""
    head = heads(model)
    if len(head) != 1 or not isinstance(head[0], nn.Linear) or type(method).loss is not Method.loss:
        return False
    own = set(head[0].parameters())
    return not any(p.requires_grad and p not in own for p in model.parameters()) and not any(
        _random(module) for module in model.modules()
    )


def _random(module: nn.Module) -> bool:
    """Whether a module may behave differently from one training step to the next; unknown kinds count as random."""
    if isinstance(module, (_DropoutNd,)):
        return module.p > 0
    if isinstance(module, DropPath):
        return (module.drop_prob or 0) > 0
    if isinstance(module, (PatchDropout, nn.modules.batchnorm._BatchNorm)):
        return True
    return type(module).__module__.partition(".")[0] not in ("torch", "timm")


@torch.no_grad()
def _on_features(model: nn.Module, batches: Batches, precision: str) -> tuple[nn.Module, Batches]:
    """Return the head alone, and what it sees of every image in the place of images."""
    model.eval()
    with autocast(precision, batches.device):
        found = [
            model.forward_head(model.forward_features(x), pre_logits=True).float()  # type: ignore[operator]
            for x, _ in batches.iterate()
        ]
    return heads(model)[0], batches.replaced(torch.cat(found))
