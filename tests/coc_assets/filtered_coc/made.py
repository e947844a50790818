"""Driven paths and label rows with answers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import polars as pl

from resources import schemas

FRAME_S = 0.1
KEYFRAME = 40
FRAMES = 201


def drive(
    speed: np.ndarray | float, curvature: np.ndarray | float = 0.0, *, clip_id: str = "c", heading: float = 0.3
) -> pl.DataFrame:
    """Trajectories of one clip: speed along the heading (m/s) and curvature (1/m) a frame, integrated finely."""
    speed = np.broadcast_to(np.asarray(speed, float), FRAMES if np.ndim(speed) == 0 else np.shape(speed))
    curvature = np.broadcast_to(np.asarray(curvature, float), speed.shape)
    fine = 20
    ticks = np.arange(len(speed) * fine) / fine
    v, k = (np.interp(ticks, np.arange(len(speed)), values) for values in (speed, curvature))
    dt = FRAME_S / fine
    yaw = heading + np.concatenate([[0.0], np.cumsum(v * k * dt)[:-1]])
    x, y = (np.concatenate([[0.0], np.cumsum(v * part(yaw) * dt)[:-1]]) for part in (np.cos, np.sin))
    yaw, x, y = yaw[::fine], x[::fine], y[::fine]
    rows = pl.DataFrame(
        {
            "chunk": ["0000"] * len(speed),
            "clip_id": [clip_id] * len(speed),
            "frame": np.arange(len(speed)),
            "t_us": np.arange(len(speed)) * 100_000,
            "x_m": x,
            "y_m": y,
            "z_m": np.zeros(len(speed)),
            "heading_rad": np.remainder(yaw + np.pi, 2 * np.pi) - np.pi,
            "vx_mps": speed * np.cos(yaw),
            "vy_mps": speed * np.sin(yaw),
            "speed_mps": np.abs(speed),
            "speed_along_heading_mps": speed,
        }
    )
    return schemas.conform(rows, schemas.TRAJECTORIES)


def ramp(*points: tuple[int, float], frames: int = FRAMES) -> np.ndarray:
    """A value a frame, linear between (frame, value) points and constant outside them."""
    return np.interp(np.arange(frames), [at for at, _ in points], [value for _, value in points])


def pulse(value: float, first: int, end: int) -> np.ndarray:
    """The value on frames [first, end), zero elsewhere."""
    frames = np.arange(FRAMES)
    return np.where((frames >= first) & (frames < end), value, 0.0)


def keyframes(*frames: int, clip_id: str = "c") -> pl.DataFrame:
    rows = [
        {
            "chunk": "0000",
            "keyframe_id": keyframe_id(frame, clip_id),
            "clip_id": clip_id,
            "frame": frame,
            "t0_us": frame * 100_000,
            "event_start_frame": frame + 5,
            "event_end_frame": frame + 25,
        }
        for frame in frames
    ]
    return schemas.rows_to_frame(rows, schemas.KEYFRAMES)


def keyframe_id(frame: int, clip_id: str = "c") -> str:
    return f"{clip_id}-{frame * 100_000:08d}"


def label(frame: int = KEYFRAME, clip_id: str = "c", **columns: object) -> dict[str, object]:
    """A usable label of the frame's keyframe: keeps its speed and its lane; any column may be given."""
    labeler = columns.get("labeler", "rules")
    return {
        "chunk": "0000",
        "label_id": f"{keyframe_id(frame, clip_id)}/{labeler}",
        "keyframe_id": keyframe_id(frame, clip_id),
        "clip_id": clip_id,
        "t0_us": frame * 100_000,
        "labeler": labeler,
        "status": "ok",
        "scenario": "free_driving",
        "longitudinal_decision": "set_speed_tracking",
        "lateral_decision": "lane_keeping",
        "components": [],
        "trace": "Keep the speed and stay in the lane because the road ahead is free.",
        "perception": "The road ahead is free.",
        "prediction": "Nothing changes.",
        "planning": "The ego keeps its speed.",
        "justification": "Nothing calls for another speed.",
    } | columns


def labels(*rows: dict[str, object]) -> pl.DataFrame:
    return schemas.rows_to_frame(list(rows), schemas.RAW_COC)


def component(**columns: object) -> dict[str, object]:
    return {
        "rank": 1,
        "category": "critical_object",
        "phrase": "the lead vehicle",
        "attributes": [],
        "track_id": None,
        "seen_from_us": None,
        "seen_to_us": None,
    } | columns


def boxes(
    track_id: str, *, label_class: str = "automobile", first_us: int, last_us: int, x_m: float, clip_id: str = "c"
) -> pl.DataFrame:
    """Boxes of one track every 0.1 s, at a fixed place in the rig frame."""
    rows = [
        {
            "chunk": "0000",
            "clip_id": clip_id,
            "track_id": track_id,
            "label_class": label_class,
            "t_us": t_us,
            "x_m": x_m,
            "y_m": 0.0,
        }
        for t_us in range(first_us, last_us + 1, 100_000)
    ]
    return schemas.rows_to_frame(rows, schemas.TRACKS)


def figures(measurements: pl.DataFrame, label_id: str | None = None) -> dict[str, float | None]:
    """Value by name, of one label."""
    rows = measurements if label_id is None else measurements.filter(pl.col("label_id") == label_id)
    return dict(rows.select("name", "value").iter_rows())
