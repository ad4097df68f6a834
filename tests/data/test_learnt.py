"""Trials see what may be learnt from, in folds that anybody can deal again, and cannot ask for test images."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from visionpeft.data.learnt import Learnt, folds, untested
from visionpeft.data.split import Split
from visionpeft.data.target import held_out
from visionpeft.data.task import DataError, Source, Task, find, load


@dataclass(frozen=True)
class Spy(Source):
    """23 examples to learn from; whoever asks for test images is caught."""

    path: str = "here"
    name: ClassVar[str] = "spy"

    def missing(self, root):
        return None

    def split(self, root, name):
        assert name != "test", "test images were opened"
        places = range(18) if name == "train" else range(18, 23)
        labels = np.array([i % 3 for i in places])
        return Split(tuple(f"{i}.png" for i in places), labels, lambda i: np.full((2, 2, 3), i, np.uint8))


TASK = Task("toy", "test", "natural", 3, sizes={"train": 18, "val": 5, "test": 9}, sources=(Spy(),))


def test_a_task_for_trials_has_no_test_sets_and_no_way_to_them():
    task = untested(TASK)
    source = find(task, None)
    assert task.sizes == {"train": 18, "val": 5} and task.targets == ()
    assert held_out(task, source, None) == ([], {})
    with pytest.raises(DataError, match="test images are for final runs"):
        load(task, source, None, "test")
    assert load(task, source, None, "train").digest == load(TASK, Spy(), None, "train").digest


def test_folds_are_stratified_disjoint_and_together_everything():
    parts = [load(task := untested(TASK, 4, f), find(task, None), None, "val") for f in range(4)]
    assert [len(part) for part in parts] == [6, 6, 6, 5]
    assert sorted(key for part in parts for key in part.keys) == sorted(f"{i}.png" for i in range(23))
    for part in parts:
        assert max(counts := np.bincount(part.labels, minlength=3)) - min(counts) <= 1


@pytest.mark.parametrize("fold", range(4))
def test_what_is_not_held_out_is_trained_on(fold):
    task = untested(TASK, 4, fold)
    train, val = (load(task, find(task, None), None, name) for name in ("train", "val"))
    assert set(train.keys) | set(val.keys) == {f"{i}.png" for i in range(23)} and not set(train.keys) & set(val.keys)
    assert task.sizes == {"train": len(train), "val": len(val)}
    assert [int(val.read(i).flat[0]) for i in range(2)] != [0, 1] or val.keys[:2] == ("0.png", "1.png")


def test_folds_depend_on_the_seed_and_on_nothing_else():
    whole = Spy().trainval(None)
    backwards = whole.take(np.arange(len(whole))[::-1])
    assert (folds(whole, 4, 0) == folds(backwards, 4, 0)[::-1]).all()
    assert (folds(whole, 4, 0) != folds(whole, 4, 1)).any()


def test_more_folds_than_images_are_refused():
    with pytest.raises(DataError, match="give folds=23 at most"):
        folds(Spy().trainval(None), 24, 0)


def test_it_says_of_itself_what_its_source_says():
    assert Learnt(Spy()).reading == Spy().reading == {}
    assert Learnt(Spy(), 4, 1).reading == {"folds": 4, "fold": 1}
    assert Learnt(Spy()).name == "spy"


def test_taken_examples_keep_their_images():
    whole = Spy().split(None, "train")
    part = whole.take(np.array([5, 2]))
    assert part.keys == ("5.png", "2.png") and part.labels.tolist() == [2, 2]
    assert part.read(1).flat[0] == 2
