import dataclasses
import errno
import hashlib
import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionpeft.data import cache as cache_module
from visionpeft.data.decode import Preprocessing
from visionpeft.data.enlarge import enlarge_array
from visionpeft.data.folder import ListFolder
from visionpeft.data.pixels import pixels
from visionpeft.data.task import DataError, Split
from visionpeft.data.unfinished import Listener


class Heard(Listener):
    """Notes what it is told."""

    def __init__(self, act=lambda done: None) -> None:
        self.act, self.seen, self.said = act, [], []

    def advance(self, what: str, done: int, total: int) -> None:
        self.seen.append((done, total))
        self.act(done)

    def remark(self, text: str) -> None:
        self.said.append(text)


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
    split, heard = TOY.split(root, "train"), Heard()
    found = pixels(split, Preprocessing(SIZE), cache, heard)
    assert np.array_equal(found.array, expected(split))
    assert isinstance(found.array, np.memmap) and not found.array.flags.writeable
    assert heard.seen == [(i, 6) for i in range(1, 7)] and not heard.said
    single = b"".join(hashlib.sha256(split.read(i)).digest() for i in range(6))
    assert found.digest == hashlib.sha256(single).hexdigest()
    assert np.array_equal(np.load(cache / files(cache)[0]), found.array)
    assert not files(cache, "*.partial")


def test_a_warm_cache_opens_no_image(root, cache):
    split = TOY.split(root, "train")
    cold = pixels(split, Preprocessing(SIZE), cache)
    warm = pixels(nothing_is_read(split), Preprocessing(SIZE), cache)
    assert np.array_equal(cold.array, warm.array) and cold.digest == warm.digest


def test_equal_images_are_shared_whatever_their_paths_and_labels(root, cache, task_writer):
    task_writer(root / "vtab-1k" / "twin")
    first, second = (ListFolder(names=(name,)).split(root, "train") for name in ("toy", "twin"))
    second = dataclasses.replace(second, labels=second.labels[::-1].copy())
    heard = Heard()
    one, two = (pixels(split, Preprocessing(SIZE), cache, heard) for split in (first, second))
    assert one.digest == two.digest and np.array_equal(one.array, two.array)
    assert len(files(cache)) == 1 and len(heard.seen) == 6
    assert pixels(nothing_is_read(second), Preprocessing(SIZE), cache).digest == one.digest


def test_size_filter_orientation_and_order_have_files_of_their_own(root, cache):
    split = TOY.split(root, "train")
    backwards = dataclasses.replace(
        split, keys=split.keys[::-1], files=split.files[::-1], read=lambda i: split.read(5 - i)
    )
    digests = [
        pixels(split, Preprocessing(SIZE), cache).digest,
        pixels(split, Preprocessing(SIZE + 1), cache).digest,
        pixels(split, Preprocessing(SIZE, "bilinear"), cache).digest,
        pixels(dataclasses.replace(split, upright=True), Preprocessing(SIZE), cache).digest,
    ]
    assert len(set(digests)) == 1 and len(files(cache)) == 4
    assert pixels(backwards, Preprocessing(SIZE), cache).digest != digests[0] and len(files(cache)) == 5


def test_every_preprocessing_has_a_file_of_its_own(root, cache):
    split = TOY.split(root, "train")
    every = [{}, {"interpolation": "tf1_bilinear"}, {"interpolation": "tf2_bilinear"}, {"resize": 20}, {"jpeg": 75}]
    every += [{"jpeg": 50}, {"resize": 20, "jpeg": 75}]
    found = [pixels(split, Preprocessing(SIZE, **values), cache) for values in every]
    assert len(files(cache)) == len(every) and len({one.digest for one in found}) == 1
    assert len({one.array.tobytes() for one in found}) == len(every)
    warm = pixels(nothing_is_read(split), Preprocessing(SIZE, jpeg=50), cache)
    assert np.array_equal(warm.array, found[5].array)


