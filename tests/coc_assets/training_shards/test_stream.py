from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from coc_assets.training_shards import CoCShardDataset, CoCShardStream, MirroredCoCShardDataset
from coc_assets.training_shards.index import ShardIndex, read_index
from coc_assets.training_shards.stream import Even, epoch_order, rank_share, worker_part
from resources.settings.shards import ShardSettings
from resources.store import Store
from tests.coc_assets.training_shards.made import CHUNK, CLIPS, Chunk, built, label

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than processors

TIMES = (3_000_000, 7_100_000, 11_000_000)
TRAIN = CLIPS[:9]
COUNT = len(TRAIN) * len(TIMES)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    rows = [label(clip, t0_us) for clip in CLIPS[:10] for t0_us in TIMES]
    splits = {clip: "train" for clip in TRAIN} | {CLIPS[9]: "val"}
    built(
        Store(root).partition("training_shards", CHUNK),
        Chunk(rows, splits=splits),
        ShardSettings(max_shard_bytes=60_000),
    )
    return root


@pytest.fixture
def stream_of(store: Path) -> Any:
    def make(**options: Any) -> CoCShardStream:
        return CoCShardStream(store, "train", **{"batch_size": 4, "seed": 3, "shuffle_window": 5, **options})

    return make


def keys_of(batches: Any) -> list[str]:
    """Keys in the order in which a loader gives them."""
    return [
        f"{clip}-{int(t0):08d}" for batch in batches for clip, t0 in zip(batch["clip_id"], batch["t0_us"], strict=True)
    ]


def read(stream: CoCShardStream, **options: Any) -> list[str]:
    return keys_of(stream.loader(**options))


# the order of an epoch


def test_an_epoch_holds_every_sample_once_shard_after_shard(store: Path) -> None:
    index = read_index(store, "train")
    order = epoch_order(index, seed=0, epoch=0)
    assert sorted(order) == list(range(COUNT))
    shards = index.shard[order]
    assert len(index.shards) > 3
    assert np.count_nonzero(np.diff(shards)) == len(index.shards) - 1
    assert all((np.diff(index.offset[order[shards == shard]]) > 0).all() for shard in set(shards))


def test_without_shuffle_samples_come_as_they_lie(store: Path) -> None:
    index = read_index(store, "train")
    assert epoch_order(index, seed=7, epoch=9, shuffle=False, window=5).tolist() == list(range(COUNT))


def test_orders_differ_by_seed_and_epoch_and_by_nothing_else(store: Path) -> None:
    index = read_index(store, "train")
    orders = {(seed, epoch): tuple(epoch_order(index, seed, epoch, True, 8)) for seed in (0, 1) for epoch in (0, 1, 2)}
    assert len(set(orders.values())) == 6
    assert tuple(epoch_order(read_index(store, "train"), 1, 2, True, 8)) == orders[1, 2]


def test_the_order_of_a_seed_never_changes() -> None:
    """A run that is resumed with other versions of the libraries must find the same order."""
    shard = np.repeat(np.arange(3, dtype=np.int32), 4)
    index = ShardIndex(["a", "b", "c"], np.arange(12).astype(bytes), shard, np.arange(12), np.ones(12, int))
    assert epoch_order(index, seed=3, epoch=2).tolist() == [4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3]
    assert epoch_order(index, seed=3, epoch=2, window=6).tolist() == [9, 4, 6, 5, 7, 8, 10, 1, 0, 3, 11, 2]


def test_a_window_permutes_neighbours_and_moves_none_further(store: Path) -> None:
    index = read_index(store, "train")
    plain, mixed = (epoch_order(index, seed=4, epoch=1, window=window) for window in (0, 5))
    assert mixed.tolist() != plain.tolist()
    for first in range(0, COUNT, 5):
        assert set(mixed[first : first + 5]) == set(plain[first : first + 5])


# shares of ranks and workers


