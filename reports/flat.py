"""Records as one flat table: `python -m visionpeft.reports.flat RUNS_DIR` writes RUNS_DIR/records.parquet.

A row for each accuracy that tables count, and for each failed run; the columns and their types are always the same.
Nested settings are JSON texts; curves and what methods noted stay in the records.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visionpeft.benchmark.record import replace

from .build import sound_tables
from .found import Found
from .reading import LeaderboardError, load, missing, superseded
from .table import Setting
from .terminal import complain, say

if TYPE_CHECKING:
    import pyarrow

NAME = "records.parquet"
COLUMNS: dict[str, tuple[str, str]] = {
    "id": ("text", "id"),
    "status": ("text", "status"),
    "label": ("text", "label"),
    "suite": ("text", "run.task.suite"),
    "task": ("text", "run.task.name"),
    "group": ("text", "run.task.group"),
    "num_classes": ("count", "run.task.num_classes"),
    "method": ("text", "run.method.name"),
    "method_version": ("count", "run.method.version"),
    "method_fields": ("json", "run.method.fields"),
    "settled": ("json", "settled"),
    "seed": ("count", "run.seed"),
    "recipe": ("text", "run.recipe.name"),
    "lr": ("number", "run.recipe.lr"),
    "weight_decay": ("number", "run.recipe.weight_decay"),
    "epochs": ("count", "run.recipe.epochs"),
    "batch_size": ("count", "run.recipe.batch_size"),
    "optimizer": ("text", "run.recipe.optimizer"),
    "precision": ("text", "run.recipe.precision"),
    "select": ("text", "run.recipe.select"),
    "train_on": ("text", "run.recipe.train_on"),
    "recipe_fields": ("json", "run.recipe"),
    "preset": ("text", "run.preset.name"),
    "per_task": ("text", "run.per_task"),
    "tuned_study": ("text", "run.tuned.study"),
    "tuned_trials": ("count", "run.tuned.trials"),
    "backbone": ("text", "run.backbone.name"),
    "model": ("text", "run.backbone.model"),
    "model_args": ("json", "run.backbone.model_args"),
    "weights_sha256": ("text", "run.backbone.weights_sha256"),
    "img_size": ("count", "run.backbone.img_size"),
    "mean": ("json", "run.backbone.mean"),
    "std": ("json", "run.backbone.std"),
    "interpolation": ("text", "run.backbone.interpolation"),
    "resize": ("count", "run.backbone.resize"),
    "jpeg": ("count", "run.backbone.jpeg"),
    "source": ("text", "run.data.source"),
    "flavour": ("text", "run.data.flavour"),
    "sample": ("count", "run.data.sample"),
    "train_images": ("count", "run.data.splits.train.size"),
    "train_digest": ("text", "run.data.splits.train.digest"),
    "val_images": ("count", "run.data.splits.val.size"),
    "val_digest": ("text", "run.data.splits.val.digest"),
    "test_images": ("count", "run.data.splits.test.size"),
    "test_expected": ("count", "run.data.splits.test.expected"),
    "test_digest": ("text", "run.data.splits.test.digest"),
    "val_accuracy": ("number", "scores.val"),
    "val_loss": ("number", "losses.val"),
    "params_trainable": ("count", "params.trainable"),
    "params_head": ("count", "params.head"),
    "params_total": ("count", "params.total"),
    "params_merged_total": ("count", "params.merged_total"),
    "stored_bytes": ("count", "params.stored_bytes"),
    **{
        name: ("number", f"cost.{name}")
        for name in (
            *("seconds_train", "seconds_total", "seconds_per_epoch", "images_per_second_train"),
            *("images_per_second_inference", "images_per_second_merged", "merge_error"),
        )
    },
    **{
        name: ("count", f"cost.{name}")
        for name in (
            *("flops_train_per_image", "flops_inference_per_image", "flops_inference_merged_per_image"),
            *("flops_backbone_per_image", "peak_memory_bytes"),
        )
    },
    "peak_memory_kind": ("text", "cost.peak_memory_kind"),
    "predictions_sha256": ("text", "predictions.sha256"),
    "harness": ("count", "run.versions.harness"),
    "pixels": ("count", "run.versions.pixels"),
    **{name: ("text", f"provenance.versions.{name}") for name in ("visionpeft", "torch", "timm", "numpy", "pillow")},
    **{name: ("text", f"provenance.{name}") for name in ("python", "commit", "device", "finished", "command")},
    "dirty": ("flag", "provenance.dirty"),
    "compiled": ("flag", "provenance.compiled"),
    "threads": ("count", "provenance.threads"),
    "error": ("text", "error"),
}
"""Every column but those of `FIRST`: its kind, and where its value is in a record."""
FIRST = {"file": "text", "test": "text", "column": "text", "accuracy": "number", "oracle": "flag"}
"""The file, which of a record's test sets a row is about, what tables call it, top-1 accuracy in [0, 1], and whether
every epoch was scored on the test images as well."""
KINDS: dict[str, type | tuple[type, ...]] = {"text": str, "count": int, "number": (int, float), "flag": bool}

LARGEST = {"count": 2**63 - 1, "number": sys.float_info.max}
"""What a column of a kind can hold; other numbers are left blank."""


def kinds() -> dict[str, str]:
    """Return all columns in their order, with their kinds."""
    return FIRST | {name: kind for name, (kind, _) in COLUMNS.items()}


def row(one: Found) -> dict[str, Any]:
    """Return an accuracy and all that led to it, or a failed run; None where a record has no such value."""
    values = {**vars(one.record), "run": one.run}
    accuracy = one.accuracy if one.record.status == "ok" else None
    first = {"file": one.file, "test": one.test, "column": one.column, "accuracy": accuracy}
    first |= {"oracle": bool(one.run.get("oracle"))}
    return first | {name: _value(values, kind, path) for name, (kind, path) in COLUMNS.items()}


def _value(values: Any, kind: str, path: str) -> Any:
    for key in path.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    if kind == "json":
        return None if values is None else json.dumps(values, sort_keys=True)
    fits = isinstance(values, KINDS[kind]) and (kind == "flag" or not isinstance(values, bool))
    if fits and kind in LARGEST:
        fits = -LARGEST[kind] <= values <= LARGEST[kind]
    return (float(values) if kind == "number" else values) if fits else None


def table(found: Iterable[Found]) -> pyarrow.Table:
    """Return records as an Arrow table; its schema does not depend on them."""
    import pyarrow

    types = {"text": pyarrow.string(), "json": pyarrow.string(), "count": pyarrow.int64()}
    types |= {"number": pyarrow.float64(), "flag": pyarrow.bool_()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in kinds().items()])
    return pyarrow.Table.from_pylist([row(one) for one in found], schema=schema)


def write(found: Iterable[Found], path: Path) -> None:
    """Write records as Parquet, whole or not at all."""
    import pyarrow
    from pyarrow import parquet

    buffer = pyarrow.BufferOutputStream()
    parquet.write_table(table(found), buffer)
    replace(path, buffer.getvalue().to_pybytes())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 2 with a message if some or all rows cannot be written."""
    parser = argparse.ArgumentParser(prog="visionpeft.reports.flat", description="Records as one Parquet table.")
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="folder of records, <suite>/*.json")
    parser.add_argument("--to", type=Path, metavar="FILE", help=f"the file; RUNS_DIR/{NAME} by default")
    given = parser.parse_args(argv)
    path = given.to or given.runs / NAME
    if why := missing(given.runs):
        return complain(why)
    if importlib.util.find_spec("pyarrow") is None:
        return complain("Parquet needs pyarrow, which is not installed; pip install 'visionpeft[parquet]'")
    try:
        found, skipped = load(given.runs)
        tables, refusals = sound_tables(found)
        if refusals and not tables:
            raise refusals[0]
        settings = {one.setting for one in tables}
        found = list(superseded(one for one in found if Setting.of(one.run) in settings))
        say("".join(f"not counted: {line}\n" for line in [*skipped, *map(str, refusals)]), sys.stderr)
        if not found:
            return complain(f"no records in {given.runs}; a run leaves one there, for instance: make demo")
        write(found, path)
    except (LeaderboardError, OSError) as error:
        return complain(f"no {path.name}: {error}")
    say(f"{path}: {len(found)} rows, {len(kinds())} columns\n")
    return 2 if refusals else 0


if __name__ == "__main__":
    sys.exit(main())
