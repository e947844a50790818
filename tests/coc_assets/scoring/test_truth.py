from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from coc_assets.scoring.truth import ABOUT, read_truth
from coc_assets.training_shards import CoCShardDataset
from tests.coc_assets.training_shards.made import CLIPS, Chunk, built, label


def quiet(done: int, total: int) -> None:
    assert done <= total


def pictured(folder: Path, trace: str = "Slow down behind the lead vehicle.") -> Path:
    """A folder of shards with pictures."""
    built(folder, Chunk([label(clip, 3_000_000, trace=trace) for clip in CLIPS[:5]]))
    return folder


@pytest.mark.parametrize("long_text", [False, True])
def test_truth_equals_what_trainers_load(tmp_path: Path, long_text: bool) -> None:
    folder = pictured(tmp_path, "Slow down. " * (4000 if long_text else 1))
    truth, dataset = read_truth(folder, None, quiet), CoCShardDataset(folder)
    assert len(truth) == len(dataset) == 5
    for at in range(len(dataset)):
        sample, about = dataset[at], dataset.about(at)
        row = truth.positions[dataset.keys[at].decode()]
        for name, array in (
            ("history_xyz", truth.history),
            ("future_xyz", truth.future),
            ("future_rot", truth.future_rot),
        ):
            assert np.array_equal(array[row], sample[f"ego_{name}"][0].numpy())  # type: ignore[literal-required]
        told = dict(zip(ABOUT.names(), truth.about.row(row), strict=True))
        assert told["longitudinal_decision"] == about["decisions"]["longitudinal"]
        assert {name: told[name] for name in ("clip_id", "t0_us", "split", "chunk", "scenario")} == {
            name: about[name] for name in ("clip_id", "t0_us", "split", "chunk", "scenario")
        }


def test_pictures_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictured(tmp_path)
    read: list[int] = []
    pread = os.pread

    def counted(file: int, length: int, at: int) -> bytes:
        read.append(length)
        return pread(file, length, at)

    monkeypatch.setattr("os.pread", counted)
    monkeypatch.setattr("coc_assets.scoring.truth._END_BYTES", 10_240)
    read_truth(folder, None, quiet)
    assert read == [10_240] * 5


def test_a_split_leaves_the_others_known(sample_store: Path) -> None:
    whole, part = read_truth(sample_store, None, quiet), read_truth(sample_store, "train", quiet)
    assert set(part.about["split"]) == {"train"}
    assert part.other_splits == set(whole.positions) - set(part.positions)
    assert whole.other_splits == frozenset()


def test_damage_is_named(tmp_path: Path, sample_store: Path) -> None:
    folder = tmp_path / "shards"
    shutil.copytree(sample_store / "training_shards" / "chunk=0000", folder)
    shard = sorted(folder.glob("*.tar"))[0]
    shard.write_bytes(shard.read_bytes()[:4096])
    with pytest.raises(ValueError, match=f"{shard.name} ends before byte"):
        read_truth(folder, None, quiet)
    shard.unlink()
    with pytest.raises(FileNotFoundError, match=f"{shard.name} is missing"):
        read_truth(folder, None, quiet)
