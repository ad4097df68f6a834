import io

import pytest

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.retinopathy import Retinopathy


def test_sizes_and_slices():
    data = Retinopathy()
    assert data.builder == "diabetic_retinopathy_detection/btgraham-300:3.0.0"
    assert data.counts == {"train": 35126, "validation": 10906, "test": 42670}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("validation", 0, 200)
    assert data.part("test") == ("test", 0, 42670)


def test_the_owners_files_do_not_give_the_images(tmp_path):
    (tmp_path / "retinopathy").mkdir()
    source = Original(Retinopathy())
    assert "read a folder that it prepared (source=tfds)" in str(source.missing(tmp_path))
    with pytest.raises(DataError, match="processed and encoded anew"):
        source.split(tmp_path, "train")
    with pytest.raises(DataError, match="processed and encoded anew"):
        Retinopathy().examples(tmp_path / "retinopathy", "train")
    for step in ("kaggle.com", "log in", "trainLabels.csv", "downloads/manual"):
        assert step in Retinopathy().by_hand


@pytest.mark.parametrize(("split", "usage"), [("train", None), ("validation", "Public"), ("test", "Private")])
def test_keys_and_labels_as_tensorflow_datasets_serves_them(tmp_path, picture, agrees, split, usage):
    """Its generator processes with OpenCV; here the images pass as they are."""
    rows = [
        (f"{i}_{eye}", (i + len(eye)) % 5, ("Public", "Private")[i % 2]) for i in range(20) for eye in ("left", "right")
    ]
    (tmp_path / "labels.csv").write_text("image,level,Usage\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))

    def generate(maker, **arguments):
        maker._process_image = lambda path: io.BytesIO(picture(len(path)))
        return maker._generate_examples(**arguments)

    labels = {name: level for name, level, used in rows if usage in (None, used)}
    arguments = {"images_dir_path": "images", "csv_path": tmp_path / "labels.csv", "csv_usage": usage}
    agrees(Retinopathy(), tmp_path, split, arguments, generate, labels)
