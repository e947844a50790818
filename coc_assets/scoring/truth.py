"""The samples that predictions are held against: what was driven, and what is known of each sample.

Only the end of a sample's bytes is read, where its trajectories and its JSON lie; the pictures before them are not.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from coc_assets.training_shards.index import ShardIndex, read_index
from coc_assets.training_shards.members import JSON
from coc_assets.training_shards.tar import from_npy, read_group
from resources.store import read_range

ABOUT = pl.Schema(
    {
        "key": pl.String,
        "chunk": pl.String,
        "clip_id": pl.String,
        "t0_us": pl.Int64,
        "split": pl.String,
        "action": pl.String,
        "scenario": pl.String,
        "longitudinal_decision": pl.String,
        "lateral_decision": pl.String,
    }
)
"""What is known of a sample."""

_ARRAYS = ("ego_history_xyz.npy", "ego_future_xyz.npy", "ego_future_rot.npy")
_FIRST = _ARRAYS[-1]  # members lie sorted by name: it, the other trajectories and the JSON end a sample's bytes
_END_BYTES = 32 * 1024  # holds them all, unless the JSON is unusually long
_REPORTED = 1000  # samples between two reports of progress


@dataclass(frozen=True, eq=False)
class Truth:
    """N samples of a set.

    Attributes:
        about: N rows with the columns of `ABOUT`.
        history: (N, 16, 3) t0 − 1.5 s … t0, ego frame at t0, m.
        future: (N, 64, 3) t0 + 0.1 s … t0 + 6.4 s, likewise.
        future_rot: (N, 64, 3, 3) rotations from the vehicle into the ego frame at t0.
        other_splits: keys of the set's samples that are not asked for.
    """

    about: pl.DataFrame
    history: np.ndarray
    future: np.ndarray
    future_rot: np.ndarray
    other_splits: frozenset[str]

    def __len__(self) -> int:
        return self.about.height

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Row of each sample by its key."""
        return {key: row for row, key in enumerate(self.about["key"])}


def read_truth(root: Path, split: str | None, progress: Callable[[int, int], None]) -> Truth:
    """The samples of a store or a release, of one split or of all.

    Raises:
        FileNotFoundError: no index lies at `root`, or a shard is gone.
        ValueError: no sample has that split, or a shard is not what its index says.
    """
    index = read_index(root, split)
    if not len(index):
        raise ValueError(f"No sample at {root} has {split=}." if split else f"{root} holds no sample.")
    ends = _ends(index, progress)
    about = [_about(end[JSON]) for end in ends]
    history, future, future_rot = (_stacked([end[name] for end in ends])[:, 0] for name in _ARRAYS)
    wanted = {row["key"] for row in about}
    others = (key.decode() for key in read_index(root).keys) if split else ()
    return Truth(pl.DataFrame(about, schema=ABOUT), history, future, future_rot, frozenset(others) - wanted)


def _ends(index: ShardIndex, progress: Callable[[int, int], None]) -> list[dict[str, bytes]]:
    """The last members of every sample, shard by shard."""
    ends: list[dict[str, bytes]] = []
    for number, path in enumerate(index.shards):
        for position in np.flatnonzero(index.shard == number).tolist():
            ends.append(_end(index, Path(path), position))
            if len(ends) % _REPORTED == 0:
                progress(len(ends), len(index))
    return ends


def _end(index: ShardIndex, shard: Path, position: int) -> dict[str, bytes]:
    """Members of one sample from `_FIRST` on, by suffix; of all of it where they do not lie as they should."""
    size = int(index.size[position])
    length = min(size, _END_BYTES)
    try:
        end = read_range(shard, int(index.offset[position]) + size - length, length)
        name = index.keys[position] + b"." + _FIRST.encode() + b"\0"
        at = end.find(name)
        if at >= 0 and (at - length) % tarfile.BLOCKSIZE == 0:
            return read_group(end[at:])
    except (OSError, tarfile.ReadError):
        pass  # reading all of it says what is wrong
    return read_group(index.read(position))


def _about(content: bytes) -> dict[str, Any]:
    """The columns of `ABOUT` from a sample's `.json`."""
    told = json.loads(content)
    decisions = {f"{channel}_decision": told["decisions"][channel] for channel in ("longitudinal", "lateral")}
    return {name: {**told, **decisions}[name] for name in ABOUT.names()}


def _stacked(files: Sequence[bytes]) -> np.ndarray:
    """`.npy` files of one shape as one array, (N, …); that they have one is read off their headers' bytes."""
    first = from_npy(files[0])
    header = files[0][: len(files[0]) - first.nbytes]
    if not all(len(file) == len(files[0]) and file.startswith(header) for file in files):
        return np.stack([from_npy(file) for file in files])
    values = b"".join(file[len(header) :] for file in files)
    return np.frombuffer(values, first.dtype).reshape(len(files), *first.shape)
