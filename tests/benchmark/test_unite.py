"""Records come over with what lies beside them, whole or not at all; nothing is overwritten, whatever goes wrong."""

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from visionpeft.benchmark import bring as bring_module
from visionpeft.benchmark import bring_study as bring_study_module
from visionpeft.benchmark import trial
from visionpeft.benchmark import unite as unite_module
from visionpeft.benchmark.record import Record, read, run_id
from visionpeft.benchmark.store import Store, pack, sha256
from visionpeft.benchmark.unite import main, unite

CLASSES = {"test": np.array([0, 2, 1])}


def record(seed=0, score=0.5, status="ok", **fields):
    run = {"task": {"name": "t", "suite": "s"}, "method": {"name": "m"}, "seed": seed}
    stem = f"t--m--s{seed}--{run_id(run)}"
    if status == "ok":
        fields |= {"scores": {"test": score}, "predictions": {"file": f"{stem}.npz", "sha256": sha256(pack(CLASSES))}}
    return Record(id=run_id(run), status=status, run=run, label="m", **fields)


def put(root: Path, *records, adapter=False) -> list[Path]:
    paths = [Store(root).write(one, CLASSES if one.status == "ok" else None) for one in records]
    for path in paths if adapter else ():
        path.with_suffix(".adapter").mkdir()
        (path.with_suffix(".adapter") / "adapter.yaml").write_text("x: 1\n")
    return paths


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file() and ".locks" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def stores(tmp_path):
    return tmp_path / "theirs", tmp_path / "ours"


def command(theirs, ours, *more) -> int:
    return main([str(theirs), *map(str, more), "--into", str(ours)])


def test_records_come_over_with_what_lies_beside_them(stores, capsys):
    theirs, ours = stores
    put(theirs, record(0), record(1, status="oom"), adapter=True)
    assert command(theirs, ours) == 0
    assert files(ours) == files(theirs)
    assert {path.rpartition(".")[2] for path in files(ours)} == {"json", "npz", "yaml"}
    assert "2 copied, 0 there already, 0 left out" in capsys.readouterr().err
    assert command(theirs, ours) == 0
    assert "0 copied, 2 there already, 0 left out" in capsys.readouterr().err


def test_several_stores_and_what_is_there_stays(stores, tmp_path, capsys):
    theirs, ours = stores
    put(theirs, record(0), record(1))
    put(tmp_path / "third", record(2))
    (mine,) = put(ours, record(1))
    before = mine.stat().st_mtime_ns
    assert command(theirs, ours, tmp_path / "third") == 0
    assert "1 copied, 1 there already, 0 left out" in capsys.readouterr().err
    assert mine.stat().st_mtime_ns == before
    assert len(list(ours.glob("s/*.json"))) == 3


def test_two_results_of_one_run_are_a_conflict(stores, capsys):
    theirs, ours = stores
    (a,) = put(theirs, record(score=0.5, provenance={"device": "cpu", "threads": 1}))
    put(theirs, record(1))
    (b,) = put(ours, record(score=0.625, provenance={"device": "gpu", "threads": 1}))
    held = b.read_bytes()
    assert command(theirs, ours) == 1
    said = capsys.readouterr().err
    for text in (str(a), str(b), "scores.test (0.5 there, 0.625 here)", "provenance.device", "take one of the two"):
        assert text in said
    assert "provenance.threads" not in said
    assert "1 copied, 0 there already, 1 left out" in said
    assert b.read_bytes() == held


def test_the_same_result_from_another_machine_confirms_ours(stores, capsys):
    theirs, ours = stores
    gpu = {"device": "gpu", "versions": {"torch": "2.14"}, "commit": "0123456789abcdef"}
    for seed in (0, 1):
        put(theirs, record(seed, provenance=gpu, cost={"seconds_train": 1.0}, curve=[{"epoch": 1, "loss": 0.51}]))
    put(theirs, record(2, provenance={"device": "cpu"}))
    held = put(ours, *(record(seed, provenance={"device": "cpu"}, cost={"seconds_train": 9.0}) for seed in range(3)))
    before = files(ours)
    assert command(theirs, ours) == 0
    said = capsys.readouterr().err
    assert "2 results of this store confirmed, to the last digit, by gpu (torch 2.14, commit 01234567)\n" in said
    assert "1 result of this store confirmed" in said
    assert "0 copied, 0 there already, 3 confirmed, 0 left out" in said
    assert files(ours) == before and read(held[0]).cost == {"seconds_train": 9.0}


