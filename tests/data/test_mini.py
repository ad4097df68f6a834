"""The embedded suite: pinned pixels and labels, classes that can be told by what they are meant to be told by."""

import hashlib
import importlib.util
import pickle
import subprocess
import sys
from importlib.resources import files
from types import SimpleNamespace

import hydra
import numpy as np
import pytest
from omegaconf import OmegaConf

from visionpeft.data import mini, render
from visionpeft.data.mini import SIZES, Digits, Rendered, enlarge
from visionpeft.data.render import Draws
from visionpeft.data.scenes import SCENES
from visionpeft.data.task import DataError, Task, load

GROUPS = {
    "digits": ("natural", 10),
    "creatures": ("natural", 8),
    "tissue": ("specialized", 6),
    "terrain": ("specialized", 8),
    "count": ("structured", 6),
    "location": ("structured", 16),
    "orientation": ("structured", 16),
}
# first 16 hex digits of sha256 over the pixels of train, val, test; over the labels, int64 little endian, of the same
PINNED = {
    "creatures": ("737f45254315aa9b", "e09a0c153c9a60f6"),
    "tissue": ("4aa541f2c0bbb0b1", "3a1ca2e28c67f480"),
    "terrain": ("b8e6465ad1550514", "756300c5dc89c7cb"),
    "count": ("164a227af8e4af73", "7d5e9cf100056cb8"),
    "location": ("1a78064b835a04bb", "f9d7724d63a106c4"),
    "orientation": ("40a00b69eec754eb", "c32cb73569c0f998"),
    "digits": ("3e2b24606e283ba5", "a3c91c262eddcf7b"),
}
sklearn = pytest.mark.skipif(not importlib.util.find_spec("sklearn"), reason="scikit-learn is not installed")


def tasks() -> dict[str, Task]:
    paths = sorted(files("visionpeft.conf").joinpath("task").glob("mini_*.yaml"))
    return {p.stem: hydra.utils.instantiate(OmegaConf.load(p), _convert_="all") for p in paths}


