"""The shards of a release: planned over the whole set, then filled with the bytes that their chunks hold."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from coc_assets.processes import in_processes
from coc_assets.releases.balance import place
from coc_assets.releases.gather import damaged
from coc_assets.training_shards.plan import Shard, even_runs
from coc_assets.training_shards.writer import Group, WrittenShard, write_shards
from resources.settings import Settings
from resources.store import read_range


class Source(NamedTuple):
    """Where a sample's bytes lie in its chunk, and what they must be."""

    key: str
    chunk: str
    shard: str  # relative to the store
    offset: int
    size: int
    crc32: int


@dataclass(frozen=True)
class ShardTask:
    """One shard to be written, for whichever process takes it."""

    settings: Settings
    folder: Path
    shard: Shard
    sources: Sequence[Source]


def in_order(samples: pl.DataFrame) -> pl.DataFrame:
    """The samples by split, each split's well mixed: in the order of a hash of their keys."""
    places = pl.col("key").map_elements(partial(place, "order"), return_dtype=pl.Float64)
    return samples.with_columns(place=places).sort("split", "place", "key").drop("place")


def plan_release(sizes: Mapping[str, Sequence[int]], settings: Settings) -> list[Shard]:
    """The shards of a set, `<split>-<six digits>.tar`, by split and sequence; `samples` are positions in the split.

    Args:
        sizes: by split, the bytes of each sample's group in the order in which they are to lie.

    Raises:
        ShardPlanError: a sample alone exceeds the ceiling.
    """
    shards, multiple = settings.shards, settings.release.shards_multiple_of
    return [
        Shard(f"{split}-{number:06d}.tar", split, run)
        for split in sorted(sizes)
        for number, run in enumerate(even_runs(sizes[split], shards.shard_bytes, shards.max_shard_bytes, multiple))
    ]


def write_release_shards(
    samples: pl.DataFrame, settings: Settings, folder: Path, jobs: int, progress: Callable[[int, int], None]
) -> list[WrittenShard]:
    """Plans and writes the shards of a set into a folder, a sample's bytes held at a time by each process.

    Args:
        samples: columns of `gather.SAMPLES` and `gather.PLACES`, as `in_order` gives them.

    Raises:
        DamagedSourceError: a sample's bytes are gone or not what its chunk's index says.
        ShardPlanError: a sample alone exceeds the ceiling.
    """
    sources = {
        str(split): [Source(*row) for row in of_split.select(Source._fields).iter_rows()]
        for (split,), of_split in samples.group_by("split", maintain_order=True)
    }
    planned = plan_release({split: [one.size for one in of_split] for split, of_split in sources.items()}, settings)
    tasks = [
        ShardTask(settings, folder, shard, [sources[shard.split][at] for at in shard.samples]) for shard in planned
    ]
    return in_processes(write_one, tasks, jobs, progress)


def write_one(task: ShardTask) -> WrittenShard:
    """Writes one shard.

    Raises:
        DamagedSourceError: as `write_release_shards` says.
    """
    split, count = task.shard.split, len(task.sources)
    groups = [Group(one.key, split, one.size, one.crc32, partial(_read, task.settings, one)) for one in task.sources]
    alone = Shard(task.shard.name, split, range(count))
    return write_shards(task.folder, [alone], {split: groups})[0]


def _read(settings: Settings, source: Source) -> bytes:
    """The sample's bytes, checked."""
    try:
        data = read_range(settings.store / source.shard, source.offset, source.size)
    except OSError as error:
        what = f"cannot be read ({error.strerror}), and sample {source.key} lies in it"
        raise damaged(settings, source.chunk, source.shard, what) from error
    if len(data) != source.size or zlib.crc32(data) != source.crc32:
        last = source.offset + source.size - 1
        what = f"is damaged in sample {source.key}: bytes {source.offset} to {last} are not what its index says"
        raise damaged(settings, source.chunk, source.shard, what)
    return data