def test_predictions_that_cannot_be_opened_leave_one_record_out(stores, capsys):
    theirs, ours = stores
    path, _ = put(theirs, record(0), record(1))
    path.with_suffix(".npz").unlink()
    path.with_suffix(".npz").mkdir()
    assert command(theirs, ours) == 1
    said = capsys.readouterr().err
    assert f"{path.stem}.npz cannot be read (Is a directory)" in said and "1 copied" in said and "1 left out" in said


def test_a_result_under_another_label_confirms_nothing(stores, capsys):
    theirs, ours = stores
    (path,) = put(theirs, record())
    put(ours, record())
    edit(path, label="m (other)")
    assert command(theirs, ours) == 1
    assert "which differ in label" in capsys.readouterr().err


def test_equal_answers_packed_otherwise_are_equal(stores, capsys):
    """Another zlib makes other bytes of the same arrays."""
    theirs, ours = stores
    (path,) = put(theirs, record(provenance={"device": "gpu"}))
    put(ours, record())
    np.savez(path.with_suffix(".npz"), predicted=np.array([0, 2, 1], np.uint16))
    packed = path.with_suffix(".npz").read_bytes()
    edit(path, predictions={"file": path.with_suffix(".npz").name, "sha256": sha256(packed)})
    assert command(theirs, ours) == 0
    said = capsys.readouterr().err
    assert "by gpu (torch unknown)" in said and "predicted otherwise" not in said


def test_equal_scores_with_other_answers_are_told(stores, capsys):
    theirs, ours = stores
    (path,) = put(theirs, record(provenance={"device": "gpu"}))
    put(ours, record())
    packed = pack({"test": np.array([0, 1, 2])})
    path.with_suffix(".npz").write_bytes(packed)
    edit(path, predictions={"file": path.with_suffix(".npz").name, "sha256": sha256(packed)})
    assert command(theirs, ours) == 0
    assert "by gpu (torch unknown), where single images are predicted otherwise" in capsys.readouterr().err


@pytest.mark.parametrize("field", ["settled", "images", "shared", "params"])
def test_equal_scores_of_other_models_or_images_are_a_conflict(stores, capsys, field):
    theirs, ours = stores
    put(theirs, record(**{field: {"x": 1}}))
    put(ours, record())
    assert command(theirs, ours) == 1
    assert f"one run, two results, which differ in {field}.x" in capsys.readouterr().err


def test_a_copy_under_another_name_is_a_conflict(stores, capsys):
    theirs, ours = stores
    put(theirs, record())
    (mine,) = put(ours, record())
    moved = ours / "copy" / mine.name
    moved.parent.mkdir()
    mine.rename(moved)
    assert command(theirs, ours) == 1
    assert f"{moved} is a record of the same run" in capsys.readouterr().err


def test_a_success_joins_a_failure_and_two_failures_are_none(stores):
    theirs, ours = stores
    put(theirs, record(0), record(1, status="oom", error="there"))
    put(ours, record(0, status="oom"), record(1, status="oom", error="here"))
    assert command(theirs, ours) == 0
    assert read(Store(ours).path(record(0))).status == "ok"
    assert read(Store(ours).path(record(1, status="oom"))).error == "here"


def edit(path: Path, **changes) -> None:
    """Change a record as it was before there were seals."""
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seal": ""} | changes))


