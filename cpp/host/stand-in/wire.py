"""The encoding of protobuf, as far as descriptors are put together with it."""

from collections.abc import Iterator

# Of a FileDescriptorSet, a FileDescriptorProto and a DescriptorProto.
FILE, MESSAGE, NAME = 1, 4, 1
LENGTH_DELIMITED = 2


def varint(number: int) -> bytes:
    """A number."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: bytes) -> bytes:
    """A field with bytes."""
    return varint(number << 3 | LENGTH_DELIMITED) + varint(len(value)) + value


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return number, at


def fields(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, bytes (empty for a number) and whole encoding of each field of a message."""
    at = 0
    while at < len(data):
        begin = at
        tag, at = read_varint(data, at)
        value = b""
        if tag & 7 == LENGTH_DELIMITED:
            length, at = read_varint(data, at)
            value, at = data[at : at + length], at + length
        elif tag & 7 == 0:
            _, at = read_varint(data, at)
        else:
            raise ValueError(f"a descriptor has no field of wire type {tag & 7}")
        yield tag >> 3, value, data[begin:at]


def messages(file: bytes) -> dict[bytes, bytes]:
    """The messages of a FileDescriptorProto by their names."""
    found = [value for number, value, _ in fields(file) if number == MESSAGE]
    return {
        name: message for message in found for number, name, _ in fields(message) if number == NAME
    }


def merge_file(file: bytes, more: bytes) -> bytes:
    """A FileDescriptorProto with what the messages of a FileDescriptorSet have beside its own."""
    added: dict[bytes, bytes] = {}
    for number, value, _ in fields(more):
        if number == FILE:
            added |= messages(value)
    merged = b""
    for number, value, whole in fields(file):
        name = next(iter(messages(whole)), b"") if number == MESSAGE else b""
        if name in added:
            rest = b"".join(it for number, _, it in fields(added.pop(name)) if number != NAME)
            merged += field(MESSAGE, value + rest)
        else:
            merged += whole
    return merged + b"".join(field(MESSAGE, message) for message in added.values())
