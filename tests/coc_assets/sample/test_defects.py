"""Each defect breaks what its name says and nothing else."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import polars as pl
import pytest

from coc_assets.sample.defects import DEFECT_KINDS, ClipFiles, damage, truncate_file
from coc_assets.sample.scenes import build
from coc_assets.sample.tracks import camera_clock, egomotion_clock, egomotion_rows, obstacle_clock, obstacle_rows


@pytest.fixture(scope="module")
def whole() -> ClipFiles:
    rng = np.random.default_rng(6)
    clock = egomotion_clock(rng)
    scene = build("cut_in", "clip", rng, int(clock[0]))
    return ClipFiles(
        egomotion=egomotion_rows(scene, clock, rng),
        obstacles=obstacle_rows(scene, obstacle_clock(rng), 100.0),
        camera_us=camera_clock(rng),
    )


def gap_s(rows: pl.DataFrame) -> float:
    return float(np.diff(rows["timestamp"].sort().to_numpy()).max()) / 1e6


def bad_s(rows: pl.DataFrame, bad: pl.Expr) -> float:
    times = rows.filter(bad)["timestamp"].to_numpy()
    return float(np.ptp(times)) / 1e6 if len(times) else 0.0


CHECKS = {
    "long_gap": ("egomotion", lambda files: 1.1 < gap_s(files.egomotion) < 2.1),
    "nan_gap": ("egomotion", lambda files: 0.05 < bad_s(files.egomotion, pl.col("x").is_nan()) < 0.5),
    "infinite_value": ("egomotion", lambda files: files.egomotion["x"].is_infinite().sum() == 1),
    "zero_rotations": (
        "egomotion",
        lambda files: bad_s(files.egomotion, (pl.col("qw") == 0) & (pl.col("qz") == 0) & (pl.col("qx") == 0)) > 0.6,
    ),
    "shuffled_rows": (
        "egomotion",
        lambda files: (
            not files.egomotion["timestamp"].is_sorted() and files.egomotion["timestamp"].is_duplicated().sum() == 40
        ),
    ),
    "missing_column": ("egomotion", lambda files: "qz" not in files.egomotion.columns),
    "too_few_frames": ("egomotion", lambda files: np.ptp(files.egomotion["timestamp"].to_numpy()) < 900_000),
    "corrupt_member": ("corrupt", lambda files: files.corrupt),
    "clip_invalid": ("valid", lambda files: not files.valid),
    "tracks_missing": ("obstacles", lambda files: files.obstacles is None),
    "tracks_other_frame": ("obstacles", lambda files: "rig" not in set(files.obstacles["reference_frame"])),
    "video_missing": ("video", lambda files: files.video == "missing"),
    "video_truncated": ("video", lambda files: files.video == "truncated"),
    "video_short": ("camera_us", lambda files: 5e6 < files.camera_us[-1] < 15e6),
    "timestamps_missing": ("has_timestamps", lambda files: not files.has_timestamps),
}


def same(one: object, other: object) -> bool:
    if isinstance(one, pl.DataFrame) and isinstance(other, pl.DataFrame):
        return one.equals(other)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return one == other


def test_every_kind_is_checked():
    assert set(CHECKS) == set(DEFECT_KINDS)


@pytest.mark.parametrize("kind", DEFECT_KINDS)
def test_a_defect_breaks_its_part_alone(kind, whole):
    part, broken = CHECKS[kind]
    assert not broken(whole)
    damaged = damage(whole, kind, np.random.default_rng(7))
    assert broken(damaged)
    untouched = [field.name for field in fields(ClipFiles) if field.name != part]
    assert all(same(getattr(damaged, name), getattr(whole, name)) for name in untouched)


def test_shuffled_rows_lose_nothing(whole):
    rows = damage(whole, "shuffled_rows", np.random.default_rng(7)).egomotion
    assert rows.unique("timestamp").sort("timestamp").equals(whole.egomotion)


def test_tracks_in_another_frame_stay_missing_where_there_are_none(whole):
    without = damage(whole, "tracks_missing", np.random.default_rng(7))
    assert damage(without, "tracks_other_frame", np.random.default_rng(7)).obstacles is None


def test_a_truncated_file_keeps_its_beginning(tmp_path):
    path = tmp_path / "egomotion.chunk_0000.zip"
    path.write_bytes(bytes(range(100)))
    truncate_file(path, 0.25)
    assert path.read_bytes() == bytes(range(25))
