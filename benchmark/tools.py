"""Commands beside running: `predict`, `merge`, `list`; `data` is in fetch.py."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from visionpeft.data.decode import decode

from .adapter import load, save_merged
from .backbone import preprocessing, resolve
from .fetch import data
from .overrides import GROUPS, choices
from .screen import remark, table


def predict(argv: list[str]) -> int:
    """Classify images with a saved adapter."""
    parser = argparse.ArgumentParser(prog="visionpeft predict", description=predict.__doc__)
    parser.add_argument("adapter", type=Path, help="folder written by a run with save=true")
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--weights", help="the backbone's weights, if they have moved")
    parser.add_argument("--trust", action="store_true", help="run code of a method from outside this package")
    parser.add_argument("--top", type=int, default=3, help="classes shown per image")
    args = parser.parse_args(argv)
    if args.top < 1:
        raise ValueError(f"--top must be above 0, got {args.top}")
    model, backbone, _ = load(args.adapter, args.weights, args.trust)
    backbone = resolve(backbone)
    assert backbone.mean and backbone.std
    for path in args.images:
        if not path.is_file():
            raise ValueError(f"no image {path}")
        try:
            pixels = torch.tensor(decode(path.read_bytes(), preprocessing(backbone), upright=True))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read as an image ({error})") from None
        x = (pixels / 255 - torch.tensor(backbone.mean)) / torch.tensor(backbone.std)
        with torch.inference_mode():
            chances = model(x.permute(2, 0, 1)[None]).softmax(-1)[0]
        top = chances.topk(min(args.top, len(chances)))
        found = [f"class {i} ({p:.1%})" for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)]
        table(["image", *(f"#{n + 1}" for n in range(len(found)))], [[str(path), *found]])
    return 0


def merge(argv: list[str]) -> int:
    """Fold an adapter into its backbone: weights that plain timm loads."""
    parser = argparse.ArgumentParser(prog="visionpeft merge", description=merge.__doc__)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("out", type=Path, help="the .safetensors file to write")
    parser.add_argument("--weights", help="the backbone's weights, if they have moved")
    parser.add_argument("--trust", action="store_true", help="run code of a method from outside this package")
    args = parser.parse_args(argv)
    save_merged(args.adapter, args.out, args.weights, args.trust)
    remark(f"wrote {args.out}")
    return 0


def listing(argv: list[str]) -> int:
    """List methods, tasks, recipes and backbones with their one-line descriptions."""
    parser = argparse.ArgumentParser(prog="visionpeft list", description=listing.__doc__)
    parser.add_argument("group", nargs="?", choices=GROUPS, help="one group only")
    only = parser.parse_args(argv).group
    rows = [[group, c.name, c.description] for group in GROUPS if only in (None, group) for c in choices(group)]
    table(["group", "name", "what it is"], rows)
    return 0


TOOLS: dict[str, Callable[[list[str]], int]] = {"predict": predict, "merge": merge, "list": listing, "data": data}
