from __future__ import annotations

import pytest

from coc_assets.training_shards.plan import ShardPlanError, even_runs, plan_chunk
from coc_assets.training_shards.tar import END

END_BYTES = len(END)


@pytest.mark.parametrize(
    ("sizes", "room", "counts"),
    [
        ([], 100, []),
        ([100], 100, [1]),
        ([10] * 10, 100, [10]),
        ([10] * 11, 100, [6, 5]),
        ([10] * 25, 100, [9, 8, 8]),
        ([90, 90, 10, 10, 10, 10], 100, [1, 1, 1, 1, 1, 1]),  # even counts first: two of 90 never share a shard
        ([90, 10, 90, 10], 100, [2, 2]),
        ([60, 60, 10, 10], 130, [2, 2]),
    ],
)
def test_runs_are_as_few_and_as_even_as_the_ceiling_allows(sizes: list[int], room: int, counts: list[int]) -> None:
    runs = even_runs(sizes, room + END_BYTES, room + END_BYTES)
    assert [len(run) for run in runs] == counts
    assert [at for run in runs for at in run] == list(range(len(sizes)))
    assert all(sum(sizes[at] for at in run) <= room for run in runs)


@pytest.mark.parametrize(
    ("samples", "target", "room", "multiple", "counts"),
    [
        (10, 50, 1000, 1, [5, 5]),  # by the target, though the ceiling would take all
        (11, 50, 1000, 1, [4, 4, 3]),
        (10, 1000, 50, 1, [5, 5]),  # the ceiling goes before a larger target
        (10, 50, 1000, 4, [3, 3, 2, 2]),
        (10, 20, 1000, 4, [2, 2, 1, 1, 1, 1, 1, 1]),
        (3, 50, 1000, 4, [1, 1, 1]),  # too few for a multiple
        (10, 5, 1000, 1, [1] * 10),  # a target below one sample
        (10, 50, 20, 4, [2, 2, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_runs_go_by_the_target_and_come_in_multiples(
    samples: int, target: int, room: int, multiple: int, counts: list[int]
) -> None:
    runs = even_runs([10] * samples, target + END_BYTES, room + END_BYTES, multiple)
    assert [len(run) for run in runs] == counts
    assert [at for run in runs for at in run] == list(range(samples))


def test_a_sample_above_the_ceiling_names_the_setting() -> None:
    with pytest.raises(ShardPlanError, match=r"5000 bytes exceeds shards\.max_shard_bytes=4096"):
        even_runs([10, 5000], 4096, 4096)


def test_shards_are_named_by_split_chunk_and_sequence() -> None:
    shards = plan_chunk("0042", {"val": [50], "train": [50, 50, 50]}, 10**9, 100 + END_BYTES)
    assert [(shard.name, shard.split, list(shard.samples)) for shard in shards] == [
        ("train-004200.tar", "train", [0, 1]),
        ("train-004201.tar", "train", [2]),
        ("val-004200.tar", "val", [0]),
    ]


def test_more_shards_than_two_digits_count_is_an_error() -> None:
    assert len(plan_chunk("0000", {"train": [60] * 100}, 10**9, 100 + END_BYTES)) == 100
    with pytest.raises(ShardPlanError, match="101 shards"):
        plan_chunk("0000", {"train": [60] * 101}, 10**9, 100 + END_BYTES)
