import dataclasses
import errno
import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from visionpeft.data import cache as cache_module
from visionpeft.data.folder import ListFolder
from visionpeft.data.pixels import pixels
from visionpeft.data.task import DataError, Split

TOY = ListFolder(names=("toy",))
SIZE = 16


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def files(cache: Path, pattern: str = "*.npy") -> list[str]:
    return sorted(path.name for path in cache.glob(pattern))


def expected(split: Split) -> np.ndarray:
    square = [Image.open(file).resize((SIZE, SIZE), Image.Resampling.BICUBIC) for file in split.files]
    return np.stack([np.asarray(image) for image in square])


def nothing_is_read(split: Split) -> Split:
    def read(i: int) -> bytes:
        raise AssertionError("a warm cache must not read images")

    return dataclasses.replace(split, read=read)


def test_pixels_are_pils_and_read_only(root, cache):
    split, seen = TOY.split(root, "train"), []
    found = pixels(split, SIZE, "bicubic", cache, lambda done, total: seen.append((done, total)))
    assert np.array_equal(found.array, expected(split))
    assert isinstance(found.array, np.memmap) and not found.array.flags.writeable
    assert seen == [(i, 6) for i in range(1, 7)]
    single = b"".join(hashlib.sha256(split.read(i)).digest() for i in range(6))
    assert found.digest == hashlib.sha256(single).hexdigest()
    assert np.array_equal(np.load(cache / files(cache)[0]), found.array)
    assert not files(cache, "*.partial")


def test_a_warm_cache_opens_no_image(root, cache):
    split = TOY.split(root, "train")
    cold = pixels(split, SIZE, "bicubic", cache)
    warm = pixels(nothing_is_read(split), SIZE, "bicubic", cache)
    assert np.array_equal(cold.array, warm.array) and cold.digest == warm.digest


def test_equal_images_are_shared_whatever_their_paths_and_labels(root, cache, task_writer):
    task_writer(root / "vtab-1k" / "twin")
    first, second = (ListFolder(names=(name,)).split(root, "train") for name in ("toy", "twin"))
    second = dataclasses.replace(second, labels=second.labels[::-1].copy())
    calls = []
    one, two = (pixels(split, SIZE, "bicubic", cache, lambda *seen: calls.append(seen)) for split in (first, second))
    assert one.digest == two.digest and np.array_equal(one.array, two.array)
    assert len(files(cache)) == 1 and len(calls) == 6
    assert pixels(nothing_is_read(second), SIZE, "bicubic", cache).digest == one.digest


def test_size_filter_orientation_and_order_have_files_of_their_own(root, cache):
    split = TOY.split(root, "train")
    backwards = dataclasses.replace(
        split, keys=split.keys[::-1], files=split.files[::-1], read=lambda i: split.read(5 - i)
    )
    digests = [
        pixels(split, SIZE, "bicubic", cache).digest,
        pixels(split, SIZE + 1, "bicubic", cache).digest,
        pixels(split, SIZE, "bilinear", cache).digest,
        pixels(dataclasses.replace(split, upright=True), SIZE, "bicubic", cache).digest,
    ]
    assert len(set(digests)) == 1 and len(files(cache)) == 4
    assert pixels(backwards, SIZE, "bicubic", cache).digest != digests[0] and len(files(cache)) == 5


def test_an_image_that_changes_is_decoded_anew(root, cache, image_writer):
    split = TOY.split(root, "train")
    before = pixels(split, SIZE, "bicubic", cache)
    seen = split.files[2].stat()
    data = bytearray(split.files[2].read_bytes())
    image_writer(split.files[2], 99)
    os.truncate(split.files[2], max(len(data), split.files[2].stat().st_size))
    os.utime(split.files[2], ns=(seen.st_atime_ns, seen.st_mtime_ns))  # as a careful copy would leave it
    after = pixels(split, SIZE, "bicubic", cache)
    assert after.digest != before.digest and not np.array_equal(after.array[2], before.array[2])
    assert np.array_equal(np.delete(after.array, 2, 0), np.delete(before.array, 2, 0))


@pytest.mark.parametrize("damage", ["cut", "longer", "header", "empty", "absent", "other shape"])
def test_a_damaged_file_is_built_anew(root, cache, damage):
    split = TOY.split(root, "train")
    good = np.array(pixels(split, SIZE, "bicubic", cache).array)
    path = cache / files(cache)[0]
    data = path.read_bytes()
    if damage == "absent":
        path.unlink()
    elif damage == "other shape":
        np.save(path, good[:3])
    else:
        broken = {"cut": data[:-1], "longer": data + b"0", "header": b"\x00" + data[1:], "empty": b""}[damage]
        path.unlink()
        path.write_bytes(broken)
    assert np.array_equal(pixels(split, SIZE, "bicubic", cache).array, good)
    assert path.read_bytes() == data


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"key": "../x", "digest": "0"}', '{"key": 3, "digest": null}'])
def test_a_damaged_index_is_written_anew(root, cache, text):
    split = TOY.split(root, "train")
    good = pixels(split, SIZE, "bicubic", cache)
    entry = next((cache / "index").iterdir())
    entry.write_text(text)
    assert pixels(split, SIZE, "bicubic", cache).digest == good.digest
    assert json.loads(entry.read_text())["digest"] == good.digest


