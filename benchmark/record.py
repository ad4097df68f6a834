"""The record: what one run leaves behind. No torch in here, so that tables can be rebuilt on any laptop.

A record is one JSON file, `runs/<suite>/<task>--<method>--s<seed>--<id>.json`, written once and never edited. `id` is a
digest of what was asked for, resolved to content (`run` below); everything else is what was observed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from errno import EEXIST
from pathlib import Path
from typing import Any

SCHEMA = 1
STATUSES = ("ok", "oom", "diverged")
SEAL = ',\n"seal": '
COPIES = ("folder", "noah-jpeg")
"""Beginnings of flavours that are copies of a data set; each has tables of its own."""
BESIDE = (
    ("task", "group_tasks"),
    ("task", "suite_tasks"),
    ("task", "targets"),
    ("task", "in_domain"),
    ("task", "seen"),
    ("backbone", "name"),
    ("data", "flavour"),
    ("data", "confirmed"),
    *(("preset", name) for name in ("model", "data", "selected", "rule", "lacks", "otherwise")),
)
"""What a run says of its surroundings: a new task in a suite, or a backbone's other name, makes no other run."""


@dataclass(frozen=True)
class Record:
    """One finished run.

    Attributes:
        schema: format version of the file, 1.
        id: first 10 hex digits of sha256 of the canonical JSON of `run` (but for `BESIDE`).
        status: ok, oom (out of memory) or diverged (non-finite loss); only ok has scores.
        run: what was asked, resolved: {"task", "method", "recipe", "backbone", "data", "seed"} (see below).
            task: {name, suite, group, num_classes, group_tasks, suite_tasks}; the last two say how many tasks a
                complete group and a complete suite have. With several test sets also targets, {column: number of
                classes its logits are restricted to, or null}, those that are absent among them; in_domain,
                the columns that are no other domain than what was learnt from; and seen, the pretraining sets of the
                backbone that overlap with the task; both only if there are any.
            method: {name, target, version, fields}; name is the yaml's stem.
            recipe: all fields of the recipe, schedule and what follows it only where not at their defaults; among them
                select ("last" | "best_val") and train_on.
            backbone: {name, model, weights_sha256, img_size, mean, std, interpolation, resize, jpeg}.
            data: {source, reading, splits: {split: {size, expected, digest, order}}}; digest is order-free over
                (key, label), reading how the source was told to show its images; repeated, where there are any, counts
                lines of a list that name an image again. Also sample, the number of the training set where a source
                has several, and by_seed where the run's seed chooses it; flavour, what tables call the images;
                exported, true for NOAH's JPEG export; confirmed, {split: "confirmed" | "unknown" | "keys assumed"},
                whether an official source's digests are all known and agree. With several test sets their splits are
                "test/<column>", with {source, reading} of their own, and classes where restricted.
            per_task: on what published per-task settings were chosen, if they were used ("test", "val200"), else "".
            preset: whose released runs this one restates, if any: {name, model, data, selected, rule, lacks,
                otherwise}: its weights, its images, what its figures were chosen on and by which rule, which of its
                settings are not restated, and what is still done otherwise.
            tuned: how a study of ours chose the settings, where one did: {study, trial, trials, sampler,
                untuned_first, seed, pruner, folds, space, splits, tie} as in trial.py; a run with the same settings by
                hand is another run.
            versions: of what can move a number outside the method: {harness, pixels}.
            oracle: true where every epoch was scored on the test images as well; absent otherwise.
        label: the row's name in tables: the method's name and the settings that differ from its yaml.
        settled: fields of the method after training, where a search changed them; else empty.
        absent: {"test/<column>": why}: test sets that were not there.
        images: {"trainval" | "test": sha256 over the encoded images in order}: equal digests, equal images; also "val"
            where validation images are none of the others.
        shared: {"test": n}: how many test images are training images too, byte for byte; official splits have such.
        scores: {split: top-1 accuracy in [0, 1]}, such as {"test": 0.93}; "val" where the rule used it. With several
            test sets, one for each: {"test/a": 0.12, "test/a_200": 0.31}. A further model that a method handed over
            comes with its name before: {"inherited/test": 0.91}.
        losses: {"val": mean cross-entropy in nats}, where scores have "val".
        params: counts of live parameters: {trainable, head, total, merged_total, stored_bytes}; `trainable`
            includes the head, merged_total is null where the method does not merge completely.
        cost: seconds, memory, FLOPs, throughput; keys say the unit, null where not measured.
        curve: one {"phase", "epoch", "loss", "lr", ...} per epoch and phase; "val" and "val_loss" where the rule looked
            at them. Where run.oracle is true, rows of the final fit also have the accuracy on each test set, called as
            in scores: a diagnostic, read after training.
        notes: whatever the method wanted kept; a search over a model's layers as `reports/searches.py` reads `search`.
        predictions: {file, sha256} of the per-example test predictions and labels beside the record.
        provenance: versions, commit, device, host facts, time; never part of the id.
        error: for a failed run, what happened, in one line.
        seal: what `to_json` ends a file with: a digest of the text before it, so that `read` knows a file that was
            changed. Empty in records of before there were seals.
    """

    id: str
    status: str
    run: dict[str, Any]
    label: str
    schema: int = SCHEMA
    settled: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    params: dict[str, int | None] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    curve: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    predictions: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    seal: str = field(default="", compare=False)

    @property
    def stem(self) -> str:
        """File name without suffix."""
        task, method = self.run["task"], self.run["method"]
        return f"{task['name']}--{method['name']}--s{self.run['seed']}--{self.id}"

    @property
    def place(self) -> str:
        """Where the file belongs in a store; failed runs are apart, as they are tried again."""
        return f"{self.run['task']['suite'] if self.status == 'ok' else 'failed'}/{self.stem}.json"

    def to_json(self) -> str:
        """Return the file's text: a line per field, so that it is small and still diffs, and the seal in the last."""
        values = dataclasses.asdict(self)
        del values["seal"]
        lines = (f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in values.items())
        text = "{\n" + ",\n".join(lines)
        return f'{text}{SEAL}"{_digest(text)}"\n}}\n'


