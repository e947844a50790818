"""Which sample goes into which shard, decided before any shard is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from coc_assets.training_shards.tar import END

SHARDS_PER_SPLIT = 100  # a chunk's shards carry a two-digit sequence


class ShardPlanError(ValueError):
    """Samples do not fit under the ceiling of `shards.max_shard_bytes`."""


@dataclass(frozen=True)
class Shard:
    """One shard to be: its file name, its split and the samples it holds, as positions in the split's order."""

    name: str
    split: str
    samples: range


def plan_chunk(chunk: str, sizes: Mapping[str, Sequence[int]], ceiling: int) -> list[Shard]:
    """The shards of a chunk, `<split>-<NNNN><SS>.tar`, sorted by split and sequence.

    Args:
        chunk: clip chunk, four digits.
        sizes: by split, the bytes of each sample's group in the order in which they are to lie.
        ceiling: most bytes of a shard.

    Raises:
        ShardPlanError: a sample alone exceeds the ceiling, or a split would need more than 100 shards.
    """
    planned = [(split, _chunk_runs(chunk, split, sizes[split], ceiling)) for split in sorted(sizes)]
    return [
        Shard(f"{split}-{chunk}{sequence:02d}.tar", split, run)
        for split, runs in planned
        for sequence, run in enumerate(runs)
    ]


def even_runs(sizes: Sequence[int], ceiling: int) -> list[range]:
    """Consecutive runs of samples, as few as keep every shard under the ceiling, their counts differing by at most one.

    Args:
        sizes: bytes of each sample's group, headers included.
        ceiling: most bytes of a shard, the end of the archive included.

    Raises:
        ShardPlanError: a sample alone exceeds the ceiling.
    """
    room = ceiling - len(END)
    if len(sizes) == 0:
        return []
    if max(sizes) > room:
        raise ShardPlanError(f"A sample of {max(sizes)} bytes exceeds shards.max_shard_bytes={ceiling}; raise it.")
    upto = np.concatenate([[0], np.cumsum(np.asarray(sizes, np.int64))])
    for count in range(-(-int(upto[-1]) // room), len(sizes) + 1):
        edges = _even_edges(len(sizes), count)
        if np.diff(upto[edges]).max() <= room:
            return [range(first, last) for first, last in pairwise(edges)]
    raise AssertionError("one sample a shard always fits")


def _even_edges(samples: int, shards: int) -> list[int]:
    each, longer = divmod(samples, shards)
    return [shard * each + min(shard, longer) for shard in range(shards + 1)]


def _chunk_runs(chunk: str, split: str, sizes: Sequence[int], ceiling: int) -> list[range]:
    runs = even_runs(sizes, ceiling)
    if len(runs) > SHARDS_PER_SPLIT:
        raise ShardPlanError(
            f"Split {split} of chunk {chunk} would need {len(runs)} shards, more than {SHARDS_PER_SPLIT}; "
            f"raise shards.max_shard_bytes={ceiling} or lower shards.frame_height."
        )
    return runs
