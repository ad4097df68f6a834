"""The one training loop and the job a method trains with."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from visionpeft.benchmark.loop import Diverged, make_optimizer
from visionpeft.benchmark.schedule import schedule
from visionpeft.methods.base import Method
from visionpeft.methods.full import Full
from visionpeft.methods.linear import Linear
from visionpeft.methods.lora import LoRA
from visionpeft.methods.surgery import freeze, heads

from .conftest import RECIPE


def test_schedule_by_hand():
    """Four steps of warm-up out of twelve: fifths, then half a cosine over eight steps."""
    found = [schedule(t, 12, 4) for t in range(12)]
    assert found[:5] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert found[8] == pytest.approx(0.5)
    assert found[11] == pytest.approx(0.5 * (1 + math.cos(math.pi * 7 / 8)))
    assert [schedule(t, 4, 0) for t in range(2)] == [1.0, pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))]


def test_the_loop_is_plain_adamw(a_job):
    """Against a loop written out by hand: same order, rates, decay and update."""
    job = a_job(LoRA(rank=2), epochs=2, warmup=1, weight_decay=0.1)
    method = job.run.method
    trained = job.fit(job.build(method), method, split="train")
    expected, order = job.build(method), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW([p for p in expected.parameters() if p.requires_grad], weight_decay=0.1)
    images = torch.cat([x for x, _ in job.batches("train")])
    labels = torch.cat([y for _, y in job.batches("train")])
    for epoch in range(2):
        indices = torch.randperm(70, generator=order)
        for i in range(4):
            optimizer.param_groups[0]["lr"] = 1e-2 * schedule(4 * epoch + i, 8, 4)
            some = indices[16 * i : 16 * i + 16]
            F.cross_entropy(expected.train()(images[some]), labels[some]).backward()
            optimizer.step()
            optimizer.zero_grad()
    for (name, p), q in zip(trained.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(p, q, msg=name)


def test_it_learns_and_reports_an_epoch_a_row(a_job):
    seen = []
    job = a_job(Full(), epochs=8, lr=1e-3)
    job._on_epoch = seen.append
    _, model = job.run.method.train(job)
    assert [row["epoch"] for row in job.curve] == list(range(1, 9))
    assert job.curve[-1]["loss"] < 0.7 < job.curve[0]["loss"]
    assert job.curve[0]["phase"] == "1 trainval"
    assert [(p["split"], p["epochs"]) for p in job.phases] == [("trainval", 8)]
    assert seen[0] == {**job.curve[0], "epochs": 8}


def test_all_methods_start_from_the_same_head(a_job):
    first, second = (heads(a_job(m).build(m))[0] for m in (Full(), LoRA(rank=1)))
    assert torch.equal(first.weight, second.weight)
    assert first.bias.abs().max() == 0
    assert first.weight.std().item() == pytest.approx(0.02, rel=0.2)


def test_a_job_builds_the_same_model_twice(a_job):
    job = a_job(LoRA(rank=2))
    one, two = job.build(job.run.method), job.build(job.run.method)
    assert all(torch.equal(p, q) for p, q in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert one is not two


class TrunkHidden(Linear):
    """A linear probe the harness cannot see to be one."""

    def loss(self, model, x, y):
        return super().loss(model, x, y)


def test_features_computed_once_give_the_same_probe(a_job):
    models = []
    for method in (Linear(), TrunkHidden()):
        job = a_job(method)
        models.append(method.train(job)[1])
    torch.testing.assert_close(models[0].head.weight, models[1].head.weight)
    assert not torch.equal(models[0].head.weight, a_job(Linear()).build(Linear()).head.weight)


def test_features_are_not_kept_where_the_trunk_is_random(a_job):
    """With drop-path a probe sees other features each epoch."""
    probe = a_job(Linear(), drop_path=0.5)
    _, model = Linear().train(probe)
    hidden = a_job(TrunkHidden(), drop_path=0.5)
    torch.testing.assert_close(model.head.weight, TrunkHidden().train(hidden)[1].head.weight)


def test_validation_refuses_a_model_that_saw_it(a_job):
    job = a_job()
    model = job.fit(job.build(job.run.method), job.run.method, split="train", epochs=2)
    score = job.validate(model)
    assert 0 <= score.accuracy <= 1
    job.fit(model, job.run.method, split="trainval", epochs=2)
    for seen in (model, copy.deepcopy(model)):
        with pytest.raises(ValueError, match="was fitted on the validation images"):
            job.validate(seen)


def test_outcomes_are_those_that_a_score_is_of(a_job):
    """Of any images, in the order asked for, those of the whole split being what it is scored by."""
    job = a_job()
    model = job.build(job.run.method)
    number = sum(len(y) for _, y in job.batches("val"))
    right, losses = job.outcomes(model, torch.arange(number))
    score = job.validate(model)
    assert right.dtype == torch.bool and right.double().mean().item() == score.accuracy
    assert losses.mean().item() == pytest.approx(score.loss, rel=1e-6)
    some = torch.tensor([number - 1, 0, 2])
    again = job.outcomes(model, some)
    assert again[0].tolist() == right[some].tolist()
    torch.testing.assert_close(again[1], losses[some])
    job.fit(model, job.run.method, split="trainval", epochs=2)
    with pytest.raises(ValueError, match="was fitted on the validation images"):
        job.outcomes(model, some)


def test_a_recipe_that_trains_on_train_alone_is_kept_to(a_job):
    job = a_job(train_on="train")
    with pytest.raises(ValueError, match="trains on train alone, so a method may not fit on trainval"):
        job.fit(job.build(job.run.method), job.run.method, split="trainval")


def test_a_warm_up_as_long_as_the_training_is_refused(a_job):
    job = a_job(warmup=2)
    with pytest.raises(ValueError, match="2 epochs with 2 of warm-up"):
        job.fit(job.build(job.run.method), job.run.method, epochs=2)


def test_a_search_phase_is_not_selected_on_validation(a_job):
    job = a_job(LoRA(rank=2), select="best_val", train_on="train")
    job.fit(job.build(job.run.method), job.run.method, split="train")
    assert all("val" not in row for row in job.curve)


@pytest.mark.parametrize("split", ["test", "all"])
def test_a_method_cannot_reach_test_images(a_job, split):
    job = a_job()
    with pytest.raises(ValueError, match=f"a method may read train, val, trainval, not '{split}'"):
        next(job.batches(split))
    with pytest.raises(ValueError, match="a method may read"):
        job.fit(job.build(job.run.method), job.run.method, split=split)


def test_best_val_returns_the_best_epoch(a_job):
    job = a_job(LoRA(rank=2), select="best_val", train_on="train", epochs=6, lr=3e-2)
    _, model = job.run.method.train(job)
    best = max(job.curve, key=lambda row: (row["val"], -row["val_loss"]))
    score = job.validate(model)
    assert (score.accuracy, score.loss) == (best["val"], pytest.approx(best["val_loss"], rel=1e-5))


def test_last_keeps_the_last_epoch_and_does_not_validate(a_job):
    job = a_job(LoRA(rank=2), train_on="train")
    job.run.method.train(job)
    assert all("val" not in row for row in job.curve)


@dataclasses.dataclass(frozen=True)
class Hooked(Method):
    """Uses every hook: two groups, a penalty, a step that counts."""

    steps = []

    def inject(self, model: nn.Module) -> None:
        freeze(model)
        model.norm.requires_grad_(True)

    def groups(self, model):
        return [{"params": list(model.norm.parameters()), "lr_scale": 16.0}, {"params": list(model.head.parameters())}]

    def step(self, model, optimizer, t, steps):
        assert steps == 5
        self.steps.append((t, [group["lr"] for group in optimizer.param_groups]))
        optimizer.step()


def test_groups_and_steps_are_the_methods(a_job):
    job = a_job(Hooked(), epochs=1, warmup=0)
    Hooked().train(job)
    assert [t for t, _ in Hooked.steps] == list(range(5))
    assert Hooked.steps[0][1] == [pytest.approx(0.16), pytest.approx(0.01)]


def test_divergence_is_named(a_job):
    job = a_job(Full(), lr=1e30)
    with pytest.raises(Diverged, match="the loss is nan in epoch"):
        Full().train(job)


def test_an_incomplete_batch_is_left_out_but_a_small_set_is_not(a_job):
    steps = []

    class Counted(LoRA):
        def step(self, model, optimizer, t, steps_in_all):
            steps.append((t, steps_in_all))
            optimizer.step()

    for batch_size, expected in ((1000, 1), (16, 5)):  # 90 images
        steps.clear()
        Counted(rank=1).train(a_job(Counted(rank=1), batch_size=batch_size, epochs=1, warmup=0))
        assert steps == [(t, expected) for t in range(expected)]


def test_sgd_is_to_be_had():
    group = [{"params": [nn.Parameter(torch.zeros(1))]}]
    optimizer = make_optimizer(dataclasses.replace(RECIPE, optimizer="sgd"), group)
    assert (type(optimizer).__name__, optimizer.defaults["momentum"]) == ("SGD", 0.9)


def test_compiled_training_is_the_same(a_job, monkeypatch):
    """The compile switch reaches torch.compile; on its eager backend the numbers are the same."""
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: compiled(model, backend="eager"))
    job = a_job(LoRA(rank=2), epochs=1, warmup=0)
    plain = job.run.method.train(job)[1]
    other = a_job(LoRA(rank=2), epochs=1, warmup=0)
    other.compiled = True
    found = other.run.method.train(other)[1]
    np.testing.assert_allclose(plain.head.weight.detach(), found.head.weight.detach(), rtol=1e-5, atol=1e-7)


def test_bf16_trains_the_same_model_roughly(a_job):
    curves = []
    for precision in ("fp32", "bf16"):
        job = a_job(LoRA(rank=2), precision=precision)
        job.run.method.train(job)
        curves.append(job.curve[-1]["loss"])
    assert curves[1] == pytest.approx(curves[0], rel=0.05)


def test_a_kept_fit_is_not_repeated(a_job):
    """Another start of the same run finds weights, curve and phase; a half-written file is none."""
    first, method = a_job(LoRA(rank=2)), LoRA(rank=2)
    assert not list(first.workspace.glob("super*"))
    model = first.fit(first.build(method), method, split="train", epochs=2, keep="supernet")
    first.fit(first.build(method), method)
    second = a_job(LoRA(rank=2))
    (second.workspace / "other.new").write_bytes(b"half")
    again = second.fit(second.build(method), method, split="train", epochs=2, keep="supernet")
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))
    assert second.curve == first.curve[:2] and second.phases == first.phases[:1]
    assert second.seconds_before == first.phases[0]["seconds"] and first.seconds_before == 0
    assert second.validate(again) == first.validate(model)
    second.fit(second.build(method), method)
    assert second.curve == first.curve and second.curve[-1]["phase"] == "2 trainval"


@pytest.mark.parametrize("left", [b"", b"\0" * 4096, None])
def test_a_kept_fit_that_is_damaged_is_made_again(a_job, left):
    """As a power cut leaves it: empty, zeros, or cut short."""
    first, method = a_job(LoRA(rank=2)), LoRA(rank=2)
    model = first.fit(first.build(method), method, split="train", epochs=2, keep="supernet")
    file = first.workspace / "supernet.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-10] if left is None else left)
    second = a_job(LoRA(rank=2))
    again = second.fit(second.build(method), method, split="train", epochs=2, keep="supernet")
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))
    assert second.seconds_before == 0 and file.stat().st_size == len(whole)


def test_a_kept_fit_on_validation_images_stays_marked(a_job):
    for _ in range(2):
        job = a_job(LoRA(rank=2))
        model = job.fit(job.build(job.run.method), job.run.method, split="trainval", keep="whole")
        with pytest.raises(ValueError, match="was fitted on the validation images"):
            job.validate(model)


def test_what_a_method_shows_and_hands_over(a_job):
    seen, job = [], a_job()
    assert job.progress("search", 1, 2) is None and job.say("half way") is None
    job.progress = lambda *row: seen.append(row)
    job.progress("search", 1, 2)
    job.also("inherited", job.build(job.run.method))
    assert seen == [("search", 1, 2)] and list(job.variants) == ["inherited"]


def test_nothing_a_job_holds_leads_to_test_images(a_job):
    job = a_job()
    assert job.run.task.sources == ()
    assert job.batches is not None
    with pytest.raises(ValueError, match="may read"):
        job._split("test")


def test_only_training_sees_augmented_images(a_job):
    """What a method reads by itself, and what it is validated on, is as it is."""
    plain, changed = a_job(), a_job(flip=0.5, erasing=0.5, mixup=0.8, label_smoothing=0.1, batch_size=128)
    for split in ("train", "val", "trainval"):
        (x, y), *_ = changed.batches(split)
        (expected, labels), *_ = plain.batches(split)
        assert torch.equal(x[:16], expected) and torch.equal(y[:16], labels)
    seen = []

    class Watching(LoRA):
        def loss(self, model, x, y):
            seen.append((len(x), y.shape))
            return super().loss(model, x, y)

    for job in (plain, changed):
        job.fit(job.build(job.run.method), Watching(rank=2), split="train", epochs=2)
    assert plain.curve[0]["loss"] != changed.curve[0]["loss"]
    assert seen[0] == (16, (16,)) and (70, (70, 3)) in seen
    assert changed.validate(changed.build(changed.run.method)) == plain.validate(plain.build(plain.run.method))


def test_a_head_alone_is_trained_on_new_images_each_time_where_they_are_augmented(a_job):
    for changes, once in (({}, True), ({"flip": 0.5}, False), ({"label_smoothing": 0.1}, False)):
        job = a_job(Linear(), **changes)
        job.fit(job.build(job.run.method), job.run.method)
        assert job.phases[0]["features_once"] is once


def test_soft_labels_in_bf16(a_job):
    job = a_job(mixup=0.8, precision="bf16")
    job.run.method.train(job)
    assert math.isfinite(job.curve[-1]["loss"])
