from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from coc_assets.training_shards.splits import SplitFileError, split_of, splits_of
from resources.settings.shards import ShardSettings
from tests.coc_assets.training_shards.made import CLIPS

RATIOS = {"train": 0.9, "val": 0.05, "test": 0.05}
FOUR = pl.DataFrame({"clip_id": CLIPS[:4], "split": ["train", "val", None, "Test"]})


@pytest.mark.parametrize(
    ("named", "split"),
    [("train", "train"), ("val", "val"), ("Test", "test"), ("my/own split", "my_own_split")],
)
def test_the_datasets_own_split_is_taken_as_a_portable_name(named: str, split: str) -> None:
    assert split_of(CLIPS[0], named, RATIOS) == split


@pytest.mark.parametrize("named", [None, ""])
def test_without_one_the_clip_id_alone_decides(named: str | None) -> None:
    splits = [split_of(clip, named, RATIOS) for clip in CLIPS]
    assert set(splits) <= set(RATIOS)
    assert len(set(splits)) > 1
    # The order in which the shares are written down must not matter.
    assert splits == [split_of(clip, named, dict(reversed(RATIOS.items()))) for clip in CLIPS]


def test_hashed_splits_have_their_shares() -> None:
    splits = [split_of(f"clip-{number}", None, RATIOS) for number in range(4000)]
    assert splits.count("train") / 4000 == pytest.approx(0.9, abs=0.02)
    assert splits.count("val") / 4000 == pytest.approx(0.05, abs=0.015)
    assert splits.count("test") / 4000 == pytest.approx(0.05, abs=0.015)


def test_a_hashed_split_never_moves() -> None:
    names = ("clip-0", "clip-1", "clip-2", "clip-3", "clip-4", "clip-5")
    assert [split_of(name, None, {"a": 0.5, "b": 0.5}) for name in names] == ["a", "a", "a", "a", "b", "b"]


def test_the_datasets_own_splits_go_before_the_hash() -> None:
    hashed = split_of(CLIPS[2], None, RATIOS)
    assert list(splits_of(FOUR, ShardSettings()).values()) == ["train", "val", hashed, "test"]


def test_by_hash_the_datasets_own_splits_do_not_count() -> None:
    settings = ShardSettings(split_by="hash", splits={"a": 0.5, "b": 0.5})
    assert splits_of(FOUR, settings) == {clip: split_of(clip, None, settings.splits) for clip in CLIPS[:4]}


def _by_file(path: Path, frame: pl.DataFrame) -> dict[str, str | None]:
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)
    return splits_of(FOUR, ShardSettings(split_by="file", split_file=path))


@pytest.mark.parametrize("name", ["splits.csv", "splits.parquet"])
def test_a_file_says_the_split_and_leaves_other_clips_out(tmp_path: Path, name: str) -> None:
    named = pl.DataFrame(
        {"clip_id": [CLIPS[1], CLIPS[3], "gone", CLIPS[2]], "split": ["train", "My val", "test", None]}
    )
    assert list(_by_file(tmp_path / name, named).values()) == [None, "train", None, "my_val"]


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    first = _by_file(tmp_path / "splits.csv", pl.DataFrame({"clip_id": [CLIPS[0]], "split": ["train"]}))
    second = _by_file(tmp_path / "splits.csv", pl.DataFrame({"clip_id": [CLIPS[0]], "split": ["validation"]}))
    assert (first[CLIPS[0]], second[CLIPS[0]]) == ("train", "validation")


def test_a_clip_that_stands_twice_in_a_file_may_have_one_split_only(tmp_path: Path) -> None:
    twice = pl.DataFrame({"clip_id": [CLIPS[0]] * 2, "split": ["val", "val"]})
    assert _by_file(tmp_path / "same.csv", twice)[CLIPS[0]] == "val"
    with pytest.raises(SplitFileError, match=f"puts clip {CLIPS[0]} into train and val; a clip has one split"):
        _by_file(tmp_path / "two.csv", twice.with_columns(split=pl.Series(["val", "train"])))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("clip,split\na,train\n", "no CSV or Parquet with columns clip_id and split"),
        ("clip_id,split\na,…\n", None),
        ("", "no CSV or Parquet"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: str, problem: str | None) -> None:
    path = tmp_path / "splits.csv"
    path.write_text(content)
    settings = ShardSettings(split_by="file", split_file=path)
    if problem is None:
        assert set(splits_of(FOUR, settings).values()) == {None}
        return
    with pytest.raises(SplitFileError, match=problem) as error:
        splits_of(FOUR, settings)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SplitFileError, match=r"splits\.csv, named by shards\.split_file, cannot be read"):
        splits_of(FOUR, ShardSettings(split_by="file", split_file=tmp_path / "splits.csv"))
