"""Where each sample of a set lies: the indexes of its shards as plain arrays, and one read of a byte range a sample."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from coc_assets.training_shards.writer import INDEX
from resources.store import read_range

KNOWN_SPLITS = ("train", "val", "test")
ROOTS = (INDEX, f"chunk=*/{INDEX}", f"training_shards/chunk=*/{INDEX}")
"""Where indexes lie below a root: beside a chunk's or a release's shards, below `training_shards`, below a store."""

_COLUMNS = ("key", "split", "shard", "offset", "size")


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """The samples of a set by position, in the order of its indexes.

    Plain arrays, for polars' threads do not survive the fork of a DataLoader worker, and no open file: it can be forked
    and pickled.

    Attributes:
        shards: paths of the shards.
        keys: (N,) bytes, `<clip_id>-<t0_us, 8 digits>`.
        shard: (N,) int32, positions in `shards`.
        offset, size: (N,) int64, each group's first byte and its length.
    """

    shards: list[str]
    keys: np.ndarray
    shard: np.ndarray
    offset: np.ndarray
    size: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, position: int) -> bytes:
        """The tar bytes of the sample at a position, its members and their headers; negative ones count from the end.

        Raises:
            IndexError: no such position.
            FileNotFoundError: the shard is gone; the message says how to get it again.
            ValueError: the shard is shorter than its index says.
        """
        if not -len(self) <= position < len(self):
            raise IndexError(f"{position=} in a dataset of {len(self)} samples")
        path = self.shards[self.shard[position]]
        offset, size = int(self.offset[position]), int(self.size[position])
        try:
            data = read_range(Path(path), offset, size)
        except FileNotFoundError:
            raise FileNotFoundError(_missing(Path(path))) from None
        if len(data) < size:
            again = _made_again(Path(path))
            raise ValueError(f"{path} ends before byte {offset + size}, which its index names. {again}")
        return data

    def position_of(self, key: str | bytes) -> int:
        """The position of a sample's key.

        Raises:
            KeyError: no sample has that key.
        """
        wanted = np.bytes_(key.encode() if isinstance(key, str) else key)
        at = int(np.searchsorted(self.keys, wanted, sorter=self._by_key))
        if at == len(self) or self.keys[self._by_key[at]] != wanted:
            raise KeyError(f"No sample has the key {wanted.decode()!r}, of {len(self)}.")
        return int(self._by_key[at])

    @cached_property
    def _by_key(self) -> np.ndarray:
        return np.argsort(self.keys)


def read_index(root: str | os.PathLike[str], split: str | None = None) -> ShardIndex:
    """The samples of a store, its `training_shards` folder, a chunk or a release, of one split or of all.

    Raises:
        FileNotFoundError: no index lies at `root`.
        ValueError: no sample has that split, and it is no usual name.
    """
    table = _read_files(index_files(Path(root)))
    if split is not None:
        table = _of_split(table, split, Path(root))
    shards = table["shard"].unique().sort().to_list()
    return ShardIndex(
        shards,
        table["key"].to_numpy().astype(bytes),
        table["shard"].replace_strict(shards, range(len(shards)), return_dtype=pl.Int32).to_numpy().astype(np.int32),
        table["offset"].to_numpy(),
        table["size"].to_numpy(),
    )


def index_files(root: Path) -> list[Path]:
    """The `index.parquet` files of a root, sorted.

    Raises:
        FileNotFoundError: it has none; the message says what to name instead.
    """
    for pattern in ROOTS:
        found = sorted(root.glob(pattern))
        if found:
            return found
    raise FileNotFoundError(f"No {INDEX} at {root}. {_what_to_name(root)}")


def _what_to_name(root: Path) -> str:
    releases = sorted(file.parent.name for file in root.glob(f"*/{INDEX}"))
    if releases:
        return f"Name one of its folders: {', '.join(releases)}."
    return (
        "Name a store, its training_shards folder, or a folder with shards and their index; `coc run` makes them "
        "where shards.formats names wds."
    )


def _missing(shard: Path) -> str:
    return f"Shard {shard} is missing, though {shard.parent / INDEX} names it. {_made_again(shard)}"


def _made_again(shard: Path) -> str:
    """What to do about a shard of a store's chunk, or of a release or copy."""
    chunk = shard.absolute().parent
    if chunk.parent.name == "training_shards":
        return f"Make it again: coc run --store {chunk.parents[1]}"
    return f"Copy it again from where it came from; all that is amiss: coc verify {shard.parent}"


def _read_files(files: Iterable[Path]) -> pl.DataFrame:
    frames = [
        pl.read_parquet(file, columns=list(_COLUMNS), hive_partitioning=False).with_columns(
            shard=pl.lit(f"{file.parent}{os.sep}") + pl.col("shard")
        )
        for file in files
    ]
    return pl.concat(frames)


def _of_split(table: pl.DataFrame, split: str, root: Path) -> pl.DataFrame:
    held = table["split"].unique().sort().to_list()
    if split not in held and split not in KNOWN_SPLITS:
        raise ValueError(f"No sample at {root} has {split=}; there are {held}.")
    return table.filter(pl.col("split") == split)
