"""The job: all that a method is given to train with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from visionpeft.data.augment import Augmented
from visionpeft.data.loader import Batches
from visionpeft.data.task import Split
from visionpeft.methods.base import Method, Score

from . import kept
from .backbone import build, view
from .cost import SAMPLE, flops_of_step
from .device import pick_precision, write_out_attention
from .kept import Epochs
from .loop import Course, Loop, predict
from .spec import Run

SAW_VALIDATION = "_fitted_on_validation"
"""An attribute of a fitted model, so that its copies carry it too."""


class TrainingJob:
    """A backbone, the training and validation images, the recipe.

    Test data is not in it: whoever makes a job hands over "train", "val" and "trainval", and the run it knows has lost
    the sources and targets of its task. A recipe that crops also needs the undecoded originals of what is trained on.

    Attributes:
        curve: a row per epoch of each fit.
        phases: a row per fit: split, epochs, seconds, images per second, FLOPs of a step per image.
        notes: what the method wanted kept.
        variants: further models, to be scored beside the result.
        epochs: where the run asks for the oracle, the weights of every epoch of each fit on the recipe's own split.
        aside: a context for what is no part of training, and so of its cost.
        seconds_before: that earlier, interrupted starts of this run have spent on what is kept of them.
    """

    def __init__(
        self,
        run: Run,
        data: dict[str, Batches],
        workspace: Path,
        *,
        originals: Mapping[str, Split] = MappingProxyType({}),
        on_epoch: Callable[[dict[str, Any]], None] = lambda row: None,
        on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        on_word: Callable[[str], None] = lambda text: None,
        compiled: bool = False,
        watch: bool = False,
    ) -> None:
        self.run = dataclasses.replace(run, task=dataclasses.replace(run.task, sources=(), targets=()))
        self.seed, self.workspace, self.compiled, self._watch = run.seed, workspace, compiled, watch
        self.device = data["train"].device
        self.precision = pick_precision(run.recipe.precision, self.device)
        self.curve: list[dict[str, Any]] = []
        self.phases: list[dict[str, Any]] = []
        self.notes: dict[str, Any] = {}
        self.variants: dict[str, nn.Module] = {}
        self.epochs: list[Epochs] = []
        self.aside: Callable[[], AbstractContextManager[Any]] = nullcontext
        self.seconds_before = 0.0
        self.progress, self.say = on_progress, on_word
        self._data, self._originals, self._on_epoch = data, originals, on_epoch
        self._base: nn.Module | None = None

    def build(self, method: Method) -> nn.Module:
        """Return a fresh pretrained backbone with a new head, on the device, with `method` injected."""
        run = self.run
        if self._base is None:
            self._base = build(run.backbone, run.task.num_classes, run.recipe.drop_path, run.seed, run.recipe.head_init)
        model = deepcopy(self._base)
        torch.manual_seed(run.seed)
        method.inject(model)
        if self.device.type == "cpu" and self.precision == "bf16":
            write_out_attention(model)
        return model.to(self.device)

    def batches(self, split: str | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the (x, y) of a split once, in order; the recipe's own split by default."""
        return self._split(split or self.run.recipe.train_on).iterate(batch_size=self.run.recipe.batch_size)

    def note(self, name: str, value: object) -> None:
        """Keep a JSON-able value in the record."""
        self.notes[name] = value

    def also(self, name: str, model: nn.Module) -> None:
        """Have a further model scored when all is trained."""
        self.variants[name] = model

    def spent(self, seconds: float) -> None:
        """Count time of an earlier, interrupted start of this run."""
        self.seconds_before += seconds

    def validate(self, model: nn.Module) -> Score:
        """Score a model on the validation split; refuses one that was fitted on it."""
        batches = self._unseen(model)
        classes, losses = predict(model, batches, self.precision)
        return Score((classes == batches.labels.cpu()).double().mean().item(), losses.mean().item())

    def outcomes(self, model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return whether some validation images are classified rightly, and their losses."""
        batches = self._unseen(model)
        classes, losses = predict(model, batches, self.precision, images)
        return classes == batches.labels.cpu()[images], losses

    def _unseen(self, model: nn.Module) -> Batches:
        """Return the validation split, which this model was not fitted on."""
        if getattr(model, SAW_VALIDATION, False):
            raise ValueError("this model was fitted on the validation images; validate one fitted on split='train'")
        return self._split("val")

    def fit(
        self,
        model: nn.Module,
        method: Method,
        *,
        split: str | None = None,
        epochs: int | None = None,
        keep: str | None = None,
    ) -> nn.Module:
        """Train whatever requires a gradient and return `model`.

        With select=best_val, a fit on the recipe's own split (none given) ends with the weights of its best validation
        epoch; ties: the lower validation loss, then the earlier epoch. With `keep` the outcome is kept in the
        workspace, and taken from there when the run is started again.
        """
        file, recipe, own = self.workspace / f"{keep}.safetensors", self.run.recipe, split is None
        split, epochs = split or recipe.train_on, epochs or recipe.epochs
        self._check(split, epochs)
        setattr(model, SAW_VALIDATION, getattr(model, SAW_VALIDATION, False) or split != "train")
        phase = f"{len(self.phases) + 1} {split}"
        if own and self.run.oracle:
            self.epochs.append(Epochs.begin(self.workspace / f"epochs of {phase}", phase, model, epochs))
        if keep and self._restore(file, model):
            return model
        course = Course(recipe, epochs, self.run.seed, self.precision, self.compiled)
        loop = Loop(model, method, self._learnt(split), course)
        for row in self._own(loop) if own else loop.epochs():
            self.curve.append({"phase": phase, **row})
            self._on_epoch({**self.curve[-1], "epochs": epochs})
        self.phases.append(self._phase(model, method, split, loop))
        if keep:
            kept.keep(file, model, {"curve": self.curve[-epochs:], "phase": self.phases[-1]})
        return model

    def _own(self, loop: Loop) -> Iterator[dict[str, Any]]:
        """Yield the epochs of a fit on the recipe's own split, and end it as the selection rule says."""
        selects, best = self.run.recipe.select == "best_val", _Best()
        watched = self._watch and self.run.recipe.train_on == "train"
        for row in loop.epochs():
            if selects or watched:
                score = self.validate(loop.model)
                row |= {"val": score.accuracy, "val_loss": score.loss}
            if selects:
                best.keep(loop.model, score)
            if self.run.oracle:
                with self.aside():
                    self.epochs[-1].keep(loop.model, row["epoch"])
            yield row
        if selects:
            loop.model.load_state_dict(best.weights, strict=False)

    def _restore(self, file: Path, model: nn.Module) -> bool:
        """Take a finished fit from the workspace; False if there is none."""
        seen = kept.restore(file, model)
        if seen is None:
            return False
        self.curve += seen["curve"]
        self.phases.append(seen["phase"])
        self.spent(seen["phase"]["seconds"])
        return True

    def _check(self, split: str, epochs: int) -> None:
        recipe = self.run.recipe
        if recipe.train_on == "train" and split != "train":
            raise ValueError(f"the recipe trains on train alone, so a method may not fit on {split}")
        if recipe.warmup >= epochs:
            raise ValueError(f"{epochs} epochs with {recipe.warmup:g} of warm-up; give recipe.warmup below the epochs")

    def _phase(self, model: nn.Module, method: Method, split: str, loop: Loop) -> dict[str, Any]:
        x, y = next(self.batches("train"))
        return {
            "split": split,
            "epochs": len(loop.seconds),
            "seconds": sum(loop.seconds),
            "images_per_second": loop.images_per_second,
            "flops_per_image": flops_of_step(model, method, x[:SAMPLE], y[:SAMPLE]),
            "features_once": loop.features_once,
        }

    def _learnt(self, name: str) -> Batches | Augmented:
        """Return a split as it is learnt from."""
        recipe, plain = self.run.recipe, self._split(name)
        if not recipe.augments:
            return plain
        original = self._originals[name] if recipe.crop else None
        seen = view(self.run.backbone, recipe, original is not None and original.upright)
        read = plain.image if original is None else original.read
        return Augmented(plain, seen, read, self.run.task.num_classes, self.seed)

    def _split(self, name: str) -> Batches:
        if name not in self._data:
            raise ValueError(f"a method may read {', '.join(self._data)}, not {name!r}")
        return self._data[name]


class _Best:
    """The weights of the best epoch so far."""

    def __init__(self) -> None:
        self.rank: tuple[float, float] | None = None
        self.weights: dict[str, Tensor] = {}

    def keep(self, model: nn.Module, score: Score) -> None:
        """Remember what the fit may have changed, if this score is better than all before."""
        rank = (score.accuracy, -score.loss)
        if self.rank is None or rank > self.rank:
            self.rank = rank
            self.weights = {name: t.detach().clone() for name, t in kept.learnt(model).items()}
