import struct

import pytest

from visionpeft.data.original import Original
from visionpeft.data.task import DataError
from visionpeft.data.vtab.dmlab import DMLab


class Tiny(DMLab):
    counts = {"train": 24, "validation": 8, "test": 8}
    train = "train[:20]"
    val = "validation[:3]"


def write(folder, picture):
    """Write Examples in shards, with the messages that tensorflow-datasets brings along; return them."""
    protocol = pytest.importorskip("tensorflow_datasets.proto.tf_example_generated_pb2")
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for split, size in Tiny.counts.items():
        made[split] = []
        for i in range(size):
            example = protocol.Example()
            example.features.feature["image"].bytes_list.value.append(picture(i))
            example.features.feature["filename"].bytes_list.value.append(f"{split}/züge_{i}".encode())
            example.features.feature["label"].int64_list.value.append(i % 6)
            made[split].append(example)
        for shard in range(2):
            with (folder / f"dmlab-{split}.tfrecord-{shard:05}-of-00002").open("wb") as file:
                for example in made[split][shard * size // 2 : (shard + 1) * size // 2]:
                    message = example.SerializeToString()
                    file.write(struct.pack("<Q", len(message)) + b"crc1" + message + b"crc2")
    return made


def test_sizes_and_slices():
    data = DMLab()
    assert data.builder == "dmlab:2.0.1"
    assert data.counts == {"train": 65550, "validation": 22628, "test": 22735}
    assert data.part("train") == ("train", 0, 800)
    assert data.part("val") == ("validation", 0, 200)
    assert data.part("test") == ("test", 0, 22735)


def test_examples_of_all_shards(tmp_path, picture):
    write(tmp_path / "dmlab", picture)
    assert Tiny().missing(tmp_path / "dmlab") is None
    found = Tiny().examples(tmp_path / "dmlab", "train")
    assert found.keys == [f"train/züge_{i}".encode() for i in range(24)]
    assert found.labels.tolist() == [i % 6 for i in range(24)]
    assert [found.read(i) for i in range(24)] == [picture(i) for i in range(24)]
    assert [path.name for path in found.files] == [f"dmlab-train.tfrecord-0000{k}-of-00002" for k in range(2)]
    split = Original(Tiny()).split(tmp_path, "val")
    assert split.keys == tuple(f"validation/validation/züge_{i}" for i in (5, 4, 3))
    assert [split.read(i) for i in range(3)] == [picture(i) for i in (5, 4, 3)]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_tensorflow_datasets_makes_the_same_of_it(tmp_path, picture, agrees, split):
    """Its builder's generator needs TensorFlow; what that reads from the files are these Examples."""
    made = write(tmp_path / "dmlab", picture)
    import io

    def generate(maker):
        for example in made[split]:
            found = example.features.feature
            name, label = found["filename"].bytes_list.value[0], found["label"].int64_list.value[0]
            image = io.BytesIO(found["image"].bytes_list.value[0])
            yield name, {"image": image, "filename": name, "label": label}

    agrees(DMLab(), tmp_path / "dmlab", split, {}, generate)


def test_bad_files_are_named(tmp_path, picture):
    assert f"{tmp_path} lacks dmlab-train.tfrecord* of DMLab" == DMLab().missing(tmp_path)
    write(tmp_path, picture)
    path = tmp_path / "dmlab-train.tfrecord-00001-of-00002"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(DataError, match=r"00001-of-00002: the record at byte \d+ is cut short"):
        DMLab().examples(tmp_path, "train")
    path.write_bytes(b"")
    with pytest.raises(DataError, match="00001-of-00002: cannot mmap an empty file"):
        DMLab().examples(tmp_path, "train")
    path.write_bytes(whole.replace(b"filename", b"fileNAME"))
    with pytest.raises(DataError, match="an example lacks 'filename', expected image, filename and label"):
        DMLab().examples(tmp_path, "train")
