"""Which byte of a sample was changed, as far as its checksum tells."""

from __future__ import annotations

import io
import tarfile
import zlib
from functools import cache

_BYTE_VALUES, _TOP_BYTE, _WORD = 256, 24, 0xFFFFFFFF


def describe_damage(data: bytes, crc32: int, offset: int) -> str:
    """What is wrong with a group of members, for whoever reads the message.

    Args:
        data: the group's bytes as they are.
        crc32: of the group as it was written.
        offset: of the group in its shard.
    """
    changed = changed_bytes(data, crc32)
    if not changed:
        return f"bytes {offset} to {offset + len(data) - 1} are not as they were written, more than one of them"
    said = [f"byte {offset + at}{_member_at(data, at, mask)}" for at, mask in changed]
    return f"{' or '.join(said)} is not as it was written"


def changed_bytes(data: bytes, crc32: int) -> list[tuple[int, int]]:
    """Every way in which one changed byte explains the checksum: its position, and the bits that were flipped.

    CRC-32 is linear: what two contents of one length differ in alone decides what their checksums differ in. So the
    difference is run backwards through the zeros after the changed byte, until it is what a single byte leaves. There
    is mostly one answer, and none where more than a byte was changed; in a megabyte about one in twenty has a second.
    """
    difference, found = zlib.crc32(data) ^ crc32, []
    table, index_of = _tables()
    for at in range(len(data) - 1, -1, -1):
        index = index_of[difference >> _TOP_BYTE]
        difference = ((difference ^ table[index]) << 8 & _WORD) | index
        if 0 < difference < _BYTE_VALUES:
            found.append((at, difference))
    return found[::-1]


@cache
def _tables() -> tuple[list[int], list[int]]:
    """What a byte leaves in an empty checksum, and which byte leaves a given top byte."""
    nothing = zlib.crc32(b"\0")
    table = [zlib.crc32(bytes([byte])) ^ nothing for byte in range(_BYTE_VALUES)]
    index_of = [0] * _BYTE_VALUES
    for byte, left in enumerate(table):
        index_of[left >> _TOP_BYTE] = byte
    return table, index_of


def _member_at(data: bytes, at: int, mask: int) -> str:
    """In which member of the group, as it was, a position lies."""
    mended = bytearray(data)
    mended[at] ^= mask
    try:
        with tarfile.open(fileobj=io.BytesIO(bytes(mended)), mode="r:") as group:
            names = [member.name for member in group.getmembers() if member.offset <= at]
    except tarfile.TarError:
        return ""
    return f", in {names[-1]}," if names else ""