SPOILT = {
    "not JSON": (lambda path: path.write_text("{"), "not readable as JSON"),
    "a newer schema": (lambda path: edit(path, schema=2), "schema 2, expected 1"),
    "another id": (lambda path: edit(path, id="0000000000"), "does not match its contents"),
    "another run": (lambda path: edit(path, run={"seed": 7}), "does not match its contents"),
    "a run without a task": (lambda path: edit(path, run={}, id=run_id({})), "lacks what names its file"),
    "another name": (lambda path: path.rename(path.with_name("t--m--s5--0123456789.json")), "renamed by hand?"),
    "NaN": (lambda path: edit(path, scores={"test": float("nan")}), "accuracy nan of test, expected a number"),
    "percent": (lambda path: edit(path, scores={"test": 93}), "accuracy 93 of test, expected a number"),
    "no number": (lambda path: edit(path, scores={"test": True}), "accuracy True of test, expected a number"),
    "another type": (lambda path: edit(path, provenance=[]), "provenance is [], expected an object"),
    "a changed text": (lambda path: path.write_text(path.read_text().replace("0.5", "0.6")), "changed after it was"),
    "a bottomless file": (lambda path: path.write_text("[" * 100_000), "not readable as JSON"),
    "other predictions": (lambda path: path.with_suffix(".npz").write_bytes(b"x"), "is not the predictions file"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_unsound_stays_away_and_is_named(stores, capsys, what):
    theirs, ours = stores
    bad, _ = put(theirs, record(0), record(1))
    spoil, message = SPOILT[what]
    spoil(bad)
    assert command(theirs, ours) == 1
    said = capsys.readouterr().err
    assert message in said and str(theirs / "s" / "t--m--s") in said
    assert "1 copied, 0 there already, 1 left out" in said
    assert sorted(files(ours)) == sorted(f"s/{record(1).stem}.{end}" for end in ("json", "npz"))


def test_a_record_without_its_predictions_comes_and_they_follow(stores):
    theirs, ours = stores
    (path,) = put(theirs, record())
    packed = path.with_suffix(".npz").read_bytes()
    path.with_suffix(".npz").unlink()
    assert command(theirs, ours) == 0
    path.with_suffix(".npz").write_bytes(packed)
    assert command(theirs, ours) == 0
    assert files(ours) == files(theirs)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("fails_at", range(1, 7))
def test_a_full_disk_or_ctrl_c_leaves_whole_records_and_is_gone_on_with(stores, monkeypatch, capsys, error, fails_at):
    theirs, ours = stores
    put(theirs, record(0), record(1), adapter=True)
    calls = iter(range(1, 100))

    def failing(path, data, once=False):
        if next(calls) == fails_at:
            raise error
        unite_replace(path, data, once)

    unite_replace = bring_module.replace
    monkeypatch.setattr(bring_module, "replace", failing)
    assert command(theirs, ours) == (130 if isinstance(error, KeyboardInterrupt) else 2)
    said = capsys.readouterr().err
    assert "the same command goes on" in said or "No space left on device" in said and "repeat this" in said
    whole = {path.stem for path in ours.glob("s/*.json")}
    assert {path.partition(".")[0] for path in files(ours)} == {f"s/{stem}" for stem in whole}
    assert command(theirs, ours) == 0
    assert files(ours) == files(theirs)


def test_left_overs_of_a_killed_process_are_replaced(stores):
    theirs, ours = stores
    (path,) = put(theirs, record(), adapter=True)
    for suffix in (".npz", ".adapter"):
        (ours / "s").mkdir(parents=True, exist_ok=True)
        left = (ours / "s" / path.name).with_suffix(suffix)
        left.write_bytes(b"half") if suffix == ".npz" else left.mkdir()
    assert command(theirs, ours) == 0
    assert files(ours) == files(theirs)


def test_a_run_in_progress_is_left_alone(stores, capsys):
    theirs, ours = stores
    put(theirs, record())
    with Store(ours).claim(record().stem):
        line = [sys.executable, "-m", "visionpeft.benchmark.unite", str(theirs), "--into", str(ours)]
        done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 1 and "a process is at this very run" in done.stderr
    assert command(theirs, ours) == 0


def test_what_is_no_store_is_refused_before_anything_is_written(stores, tmp_path, capsys, monkeypatch):
    theirs, ours = stores
    (path,) = put(theirs, record())
    (tmp_path / "empty").mkdir()
    (tmp_path / "project").mkdir()
    theirs.rename(tmp_path / "project" / "runs")
    theirs = tmp_path / "project" / "runs"
    file = tmp_path / "file"
    file.write_text("")
    for other, into, message in (
        (tmp_path / "nowhere", ours, f"no folder {tmp_path / 'nowhere'}; give FROM="),
        (file, ours, "is a file, expected a folder"),
        (tmp_path / "empty", ours, "no records in"),
        (theirs / "s", ours, f"did you mean {theirs}?"),
        (tmp_path / "project", ours, f"did you mean {theirs}?"),
        (theirs, theirs, "is the same store"),
        (theirs, file, "is a file, expected a folder"),
    ):
        assert command(other, into) == 2
        assert message in capsys.readouterr().err
    monkeypatch.setattr(unite_module.os, "access", lambda path, mode: Path(path).name != "s")
    assert command(theirs, ours) == 2
    assert "may not be read" in capsys.readouterr().err
    assert not ours.exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_real_signal_leaves_whole_records(stores):
    theirs, ours = stores
    put(theirs, *(dataclasses.replace(record(seed), notes={"filler": "x" * 50_000}) for seed in range(60)))
    line = [sys.executable, "-m", "visionpeft.benchmark.unite", str(theirs), "--into", str(ours)]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(ours.glob("s/*.json")):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert all(read(path).stem == path.stem for path in ours.glob("s/*.json"))
    assert unite(theirs, ours)["left out"] == 0
    assert {k: v for k, v in files(ours).items() if ".tmp-" not in k} == files(theirs)


def a_study(root: Path, name: str = "s", trials: int = 2, **told) -> Path:
    place = trial.folder(root, name)
    (place / "trials").mkdir(parents=True, exist_ok=True)
    (place / "study.json").write_text(json.dumps({"sampler": "tpe", "trials": trials, **told}))
    (place / "journal.log").write_text("x" * trials)
    (place / ".locks").mkdir(exist_ok=True)
    (place / ".locks" / "0.lock").write_text("")
    for number in range(trials):
        tried = trial.Trial(number, "ok", {"recipe.lr": 0.1}, 0.1, 0.5, 1.0)
        trial.trial_file(place, number).write_text(trial.text(tried))
    if not list(place.glob("s/*.json")):
        put(place, record())
    return place


def test_a_study_comes_over_whole(stores, capsys):
    theirs, ours = stores
    a_study(theirs)
    assert command(theirs, ours) == 0  # a store may have nothing but studies
    assert "studies: 1 copied" in capsys.readouterr().err
    assert files(ours) == files(theirs) and not list(ours.glob("tuning/s/.locks"))
    assert command(theirs, ours) == 0
    assert "studies: 1 there already" in capsys.readouterr().err


def test_a_study_that_went_on_here_stays(stores, capsys):
    theirs, ours = stores
    a_study(theirs)
    a_study(ours, trials=3)
    before = files(ours)
    assert command(theirs, ours) == 0
    assert "studies: 1 there already" in capsys.readouterr().err and files(ours) == before


def test_a_study_that_went_on_there_takes_the_place_of_what_it_went_on_from(stores, capsys):
    theirs, ours = stores
    a_study(theirs, trials=3)
    mine = a_study(ours)
    (mine / "only ours.txt").write_text("kept")
    assert command(theirs, ours) == 0
    assert "studies: 1 gone on with" in capsys.readouterr().err
    assert files(ours) == files(theirs) | {"tuning/s/only ours.txt": b"kept"} and len(files(theirs)) == 7
    assert [path.name for path in mine.parent.iterdir()] == ["s"]
    assert command(theirs, ours) == 0 and "studies: 1 there already" in capsys.readouterr().err


def test_what_lies_beside_equal_trials_comes_over_too(stores, capsys):
    """A choice, and the records of trials."""
    theirs, ours = stores
    study, mine = a_study(theirs), a_study(ours)
    (study / trial.CHOSEN).write_text("{}")
    for path in mine.glob("s/*"):
        path.unlink()
    assert command(theirs, ours) == 0 and "studies: 1 gone on with" in capsys.readouterr().err
    assert files(ours) == files(theirs) and (mine / trial.CHOSEN).exists()


def test_a_study_that_cannot_be_replaced_stays(stores, monkeypatch, capsys):
    theirs, ours = stores
    a_study(theirs, trials=3)
    mine = a_study(ours)
    before, rename = files(ours), Path.rename

    def in_between(path, target):
        if target == mine and (path / trial.TRIALS / "0002.json").exists():
            (mine / ".locks").mkdir(parents=True)  # by a process that opens the study between the two renames
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", in_between)
    assert command(theirs, ours) == 2 and "cannot copy" in capsys.readouterr().err
    assert files(ours) == before and [path.name for path in mine.parent.iterdir()] == ["s"]


def test_a_study_that_a_process_is_at_stays(stores, capsys):
    theirs, ours = stores
    a_study(theirs, trials=3)
    mine = a_study(ours)
    before = files(ours)
    with FileLock(mine / ".locks" / "0.lock"):
        assert command(theirs, ours) == 1
    assert f"a process is at {mine}, which this would replace; repeat this later" in capsys.readouterr().err
    assert files(ours) == before


@pytest.mark.parametrize(("told", "what"), [({}, "trials"), ({"sampler": "grid"}, "what was told")])
def test_another_study_of_the_same_name_is_refused(stores, capsys, told, what):
    theirs, ours = stores
    a_study(theirs, trials=3)
    mine = a_study(ours, **told)
    trial.trial_file(mine, 1).write_text(trial.text(trial.Trial(1, "ok", {"recipe.lr": 0.2}, 0.2, 0.6, 1.0)))
    before = files(ours)
    for _ in range(2):
        assert command(theirs, ours) == 1
        said = f"{mine} is another study of this name, they differ in {what}; studies are not united"
        assert said in capsys.readouterr().err and files(ours) == before


@pytest.mark.parametrize("after", ["", "journal.log", "0001.json"])
def test_a_copy_of_a_study_that_goes_on_meanwhile_has_what_it_says(stores, monkeypatch, after):
    """What a process writes last is read first: an ended trial that the journal knows has its file, and its record."""
    theirs, ours = stores
    study, whole, listed = a_study(theirs), bring_study_module.replace, bring_study_module._files

    def goes_on():
        if not (study / trial.CHOSEN).exists():
            put(study, record(7))
            a_study(theirs, trials=3)
            (study / trial.CHOSEN).write_text("{}")

    def slow(path, data, once=False):
        whole(path, data, once)
        if path.name == after:
            goes_on()

    def looked_up(place):
        found = listed(place)
        if not after and place == study:
            goes_on()  # right after the first look
        return found

    monkeypatch.setattr(bring_study_module, "replace", slow)
    monkeypatch.setattr(bring_study_module, "_files", looked_up)
    assert command(theirs, ours) == 0
    copy = trial.folder(ours, "s")
    known, trials = len((copy / trial.JOURNAL).read_text()), len(list((copy / trial.TRIALS).iterdir()))
    assert known <= trials and (trials == 2 or (copy / "s" / f"{record(7).stem}.json").exists())
    assert not (copy / trial.CHOSEN).exists() or trials == 3


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ("trials/0001.json", "not readable as JSON"),
        ("study.json", "not readable as JSON"),
        (f"s/{record().stem}.json", "not readable as JSON"),
        (f"s/{record().stem}.npz", "is not the predictions file"),
    ],
)
def test_a_damaged_study_stays_away(stores, capsys, spoilt, message):
    theirs, ours = stores
    (a_study(theirs) / spoilt).write_text("{")
    put(theirs, record())
    assert command(theirs, ours) == 1
    said = capsys.readouterr().err
    assert message in said and "1 copied, 0 there already, 0 left out, studies: 1 left out" in said
    assert not (ours / "tuning").exists() or not list((ours / "tuning").iterdir())


