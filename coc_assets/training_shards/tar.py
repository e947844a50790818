"""Deterministic tar: equal samples give equal bytes, and a sample's members lie together in one byte range."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

import numpy as np

MODE = 0o644
END = bytes(2 * tarfile.BLOCKSIZE)  # two empty blocks close an archive


def group_bytes(key: str, members: Mapping[str, bytes]) -> bytes:
    """One sample's members as tar bytes: headers, contents and padding, sorted by name.

    Args:
        key: the sample's key; it holds no dot, because readers split names at the first one.
        members: content by suffix, e.g. `{"json": …, "cot.txt": …}`.

    Returns:
        USTAR bytes without the end of the archive: groups set one after another and closed with `END` are a tar.
    """
    return b"".join(_member(f"{key}.{suffix}", members[suffix]) for suffix in sorted(members))


def read_group(data: bytes) -> dict[str, bytes]:
    """Members of one group, content by suffix; the inverse of `group_bytes`.

    Raises:
        tarfile.ReadError: the bytes are not a whole number of tar members.
    """
    with tarfile.open(fileobj=io.BytesIO(data + END), mode="r:") as group:
        return {info.name.partition(".")[2]: _content(group, info) for info in group}


def npy(array: np.ndarray) -> bytes:
    """The array as a `.npy` file."""
    out = io.BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def from_npy(data: bytes) -> np.ndarray:
    """The array of a `.npy` file."""
    return np.load(io.BytesIO(data), allow_pickle=False)


def _member(name: str, content: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(content), MODE, 0
    return info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(info)
    if file is None:
        raise tarfile.ReadError(f"{info.name} is not a file.")
    return file.read()
