"""Abovefold's own values in Redis, read without any of its code: a protobuf of few kinds of fields."""

import struct

import numpy

from .events import READ, Content, merge

DOUBLE = struct.Struct("<d")
FLOAT = struct.Struct("<f")


def fields(message: bytes):
    """Number and value of each field; a varint as a number, all else as bytes."""
    place = 0
    end = len(message)
    while place < end:
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(message, place)
        elif kind == 1:
            value, place = message[place : place + 8], place + 8
        elif kind == 5:
            value, place = message[place : place + 4], place + 4
        else:
            length, place = _varint(message, place)
            value, place = message[place : place + length], place + length
        yield key >> 3, value


def _varint(message: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7


def session(value: bytes) -> bytes:
    """The reads of a `ReaderState`, which are kept by column, in the form that the peers keep."""
    columns = dict(fields(value))
    seconds = FLOAT.iter_unpack(columns.get(14, b""))
    scrolls = FLOAT.iter_unpack(columns.get(15, b""))
    reads = bytearray()
    time = 0
    rows = zip(*(_varints(columns.get(column, b"")) for column in (9, 10, 12)), strict=True)
    for article, later, facts in rows:
        time += (later >> 1) ^ -(later & 1)
        read_time = next(seconds)[0] if facts & 1 else 0.0
        scroll = next(scrolls)[0] if facts & 2 else 0.0
        reads += READ.pack(article, time, read_time, scroll, facts >> 4)
    return bytes(reads)


def _varints(packed: bytes):
    place = 0
    while place < len(packed):
        number, place = _varint(packed, place)
        yield number


def embedding(value: bytes) -> numpy.ndarray | None:
    """The session embedding of a `ReaderState`, if it has one: 768 numbers, the top layer of its hidden state."""
    hidden = next((field for number, field in fields(value) if number == 1), b"")
    return numpy.frombuffer(hidden[len(hidden) // 2 :], "<f4") if hidden else None


def trend(value: bytes) -> tuple:
    """`ArticleCounts` as reads, latest, first and decayed sums."""
    found = dict(fields(value))
    decayed = found.get(2, b"")
    sums = tuple(number for (number,) in DOUBLE.iter_unpack(decayed))
    return (found.get(1, 0), found.get(3, 0), found.get(4, 0), sums)


def content(values: dict[bytes, bytes]) -> Content:
    """All values of a namespace, by their keys in Redis (`{ns:p}:v:r/READER`, `{ns:p}:v:a/ARTICLE`)."""
    found = Content({}, {})
    for key, value in values.items():
        name = key.split(b":v:", 1)[1]
        # Eight bytes of version, one of format, then the message.
        message = value[9:]
        if name.startswith(b"r/"):
            reader = name[2:].decode()
            found.sessions[reader] = session(message)
            if (numbers := embedding(message)) is not None:
                found.embeddings[reader] = numbers
        elif name.startswith(b"a/"):
            article = int(name[2:])
            counts = trend(message)
            # An article that only led to others has no reads of its own.
            if counts[0]:
                found.trends[article] = merge(found.trends.get(article), counts)
    return found
