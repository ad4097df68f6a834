"""Downloads, against a server on this machine alone: what a real network does beside that has not been seen here."""

import os
import random
import threading
from pathlib import Path

import pytest

from visionpeft.data import download, unfinished
from visionpeft.data.download import check, fetch, left
from visionpeft.data.official import Remote
from visionpeft.data.task import DataError
from visionpeft.data.unfinished import WORK, Listener

from .server import Server, running, sha256

BODY = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)


@pytest.fixture
def server():
    with running() as server:
        yield server


def a_remote(*urls: str, body: bytes = BODY, **changes) -> Remote:
    return Remote(**{"urls": urls, "name": "set.bin", "digest": sha256(body), "size": len(body)} | changes)


def begun(folder: Path, body: bytes, note: str | None = None) -> None:
    """Leave what a killed process leaves."""
    (folder / WORK).mkdir()
    (folder / WORK / "set.bin.part").write_bytes(body)
    if note:
        (folder / WORK / "set.bin.json").write_text(note)


def note(url: str, version: str = '\\"1\\"', total: int = len(BODY)) -> str:
    return f'{{"url": "{url}", "version": "{version}", "total": {total}}}'


def test_a_file_is_fetched_once_and_told_about(server, tmp_path):
    seen = []

    class Ear(Listener):
        def advance(self, what, done, total):
            seen.append((what, done, total))

    remote = a_remote(server.serve("a", BODY))
    assert left(remote, tmp_path) == 300_000
    assert fetch(remote, tmp_path, Ear()) == tmp_path / "set.bin"
    assert (tmp_path / "set.bin").read_bytes() == BODY and left(remote, tmp_path) == 0
    assert seen[-1] == ("set.bin", 300_000, 300_000) and [done for _, done, _ in seen] == sorted(d for _, d, _ in seen)
    assert [path.name for path in (tmp_path / WORK).iterdir()] == ["set.bin.lock"]
    fetch(remote, tmp_path)
    assert server.asked == [("/a", None)]


def test_a_file_below_a_folder_of_its_own(server, tmp_path):
    fetch(a_remote(server.serve("a", BODY), name="lists/few/train.txt"), tmp_path)
    assert (tmp_path / "lists/few/train.txt").read_bytes() == BODY


