import collections
import io
import sys
import types

import numpy as np
import pytest
from PIL import Image

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.kitti import Kitti, closest, divided, labelled

DEPTHS = (0.5, 7.99, 8.0, 8.01, 20.0, 20.01, 79.3, 999.0)
CLASSES = (0, 0, 0, 1, 1, 2, 2, 2)
VIDEOS = [f"2011_09_26_drive_{v:04}_sync" for v in (1, 2, 5, 9, 11, 13, 14, 15, 17, 18, 19, 20, 22, 23, 27, 28, 29)] * 3
ROW = "{} 0.00 0 -0.20 2.00 1.00 10.50 4.25 1.89 0.48 1.20 1.84 1.47 {} 0.01\n"


class Tiny(Kitti):
    counts = {"train": 45, "validation": 3, "test": 3}
    train = "train[:40]"
    val = "validation[:2]"


def write(top, kit):
    """Write 51 images of 17 videos, with the closest vehicle at each of `DEPTHS` in turn, and the development kit."""
    (top / "training" / "image_2").mkdir(parents=True)
    (top / "training" / "label_2").mkdir()
    (kit / "mapping").mkdir(parents=True)
    for i in range(len(VIDEOS)):
        pixels = np.random.default_rng(i).integers(0, 256, (5, 16, 3), np.uint8)
        Image.fromarray(pixels).save(top / "training" / "image_2" / f"{i:06}.png")
        kind = ("Car", "Van", "Truck")[i % 3]
        rows = [("Pedestrian", 3.5), (kind, 500 + DEPTHS[i % 8]), (kind, DEPTHS[i % 8]), ("DontCare", -1000)]
        text = "".join(ROW.format(*row) for row in (rows if i % 10 else rows[:1] + rows[3:]))
        (top / "training" / "label_2" / f"{i:06}.txt").write_text(text)
    order = np.random.default_rng(0).permutation(len(VIDEOS))  # the lines of the second list are in another order
    lines = [""] * len(VIDEOS)
    for i, line in enumerate(order):
        lines[line] = f"2011_09_26 {VIDEOS[i]} {i:010}"
    (kit / "mapping" / "train_rand.txt").write_text(",".join(str(line + 1) for line in order))
    (kit / "mapping" / "train_mapping.txt").write_text("\n".join(lines) + "\n")


def tfds_module():
    pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed").builder_cls("kitti")
    return sys.modules["tensorflow_datasets.datasets.kitti.kitti_dataset_builder"]


def test_sizes_and_slices():
    data = Kitti()
    assert data.builder == "kitti:3.3.0"
    assert data.counts == {"train": 6347, "validation": 423, "test": 711}
    assert sum(data.counts.values()) == 7481
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("validation", 0, 200)
    assert data.part("test") == ("test", 0, 711)


def test_distances_at_every_threshold():
    assert [closest([500.0, depth]) for depth in DEPTHS] == list(CLASSES)
    assert closest([]) == 3
    assert closest([-0.5]) == 0  # beside the camera
    assert closest([8 + 1e-9]) == 0  # as 32-bit numbers
    assert closest([np.nextafter(np.float32(8), np.float32(9))]) == 1


def test_only_cars_vans_and_trucks_count(tmp_path):
    path = tmp_path / "000000.txt"
    kinds = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc", "DontCare")
    found = []
    for kind in kinds:
        path.write_text(ROW.format(kind, 5.0))
        found.append(labelled(path))
    assert found == [0, 0, 0, 3, 3, 3, 3, 3, 3]
    path.write_text("")
    assert labelled(path) == 3
    path.write_text("Car 0.00 0\n")
    with pytest.raises(DataError, match=r"000000\.txt: a line has not the 15 fields of one object"):
        labelled(path)


def test_the_real_label_files(shared):
    folder = shared / "originals" / "kitti_tiny" / "training" / "label_2"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    found = [labelled(path) for path in sorted(folder.glob("*.txt"))]
    assert collections.Counter(found) == {0: 26, 1: 30, 2: 33, 3: 12}


def test_labels_of_features():
    objects = {"type": np.array([3, 0, 6]), "location": np.array([[1, 2, 3.5], [1, 2, 8.5], [1, 2, 4.0]], np.float32)}
    assert Kitti().label({"objects": objects}) == 1
    assert Kitti().label({"objects": {"type": np.array([], np.int64), "location": np.zeros((0, 3), np.float32)}}) == 3


