"""What tensorflow-datasets itself makes of the same files, without TensorFlow."""

import dataclasses
import glob
import io
import os
import re
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visionpeft.data.official import DataSet, Examples, pick
from visionpeft.data.order import Key, official_order
from visionpeft.data.prepared import Prepared

FILES = types.SimpleNamespace(
    GFile=open, listdir=os.listdir, glob=glob.glob, exists=os.path.exists, isdir=os.path.isdir, walk=os.walk
)
"""What the builders use of tf.io.gfile."""
NAMELESS = ("smallnorb:2.0.0",)
"""Versions whose features do not say the keys: positions stand in their place."""
PICTURES = ("image", "image2", "segmentation_mask")


@pytest.fixture
def builder(tmp_path, monkeypatch) -> Callable[[str], Any]:
    """Return a builder of tensorflow-datasets by name; its module's files are opened by Python."""

    def make(name: str) -> Any:
        tfds = pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")
        pytest.importorskip("array_record", reason="array_record is not installed")
        name, _, config = re.sub(":.*", "", name).partition("/")
        parent = tfds.builder_cls(name)
        own = {"__module__": parent.__module__, "name": parent.name, "url_infos": {}}  # nothing is downloaded
        made = types.new_class(parent.__name__, (parent,), {"skip_registration": True}, lambda names: names.update(own))
        if "tf" in vars(module := sys.modules[parent.__module__]):
            monkeypatch.setattr(module, "tf", types.SimpleNamespace(io=types.SimpleNamespace(gfile=FILES)))
        return made(config=config or None, data_dir=tmp_path / "tfds", file_format="array_record")

    return make


@pytest.fixture
def agrees(builder, tmp_path) -> Callable[..., None]:
    """Return a function that compares a split of a data set with the one tensorflow-datasets prepares from its files.

    Keys as they are generated, order, labels, keys from features, and images (bytes, or pixels) must be equal, and
    so must what the source for prepared folders reads. The
    arguments go to the builder's generator, or to the one given in its place. Where the owners' files do not give the
    official examples, it is keys from features, order and labels that are compared, with the given labels.
    """

    def compare(
        dataset: DataSet, folder: Path, split: str, arguments: dict[str, Any], generate: Any = None, labels: Any = None
    ) -> None:
        nameless = dataset.builder in NAMELESS
        maker = builder(dataset.builder)
        keys: list[Key] = []
        generated = generate(maker, **arguments) if generate else maker._generate_examples(**arguments)
        maker._split_generators = lambda dl_manager: {split: _noted(generated, keys)}
        maker.download_and_prepare()
        import tensorflow_datasets as tfds

        raw = {"image": tfds.decode.SkipDecoding()} if dataset.encoded else None
        source = maker.as_data_source(split, decoders=raw)
        if labels is not None:
            examples = Examples(keys, np.array([labels[key] for key in keys]), lambda i: b"")
        else:
            examples = dataset.examples(folder, split)
        assert sorted(examples.keys, key=str) == sorted(keys, key=str)
        for i, features in zip(official_order(split, examples.keys), source, strict=True):
            image, key = features.pop("image"), examples.keys[i]
            assert dataset.key(features) == (None if nameless else key)
            assert dataset.label(features) == examples.labels[i]
            if labels is None:
                found = examples.read(int(i))
                assert found == image if dataset.encoded else np.array_equal(found, dataset.array(image))
        small = whole(dataset, split, len(keys))
        prepared = Prepared(small).split(tmp_path / "tfds", "train")
        original = pick(examples, split, 0, len(keys), len(keys))
        if nameless:
            assert prepared.keys == tuple(f"{split}[{i}]" for i in range(len(keys)))
            assert prepared.labels.tolist() == original.labels.tolist()
        else:
            assert (prepared.digest, prepared.order) == (original.digest, original.order)
        if labels is None:
            assert all(np.array_equal(prepared.read(i), original.read(i)) for i in range(len(keys)))

    return compare


def whole(dataset: DataSet, split: str, count: int) -> DataSet:
    """Return a data set whose one split has so many examples, all of them in every part."""
    parts = {"counts": {split: count}, "train": split, "val": split, "test": split}
    return type("Whole", (type(dataset),), parts)(**dataclasses.asdict(dataset))


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Return a function that gives an encoded image, another one for each seed."""

    def make(seed: int, kind: str = "JPEG", mode: str = "RGB") -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(file, kind)
        return file.getvalue()

    return make


def _noted(made: Iterator[tuple[Key, dict[str, Any]]], keys: list[Key]) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Pass examples on: their keys are noted, their arrays become PNG, which otherwise takes TensorFlow."""
    for key, features in made:
        keys.append(key)
        arrays = {name: features[name] for name in PICTURES if isinstance(features.get(name), np.ndarray)}
        yield key, features | {name: _png(array) for name, array in arrays.items()}


def _png(array: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(file, "PNG")
    return io.BytesIO(file.getvalue())