class BadRecord(ValueError):
    """A file that is no record this version can read; the message names the file and what is wrong with it."""


def canonical(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def run_id(run: dict[str, Any]) -> str:
    """Return the id of a run: 10 hex digits of sha256 over its canonical JSON, without what is in `BESIDE`."""
    asked = {key: dict(value) if isinstance(value, dict) else value for key, value in run.items()}
    for section, key in BESIDE:
        if isinstance(asked.get(section), dict):
            asked[section].pop(key, None)
    return _digest(canonical(asked))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def read(path: Path) -> Record:
    """Read one record.

    Raises:
        BadRecord: not JSON, another schema, missing or unknown fields, or an id or a seal that does not match the
            contents.
    """
    try:
        text = path.read_text()
        values = json.loads(text)
    except (ValueError, OSError, RecursionError) as error:
        raise BadRecord(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        found = values.get("schema") if isinstance(values, dict) else type(values).__name__
        raise BadRecord(f"{path}: schema {found!r}, expected {SCHEMA}; was it written by another version?")
    try:
        record = Record(**values)
    except TypeError as error:
        raise BadRecord(f"{path}: {str(error).removeprefix('Record.__init__() ')}") from None
    if record.status not in STATUSES:
        raise BadRecord(f"{path}: status {record.status!r}, expected one of {', '.join(STATUSES)}")
    try:
        found = run_id(record.run)
    except (ValueError, AttributeError) as error:
        raise BadRecord(f"{path}: run is no plain value ({error})") from None
    if found != record.id:
        raise BadRecord(f"{path}: id {record.id} does not match its contents ({found}); edited by hand?")
    if record.seal and record.seal != _digest(text.rpartition(SEAL)[0]):
        raise BadRecord(f"{path}: changed after it was written, as its seal shows; edited by hand? Repeat that run")
    return record


def copy_of(data: Mapping[str, Any]) -> str:
    """Return which copy a run's images are of, where it is not the official one; of the official ones, "".

    What was read from folders may be anything, NOAH's export of VTAB-1k among it, so it shares no table with the
    images that the authors defined.
    """
    copy = data.get("flavour", data["source"]).partition(" ")[0]
    return copy if copy in COPIES else ""


def setting(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what all runs of one table share, of a resolved run: numbers under other settings are never averaged."""
    backbone, recipe, data = run["backbone"], run["recipe"], run["data"]
    return {
        "suite": run["task"]["suite"],
        "model": backbone["model"],
        "model_args": canonical(backbone.get("model_args", {})),
        "weights": backbone["weights_sha256"] or "none",
        "img_size": backbone["img_size"],
        "mean": tuple(backbone["mean"]),
        "std": tuple(backbone["std"]),
        "interpolation": backbone["interpolation"],
        "resize": backbone.get("resize") or 0,
        "jpeg": backbone.get("jpeg") or 0,
        "recipe": recipe["name"],
        "select": recipe["select"],
        "train_on": recipe["train_on"],
        "sample": 0 if data.get("by_seed") else data.get("sample", 0),
        "copy": copy_of(data),
        "preset": run.get("preset", {}).get("name", ""),
    }


def record_files(root: Path) -> Iterator[Path]:
    """Yield the record files of a store in a fixed order, failed runs included."""
    yield from sorted(root.glob("*/*--*--s*--*.json"))


def replace(path: Path, data: bytes, once: bool = False) -> None:
    """Write a file so that it is there whole or not at all; with `once`, never over one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        if once:
            try:
                os.link(name, path)
                Path(name).unlink()
                return
            except (OSError, NotImplementedError):  # file systems without links say so in many ways
                if path.exists():
                    raise FileExistsError(EEXIST, os.strerror(EEXIST), str(path)) from None
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
