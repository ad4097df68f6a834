"""What several processes, and processes that are killed, do to one cache folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from visionpeft.data import cache as cache_module
from visionpeft.data.cache import Shape, appearing, build, lock, open_array, sweep
from visionpeft.data.decode import Preprocessing

PROLOGUE = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from visionpeft.data.decode import Preprocessing
from visionpeft.data.pixels import pixels
from visionpeft.data.folder import ListFolder
from visionpeft.data.unfinished import Listener

root, cache = Path(sys.argv[1]), Path(sys.argv[2])
split = ListFolder(names=("toy",)).split(root, "train")
names = [f"{i}" for i in range(40)]
split = type(split)(tuple(names), np.zeros(40, np.int64), lambda i: split_read(i % 6), files=split.files * 7)
split_read = ListFolder(names=("toy",)).split(root, "train").read
object.__setattr__(split, "files", split.files[:40])

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
good = np.array(pixels(split, Preprocessing(64), cache / "good").array)
start = time.perf_counter()
pixels(split, Preprocessing(64), cache / "timed")
seconds = time.perf_counter() - start
random.seed(0)
whole = halves = 0
for attempt in range(20):
    number = child(lambda: pixels(split, Preprocessing(64), cache / "killed"))
    time.sleep(seconds * 1.3 * random.random())
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    halves += any((cache / "killed").glob("*.partial"))
    for path in (cache / "killed").glob("*.npy"):
        assert np.array_equal(np.load(path), good), "half a file was taken for whole"
        whole += 1
        path.unlink()
assert np.array_equal(pixels(split, Preprocessing(64), cache / "killed").array, good)
left = sorted(path.name for path in (cache / "killed").iterdir())
assert len(left) == 3 and left[1:] == ["index", "locks"], left
print(whole, halves)
"""

TOGETHER = """
def work():
    with open(cache / "decoded", "a") as log:
        listener = Listener()
        listener.advance = lambda what, done, total: log.write("x")
        found = pixels(split, Preprocessing(64), cache, listener)
        assert found.array.shape == (40, 64, 64, 3)
        (cache / f"sum{os.getpid()}").write_text(str(int(found.array.sum())))

cache.mkdir()
children = [child(work) for _ in range(4)]
assert all(os.waitpid(number, 0)[1] == 0 for number in children)
print((cache / "decoded").read_text().count("x"), len({p.read_text() for p in cache.glob("sum*")}))
"""


def python(program: str, *words: Path) -> str:
    """Run a program in a fresh process, so that it may fork without the threads of this one."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROLOGUE + program, *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@forks
def test_a_process_killed_at_any_moment_leaves_nothing_that_looks_whole(root, tmp_path):
    whole, halves = map(int, python(KILLED, root, tmp_path / "cache").split())
    assert whole + halves > 0  # the moments were well chosen


@forks
def test_processes_that_start_together_decode_once(root, tmp_path):
    assert python(TOGETHER, root, tmp_path / "cache").split() == ["40", "1"]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache" / "locks").mkdir(parents=True)
    return tmp_path / "cache"


def test_a_file_appears_only_when_it_is_finished(cache):
    with appearing(cache, "key", cache / "target") as file:
        file.write(b"half")
        assert not (cache / "target").exists()
        file.write(b" and half")
    assert (cache / "target").read_bytes() == b"half and half"
    with pytest.raises(RuntimeError), appearing(cache, "key", cache / "target") as file:
        file.write(b"other")
        raise RuntimeError
    assert (cache / "target").read_bytes() == b"half and half" and not list(cache.glob("*.partial"))


def test_sweep_spares_what_another_process_is_writing(cache):
    for key in ("busy", "dead", "ours"):
        (cache / f"{key}.0.partial").write_text("half")
    with lock(cache, "ours"), lock(cache, "busy"):
        sweep(cache, "ours")
    assert [path.name for path in cache.glob("*.partial")] == ["busy.0.partial"]


def test_the_room_needed_is_named(cache, monkeypatch):
    monkeypatch.setattr(cache_module, "free", lambda folder: 150_000_000)
    with pytest.raises(ValueError, match=r"6\.4 GB needed, 150\.0 MB free"):
        build(cache, "key", Shape(42670, Preprocessing(224), False), iter([]))


def test_files_of_the_canonical_pixels_keep_their_names():
    text = Shape(2, Preprocessing(224), False).text.split(" ", 2)
    assert text[0] == "1" and text[2] == "224 bicubic False"
    assert Shape(2, Preprocessing(224, "bilinear", 256, 75), True).text.endswith(
        " 224 bilinear resize 256 jpeg 75 True"
    )


def test_pixels_of_another_shape_are_not_opened(cache):
    shape = Shape(2, Preprocessing(4), False)
    build(cache, "key", shape, iter([(cache_module.np.zeros((4, 4, 3), "uint8"), 0)] * 2))
    assert open_array(cache, "key", shape).shape == (2, 4, 4, 3)
    assert open_array(cache, "key", Shape(4, Preprocessing(2), False)) is None
    assert open_array(cache, "absent", shape) is None
