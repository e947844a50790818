"""Writing planned shards, their index and their manifest, each file whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from coc_assets.training_shards.members import JSON, canonical_json
from coc_assets.training_shards.plan import Shard
from coc_assets.training_shards.tar import END
from resources.store import Store

INDEX = "index.parquet"
MANIFEST = "manifest.json"
INDEX_SCHEMA = pl.Schema(
    {
        "key": pl.String,
        "split": pl.String,
        "shard": pl.String,  # file name beside the index
        "member": pl.String,
        "offset": pl.Int64,
        "size": pl.Int64,
    }
)


@dataclass(frozen=True)
class Group:
    """A sample's tar bytes, wherever they wait to be put into a shard."""

    key: str
    split: str
    size: int
    read: Callable[[], bytes]


@dataclass(frozen=True)
class WrittenShard:
    """A shard in place: its plan, the sha256 and size of its file, and its rows of the index."""

    shard: Shard
    sha256: str
    size: int
    rows: list[dict[str, Any]]


class Spool:
    """A scratch file that holds finished groups until the shards are planned; the caller opens and closes it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = 0

    def add(self, key: str, split: str, data: bytes) -> Group:
        offset, size = self._end, len(data)
        self._file.seek(offset)
        self._file.write(data)
        self._end += size
        return Group(key, split, size, lambda: self._read(offset, size))

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


def write_shards(folder: Path, shards: Sequence[Shard], groups: Mapping[str, Sequence[Group]]) -> list[WrittenShard]:
    """Writes each planned shard; `groups` are the samples by split, in the order that was planned."""
    return [_write_shard(folder, shard, [groups[shard.split][at] for at in shard.samples]) for shard in shards]


def write_index(folder: Path, written: Sequence[WrittenShard]) -> None:
    """Where each key's members lie, in the shards' own order, as `index.parquet`."""
    rows = [row for shard in written for row in shard.rows]
    with Store(folder).publish(folder / INDEX) as temporary:
        pl.DataFrame(rows, schema=INDEX_SCHEMA).write_parquet(temporary, compression="zstd")


def write_manifest(folder: Path, written: Sequence[WrittenShard], about: Mapping[str, Any]) -> None:
    """Counts and sha256 of every shard, beside whatever `about` adds, as `manifest.json`."""
    splits = sorted({one.shard.split for one in written})
    content = {
        **about,
        "samples": sum(len(one.rows) for one in written),
        "splits": {split: _split_summary([one for one in written if one.shard.split == split]) for split in splits},
        "shards": {one.shard.name: _shard_summary(one) for one in written},
    }
    Store(folder).write_bytes(folder / MANIFEST, canonical_json(content))


def _write_shard(folder: Path, shard: Shard, groups: Sequence[Group]) -> WrittenShard:
    digest, rows, offset = hashlib.sha256(), [], 0
    with Store(folder).publish(folder / shard.name) as temporary, temporary.open("wb") as out:
        for data in chain((group.read() for group in groups), [END]):
            digest.update(data)
            out.write(data)
    for group in groups:
        rows.append(_index_row(shard, group, offset))
        offset += group.size
    return WrittenShard(shard, digest.hexdigest(), offset + len(END), rows)


def _index_row(shard: Shard, group: Group, offset: int) -> dict[str, Any]:
    return {
        "key": group.key,
        "split": group.split,
        "shard": shard.name,
        "member": f"{group.key}.{JSON}",
        "offset": offset,
        "size": group.size,
    }


def _split_summary(written: Sequence[WrittenShard]) -> dict[str, Any]:
    return {"samples": sum(len(one.rows) for one in written), "shards": [one.shard.name for one in written]}


def _shard_summary(one: WrittenShard) -> dict[str, Any]:
    return {"sha256": one.sha256, "bytes": one.size, "samples": len(one.rows), "split": one.shard.split}