def test_a_full_disk_leaves_no_half_study(stores, monkeypatch, capsys):
    theirs, ours = stores
    a_study(theirs)
    calls = iter(range(100))
    whole = bring_module.replace

    def failing(path, data, once=False):
        if next(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(path, data, once)

    monkeypatch.setattr(bring_study_module, "replace", failing)
    assert command(theirs, ours) == 2 and "No space left on device" in capsys.readouterr().err
    assert files(ours) == {}
    assert command(theirs, ours) == 0


def test_what_a_killed_merge_left_of_a_study_is_none(tmp_path):
    for name in (".tmp-abc", "whole"):
        (tmp_path / "tuning" / name).mkdir(parents=True)
        (tmp_path / "tuning" / name / trial.STUDY).write_text("{}")
    assert trial.studies(tmp_path) == [tmp_path / "tuning" / "whole"]


def test_an_interrupt_after_the_record_is_there_leaves_its_predictions(stores, monkeypatch):
    theirs, ours = stores
    (path,) = put(theirs, record())

    def interrupted(place, data, once=False):
        place.write_bytes(data)
        if once:
            raise KeyboardInterrupt

    monkeypatch.setattr(bring_module, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bring_module.bring(path, read(path), Store(ours), None)
    assert {Path(name).suffix for name in files(ours)} == {".json", ".npz"}


def test_files_in_the_place_of_folders_are_called_files(stores, tmp_path, capsys):
    theirs, ours = stores
    put(theirs, record())
    (tmp_path / "file").write_text("")
    assert command(tmp_path / "file", ours) == 2 and "file is a file, expected a folder" in capsys.readouterr().err
    assert command(theirs, tmp_path / "file") == 2
    said = capsys.readouterr().err
    assert "file is a file, expected a folder of records to copy into" in said and "FROM" not in said
    (theirs / "tuning" / "one").mkdir(parents=True)
    (theirs / "tuning" / "one" / trial.STUDY).write_text("{}")
    ours.mkdir()
    (ours / "tuning").write_text("")
    assert command(theirs, ours) == 2 and "tuning is a file, expected a folder of studies" in capsys.readouterr().err
    assert command(theirs / "tuning", tmp_path / "new") == 2
    assert f"did you mean {theirs}?" in capsys.readouterr().err
