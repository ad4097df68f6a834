"""Training images augmented anew in every epoch by timm; validation and test images never are.

timm's transforms draw from the generators of the whole process (random, numpy, torch), which threads would share. Here
each image has a seed of its own, made of the run's, the epoch and its place in it: the generators are set to it while
the image is transformed, and put back afterwards. So a run sees the same images whenever it is repeated, transformed
here or in worker processes, and whatever else draws random numbers draws what it would have drawn.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from timm.data import Mixup, create_transform
from timm.data.auto_augment import posterize, rand_augment_transform
from timm.data.mixup import mixup_target
from torch import Tensor

from .decode import PIL_FILTERS, opened
from .loader import Batches
from .task import DataError
from .workers import ahead, processes


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is done to training images and labels; all off by default.

    Attributes:
        crop: smallest share of its area that a random crop of the original image keeps (timm: 0.08), resized to the
            input size; 0: no crop, the image as it is shown in evaluation.
        flip: probability of mirroring left and right.
        rand_augment: RandAugment in timm's notation, such as rand-m9-mstd0.5-inc1.
        color_jitter: strength for brightness, contrast and saturation; timm leaves it out beside RandAugment.
        erasing: probability of filling a random rectangle with noise.
        mixup, cutmix: alpha of the Beta distribution; with both, each batch takes either with probability 1/2.
        label_smoothing: share of a label that is spread over all classes.
    """

    crop: float = 0.0
    flip: float = 0.0
    rand_augment: str | None = None
    color_jitter: float = 0.0
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        for name in ("crop", "flip", "erasing"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("color_jitter", "mixup", "cutmix"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {self.label_smoothing}")
        if self.rand_augment is not None:
            _check(self.rand_augment)

    @property
    def changes_images(self) -> bool:
        """Whether single images are changed."""
        return bool(self.crop or self.flip or self.rand_augment or self.color_jitter or self.erasing)

    @property
    def mixes(self) -> bool:
        """Whether images of a batch are mixed in pairs, which takes an even number of them."""
        return bool(self.mixup or self.cutmix)

    @property
    def augments(self) -> bool:
        """Whether anything is done at all."""
        return self.changes_images or self.mixes or bool(self.label_smoothing)


def _check(text: str) -> None:
    try:
        if not text.startswith("rand"):
            raise ValueError
        rand_augment_transform(text, {"translate_const": 100, "img_mean": (128,) * 3})
    except (AssertionError, KeyError, ValueError):
        raise ValueError(f"rand_augment: timm cannot read {text!r}, expected such as rand-m9-mstd0.5-inc1") from None


@dataclass(frozen=True)
class View:
    """How one image is turned into one that is learnt from: a value that goes to worker processes.

    Attributes:
        augmentation: what is done to it.
        size: side of the square that comes out.
        interpolation: of crops and rotations: bicubic, bilinear or lanczos.
        mean, std: of the normalisation.
        jpeg: quality of a JPEG that an original is first re-encoded as.
        upright: whether an original is turned as its EXIF orientation says.
    """

    augmentation: Augmentation
    size: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    jpeg: int | None = None
    upright: bool = False

    def __post_init__(self) -> None:
        if self.augmentation.changes_images and self.interpolation not in PIL_FILTERS:
            raise DataError(
                f"interpolation {self.interpolation!r} cannot augment images; it takes {', '.join(PIL_FILTERS)}"
            )

    def __call__(self, data: bytes | np.ndarray, seed: int) -> np.ndarray:  # -> float32 (3, size, size)
        """Return an image, given encoded or as an array, as one draw of the augmentation shows it, normalised."""
        image = opened(data, self.jpeg, self.upright)
        with seeded(seed):
            return _transform(self)(image).numpy()


@lru_cache(maxsize=8)
def _transform(view: View) -> Callable[..., Tensor]:
    change = view.augmentation
    transform = create_transform(
        view.size,
        is_training=True,
        scale=(change.crop or 1.0, 1.0),
        ratio=(3 / 4, 4 / 3) if change.crop else (1.0, 1.0),
        hflip=change.flip,
        color_jitter=change.color_jitter,
        auto_augment=change.rand_augment,
        interpolation=view.interpolation,
        mean=view.mean,
        std=view.std,
        re_prob=change.erasing,
        re_mode="pixel",
    )
    for step in transform.transforms:
        for op in getattr(step, "ops", ()):
            op.aug_fn = _posterize if op.aug_fn is posterize else op.aug_fn
    return transform


def _posterize(image: Image.Image, bits: int, **_: object) -> Image.Image:
    """Keep some bits of each channel; none, timm's strongest, Pillow made black before version 13 and refuses since."""
    return posterize(image, bits) if bits else Image.new(image.mode, image.size)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Set the generators of this process to a seed below 2**32, and back to where they were at the end."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would also set those of the devices
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


class Augmented:
    """The images of one split as they are learnt from: another draw of the augmentation in each pass over them.

    Attributes:
        device, labels: those of the plain batches.
        random: True: an image differs from one pass to the next.
    """

    random = True

    def __init__(
        self,
        batches: Batches,
        view: View,
        read: Callable[[int], bytes | np.ndarray],
        num_classes: int,
        seed: int,
    ) -> None:
        """Augment `batches` by `view`, whose images are those that `read` gives by number."""
        self.device, self.labels = batches.device, batches.labels
        self._plain, self._view, self._read, self._classes, self._seed = batches, view, read, num_classes, seed
        self._passes = 0
        change = view.augmentation
        self._workers = processes(self.device) if change.changes_images else None
        self._mixup = Mixup(
            change.mixup, change.cutmix, label_smoothing=change.label_smoothing, num_classes=num_classes
        )

    def __len__(self) -> int:
        return len(self.labels)

    def iterate(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield x (batch, 3, height, width) and y, (batch,) or (batch, classes) where labels are mixed or smoothed.

        Args:
            order: indices, shape (m,), on the CPU.
            batch_size: even, where images are mixed.
        """
        self._passes += 1
        changed = self._view.augmentation.changes_images
        images = self._changed(order, batch_size) if changed else self._plain.iterate(order, batch_size)
        for step, (x, y) in enumerate(images):
            yield self._mixed(x, y, self._draw(0, step))

    def _changed(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        tasks = ((self._read(i), self._draw(1, place)) for place, i in enumerate(order.tolist()))
        images = ahead(self._workers, self._view, tasks) if self._workers else (self._view(*task) for task in tasks)
        for index in order.split(batch_size):
            x = torch.from_numpy(np.stack([next(images) for _ in range(len(index))]))
            yield x.to(self.device), self.labels.index_select(0, index.to(self.device))

    def _mixed(self, x: Tensor, y: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        augmentation = self._view.augmentation
        if augmentation.mixes:
            with seeded(seed):
                return self._mixup(x, y)
        if augmentation.label_smoothing:
            return x, mixup_target(y, self._classes, 1.0, augmentation.label_smoothing)
        return x, y

    def _draw(self, *place: int) -> int:
        """Return a seed that no other image or batch of this run has but by chance."""
        return _number((self._seed, self._passes, *place))


def _number(place: Sequence[int]) -> int:
    return int(np.random.SeedSequence(place).generate_state(1)[0])
