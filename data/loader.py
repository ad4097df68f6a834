"""Batches on the device: uint8 pixels in, normalised float32 out, no worker processes and no copy on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .enlarge import enlarge, enlarge_array

SHARE = 0.25
"""Images stay on a CUDA device if they take up at most this part of its free memory; else they are streamed."""
BLOCK = 512
"""Images per copy when a set moves to the device."""
CACHED = 2**19
"""Bytes of normalised images that surely stay in a processor's cache."""


class Batches:
    """The images and labels of one split, served in any order.

    Attributes:
        device: where batches are made.
        labels: int64, shape (n,), on the device.
        random: False: an image looks the same each time.
    """

    random = False

    def __init__(
        self,
        pixels: np.ndarray,
        labels: np.ndarray,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device,
    ) -> None:
        """Take uint8 pixels (n, height, width, 3) and labels (n,); mean and std are on the scale of [0, 1]."""
        if len(pixels) != len(labels):
            raise ValueError(f"{len(pixels)} images and {len(labels)} labels, expected as many of each")
        self.device = torch.device(device)
        self.labels = torch.as_tensor(np.array(labels, np.int64), device=self.device)
        self._pixels = pixels
        self._features: Tensor | None = None
        self._larger: tuple[int, str] | None = None
        middle, spread = np.reshape(mean, (-1, 1, 1)), np.reshape(std, (-1, 1, 1))
        self._scale = torch.tensor(1 / (255 * spread), dtype=torch.float32, device=self.device)
        self._shift = torch.tensor(-middle / spread, dtype=torch.float32, device=self.device)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, i: int) -> np.ndarray:
        """Return the pixels of one image, uint8, shape (height, width, 3)."""
        return self._pixels[i]

    def enlarged(self, size: int, interpolation: str) -> Batches:
        """Return the same images, but served with `size` pixels a side, as PIL enlarges them, if they have fewer."""
        new = object.__new__(Batches)
        larger = (size, interpolation) if self._pixels.shape[1] < size else None
        new.__dict__.update(self.__dict__ | {"_larger": larger})
        return new

    def replaced(self, features: Tensor) -> Batches:
        """Return the same labels with `features` (n, ...), which are served as they are, in the images' place."""
        if len(features) != len(self):
            raise ValueError(f"{len(features)} features for {len(self)} images")
        new = object.__new__(Batches)
        new.__dict__.update(self.__dict__ | {"_features": features.to(self.device)})
        return new

    def iterate(
        self,
        order: Tensor | None = None,
        batch_size: int = 128,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield x (batch, 3, height, width), normalised, and y (batch,), on the device.

        Args:
            order: indices, shape (m,), on the CPU; every example once, in order, if absent.
            batch_size: the last batch holds what is left.
        """
        order = torch.arange(len(self)) if order is None else order
        if not len(order):
            return
        there = order.to(self.device).split(batch_size)  # one copy an epoch, not one a batch
        held = self._features if self._features is not None else self._resident
        images = self._held(held, there) if held is not None else self._fetched(order.split(batch_size))
        for x, index in zip(images, there, strict=True):
            yield x, self.labels.index_select(0, index)

    def _held(self, held: Tensor, chunks: Sequence[Tensor]) -> Iterator[Tensor]:
        for index in chunks:
            x = held.index_select(0, index)
            yield x if x.is_floating_point() else self._normalised(x)

    def _fetched(self, chunks: Sequence[Tensor]) -> Iterator[Tensor]:
        if self.device.type == "cpu":
            for index in chunks:
                yield self._from_cpu(index.numpy())
        else:
            yield from self._streamed(chunks)

    def _normalised(self, x: Tensor) -> Tensor:  # uint8 (b, 3, h, w) -> float32, enlarged
        x = enlarge(x, *self._larger) if self._larger else x
        return torch.addcmul(self._shift, x, self._scale)

    def _from_cpu(self, index: np.ndarray) -> Tensor:
        """Normalise a few images at a time, so that what lies between stays in the processor's cache."""
        scale, shift = self._scale.numpy(), self._shift.numpy()
        pixels = self._pixels
        if self._larger:
            pixels, index = enlarge_array(pixels[index], *self._larger), np.arange(len(index))
        height, width, channels = pixels.shape[1:]
        x = np.empty((len(index), channels, height, width), np.float32)
        few = max(1, CACHED // x[:1].nbytes)
        for start in range(0, len(index), few):
            part = x[start : start + few]
            np.multiply(pixels[index[start : start + few]].transpose(0, 3, 1, 2), scale, out=part)
            np.add(part, shift, out=part)
        return torch.from_numpy(x)

    @cached_property
    def _resident(self) -> Tensor | None:
        """The pixels on the device, planes first, if they fit."""
        if self.device.type != "cuda" or self._pixels.nbytes > SHARE * torch.cuda.mem_get_info(self.device)[0]:
            return None
        n, height, width, channels = self._pixels.shape
        held = torch.empty((n, channels, height, width), dtype=torch.uint8, device=self.device)
        for start in range(0, n, BLOCK):
            block = torch.from_numpy(np.array(self._pixels[start : start + BLOCK]))
            held[start : start + BLOCK] = block.to(self.device).permute(0, 3, 1, 2)
        return held

    def _streamed(self, chunks: Sequence[Tensor]) -> Iterator[Tensor]:
        """Read one batch ahead in a thread, into pinned memory, while the device works on the one before."""
        with ThreadPoolExecutor(1) as pool:
            ahead = [pool.submit(self._gather, index) for index in chunks[:1]]
            for following in range(1, len(chunks) + 1):
                x = ahead.pop().result()
                ahead = [pool.submit(self._gather, index) for index in chunks[following : following + 1]]
                x = x.to(self.device, non_blocking=True)
                yield self._normalised(x.permute(0, 3, 1, 2).contiguous())

    def _gather(self, index: Tensor) -> Tensor:
        pinned = self.device.type == "cuda"
        x = torch.empty((len(index), *self._pixels.shape[1:]), dtype=torch.uint8, pin_memory=pinned)
        np.take(self._pixels, index.numpy(), axis=0, out=x.numpy(), mode="clip")  # other modes buffer the output
        return x
