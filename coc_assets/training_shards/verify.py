"""Reading written shards again, to say whether they still are what their manifest and index claim."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from coc_assets.training_shards.members import JSON, expected_suffixes
from coc_assets.training_shards.tar import END
from coc_assets.training_shards.writer import INDEX, MANIFEST
from resources.store import sha256_of_file


@dataclass(frozen=True)
class FoundGroup:
    """A sample as a shard holds it: its byte range and members, the `.json` read."""

    key: str
    offset: int
    size: int
    suffixes: frozenset[str]
    about: Mapping[str, Any]


def verify_chunk(folder: Path) -> list[str]:
    """What is wrong with a folder of shards, one sentence each; empty when all is as written.

    Every shard is read in full: its sha256 against `manifest.json`, its members against what a sample must have, and
    where they lie against `index.parquet`.

    Args:
        folder: a chunk's partition of training_shards, or a release.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        index = pl.read_parquet(folder / INDEX, hive_partitioning=False)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        return [f"{folder}: {MANIFEST} or {INDEX} cannot be read ({error}); make the shards again."]
    problems = _file_problems(folder, manifest, index)
    for name, claimed in sorted(manifest["shards"].items()):
        rows = index.filter(pl.col("shard") == name).to_dicts()
        problems += [f"{name}: {problem}" for problem in _shard_problems(folder / name, claimed, rows)]
    return problems


def _file_problems(folder: Path, manifest: Mapping[str, Any], index: pl.DataFrame) -> list[str]:
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


def _shard_problems(path: Path, claimed: Mapping[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    if not path.is_file():
        return ["missing."]
    digest = sha256_of_file(path)
    if digest != claimed["sha256"]:
        return [f"sha256 is {digest}, {MANIFEST} says {claimed['sha256']}."]
    try:
        groups = list(_groups(path))
    except (tarfile.TarError, ValueError) as error:
        return [f"cannot be read as a tar of samples ({error})."]
    problems = _index_problems(groups, rows)
    if len(groups) != claimed["samples"]:
        problems.append(f"holds {len(groups)} samples, {MANIFEST} says {claimed['samples']}.")
    for group in groups:
        problems += [f"{group.key}: {problem}" for problem in _group_problems(group, claimed["split"])]
    return problems


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


def _index_problems(groups: list[FoundGroup], rows: list[dict[str, Any]]) -> list[str]:
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