@given(st.integers(0, 60), st.integers(1, 9), st.sampled_from(["drop", "pad", "keep"]))
@settings(deadline=None)
def test_ranks_share_the_order_evenly(samples: int, world_size: int, even: Even) -> None:
    shares = [rank_share(samples, rank, world_size, even).tolist() for rank in range(world_size)]
    counts, taken = [len(share) for share in shares], [place for share in shares for place in share]
    held = Counter(taken)
    if even == "keep":
        assert taken == list(range(samples))
        assert max(counts) - min(counts) <= 1
    else:
        assert len(set(counts)) == 1
        assert 0 <= abs(len(taken) - samples) < world_size
        assert taken[:samples] == list(range(len(taken)))[:samples]
        assert len(held) == (samples if even == "pad" else samples // world_size * world_size)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 6), st.integers(1, 4))
@settings(deadline=None)
def test_workers_take_whole_batches_in_turn(samples: int, begun: int, batch_size: int, workers: int) -> None:
    share = np.arange(samples)[begun:]
    batches = [
        [part[at : at + batch_size] for at in range(0, len(part), batch_size)]
        for part in (worker_part(share, batch_size, worker, workers).tolist() for worker in range(workers))
    ]
    turns = -(-len(share) // batch_size)
    taken = [batches[turn % workers][turn // workers] for turn in range(turns)]
    assert [place for batch in taken for place in batch] == share.tolist()


# real loaders


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_count_of_workers_does_not_change_what_a_rank_sees(stream_of: Any, workers: int) -> None:
    one, other = stream_of(), stream_of()
    for stream in (one, other):
        stream.set_epoch(2)
    alone, together = list(one.loader()), list(other.loader(num_workers=workers))
    assert [len(batch["cot"]) for batch in alone] == [4, 4, 4, 4, 4, 4, 3]
    assert [keys_of([batch]) for batch in together] == [keys_of([batch]) for batch in alone]
    for here, there in zip(alone, together, strict=True):
        torch.testing.assert_close(here["image_frames"], there["image_frames"], rtol=0, atol=0)


def test_a_stream_gives_what_the_dataset_has(store: Path, stream_of: Any) -> None:
    dataset = CoCShardDataset(store, "train")
    given = list(stream_of(batch_size=1))
    assert len(given) == len(dataset) == COUNT
    for item in given:
        same = dataset[dataset.position_of(f"{item['clip_id']}-{item['t0_us']:08d}")]
        assert item.keys() == same.keys()
        torch.testing.assert_close(item["ego_future_xyz"], same["ego_future_xyz"], rtol=0, atol=0)
        torch.testing.assert_close(item["image_frames"], same["image_frames"], rtol=0, atol=0)


@pytest.mark.parametrize(("even", "each"), [("drop", [6] * 4), ("pad", [7] * 4), ("keep", [6, 7, 7, 7])])
def test_over_ranks_and_workers_each_sample_comes_once(stream_of: Any, even: Even, each: list[int]) -> None:
    streams = [stream_of(rank=rank, world_size=4, even=even) for rank in range(4)]
    of_ranks = [read(stream, num_workers=rank % 3) for rank, stream in enumerate(streams)]
    assert [len(stream) for stream in streams] == [len(keys) for keys in of_ranks] == each
    assert [len(stream.loader()) for stream in streams] == [-(-count // 4) for count in each]
    times = Counter(key for keys in of_ranks for key in keys)
    assert len(times) == (24 if even == "drop" else COUNT)
    assert times.total() - len(times) == (1 if even == "pad" else 0)


def test_what_is_dropped_differs_by_epoch(stream_of: Any) -> None:
    streams = [stream_of(rank=rank, world_size=4) for rank in range(4)]
    seen: set[str] = set()
    for epoch in range(6):
        for stream in streams:
            stream.set_epoch(epoch)
            seen.update(read(stream))
    assert len(seen) == COUNT


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize("samples_seen", [0, 4, 12, 26, 27])
def test_resuming_gives_the_rest_of_the_epoch(stream_of: Any, workers: int, samples_seen: int) -> None:
    whole = stream_of()
    whole.set_epoch(5)
    again = stream_of()
    again.resume(epoch=5, samples_seen=samples_seen)
    assert read(again, num_workers=workers) == read(whole)[samples_seen:]


def test_the_epoch_after_a_resumed_one_is_whole(stream_of: Any) -> None:
    stream, fresh = stream_of(), stream_of()
    stream.resume(epoch=1, samples_seen=20)
    loader = stream.loader(num_workers=2, persistent_workers=True)
    counts = []
    for epoch in (1, 2):
        stream.set_epoch(epoch)
        counts.append(keys_of(loader))
    fresh.set_epoch(2)
    assert len(counts[0]) == COUNT - 20
    assert counts[1] == read(fresh)


def test_workers_that_run_on_see_the_next_epoch(stream_of: Any) -> None:
    stream = stream_of()
    loader = stream.loader(num_workers=2, persistent_workers=True)
    orders = []
    for epoch in (0, 1, 0):
        stream.set_epoch(epoch)
        orders.append(keys_of(loader))
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


@pytest.mark.slow  # each worker imports torch anew
def test_spawned_workers_see_the_next_epoch_too(stream_of: Any) -> None:
    stream, same = stream_of(), stream_of()
    loader = stream.loader(num_workers=2, persistent_workers=True, multiprocessing_context="spawn")
    for epoch in (0, 3):
        stream.set_epoch(epoch)
        same.set_epoch(epoch)
        assert keys_of(loader) == read(same)


# the state


def test_a_state_names_the_place_and_is_plain_json(stream_of: Any) -> None:
    stream, again = stream_of(rank=1, world_size=2), stream_of(rank=1, world_size=2)
    stream.set_epoch(4)
    whole = read(stream)
    batches = iter(stream.loader(num_workers=2))
    taken = keys_of([next(batches), next(batches)])
    state = json.loads(json.dumps(stream.state_dict(samples_seen=8)))
    again.load_state_dict(state)
    assert taken + read(again, num_workers=3) == whole


def test_without_workers_the_stream_counts_itself(stream_of: Any) -> None:
    stream, again = stream_of(), stream_of()
    whole = read(stream)
    batches = iter(stream.loader())
    taken = keys_of([next(batches)])
    again.load_state_dict(stream.state_dict())
    more = iter(again.loader())
    taken += keys_of([next(more)])
    last = stream_of()
    last.load_state_dict(again.state_dict())
    assert taken + read(last) == whole


def test_a_worker_goes_on_with_its_own_part(stream_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaders that keep the state of each worker restore it there, before they iterate."""
    monkeypatch.setattr("coc_assets.training_shards.stream.get_worker_info", lambda: Worker(1, 2))
    stream, again = stream_of(), stream_of()
    stream.resume(0, 2)
    part = iter(stream)
    head = [next(part)["t0_us"] for _ in range(5)]
    again.load_state_dict(stream.state_dict())
    tail = [item["t0_us"] for item in again]
    assert head + tail == [item["t0_us"] for item in stream]


class Worker:
    """What torch tells a worker of itself."""

    def __init__(self, number: int, workers: int) -> None:
        self.id, self.num_workers = number, workers


def test_with_workers_somebody_must_say_what_was_taken(stream_of: Any) -> None:
    stream = stream_of()
    next(iter(stream.loader(num_workers=1)))
    with pytest.raises(ValueError, match=r"state_dict\(samples_seen=batches \* batch_size\)"):
        stream.state_dict()


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"seed": 4}, "seed=3 and this stream 4"),
        ({"shuffle_window": 6}, "shuffle_window"),
        ({"rank": 0, "world_size": 2}, "world_size"),
        ({"split": "val"}, "samples=27 and this stream 3"),
    ],
)
def test_a_state_of_another_order_is_refused(store: Path, stream_of: Any, other: dict[str, Any], named: str) -> None:
    options = {"split": "train", "batch_size": 4, "seed": 3, "shuffle_window": 5, **other}
    with pytest.raises(ValueError, match=named):
        CoCShardStream(store, **options).load_state_dict(stream_of().state_dict(samples_seen=4))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))])
def test_a_copy_goes_on_from_the_same_place_and_by_itself(stream_of: Any, copied: Any) -> None:
    stream = stream_of()
    stream.resume(3, 10)
    again = copied(stream)
    assert read(again, num_workers=2) == read(stream)
    again.set_epoch(4)
    assert (stream.epoch, again.epoch) == (3, 4)


# mirrored samples


def test_all_samples_mirrored_are_those_of_the_mirrored_dataset(store: Path, stream_of: Any) -> None:
    dataset = MirroredCoCShardDataset(store, "train")
    for item in stream_of(mirror=True):
        same = dataset[dataset.position_of(f"{item['clip_id']}-{item['t0_us']:08d}")]
        torch.testing.assert_close(item["ego_future_xyz"], same["ego_future_xyz"], rtol=0, atol=0)


def test_a_share_of_the_samples_is_mirrored_others_each_epoch(store: Path, stream_of: Any) -> None:
    dataset = CoCShardDataset(store, "train")

    def mirrors(epoch: int, **options: Any) -> dict[str, bool]:
        stream = stream_of(mirror=0.5, **options)
        stream.set_epoch(epoch)
        keys = {f"{item['clip_id']}-{item['t0_us']:08d}": item for item in stream}
        plain = {key: dataset[dataset.position_of(key)]["ego_future_xyz"] for key in keys}
        return {key: not torch.equal(item["ego_future_xyz"], plain[key]) for key, item in keys.items()}

    first, second = mirrors(0), mirrors(1)
    assert 5 < sum(first.values()) < COUNT - 5
    assert first != second
    assert mirrors(0, rank=1, world_size=2).items() <= first.items()


# whose share


def test_rank_and_world_size_come_from_the_environment(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    stream = CoCShardStream(store)
    assert (stream.rank, stream.world_size) == (2, 3)
    assert (CoCShardStream(store, rank=0, world_size=1).world_size) == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rank": 1}, "rank=1 and world_size=None"),
        ({"rank": 2, "world_size": 2}, "0 <= rank < world_size"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"mirror": 1.5}, r"mirror=1\.5"),
        ({"seed": -1}, "seed=-1"),
        ({"even": "even"}, "even='even'"),
        ({"rank": 0, "world_size": 28}, "27 samples over 28 ranks.*even='pad'"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_it(stream_of: Any, options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        stream_of(**options)


def test_a_place_beyond_the_epoch_is_an_error(stream_of: Any) -> None:
    with pytest.raises(ValueError, match=r"samples_seen=28.*gets 27"):
        stream_of().resume(0, 28)


def test_an_empty_split_is_an_empty_stream(store: Path) -> None:
    assert list(DataLoader(CoCShardStream(store, "test", world_size=2, rank=1), batch_size=2)) == []


DDP = """
import json, sys, torch
from coc_assets.training_shards import CoCShardStream
torch.distributed.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=int(sys.argv[3]), world_size=2)
stream = CoCShardStream(sys.argv[1], "train", batch_size=4)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 3))
seen = []
for epoch in range(2):
    stream.set_epoch(epoch)
    for batch in stream.loader(num_workers=1):
        model(batch["ego_future_xyz"]).square().mean().backward()
        seen += batch["clip_id"]
print(json.dumps([stream.rank, len(seen)]))
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow  # two processes that import torch anew
def test_two_ranks_that_wait_for_each_other_finish(store: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    command = [sys.executable, "-c", DDP, str(store), str(tmp_path / "meet")]
    ranks = [
        subprocess.Popen([*command, str(rank)], stdout=subprocess.PIPE, env=environment, text=True) for rank in (0, 1)
    ]
    told = [json.loads(rank.communicate(timeout=120)[0]) for rank in ranks]
    assert told == [[0, 26], [1, 26]]
