"""Reading a written set again, to say whether it still is what its manifest and index claim."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from coc_assets.training_shards.damage import describe_damage
from coc_assets.training_shards.members import JSON, expected_suffixes
from coc_assets.training_shards.tar import END
from coc_assets.training_shards.writer import INDEX, INDEX_SCHEMA, MANIFEST
from resources.store import sha256_of_file


@dataclass(frozen=True)
class FileClaim:
    """What a file must be; `name` is what messages call it, `size` in bytes or unknown."""

    path: Path
    name: str
    sha256: str
    size: int | None = None


@dataclass(frozen=True)
class ShardClaim:
    """What a shard must be: the manifest's facts of it, and its rows of the index; None where there is no index."""

    path: Path
    name: str
    facts: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] | None


Claim = FileClaim | ShardClaim


@dataclass(frozen=True)
class FoundGroup:
    """A sample as a shard holds it: its byte range and members, the `.json` read."""

    key: str
    offset: int
    size: int
    suffixes: frozenset[str]
    about: Mapping[str, Any]


def verify_chunk(folder: Path) -> list[str]:
    """What is wrong with a chunk's partition of training_shards, one sentence each; empty when all is as written.

    Every shard is read in full: its sha256 against `manifest.json`, its samples against the checksums in
    `index.parquet`, its members against what a sample must have. Of the other forms every file's sha256.
    """
    problems, claims = chunk_claims(folder)
    return problems + [problem for claim in claims for problem in broken(claim)]