@pytest.mark.parametrize("count", [2, 3, 9, 10, 17, 39, 141])
def test_tensorflow_datasets_divides_videos_alike(tmp_path, count):
    random = np.random.default_rng(count)
    videos = [f"2011_{random.integers(1, 13):02}_drive_{v:04}" for v in range(count)]
    of_images = [*videos, *random.choice(videos, 5 * count).tolist()]
    lines = "\n".join(f"day {video} 1" for video in of_images).encode()
    numbers = ",".join(str(i + 1) for i in range(len(of_images))).encode()
    kit = [("mapping/train_rand.txt", io.BytesIO(numbers)), ("mapping/train_mapping.txt", io.BytesIO(lines))]
    expected = tfds_module()._build_splits(iter(kit))
    found = divided(of_images)
    assert [found[split] for split in ("train", "validation", "test")] == [sorted(images) for images in expected]


@pytest.mark.parametrize(("below", "kit"), [("", ""), ("raw", "devkit_object")])
def test_images_and_labels(tmp_path, below, kit):
    folder = tmp_path / "kitti"
    write(folder / below, folder / below / kit)
    assert Tiny().missing(folder) is None
    splits = {split: Tiny().examples(folder, split) for split in Tiny.counts}
    assert {split: len(found.keys) for split, found in splits.items()} == Tiny.counts
    assert len({key for found in splits.values() for key in found.keys}) == 51
    for found in splits.values():
        numbers = [int(key.removesuffix(".png")) for key in found.keys]
        assert found.labels.tolist() == [CLASSES[i % 8] if i % 10 else 3 for i in numbers]
        image = Image.open(folder / below / "training" / "image_2" / found.keys[0])
        assert np.array_equal(found.read(0), np.asarray(image))
    assert len(Original(Tiny()).split(tmp_path, "val")) == 2


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_tensorflow_datasets_makes_the_same_of_it(tmp_path, agrees, monkeypatch, split):
    folder = tmp_path / "kitti"
    write(folder, folder)
    module = tfds_module()
    opencv = types.SimpleNamespace(  # it decodes to blue, green, red
        imdecode=lambda data, flags: np.asarray(Image.open(io.BytesIO(data.tobytes())).convert("RGB"))[..., ::-1],
        cvtColor=lambda image, code: np.ascontiguousarray(image[..., ::-1]),
        **{"IMREAD_COLOR": 1, "COLOR_BGR2RGB": 4},
    )
    monkeypatch.setattr(module.tfds.core, "lazy_imports", types.SimpleNamespace(cv2=opencv))

    def archive(*patterns):
        paths = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
        return [(path.relative_to(folder).as_posix(), path.open("rb")) for path in paths]

    opened = [archive("mapping/*.txt"), archive("training/image_2/*.png"), archive("training/label_2/*.txt")]
    numbers = dict(zip(("train", "validation", "test"), module._build_splits(iter(opened[0])), strict=True))[split]
    arguments = {"images": opened[1], "annotations": opened[2], "subdir": "training", "image_ids": numbers}
    agrees(Kitti(), folder, split, arguments)
    for _, file in (pair for files in opened for pair in files):
        file.close()


def test_bad_kits_and_missing_files_are_named(tmp_path):
    folder = tmp_path / "kitti"
    folder.mkdir()
    assert "lacks training/image_2, training/label_2 of KITTI's object images" in str(Kitti().missing(folder))
    write(folder, folder / "devkit")
    assert Kitti().missing(folder) is None
    with pytest.raises(DataError, match="split validation has 3 examples .*, expected 423"):
        Original(Kitti()).split(tmp_path, "val")
    (folder / "devkit" / "mapping" / "train_rand.txt").write_text("1,2,5000")
    with pytest.raises(DataError, match=r"train_rand\.txt and train_mapping\.txt do not belong together"):
        Kitti().examples(folder, "train")
    (folder / "devkit" / "mapping" / "train_rand.txt").unlink()
    assert f"{folder}/devkit lacks mapping/train_rand.txt of KITTI's devkit_object.zip" == Kitti().missing(folder)
