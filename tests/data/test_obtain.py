"""From nothing to a whole data set, with kill -9 at any moment; the server is on this machine."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from visionpeft.data import download, obtain, unfinished
from visionpeft.data.obtain import Delivery
from visionpeft.data.official import Remote
from visionpeft.data.task import DataError
from visionpeft.data.unfinished import WORK

from .server import running, sha256
from .test_unpack import as_tar, as_zip, tree

IMAGES = {f"images/{i:03}.jpg": random.Random(i).randbytes(900) for i in range(150)} | {"labels/all.txt": b"labels"}
LIST = random.Random(1).randbytes(60_000)

PROLOGUE = """
import os, random, shutil, signal, sys, time
from pathlib import Path
from visionpeft.data import download
from visionpeft.data.obtain import Delivery, obtain
from visionpeft.data.official import Remote
from visionpeft.data.unfinished import WORK, Listener
import pooch, requests

url, folder = sys.argv[1], Path(sys.argv[4])
archive, listed = Path(sys.argv[2]).read_bytes(), Path(sys.argv[3]).read_bytes()
sha = lambda body: "sha256:" + __import__("hashlib").sha256(body).hexdigest()
remotes = (
    Remote((f"{url}/list",), "list.bin", sha(listed), len(listed), unpack=False),
    Remote((f"{url}/set",), "set.zip", sha(archive), len(archive)),
)

def delivery(folder):
    # as careless a look as can be: what protects from halves is what is tested
    return Delivery(folder, remotes, lambda: None if (folder / "images").is_dir() else "lacks images")

def tree(folder):
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: body for name, body in found.items() if not name.startswith(WORK)}

def child(work):
    number = os.fork()
    if not number:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
    return number
"""

KILLED = """
start = time.perf_counter()
obtain(delivery(folder / "good"))
seconds = time.perf_counter() - start
good = tree(folder / "good")
assert len(good) == 153, len(good)
random.seed(0)
seen = dict.fromkeys(("part", "unpacking", "unpacked", "whole"), 0)
here = folder / "killed"
for attempt in range(20):
    number = child(lambda: obtain(delivery(here)))
    time.sleep(seconds * random.random())
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    left = list((here / WORK).glob("*")) if (here / WORK).is_dir() else []
    for what in ("part", "unpacking", "unpacked"):
        seen[what] += any(path.name.endswith("." + what) for path in left)
    for name, body in tree(here).items():
        assert body == good[name], f"half of {name} has its name"
    if delivery(here).missing is None:
        assert tree(here) == good, "half a data set was taken for whole"
        seen["whole"] += 1
        shutil.rmtree(here)
obtain(delivery(here))
assert tree(here) == good
assert sorted(p.name for p in (here / WORK).iterdir()) == ["list.bin.lock", "set.zip.done", "set.zip.lock"]
print(seen)
"""

TOGETHER = """
class Log(Listener):
    def advance(self, what, done, total):
        if what.startswith("unpacking"):
            with open(folder / "log", "a") as log:
                log.write("x")

