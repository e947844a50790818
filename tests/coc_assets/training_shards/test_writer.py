from __future__ import annotations

import hashlib
import tempfile
import zlib
from pathlib import Path

import polars as pl
import pytest

from coc_assets.training_shards.plan import Shard
from coc_assets.training_shards.tar import END, group_bytes, group_pieces
from coc_assets.training_shards.writer import (
    INDEX,
    INDEX_SCHEMA,
    Group,
    Spool,
    WrittenShard,
    write_index,
    write_shards,
)

KEYS = [f"clip-{number:08d}" for number in range(6)]
MEMBERS = {key: {"json": b"{}" * number, "cam1_f0.jpg": bytes([number]) * 700} for number, key in enumerate(KEYS)}
BYTES = {key: group_bytes(key, members) for key, members in MEMBERS.items()}
SHARDS = [Shard("train-000700.tar", "train", range(4)), Shard("train-000701.tar", "train", range(4, 6))]


def _written(folder: Path, memory: int) -> list[WrittenShard]:
    with tempfile.TemporaryFile() as scratch:
        spool = Spool(scratch, memory)
        groups = [spool.add(key, "train", group_pieces(key, MEMBERS[key])) for key in KEYS]
        return write_shards(folder, SHARDS, {"train": groups})


@pytest.mark.parametrize("memory", [0, 3 * len(BYTES[KEYS[0]]), 1 << 20], ids=["on_disk", "some_on_disk", "in_memory"])
def test_shards_hold_the_planned_groups_wherever_they_waited(tmp_path: Path, memory: int) -> None:
    written = _written(tmp_path, memory)
    for shard, keys in zip(written, (KEYS[:4], KEYS[4:]), strict=True):
        content = (tmp_path / shard.shard.name).read_bytes()
        assert content == b"".join(BYTES[key] for key in keys) + END
        assert (shard.size, shard.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert sorted(path.name for path in tmp_path.iterdir()) == [shard.name for shard in SHARDS]


@pytest.mark.parametrize("memory", [0, 3 * len(BYTES[KEYS[0]])])
def test_a_group_is_read_as_often_as_one_likes_and_in_any_order(memory: int) -> None:
    with tempfile.TemporaryFile() as scratch:
        spool = Spool(scratch, memory)
        groups = {key: spool.add(key, "train", group_pieces(key, MEMBERS[key])) for key in KEYS}
        for key in [*KEYS[::-1], *KEYS]:
            group, content = groups[key], BYTES[key]
            assert group.read() == content
            assert (group.size, group.crc32) == (len(content), zlib.crc32(content))


def test_the_index_says_where_each_group_lies_and_its_checksum(tmp_path: Path) -> None:
    write_index(tmp_path, _written(tmp_path, memory=0))
    index = pl.read_parquet(tmp_path / INDEX)
    assert index.schema == INDEX_SCHEMA
    assert index["key"].to_list() == KEYS
    for row in index.to_dicts():
        shard = (tmp_path / row["shard"]).read_bytes()
        group = shard[row["offset"] : row["offset"] + row["size"]]
        assert group == BYTES[row["key"]]
        assert row["crc32"] == zlib.crc32(group)


def test_a_group_that_cannot_be_read_leaves_no_shard(tmp_path: Path) -> None:
    def gone() -> bytes:
        raise OSError("the earlier shard is gone")

    data = BYTES[KEYS[0]]
    groups = [Group(KEYS[0], "train", len(data), zlib.crc32(data), lambda: data), Group(KEYS[1], "train", 9, 0, gone)]
    with pytest.raises(OSError, match="earlier shard is gone"):
        write_shards(tmp_path, [Shard("train-000000.tar", "train", range(2))], {"train": groups})
    assert list(tmp_path.iterdir()) == []
