"""Tasks with several test sets: which are there, what is not, what must not be scored."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from visionpeft.data.target import columns, held_out, reachable
from visionpeft.data.task import DataError, Source, Split, Target, Task


@dataclass(frozen=True)
class Listed(Source):
    """Images without files, as {split: labels}; None: not there."""

    name: ClassVar[str] = "listed"
    prefix: str
    labels: tuple[int, ...] | None = (0, 1, 2, 3)
    files: bool = False

    def missing(self, root: Path | None) -> str | None:
        return f"no {self.prefix} in {root}" if self.labels is None else None

    def split(self, root: Path | None, name: str) -> Split:
        keys = tuple(f"{name if name != 'test' else self.prefix}{i}" for i in range(len(self.labels)))
        files = tuple(Path("tested" if name == "test" else "learnt") / key for key in keys) if self.files else ()
        return Split(keys, np.array(self.labels), lambda i: np.zeros((2, 2, 3), np.uint8), files)


SOURCE = Listed("own")


def task(*targets: Target, **changes) -> Task:
    return Task("t", "s", "g", 5, {"test": 4}, (SOURCE,), targets, **changes)


def test_an_ordinary_task_has_its_source_s_test_set():
    assert columns(task()) == {"test": None}
    (one,), absent = held_out(task(), SOURCE, None)
    assert (one.columns, one.size, one.source, absent) == ({"test": None}, 4, SOURCE, {})
    assert one.split.keys == ("own0", "own1", "own2", "own3")


def test_every_target_that_is_there_and_why_others_are_not(tmp_path):
    drawn = Target("drawn", (Listed("x", None), Listed("drawn")), 7)
    hard = Target("hard", (Listed("h", None), Listed("i", None)), own_classes=2)
    found, absent = held_out(task(drawn, hard, Target("later")), SOURCE, tmp_path)
    assert [(one.columns, one.size, one.source.prefix) for one in found] == [({"test/drawn": None}, 7, "drawn")]
    why = f"listed: no h in {tmp_path}; listed: no i in {tmp_path}"
    assert absent == {"test/hard": why, "test/hard_2": why, "test/later": "no source reads it yet"}


def test_own_classes_are_those_that_occur():
    target = Target("hard", (Listed("h", (3, 1, 3, 1)),), own_classes=2)
    assert columns(task(target)) == {"test/hard": None, "test/hard_2": 2}
    (one,), _ = held_out(task(target), SOURCE, None)
    assert one.columns["test/hard"] is None
    assert one.columns["test/hard_2"].tolist() == [1, 3]


REFUSED = {
    "other classes": (Target("hard", (Listed("h", (3, 1, 2)),), own_classes=2), "are of 3 classes, expected 2"),
    "a label too many": (Target("hard", (Listed("h", (5,)),)), "label 5 of h0, expected 0 to 4"),
    "an empty list": (Target("hard", (Listed("h", ()),)), "split test of hard is empty"),
    "learnt images": (Target("hard", (Listed("train"),)), r"train0 is in hard and among the training images .and 3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    target, message = REFUSED[case]
    with pytest.raises(DataError, match=message):
        held_out(task(target), SOURCE, None)


def test_a_task_needs_its_training_images_and_one_test_set():
    there, lost = Target("drawn", (Listed("drawn"),)), Target("hard", (Listed("h", None),))
    assert reachable(task(), None) == reachable(task(there, lost), None) == SOURCE
    with pytest.raises(DataError, match=r"none of the test sets of s task t is here .hard: listed: no h in None."):
        reachable(task(lost), None)
    with pytest.raises(DataError, match="s task t cannot be read from source 'tfds'; it has listed"):
        reachable(task(there), None, "tfds")


def test_equal_names_in_other_folders_are_other_images():
    """Files tell images apart where there are files: two data sets may both begin at 0.jpg."""
    learnt = Listed("own", files=True)
    (one,), _ = held_out(task(Target("drawn", (Listed("train", files=True),))), learnt, None)
    assert (one.split.keys[0], one.split.files[0]) == ("train0", Path("tested/train0"))
    with pytest.raises(DataError, match="among the training images"):
        held_out(task(Target("drawn", (Listed("train"),))), learnt, None)


def test_a_target_has_a_plain_name():
    with pytest.raises(DataError, match="a target's name may have letters, digits and underscores, got 'a/b'"):
        Target("a/b")