def test_the_rest_is_asked_for(server, tmp_path):
    url = server.serve("a", BODY)
    begun(tmp_path, BODY[:123_457], note(url))
    assert left(a_remote(url), tmp_path) == 300_000 - 123_457
    fetch(a_remote(url), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY
    assert server.asked == [("/a", "bytes=123457-")]


def test_a_broken_connection_goes_on_by_itself(server, tmp_path):
    url = server.serve("a", BODY, breaks=[80_000] * 4)
    fetch(a_remote(url), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY
    begins = [int(wanted[6:-1]) for _, wanted in server.asked if wanted]
    assert len(begins) == 4 and 0 < begins[0] <= 80_000 and begins == sorted(begins)


def test_a_server_that_ignores_ranges_sends_it_all_again(server, tmp_path):
    url = server.serve("a", BODY, ranges=False)
    begun(tmp_path, BODY[:100_000], note(url))
    fetch(a_remote(url), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY and len(server.asked) == 1


@pytest.mark.parametrize("heeds", [True, False], ids=["heeds If-Range", "ignores If-Range"])
def test_a_file_that_changed_meanwhile_is_not_mixed(server, tmp_path, heeds):
    """Even where no digest would tell."""
    url = server.serve("a", BODY, version='"2"', heeds=heeds)
    begun(tmp_path, OTHER[:100_000], note(url))
    fetch(a_remote(url, digest=""), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY


def test_a_part_of_unknown_origin_is_not_gone_on_with_unless_a_digest_tells(server, tmp_path):
    url = server.serve("a", BODY, version=None)
    begun(tmp_path, OTHER[:100_000])
    fetch(a_remote(url, digest=""), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY and server.asked == [("/a", None)]


def test_pieces_that_do_not_belong_together_are_replaced(server, tmp_path):
    url = server.serve("a", BODY)
    begun(tmp_path, OTHER[:100_000], note("http://elsewhere/"))
    fetch(a_remote(url), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY
    assert server.asked == [("/a", "bytes=100000-"), ("/a", None)]


def test_another_address_goes_on_with_the_part(server, tmp_path):
    urls = (server.serve("a", BODY, breaks=[100_000] + [0] * 9), server.serve("b", BODY, version=None))
    fetch(a_remote(*urls), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY
    assert len(server.asked) == download.ATTEMPTS + 2  # three that brought nothing new
    assert server.asked[-1] == ("/b", server.asked[-2][1]) and server.asked[-1][1] is not None


def test_a_part_that_is_whole_already_needs_no_request(server, tmp_path):
    begun(tmp_path, BODY, note("http://127.0.0.1:1/"))
    fetch(a_remote("http://127.0.0.1:1/"), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY


def test_a_part_longer_than_the_file_is_begun_again(server, tmp_path):
    begun(tmp_path, BODY + b"more")
    fetch(a_remote(server.serve("a", BODY)), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY


def test_dead_addresses_are_passed_over(server, tmp_path):
    urls = ("http://127.0.0.1:1/a", f"{server.url}/gone", server.serve("a", BODY))
    fetch(a_remote(*urls), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY


def test_a_busy_server_is_asked_again(server, tmp_path):
    url = server.serve("a", b"busy", status=503)
    with pytest.raises(DataError, match="it answers 503 Service Unavailable"):
        fetch(a_remote(url), tmp_path)
    assert len(server.asked) == download.ATTEMPTS


PAGE = b"<!DOCTYPE html><title>Log in</title>"
USELESS = {
    "gone": ({"status": 404}, BODY, "it answers 404 Not Found"),
    "a web page": ({"head": {"Content-Type": "text/html; charset=utf-8"}}, PAGE, "it answers with a web page"),
    "another size": ({}, BODY[:-1], "its file has 299,999 bytes, expected 300,000"),
    "cut short without a length": ({"length": False}, BODY[:-1], "its answer ended at 299,999 bytes, expected 300,000"),
    "too much": ({"length": False}, BODY + b"more", "its answer ended at 300,004 bytes, expected 300,000"),
    "another file": ({}, OTHER, f"sha256 {sha256(OTHER)[7:]}, expected {sha256(BODY)[7:]}"),
    "a local file": ({"status": 302, "head": {"Location": "file:///etc/hosts"}}, b"", "other than http or https"),
    "in circles": ({"status": 302, "head": {"Location": "/a"}}, b"", "it leads in circles"),
}


@pytest.mark.parametrize("case", USELESS)
def test_what_is_not_the_file_is_never_taken_for_it(server, tmp_path, case):
    how, body, message = USELESS[case]
    remote = a_remote(server.serve("a", body, **how))
    with pytest.raises(DataError) as error:
        fetch(remote, tmp_path)
    assert message in str(error.value)
    assert f"bring it yourself: {tmp_path / 'set.bin'} (300,000 bytes, sha256 {sha256(BODY)[7:]})" in str(error.value)
    assert not (tmp_path / "set.bin").exists()
    server.serve("a", BODY)
    fetch(remote, tmp_path)  # none of it stands in the way of the right one
    assert (tmp_path / "set.bin").read_bytes() == BODY
    assert sorted(path.name for path in tmp_path.iterdir()) == [WORK, "set.bin"]


def test_a_useless_answer_costs_nothing_of_the_part(server, tmp_path):
    url = server.serve("a", PAGE, head={"Content-Type": "text/html"}, ranges=False)
    begun(tmp_path, BODY[:100_000], note(url))
    with pytest.raises(DataError, match="web page"):
        fetch(a_remote(url), tmp_path)
    assert left(a_remote(url), tmp_path) == 200_000


def test_a_wrong_file_is_kept_aside_and_the_next_address_tried(server, tmp_path):
    urls = (server.serve("a", OTHER), f"{server.url}/gone")
    with pytest.raises(DataError, match=r"kept as .*set\.bin\.rejected"):
        fetch(a_remote(*urls), tmp_path)
    assert (tmp_path / "set.bin.rejected").read_bytes() == OTHER
    fetch(a_remote(urls[0], server.serve("b", BODY)), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY


def test_a_file_brought_by_hand_is_checked_and_left_alone(tmp_path):
    path = tmp_path / "set.bin"
    path.write_bytes(OTHER)
    with pytest.raises(DataError, match=f"sha256 {sha256(OTHER)[7:]}, expected {sha256(BODY)[7:]}; replace it or rem"):
        fetch(a_remote("http://127.0.0.1:1/"), tmp_path)
    assert path.read_bytes() == OTHER
    path.write_bytes(BODY[:-5])
    with pytest.raises(DataError, match="299,995 bytes, expected 300,000; replace it$"):
        check(path, a_remote())


def test_compression_on_the_way_changes_nothing(server, tmp_path):
    """Some servers call a .gz file an encoding of its content."""
    url = server.serve("a", BODY, head={"Content-Encoding": "gzip"})
    fetch(a_remote(url), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY


def test_the_digest_of_a_file_that_has_none_is_said(server, tmp_path):
    said = []

    class Ear(Listener):
        def remark(self, text):
            said.append(text)

    fetch(a_remote(server.serve("a", BODY), digest="", size=0), tmp_path, Ear())
    assert sha256(BODY)[7:] in said[0]


def test_no_room_is_known_before_anything_is_asked(server, tmp_path, monkeypatch):
    class Usage:
        free = 150_000

    url = server.serve("a", BODY)
    monkeypatch.setattr(unfinished.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(DataError, match=r"no room for set\.bin in .*: 300\.0 kB needed, 150\.0 kB free"):
        fetch(a_remote(url), tmp_path)
    begun(tmp_path, BODY[:200_000])
    fetch(a_remote(url), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits the size of files as Unix does")
def test_a_disk_that_fills_up_is_said_and_what_came_is_kept(server, tmp_path):
    import resource

    url = server.serve("a", BODY)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(DataError, match=r"no room for set\.bin in .*: 200\.0 kB needed, .* free; make room"):
            fetch(a_remote(url), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert left(a_remote(url), tmp_path) == 200_000
    fetch(a_remote(url), tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "set").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"set\.bin cannot be written in .*set: "):
        fetch(a_remote(server.serve("a", BODY)), tmp_path / "set")


def test_threads_that_start_together_download_once(server, tmp_path):
    remote = a_remote(server.serve("a", BODY, pause=0.001))
    threads = [threading.Thread(target=fetch, args=(remote, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "set.bin").read_bytes() == BODY and len(server.asked) == 1


def test_ctrl_c_keeps_what_has_come(server: Server, tmp_path):
    class Impatient(Listener):
        def advance(self, what, done, total):
            if done > 100_000:
                raise KeyboardInterrupt

    remote = a_remote(server.serve("a", BODY))
    with pytest.raises(KeyboardInterrupt):
        fetch(remote, tmp_path, Impatient())
    assert 0 < left(remote, tmp_path) < 200_000
    fetch(remote, tmp_path)
    assert (tmp_path / "set.bin").read_bytes() == BODY and server.asked[1][1] is not None
