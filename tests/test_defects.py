"""Every kind of defect has the outcome that the design's table gives it, and none takes its chunk down."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from coc_assets.cli import main
from coc_assets.sample.defects import DEFECT_KINDS, truncate_file
from coc_assets.sample.generate import generate
from resources import schemas
from resources.receipts import read_receipt
from resources.store import Store

MENDED = {"shuffled_rows", "nan_gap"}
REJECTED = {
    "long_gap": "gap_too_long",
    "infinite_value": "infinite_value",
    "zero_rotations": "rotation_gap",
    "missing_column": "missing_column",
    "corrupt_member": "corrupt_member",
    "too_few_frames": "too_few_frames",
    "clip_invalid": "clip_invalid",
}
DEGRADED = {
    "tracks_missing": ("tracks", "tracks_missing"),
    "tracks_other_frame": ("tracks", "tracks_not_in_rig_frame"),
    "video_missing": ("video", "video_missing"),
    "video_truncated": ("video", "video_undecodable"),
    "video_short": ("video", "video_shorter_than_clip"),
    "timestamps_missing": ("video", "timestamps_missing"),
}
VIDEO_KINDS = {kind for kind, (feature, _) in DEGRADED.items() if feature == "video"}


def run(dataset: Path, store: Path) -> int:
    return main(["run", "--dataset", str(dataset), "--store", str(store)])


def all_rejects(store: Path) -> pl.DataFrame:
    files = sorted(store.glob("*/chunk=0000/rejects.parquet"))
    return pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files])


def defect_of_each_clip(dataset: Path) -> dict[str, str | None]:
    truth = pl.read_parquet(dataset / "truth.parquet")
    return dict(truth.select("clip_id", "defect").unique().iter_rows())


def check_outcomes(dataset: Path, store: Path) -> None:
    clips = Store(store).read_table(schemas.CLIPS, "0000")
    usable = dict(clips.select("clip_id", "mended").iter_rows())
    rejects = all_rejects(store)
    for clip_id, defect in defect_of_each_clip(dataset).items():
        rows = rejects.filter(pl.col("clip_id") == clip_id).select("severity", "feature", "reason").unique().rows()
        assert (clip_id in usable) == (defect not in REJECTED), defect
        assert bool(usable.get(clip_id)) == (defect in MENDED), defect
        if defect in REJECTED:
            assert [(severity, reason) for severity, _, reason in rows] == [("rejected", REJECTED[defect])]
        if defect in DEGRADED:
            assert ("degraded", *DEGRADED[defect]) in rows, defect


def test_the_table_names_every_kind() -> None:
    assert MENDED | set(REJECTED) | set(DEGRADED) == set(DEFECT_KINDS)


def test_defects_of_egomotion_and_tracks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = [kind for kind in DEFECT_KINDS if kind not in VIDEO_KINDS]
    dataset, store = tmp_path / "dataset", tmp_path / "store"
    generate(dataset, chunks=1, clips=len(kinds) + 1, video=False, defect_kinds=[*kinds, None])
    assert run(dataset, store) == 1, "tracks in another frame are an ERROR"
    assert "tracks_are_in_the_rig_frame" in capsys.readouterr().err
    check_outcomes(dataset, store)
    assert read_receipt(Store(store), "training_shards", "0000").status == "done"
    for hint in all_rejects(store).filter(pl.col("stage") == "trajectory_cache")["hint"]:
        assert ".zip" in hint or ".parquet" in hint, f"names no file: {hint}"


@pytest.mark.slow
def test_defects_of_video(tmp_path: Path) -> None:
    kinds = sorted(VIDEO_KINDS)
    dataset, store = tmp_path / "dataset", tmp_path / "store"
    generate(dataset, chunks=1, clips=len(kinds) + 1, defect_kinds=[*kinds, None])
    assert run(dataset, store) == 0
    check_outcomes(dataset, store)
    whole = next(clip for clip, defect in defect_of_each_clip(dataset).items() if defect is None)
    segments = Store(store).read_table(schemas.SEGMENTS, "0000").filter(pl.col("clip_id") == whole)
    assert segments["status"].unique().to_list() == ["cut"]


def test_a_truncated_archive_yields_what_it_still_holds(tmp_path: Path) -> None:
    dataset, store = tmp_path / "dataset", tmp_path / "store"
    generate(dataset, chunks=2, clips=4, video=False, defects=False)
    truncate_file(dataset / "labels/egomotion/egomotion.chunk_0000.zip", 0.6)
    assert run(dataset, store) == 0
    clips = Store(store).read_table(schemas.CLIPS, "0000")
    rejects = Store(store).read_table(schemas.REJECTS, "0000", asset="trajectory_cache")
    rejected = rejects.filter(pl.col("severity") == "rejected")
    assert 0 < clips.height < 4
    assert clips.height + rejected["clip_id"].drop_nulls().len() == 4
    assert rejected.filter(pl.col("clip_id").is_null())["reason"].to_list() == ["archive_damaged"]
    assert Store(store).read_table(schemas.CLIPS, "0001").height == 4


def test_an_archive_that_is_no_zip_costs_its_own_chunk_only(tmp_path: Path) -> None:
    dataset, store = tmp_path / "dataset", tmp_path / "store"
    generate(dataset, chunks=2, clips=2, video=False, defects=False)
    (dataset / "labels/egomotion/egomotion.chunk_0000.zip").write_bytes(b"not a zip")
    assert run(dataset, store) == 0
    assert Store(store).read_table(schemas.CLIPS, "0000").is_empty()
    assert Store(store).read_table(schemas.SAMPLES, "0001").height > 0


def test_a_mended_archive_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset, store = tmp_path / "dataset", tmp_path / "store"
    generate(dataset, chunks=1, clips=2, video=False, defects=False)
    archive = dataset / "labels/egomotion/egomotion.chunk_0000.zip"
    whole = archive.read_bytes()
    truncate_file(archive, 0.6)
    assert run(dataset, store) == 0
    archive.write_bytes(whole)
    assert run(dataset, store) == 0
    assert Store(store).read_table(schemas.CLIPS, "0000").height == 2
    assert all_rejects(store).filter(pl.col("severity") == "rejected").is_empty()
