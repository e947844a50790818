"""What a model is told about a keyframe: frames, timeline, speeds, and the digest of its video."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from coc_assets.clip_videos.sampling import asked_instants, shown_frames
from coc_assets.raw_coc.vlm.view import KeyframeView
from coc_assets.raw_coc.vlm.views import keyframe_views, video_digests
from resources import schemas
from resources.dataset import DatasetRoot
from resources.settings.videos import VideoSettings

CAMERA = VideoSettings().camera
CHUNK = "0007"
T0_US = 6_012_345
FRAME = 60
# A video of 20 s at an irregular 30 Hz.
TIMES_US = -20_000 + np.concatenate([[0], np.cumsum(np.random.default_rng(3).integers(32_000, 35_000, 599))])


def keyframes(*rows: tuple[str, int]) -> pl.DataFrame:
    """Keyframes at frames of clips."""
    made = [
        {"keyframe_id": f"{clip_id}-{frame}", "clip_id": clip_id, "frame": frame, "t0_us": at(frame)}
        for clip_id, frame in rows
    ]
    return schemas.rows_to_frame(made, schemas.KEYFRAMES)


def at(frame: int) -> int:
    return T0_US + (frame - FRAME) * 100_000


def segment(keyframe_id: str, t0_us: int, settings: VideoSettings, times_us: np.ndarray = TIMES_US) -> dict[str, Any]:
    shown = shown_frames(times_us, t0_us, settings)
    lists = {name: getattr(shown, name).tolist() for name in ("frame_us", "source_frame", "missing_us")}
    return {"keyframe_id": keyframe_id, "camera": settings.camera, "status": "on_demand"} | lists


def ego(clip_id: str, heading: Callable[[float], float], speed_mps: float = 10.0, frames: int = 200) -> pl.DataFrame:
    """An ego that goes where its heading points: trajectories by numerical integration of the heading."""
    t_s = np.arange(frames) / 10
    angle = np.array([heading(t) for t in t_s])
    x, y = (np.cumsum(speed_mps * direction(angle)) * 0.1 for direction in (np.cos, np.sin))
    return trajectories(clip_id, angle, np.gradient(x, 0.1), np.gradient(y, 0.1), np.full(frames, speed_mps))


def trajectories(clip_id: str, heading: np.ndarray, vx: np.ndarray, vy: np.ndarray, along: np.ndarray) -> pl.DataFrame:
    columns = {"heading_rad": heading, "vx_mps": vx, "vy_mps": vy, "speed_along_heading_mps": along}
    frame = pl.DataFrame({"frame": np.arange(heading.size, dtype=np.int32), **columns}).with_columns(
        clip_id=pl.lit(clip_id)
    )
    return schemas.conform(frame, schemas.TRAJECTORIES)


def spans(clip_id: str, *rows: tuple[str, str, int, int]) -> pl.DataFrame:
    made = [
        {"clip_id": clip_id, "axis": axis, "action": action, "start_frame": start, "end_frame": end}
        for axis, action, start, end in rows
    ]
    return schemas.rows_to_frame(made, schemas.META_ACTION_SPANS)


def view_of(
    frame: int = FRAME,
    *,
    row: dict[str, Any] | None = None,
    path: pl.DataFrame | None = None,
    actions: pl.DataFrame | None = None,
    settings: VideoSettings | None = None,
    videos: dict[str, str] | None = None,
) -> KeyframeView:
    """The view of one keyframe of clip `a`."""
    settings = settings or VideoSettings()
    cut = segment(f"a-{frame}", at(frame), settings) | (row or {})
    (view,) = keyframe_views(
        keyframes(("a", frame)),
        schemas.rows_to_frame([cut], schemas.SEGMENTS),
        spans("a") if actions is None else actions,
        ego("a", lambda t: 0.0) if path is None else path,
        videos or {},
        settings,
    )
    return view


def test_frames_are_split_at_the_keyframe() -> None:
    view = view_of()
    assert (view.keyframe_id, view.clip_id, view.t0_us) == ("a-60", "a", T0_US)
    assert [frame.asked_s for frame in view.history] == [-2.0, -1.5, -1.0, -0.5, 0.0]
    assert [frame.asked_s for frame in view.future] == [0.5 * k for k in range(1, 12)]
    assert all(frame.frame_us <= T0_US for frame in view.history)
    assert all(frame.frame_us > T0_US for frame in view.future)
    assert (view.missing_s, view.problem) == ((), None)
    for frame in view.history + view.future:
        assert TIMES_US[frame.source_frame] == frame.frame_us
        assert 0 <= T0_US + round(frame.asked_s * 1e6) - frame.frame_us < 35_000


@pytest.mark.parametrize(
    ("frame", "history_s", "last_s", "missing_s"),
    [
        (10, [-1.0, -0.5, 0.0], 5.5, (-2.0, -1.5)),  # t0 is 1.01 s
        (170, [-2.0, -1.5, -1.0, -0.5, 0.0], 3.0, (3.5, 4.0, 4.5, 5.0, 5.5)),  # t0 is 17.01 s, the video ends at 20.05
    ],
)
def test_near_the_ends_each_frame_keeps_its_own_instant(
    frame: int, history_s: list[float], last_s: float, missing_s: tuple[float, ...]
) -> None:
    view = view_of(frame)
    assert [shown.asked_s for shown in view.history] == history_s
    assert (view.future[-1].asked_s, view.missing_s) == (last_s, missing_s)
    for shown in view.history + view.future:
        assert 0 <= at(frame) + round(shown.asked_s * 1e6) - shown.frame_us < 35_000


def test_instants_missing_in_the_middle_do_not_shift_the_later_ones() -> None:
    settings = VideoSettings()
    whole = segment("a-60", T0_US, settings)
    asked = asked_instants(T0_US, settings).tolist()
    keep = [k for k in range(16) if k not in (2, 9)]
    lists = {name: [whole[name][k] for k in keep] for name in ("frame_us", "source_frame")}
    view = view_of(row=lists | {"missing_us": [asked[2], asked[9]]})
    assert view.missing_s == (-1.0, 2.5)
    assert [frame.asked_s for frame in view.history] == [-2.0, -1.5, -0.5, 0.0]
    assert (view.future[4].asked_s, view.future[4].source_frame) == (3.0, whole["source_frame"][10])


def test_other_steps() -> None:
    view = view_of(settings=VideoSettings(history_s=0.5, future_s=0.6, sample_step_s=0.25))
    assert [frame.asked_s for frame in view.history] == [-0.5, -0.25, 0.0]
    assert [frame.asked_s for frame in view.future] == [0.25, 0.5]


ALL_MISSING = tuple(k / 2 for k in range(-4, 12))
NO_FRAMES: dict[str, Any] = {"frame_us": [], "source_frame": []}
PROBLEMS = {
    "no_video": ({"status": "no_video", **NO_FRAMES, "missing_us": asked_instants(T0_US, VideoSettings()).tolist()}),
    "undecodable": ({"status": "undecodable", **NO_FRAMES, "missing_us": []}),  # as cutting leaves it
    "no_history_frames": segment("a-60", T0_US, VideoSettings(), TIMES_US[TIMES_US > T0_US + 700_000]),
}


@pytest.mark.parametrize("reason", PROBLEMS)
def test_problems_are_named_and_the_rest_is_still_told(reason: str) -> None:
    view = view_of(row=PROBLEMS[reason], path=ego("a", lambda t: 0.0))
    assert view.problem is not None and view.problem.startswith(f"{reason}: ") and CAMERA in view.problem
    assert view.history == ()
    assert len(view.timeline) == len(view.speeds) == 17
    if reason == "no_history_frames":
        assert view.future[0].asked_s == 1.0 and view.missing_s == (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5)
    else:
        assert (view.future, view.missing_s) == ((), ALL_MISSING)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"camera": "camera_rear_left_70fov"}, "no row of camera_front_wide_120fov"),
        (segment("a-60", T0_US, VideoSettings(future_s=3.0)), "10 frames and 0 missing instants for 16"),
        ({"missing_us": [T0_US + 250_000]}, "16 frames and 1 missing instants for 16"),
    ],
)
def test_segments_of_other_settings_are_refused(row: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"{said}.* keyframe a-60. Run clip_videos"):
        view_of(row=row)


def test_a_keyframe_outside_its_clip_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a-60 lies at frame 60 of clip a.* Run keyframe_segments"):
        view_of(path=ego("a", lambda t: 0.0, frames=60))


def test_timeline_takes_each_axis_half_open() -> None:
    actions = spans(
        "a",
        ("longitudinal", "maintain_speed", 0, 60),
        ("longitudinal", "gentle_deceleration", 60, 80),
        ("longitudinal", "stop", 80, 121),
        ("lateral", "go_straight", 0, 65),
        ("lane", "left_lane_change", 75, 76),
    )
    timeline = view_of(actions=actions).timeline
    assert [row.asked_s for row in timeline] == [k / 2 for k in range(-4, 13)]
    told = ["maintain_speed"] * 4 + ["gentle_deceleration"] * 4 + ["stop"] * 9
    assert [row.longitudinal for row in timeline] == told
    assert [row.lateral for row in timeline] == ["go_straight"] * 5 + [None] * 12
    assert [(row.asked_s, row.lane) for row in timeline if row.lane] == [(1.5, "left_lane_change")]


@pytest.mark.parametrize(
    ("frame", "frames", "first_s", "last_s"), [(60, 200, -2.0, 6.0), (7, 200, -0.5, 6.0), (150, 173, -2.0, 2.0)]
)
def test_timeline_and_speeds_end_with_the_clip(frame: int, frames: int, first_s: float, last_s: float) -> None:
    view = view_of(frame, path=ego("a", lambda t: 0.0, frames=frames), actions=spans("a", ("lane", "keep", 0, 999)))
    for told in (view.timeline, view.speeds):
        assert (told[0].asked_s, told[-1].asked_s) == (first_s, last_s)
        assert len(told) == 1 + round((last_s - first_s) * 2)
    assert all(row.lane == "keep" for row in view.timeline)


HEADINGS = [0.0, 0.7, math.pi / 2, 3.0, math.pi, -2.0, -math.pi / 2]


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("turn", [1, -1], ids=["left", "right"])
def test_a_turn_to_the_left_goes_left(heading: float, turn: int) -> None:
    """The ego drives straight until t0 and then turns; left is to the left of where it points at t0."""
    speeds = view_of(path=ego("a", lambda t: heading + turn * 0.2 * max(t - 6.0, 0))).speeds
    assert [row.left_mps for row in speeds[:4]] == pytest.approx([0.0] * 4, abs=1e-9)
    for row in speeds[5:]:
        assert row.left_mps * turn > 0
        assert row.left_mps == pytest.approx(turn * 10 * math.sin(0.2 * row.asked_s), abs=0.15)
        assert row.along_mps == pytest.approx(10.0)


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("left_mps", [0.8, -0.8])
def test_a_drift_to_the_left_without_turning_goes_left(heading: float, left_mps: float) -> None:
    """The heading stays while the ego moves sideways, as its positions have it; reversing changes no side."""
    t_s = np.arange(200) / 10
    for along_mps in (12.0, -3.0):
        ahead, aside = along_mps * t_s, left_mps * t_s
        # Complex numbers turn forward and left (i) into the local frame.
        position = (ahead + 1j * aside) * np.exp(1j * heading)
        velocity = np.gradient(position, 0.1)
        path = trajectories("a", np.full(200, heading), velocity.real, velocity.imag, np.full(200, along_mps))
        speeds = view_of(path=path).speeds
        assert [row.left_mps for row in speeds] == pytest.approx([left_mps] * 17)
        assert [row.along_mps for row in speeds] == pytest.approx([along_mps] * 17)


def test_views_keep_the_keyframes_order_and_their_own_rows() -> None:
    rows: Sequence[tuple[str, int]] = [("b", 90), ("a", 60), ("b", 30)]
    settings = VideoSettings()
    made = [segment(f"{clip_id}-{frame}", at(frame), settings) for clip_id, frame in rows]
    other = {**made[0], "camera": "camera_rear_left_70fov", "status": "no_video"}
    views = keyframe_views(
        keyframes(*rows),
        schemas.rows_to_frame([*made[::-1], other], schemas.SEGMENTS),
        pl.concat([spans("a", ("lane", "of_a", 0, 200)), spans("b", ("lane", "of_b", 0, 200))]),
        pl.concat([ego("b", lambda t: 0.0, 5.0), ego("a", lambda t: 0.0, 9.0)]),
        {"a": "0123456789abcdef"},
        settings,
    )
    assert [view.keyframe_id for view in views] == ["b-90", "a-60", "b-30"]
    assert [view.timeline[4].lane for view in views] == ["of_b", "of_a", "of_b"]
    assert [view.speeds[4].along_mps for view in views] == pytest.approx([5.0, 9.0, 5.0])
    assert [view.video for view in views] == [None, "0123456789abcdef", None]
    assert [view.history[-1].source_frame for view in views] == [row["source_frame"][4] for row in made]


def camera_archive(folder: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> DatasetRoot:
    path = folder / f"camera/{CAMERA}/{CAMERA}.chunk_{CHUNK}.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("*", CAMERA), content)
    return DatasetRoot(folder)


def test_digests_follow_the_content_of_video_and_timestamps(tmp_path: Path) -> None:
    base = {"a.*.mp4": b"video", "a.*.timestamps.parquet": b"times"}
    more = {"b.*.mp4": b"video", "b.*.timestamps.parquet": b"times", "c.*.mp4": b"without timestamps"}
    first = video_digests(camera_archive(tmp_path / "1", base | more), CHUNK, CAMERA, ["a", "b", "c", "d"])
    assert sorted(first) == ["a", "b"] and first["a"] == first["b"]
    assert len(first["a"]) == 16 and int(first["a"], 16)
    again = video_digests(camera_archive(tmp_path / "2", base, zipfile.ZIP_DEFLATED), CHUNK, CAMERA, ["a"])
    assert again == {"a": first["a"]}
    for folder, changed in (("3", {"a.*.mp4": b"viedo"}), ("4", {"a.*.timestamps.parquet": b"times "})):
        other = video_digests(camera_archive(tmp_path / folder, base | changed), CHUNK, CAMERA, ["a"])
        assert other["a"] != first["a"]


def test_without_an_archive_there_are_no_digests(tmp_path: Path) -> None:
    assert video_digests(DatasetRoot(tmp_path), CHUNK, CAMERA, ["a"]) == {}