def test_an_image_that_changes_is_decoded_anew(root, cache, image_writer):
    split = TOY.split(root, "train")
    before = pixels(split, Preprocessing(SIZE), cache)
    seen = split.files[2].stat()
    data = bytearray(split.files[2].read_bytes())
    image_writer(split.files[2], 99)
    os.truncate(split.files[2], max(len(data), split.files[2].stat().st_size))
    os.utime(split.files[2], ns=(seen.st_atime_ns, seen.st_mtime_ns))  # as a careful copy would leave it
    after = pixels(split, Preprocessing(SIZE), cache)
    assert after.digest != before.digest and not np.array_equal(after.array[2], before.array[2])
    assert np.array_equal(np.delete(after.array, 2, 0), np.delete(before.array, 2, 0))


@pytest.mark.parametrize("damage", ["cut", "longer", "header", "empty", "absent", "other shape"])
def test_a_damaged_file_is_built_anew(root, cache, damage):
    split = TOY.split(root, "train")
    good = np.array(pixels(split, Preprocessing(SIZE), cache).array)
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
    assert np.array_equal(pixels(split, Preprocessing(SIZE), cache).array, good)
    assert path.read_bytes() == data


@pytest.mark.parametrize("place", [200, 128 + 3 * SIZE * SIZE * 3, -1])
def test_a_bit_that_flips_on_the_disk_is_noticed_said_and_mended(root, cache, place):
    """In the first image, in the fourth, in the checksum of the last."""
    split, heard = TOY.split(root, "train"), Heard()
    good = np.array(pixels(split, Preprocessing(SIZE), cache).array)
    path = cache / files(cache)[0]
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + (whole[place + 1 :] if place > 0 else b""))
    assert np.array_equal(pixels(split, Preprocessing(SIZE), cache, heard).array, good)
    assert path.read_bytes() == whole and len(heard.seen) == 6
    image = {200: 0, -1: 5}.get(place, 3)
    assert re.fullmatch(
        rf"{re.escape(str(path))} is damaged: image {image} has the checksum [0-9a-f]{{8}}, expected [0-9a-f]{{8}}; "
        "the disk may be failing; its 6 images are decoded anew",
        heard.said[0],
    )
    assert len(heard.said) == 1 and pixels(nothing_is_read(split), Preprocessing(SIZE), cache, heard)
    assert len(heard.said) == 1


@pytest.mark.parametrize("field", ["digest", "each", "sum", "size"])
def test_an_index_entry_that_was_changed_is_not_believed(root, cache, field):
    split = TOY.split(root, "train")
    good = pixels(split, Preprocessing(SIZE), cache)
    entry = next((cache / "index").iterdir())
    noted = json.loads(entry.read_text())
    noted[field] = noted[field] + 1 if isinstance(noted[field], int) else f"{'0' * 8}{noted[field][8:]}"
    entry.write_text(json.dumps(noted))
    again = pixels(split, Preprocessing(SIZE), cache)
    assert again.digest == good.digest and np.array_equal(again.each, good.each)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"key": "../x", "digest": "0"}', '{"key": 3, "digest": null}'])
def test_a_damaged_index_is_written_anew(root, cache, text):
    split = TOY.split(root, "train")
    good = pixels(split, Preprocessing(SIZE), cache)
    entry = next((cache / "index").iterdir())
    entry.write_text(text)
    assert pixels(split, Preprocessing(SIZE), cache).digest == good.digest
    assert json.loads(entry.read_text())["digest"] == good.digest


def test_all_bad_images_are_named_at_once_and_nothing_is_left(root, toy, cache):
    for i, data in ((1, b""), (4, b"no image"), (5, (toy / "images/05.jpg").read_bytes()[:-20])):
        (toy / f"images/{i:02}.jpg").write_bytes(data)
    with pytest.raises(DataError) as caught:
        pixels(TOY.split(root, "train"), Preprocessing(SIZE), cache)
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
        pixels(split, Preprocessing(SIZE), cache)
    assert str(caught.value).count("no image") == 10


def test_images_that_vanish_are_named(root, toy, cache):
    split = TOY.split(root, "train")
    (toy / "images/03.jpg").unlink()
    with pytest.raises(DataError, match="images/03.jpg: No such file"):
        pixels(split, Preprocessing(SIZE), cache)


