from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from coc_assets.training_shards import tar
from coc_assets.training_shards.verify import verify_chunk
from resources.settings.shards import ShardSettings
from tests.coc_assets.training_shards.made import CLIPS, Chunk, built, key_of, label

SHARD = "train-000700.tar"
KEY = key_of(CLIPS[0], 3_000_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [label(clip, t0_us) for clip in CLIPS[:3] for t0_us in (3_000_000, 7_000_000)]
    built(tmp_path, Chunk(rows, splits=dict.fromkeys(CLIPS, "train")), ShardSettings(max_shard_bytes=60_000))
    return tmp_path


def _flip_a_byte(folder: Path) -> None:
    data = bytearray((folder / SHARD).read_bytes())
    data[5000] ^= 1
    (folder / SHARD).write_bytes(data)


def _change_two_bytes(folder: Path) -> None:
    data = bytearray((folder / SHARD).read_bytes())
    data[5000] ^= 1
    data[5200] ^= 255
    (folder / SHARD).write_bytes(data)


def _fill_the_end(folder: Path) -> None:
    (folder / SHARD).write_bytes((folder / SHARD).read_bytes()[:-1] + b"x")


def _lose_the_last_byte(folder: Path) -> None:
    (folder / SHARD).write_bytes((folder / SHARD).read_bytes()[:-1])


def _rename_index_column(folder: Path) -> None:
    pl.read_parquet(folder / "index.parquet").rename({"crc32": "crc"}).write_parquet(folder / "index.parquet")


def _remove_a_shard(folder: Path) -> None:
    (folder / SHARD).unlink()


def _leave_an_old_shard(folder: Path) -> None:
    (folder / "train-000799.tar").write_bytes(tar.END)


def _change_index(expression: pl.Expr) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        index = pl.read_parquet(folder / "index.parquet")
        first = pl.int_range(pl.len()) == 0
        name = expression.meta.output_name()
        index.with_columns(pl.when(first).then(expression).otherwise(name).alias(name)).write_parquet(
            folder / "index.parquet"
        )

    return change


def _drop_index_row(folder: Path) -> None:
    pl.read_parquet(folder / "index.parquet").slice(1).write_parquet(folder / "index.parquet")


def _claim_one_sample_more(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["shards"][SHARD]["samples"] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _rewrite_first_group(folder: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """A shard whose checksum and index are right, but whose first sample is not what a sample must be."""
    index = pl.read_parquet(folder / "index.parquet")
    row = index.row(0, named=True)
    data = (folder / SHARD).read_bytes()
    members = tar.read_group(data[: row["size"]])
    change(members)
    group = tar.group_bytes(row["key"], members)
    whole = group + data[row["size"] :]
    (folder / SHARD).write_bytes(whole)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["shards"][SHARD] |= {"sha256": hashlib.sha256(whole).hexdigest(), "bytes": len(whole)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    moved = pl.when(pl.col("shard") == SHARD)
    index.with_columns(
        offset=moved.then(pl.max_horizontal(pl.col("offset") + len(group) - row["size"], 0)).otherwise("offset"),
        size=pl.when(pl.col("key") == row["key"]).then(len(group)).otherwise("size"),
        crc32=pl.when(pl.col("key") == row["key"]).then(zlib.crc32(group)).otherwise("crc32"),
    ).with_columns(offset=pl.when(pl.col("key") == row["key"]).then(0).otherwise("offset")).write_parquet(
        folder / "index.parquet"
    )


def _lose_a_frame(folder: Path) -> None:
    _rewrite_first_group(folder, lambda members: members.pop("cam1_f2.jpg"))


def _lose_the_json(folder: Path) -> None:
    _rewrite_first_group(folder, lambda members: members.pop("json"))


def _move_to_another_split(folder: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        members["json"] = members["json"].replace(b'"split": "train"', b'"split": "test"')

    _rewrite_first_group(folder, change)


def test_shards_as_written_have_no_problem(folder: Path) -> None:
    assert len(list(folder.glob("*.tar"))) == 2
    assert verify_chunk(folder) == []


def test_a_chunk_without_samples_has_no_problem(tmp_path: Path) -> None:
    built(tmp_path, Chunk([]))
    assert verify_chunk(tmp_path) == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_flip_a_byte, f"{SHARD}: sample {KEY}: byte 5000, in {KEY}.cam1_f2.jpg, is not as it was written."),
        (_change_two_bytes, f"{SHARD}: sample {KEY}: bytes 0 to "),
        (_fill_the_end, "the end of the archive, are not empty."),
        (_lose_the_last_byte, f"{SHARD}: has "),
        (_change_index(pl.col("crc32") + 1), f"{SHARD}: index.parquet disagrees: sample {KEY}: "),
        (_rename_index_column, "manifest.json or index.parquet cannot be read"),
        (_remove_a_shard, f"{SHARD}: missing."),
        (_leave_an_old_shard, "train-000799.tar: not in manifest.json"),
        (_change_index(pl.col("offset") + 512), f"{SHARD}: index.parquet disagrees about 1 keys, first ('{KEY}'"),
        (_change_index(pl.col("size") - 512), f"{SHARD}: index.parquet disagrees about 1 keys, first ('{KEY}'"),
        (_change_index(pl.lit("train-000742.tar").alias("shard")), "train-000742.tar: in index.parquet and not in"),
        (_change_index(pl.col("key").last().alias("key")), "index.parquet names a key twice."),
        (_drop_index_row, "index.parquet has 5 samples, manifest.json says 6."),
        (_claim_one_sample_more, f"{SHARD}: holds 3 samples, manifest.json says 4."),
        (_remove_manifest, "manifest.json or index.parquet cannot be read"),
        (_lose_a_frame, f"{SHARD}: {KEY}: members ['cam1_f2.jpg'] are missing or unexpected."),
        (_lose_the_json, f"{SHARD}: {KEY}: no .json."),
        (_move_to_another_split, f"{SHARD}: {KEY}: its .json says key '{KEY}' and split 'test'."),
    ],
)
def test_damage_is_named(folder: Path, damage: Callable[[Path], None], problem: str) -> None:
    damage(folder)
    problems = verify_chunk(folder)
    assert any(problem in found for found in problems), problems


def test_a_shard_that_is_no_tar_but_has_its_checksum_is_named(folder: Path) -> None:
    (folder / SHARD).write_bytes(b"x" * 4096)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["shards"][SHARD] |= {"sha256": hashlib.sha256(b"x" * 4096).hexdigest(), "bytes": 4096}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert any(f"{SHARD}: cannot be read as a tar of samples" in found for found in verify_chunk(folder))


def test_a_damaged_file_of_another_form_is_named(folder: Path) -> None:
    (folder / "jsonl").mkdir()
    (folder / "jsonl/train.jsonl").write_bytes(b"{}\n")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"] = {"jsonl/train.jsonl": {"sha256": hashlib.sha256(b"{}\n").hexdigest(), "bytes": 3}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert verify_chunk(folder) == []
    (folder / "jsonl/train.jsonl").write_bytes(b"[]\n")
    assert [found.partition(" is ")[0] for found in verify_chunk(folder)] == ["jsonl/train.jsonl: sha256"]
    (folder / "jsonl/train.jsonl").unlink()
    assert verify_chunk(folder) == ["jsonl/train.jsonl: missing."]
