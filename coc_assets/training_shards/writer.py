"""Writing planned shards, their index and their manifest, each file whole or not at all."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from coc_assets.training_shards.members import JSON, canonical_json
from coc_assets.training_shards.plan import Shard
from coc_assets.training_shards.tar import END
from resources.store import Store

INDEX = "index.parquet"
MANIFEST = "manifest.json"
SPOOL_MEMORY = 256 << 20  # bytes; most chunks with one camera fit, and are written to disk once instead of twice
INDEX_SCHEMA = pl.Schema(
    {
        "key": pl.String,
        "split": pl.String,
        "shard": pl.String,  # file name beside the index
        "member": pl.String,
        "offset": pl.Int64,
        "size": pl.Int64,
        "crc32": pl.Int64,  # of the group's bytes, members and their headers
    }
)


@dataclass(frozen=True)
class Group:
    """A sample's tar bytes, wherever they wait to be put into a shard.

    Attributes:
        size, crc32: length and `zlib.crc32` of what `read` gives.
        read: gives the bytes; it is called once to write and once to hash them, from two threads at a time.
    """

    key: str
    split: str
    size: int
    crc32: int
    read: Callable[[], bytes]


@dataclass(frozen=True)
class WrittenShard:
    """A shard in place: its plan, the sha256 and size of its file, and its rows of the index."""

    shard: Shard
    sha256: str
    size: int
    rows: list[dict[str, Any]]


class Spool:
    """Finished groups that wait until the shards are planned: the first in memory, the rest in a scratch file.

    Args:
        file: the scratch file, open for writing and reading; the caller closes it when the shards are written.
        memory: bytes of groups that wait in memory.
    """

    def __init__(self, file: BinaryIO, memory: int = SPOOL_MEMORY) -> None:
        self._file = file
        self._end = 0
        self._memory_left = memory

    def add(self, key: str, split: str, pieces: Sequence[bytes]) -> Group:
        """Takes in a group's bytes, which come in pieces so that no copy is made before they are read."""
        size, crc32 = sum(map(len, pieces)), 0
        for piece in pieces:
            crc32 = zlib.crc32(piece, crc32)
        return Group(key, split, size, crc32, self._keep(pieces, size))

    def _keep(self, pieces: Sequence[bytes], size: int) -> Callable[[], bytes]:
        if size <= self._memory_left:
            self._memory_left -= size
            return lambda: b"".join(pieces)
        offset = self._end
        self._file.writelines(pieces)
        self._file.flush()
        self._end += size
        return lambda: os.pread(self._file.fileno(), size, offset)


def write_shards(folder: Path, shards: Sequence[Shard], groups: Mapping[str, Sequence[Group]]) -> list[WrittenShard]:
    """Writes each planned shard; `groups` are the samples by split, in the order that was planned."""
    return [_write_shard(folder, shard, [groups[shard.split][at] for at in shard.samples]) for shard in shards]


def write_index(folder: Path, written: Sequence[WrittenShard]) -> None:
    """Where each key's members lie, in the shards' own order, as `index.parquet`."""
    rows = [row for shard in written for row in shard.rows]
    with Store(folder).publish(folder / INDEX) as temporary:
        pl.DataFrame(rows, schema=INDEX_SCHEMA).write_parquet(temporary, compression="zstd")


def write_manifest(folder: Path, written: Sequence[WrittenShard], about: Mapping[str, Any]) -> None:
    """Shards by split and the sha256 of each, beside whatever `about` adds, as `manifest.json`."""
    splits = sorted({one.shard.split for one in written})
    content = {
        **about,
        "splits": {split: _split_summary([one for one in written if one.shard.split == split]) for split in splits},
        "shards": {one.shard.name: shard_summary(one) for one in written},
    }
    Store(folder).write_bytes(folder / MANIFEST, canonical_json(content))


def _write_shard(folder: Path, shard: Shard, groups: Sequence[Group]) -> WrittenShard:
    rows, offset = [], 0
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(_sha256, groups)  # while the shard is written and flushed to disk
        with Store(folder).publish(folder / shard.name) as temporary, temporary.open("wb") as out:
            for group in groups:
                out.write(group.read())
            out.write(END)
        sha256 = digest.result()
    for group in groups:
        rows.append(_index_row(shard, group, offset))
        offset += group.size
    return WrittenShard(shard, sha256, offset + len(END), rows)


def _sha256(groups: Sequence[Group]) -> str:
    """Of the shard that these groups make."""
    digest = hashlib.sha256()
    for group in groups:
        digest.update(group.read())
    digest.update(END)
    return digest.hexdigest()


def _index_row(shard: Shard, group: Group, offset: int) -> dict[str, Any]:
    return {
        "key": group.key,
        "split": group.split,
        "shard": shard.name,
        "member": f"{group.key}.{JSON}",
        "offset": offset,
        "size": group.size,
        "crc32": group.crc32,
    }


def _split_summary(written: Sequence[WrittenShard]) -> dict[str, Any]:
    return {"samples": sum(len(one.rows) for one in written), "shards": [one.shard.name for one in written]}


def shard_summary(one: WrittenShard) -> dict[str, Any]:
    """What a manifest says of a shard."""
    return {"sha256": one.sha256, "bytes": one.size, "samples": len(one.rows), "split": one.shard.split}