def arrays(side: int) -> Split:
    images = np.random.default_rng(0).integers(0, 256, (5, side, side, 3), dtype=np.uint8)
    return Split(tuple("abcde"), np.zeros(5, np.int64), lambda i: images[i])


def test_small_images_may_stay_as_they_are(tmp_path, cache, image_writer):
    paths = tuple(tmp_path / f"{i}.png" for i in range(5))
    for i, path in enumerate(paths):
        image_writer(path, i, (8, 8))
    split = Split(tuple(map(str, paths)), np.zeros(5, np.int64), lambda i: paths[i].read_bytes(), paths)
    cold, warm = (pixels(s, Preprocessing(SIZE), cache, small=True) for s in (split, nothing_is_read(split)))
    canonical = pixels(split, Preprocessing(SIZE), cache)
    own = np.stack([np.asarray(Image.open(path)) for path in paths])
    assert np.array_equal(cold.array, own) and np.array_equal(warm.array, own)
    assert cold.digest == warm.digest == canonical.digest and canonical.array.shape == (5, SIZE, SIZE, 3)
    assert np.array_equal(enlarge_array(own, SIZE, "bicubic"), canonical.array)
    assert pixels(split, Preprocessing(SIZE, jpeg=50), cache, small=True).array.shape == (5, 8, 8, 3)
    for other in (Preprocessing(15), Preprocessing(SIZE, resize=20), Preprocessing(SIZE, "tf2_bilinear")):
        assert pixels(split, other, cache, small=True).array.shape[1] == other.size


@pytest.mark.parametrize("odd", [(8, 9), (7, 7), None])
def test_images_of_several_sizes_are_enlarged_at_once(tmp_path, cache, image_writer, odd):
    paths = tuple(tmp_path / f"{i}.png" for i in range(5))
    for i, path in enumerate(paths):
        image_writer(path, i, odd if i == 3 and odd else (8, 8))
    split = Split(tuple(map(str, paths)), np.zeros(5, np.int64), lambda i: paths[i].read_bytes(), paths)
    if odd:
        assert pixels(split, Preprocessing(SIZE), cache, small=True).array.shape == (5, SIZE, SIZE, 3)
    else:
        paths[2].write_bytes(b"bad")
        paths[3].write_bytes(paths[3].read_bytes()[:-40])
        with pytest.raises(DataError, match="2 images cannot be read"):
            pixels(split, Preprocessing(SIZE), cache, small=True)


def test_arrays_of_the_right_size_pass_untouched(cache):
    split = arrays(SIZE)
    found = pixels(split, Preprocessing(SIZE), cache)
    assert np.array_equal(found.array, np.stack([split.read(i) for i in range(5)]))
    assert not cache.exists() and len(found.digest) == 64
    assert not np.array_equal(pixels(split, Preprocessing(SIZE, jpeg=75), cache).array, found.array)


