import pytest

from visionpeft.data.task import DataError
from visionpeft.data.vtab.files import inside, lacking, lines, plain


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
