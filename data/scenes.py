"""The rendered tasks of the suite `mini`: what each class looks like, (draws, labels) -> (n, 32, 32, 3) uint8.

Each follows the spirit of a task of VTAB: fine-grained animals, histology, aerial images, CLEVR, dSprites. What does
not tell the class (place, size, colours, clutter, noise) varies freely, and the classes' ranges overlap a little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .render import (
    PIXEL,
    TURN,
    Draws,
    Field,
    backdrop,
    blend,
    box,
    canvas,
    clouds,
    colours,
    contrasting,
    cover,
    disc,
    ellipse,
    frame,
    grain,
    polygon,
    sin,
    stroke,
    turned,
    wide,
)


@dataclass(frozen=True)
class Scene:
    """A rendered task: how to paint it, how many classes it has, what its random numbers start from."""

    paint: Callable[[Draws, np.ndarray], np.ndarray]
    classes: int
    seed: int


BREEDS = np.array(
    # body half length, body radius, leg, head radius, neck, ear, pointed ears, tail, tail's angle
    [
        [300, 190, 230, 150, 120, 90, 1, 300, 380],
        [420, 150, 110, 140, 130, 150, 0, 330, 420],
        [260, 170, 330, 120, 260, 110, 1, 120, 600],
        [330, 250, 150, 190, 60, 70, 0, 90, 470],
        [280, 150, 260, 130, 160, 260, 1, 130, 350],
        [380, 190, 200, 130, 90, 120, 0, 420, 560],
        [340, 160, 190, 170, 140, 170, 1, 400, 330],
        [280, 210, 130, 160, 190, 120, 1, 260, 540],
    ],
    np.int32,
)


def creatures(draws: Draws, labels: np.ndarray) -> np.ndarray:
    """Eight breeds of a four-legged animal, seen from the side, that differ in their proportions."""
    count = len(labels)
    ground = colours(draws, count, 0, 255)
    image = backdrop(draws, ground, 80)
    size = draws.within(180, 300, count, 1)
    parts = BREEDS[labels] * draws.within(210, 302, count, BREEDS.shape[1]) >> 8
    length, girth, leg, head, neck, ear, _, tail, _ = (parts * size >> 8).T
    facing, tilt = draws.within(0, 1, count) * 2 - 1, draws.within(-60, 60, count)
    x, y = draws.within(13 * PIXEL, 19 * PIXEL, count), draws.within(13 * PIXEL, 19 * PIXEL, count)

    def at(u: np.ndarray, v: np.ndarray) -> Field:
        across, down = turned(u * facing, v, tilt)
        return x + across, y + down

    thin = np.maximum(girth * 2 // 5, 40)
    face = (length + neck, -girth - neck // 2)
    wag = turned(tail, tail * 0, parts[:, 8])
    gait = zip((-length, -length * 3 // 4, length * 3 // 4, length), draws.within(-70, 70, 4, count), strict=True)
    limbs = [stroke(at(u, girth // 2), at(u + swing, girth + leg), thin) for u, swing in gait]
    limbs += [
        stroke(at(-length, -girth // 3), at(wag[0] - length, -abs(wag[1]) - girth // 3), thin * 3 // 4),
        stroke(at(length, -girth // 3), at(*face), np.maximum(head * 3 // 4, 40)),
        stroke(at(-length, girth * 0), at(length, girth * 0), girth),
        disc(frame(*at(*face)), head),
    ]
    round_ear = stroke(at(*face), at(face[0] - ear // 2, face[1] - ear), np.maximum(head // 2, 40))
    sharp_ear = stroke(at(face[0], face[1] - head), at(face[0] + ear // 4, face[1] - head - ear), 40)
    limbs.append(np.where(wide(BREEDS[labels, 6]) > 0, sharp_ear, round_ear))
    blend(image, contrasting(draws, ground), cover(np.maximum.reduce(limbs)))
    return grain(draws, image, 25)


NUCLEI = np.array(
    # number, radius from, to, stretch in eighths from, to, spread of the direction (1/1024 turn)
    [
        [7, 110, 150, 8, 10, 512],
        [13, 105, 145, 8, 10, 512],
        [7, 130, 250, 8, 11, 512],
        [11, 85, 230, 8, 11, 512],
        [9, 80, 110, 15, 22, 40],
        [9, 80, 110, 15, 22, 512],
    ],
    np.int32,
)


def tissue(draws: Draws, labels: np.ndarray) -> np.ndarray:
    """Six kinds of stained tissue that differ in the number, size, stretch and alignment of the nuclei."""
    count, most = len(labels), 16
    number, low, high, short, long, spread = NUCLEI[labels].T
    present = number + draws.within(-2, 2, count)
    image = backdrop(draws, colours(draws, count, 0, 60) + np.array([175, 110, 155], np.int32), 45)
    stain = colours(draws, count, 0, 70) + np.array([50, 30, 90], np.int32)
    direction = draws.within(0, TURN - 1, count)
    for nucleus in range(most):
        x, y = draws.within(0, 32 * PIXEL, count), draws.within(0, 32 * PIXEL, count)
        radius, stretch = draws.within(low, high, count), draws.within(short, long, count)
        angle = direction + draws.within(-spread, spread, count)
        depth = ellipse(frame(x, y, angle), radius * stretch // 8, radius)
        opacity = cover(depth, 2 * PIXEL) * draws.within(36, 60, count)[:, None, None] >> 6
        blend(image, stain, np.where(wide(nucleus < present), opacity, 0))
    return grain(draws, image, 35)


def stripes(draws: Draws, ground: Field) -> np.ndarray:
    """Opacity of parallel furrows along v."""
    count = len(ground[0])
    period = wide(draws.within(160, 330, count))
    return (sin(ground[0] * TURN // period + wide(draws.within(0, TURN - 1, count))) >> 9) + 32


def rows_of(draws: Draws, ground: Field, solid: bool) -> np.ndarray:
    """Opacity of a lattice of trees (discs) or, if solid, of houses (boxes)."""
    count = len(ground[0])
    period = wide(draws.within(330, 520, count))
    cell = tuple((axis + 8192) % period - period // 2 for axis in ground)
    size = period[:, 0, 0] * draws.within(60, 90, count) // 256
    return cover(box(cell, size, size * 3 // 4) if solid else disc(cell, size), 96)


def band(draws: Draws, ground: Field, winding: int) -> np.ndarray:
    """Opacity of a strip along u, straight (a road) or winding (a river)."""
    count = len(ground[0])
    wave = sin(ground[0] * 3 // 10 + wide(draws.within(0, TURN - 1, count))) * winding >> 14
    return cover(wide(draws.within(90, 190, count)) - abs(ground[1] + wave), 96)


def shore(draws: Draws, ground: Field) -> np.ndarray:
    """Opacity of everything beyond a ragged line."""
    ragged = (clouds(draws, len(ground[0]), 8) - 128) * 4
    return cover(ground[1] + ragged + wide(draws.within(-350, 350, len(ragged))), 128)


LAND: tuple[Callable[[Draws, Field], np.ndarray], ...] = (
    stripes,
    lambda draws, ground: rows_of(draws, ground, solid=False),
    lambda draws, ground: rows_of(draws, ground, solid=True),
    lambda draws, ground: band(draws, ground, winding=0),
    lambda draws, ground: band(draws, ground, winding=260),
    shore,
    lambda draws, ground: np.clip(clouds(draws, len(ground[0]), 16) - 96, 0, 64),
    lambda draws, ground: clouds(draws, len(ground[0]), 4) >> 2,
)
"""fields, orchard, town, road, river, coast, forest, steppe"""


def terrain(draws: Draws, labels: np.ndarray) -> np.ndarray:
    """Eight land covers from above, told by their pattern, not by their colours."""
    count = len(labels)
    image = canvas(colours(draws, count, 40, 170))
    blend(image, colours(draws, count, 40, 170), clouds(draws, count, 8) >> 3)
    across, down = draws.within(12 * PIXEL, 20 * PIXEL, 2, count)
    ground = frame(across, down, draws.within(0, TURN - 1, count))
    opacity = np.zeros(ground[0].shape, np.int32)
    for kind, pattern in enumerate(LAND):
        chosen = labels == kind
        opacity[chosen] = pattern(draws, (ground[0][chosen], ground[1][chosen]))
    contrast = draws.within(20, 60, count)[:, None, None]
    blend(image, colours(draws, count, 20, 235), opacity * contrast >> 6)
    return grain(draws, image, 45)


def sprite(draws: Draws, at: Field, radius: np.ndarray) -> np.ndarray:
    """Depth of a disc, box, triangle or hexagon in any direction, drawn at random."""
    uv = frame(*at, draws.within(0, TURN - 1, len(radius)))
    kinds = disc(uv, radius), box(uv, radius, radius * 3 // 4), polygon(uv, radius * 3 // 4, 3), polygon(uv, radius, 6)
    return np.choose(wide(draws.within(0, 3, len(radius))), kinds)


def count(draws: Draws, labels: np.ndarray) -> np.ndarray:
    """Two to seven sprites of any shape, size and colour."""
    images = len(labels)
    image = backdrop(draws, colours(draws, images, 0, 90), 40)
    seats = draws.orders(images, 9)
    for seat in range(7):
        column, row = seats[:, seat] % 3, seats[:, seat] // 3
        x = column * 640 + 384 + draws.within(-100, 100, images)
        y = row * 640 + 384 + draws.within(-100, 100, images)
        depth = sprite(draws, (x, y), draws.within(110, 270, images))
        blend(image, colours(draws, images, 80, 255), np.where(wide(seat < labels + 2), cover(depth), 0))
    return grain(draws, image, 40)


def location(draws: Draws, labels: np.ndarray) -> np.ndarray:
    """The column, one of sixteen, of a bright sprite among dim ones."""
    images = len(labels)
    image = backdrop(draws, colours(draws, images, 0, 90), 30)
    for _ in range(3):
        place = draws.within(0, 32 * PIXEL, 2, images)
        depth = sprite(draws, (place[0], place[1]), draws.within(120, 300, images))
        blend(image, colours(draws, images, 40, 130), cover(depth))
    x = 4 * PIXEL + labels * 96 + draws.within(0, 95, images)
    depth = sprite(draws, (x, draws.within(4 * PIXEL, 28 * PIXEL, images)), draws.within(150, 300, images))
    blend(image, colours(draws, images, 170, 255), cover(depth))
    return grain(draws, image, 40)


def orientation(draws: Draws, labels: np.ndarray) -> np.ndarray:
    """The direction, one of sixteen, in which an arrow, a dart or a comet points."""
    images = len(labels)
    ground = colours(draws, images, 0, 255)
    image = backdrop(draws, ground, 70)
    size = draws.within(230, 400, images)
    x, y = draws.within(10 * PIXEL, 22 * PIXEL, 2, images)
    u, v = frame(x, y, labels * 64 + draws.within(0, 63, images))
    half, ahead = wide(size // 2), -u + wide(size // 2)
    kinds = (
        np.maximum(polygon((ahead, v), size // 2, 3), box((u + half, v), size, size // 4)),
        np.minimum(polygon((-u, v * 4 // 3), size * 5 // 8, 3), -disc((u + wide(size), v), size // 2)),
        np.maximum(disc((u - half, v), size // 2), ellipse((u + half // 2, v), size, size // 3)),
    )
    depth = np.choose(wide(draws.within(0, 2, images)), kinds)
    blend(image, contrasting(draws, ground), cover(depth))
    return grain(draws, image, 30)


SCENES = {
    "creatures": Scene(creatures, classes=8, seed=11),
    "tissue": Scene(tissue, classes=6, seed=12),
    "terrain": Scene(terrain, classes=8, seed=13),
    "count": Scene(count, classes=6, seed=14),
    "location": Scene(location, classes=16, seed=15),
    "orientation": Scene(orientation, classes=16, seed=16),
}
