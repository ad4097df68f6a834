"""A file that is replaced is on the disk before its name is."""

import os

from visionpeft.reports.whole import replace


def test_what_was_written_is_flushed_before_it_is_named(tmp_path, monkeypatch) -> None:
    place, seen, sync = tmp_path / "a.csv", [], os.fsync

    def noted(handle: int) -> None:
        seen.append((os.fstat(handle).st_size, place.exists()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    replace(place, b"abc")
    assert seen == [(3, False)] and place.read_bytes() == b"abc"
