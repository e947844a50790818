from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from coc_assets.sources.egomotion import Egomotion
from coc_assets.trajectory_cache import tables
from resources import schemas
from resources.dataset import DatasetRoot
from resources.settings.trajectory import TrajectorySettings
from tests.resources import pai_files as files

GOOD, SHUFFLED, INFINITE, INVALID, ABSENT, UNLISTED, GONE = (files.clip_id(number) for number in range(7))
DRIVE = files.egomotion()
SETTINGS = TrajectorySettings()


def _build(root: Path) -> dict[str, pl.DataFrame]:
    return tables.build(DatasetRoot(root), "0000", SETTINGS, files.CAMERA)


def _fates(made: dict[str, pl.DataFrame]) -> dict[str, str]:
    """Clip → `ok` or the reason of its rejection; each exactly once."""
    rejected = made["rejects"].filter(severity="rejected").drop_nulls("clip_id")
    fates = [(clip, "ok") for clip in made["clips"]["clip_id"]] + rejected.select("clip_id", "reason").rows()
    assert len(fates) == len(dict(fates))
    return dict(fates)


@pytest.fixture
def broken_chunk(tmp_path):
    clips = {
        UNLISTED: DRIVE,
        GOOD: DRIVE,
        SHUFFLED: DRIVE.sample(frac=1, random_state=1).reset_index(drop=True),
        INFINITE: DRIVE.assign(vx=np.inf),
        INVALID: DRIVE,
    }
    files.write_egomotion(tmp_path, clips)
    files.write_index(tmp_path, [SHUFFLED, INFINITE, GOOD, INVALID, ABSENT], invalid=[INVALID])
    files.write_obstacles(tmp_path, {GOOD: files.obstacles(), INFINITE: files.obstacles()})
    video = [f"{GOOD}.{files.CAMERA}.mp4", f"{GOOD}.{files.CAMERA}.timestamps.parquet"]
    files.write_archive(tmp_path, files.CAMERA, dict.fromkeys(video, b""))
    return tmp_path


def test_every_clip_is_kept_or_rejected_with_its_reason(broken_chunk):
    made = _build(broken_chunk)
    assert _fates(made) == {
        SHUFFLED: "ok",
        GOOD: "ok",
        UNLISTED: "ok",
        INFINITE: "infinite_value",
        INVALID: "clip_invalid",
        ABSENT: "egomotion_missing",
    }
    assert made["clips"]["clip_id"].to_list() == [SHUFFLED, GOOD, UNLISTED]  # the clip list's order


def test_tables_have_their_declared_columns_and_keys(broken_chunk):
    made = _build(broken_chunk)
    for table in (schemas.CLIPS, schemas.TRAJECTORIES, schemas.TRACKS, schemas.REJECTS):
        frame = made[table.name]
        assert frame.schema == table.schema
        assert frame.select(table.key).is_duplicated().sum() == 0
        assert frame["chunk"].unique().to_list() == ["0000"]
    assert made["rejects"]["stage"].unique().to_list() == ["trajectory_cache"]
    assert made["rejects"].filter(reason="clip_invalid")["feature"].to_list() == ["index"]
    assert set(made["rejects"]["feature"]) <= {"index", "egomotion", "tracks"}


def test_clips_say_what_was_mended_and_what_they_have(broken_chunk):
    rows = {row["clip_id"]: row for row in _build(broken_chunk)["clips"].iter_rows(named=True)}
    assert rows[SHUFFLED]["mended"] == ["sorted_rows"]
    assert rows[GOOD]["mended"] == []
    assert [rows[clip]["has_tracks"] for clip in (GOOD, SHUFFLED)] == [True, False]
    assert [rows[clip]["has_video"] for clip in (GOOD, SHUFFLED)] == [True, False]
    assert [rows[clip]["split"] for clip in (GOOD, UNLISTED)] == ["train", None]
    assert (rows[GOOD]["frames"], rows[GOOD]["first_us"], rows[GOOD]["duration_s"]) == (201, -20_000, 20.0)
    assert rows[GOOD]["mean_speed_mps"] == pytest.approx(10.0)
    assert rows[GOOD]["distance_m"] == pytest.approx(200.0, rel=1e-4)


