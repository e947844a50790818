from __future__ import annotations

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.spatial.transform import Rotation

from coc_assets.sources import pai
from coc_assets.sources.egomotion import NO_TIMESTAMP, ClipRejected, Egomotion
from resources import schemas
from resources.archives import MemberError
from resources.dataset import DatasetRoot
from tests.resources import pai_files as files

A, B, C, D = (files.clip_id(number) for number in range(4))
DRIVE = files.egomotion(rows=200)


def _spoiled(content: bytes) -> bytes:
    return content[:200] + bytes(100) + content[300:]


def test_the_clip_list_is_the_index_and_then_what_else_the_archive_holds(tmp_path):
    files.write_egomotion(tmp_path, {D: b"", B: b"", A: b""})
    files.write_index(tmp_path, [C, B], invalid=[B])
    assert pai.read_clip_list(DatasetRoot(tmp_path), "0000").rows(named=True) == [
        {"clip_id": C, "split": "train", "clip_is_valid": True, "in_index": True, "has_egomotion": False},
        {"clip_id": B, "split": "train", "clip_is_valid": False, "in_index": True, "has_egomotion": True},
        {"clip_id": A, "split": None, "clip_is_valid": None, "in_index": False, "has_egomotion": True},
        {"clip_id": D, "split": None, "clip_is_valid": None, "in_index": False, "has_egomotion": True},
    ]


def test_egomotion_comes_as_recorded(tmp_path):
    files.write_egomotion(tmp_path, {A: DRIVE, B: DRIVE.iloc[::-1].drop(columns=["vx"]).reset_index(drop=True)})
    (_, forward), (_, backward) = pai.iter_egomotion(DatasetRoot(tmp_path), "0000")
    assert forward.t_us.dtype == np.int64
    np.testing.assert_array_equal(forward.t_us, DRIVE["timestamp"])
    np.testing.assert_array_equal(forward.xyz, DRIVE[["x", "y", "z"]])
    np.testing.assert_array_equal(forward.quaternion, DRIVE[["qx", "qy", "qz", "qw"]])
    np.testing.assert_array_equal(forward.velocity, DRIVE[["vx", "vy"]])
    np.testing.assert_array_equal(backward.t_us, DRIVE["timestamp"][::-1])
    assert backward.velocity is None


@pytest.mark.parametrize(
    "frame",
    [
        DRIVE.set_index("timestamp"),
        DRIVE.set_index(pd.RangeIndex(-20_000, -20_000 + 200 * 10_000, 10_000, name="timestamp")).drop(
            columns="timestamp"
        ),
        DRIVE.astype({"timestamp": "float64", "x": "float64"}),
        DRIVE.assign(note="turn", temperature=21.5)[[*reversed(DRIVE.columns), "note"]],
    ],
    ids=["timestamps as index", "timestamps as range index", "timestamps as floats", "other order and columns"],
)
def test_other_writers_egomotion_reads_alike(frame):
    read = pai.parse_egomotion(files.parquet(frame), "")
    np.testing.assert_array_equal(read.t_us, DRIVE["timestamp"])
    np.testing.assert_array_equal(read.xyz, DRIVE[["x", "y", "z"]])


@pytest.mark.parametrize("dtype", ["Int64", "float64"])
def test_null_timestamps_are_marked(dtype):
    frame = DRIVE.astype({"timestamp": dtype})
    frame.loc[[3, 5], "timestamp"] = pd.NA if dtype == "Int64" else np.nan
    t_us = pai.parse_egomotion(files.parquet(frame), "").t_us
    assert np.flatnonzero(t_us == NO_TIMESTAMP).tolist() == [3, 5]
    assert t_us[4] == DRIVE["timestamp"][4]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "corrupt_member"),
        (b"PAR1 and no more", "corrupt_member"),
        (_spoiled(files.parquet(DRIVE)), "corrupt_member"),
        (files.parquet(DRIVE.drop(columns=["qw", "x"])), "missing_column"),
        (files.parquet(DRIVE.drop(columns="timestamp")), "missing_column"),
        (files.parquet(DRIVE.assign(x="north")), "corrupt_member"),
        (files.parquet(DRIVE.astype({"timestamp": float}).replace({"timestamp": -20_000.0}, np.inf)), "infinite_value"),
    ],
)
def test_egomotion_that_is_none_is_rejected_with_its_file(content, reason):
    with pytest.raises(ClipRejected) as caught:
        pai.parse_egomotion(content, "e.zip::c.parquet")
    assert caught.value.reason == reason
    assert caught.value.hint.startswith("e.zip::c.parquet ")


def test_missing_columns_are_named():
    with pytest.raises(ClipRejected, match=r"\['qw', 'x'\]"):
        pai.parse_egomotion(files.parquet(DRIVE.drop(columns=["qw", "x"])), "")


