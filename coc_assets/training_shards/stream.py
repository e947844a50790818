"""Reading training shards one after another: an order that is known in advance, shared out over ranks and workers.

The order of an epoch is a permutation of positions, made anew from seed and epoch by everybody who needs it. Nothing is
exchanged between ranks or workers, nothing waits in a shuffle buffer, and a run goes on from any place in it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from coc_assets.training_shards.dataset import CoCShardDataset, Sample
from coc_assets.training_shards.index import ShardIndex
from coc_assets.training_shards.mirroring import mirrored

SEEDS = 2**32
Even = Literal["drop", "pad", "keep"]

_Purpose = Literal["shards", "window", "mirror"]


class CoCShardStream(IterableDataset[Sample]):
    """The samples of a store or a release in a fixed order, shard by shard, for one rank.

    Every rank takes an equal, contiguous share of the epoch's order. Within a rank, workers take whole batches in turn,
    so that a DataLoader of the same `batch_size` gives the same batches whatever its `num_workers`; `loader` makes one.

    Args:
        root, split: as of `CoCShardDataset`.
        batch_size: that of the DataLoader.
        shuffle: shards in another order each epoch; otherwise samples come as they lie.
        seed: of the orders, 0 … 2³² − 1; equal on all ranks.
        shuffle_window: so many neighbours in the order of shards are permuted among themselves; 0 keeps that order.
        rank, world_size: whose share; by default those of `torch.distributed` where it is initialised, else of the
            environment's RANK and WORLD_SIZE, else 0 of 1. They are read here, once.
        even: where samples do not divide by ranks, `drop` leaves out the order's last ones (others each epoch, if
            shuffled), `pad` repeats its first ones, and `keep` lets shares differ by one, over which ranks that wait
            for each other's gradients hang.
        mirror: share of the samples that are mirrored, chosen anew each epoch; True is all of them.

    Attributes:
        samples: the map-style dataset that is read.

    Raises:
        FileNotFoundError: as `CoCShardDataset`.
        ValueError: likewise; also if all samples would be dropped, or an argument is out of its range.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str | None = None,
        *,
        batch_size: int = 1,
        shuffle: bool = True,
        seed: int = 0,
        shuffle_window: int = 256,
        rank: int | None = None,
        world_size: int | None = None,
        even: Even = "drop",
        mirror: float = 0.0,
    ) -> None:
        super().__init__()
        self.samples = CoCShardDataset(root, split)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.shuffle_window = shuffle_window
        self.rank, self.world_size = _rank_and_world(rank, world_size)
        self.even = even
        self.mirror = float(mirror)
        self._check()
        # In shared memory, so that it reaches workers that are already running.
        self._place = torch.zeros(2, dtype=torch.int64).share_memory_()
        self._taken: int | None = None  # samples given out by this process since the place
        self._skip = 0

    def __len__(self) -> int:
        """Samples that this rank gets in a whole epoch."""
        return len(rank_share(len(self.samples), self.rank, self.world_size, self.even))

    def __iter__(self) -> Iterator[Sample]:
        """What is left of the epoch from the place on: all of it, or a DataLoader worker's part."""
        positions, mirrors = self._own_part()
        self._taken, self._skip = self._skip, 0
        return self._read(positions[self._taken :], mirrors[self._taken :])

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._place.share_memory_()

    @property
    def epoch(self) -> int:
        return int(self._place[0])

    def loader(self, **options: Any) -> DataLoader[Any]:
        """A DataLoader of the stream's own batch size; `options` are its other arguments."""
        return DataLoader(self, batch_size=self.batch_size, **options)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the passes that begin from now on, as of `DistributedSampler`; running workers see it.

        Without it every pass is the same epoch. Another epoch begins at its first sample; the present one keeps the
        place that `resume` has set.
        """
        if epoch != self.epoch:
            self.resume(epoch, 0)

    def resume(self, epoch: int, samples_seen: int) -> None:
        """Goes on in the middle: the next pass leaves out the first samples of the rank's share.

        Args:
            epoch: the one that was broken off.
            samples_seen: how many samples of it this rank has taken, batches times batch size.
        """
        if not 0 <= samples_seen <= len(self):
            raise ValueError(f"{samples_seen=} of an epoch in which rank {self.rank} gets {len(self)} samples")
        self._place.copy_(torch.tensor([epoch, samples_seen]))
        self._taken, self._skip = None, 0

    def state_dict(self, samples_seen: int | None = None) -> dict[str, Any]:
        """What `load_state_dict` needs to go on from here; the same on every rank.

        Args:
            samples_seen: samples of this epoch that the rank's training loop has taken. Without it those count that
                this process has read, which is right without DataLoader workers, or within one.

        Raises:
            ValueError: nobody says how many were taken, and this process has read none.
        """
        if samples_seen is None and self._taken is None:
            raise ValueError(
                "DataLoader workers read ahead, so the stream cannot know what was taken; name it: "
                "state_dict(samples_seen=batches * batch_size)."
            )
        begun, taken = (int(self._place[1]), self._taken) if samples_seen is None else (samples_seen, 0)
        return {**self._identity(), "epoch": self.epoch, "begun": begun, "taken": taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from where `state_dict` was called.

        Raises:
            ValueError: the state is of another set, order or count of ranks, so its place means nothing here.
        """
        for name, here in self._identity().items():
            if state[name] != here:
                raise ValueError(f"The state has {name}={state[name]!r} and this stream {here!r}; it cannot go on.")
        self.resume(state["epoch"], state["begun"])
        self._skip = state["taken"]

    def _read(self, positions: np.ndarray, mirrors: np.ndarray) -> Iterator[Sample]:
        for position, in_mirror in zip(positions.tolist(), mirrors.tolist(), strict=True):
            sample = self.samples[position]
            self._taken = (self._taken or 0) + 1
            yield mirrored(sample) if in_mirror else sample

    def _own_part(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions that this process is to read, in order, and whether each is mirrored."""
        epoch, begun = self._place.tolist()
        order = epoch_order(self.samples.index, self.seed, epoch, self.shuffle, self.shuffle_window)
        share = order[rank_share(len(order), self.rank, self.world_size, self.even)[begun:]]
        mirrors = _random("mirror", self.seed, epoch, len(order)) < self.mirror
        worker = get_worker_info()
        own = share if worker is None else worker_part(share, self.batch_size, worker.id, worker.num_workers)
        return own, mirrors[own]

    def _identity(self) -> dict[str, Any]:
        """What a place in an epoch depends on."""
        index = self.samples.index
        layout = np.stack([index.shard, index.offset]).tobytes()
        return {
            "samples": len(index),
            "layout": zlib.crc32(layout, zlib.crc32(index.keys.tobytes())),
            "shuffle": self.shuffle,
            "seed": self.seed,
            "shuffle_window": self.shuffle_window,
            "world_size": self.world_size,
            "even": self.even,
        }

    def _check(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} is no count of samples.")
        if not 0 <= self.seed < SEEDS:
            raise ValueError(f"seed={self.seed} is not within 0 … 2**32 - 1.")
        if not 0 <= self.mirror <= 1:
            raise ValueError(f"mirror={self.mirror} is no share of the samples; 0 … 1 are.")
        if self.even not in get_args(Even):
            raise ValueError(f"even={self.even!r}; there are {get_args(Even)}.")
        if self.even == "drop" and len(self.samples) and not len(self):
            raise ValueError(
                f"{len(self.samples)} samples over {self.world_size} ranks leave each of them none; use even='pad'."
            )


def epoch_order(index: ShardIndex, seed: int, epoch: int, shuffle: bool = True, window: int = 0) -> np.ndarray:
    """Positions of all samples in the order of an epoch, (N,) int64: shard after shard, each from its first byte on.

    Args:
        index: where the samples lie.
        seed, epoch: of the order; equal ones give equal orders.
        shuffle: shards are permuted, and then every `window` neighbours among themselves.
        window: 0 and 1 leave the samples of a shard as they lie.
    """
    if not shuffle:
        return np.lexsort((index.offset, index.shard))
    turn = np.argsort(_random("shards", seed, epoch, len(index.shards)))
    order = np.lexsort((index.offset, turn[index.shard]))
    if window < 2:
        return order
    chance = _random("window", seed, epoch, len(order))
    return order[np.lexsort((chance, np.arange(len(order)) // window))]


def rank_share(samples: int, rank: int, world_size: int, even: Even) -> np.ndarray:
    """Places in an epoch's order that a rank gets, (share,) int64, contiguous; `even` as of `CoCShardStream`."""
    if even == "keep":
        return np.arange(samples * rank // world_size, samples * (rank + 1) // world_size)
    each = samples // world_size if even == "drop" else -(-samples // world_size)
    places = np.arange(rank * each, (rank + 1) * each)
    return places % samples if samples else places


def worker_part(share: np.ndarray, batch_size: int, worker: int, workers: int) -> np.ndarray:
    """What one of a DataLoader's workers reads of a share: every `workers`-th batch, for they are asked in turn."""
    batch = np.arange(len(share)) // batch_size
    return share[batch % workers == worker]


def _random(purpose: _Purpose, seed: int, epoch: int, count: int) -> np.ndarray:
    """Numbers in [0, 1), the same with any version of numpy, which `default_rng` does not promise."""
    return np.random.RandomState([seed, epoch, get_args(_Purpose).index(purpose)]).random_sample(count)


def _rank_and_world(rank: int | None, world_size: int | None) -> tuple[int, int]:
    if rank is None and world_size is None:
        rank, world_size = _found_rank_and_world()
    if rank is None or world_size is None or not 0 <= rank < world_size:
        raise ValueError(f"{rank=} and {world_size=} go together, 0 <= rank < world_size.")
    return rank, world_size


def _found_rank_and_world() -> tuple[int, int]:
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
