"""What a run is made of: frozen values, read from plain mappings and checked on the way in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from visionpeft.data.augment import Augmentation
from visionpeft.data.task import Task
from visionpeft.methods.base import Method

from .trial import Chosen


@dataclass(frozen=True)
class Backbone:
    """A pretrained timm model and how images are shown to it; None means the model's own setting.

    Attributes:
        name: what tables call it.
        model: timm model name.
        weights: "hub" (timm's own download), a file (.safetensors, .npz, .pth), "pkg://package/file", or "none".
        model_args: further arguments of `timm.create_model`.
        img_size: side of the square input; position embeddings are resampled to it.
        mean, std: normalisation of images in [0, 1].
        interpolation: bicubic, bilinear or lanczos, with antialias; tf1_bilinear or tf2_bilinear, without.
        normalisation: mean and std by name, imagenet or unit (images stay in [0, 1]); backbone: those given above.
        resize: side of a square to which images are resized before the middle of img_size is cut out; None: img_size.
        jpeg: quality at which images are re-encoded as JPEG (4:2:0) at their own size, before all else; None: never.
    """

    name: str
    model: str
    weights: str = "hub"
    model_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    img_size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    interpolation: str | None = None
    normalisation: Literal["backbone", "imagenet", "unit"] = "backbone"
    resize: int | None = None
    jpeg: int | None = None

    def __post_init__(self) -> None:
        if self.img_size is not None and self.img_size < 1:
            raise ValueError(f"img_size must be above 0, got {self.img_size}")
        for name in ("mean", "std"):
            value = getattr(self, name)
            if value is not None and len(value) != 3:
                raise ValueError(f"{name} needs three numbers, got {value}")
        if owned := {"checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "num_classes"} & set(
            self.model_args
        ):
            raise ValueError(f"model_args must not set {', '.join(sorted(owned))}; weights and task say that")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {self.std}")
        if self.normalisation != "backbone" and (self.mean or self.std):
            raise ValueError(f"normalisation={self.normalisation} says mean and std; give it or them, not both")


@dataclass(frozen=True)
class Recipe(Augmentation):
    """How whatever requires a gradient is trained; the fields of an augmentation are fields of it.

    Attributes:
        name: what tables call it.
        optimizer: adamw or sgd (momentum .9).
        lr: peak learning rate.
        schedule: step: linear warm-up from 0 over `warmup` epochs, then cosine to 0, both per step; epoch: one rate per
            epoch, from warmup_lr up and down to min_lr; timm_epoch: the same, but the cosine counts from epoch 0 on.
        warmup_lr, min_lr: where a schedule by epoch starts and what it comes down to.
        lag: epochs by which a schedule by epoch is late: 1 where it is stepped after an epoch with that epoch's number.
        head_init: trunc_normal (.02, bias 0), linear (PyTorch's default), or kaiming (fan out, bias -log 99).
        weight_decay: decoupled for adamw.
        epochs: passes over the training split.
        warmup: epochs of warm-up; may be fractional.
        batch_size: images per step; an incomplete last batch is left out, as everybody on VTAB-1k does.
        drop_path: stochastic depth rate of the backbone's last block, growing linearly with depth.
        precision: bf16 (autocast), fp32, or auto: bf16 where the device is fast at it.
        select: "last" (the last epoch is the result) or "best_val" (the epoch with the best validation accuracy).
        train_on: "trainval" (VTAB: 800 + 200) or "train"; best_val needs "train".
    """

    name: str
    lr: float
    weight_decay: float
    epochs: int
    optimizer: Literal["adamw", "sgd"] = "adamw"
    warmup: float = 10
    batch_size: int = 64
    drop_path: float = 0.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    select: Literal["last", "best_val"] = "last"
    train_on: Literal["trainval", "train"] = "trainval"
    schedule: Literal["step", "epoch", "timm_epoch"] = "step"
    warmup_lr: float = 0.0
    min_lr: float = 0.0
    lag: int = 0
    head_init: Literal["trunc_normal", "linear", "kaiming"] = "trunc_normal"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("lr", "epochs", "batch_size"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("weight_decay", "warmup", "warmup_lr", "min_lr", "lag"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.warmup >= self.epochs:
            raise ValueError(
                f"warmup ({self.warmup:g}) must be below epochs ({self.epochs}); give warmup={self.epochs // 10}"
            )
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path must lie in [0, 1), got {self.drop_path}")
        if self.select == "best_val" and self.train_on != "train":
            raise ValueError(
                "select=best_val chooses on the validation images, so it cannot train on them: "
                "add recipe.train_on=train, or use select=last"
            )
        if self.schedule == "step" and (self.warmup_lr or self.min_lr or self.lag):
            raise ValueError(
                "warmup_lr, min_lr and lag belong to a schedule by epoch: add schedule=timm_epoch or epoch"
            )
        if self.mixes and self.batch_size % 2:
            raise ValueError(f"mixup and cutmix mix images in pairs: batch_size must be even, got {self.batch_size}")


@dataclass(frozen=True)
class Preset:
    """A repository's released runs, as far as ours restate them.

    Attributes:
        name: what tables call it.
        methods: those it trained, by our names.
        model: the timm name of its weights.
        data: the images it read: noah-jpeg (NOAH's JPEG export) or tfds.
        selected: what its figures were chosen on.
        rule: by which rule its figures were chosen, as `reports/rules.py` calls it; empty: that is not known.
        lacks: settings that its figures had and that are not restated, so that no run can repeat them.
        otherwise: what a run under the preset still does otherwise, though that hardly matters.
    """

    name: str
    methods: tuple[str, ...]
    model: str
    data: Literal["noah-jpeg", "tfds"]
    selected: str
    rule: Literal["", "last", "oracle", "oracle_every_10"] = ""
    lacks: str = ""
    otherwise: str = ""


@dataclass(frozen=True)
class Run:
    """One method on one task with one seed: everything that can move its number.

    `label` is the row's name in tables, `overrides` the command line it came from, None if a script made it;
    `per_task` says on what published per-task settings were chosen ("test", "val200"), if they were asked for; `preset`
    is whose protocol it restates, and `chosen` what a study of ours chose. `oracle` moves no number: it has every epoch
    of the final fit scored on the test images too, after training, for a diagnostic beside the result.
    """

    method_name: str
    method: Method
    task: Task
    recipe: Recipe
    backbone: Backbone
    seed: int
    label: str
    overrides: tuple[str, ...] | None = None
    per_task: str = ""
    preset: Preset | None = None
    chosen: Chosen | None = None
    oracle: bool = False

    def __post_init__(self) -> None:
        warmup = self.recipe.warmup
        short = [f"{name} ({epochs})" for name, epochs in self.method.lengths().items() if epochs <= warmup]
        if short:
            raise ValueError(
                f"warmup ({warmup:g}) must be below {' and '.join(short)}; give less of it, or more epochs"
            )


@dataclass(frozen=True)
class Options:
    """How and where runs are executed. Beyond rounding only the data can move a number, and records say what it was.

    Attributes:
        data: folder that holds the data sets, or None.
        source: which of a task's sources to read; None takes the first one present.
        runs: where records go.
        cache: where decoded images go.
        device: auto, cpu, cuda, cuda:1, mps.
        compile: run the training step through torch.compile.
        save: keep the adapter (safetensors and yaml) beside the record.
        retry: run again what failed before.
        available: leave out tasks whose data is missing instead of refusing to start.
        dry: list the runs and stop.
        wandb: disabled, offline or online.
        tensorboard: write event files below `runs`.
        suite_sizes: {suite: {group: number of its tasks}} as the configuration folder has them.
    """

    data: Path | None
    source: str | None
    runs: Path
    cache: Path
    device: str = "auto"
    compile: bool = False
    save: bool = False
    retry: bool = False
    available: bool = False
    dry: bool = False
    wandb: Literal["disabled", "offline", "online"] = "disabled"
    tensorboard: bool = False
    suite_sizes: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
