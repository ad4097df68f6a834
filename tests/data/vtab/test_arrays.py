import os
import threading
import time

import numpy as np
import pytest

from visionpeft.data.task import DataError
from visionpeft.data.vtab.arrays import held, number, rgb


class Counted:
    """A loader that counts how often it is asked; slow, so that threads meet in it."""

    def __init__(self):
        self.calls = []

    def __call__(self, *paths):
        self.calls.append(paths)
        time.sleep(0.02)
        return b"+".join(path.read_bytes() for path in paths)


def test_a_file_is_read_once_by_all_threads_and_callers(tmp_path):
    (tmp_path / "a").write_bytes(b"first")
    load, found = Counted(), []
    first, second = held(load, tmp_path / "a"), held(load, tmp_path / "a")
    assert load.calls == []  # not before it is asked for
    threads = [threading.Thread(target=lambda get=get: found.append(get())) for get in (first, second) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"first"] * 8 and len(load.calls) == 1


def test_a_file_that_changed_is_read_again(tmp_path):
    (tmp_path / "a").write_bytes(b"first")
    load = Counted()
    assert held(load, tmp_path / "a")() == b"first"
    (tmp_path / "a").write_bytes(b"other")
    os.utime(tmp_path / "a", ns=(1, 1))
    assert held(load, tmp_path / "a")() == b"other"


def test_only_the_few_read_last_stay(tmp_path):
    load = Counted()
    for name in "abcdea":
        (tmp_path / name).touch()
        held(load, tmp_path / name)()
    assert [paths[0].name for paths in load.calls] == list("abcdea")


def test_several_files_are_one(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    assert held(Counted(), tmp_path / "a", tmp_path / "b")() == b"a+b"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path}/a: No such file"):
        held(Counted(), tmp_path / "a")


def test_grey_in_three_channels():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = rgb(grey)
    assert image.shape == (2, 3, 3) and image.dtype == np.uint8
    assert all(np.array_equal(image[..., k], grey) for k in range(3))


@pytest.mark.parametrize(("features", "expected"), [({"id": b"train_00042"}, 42), ({"id": "000007"}, 7), ({}, None)])
def test_numbers_from_ids(features, expected):
    assert number(features) == expected
