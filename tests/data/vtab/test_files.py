import sys

import numpy as np
import pytest

from visionpeft.data.task import DataError
from visionpeft.data.vtab.files import inside, lacking, lines, plain, variable


def test_the_archives_folder_or_the_folder_itself(tmp_path):
    assert inside(tmp_path, "2750", "raw") == tmp_path
    (tmp_path / "raw").mkdir()
    assert inside(tmp_path, "2750", "raw") == tmp_path / "raw"
    (tmp_path / "2750").mkdir()
    assert inside(tmp_path, "2750", "raw") == tmp_path / "2750"


def test_what_is_lacking(tmp_path):
    for name in "ab":
        (tmp_path / name).touch()
    assert lacking(tmp_path, ("a", "b"), "toys") is None
    assert lacking(tmp_path, ("a", "c"), "toys") == f"{tmp_path} lacks c of toys"
    assert lacking(tmp_path, "abcdefg", "toys") == f"{tmp_path} lacks c, d, e and 2 more of toys"


def test_lines(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"one 1\r\n\n  two 2 \n")
    assert lines(tmp_path / "list.txt") == ["one 1", "two 2"]
    with pytest.raises(DataError, match=r"other\.txt: cannot be read as text \(No such file"):
        lines(tmp_path / "other.txt")
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"list\.txt: cannot be read as text \('utf-8' codec"):
        lines(tmp_path / "list.txt")


@pytest.mark.parametrize("value", [b"4_left", "4_left"])
def test_text(value):
    assert plain(value) == "4_left"


def test_variables_of_matlab_files(tmp_path, monkeypatch):
    scipy_io = pytest.importorskip("scipy.io", reason="scipy is not installed")
    path = tmp_path / "some.mat"
    scipy_io.savemat(path, {"a": np.array([[1, 2]]), "b": np.array([[3]]), "text": "words"})
    assert variable(path, "a").tolist() == [[1, 2]] and variable(path, "b").tolist() == [[3]]
    for name in ("c", "text"):
        with pytest.raises(DataError, match=rf"some\.mat: cannot be read as a MATLAB file with a variable {name} \("):
            variable(path, name)
    path.write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"some\.mat: cannot be read as a MATLAB file with a variable a \("):
        variable(path, "a")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(DataError, match=r"some\.mat: reading it needs scipy; pip install 'visionpeft\[data\]'"):
        variable(path, "a")
