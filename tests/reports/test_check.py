"""Every way in which a record can be spoilt is named, and nothing is said of a sound store."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from visionpeft.benchmark import trial
from visionpeft.benchmark.record import Record, run_id
from visionpeft.benchmark.store import pack
from visionpeft.reports import leaderboard
from visionpeft.reports.check import check, main
from visionpeft.reports.checks.beside import digest
from visionpeft.reports.checks.finding import SHOWN

LABELS = np.arange(1000) % 10
CLEAN = {"commit": "abc", "dirty": False, "versions": {"torch": "2.14.1", "timm": "1.0.31"}}
ALL = ("digits", "letters", "count", "location")


def wrote(runs, wrong: int = 100, task: str = "digits", label: str = "lora", seed: int = 0, **changes) -> Path:
    """Write a sound record with predictions and labels, of which some are wrong, and return its path."""
    predicted = LABELS.copy()
    predicted[seed : seed + wrong] = (predicted[seed : seed + wrong] + 1) % 10
    packed = pack({"test": predicted, "labels/test": LABELS})
    fields = {"provenance": CLEAN} | changes.pop("fields", {})
    run = runs.a_run(task, label, seed, **changes)
    record = runs.a_record(1 - wrong / 1000, label, run)
    said = {"file": f"{record.stem}.npz", "sha256": hashlib.sha256(packed).hexdigest()}
    path = runs.put(Record(**(vars(record) | {"predictions": said} | fields)))
    path.with_suffix(".npz").write_bytes(packed)
    return path


def whole(runs, label: str = "lora", **changes) -> list[Path]:
    return [wrote(runs, 100 + seed, task, label, seed, **changes) for task in ALL for seed in range(3)]


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_sound_store_has_nothing_to_say(runs, capsys) -> None:
    whole(runs)
    assert main([str(runs.root)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("looked at:") and said.endswith("12 records, 0 errors, 0 warnings\n")
    assert "for 12 of 12 test scores" in said


def flip(path: Path) -> None:
    """One more wrong answer, and the digest that goes with it."""
    beside = path.with_suffix(".npz")
    with np.load(beside) as arrays:
        predicted, labels = arrays["predicted"].copy(), arrays["labels"]
    predicted[-1] = (predicted[-1] + 1) % 10
    beside.write_bytes(pack({"test": predicted, "labels/test": labels}))


def flip_in_both(path: Path) -> None:
    flip(path)
    sha = hashlib.sha256(path.with_suffix(".npz").read_bytes()).hexdigest()
    edit(path, predictions={"file": path.with_suffix(".npz").name, "sha256": sha})


def reseed(path: Path) -> None:
    values = json.loads(path.read_text())
    values["run"]["seed"] = 7
    path.write_text(json.dumps(values))


def change(path: Path, where: str, value) -> None:
    """Edit what the id does not cover, by a dotted path."""
    values = json.loads(path.read_text())
    *parents, last = where.split(".")
    inner = values
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    path.write_text(json.dumps(values))


def no_file(path: Path) -> None:
    path.with_suffix(".npz").unlink()
    path.with_suffix(".npz").mkdir()


def cut(path: Path) -> None:
    beside = path.with_suffix(".npz")
    beside.write_bytes(beside.read_bytes()[:-40])
    sha = hashlib.sha256(beside.read_bytes()).hexdigest()
    edit(path, predictions={"file": beside.name, "sha256": sha})


SPOILT = {
    "a prediction": (flip, "is not the predictions file that it was written with"),
    "a prediction and its digest": (flip_in_both, "accuracy 0.9 of test, but its stored predictions give 0.899"),
    "half a predictions file": (cut, "cannot be read"),
    "the accuracy": (lambda p: edit(p, scores={"test": 0.95}), "its stored predictions give 0.9"),
    "no count": (lambda p: edit(p, scores={"test": 0.9005}), "no whole number of right answers out of 1000"),
    "the seed": (reseed, "does not match its contents"),
    "half a file": (lambda p: p.write_text(p.read_text()[:200]), "not readable as JSON"),
    "a newer schema": (lambda p: edit(p, schema=2), "schema 2, expected 1"),
    "an unknown field": (lambda p: edit(p, more=1), "unexpected keyword argument 'more'"),
    "a lacking field": (lambda p: p.write_text(json.dumps({"schema": 1})), "missing 4 required"),
    "a type": (lambda p: edit(p, shared=None), "shared is None, which tables cannot read"),
    "the name": (lambda p: p.rename(p.with_name("x--lora--s0--0123456789.json")), "renamed or moved by hand?"),
    "NaN": (lambda p: edit(p, scores={"test": math.nan}), "accuracy nan of test, expected a number from 0 to 1"),
    "percent": (lambda p: edit(p, scores={"test": 93.0}), "accuracy 93.0 of test, expected a number from 0 to 1"),
    "NaN elsewhere": (lambda p: edit(p, cost={"seconds_train": math.inf}), "cost.seconds_train is no finite number"),
    "no score": (lambda p: edit(p, scores={}), "ended ok without a test score"),
    "the label": (lambda p: edit(p, label="glora"), "is called 'glora', but its method is lora"),
    "a beginning of the label": (lambda p: edit(p, label="loral"), "is called 'loral', but its method is lora"),
    "a folder for predictions": (no_file, ".npz cannot be read (Is a directory)"),
    "the flavour": (lambda p: change(p, "run.data.flavour", "official"), "not which of its splits are confirmed"),
    "the suite's size": (lambda p: change(p, "run.task.suite_tasks", 1), "the suite mini has 1 and 4 tasks"),
    "the group's size": (lambda p: change(p, "run.task.group_tasks", 1), "mini's group natural has 1 and 2 tasks"),
    "more trainable than all": (lambda p: change(p, "params.trainable", 10**9), "trainable 1000000000, total 86101258"),
    "fewer trainable than the head": (lambda p: change(p, "params.trainable", 1), "head <= trainable <= total"),
    "no count of parameters": (lambda p: change(p, "params.total", None), "total None; expected counts"),
    "half a parameter": (lambda p: change(p, "params.merged_total", 0.5), "params.merged_total is 0.5, expected"),
    "a negative cost": (lambda p: change(p, "cost.seconds_train", -1), "cost.seconds_train is -1, expected a number"),
    "a cost in words": (lambda p: change(p, "cost.seconds_train", "lots"), "cost.seconds_train is 'lots', expected"),
    "a cost beyond numbers": (lambda p: change(p, "cost.seconds_train", 10**400), "cost.seconds_train is 1000"),
    "shared images": (lambda p: edit(p, shared={"test": 1001}), "shared.test is 1001, expected a count of its 1000"),
    "a failure with scores": (lambda p: edit(p, status="oom"), "ended oom, yet has scores"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_spoilt_is_one_error_that_names_the_file(runs, capsys, what) -> None:
    bad, *_ = whole(runs)
    spoil, message = SPOILT[what]
    spoil(bad)
    assert main([str(runs.root)]) == 1
    said = capsys.readouterr().out
    lines = said.partition("errors:\n")[2].partition("\n\n")[0].splitlines()
    line = next(line for line in lines if message in line)
    assert "mini/" in line and (bad.name in line or "x--lora--s0" in line)
    assert "12 records" in said


def warned(runs, **kwargs) -> list[str]:
    return [str(one) for one in check(runs.root, **kwargs).warnings]


def test_missing_predictions_are_a_warning(runs) -> None:
    whole(runs)[0].with_suffix(".npz").unlink()
    found = check(runs.root)
    assert not found.errors and [one.what for one in found.warnings] == [
        "its predictions are not beside it: its accuracy is taken on trust"
    ]
    assert "for 11 of 12 test scores" in found.notes[0]


def test_where_a_record_comes_from(runs) -> None:
    for path, seen in zip(whole(runs), [{}, CLEAN | {"dirty": True}, *[CLEAN] * 10], strict=True):
        edit(path, provenance=seen)
    assert sum("no commit is known" in line for line in warned(runs)) == 1
    assert sum("changes that no commit has" in line for line in warned(runs)) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": {"provenance": CLEAN | {"versions": {"torch": "2.13"}}}}, "mixes torch versions 2.13 and 2.14.1"),
        ({"recipe__precision": "bf16"}, "one row mixes precisions bf16 and fp32"),
    ],
)
def test_what_a_row_mixes(runs, changes, message) -> None:
    for seed in range(3):
        wrote(runs, 100 + seed, "digits", seed=seed, versions={"harness": 2, "pixels": 1})
        wrote(runs, 100 + seed, "count", seed=seed, **({"versions": {"harness": 2, "pixels": 1}} | changes))
    assert [line for line in warned(runs) if message in line]


def test_a_row_of_two_versions_is_an_error(runs) -> None:
    wrote(runs, 100, "digits", versions={"harness": 2, "pixels": 1})
    wrote(runs, 100, "count", versions={"harness": 1, "pixels": 1})
    (found,) = (one for one in check(runs.root).findings if one.error)
    assert "versions.harness is 1 in the first and 2 in the second" in found.what


def test_a_label_may_say_more_than_the_method(runs) -> None:
    for path in whole(runs):
        edit(path, label="lora (JPEG 75)")
    assert not check(runs.root).findings


def test_sizes_that_are_not_those_of_vtab(runs) -> None:
    wrote(runs, task__suite="vtab", task__suite_tasks=1, task__group_tasks=1)
    said = errors(runs)
    assert any("the suite vtab has 19 tasks, but 1 in this record" in line for line in said)
    assert any("vtab's group natural has 7 tasks, but 1 in this record" in line for line in said)


def test_seeds_that_trained_other_numbers_of_parameters(runs) -> None:
    first, second, *_ = whole(runs)
    change(first, "params.trainable", 7_691)
    assert warned(runs) == ["mini: lora: seeds of digits differ in trainable parameters (302602 and 7691)"]
    edit(first, settled={"rank": 1})
    assert not check(runs.root).findings


def test_seeds_that_are_too_few_or_change_nothing(runs) -> None:
    wrote(runs, 100), wrote(runs, 100, label="ssf"), wrote(runs, 50, "count", label="ssf")
    path = wrote(runs, 100, label="ssf", seed=1)
    first = json.loads(next(runs.root.glob("mini/digits--ssf--s0*.json")).read_text())["predictions"]["sha256"]
    edit(path, predictions={"file": path.with_suffix(".npz").name, "sha256": first})
    said = warned(runs)
    assert "mini: lora: one seed on digits; at least 3, better 5" in said
    assert "mini: ssf: 2 seeds on digits; at least 3, better 5" in said
    assert any("same class for every test image, though their seeds differ" in line for line in said)
    assert any("mini: lora: lacks 1 of the 2 test sets" in line and "(count)" in line for line in said)


def test_other_weights_under_one_name(runs) -> None:
    whole(runs)
    whole(runs, backbone__weights_sha256="f" * 64)
    assert any("the backbone called vit_pico has other weights" in line for line in warned(runs))


def errors(runs, **kwargs) -> list[str]:
    return [str(one) for one in check(runs.root, **kwargs).errors]


def test_one_task_on_other_examples_whatever_the_recipe(runs) -> None:
    wrote(runs)
    splits = runs.a_run()["data"]["splits"]
    splits["test"]["digest"] = "f" * 64
    wrote(runs, recipe__name="other", data__splits=splits)
    assert any("differ in the test examples of digits" in line for line in errors(runs))


def test_labels_that_differ_though_the_images_do_not(runs) -> None:
    path = whole(runs)[0]
    with np.load(path.with_suffix(".npz")) as arrays:
        packed = pack({"test": arrays["predicted"], "labels/test": np.roll(arrays["predicted"], 1)})
    path.with_suffix(".npz").write_bytes(packed)
    edit(path, predictions={"file": path.with_suffix(".npz").name, "sha256": hashlib.sha256(packed).hexdigest()})
    assert any("labels of test stored beside them differ" in line for line in errors(runs))


def test_two_records_of_one_run_and_one_cell_under_two_settings(runs) -> None:
    path = whole(runs)[0]
    (runs.root / "copy").mkdir()
    (runs.root / "copy" / path.name).write_bytes(path.read_bytes())
    wrote(runs, 1, seed=5, recipe__lr=9.0)
    said = errors(runs)
    assert any("are 2 records of the same run" in line for line in said)
    assert any("no table can be made" in line and "recipe.lr is 0.001" in line for line in said)


def test_what_was_chosen_on_test_images(runs) -> None:
    curve = [{"phase": "1", "epoch": i, "loss": 0.1, "test": value} for i, value in ((1, 0.95), (2, 0.9))]
    wrote(runs, oracle=True, fields={"curve": curve})
    wrote(runs, task="count", oracle=True, fields={"curve": curve[:1]})
    preset = {"name": "vpt", "model": "m", "data": "d", "selected": "best of 10 looks at TEST", "lacks": ""}
    wrote(runs, label="vpt", preset=preset, per_task="test")
    said = warned(runs)
    assert any("(oracle=true): a diagnostic" in line for line in said)
    assert sum("test is 0.9, but 0.95 in its own curve by the rule last" in line for line in said) == 1
    assert any("chosen on test images (best of 10 looks at TEST)" in line for line in said)
    assert any("chosen on test images by those who published them" in line for line in said)


def test_an_epoch_chosen_on_what_was_learnt_is_an_error(runs) -> None:
    wrote(runs, recipe__select="best_val")
    assert any("chosen on validation images that it learnt from (trainval)" in line for line in errors(runs))


def test_accuracies_that_do_not_go_with_training(runs) -> None:
    # 4 standard errors of 90 % on 1000 beside 80 % on 200 images: 4 * 2.5 = 10 points
    wrote(runs, fields={"scores": {"test": 0.9, "val": 0.805}})
    wrote(runs, task="count", fields={"scores": {"test": 0.9, "val": 0.7}})
    wrote(runs, task="letters", fields={"curve": [{"epoch": 1, "loss": 2.31}]})
    wrote(runs, task="location", fields={"curve": [{"epoch": 1, "loss": 2.29}]})
    said = [line for line in warned(runs) if "yet test" in line or "above validation" in line]
    assert len(said) == 2
    assert "count--lora" in said[0] + said[1] and "20.0 points above validation" in said[0] + said[1]
    assert "(loss 2.31, ln 10 = 2.30)" in said[0] + said[1] and "letters--lora" in said[0] + said[1]


def pins(runs, tmp_path: Path, **changes) -> Path:
    split = runs.a_run()["data"]["splits"]["test"]
    values = {"size": "1000", "examples": split["digest"], "labels": digest(LABELS.tolist())} | changes
    path = tmp_path / "digests.csv"
    path.write_text("task,split,size,examples,labels\n" + ",".join(["digits", "test", *values.values()]) + "\n")
    return path


def official(runs, state: str = "confirmed") -> None:
    data = {**runs.a_run()["data"], "confirmed": {"test": state}}
    data["splits"] = {"test": data["splits"]["test"]}
    wrote(runs, task__suite="vtab", task__suite_tasks=19, task__group_tasks=7, data=data)


def test_pinned_digests_are_looked_up_and_not_taken_from_the_record(runs, tmp_path) -> None:
    official(runs)
    assert not errors(runs, pinned=pins(runs, tmp_path))
    for what in ("size", "examples", "labels"):
        (line,) = errors(runs, pinned=pins(runs, tmp_path, **{what: "9" * 64}))
        assert f"{what} of digits's test are" in line and "pinned are 9999999999999999" in line
    assert any("but nothing is pinned of it" in x for x in warned(runs, pinned=pins(runs, tmp_path, examples="")))


def test_what_is_not_yet_confirmed_is_a_warning_and_assumed_names_are_not_compared(runs, tmp_path) -> None:
    official(runs, "keys assumed")
    found = check(runs.root, pins(runs, tmp_path, examples="9" * 64))
    assert not found.errors and any("not yet confirmed" in str(one) for one in found.warnings)


def test_the_real_pins_can_be_read_and_others_are_refused(runs, tmp_path, capsys) -> None:
    whole(runs)
    assert main([str(runs.root), "--pinned", str(Path(__file__).parents[2] / "data/splits/digests.csv")]) == 0
    for odd in ("a,b\n1,2\n", "", "task,split,size,examples\n", 'task,split,size,examples\n"' + "x" * 200_000):
        (tmp_path / "odd.csv").write_text(odd)
        assert main([str(runs.root), "--pinned", str(tmp_path / "odd.csv")]) == 2
        assert "holds no pinned digests" in capsys.readouterr().err


def test_too_good_to_be_true(runs) -> None:
    """On Pets 94.5 is the best published figure, 89.26 that of linear; chance is 1.9 points on 1000 images, or 1.4."""
    for label, wrong in (("linear", 79), ("bitfit", 50), ("lora", 40), ("ssf", 10)):
        for seed in range(3):
            wrote(runs, wrong, "pets", label, seed, task__suite="vtab", task__num_classes=37)
    said = {line.partition(",")[0]: line for line in warned(runs) if "is above" in line}
    assert set(said) == {"bitfit", "lora", "ssf"}
    assert "ssf, pets: 99.0 is above 94.5, the best that was published of any method (qGOFT" in said["ssf"]
    assert "by more than chance (1.4) and 1 point" in said["ssf"]
    assert "of this method" in said["bitfit"] and "of this method" in said["lora"]


def test_too_good_for_an_adapter_is_judged_by_those_of_its_own_placement(runs) -> None:
    """On Retinopathy 76.2 is the best published figure of one adapter per block, 75.2 of two, 82.4 of any method.

    Chance on 1000 images is 2.7 points, so that 79.0 is too much for two, and 80.0 for one.
    """
    for label, wrong in (("adapter", 210), ("adapter_pfeiffer", 210), ("adapter_pfeiffer (bottleneck=4)", 200)):
        for seed in range(3):
            wrote(runs, wrong, "retinopathy", label, seed, task__suite="vtab", task__num_classes=5)
    said = {line.partition(",")[0]: line for line in warned(runs) if "is above" in line}
    assert set(said) == {"adapter", "adapter_pfeiffer (bottleneck=4)"}
    assert "above 75.2, the best that was published of this method (rand_h_adapter" in said["adapter"]
    assert "above 76.2, the best that was published of this method (lora_p_adapter" in said.popitem()[1]


def test_the_same_finding_of_many_records_is_one_line(runs) -> None:
    for path in whole(runs):
        edit(path, provenance={})
    (line,) = warned(runs)
    assert f"and {12 - SHOWN} more: made outside a checkout" in line


def test_nothing_to_check_is_one_sentence(runs, capsys) -> None:
    assert main([str(runs.root)]) == 2
    assert "no records to check in" in capsys.readouterr().err
    assert main([str(runs.root / "nowhere")]) == 2
    assert "no folder" in capsys.readouterr().err


def everything(runs) -> dict:
    """A record with all that reports read."""
    fields = {
        "predictions": {"file": "x", "sha256": "y"}, "provenance": CLEAN, "losses": {"val": 1.0},
        "images": {"test": "a"}, "curve": [{"epoch": 1, "loss": 0.1, "test": 0.5}],
    }  # fmt: skip
    preset = {"name": "vpt", "model": "m", "data": "d", "selected": "x", "lacks": ""}
    tuned = {"study": "s", "trials": 4, "folds": 1}
    data = {**runs.a_run()["data"], "sample": 0, "flavour": "official", "confirmed": {"test": "confirmed"}}
    task = {**runs.a_run()["task"], "suite": "vtab", "targets": {}, "in_domain": [], "seen": []}
    more = {"preset": preset, "tuned": tuned, "versions": {"harness": 1}, "oracle": True, "data": data}
    return copy.deepcopy(vars(runs.a_record(0.5, run=runs.a_run(**more) | {"task": task}, **fields)))


def places(value, at=()):
    yield at
    for key in value if isinstance(value, dict) else ():
        yield from places(value[key], (*at, key))


def test_no_type_of_any_field_makes_it_stumble(runs) -> None:
    """Each field in turn is something else, with an id that fits; whoever wrote the file meant no harm."""
    base = everything(runs)
    for at in [at for at in places(base) if at and at[0] not in ("id", "schema")]:
        for value in (None, [None]):
            changed = copy.deepcopy(base)
            inner = changed
            for key in at[:-1]:
                inner = inner[key]
            inner[at[-1]] = value
            changed["id"] = run_id(changed["run"]) if isinstance(changed["run"], dict) else "0"
            path = runs.root / "vtab" / "digits--lora--s0--x.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(changed))
            found = check(runs.root)
            assert found.records == 1
            if not found.errors:  # it is counted, so pages and tables have to cope with it too
                leaderboard.write(runs.root, beside_published=True)


def a_study(runs, trials: int = 2, budget: int = 2) -> Path:
    """Write a study whose trial 1 is the best, with a record for each trial."""
    study = runs.root / "tuning" / "s"
    own = type(runs)(study)
    (study / "trials").mkdir(parents=True)
    (study / "study.json").write_text(json.dumps({"trials": budget}))
    for number in range(trials):
        run = runs.a_run(seed=number, recipe__train_on="train")
        del run["data"]["splits"]["test"]
        accuracy = 0.5 + number / 10
        path = own.put(runs.a_record(run=run, scores={"val": accuracy}, losses={"val": 1.0}, provenance=CLEAN))
        tried = trial.Trial(number, "ok", {"recipe.lr": 0.1 * number}, 0.1 * number, accuracy, 1.0, runs=[path.stem])
        trial.trial_file(study, number).write_text(trial.text(tried))
    chosen = trial.Chosen("s", {"recipe.lr": 0.1}, 1, 0.6, 1.0, {"trials": budget, "folds": 1}, {})
    (study / "chosen.json").write_text(trial.text(chosen))
    return study


def test_a_sound_study_has_nothing_to_say(runs, capsys) -> None:
    a_study(runs)
    assert main([str(runs.root)]) == 0
    assert capsys.readouterr().out.endswith("0 records, 1 study, 0 errors, 0 warnings\n")


def a_record_of(study: Path) -> Path:
    return sorted(study.glob("mini/*s1*.json"))[0]


def looked_at_test_images(study: Path) -> None:
    edit(a_record_of(study), images={"test": "a" * 64})


SPOILT_STUDIES = {
    "test images": (looked_at_test_images, "a trial has seen test images (test)"),
    "a trial's accuracy": (lambda s: edit(trial.trial_file(s, 0), accuracy=0.55), "accuracy 0.55, but the records"),
    "what was chosen": (
        lambda s: edit(s / "chosen.json", trial=0),
        "takes trial 0 with 0.6, its own rule takes trial 1",
    ),
    "a record": (lambda s: a_record_of(s).write_text("{"), "not readable as JSON"),
    "a record's place": (lambda s: a_record_of(s).rename(s / "mini" / "x--m--s0--0.json"), "should be tuning/s/mini/"),
    "a trial": (lambda s: trial.trial_file(s, 0).write_text("{"), "tuning/s/trials/0000.json: not readable as JSON"),
    "a type": (lambda s: edit(trial.trial_file(s, 0), accuracy="x"), "tuning/s: holds values of other types"),
    "the budget": (lambda s: (s / "study.json").write_text('{"trials": 1}'), "2 trials, but its budget is 1"),
}


@pytest.mark.parametrize("what", SPOILT_STUDIES)
def test_what_is_spoilt_in_a_study_is_an_error(runs, what) -> None:
    study = a_study(runs)
    spoil, message = SPOILT_STUDIES[what]
    spoil(study)
    assert any(message in line for line in errors(runs))


def test_a_budget_that_grows_needs_a_look_and_is_no_error(runs) -> None:
    study = a_study(runs, trials=3)
    (study / "study.json").write_text('{"trials": 4}')
    found = check(runs.root)
    said = "tuning/s: 3 of 4 trials have ended; final runs take over what 2 chose"
    assert not found.errors and [str(one) for one in found.warnings] == [said]


TUNED = {"study": "s", "trial": 1, "trials": 2, "folds": 1}


@pytest.mark.parametrize(
    ("trials", "tuned", "lr", "message"),
    [
        (2, {}, 0.1, ""),
        (3, {}, 0.1, ""),  # taken over before the budget grew
        (2, {"trial": 0}, 0.1, "says of its study s what that does not say: trial"),
        (2, {"trials": 8}, 0.1, "says of its study s what that does not say: trials"),
        (2, {"seed": 5}, 0.1, "says of its study s what that does not say: seed"),
        (2, {}, 0.3, "recipe.lr is 0.3, but its study s chose 0.1"),
        (3, {}, 0.2, "recipe.lr is 0.2, but its study s chose 0.1"),
    ],
)
def test_a_final_run_is_what_its_study_chose(runs, trials, tuned, lr, message) -> None:
    study = a_study(runs, trials, trials)
    best = {"trial": trials - 1, "accuracy": 0.5 + (trials - 1) / 10, "settings": {"recipe.lr": 0.1 * (trials - 1)}}
    edit(study / "chosen.json", **best)
    wrote(runs, tuned=TUNED | tuned, recipe__lr=lr)
    said = [line.partition(": ")[2] for line in errors(runs)]
    assert said == ([message] if message else [])


def test_what_of_a_study_needs_a_look(runs) -> None:
    study = a_study(runs, budget=4)
    (study / "chosen.json").unlink()
    a_record_of(study).unlink()
    tuned = {"study": "elsewhere", "trials": 32, "folds": 1}
    wrote(runs, label="lora", tuned=tuned), wrote(runs, label="ssf", tuned=tuned | {"trials": 8})
    said = warned(runs)
    assert "tuning/s: 2 of 4 trials have ended; no final run can take it over yet" in said
    assert any("tuning/s/trials/0001.json: records of its runs are not there" in line for line in said)
    assert any("that chose its settings is not in this store (elsewhere)" in line for line in said)
    assert any(
        "with unequal budgets: 32 trials by tpe, all drawn, judged on val, pruner none; 8 trials" in x for x in said
    )
