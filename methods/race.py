"""Scoring many candidates on the same images without finishing those that have lost.

A search asks of a candidate only whether it is among its best. So the images on which candidates so far failed most
often come first, and between looks a candidate is left if it would be behind the worst of the best even with all images
that it has not seen right and without loss. What a search keeps, and so what it breeds and finds, is what it would be
if every candidate saw every image; only figures of candidates that were left are bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Score

Outcomes = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Given the numbers of some images, (m,), whether a candidate is right about each and its losses, both (m,)."""
FEWEST = 1 / 4
"""The part of the images that a look is at, at least: what a device takes for few hardly falls with their number."""


def standing(score: Score) -> tuple[bool, float, float]:
    """Return a sort key, smallest for the best: higher accuracy, then lower loss; without a finite loss behind all."""
    accuracy, loss = score
    return (False, -accuracy, loss) if math.isfinite(loss) else (True, -accuracy, 0.0)


@dataclass
class Race:
    """The images and how hard they were so far.

    Attributes:
        seen: for each image, by how many candidates.
        failed: for each image, how many of these got it wrong.
    """

    seen: list[int]
    failed: list[int]

    @classmethod
    def of(cls, images: int) -> Race:
        """Return a race on this many images, of which nothing is known."""
        return cls([0] * images, [0] * images)

    @property
    def order(self) -> list[int]:
        """Return the images, those on which the largest part of the candidates failed first."""
        rates = [(failed + 1) / (seen + 2) for failed, seen in zip(self.failed, self.seen, strict=True)]
        return sorted(range(len(rates)), key=lambda image: -rates[image])

    def run(self, outcomes: Outcomes, bar: Score | None) -> tuple[Score, int]:
        """Score a candidate until it is sure to be behind `bar`; on all images, in their own order, if there is none.

        Returns:
            The score and the number of images seen; if these are not all, the best score that it could have had.
        """
        images = len(self.seen)
        order, fewest = self.order if bar else list(range(images)), math.ceil(FEWEST * images)
        losses: list[float] = []
        wrong, best = 0, Score(1.0, 0.0)
        while len(losses) < images and not (bar and standing(best) > standing(bar)):
            # with fewer further failures than these it is no worse than the bar
            more = max(images - wrong - round(bar.accuracy * images), fewest) if bar else images
            left = order[len(losses) :]
            shown = left if len(left) - more < fewest else left[:more]
            right, loss = outcomes(torch.tensor(shown))
            for image, hit in zip(shown, right.tolist(), strict=True):
                self.seen[image] += 1
                self.failed[image] += not hit
                wrong += not hit
            losses += loss.tolist()
            best = Score((images - wrong) / images, math.fsum(losses) / images)  # exact sums: losses only add to them
        return best, len(losses)
