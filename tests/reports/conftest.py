"""Synthetic records: valid ones, as a finished run leaves them behind."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from visionpeft.benchmark.record import Record, run_id

GROUP_OF = {"digits": "natural", "letters": "natural", "count": "structured", "location": "structured"}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def a_run(task: str = "digits", label: str = "lora", seed: int = 0, **changes: Any) -> dict[str, Any]:
    """A resolved run of a suite of four tasks in two groups; changes are dotted paths with __ for the dot."""
    group = GROUP_OF.get(task, "natural")
    splits = {
        name: {"size": size, "expected": size, "digest": sha(task + name), "order": sha(task + name + "order")}
        for name, size in (("train", 800), ("val", 200), ("test", 1000))
    }
    run: dict[str, Any] = {
        "task": {
            "name": task, "suite": "mini", "group": group, "num_classes": 10, "group_tasks": 2, "suite_tasks": 4,
        },
        "method": {"name": label.split(" ")[0], "target": "m.M", "version": 1, "fields": {"rank": 8, "label": label}},
        "recipe": {
            "name": "vtab", "optimizer": "adamw", "lr": 1e-3, "weight_decay": 1e-4, "epochs": 100, "warmup": 10,
            "batch_size": 64, "drop_path": 0.1, "precision": "fp32", "select": "last", "train_on": "trainval",
        },
        "backbone": {
            "name": "vit_pico", "model": "vit_pico_patch4_32", "weights_sha256": sha("weights"), "img_size": 32,
            "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic",
        },
        "data": {"source": "rendered", "splits": splits},
        "seed": seed,
    }  # fmt: skip
    for path, value in changes.items():
        *parents, last = path.split("__")
        inner = run
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    return run


def a_record(accuracy: float | None = 0.5, label: str = "lora", run: dict | None = None, **fields: Any) -> Record:
    run = run or a_run(label=label)
    values: dict[str, Any] = {
        "status": "ok",
        "scores": {} if accuracy is None else {"test": accuracy},
        "params": {
            "trainable": 294_912 + 7_690, "head": 7_690, "total": 86_101_258, "merged_total": 85_806_346,
            "stored_bytes": 1_200_000,
        },
        "cost": {
            "seconds_train": 12.5, "flops_inference_per_image": 1_200, "flops_inference_merged_per_image": 1_000,
            "flops_backbone_per_image": 1_000, "images_per_second_merged": None,
        },
    }  # fmt: skip
    return Record(id=run_id(run), run=run, label=label, **(values | fields))


class Runs:
    """A store to fill."""

    a_run = staticmethod(a_run)
    a_record = staticmethod(a_record)

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, accuracy: float | None = 0.5, task: str = "digits", label: str = "lora", seed: int = 0, **changes):
        """Write one record and return its path; `fields` among the changes are fields of the record."""
        fields = changes.pop("fields", {})
        return self.put(a_record(accuracy, label, a_run(task, label, seed, **changes), **fields))

    def put(self, record: Record) -> Path:
        folder = self.root / (record.run["task"]["suite"] if record.status == "ok" else "failed")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{record.stem}.json"
        path.write_text(json.dumps(vars(record), indent=1) + "\n")
        return path

    def suite(self, accuracies: dict[str, float], label: str = "lora", seeds: tuple[int, ...] = (0,)) -> None:
        """Write a row; each seed adds a hundredth to every task."""
        for task, accuracy in accuracies.items():
            for seed in seeds:
                self.add(accuracy + seed / 100, task, label, seed)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    (tmp_path / "runs").mkdir()
    return Runs(tmp_path / "runs")