def test_a_bad_clip_is_an_answer_like_any_other(tmp_path):
    content = files.parquet(DRIVE)
    path = files.write_egomotion(tmp_path, {A: content, B: DRIVE.drop(columns="y"), D: DRIVE})
    files.write_index(tmp_path, [A, B, C, D], invalid=[D])
    whole = path.read_bytes()
    path.write_bytes(whole.replace(content, _spoiled(content)))  # no longer what the checksum says
    read = dict(pai.iter_egomotion(DatasetRoot(tmp_path), "0000"))
    assert {clip: answer.reason for clip, answer in read.items()} == {
        A: "corrupt_member",
        B: "missing_column",
        C: "egomotion_missing",
        D: "clip_invalid",
    }
    for clip in (A, B, C):
        assert f"labels/egomotion/egomotion.chunk_0000.zip::{clip}.egomotion.parquet" in read[clip].hint
        assert str(tmp_path) not in read[clip].hint  # equal datasets give equal tables, wherever they lie


def test_what_nobody_thought_of_rejects_one_clip(tmp_path, monkeypatch):
    files.write_egomotion(tmp_path, {A: DRIVE, B: DRIVE})
    parse = pai.parse_egomotion

    def fail_on_a(content: bytes, source: str) -> Egomotion:
        if A in source:
            raise RuntimeError("surprise")
        return parse(content, source)

    monkeypatch.setattr(pai, "parse_egomotion", fail_on_a)
    read = dict(pai.iter_egomotion(DatasetRoot(tmp_path), "0000"))
    assert read[A].reason == "unreadable"
    assert "surprise" in read[A].hint
    assert isinstance(read[B], Egomotion)


def test_only_the_clips_asked_for_are_read(tmp_path):
    files.write_egomotion(tmp_path, {A: DRIVE, B: b"unread", C: DRIVE})
    read = list(pai.iter_egomotion(DatasetRoot(tmp_path), "0000", [C, A]))
    assert [clip for clip, _ in read] == [A, C]


def test_boxes_become_tracks_in_rig_frame(tmp_path):
    yaw = np.linspace(-3.1, 3.1, 10)
    rotation = 0.5 * Rotation.from_euler("ZYX", np.column_stack([yaw, np.full((10, 2), 0.1)])).as_quat()
    boxes = files.obstacles(**{f"orientation_{axis}": rotation[:, k] for k, axis in enumerate("xyzw")})
    boxes = boxes.assign(label_class=["unicycle"] * 5 + ["person"] * 5, extra=1)
    shuffled = boxes.sample(frac=1, random_state=0).reset_index(drop=True)
    files.write_egomotion(tmp_path, {A: b"", B: b""})
    files.write_obstacles(tmp_path, {B: files.obstacles(tracks=0), A: shuffled})
    tracks = pai.read_tracks(DatasetRoot(tmp_path), "0000")
    assert tracks.clip_ids == {A, B}  # B was looked at: it has no boxes
    assert tracks.degraded == []
    assert tracks.frame.schema == schemas.TRACKS.schema
    assert tracks.frame["t_us"].to_list() == boxes["timestamp_us"].to_list()
    assert tracks.frame["label_class"].to_list() == boxes["label_class"].to_list()
    np.testing.assert_allclose(tracks.frame["heading_rad"], yaw, atol=1e-12)
    first = tracks.frame.select("x_m", "y_m", "z_m", "length_m", "width_m", "height_m").row(9)
    assert first == (20.0, 3.5, 0.8, 4.5, 1.9, 1.6)


def test_track_ids_may_be_numbers_in_some_clips(tmp_path):
    files.write_obstacles(tmp_path, {A: files.obstacles().astype({"track_id": int}), B: files.obstacles()})
    tracks = pai.read_tracks(DatasetRoot(tmp_path), "0000", [A, B])
    assert tracks.frame.group_by("clip_id").agg(pl.col("track_id").unique().sort()).sort("clip_id").rows() == [
        (A, ["0", "1"]),
        (B, ["0", "1"]),
    ]


@pytest.mark.parametrize(
    ("boxes", "reason", "hint"),
    [
        (
            files.obstacles(reference_frame=["rig"] * 9 + ["camera"]),
            "tracks_not_in_rig_frame",
            "1 boxes of .* 'camera'",
        ),
        (files.obstacles(reference_frame=None), "tracks_not_in_rig_frame", "10 boxes"),
        (files.obstacles().drop(columns="size_x"), "tracks_unreadable", r"\['size_x'\]"),
        (files.obstacles(center_x="near"), "tracks_unreadable", "near"),
        (b"PAR1", "tracks_unreadable", "holds no tracks"),
    ],
)
def test_tracks_that_cannot_be_used_are_degraded(tmp_path, boxes, reason, hint):
    files.write_obstacles(tmp_path, {A: boxes, B: files.obstacles()})
    tracks = pai.read_tracks(DatasetRoot(tmp_path), "0000", [A, B])
    assert tracks.clip_ids == {B}
    assert tracks.frame["clip_id"].unique().to_list() == [B]
    (row,) = tracks.degraded
    assert (row["clip_id"], row["severity"], row["feature"], row["reason"]) == (A, "degraded", "tracks", reason)
    assert re.search(hint, row["hint"])


