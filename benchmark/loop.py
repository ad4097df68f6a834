"""The one training loop. No method is named here."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import DropPath, PatchDropout
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import SGD, AdamW, Optimizer

from visionpeft.data.augment import Augmented
from visionpeft.data.loader import Batches
from visionpeft.methods.base import Method
from visionpeft.methods.surgery import foreign, heads

from .device import autocast
from .schedule import rate
from .spec import Recipe


class Diverged(RuntimeError):
    """The training loss became NaN or infinite."""


def make_optimizer(recipe: Recipe, groups: list[dict[str, Any]]) -> Optimizer:
    """Return the recipe's optimizer over a method's parameter groups."""
    if recipe.optimizer == "sgd":
        return SGD(groups, lr=recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay)
    return AdamW(groups, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)


def predict(model: nn.Module, batches: Batches, precision: str, images: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the predicted class and the cross-entropy of every example, or of some, both (n,), on the CPU."""
    (classes,), losses = predict_among(model, batches, precision, [None], images)
    return classes, losses


@torch.no_grad()
def predict_among(
    model: nn.Module, batches: Batches, precision: str, among: Sequence[Tensor | None], images: Tensor | None = None
) -> tuple[list[Tensor], Tensor]:
    """Return the predicted class of every example, shape (n,), once for each set of classes to choose from.

    Args:
        model: in any mode; left in eval mode.
        batches: what it sees.
        precision: bf16 or fp32.
        among: class numbers, ascending; None: all.
        images: positions of examples, (n,); None: all, in order.

    Returns:
        Predictions in the order of `among`, and the cross-entropy over all classes, (n,), on the CPU.
    """
    model.eval()
    chosen: list[list[Tensor]] = [[] for _ in among]
    losses, among = [], [None if own is None else own.to(batches.device) for own in among]
    with autocast(precision, batches.device):
        for x, y in batches.iterate(images):
            logits = model(x).float()
            for own, classes in zip(among, chosen, strict=True):
                classes.append(logits.argmax(-1) if own is None else own[logits[:, own].argmax(-1)])
            losses.append(F.cross_entropy(logits, y, reduction="none"))
    return [torch.cat(classes).cpu() for classes in chosen], torch.cat(losses).cpu()


@dataclass(frozen=True)
class Course:
    """How long and how a loop runs."""

    recipe: Recipe
    epochs: int
    seed: int
    precision: str
    compiled: bool = False


class Loop:
    """One call of fit: optimizer, schedule, order of images.

    Attributes:
        seconds: of each epoch; the first has the computing of features, where these are computed once.
        features_once: whether only a head learnt, from features computed once.
    """

    def __init__(self, model: nn.Module, method: Method, batches: Batches | Augmented, course: Course) -> None:
        recipe = course.recipe
        self.model, self.method, self.batches, self.course = model, method, batches, course
        self.learner: nn.Module = model
        self.batch_size = _even(len(batches), recipe) if recipe.mixes else min(recipe.batch_size, len(batches))
        self.steps = len(batches) // self.batch_size
        self.optimizer = make_optimizer(recipe, method.groups(model))
        self.order = torch.Generator().manual_seed(course.seed)
        self.seconds: list[float] = []
        self.features_once = not batches.random and _only_head_learns(model, method)
        torch.manual_seed(course.seed)

    def epochs(self) -> Iterator[dict[str, Any]]:
        """Run epoch after epoch, yielding its number, mean loss and last learning rate."""
        start = time.perf_counter()
        if self.features_once:
            assert isinstance(self.batches, Batches)
            self.learner, self.batches = _on_features(self.model, self.batches, self.course.precision)
        elif self.course.compiled:
            torch._dynamo.reset()  # forget the graphs of earlier runs, of which dynamo keeps eight
            self.learner = torch.compile(self.model)  # type: ignore[assignment]
        for epoch in range(self.course.epochs):
            loss, lr = self._epoch(epoch)
            self.seconds.append(time.perf_counter() - start)
            if not math.isfinite(loss):
                raise Diverged(f"the loss is {loss} in epoch {epoch + 1} of {self.course.epochs}")
            yield {"epoch": epoch + 1, "loss": loss, "lr": lr}
            start = time.perf_counter()

    @property
    def images_per_second(self) -> float:
        """Return the training rate: without the first epoch, but with the one computing of features."""
        steady = self.seconds if self.features_once else self.seconds[1:] or self.seconds
        return self.steps * self.batch_size * len(steady) / sum(steady)

    def _epoch(self, epoch: int) -> tuple[float, float]:
        """Return the mean loss and the last learning rate."""
        self.model.train()
        losses, lr, t = [], 0.0, epoch * self.steps
        order = torch.randperm(len(self.batches), generator=self.order)[: self.steps * self.batch_size]
        for x, y in self.batches.iterate(order, self.batch_size):
            lr = self._set_rate(t)
            losses.append(self._step(x, y, t))
            t += 1
        return torch.stack(losses).mean().item(), lr  # the one synchronisation of an epoch

    def _set_rate(self, t: int) -> float:
        now = rate(self.course.recipe, t, self.course.epochs, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = now * group.get("lr_scale", 1.0)
        return now

    def _step(self, x: Tensor, y: Tensor, t: int) -> Tensor:
        with autocast(self.course.precision, self.batches.device):
            loss = self.method.loss(self.learner, x, y)
        loss.backward()
        self.method.step(self.model, self.optimizer, t, self.course.epochs * self.steps)
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()


def _even(images: int, recipe: Recipe) -> int:
    """Return a batch size that leaves no image without a partner to be mixed with."""
    if images < 2:
        raise ValueError("mixup and cutmix need two training images, there is one; add mixup=0 cutmix=0")
    return min(recipe.batch_size, images - images % 2)


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
    """Whether a module may behave differently from one training step to the next; a method's own count as random."""
    if isinstance(module, _DropoutNd):
        return module.p > 0
    if isinstance(module, DropPath):
        return (module.drop_prob or 0) > 0
    return isinstance(module, (PatchDropout, _BatchNorm)) or foreign(module)


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