def test_arrays_of_another_size_are_resized_and_kept(cache):
    split, heard = arrays(8), Heard()
    one, two = (pixels(split, Preprocessing(SIZE), cache, heard) for _ in range(2))
    first = np.asarray(Image.fromarray(split.read(0)).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    assert np.array_equal(one.array[0], first) and one.digest == two.digest and len(heard.seen) == 5
    assert one.digest != pixels(arrays(9), Preprocessing(SIZE), cache).digest


def test_a_warm_cache_reads_no_array_of_a_file_that_holds_them_all(tmp_path, cache):
    """One file of 70,000 examples, as CIFAR-100 is published: the keys say which of them a split has."""
    path = tmp_path / "whole.npy"
    path.write_bytes(b"arrays")
    images = arrays(8)

    def split(keys: str, *files: Path) -> Split:
        return Split(tuple(keys), np.zeros(len(keys), np.int64), lambda i: images.read("abcde".index(keys[i])), files)

    cold = pixels(split("abc", path), Preprocessing(SIZE), cache)
    warm = pixels(nothing_is_read(split("abc", path)), Preprocessing(SIZE), cache)
    assert cold.digest == warm.digest and np.array_equal(cold.array, warm.array)
    assert pixels(split("abd", path), Preprocessing(SIZE), cache).digest != cold.digest
    assert pixels(split("cba", path), Preprocessing(SIZE), cache).digest != cold.digest
    assert pixels(split("abc", path, tmp_path), Preprocessing(SIZE), cache).digest == cold.digest
    assert len(files(cache)) == 3 and len(files(cache / "index", "*.json")) == 4
    path.write_bytes(b"others")
    with pytest.raises(AssertionError, match="must not read"):
        pixels(nothing_is_read(split("abc", path)), Preprocessing(SIZE), cache)


def test_what_of_the_files_is_read_counts(tmp_path, cache):
    """One file may hold two images of each example, in two columns."""
    path = tmp_path / "table"
    path.touch()
    images = arrays(8)
    first = Split(tuple("abc"), np.zeros(3, np.int64), images.read, (path,), content="image")
    second = dataclasses.replace(first, read=lambda i: images.read(i + 1), content="image2")
    one, two = (pixels(split, Preprocessing(SIZE), cache) for split in (first, second))
    assert one.digest != two.digest and not np.array_equal(one.array, two.array)
    assert pixels(nothing_is_read(second), Preprocessing(SIZE), cache).digest == two.digest


def test_a_warm_start_of_70000_arrays_takes_a_small_part_of_a_cold_one(tmp_path, cache):
    path = tmp_path / "whole.npy"
    path.touch()
    images, count = arrays(8), 70_000
    split = Split(tuple(map(str, range(count))), np.zeros(count, np.int64), lambda i: images.read(0), (path,))
    seconds, digests = [], set()
    for opened in (split, *[nothing_is_read(split)] * 3):  # thrice: other tests' threads and rubbish count once
        start = time.process_time()  # of all threads; the machine may have other things to do
        digests.add(pixels(opened, Preprocessing(1), cache).digest)
        seconds.append(time.process_time() - start)
    assert len(digests) == 1 and min(seconds[1:]) < seconds[0] / 20, seconds  # about a hundredth, a tenth of a second


def test_a_bad_example_of_a_file_that_holds_many_is_named_by_key_and_file(tmp_path, cache):
    path = tmp_path / "whole.bin"
    path.touch()
    split = Split(("train/3", "train/8"), np.zeros(2, np.int64), lambda i: b"no image", (path,))
    with pytest.raises(DataError, match=r"2 images cannot be read.*\n  train/3 in .*whole\.bin: no image"):
        pixels(split, Preprocessing(SIZE), cache)
    several = dataclasses.replace(split, files=(path, tmp_path, path))
    with pytest.raises(DataError, match=r"\n  train/8: no image"):
        pixels(several, Preprocessing(SIZE), cache)


def test_too_little_room_is_said_before_decoding(root, cache, monkeypatch):
    monkeypatch.setattr(cache_module, "free", lambda path: 1000)
    with pytest.raises(DataError) as caught:
        pixels(TOY.split(root, "train"), Preprocessing(SIZE), cache, Heard(lambda done: pytest.fail("decoded")))
    assert str(caught.value) == (
        f"decoded images cannot be kept in {cache}: 4.8 kB needed, 1.0 kB free; "
        "name another folder with VISIONPEFT_CACHE"
    )


def test_a_disk_that_fills_up_leaves_nothing(root, cache, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache_module.os, "fsync", full)
    with pytest.raises(
        DataError, match=r"cannot be kept in .*: No space left on device, 4\.8 kB needed, .* free; name another folder"
    ):
        pixels(TOY.split(root, "train"), Preprocessing(SIZE), cache)
    assert not files(cache) and not files(cache, "*.partial")


def test_a_cache_that_is_no_folder_is_named(root, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be kept in .*file"):
        pixels(TOY.split(root, "train"), Preprocessing(SIZE), tmp_path / "file")


def test_an_interrupt_leaves_nothing(root, cache):
    def interrupt(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pixels(TOY.split(root, "train"), Preprocessing(SIZE), cache, Heard(interrupt))
    assert not files(cache) and not files(cache, "*.partial")
    assert len(pixels(TOY.split(root, "train"), Preprocessing(SIZE), cache).array) == 6
