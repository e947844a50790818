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
    runs = even_runs(sizes, room + END_BYTES)
    assert [len(run) for run in runs] == counts
    assert [at for run in runs for at in run] == list(range(len(sizes)))
    assert all(sum(sizes[at] for at in run) <= room for run in runs)


def test_a_sample_above_the_ceiling_names_the_setting() -> None:
    with pytest.raises(ShardPlanError, match=r"5000 bytes exceeds shards\.max_shard_bytes=4096"):
        even_runs([10, 5000], 4096)


def test_shards_are_named_by_split_chunk_and_sequence() -> None:
    shards = plan_chunk("0042", {"val": [50], "train": [50, 50, 50]}, 100 + END_BYTES)
    assert [(shard.name, shard.split, list(shard.samples)) for shard in shards] == [
        ("train-004200.tar", "train", [0, 1]),
        ("train-004201.tar", "train", [2]),
        ("val-004200.tar", "val", [0]),
    ]


def test_more_shards_than_two_digits_count_is_an_error() -> None:
    assert len(plan_chunk("0000", {"train": [60] * 100}, 100 + END_BYTES)) == 100
    with pytest.raises(ShardPlanError, match="101 shards"):
        plan_chunk("0000", {"train": [60] * 101}, 100 + END_BYTES)
