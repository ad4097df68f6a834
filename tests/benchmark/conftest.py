"""A run small enough for a test: two blocks, 32 pixels, three classes told by colour."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from visionpeft.benchmark.__main__ import main
from visionpeft.benchmark.spec import Backbone, Recipe, Run
from visionpeft.benchmark.train import TrainingJob
from visionpeft.data.loader import Batches
from visionpeft.data.mini import Digits
from visionpeft.data.task import Task
from visionpeft.methods.lora import LoRA

DEFAULT = LoRA(rank=2)
CPU = torch.device("cpu")
SMALL = {"patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3}
BACKBONE = Backbone("small", "vit_tiny_patch16_224", "none", SMALL, 32, (0.5,) * 3, (0.5,) * 3, "bicubic")
RECIPE = Recipe("r", lr=1e-2, weight_decay=0.0, epochs=3, warmup=1, batch_size=16, precision="fp32")


def colours(n: int, seed: int) -> Batches:
    """Images of a class have its channel brighter than the noise."""
    rng = np.random.RandomState(seed)
    labels = rng.randint(3, size=n)
    images = rng.randint(0, 128, size=(n, 32, 32, 3))
    images[np.arange(n), :, :, labels] += 100
    return Batches(images.astype(np.uint8), labels, (0.5,) * 3, (0.5,) * 3, CPU)


@pytest.fixture
def a_job(tmp_path):
    def make(method=DEFAULT, **changes) -> TrainingJob:
        task = Task("colours", "test", "natural", 3, sources=(Digits(),))
        recipe = dataclasses.replace(RECIPE, **changes)
        run = Run("m", method, task, recipe, BACKBONE, 0, "m")
        data = {"train": colours(70, 0), "val": colours(20, 1), "trainval": colours(90, 2)}
        return TrainingJob(run, data, Path(tmp_path))

    return make


@pytest.fixture
def composed(folders, monkeypatch):
    """The runs a command line stands for, or the exit code."""

    def compose(*argv):
        runs = []
        monkeypatch.setattr("visionpeft.benchmark.__main__.work", lambda found, options: len(runs.extend(found) or []))
        monkeypatch.setattr(sys, "argv", ["visionpeft"])
        code = main(list(argv))
        return runs if code == 0 else code

    return compose
