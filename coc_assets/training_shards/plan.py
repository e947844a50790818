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


def plan_chunk(chunk: str, sizes: Mapping[str, Sequence[int]], target: int, ceiling: int) -> list[Shard]:
    """The shards of a chunk, `<split>-<NNNN><SS>.tar`, sorted by split and sequence.

    Args:
        chunk: clip chunk, four digits.
        sizes: by split, the bytes of each sample's group in the order in which they are to lie.
        target, ceiling: of a shard; see `even_runs`.

    Raises:
        ShardPlanError: a sample alone exceeds the ceiling, or a split would need more than 100 shards.
    """
    planned = [(split, _chunk_runs(chunk, split, sizes[split], target, ceiling)) for split in sorted(sizes)]
    return [
        Shard(f"{split}-{chunk}{sequence:02d}.tar", split, run)
        for split, runs in planned
        for sequence, run in enumerate(runs)
    ]


def even_runs(sizes: Sequence[int], target: int, ceiling: int, multiple: int = 1) -> list[range]:
    """Consecutive runs of samples, a shard each, whose counts differ by at most one.

    There are as few as keep their mean size within the target and each within the ceiling.

    Args:
        sizes: bytes of each sample's group, headers included.
        target: bytes that a shard is to have about, the end of the archive included; a ceiling below it goes before it.
        ceiling: most bytes of a shard, the end of the archive included.
        multiple: the count of runs is a multiple of this where there are as many samples, else a run a sample.

    Raises:
        ShardPlanError: a sample alone exceeds the ceiling.
    """
    room = ceiling - len(END)
    if len(sizes) == 0:
        return []
    if max(sizes) > room:
        raise ShardPlanError(f"A sample of {max(sizes)} bytes exceeds shards.max_shard_bytes={ceiling}; raise it.")
    upto = np.concatenate([[0], np.cumsum(np.asarray(sizes, np.int64))])
    wanted = -(-int(upto[-1]) // max(min(target, ceiling) - len(END), 1))
    for count in range(-(-wanted // multiple) * multiple, len(sizes), multiple):
        edges = _even_edges(len(sizes), count)
        if np.diff(upto[edges]).max() <= room:
            return [range(first, last) for first, last in pairwise(edges)]
    return [range(sample, sample + 1) for sample in range(len(sizes))]


def _even_edges(samples: int, shards: int) -> list[int]:
    each, longer = divmod(samples, shards)
    return [shard * each + min(shard, longer) for shard in range(shards + 1)]


def _chunk_runs(chunk: str, split: str, sizes: Sequence[int], target: int, ceiling: int) -> list[range]:
    runs = even_runs(sizes, target, ceiling)
    if len(runs) > SHARDS_PER_SPLIT:
        raise ShardPlanError(
            f"Split {split} of chunk {chunk} would need {len(runs)} shards, more than {SHARDS_PER_SPLIT}; "
            f"raise shards.shard_bytes={target} and shards.max_shard_bytes={ceiling}, or lower shards.frame_height."
        )
    return runs
