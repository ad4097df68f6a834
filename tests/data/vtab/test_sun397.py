import contextlib
import io
import sys
import types

import pytest

from visionpeft.data.order import official_order
from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.sun397 import SUN397

NAMES = [
    f"/{label}/sun_{i}.jpg" for label in ("a/abbey", "c/car_interior/backseat", "y/youth_hostel") for i in range(9)
]
LABELS = {name: (0, 78, 396)[i // 9] for i, name in enumerate(NAMES)}


def test_sizes_and_slices():
    data = SUN397()
    assert data.builder == "sun397/tfds:4.0.0"
    assert data.counts == {"train": 76128, "validation": 10875, "test": 21750}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("validation", 0, 200)
    assert data.part("test") == ("test", 0, 21750)


def test_the_owners_files_do_not_give_the_images(tmp_path):
    (tmp_path / "sun397").mkdir()
    source = Original(SUN397())
    assert "read a folder that it prepared (source=tfds)" in str(source.missing(tmp_path))
    with pytest.raises(DataError, match="shrunk and encoded anew"):
        source.split(tmp_path, "train")
    with pytest.raises(DataError, match="shrunk and encoded anew"):
        SUN397().examples(tmp_path / "sun397", "train")
    assert "SUN397.tar.gz (39,077,296,924 bytes" in SUN397().by_hand


def test_keys_and_labels_as_tensorflow_datasets_serves_them(tmp_path, picture, agrees, builder, monkeypatch):
    """Its generator decodes with TensorFlow and OpenCV; here the images pass as they are."""
    builder("sun397/tfds")
    module = sys.modules["tensorflow_datasets.datasets.sun397.sun397_dataset_builder"]
    with_graph = types.SimpleNamespace(Graph=lambda: types.SimpleNamespace(as_default=contextlib.nullcontext))
    keep = lambda file, session, filename, **how: io.BytesIO(file.read())  # noqa: E731

    def generate(maker, **arguments):
        monkeypatch.setattr(module, "tf", with_graph)
        monkeypatch.setattr(module.utils, "nogpu_session", contextlib.nullcontext)
        monkeypatch.setattr(module, "_process_image_file", keep)
        return maker._generate_examples(**arguments)

    archive = [(f"SUN397{name}", io.BytesIO(picture(i))) for i, name in enumerate(NAMES)]
    archive.insert(3, ("SUN397/t/track/outdoor/sun_aophkoiosslinihb.jpg", io.BytesIO(b"left out")))
    agrees(SUN397(), tmp_path, "train", {"archive": archive, "subset_images": set(NAMES)}, generate, LABELS)


def test_the_lists_that_tensorflow_datasets_brings_along():
    pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")
    data = SUN397()
    for split, count in data.counts.items():
        keys = data.known_keys(split)
        assert len(set(keys)) == len(keys) == count
        assert len({key.rpartition("/")[0] for key in keys}) == 397
    keys = data.known_keys("train")
    order = [keys[i] for i in official_order("train", keys)]
    assert order[:2] == ["/r/rope_bridge/sun_biqflnsoednmhvce.jpg", "/t/tower/sun_avxiyhlcnzjayhrk.jpg"]
    assert order[66481] == "/t/track/outdoor/sun_aophkoiosslinihb.jpg"  # behind all that VTAB takes


def test_without_tensorflow_datasets_no_keys_are_known(monkeypatch):
    monkeypatch.setattr("visionpeft.data.vtab.sun397.find_spec", lambda name: None)
    assert SUN397().known_keys("train") is None
