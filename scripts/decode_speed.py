"""How fast the cache of decoded images is built, against PIL in one process on the same images in the same run.

    python scripts/decode_speed.py DATA TASK [TASK ...] [--images 2000] [--repetitions 3]

PIL reads, decodes and resizes one image after the other into one array. The cache does that on all cores, and digests
the files, writes the array to disk with a checksum of each image, and checks it when it is opened again. "One core" is
the same cache while the process may use one core only; "own size" keeps small images as they are, as for test sets. The
ways take turns, and all files have been read before. On a busy machine believe ratios within a repetition and CPU
times; seconds tell what other processes left.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from visionpeft.benchmark.compose import read_task
from visionpeft.benchmark.overrides import preset
from visionpeft.data.decode import Preprocessing
from visionpeft.data.every import cores
from visionpeft.data.pixels import pixels
from visionpeft.data.split import Split, joined
from visionpeft.data.task import find, load

SIZE = 224


def plain(split: Split) -> None:
    """Decode with PIL alone, one image after the other."""
    array = np.empty((len(split), SIZE, SIZE, 3), np.uint8)
    for i in range(len(split)):
        data = split.read(i)
        image = Image.open(BytesIO(data)) if isinstance(data, bytes) else Image.fromarray(data)
        array[i] = np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def cache(split: Split, small: bool = False, used: int | None = None) -> None:
    """Build a cache that did not exist, on all cores or on some."""
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, sorted(allowed)[:used])
        with tempfile.TemporaryDirectory() as folder:
            pixels(split, Preprocessing(SIZE), Path(folder), small=small)
    finally:
        os.sched_setaffinity(0, allowed)


def timed(work: Callable[[Split], None], split: Split) -> tuple[float, float]:
    """Return images per second by the clock and CPU milliseconds per image."""
    clock, cpu = time.perf_counter(), time.process_time()
    work(split)
    return len(split) / (time.perf_counter() - clock), 1000 * (time.process_time() - cpu) / len(split)


def images(name: str, root: Path, most: int) -> Split:
    """Return test and training images of a task, at most so many, read once."""
    task = read_task(preset("task", name))
    source = find(task, root)
    whole = joined(load(task, source, root, "test"), load(task, source, root, "trainval"))
    split = whole.take(np.arange(min(most, len(whole))))
    for i in range(len(split)):
        split.read(i)
    return split


def main() -> None:
    """Print a row for each way and task: lowest and highest of all repetitions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that holds the data sets")
    parser.add_argument("tasks", nargs="+", help="such as vtab_eurosat")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repetitions", type=int, default=3)
    args = parser.parse_args()
    ways: dict[str, Callable[[Split], None]] = {
        "PIL in one process": plain,
        "cache, one core": partial(cache, used=1),
        f"cache, {cores()} cores": cache,
        f"cache, {cores()} cores, own size": partial(cache, small=True),
    }
    print("| task | way | images/s | of PIL's, by the clock | CPU ms per image | of PIL's CPU time |")
    print("|---|---|--:|--:|--:|--:|")
    for name in args.tasks:
        split = images(name, args.data, args.images)
        found = [{way: timed(work, split) for way, work in ways.items()} for _ in range(args.repetitions)]
        for way in ways:
            speed, cpu = ([turn[way][k] for turn in found] for k in (0, 1))
            base_speed, base_cpu = ([turn["PIL in one process"][k] for turn in found] for k in (0, 1))
            clock = [a / b for a, b in zip(speed, base_speed, strict=True)]
            share = [a / b for a, b in zip(cpu, base_cpu, strict=True)]
            row = [f"{name} ({len(split)})", way, spread(speed, 0), spread(clock, 2), spread(cpu, 2), spread(share, 2)]
            print(f"| {' | '.join(row)} |", flush=True)


def spread(values: list[float], digits: int) -> str:
    """Return the median, with the lowest and highest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


if __name__ == "__main__":
    main()
