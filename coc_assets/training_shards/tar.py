"""Deterministic tar: equal samples give equal bytes, and a sample's members lie together in one byte range."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from functools import cache

import numpy as np

MODE = 0o644
END = bytes(2 * tarfile.BLOCKSIZE)  # two empty blocks close an archive

# A USTAR header: how long a name it takes in one field, where it tells size and checksum, and how large a size.
_NAME_BYTES, _SIZE, _CHECKSUM, _LARGEST = 100, slice(124, 136), slice(148, 156), 8**11 - 1


def group_bytes(key: str, members: Mapping[str, bytes]) -> bytes:
    """One sample's members as tar bytes: `group_pieces` set one after another."""
    return b"".join(group_pieces(key, members))


def group_pieces(key: str, members: Mapping[str, bytes]) -> list[bytes]:
    """One sample's members as tar bytes, contents not copied: header, content and padding of each, sorted by name.

    Args:
        key: the sample's key; it holds no dot, because readers split names at the first one.
        members: content by suffix, e.g. `{"json": …, "cot.txt": …}`.

    Returns:
        USTAR bytes without the end of the archive: groups set one after another and closed with `END` are a tar.
    """
    return [piece for suffix in sorted(members) for piece in _member(f"{key}.{suffix}", members[suffix])]


def read_group(data: bytes) -> dict[str, bytes]:
    """Members of one group, content by suffix; the inverse of `group_bytes`.

    Raises:
        tarfile.ReadError: the bytes are not a whole number of tar members.
    """
    members, at = {}, 0
    while at < len(data):
        name, size = _name_and_size(data[at : at + tarfile.BLOCKSIZE])
        start = at + tarfile.BLOCKSIZE
        at = start + size + -size % tarfile.BLOCKSIZE
        if not start <= at <= len(data):
            raise tarfile.ReadError(f"{name} ends at byte {at} of a group of {len(data)} bytes.")
        members[name.partition(".")[2]] = data[start : start + size]
    return members


def npy(array: np.ndarray) -> bytes:
    """The array as a `.npy` file."""
    out = io.BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def from_npy(data: bytes) -> np.ndarray:
    """The array of a `.npy` file."""
    return np.load(io.BytesIO(data), allow_pickle=False)


def _member(name: str, content: bytes) -> tuple[bytes, bytes, bytes]:
    return _header(name, len(content)), content, bytes(-len(content) % tarfile.BLOCKSIZE)


def _header(name: str, size: int) -> bytes:
    """A file's USTAR header, byte for byte tarfile's, which takes five times as long to put one together."""
    encoded = name.encode()
    if len(encoded) > _NAME_BYTES or size > _LARGEST:
        return _header_by_tarfile(name, size)
    header = bytearray(_blank_header())
    header[: len(encoded)] = encoded
    header[_SIZE] = b"%011o\0" % size
    header[_CHECKSUM] = b"%06o\0 " % sum(header)  # of all bytes, its own counted as blanks
    return bytes(header)


def _header_by_tarfile(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, MODE, 0
    return info.tobuf(tarfile.USTAR_FORMAT)


@cache
def _blank_header() -> bytes:
    """The header of any file, without a name and with blanks as its checksum."""
    header = bytearray(_header_by_tarfile("", 0))
    header[_CHECKSUM] = b" " * (_CHECKSUM.stop - _CHECKSUM.start)
    return bytes(header)


def _name_and_size(header: bytes) -> tuple[str, int]:
    try:
        info = tarfile.TarInfo.frombuf(header, tarfile.ENCODING, "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise tarfile.ReadError(f"no tar header: {error}") from None
    if not info.isreg():
        raise tarfile.ReadError(f"{info.name} is not a file.")
    return info.name, info.size
