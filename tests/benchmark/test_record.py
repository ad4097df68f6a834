"""A record is read back as written; anything else is refused by name."""

import json

import pytest

from visionpeft.benchmark.record import BadRecord, Record, canonical, read, record_files, run_id

RUN = {"task": {"name": "t", "suite": "s"}, "method": {"name": "m"}, "seed": 3}


def record(**changes):
    return Record(**({"id": run_id(RUN), "status": "ok", "run": RUN, "label": "m"} | changes))


def test_id_is_a_digest_of_the_canonical_json():
    assert canonical({"b": [1, 2.5], "a": None}) == '{"a":null,"b":[1,2.5]}'
    assert run_id({"a": 1}) == "015abd7f5c"  # sha256 of {"a":1}
    assert run_id({"a": (1, 2)}) == run_id({"a": [1, 2]})


def test_round_trip(tmp_path):
    path = tmp_path / "r.json"
    path.write_text(record(scores={"test": 0.5}).to_json())
    assert read(path) == record(scores={"test": 0.5})
    assert path.read_text().endswith(f',\n"seal": "{read(path).seal}"\n}}\n') and len(read(path).seal) == 10
    assert record().stem == f"t--m--s3--{run_id(RUN)}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2, expected 1"),
        ({"status": "fine"}, "status 'fine', expected one of ok, oom, diverged"),
        ({"id": "0000000000"}, "does not match its contents"),
        ({"speed": 3}, "unexpected keyword argument 'speed'"),
        ({"run": RUN | {"seed": 4}}, "does not match its contents"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path, change, message):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(json.loads(record().to_json()) | change))
    with pytest.raises(BadRecord, match=message) as error:
        read(path)
    assert str(path) in str(error.value)


EDITS = {
    "an accuracy": ('"test": 0.5', '"test": 0.6'),
    "a label": ('"label": "m"', '"label": "m (x)"'),
    "a size that is no part of the id": ('"suite_tasks": 19', '"suite_tasks": 1'),
    "the seal": ('"seal": "', '"seal": "0'),
    "one blank": ('"status": "ok"', '"status":  "ok"'),
}


@pytest.mark.parametrize("what", EDITS)
def test_a_file_that_was_changed_after_it_was_written_is_refused(tmp_path, what):
    before, after = EDITS[what]
    path = tmp_path / "r.json"
    run = RUN | {"task": RUN["task"] | {"suite_tasks": 19}}
    text = record(run=run, scores={"test": 0.5}).to_json()
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(BadRecord, match="changed after it was written, as its seal shows"):
        read(path)


def test_a_record_of_before_there_were_seals_is_read(tmp_path):
    path = tmp_path / "r.json"
    values = json.loads(record(scores={"test": 0.5}).to_json())
    del values["seal"]
    path.write_text(json.dumps(values))
    assert read(path) == record(scores={"test": 0.5})


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 1'])
def test_half_a_file_is_refused(tmp_path, text):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(BadRecord):
        read(path)


def test_nan_is_never_written():
    with pytest.raises(ValueError, match="JSON compliant"):
        record(scores={"test": float("nan")}).to_json()


def test_a_store_lists_its_records_and_nothing_else(tmp_path):
    for name in (
        "vtab/a--m--s0--1.json",
        "failed/b--m--s0--2.json",
        "vtab/.tmp-x",
        "vtab/notes.json",
        "c--m--s0--3.json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert [p.name for p in record_files(tmp_path)] == ["b--m--s0--2.json", "a--m--s0--1.json"]


def test_surroundings_make_no_other_run():
    more = RUN | {"task": RUN["task"] | {"group_tasks": 7, "suite_tasks": 19, "in_domain": ["test/val"]}}
    assert run_id(more) == run_id(RUN)
    assert run_id(RUN | {"task": RUN["task"] | {"num_classes": 3}}) != run_id(RUN)