def test_boxes_that_are_no_numbers_are_dropped_and_counted(tmp_path):
    boxes = files.obstacles().astype({"timestamp_us": "Int64"})
    boxes.loc[0, "center_x"] = np.nan
    boxes.loc[1, "size_y"] = np.inf
    boxes.loc[2, "orientation_w"] = 0.0  # no rotation
    boxes.loc[3, "timestamp_us"] = pd.NA
    boxes.loc[6, "timestamp_us"] = boxes.loc[5, "timestamp_us"]
    files.write_obstacles(tmp_path, {A: boxes})
    tracks = pai.read_tracks(DatasetRoot(tmp_path), "0000", [A])
    assert tracks.clip_ids == {A}
    assert tracks.frame.select("track_id", "t_us").rows() == [
        ("0", 400_000), ("1", 0), ("1", 200_000), ("1", 300_000), ("1", 400_000)
    ]  # fmt: skip
    (row,) = tracks.degraded
    assert row["reason"] == "tracks_rows_dropped"
    assert row["hint"].startswith("5 of 10 boxes")


def test_a_chunk_without_obstacles_is_said_once(tmp_path):
    files.write_egomotion(tmp_path, {A: b"", B: b""})
    tracks = pai.read_tracks(DatasetRoot(tmp_path), "0000")
    assert tracks.frame.schema == schemas.TRACKS.schema
    assert [(row["clip_id"], row["reason"]) for row in tracks.degraded] == [(None, "tracks_missing")]


def test_clips_without_obstacles_are_said_each(tmp_path):
    path = files.write_obstacles(tmp_path, {A: files.obstacles(), B: files.obstacles()})
    root = DatasetRoot(tmp_path)
    assert [(row["clip_id"], row["reason"]) for row in pai.read_tracks(root, "0000", [A, C]).degraded] == [
        (C, "tracks_missing")
    ]
    path.write_bytes(path.read_bytes()[:-2000])  # the download was cut short
    tracks = pai.read_tracks(root, "0000", [A, B])
    assert tracks.clip_ids == {A}
    assert [(row["clip_id"], row["reason"]) for row in tracks.degraded] == [
        (None, "archive_damaged"),
        (B, "tracks_missing"),
    ]


def test_a_clip_has_video_where_both_members_are_there(tmp_path):
    names = [f"{A}.{files.CAMERA}.mp4", f"{A}.{files.CAMERA}.timestamps.parquet", f"{B}.{files.CAMERA}.mp4"]
    files.write_archive(tmp_path, files.CAMERA, dict.fromkeys(names, b""))
    assert pai.camera_members(DatasetRoot(tmp_path), "0000", files.CAMERA) == {A}
    assert pai.camera_members(DatasetRoot(tmp_path), "0001", files.CAMERA) == set()


def test_camera_timestamps_are_read_as_recorded(tmp_path):
    t_us = np.arange(5) * 33_333 - 1000
    good = pd.DataFrame({"timestamp": t_us, "frame": range(5)})
    members = {A: good, B: good.drop(columns="timestamp"), C: good.assign(timestamp=pd.array([None] * 5, "Int64"))}
    content = {f"{clip}.{files.CAMERA}.timestamps.parquet": files.parquet(frame) for clip, frame in members.items()}
    files.write_archive(tmp_path, files.CAMERA, content)
    root = DatasetRoot(tmp_path)
    read = pai.read_camera_timestamps(root, "0000", files.CAMERA, A)
    assert read.dtype == np.int64
    np.testing.assert_array_equal(read, t_us)
    for clip in (B, C, D):
        with pytest.raises(MemberError, match=clip):
            pai.read_camera_timestamps(root, "0000", files.CAMERA, clip)


@pytest.mark.parametrize("cores", [1, 3])
def test_any_number_of_cores_reads_the_same_in_the_same_order(tmp_path, monkeypatch, cores):
    drives = {clip: files.egomotion() for clip in (B, A, C)}
    files.write_egomotion(tmp_path, drives)
    monkeypatch.setattr(pai, "_cores", lambda: cores)
    read = list(pai.iter_egomotion(DatasetRoot(tmp_path), "0000"))
    assert [clip for clip, _ in read] == sorted((A, B, C))
    assert all(isinstance(ego, Egomotion) and ego.t_us.size == len(drives[clip]) for clip, ego in read)


def test_columns_below_another_are_none_of_the_members(tmp_path):
    frame = files.egomotion()
    nested = pl.DataFrame(frame).select("timestamp", pose=pl.struct(pl.exclude("timestamp")))
    nested.write_parquet(tmp_path / "nested.parquet")
    with pytest.raises(ClipRejected, match="missing_column"):
        pai.parse_egomotion((tmp_path / "nested.parquet").read_bytes(), "clip")
