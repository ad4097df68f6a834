"""Execute one run: the page to read first."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from visionpeft.data.digests import blaming, insist
from visionpeft.data.loader import Batches
from visionpeft.data.pixels import pixels
from visionpeft.data.split import places
from visionpeft.data.target import held_out
from visionpeft.data.task import Split, find, load
from visionpeft.data.unfinished import Listener
from visionpeft.methods.base import Method

from .adapter import save_beside
from .backbone import outline, preprocessing, resolve
from .cost import SAMPLE, Meter, flops, merged, parameters, throughput
from .device import autocast, pick_device, settle_numerics
from .lists import insist_on_planned
from .loop import Diverged
from .oracle import watched
from .plan import Planned, insist_on_backbone
from .provenance import provenance
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
    listener: Listener | None = None,
    watch: bool = False,
) -> Record:
    """Train, score the test images once, and write the record; with `watch`, epochs are validated as they pass."""
    run, store, device, start = planned.run, Store(options.runs), pick_device(options.device), time.perf_counter()
    listener = listener or Listener()
    settle_numerics(device)
    insist_on_backbone(planned)
    opened = open_splits(planned, options, device, listener)  # all, so that a bad file shows now
    job = TrainingJob(
        *(run, opened.splits, store.workspace(planned.stem)),
        originals=originals(run, options),
        on_epoch=on_epoch,
        on_progress=listener.advance,
        on_word=listener.say,
        compiled=options.compile,
        watch=watch,
    )
    meter = Meter(device)
    job.aside = meter.aside
    try:
        with meter():
            settled, model = run.method.train(job)
        scores, losses, predicted = scored(job, model, opened.tests)
        seen = observed(job, model, meter) | {"scores": scores, "losses": losses}
    except (*OutOfMemory, Diverged, RuntimeError) as error:
        record = failure(planned, job, error)
        store.write(record)
        return record
    if run.oracle:
        seen["curve"] = finite(watched(job, model, opened.tests))
    seen["cost"]["seconds_total"] = time.perf_counter() - start
    record = success(planned, opened, settled, predicted, seen)
    leave(store, record, predicted, (run, settled, model) if options.save else None)
    return record


def leave(
    store: Store, record: Record, predicted: dict[str, np.ndarray], learnt: tuple[Run, Method, nn.Module] | None
) -> None:
    """Write the adapter of what was learnt, where it is kept, and then the record, with which a run is done."""
    unkept = save_beside(store.path(record), *learnt) if learnt else None
    store.write(record, predicted or None)
    shutil.rmtree(store.workspace(record.stem), ignore_errors=True)
    if unkept:
        raise unkept


def success(
    planned: Planned, opened: Opened, settled: Method, predicted: dict[str, np.ndarray], seen: dict[str, Any]
) -> Record:
    """Return the record of a run that was trained and scored."""
    return Record(
        **planned.asked,
        status="ok",
        settled={} if settled == planned.run.method else dataclasses.asdict(settled),
        images=opened.images,
        shared=opened.shared,
        **seen,
        predictions={"file": f"{planned.stem}.npz", "sha256": sha256(pack(predicted))} if predicted else {},
    )


def scored(
    job: TrainingJob, model: nn.Module, tests: list[Held]
) -> tuple[dict[str, float], dict[str, float], dict[str, np.ndarray]]:
    """Return accuracies, losses, and what is kept by image; test data is read here alone, and a job never sees it."""
    found = score(model, tests, job.precision)
    scores = dict(found.accuracies)
    for name, other in job.variants.items():  # figures beside the result, never in its place
        scores |= {f"{name}/{test}": value for test, value in score(other, tests, job.precision).accuracies.items()}
    if job.run.recipe.train_on != "train":
        return scores, {}, found.kept
    scores["val"], loss = job.validate(model)
    if not np.isfinite(loss):
        raise Diverged("the trained model's outputs are not finite")
    return scores, {"val": loss}, found.kept


@dataclass(frozen=True)
class Opened:
    """The decoded images of a run.

    Attributes:
        splits: what a job may read.
        tests: what it may not.
        images: digests of the encoded images.
        shared: for each column that has some, how many of its test images are training images too, byte for byte.
    """

    splits: dict[str, Batches]
    tests: list[Held]
    images: dict[str, str]
    shared: dict[str, int]


def open_splits(planned: Planned, options: Options, device: torch.device, listener: Listener) -> Opened:
    """Return a run's images, decoded."""
    run = planned.run
    backbone, source = resolve(run.backbone), find(run.task, options.data, options.source)
    mean, std, shown = backbone.mean, backbone.std, preprocessing(backbone)
    assert mean and std
    learnt = {name: load(run.task, source, options.data, name) for name in ("train", "val")}
    whole = load(run.task, source, options.data, "trainval")
    held = held_out(run.task, source, options.data)[0]
    insist_on_planned(planned.resolved["data"], source, learnt, held)
    with blaming(run.task, source, "trainval", whole):
        found = pixels(whole, shown, options.cache, listener)
    insist(run.task, source, "trainval", whole, found.digest)
    splits = {"trainval": Batches(found.array, whole.labels, mean, std, device)}
    tests, images, trained = [], {"trainval": found.digest}, found
    shared: dict[str, int] = {}
    for name, split in learnt.items():
        part = places(split, whole)
        if part is None:  # validation images that are never trained on
            found = pixels(split, shown, options.cache, listener)
            images[name] = found.digest
        splits[name] = Batches(found.array if part is None else trained.array[part], split.labels, mean, std, device)
    for one in held:
        with blaming(run.task, one.source, "test", one.split):
            found = pixels(one.split, shown, options.cache, listener, small=True)
        insist(run.task, one.source, "test", one.split, found.digest)
        batches = Batches(found.array, one.split.labels, mean, std, device)
        tests.append(Held(batches.enlarged(shown.size, shown.interpolation), one.columns))
        images |= dict.fromkeys(one.columns, found.digest)
        if same := int(np.isin(found.each, trained.each).sum()):
            shared |= dict.fromkeys(one.columns, same)
    return Opened(splits, tests, images, shared)


def originals(run: Run, options: Options) -> dict[str, Split]:
    """Return what a recipe cuts its training images out of; nothing where it cuts none."""
    if not run.recipe.crop:
        return {}
    source = find(run.task, options.data, options.source)
    return {name: load(run.task, source, options.data, name) for name in ("train", "val", "trainval")}


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
