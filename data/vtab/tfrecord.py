"""TFRecord files of tf.train.Example messages, by the bytes.

A file is a row of records: length (little-endian uint64), its checksum (4 bytes), the message, its checksum (4 bytes).
A message is a row of fields: number and wire type in one varint, then a varint (type 0), 8 bytes (1), a length and as
many bytes (2), or 4 bytes (5). Checksums are not compared: the archive's digest covers them.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap

Span = tuple[int, int]
"""Where in a file something starts and stops."""
LENGTHS = {1: 8, 5: 4}


def records(data: bytes | mmap) -> Iterator[Span]:
    """Yield where each message of a file lies.

    Raises:
        ValueError: the file is cut short or no TFRecord file.
    """
    at = 0
    while at < len(data):
        start = at + 12
        stop = start + int.from_bytes(data[at : at + 8], "little")
        if stop + 4 > len(data):
            raise ValueError(f"the record at byte {at} is cut short")
        yield start, stop
        at = stop + 4


def features(data: bytes | mmap, record: Span) -> dict[str, Span]:
    """Return where the first value of each feature of an Example lies.

    That of an integer is the varint which `varint` reads.

    Raises:
        ValueError: it is no Example.
    """
    found = {}
    try:
        for number, *entry in _fields(data, _field(data, record, 1)):
            if number == 1:
                start, stop = _field(data, (entry[0], entry[1]), 1)
                kind = next(_fields(data, _field(data, (entry[0], entry[1]), 2)))  # a list of one of three types
                found[data[start:stop].decode()] = _field(data, kind[1:], 1)
    except (IndexError, StopIteration):
        raise ValueError(f"no tf.train.Example at byte {record[0]}") from None
    return found


def varint(data: bytes | mmap, at: int) -> tuple[int, int]:
    """Return the number that starts at a byte, 7 bits per byte from the lowest up, and where it stops."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _fields(data: bytes | mmap, message: Span) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and stop of each field's content."""
    at, end = message
    while at < end:
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 2:
            length, at = varint(data, at)
        else:
            length = LENGTHS[kind] if kind in LENGTHS else varint(data, at)[1] - at
        if at + length > end or kind in (3, 4, 6, 7):
            raise ValueError(f"no tf.train.Example: bad field at byte {at}")
        yield tag >> 3, at, at + length
        at += length


def _field(data: bytes | mmap, message: Span, number: int) -> Span:
    """Return where the content of a message's first field of this number lies."""
    for found, start, stop in _fields(data, message):
        if found == number:
            return start, stop
    raise ValueError(f"no tf.train.Example: the message at byte {message[0]} lacks field {number}")
