"""Execute one run: the page to read first."""

from __future__ import annotations

import dataclasses
import datetime
import platform
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from visionpeft.data.digests import insist
from visionpeft.data.loader import Batches
from visionpeft.data.pixels import pixels
from visionpeft.data.target import held_out
from visionpeft.data.task import DataError, Split, find, load

from .adapter import save
from .backbone import outline, preprocessing, resolve
from .cost import SAMPLE, Meter, flops, merged, parameters, throughput
from .device import autocast, pick_device, settle_numerics
from .loop import Diverged
from .plan import Planned
from .record import Record
from .score import Held, score
from .spec import Options, Run
from .store import Store, pack, sha256
from .train import TrainingJob

OutOfMemory = (torch.OutOfMemoryError, MemoryError)


def execute(
    planned: Planned,
    options: Options,
    on_epoch: Callable[[dict[str, Any]], None] = lambda row: None,
    on_decode: Callable[[int, int], None] = lambda done, total: None,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Record:
    """Train, score the test images once, and write the record."""
    run, store, device, start = planned.run, Store(options.runs), pick_device(options.device), time.perf_counter()
    settle_numerics(device)
    splits, tests, images = open_splits(planned, options, device, on_decode)  # all, so that a bad file shows now
    job = TrainingJob(
        *(run, splits, store.workspace(planned.stem)),
        originals=originals(run, options),
        on_epoch=on_epoch,
        on_progress=on_progress,
        compiled=options.compile,
    )
    try:
        with Meter(device)() as meter:
            settled, model = run.method.train(job)
        found = score(model, tests, job.precision)  # test data is read here alone; a job never sees it
        scores = dict(found.accuracies)
        for name, other in job.variants.items():  # figures beside the result, never in its place
            scores |= {f"{name}/{test}": value for test, value in score(other, tests, job.precision).accuracies.items()}
        if run.recipe.train_on == "train":
            scores["val"] = job.validate(model).accuracy
        seen = observed(job, model, meter)
    except (*OutOfMemory, Diverged, RuntimeError) as error:
        record = failure(planned, job, error)
        store.write(record)
        return record
    seen["cost"]["seconds_total"] = time.perf_counter() - start
    record = Record(
        **planned.asked,
        status="ok",
        settled={} if settled == run.method else dataclasses.asdict(settled),
        images=images,
        scores=scores,
        **seen,
        predictions={"file": f"{planned.stem}.npz", "sha256": sha256(pack(found.predicted))},
    )
    path = store.write(record, found.predicted)
    if options.save:
        save(path.with_suffix(".adapter"), run, settled, model)
    shutil.rmtree(store.workspace(planned.stem), ignore_errors=True)
    return record


def open_splits(
    planned: Planned, options: Options, device: torch.device, on_decode: Callable[[int, int], None]
) -> tuple[dict[str, Batches], list[Held], dict[str, str]]:
    """Return a job's decoded splits, the decoded test sets, and the digests of the encoded images they come from."""
    run = planned.run
    backbone, source = resolve(run.backbone), find(run.task, options.data, options.source)
    mean, std, shown = backbone.mean, backbone.std, preprocessing(backbone)
    assert mean and std
    whole = load(run.task, source, options.data, "trainval")
    found = pixels(whole, shown, options.cache, on_decode)
    insist(run.task, source, "trainval", whole, found.digest)
    splits = {"trainval": Batches(found.array, whole.labels, mean, std, device)}
    tests, images, learnt = [], {"trainval": found.digest}, found.array
    for name in ("train", "val"):
        split = load(run.task, source, options.data, name)
        part = places(split, whole)
        if part is None:  # validation images that are never trained on
            found = pixels(split, shown, options.cache, on_decode)
            images[name] = found.digest
        splits[name] = Batches(found.array if part is None else learnt[part], split.labels, mean, std, device)
    for one in held_out(run.task, source, options.data)[0]:
        found = pixels(one.split, shown, options.cache, on_decode, small=True)
        insist(run.task, one.source, "test", one.split, found.digest)
        batches = Batches(found.array, one.split.labels, mean, std, device)
        tests.append(Held(batches.enlarged(shown.size, shown.interpolation), one.columns))
        images |= dict.fromkeys(one.columns, found.digest)
    if {"train", "val", *images} - {"trainval"} != set(planned.resolved["data"]["splits"]):
        raise DataError("test sets have come or gone since this run was planned; give the command again")
    return splits, tests, images


def places(part: Split, whole: Split) -> slice | np.ndarray | None:
    """Return where the examples of a split are among others: a slice if they are in a row; None if some are not."""
    where = {key: i for i, key in enumerate(whole.keys)}
    found = np.array([where.get(key, -1) for key in part.keys])
    if found.min() < 0:
        return None
    in_a_row = np.array_equal(found, np.arange(found[0], found[0] + len(found)))
    return slice(int(found[0]), int(found[-1]) + 1) if in_a_row else found


def originals(run: Run, options: Options) -> dict[str, Split]:
    """Return what a recipe cuts its training images out of; nothing where it cuts none."""
    if not run.recipe.crop:
        return {}
    source = find(run.task, options.data, options.source)
    return {name: load(run.task, source, options.data, name) for name in ("train", "trainval")}


def failure(planned: Planned, job: TrainingJob, error: BaseException) -> Record:
    """Return the record of a run that ran out of memory or diverged; anything else is raised again."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, Diverged):
        status = "diverged"
    elif isinstance(error, OutOfMemory) or "not enough memory" in text or "can't allocate memory" in text:
        status = "oom"
    else:
        raise error
    return Record(
        **planned.asked, status=status, error=text, curve=finite(job.curve), provenance=provenance(planned.run, job)
    )


def finite(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the curve without numbers that JSON lacks."""
    return [{k: v for k, v in row.items() if not (isinstance(v, float) and not np.isfinite(v))} for row in curve]


def observed(job: TrainingJob, model: nn.Module, meter: Meter) -> dict[str, Any]:
    """Return what was seen of a finished run: curve, counts, cost, provenance."""
    params, cost = costs(job, model)
    last = job.phases[-1]
    cost |= {
        "seconds_train": meter.seconds + job.seconds_before,
        "seconds_per_epoch": last["seconds"] / last["epochs"],
        "images_per_second_train": last["images_per_second"],
        "flops_train_per_image": last["flops_per_image"],
        "phases": job.phases,
        "peak_memory_bytes": meter.peak_bytes,
        "peak_memory_kind": meter.kind,
    }
    return {
        "params": params,
        "cost": cost,
        "curve": finite(job.curve),
        "notes": job.notes,
        "provenance": provenance(job.run, job),
    }


def costs(job: TrainingJob, model: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameter counts and the costs of a model, before and after merging."""
    plain = outline(job.run.backbone, job.run.task.num_classes)
    params = parameters(model, set(plain.state_dict()))
    x, _ = next(job.batches("train"))
    context = autocast(job.precision, job.device)
    inference = flops(model, x[:SAMPLE])
    cost = {
        "flops_inference_per_image": inference,
        "flops_backbone_per_image": flops(plain, torch.empty(SAMPLE, *x.shape[1:], device="meta")),
        "images_per_second_inference": throughput(model, x, context),
        "flops_inference_merged_per_image": inference,
        "images_per_second_merged": None,
        "merge_error": None,
    }
    copy, error = merged(model, x[:16])
    if copy is not None:
        params["merged_total"] = sum(p.numel() for p in copy.parameters())
        cost["flops_inference_merged_per_image"] = flops(copy, x[:SAMPLE])
        cost["images_per_second_merged"] = throughput(copy, x, context)
        cost["merge_error"] = error
    return params, cost


def provenance(run: Run, job: TrainingJob) -> dict[str, Any]:
    """Return where a record comes from: versions, commit, device, time, the line that repeats it."""
    device = job.device
    return {
        "versions": {name: _version(name) for name in ("visionpeft", "torch", "timm", "numpy", "pillow")},
        "python": platform.python_version(),
        **_commit(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {_cpu()}",
        "threads": torch.get_num_threads(),
        "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "compiled": job.compiled,
        "command": shlex.join(["python", "-m", "visionpeft.benchmark", *run.overrides]),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return None


@lru_cache(maxsize=1)
def _commit() -> dict[str, Any]:
    """Return the checkout's commit and whether it had changes; nothing if there is no checkout."""
    folder = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


@lru_cache(maxsize=1)
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
