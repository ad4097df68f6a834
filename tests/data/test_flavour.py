"""What tables call the images of a task."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionpeft.data import digests
from visionpeft.data.flavour import described
from visionpeft.data.folder import ListFolder
from visionpeft.data.mini import Digits
from visionpeft.data.original import Original
from visionpeft.data.split import Split
from visionpeft.data.task import DataError, Task
from visionpeft.data.vtab.eurosat import EuroSAT

TASK = Task("toy", "vtab", "natural", 3)
NAMES = {"train": "train800", "val": "val200", "test": "test"}
PLAIN = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))


def encoded(image: Image.Image = PLAIN, form: str = "JPEG", **settings: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **settings)
    return file.getvalue()


def splits(data: bytes, key: str = "images/{split}/{i:06}.jpg") -> dict[str, Split]:
    found = {}
    for name, split in NAMES.items():
        keys = tuple(key.format(split=split, i=i) for i in range(5))
        found[name] = Split(keys, np.arange(5) % 3, lambda i: data, tuple(map(Path, keys)))
    return found


@pytest.mark.parametrize("settings", [{}, {"quality": 75}, {"quality": 75, "subsampling": "4:2:0"}, {"optimize": True}])
def test_noahs_export_is_told_by_its_names_and_pils_default_encoder(settings):
    source = ListFolder(names=("toy",))
    assert described(TASK, source, splits(encoded(**settings))) == {"flavour": "noah-jpeg", "exported": True}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(quality=76), id="another quality"),
        pytest.param(encoded(quality=75, subsampling="4:4:4"), id="whole colours"),
        pytest.param(encoded(form="PNG"), id="png"),
        pytest.param(encoded(PLAIN.convert("L")), id="grey"),
        pytest.param(b"no image", id="no image"),
    ],
)
def test_other_encodings_are_not_noahs(data):
    found = splits(data)
    assert described(TASK, ListFolder(names=("toy",)), found) == {"flavour": f"folder {found['train'].digest[:8]}"}


@pytest.mark.parametrize("key", ["images/{split}/{i:05}.jpg", "images/image_{split}{i:05}.jpg", "{split}/{i:06}.jpg"])
def test_other_names_are_not_noahs(key):
    """Flowers and Caltech are published as JPEG of quality 75, 4:2:0; that alone proves nothing."""
    found = splits(encoded(), key)
    assert described(TASK, ListFolder(names=("toy",)), found) == {"flavour": f"folder {found['train'].digest[:8]}"}


def test_what_is_drawn_here_is_called_by_its_source():
    source = Digits()
    assert described(TASK, source, splits(encoded(), "{split} {i}")) == {"flavour": source.name}


@pytest.mark.parametrize("known", [("train", "val", "test"), ("train", "val"), ()])
def test_official_sources_are_confirmed_or_not(monkeypatch, known):
    found = splits(b"images", "train/{split}{i}.jpg")
    table = {("toy", name): digests.Digests.of(found[name], "9" * 64) for name in known}
    monkeypatch.setattr(digests, "pinned", lambda: table)
    states = {name: "confirmed" if name in known else "unknown" for name in NAMES}
    flavour = "official" if len(known) == 3 else "official, not yet confirmed"
    assert described(TASK, Original(EuroSAT()), found) == {"flavour": flavour, "confirmed": states}


@pytest.mark.parametrize(("known", "flavour"), [(["test"], "official"), ([], "official, not yet confirmed")])
def test_another_training_set_is_judged_by_its_test_images(monkeypatch, known, flavour):
    found = splits(b"images", "train/{split}{i}.jpg")
    table = {("toy", name): digests.Digests.of(found[name], "9" * 64) for name in known}
    monkeypatch.setattr(digests, "pinned", lambda: table)
    said = described(TASK, Original(EuroSAT(), 2), found)
    assert said["flavour"] == flavour and said["confirmed"]["train"] == "unknown"


def test_official_sources_that_contradict_are_refused(monkeypatch):
    found, others = splits(b"", "train/{split}{i}.jpg"), splits(b"", "train/{split}{i}.png")
    table = {("toy", "val"): digests.Digests.of(others["val"])}
    monkeypatch.setattr(digests, "pinned", lambda: table)
    with pytest.raises(DataError, match="split val from source original: the digest of the keys is"):
        described(TASK, Original(EuroSAT()), found)


def test_real_flowers_in_folders_are_not_taken_for_noahs(shared):
    source = ListFolder(names=("oxford_flowers102",))
    found = {name: source.split(shared, name) for name in NAMES}
    assert described(TASK, source, found)["flavour"] == f"folder {found['train'].digest[:8]}"
