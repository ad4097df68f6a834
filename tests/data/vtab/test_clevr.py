import json

import numpy as np
import pytest

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.clevr import Clevr, count, distance

ABOVE, BELOW = np.nextafter(np.float32(8.5), np.float32(9)).item(), np.nextafter(np.float32(8.5), np.float32(8)).item()
DEPTHS = (7.25, 8.0, 8.01, 8.5, ABOVE, BELOW, 8.5 + 1e-9, 9.0, 9.3, 9.5, 9.51, 10.0, 10.5)
DISTANCES = (0, 0, 1, 1, 2, 1, 1, 2, 3, 3, 4, 4, 5)


class Tiny(Clevr):
    counts = {"train": 13, "validation": 13}
    train = "train[:8]"
    val = "train[8:10]"


def write(top, picture):
    """Write scenes whose closest objects have `DEPTHS`, with three to ten objects, in the owners' layout."""
    (top / "scenes").mkdir(parents=True)
    (top / "questions").mkdir()
    for part in ("train", "val"):
        (top / "images" / part).mkdir(parents=True)
        scenes = []
        for i, depth in enumerate(DEPTHS):
            name = f"CLEVR_{part}_{i:06}.png"
            (top / "images" / part / name).write_bytes(picture(i, "PNG", "RGBA"))
            objects = [
                {
                    **{"color": "red", "material": "metal", "shape": "cube", "size": "large", "rotation": 1.5},
                    **{"3d_coords": [0.1, 0.2, 0.3], "pixel_coords": [5, 6, depth + 0.5 * (k != 1)]},
                }
                for k in range(3 + i % 8)
            ]
            about = {"split": part, "image_index": i, "image_filename": name, "directions": {"left": [1, 2, 3]}}
            scenes.append({**about, "objects": objects, "relationships": {"left": [[1], [], [0]]}})
        (top / "scenes" / f"CLEVR_{part}_scenes.json").write_text(
            json.dumps({"info": {"split": part}, "scenes": scenes})
        )
        (top / "questions" / f"CLEVR_{part}_questions.json").write_text(json.dumps({"questions": []}))


def test_sizes_slices_and_keys():
    data = Clevr("count")
    assert data.builder == "clevr:3.1.0"
    assert data.counts == {"train": 70000, "validation": 15000}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("train", 63000, 63200)
    assert data.part("test") == ("validation", 0, 15000)
    assert data.known_keys("train")[-1] == "CLEVR_train_069999.png"
    assert data.known_keys("validation")[0] == "CLEVR_val_000000.png"


def test_three_to_ten_objects():
    assert [count([9.0] * objects) for objects in range(3, 11)] == list(range(8))


def test_distances_at_every_threshold():
    assert [distance([12.0, depth, 11.0]) for depth in DEPTHS] == list(DISTANCES)
    assert [distance([depth]) for depth in (0.1, 99.9, 100.0)] == [0, 5, 5]
    assert distance(np.array([10.0, 9.5], np.float32)) == 3


@pytest.mark.parametrize("below", ["", "CLEVR_v1.0"])
def test_scenes_are_read(tmp_path, picture, below):
    folder = tmp_path / "clevr"
    write(folder / below, picture)
    assert Tiny("count").missing(folder) is None
    counts = Tiny("count").examples(folder, "train")
    assert counts.keys == Tiny("count").known_keys("train")
    assert counts.labels.tolist() == [i % 8 for i in range(13)]
    assert Tiny("distance").examples(folder, "validation").labels.tolist() == list(DISTANCES)
    assert [counts.read(i) for i in range(13)] == [picture(i, "PNG", "RGBA") for i in range(13)]
    split = Original(Tiny("distance")).split(tmp_path, "val")
    assert split.keys == ("train/CLEVR_train_000002.png", "train/CLEVR_train_000012.png")
    assert split.files[0] == folder / below / "images" / "train" / "CLEVR_train_000002.png"


@pytest.mark.parametrize("task", ["count", "distance"])
@pytest.mark.parametrize(("split", "part"), [("train", "train"), ("validation", "val")])
def test_tensorflow_datasets_makes_the_same_of_it(tmp_path, picture, agrees, task, split, part):
    write(tmp_path / "clevr", picture)
    places = {"images_dir_path": "images/{}", "question_file": "questions/CLEVR_{}_questions.json"}
    places["scenes_description_file"] = "scenes/CLEVR_{}_scenes.json"
    arguments = {name: tmp_path / "clevr" / place.format(part) for name, place in places.items()}
    agrees(Clevr(task), tmp_path / "clevr", split, arguments)


@pytest.mark.parametrize("text", ["{", '{"scenes": [1]}', '{"scenes": [{"objects": [{}]}]}', '{"info": {}}'])
def test_bad_scenes_are_named(tmp_path, picture, text):
    write(tmp_path, picture)
    (tmp_path / "scenes" / "CLEVR_train_scenes.json").write_text(text)
    with pytest.raises(DataError, match=r"CLEVR_train_scenes\.json: no scenes of CLEVR"):
        Clevr("count").examples(tmp_path, "train")


def test_what_is_missing_and_other_tasks_are_named(tmp_path):
    (tmp_path / "images" / "train").mkdir(parents=True)
    found = str(Clevr("count").missing(tmp_path))
    assert "lacks scenes/CLEVR_train_scenes.json, images/val, scenes/CLEVR_val_scenes.json of CLEVR" in found
    with pytest.raises(DataError, match="task 'colour' of CLEVR, expected count or distance"):
        Clevr("colour")