def test_all_bad_images_are_named_at_once_and_nothing_is_left(root, toy, cache):
    for i, data in ((1, b""), (4, b"no image"), (5, (toy / "images/05.jpg").read_bytes()[:-20])):
        (toy / f"images/{i:02}.jpg").write_bytes(data)
    with pytest.raises(DataError) as caught:
        pixels(TOY.split(root, "train"), SIZE, "bicubic", cache)
    message = str(caught.value)
    assert message.startswith("3 images cannot be read; replace them or take them off the lists:\n")
    assert f"{toy / 'images/01.jpg'}: an empty file" in message
    assert f"{toy / 'images/04.jpg'}: no image" in message
    assert f"{toy / 'images/05.jpg'}: image file is truncated" in message
    assert not files(cache) and not files(cache, "*.partial")


def test_at_most_ten_bad_images_are_named(tmp_path, cache):
    paths = tuple(tmp_path / f"{i}.jpg" for i in range(30))
    for path in paths:
        path.write_bytes(b"bad")
    split = Split(tuple(map(str, paths)), np.zeros(30, np.int64), lambda i: paths[i].read_bytes(), paths)
    with pytest.raises(DataError, match="10 or more images") as caught:
        pixels(split, SIZE, "bicubic", cache)
    assert str(caught.value).count("no image") == 10


def test_images_that_vanish_are_named(root, toy, cache):
    split = TOY.split(root, "train")
    (toy / "images/03.jpg").unlink()
    with pytest.raises(DataError, match="images/03.jpg: No such file"):
        pixels(split, SIZE, "bicubic", cache)


def test_an_unknown_filter_is_refused(root, cache):
    with pytest.raises(DataError, match="'bicubc', expected one of bicubic, bilinear, lanczos"):
        pixels(TOY.split(root, "train"), SIZE, "bicubc", cache)


def arrays(side: int) -> Split:
    images = np.random.default_rng(0).integers(0, 256, (5, side, side, 3), dtype=np.uint8)
    return Split(tuple("abcde"), np.zeros(5, np.int64), lambda i: images[i])


def test_arrays_of_the_right_size_pass_untouched(cache):
    split = arrays(SIZE)
    found = pixels(split, SIZE, "bicubic", cache)
    assert np.array_equal(found.array, np.stack([split.read(i) for i in range(5)]))
    assert not cache.exists() and len(found.digest) == 64


def test_arrays_of_another_size_are_resized_and_kept(cache):
    split, calls = arrays(8), []
    one, two = (pixels(split, SIZE, "bicubic", cache, lambda *seen: calls.append(seen)) for _ in range(2))
    first = np.asarray(Image.fromarray(split.read(0)).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    assert np.array_equal(one.array[0], first) and one.digest == two.digest and len(calls) == 5
    assert one.digest != pixels(arrays(9), SIZE, "bicubic", cache).digest


def test_too_little_room_is_said_before_decoding(root, cache, monkeypatch):
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(DataError) as caught:
        pixels(TOY.split(root, "train"), SIZE, "bicubic", cache, lambda *_: pytest.fail("decoded"))
    assert str(caught.value) == (
        f"decoded images cannot be kept in {cache}: 0.0 MB needed, 0.0 MB free; "
        "name another folder with VISIONPEFT_CACHE"
    )


def test_a_disk_that_fills_up_leaves_nothing(root, cache, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache_module.os, "fsync", full)
    with pytest.raises(DataError, match="cannot be kept in .*: No space left on device; name another folder"):
        pixels(TOY.split(root, "train"), SIZE, "bicubic", cache)
    assert not files(cache) and not files(cache, "*.partial")


def test_a_cache_that_is_no_folder_is_named(root, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be kept in .*file"):
        pixels(TOY.split(root, "train"), SIZE, "bicubic", tmp_path / "file")


def test_an_interrupt_leaves_nothing(root, cache):
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pixels(TOY.split(root, "train"), SIZE, "bicubic", cache, interrupt)
    assert not files(cache) and not files(cache, "*.partial")
    assert len(pixels(TOY.split(root, "train"), SIZE, "bicubic", cache).array) == 6