def chunk_claims(folder: Path, prefix: str = "", index_sha256: str | None = None) -> tuple[list[str], list[Claim]]:
    """What can be said of a partition without reading its files, and what each of them must be.

    Args:
        prefix: put before the names of files in messages.
        index_sha256: of the index as it was written, where that is known.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        return set_claims(folder, manifest, prefix, index_sha256)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"{folder}: {MANIFEST} or {INDEX} cannot be read ({error}); make the shards again."], []


def set_claims(
    folder: Path, manifest: Mapping[str, Any], prefix: str = "", index_sha256: str | None = None
) -> tuple[list[str], list[Claim]]:
    """The same of any folder with shards and other forms, by its manifest.

    Raises:
        ValueError: the manifest names shards, and the index cannot be read.
    """
    index = _read_index(folder / INDEX, index_sha256) if "wds" in manifest.get("formats", ("wds",)) else None
    claims: list[Claim] = [
        FileClaim(folder / name, prefix + name, facts["sha256"], facts["bytes"])
        for name, facts in sorted(manifest.get("files", {}).items())
    ]
    if index is None:
        return [], claims
    rows = _rows_by_shard(index)
    claims += [
        ShardClaim(folder / name, prefix + name, facts, rows.get(name, []))
        for name, facts in sorted(manifest["shards"].items())
    ]
    return [prefix + problem for problem in _shard_list_problems(folder, manifest, index)], claims


def broken(claim: Claim) -> list[str]:
    """What is wrong with a file, a sentence each."""
    found = _file_problems(claim) if isinstance(claim, FileClaim) else _shard_problems(claim)
    return [f"{claim.name}: {problem}" for problem in found]


def _file_problems(claim: FileClaim) -> list[str]:
    if not claim.path.is_file():
        return ["missing."]
    size = claim.path.stat().st_size
    if claim.size is not None and size != claim.size:
        return [f"has {size} bytes, and {claim.size} when it was written."]
    digest = sha256_of_file(claim.path)
    return [f"sha256 is {digest}, and {claim.sha256} when it was written."] if digest != claim.sha256 else []


def read_whole(path: Path, sha256: str) -> pl.DataFrame:
    """A table that is as it was written: a damaged one is not even opened, for it can end the process that reads it.

    Raises:
        ValueError: it is not as it was written. OSError: it is not there.
    """
    digest = sha256_of_file(path)
    if digest != sha256:
        raise ValueError(f"{path.name}: sha256 is {digest}, and {sha256} when it was written")
    return pl.read_parquet(path, hive_partitioning=False)


def _read_index(path: Path, sha256: str | None) -> pl.DataFrame:
    try:
        if sha256 is not None:
            return read_whole(path, sha256).select(INDEX_SCHEMA.names())
        return pl.read_parquet(path, columns=INDEX_SCHEMA.names(), hive_partitioning=False)
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error)) from error


def _rows_by_shard(index: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    shards = index.sort("shard", "offset").partition_by("shard", as_dict=True, maintain_order=True)
    return {str(name): rows.to_dicts() for (name,), rows in shards.items()}


def _shard_list_problems(folder: Path, manifest: Mapping[str, Any], index: pl.DataFrame) -> list[str]:
    problems = []
    present, claimed, indexed = (
        {file.name for file in folder.glob("*.tar")},
        set(manifest["shards"]),
        set(index["shard"]),
    )
    problems += [f"{name}: not in {MANIFEST}; a leftover of an earlier run." for name in sorted(present - claimed)]
    problems += [f"{name}: in {INDEX} and not in {MANIFEST}." for name in sorted(indexed - claimed)]
    if index.height != manifest["samples"]:
        problems.append(f"{INDEX} has {index.height} samples, {MANIFEST} says {manifest['samples']}.")
    if index["key"].n_unique() != index.height:
        problems.append(f"{INDEX} names a key twice.")
    return problems


def _shard_problems(claim: ShardClaim) -> list[str]:
    path, claimed, rows = claim.path, claim.facts, claim.rows
    if not path.is_file():
        return ["missing."]
    if path.stat().st_size != claimed["bytes"]:
        return [f"has {path.stat().st_size} bytes, and {claimed['bytes']} when it was written."]
    digest, damage = _read_through(path, rows or [])
    if digest != claimed["sha256"]:
        return damage or [f"sha256 is {digest}, {MANIFEST} says {claimed['sha256']}."]
    if rows is None:
        return []
    try:
        groups = list(_groups(path))
    except (tarfile.TarError, ValueError) as error:
        return [f"cannot be read as a tar of samples ({error})."]
    problems = _index_problems(groups, rows) or [f"{INDEX} disagrees: {problem}" for problem in damage]
    if len(groups) != claimed["samples"]:
        problems.append(f"holds {len(groups)} samples, {MANIFEST} says {claimed['samples']}.")
    for group in groups:
        problems += [f"{group.key}: {problem}" for problem in _group_problems(group, claimed["split"])]
    return problems


def _read_through(path: Path, rows: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """sha256 of a shard, and where it is not what the index says; nowhere, where the index does not cover it."""
    if not _cover(rows, path.stat().st_size):
        return sha256_of_file(path), []
    digest, problems = hashlib.sha256(), []
    with path.open("rb") as shard:
        for row in rows:
            data = shard.read(row["size"])
            digest.update(data)
            if zlib.crc32(data) != row["crc32"]:
                problems.append(f"sample {row['key']}: {describe_damage(data, row['crc32'], row['offset'])}.")
        end, at = shard.read(), path.stat().st_size - len(END)
        digest.update(end)
    if end != END:
        problems.append(f"bytes {at} to {at + len(end) - 1}, the end of the archive, are not empty.")
    return digest.hexdigest(), problems


def _cover(rows: Sequence[Mapping[str, Any]], size: int) -> bool:
    """Whether the rows lie one after another, from the first byte to the end of the archive."""
    at = 0
    for row in rows:
        if row["offset"] != at:
            return False
        at += row["size"]
    return at + len(END) == size


def _groups(path: Path) -> Iterator[FoundGroup]:
    with tarfile.open(path, "r:") as shard:
        members = shard.getmembers()
        ends = [member.offset for member in members[1:]] + [path.stat().st_size - len(END)]
        placed = zip(members, ends, strict=True)
        for key, of_key in groupby(placed, key=lambda item: item[0].name.partition(".")[0]):
            group = list(of_key)
            by_suffix = {member.name.partition(".")[2]: member for member, _ in group}
            file = shard.extractfile(by_suffix[JSON]) if JSON in by_suffix else None
            about = json.loads(file.read()) if file else {}
            offset = group[0][0].offset
            yield FoundGroup(key, offset, group[-1][1] - offset, frozenset(by_suffix), about)


def _index_problems(groups: list[FoundGroup], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    held = {(group.key, f"{group.key}.{JSON}", group.offset, group.size) for group in groups}
    named = {(row["key"], row["member"], row["offset"], row["size"]) for row in rows}
    wrong = sorted(held ^ named)
    return [f"{INDEX} disagrees about {len({key for key, *_ in wrong})} keys, first {wrong[0]}."] if wrong else []


def _group_problems(group: FoundGroup, split: str) -> list[str]:
    if not group.about:
        return [f"no .{JSON}."]
    problems = []
    expected = expected_suffixes(group.about["camera_indices"])
    if group.suffixes != expected:
        problems.append(f"members {sorted(group.suffixes ^ expected)} are missing or unexpected.")
    if (group.about["key"], group.about["split"]) != (group.key, split):
        problems.append(f"its .{JSON} says key {group.about['key']!r} and split {group.about['split']!r}.")
    return problems