def short(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[:16]


def everything(source) -> tuple[list[np.ndarray], list[np.ndarray]]:
    splits = [source.split(None, name) for name in SIZES]
    pixels = [np.stack([split.read(i) for i in range(len(split))]) for split in splits]
    return pixels, [split.labels.astype("<i8") for split in splits]


def test_the_suite_has_seven_tasks_in_three_groups():
    found = tasks()
    assert set(found) == {f"mini_{name}" for name in GROUPS}
    for name, (group, classes) in GROUPS.items():
        task = found[f"mini_{name}"]
        assert (task.name, task.suite, task.group, task.num_classes) == (name, "mini", group, classes)
        assert task.sizes == SIZES | ({"test": 797} if name == "digits" else {})
        expected = Digits() if name == "digits" else Rendered(name)
        assert task.sources == (expected,)
        if name != "digits":
            assert SCENES[name].classes == classes


@pytest.mark.parametrize("name", SCENES)
def test_rendered_pixels_and_labels_are_pinned(name):
    pixels, labels = everything(Rendered(name))
    assert [p.shape for p in pixels] == [(800, 32, 32, 3), (200, 32, 32, 3), (1000, 32, 32, 3)]
    assert all(p.dtype == np.uint8 for p in pixels)
    assert (short(*pixels), short(*labels)) == PINNED[name]


@sklearn
def test_digits_pixels_and_labels_are_pinned():
    pixels, labels = everything(Digits())
    assert [len(p) for p in pixels] == [800, 200, 797]
    assert (short(*pixels), short(*labels)) == PINNED["digits"]


@sklearn
def test_digits_are_read_without_importing_scikit_learn(tmp_path, monkeypatch):
    """Which takes seconds; where its file is not where it was, that is what is done, and gives the same."""
    code = "import sys; from visionpeft.data.mini import Digits; Digits().split(None, 'val').read(0)"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'sklearn' not in sys.modules"], check=True)
    scans, labels = mini._digits.__wrapped__()
    elsewhere = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(mini.importlib.util, "find_spec", lambda name: elsewhere)
    again = mini._digits.__wrapped__()
    assert scans.dtype == again[0].dtype and (scans == again[0]).all() and (labels == again[1]).all()


@pytest.mark.parametrize("name", SCENES)
def test_splits_load_balanced_and_apart(name):
    task = tasks()[f"mini_{name}"]
    for split in ("train", "val", "trainval", "test"):
        counts = np.bincount(load(task, task.sources[0], None, split).labels, minlength=task.num_classes)
        assert counts.max() - counts.min() <= (2 if split == "trainval" else 1)
    pixels, _ = everything(task.sources[0])
    images = {image.tobytes() for part in pixels for image in part}
    assert len(images) == 2000


def test_a_split_reads_the_same_from_another_process_image():
    split = Rendered("count").split(None, "val")
    again = pickle.loads(pickle.dumps(split))
    assert split.keys[0] == "val/000000" and again.digest == split.digest
    assert (again.read(7) == split.read(7)).all()


def test_unknown_scene_names_those_there_are():
    with pytest.raises(DataError, match="no scene called 'cats'; there are creatures, tissue"):
        Rendered("cats")


def test_digits_without_scikit_learn_say_so(monkeypatch):
    assert Rendered("count").missing(None) is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert Digits().missing(None) == "scikit-learn is not installed; pip install 'visionpeft[mini]'"


def test_enlarging_interpolates_between_centres():
    ramp = np.broadcast_to(np.arange(8) * 2, (8, 8)).astype(np.int32)
    grey = enlarge(ramp)[..., 0]
    assert grey.shape == (32, 32) and (grey == grey[0]).all()
    exact = np.clip((np.arange(32) + 0.5) / 4 - 0.5, 0, 7) * 2 * 255 / 16
    assert (grey[0] == np.floor(exact)).all()
    assert (enlarge(np.full((8, 8), 16)) == 255).all() and (enlarge(np.zeros((8, 8), int)) == 0).all()


def test_draws_are_the_frozen_stream():
    assert Draws(11, 0).words(3).tolist() == [3541446261, 2428209454, 3351034050]
    assert Draws(11, 0).within(2, 7, 5).tolist() == [6, 5, 6, 7, 4]
    assert sorted(Draws(1).orders(1, 9)[0]) == list(range(9))
    many = Draws(2).within(-3, np.array([3, 5]), 4000, 2)
    assert many.min(0).tolist() == [-3, -3] and many.max(0).tolist() == [3, 5]


def test_shapes_cover_their_area():
    middle, size = np.array([1024, 1024]), np.array([320, 640])
    uv = render.frame(middle, middle, np.array([0, 77]))
    pixels = size / 64
    areas = {
        "disc": (render.disc(uv, size), np.pi * pixels**2),
        "box": (render.box(uv, size, size // 2), 2 * pixels**2),
        "ellipse": (render.ellipse(uv, size, size // 2), np.pi * pixels**2 / 2),
        "triangle": (render.polygon(uv, size // 2, 3), 3 * 3**0.5 * (pixels / 2) ** 2),
        "stroke": (render.stroke((middle, middle), (middle + size // 2, middle), size // 4), None),
    }
    radius = pixels / 4
    areas["stroke"] = (areas["stroke"][0], np.pi * radius**2 + pixels * radius)
    for name, (depth, area) in areas.items():
        np.testing.assert_allclose(render.cover(depth).sum((1, 2)) / 64, area, rtol=0.04, err_msg=name)


def test_clouds_stay_in_range_and_meet_their_lattice():
    field = render.clouds(Draws(3), 50, 4)
    assert field.shape == (50, 32, 32) and field.min() >= 0 and field.max() <= 255
    assert abs(np.diff(field, axis=2)).max() <= 255 // 8 + 1


def test_the_number_of_sprites_is_the_label():
    """Counted on the noise-free picture: blobs that are brighter than the ground can be."""
    ndimage = pytest.importorskip("scipy.ndimage")
    labels = np.repeat(np.arange(6), 20)
    image = SCENES["count"].paint(Draws(5), labels)
    bright = ndimage.uniform_filter(image.max(3).astype(float), (0, 3, 3)) > 150
    counts = [ndimage.label(b)[1] for b in bright]
    assert np.corrcoef(counts, labels)[0, 1] > 0.9


def test_the_bright_sprite_lies_in_the_labelled_column():
    labels = np.repeat(np.arange(16), 10)
    light = SCENES["location"].paint(Draws(5), labels).min(3).astype(int)
    columns = np.maximum(light - 150, 0).sum(1)
    middle = (columns * (np.arange(32) + 0.5)).sum(1) / columns.sum(1)
    assert abs(middle - (4 + 1.5 * (labels + 0.5))).max() < 2