folder.mkdir()
children = [child(lambda: obtain(delivery(folder / "set"), Log())) for _ in range(4)]
assert all(os.waitpid(number, 0)[1] == 0 for number in children)
print(len((folder / "log").read_text()), len(tree(folder / "set")))
"""


@pytest.fixture
def server():
    with running() as server:
        yield server


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)


@pytest.fixture
def python(server, tmp_path):
    """Run a program in a fresh process, so that it may fork without the threads of this one."""

    def run(program: str, pause: float) -> str:
        archive = as_zip(IMAGES)  # once: an archive holds the time at which it was made
        (tmp_path / "archive").write_bytes(archive)
        (tmp_path / "listed").write_bytes(LIST)
        server.serve("set", archive, pause=pause)
        server.serve("list", LIST, pause=pause)
        words = [server.url, str(tmp_path / "archive"), str(tmp_path / "listed"), str(tmp_path / "folder")]
        command = [sys.executable, "-W", "ignore", "-c", PROLOGUE + program, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_killed_at_any_moment_leaves_nothing_that_looks_whole(python, server):
    seen = eval(python(KILLED, pause=0.004))
    assert seen["part"] + seen["unpacking"] >= 3, seen  # the moments were well chosen
    resumed = [wanted for _, wanted in server.asked if wanted]
    assert resumed, "nothing was resumed"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_processes_that_start_together_do_the_work_once(python, server):
    assert python(TOGETHER, pause=0.002).split() == ["151", "153"]
    assert sorted(path for path, _ in server.asked) == ["/list", "/set"]


def a_delivery(folder: Path, *remotes: Remote, by_hand: str = "") -> Delivery:
    def lacking() -> str | None:
        return None if (folder / "images").is_dir() else f"{folder} lacks the folder images"

    return Delivery(folder, remotes, lacking, "Somebody: http://localhost/terms", by_hand)


def a_remote(url: str, body: bytes, name: str = "set.tar") -> Remote:
    return Remote((url,) if url else (), name, sha256(body), len(body))


def test_what_is_there_is_left_alone(tmp_path):
    (tmp_path / "images").mkdir()
    delivery = a_delivery(tmp_path, a_remote("http://127.0.0.1:1/", b"x"))
    obtain.obtain(delivery)
    assert delivery.outstanding == [] and [path.name for path in tmp_path.iterdir()] == ["images"]


def test_what_was_removed_after_unpacking_is_had_again(server, tmp_path):
    body = as_tar(IMAGES)
    delivery = a_delivery(tmp_path, a_remote(server.serve("a", body), body))
    obtain.obtain(delivery)
    shutil.rmtree(tmp_path / "images")
    obtain.obtain(delivery)
    assert tree(tmp_path) == IMAGES and len(server.asked) == 1
    (tmp_path / "set.tar").unlink()
    assert delivery.missing is None and delivery.outstanding == []  # the archive may go when it is unpacked
    shutil.rmtree(tmp_path / "images")
    obtain.obtain(delivery)
    assert tree(tmp_path) == IMAGES and len(server.asked) == 2


def test_an_archive_brought_by_hand_is_checked_and_unpacked(tmp_path):
    body = as_tar(IMAGES)
    delivery = a_delivery(tmp_path, a_remote("", body), by_hand="ask the owners for it")
    expected = f"{tmp_path / 'set.tar'} ({len(body):,} bytes, sha256 {sha256(body)[7:]})"
    assert delivery.brought == [expected] and delivery.outstanding == []
    with pytest.raises(DataError) as error:
        obtain.obtain(delivery)
    assert expected in str(error.value) and str(error.value).endswith("\nask the owners for it")
    (tmp_path / "set.tar").write_bytes(body[:-1] + b"1")
    with pytest.raises(DataError, match=f"expected {sha256(body)[7:]}"):
        obtain.obtain(delivery)
    assert not (tmp_path / "images").exists()
    (tmp_path / "set.tar").write_bytes(body)
    obtain.obtain(delivery)
    assert tree(tmp_path) == IMAGES and delivery.brought == []


def test_without_a_network_all_files_are_named(tmp_path):
    remotes = [a_remote(f"http://127.0.0.1:1/{name}", name.encode(), name) for name in ("a.zip", "b.zip")]
    with pytest.raises(DataError) as error:
        obtain.obtain(a_delivery(tmp_path, *remotes))
    assert str(error.value).splitlines() == [
        "a.zip could not be downloaded",
        "  http://127.0.0.1:1/a.zip: no connection, or one that broke",
        f"  bring it yourself: {tmp_path / 'a.zip'} (5 bytes, sha256 {sha256(b'a.zip')[7:]})",
        f"  and {tmp_path / 'b.zip'} (5 bytes, sha256 {sha256(b'b.zip')[7:]})",
    ]


def test_what_nobody_serves_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="lacks the folder images\nask the owners for it"):
        obtain.obtain(a_delivery(tmp_path, by_hand="ask the owners for it"))


def test_an_archive_of_something_else_is_said(server, tmp_path):
    body = as_tar({"pictures/1": b"1"})
    with pytest.raises(DataError, match=r"lacks the folder images, although set\.tar is there"):
        obtain.obtain(a_delivery(tmp_path, a_remote(server.serve("a", body), body)))


def test_room_for_the_archive_and_its_content_is_asked_for_first(server, tmp_path, monkeypatch):
    class Usage:
        free = 250_000

    body = as_tar(IMAGES)
    assert 150_000 < len(body) < 250_000
    monkeypatch.setattr(unfinished.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(DataError, match=r"to download and about .* kB to unpack, 250\.0 kB free"):
        obtain.obtain(a_delivery(tmp_path / "set", a_remote(server.serve("a", body), body)))
    assert server.asked == [] and not (tmp_path / "set").exists()


def test_unfinished_work_lies_where_it_can_be_removed(server, tmp_path):
    url = server.serve("a", as_tar(IMAGES), breaks=[70_000] + [0] * 9)
    with pytest.raises(DataError, match="the connection broke|no connection, or one that broke"):
        obtain.obtain(a_delivery(tmp_path, a_remote(url, as_tar(IMAGES))))
    assert sorted(path.name for path in tmp_path.iterdir()) == [WORK]
    shutil.rmtree(tmp_path / WORK)
    obtain.obtain(a_delivery(tmp_path, a_remote(server.serve("a", as_tar(IMAGES)), as_tar(IMAGES))))
    assert tree(tmp_path) == IMAGES
