import struct

import pytest

from visionpeft.data.vtab.tfrecord import features, records, varint


def record(message):
    return struct.pack("<Q", len(message)) + b"crc1" + message + b"crc2"


def varint_bytes(value):
    """Seven bits per byte, the lowest first, all but the last with the highest bit set."""
    digits = []
    while True:
        value, digit = value >> 7, value & 127
        digits.append(digit | 128 if value else digit)
        if not value:
            return bytes(digits)


def field(number, content):
    return varint_bytes(number << 3 | 2) + varint_bytes(len(content)) + content


def entry(name, kind, content):
    """An entry of the map of features: name, then a list of bytes (1), floats (2) or integers (3)."""
    return field(1, field(1, name) + field(2, field(kind, content)))


def test_records_one_after_another():
    data = record(b"abc") + record(b"") + record(b"z" * 300)
    assert [data[start:stop] for start, stop in records(data)] == [b"abc", b"", b"z" * 300]
    assert list(records(b"")) == []


@pytest.mark.parametrize("kept", [1, 8, 12, 15, 18])
def test_a_file_cut_short(kept):
    with pytest.raises(ValueError, match="the record at byte 0 is cut short"):
        list(records(record(b"abc")[:kept]))


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**63 - 1])
def test_numbers(value):
    assert varint(b"x" + varint_bytes(value), 1) == (value, 1 + len(varint_bytes(value)))


@pytest.mark.parametrize("packed", [True, False])
def test_an_example(packed):
    numbers = field(1, varint_bytes(300) + varint_bytes(5)) if packed else b"\x08" + varint_bytes(300)
    message = field(
        1,
        entry(b"image", 1, field(1, b"\xff\xd8" * 200))
        + entry(b"label", 3, numbers)
        + entry(b"depth", 2, field(1, struct.pack("<f", 1.5)))
        + entry(b"height", 2, b"\x0d" + struct.pack("<f", 2.5)),  # a float that is not packed
    )
    data = record(b"") + record(message)
    found = features(data, list(records(data))[1])
    assert data[slice(*found["image"])] == b"\xff\xd8" * 200
    assert varint(data, found["label"][0])[0] == 300
    assert struct.unpack("<f", data[slice(*found["depth"])]) == (1.5,)
    assert struct.unpack("<f", data[slice(*found["height"])]) == (2.5,)


@pytest.mark.parametrize("message", [b"", b"\xff", b"\x0a\x05ab", b"\x0b\x00", field(1, field(1, b"")), b"\xff" * 30])
def test_what_is_no_example(message):
    data = record(message)
    with pytest.raises(ValueError, match="no tf.train.Example"):
        features(data, next(records(data)))