def test_only_usable_clips_have_tracks_and_lose_them(broken_chunk):
    made = _build(broken_chunk)
    assert made["tracks"]["clip_id"].unique().to_list() == [GOOD]
    degraded = made["rejects"].filter(severity="degraded")
    assert degraded.select("clip_id", "reason").rows() == [(SHUFFLED, "tracks_missing"), (UNLISTED, "tracks_missing")]


def test_distances_end_with_their_clip(tmp_path):
    """The leap from one clip's end to the next one's start is nobody's."""
    near, far, standing = DRIVE, DRIVE.assign(x=DRIVE["x"] + 1e6), DRIVE.assign(x=5.0, y=5.0)
    files.write_egomotion(tmp_path, dict(zip([GOOD, SHUFFLED, UNLISTED], [near, far, standing], strict=True)))
    distances = _build(tmp_path)["clips"].sort("clip_id")["distance_m"].to_list()
    assert distances == pytest.approx([200.0, 200.0, 0.0], rel=1e-4)


@pytest.mark.parametrize("keep", [0.6, 0.0])
def test_a_truncated_archive_yields_what_it_still_holds(tmp_path, keep):
    path = files.write_egomotion(tmp_path, {GOOD: DRIVE, GONE: DRIVE})
    files.write_index(tmp_path, [GOOD, GONE])
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    made = _build(tmp_path)
    assert _fates(made) == {GOOD: "ok" if keep else "archive_damaged", GONE: "archive_damaged"}
    of_chunk = made["rejects"].filter(pl.col("clip_id").is_null(), severity="rejected").row(0, named=True)
    assert (of_chunk["feature"], of_chunk["reason"]) == ("egomotion", "archive_damaged")
    assert of_chunk["hint"].startswith("labels/egomotion/egomotion.chunk_0000.zip has no readable member directory")


def test_a_chunk_without_a_usable_clip_has_empty_tables(tmp_path):
    files.write_egomotion(tmp_path, {GOOD: b"no parquet"})
    made = _build(tmp_path)
    assert _fates(made) == {GOOD: "corrupt_member"}
    for table in (schemas.CLIPS, schemas.TRAJECTORIES, schemas.TRACKS):
        assert made[table.name].schema == table.schema
        assert made[table.name].is_empty()


def test_what_nobody_thought_of_rejects_one_clip(tmp_path, monkeypatch):
    files.write_egomotion(tmp_path, {GOOD: DRIVE, GONE: DRIVE})
    clean = tables.clean

    def fail_on_gone(raw: Egomotion, settings: TrajectorySettings, source: str) -> tuple[Egomotion, tuple[str, ...]]:
        if GONE in source:
            raise RuntimeError("surprise")
        return clean(raw, settings, source)

    monkeypatch.setattr(tables, "clean", fail_on_gone)
    made = _build(tmp_path)
    assert _fates(made) == {GOOD: "ok", GONE: "unreadable"}
    assert f"{GONE}.egomotion.parquet: RuntimeError: surprise" in made["rejects"].filter(clip_id=GONE)["hint"][0]


def test_equal_datasets_give_equal_tables(broken_chunk, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    elsewhere.mkdir()
    for path in broken_chunk.rglob("*"):
        target = elsewhere / path.relative_to(broken_chunk)
        target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
    for (name, here), there in zip(_build(broken_chunk).items(), _build(elsewhere).values(), strict=True):
        assert here.equals(there), name


def test_reference_clips_are_all_usable_and_mended_where_they_need_it(shared_data):
    made = tables.build(DatasetRoot(shared_data / "golden-visible"), "0000", SETTINGS, files.CAMERA)
    manifest = pl.read_csv(shared_data / "golden-visible/manifest.csv").select("clip_id", "note", "first_us")
    clips = manifest.join(made["clips"], on="clip_id", how="left")
    assert made["rejects"].filter(severity="rejected").is_empty()
    assert clips["frames"].null_count() == 0
    assert clips.filter(pl.col("first_us") != pl.col("first_us_right")).is_empty()
    mended = clips.filter(pl.col("mended").list.len() > 0).select("note", pl.col("mended").list.join(",")).sort("note")
    assert mended.rows() == [
        ("12 all-NaN rows", "filled_gap:12"),
        ("duplicated timestamps", "dropped_repeated_timestamps:44"),
        ("rows shuffled", "sorted_rows"),
    ]
