"""Small hand-made clips: an ego on a given speed and curvature, and boxes around it, as the chunk's tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from coc_assets.raw_coc.rules.label import label_keyframes
from resources import schemas
from resources.settings.labels import RulesSettings

Points = Sequence[tuple[float, float]]
FINE_S = 0.01
SECONDS = 20.0
FIRST_US = -40_000


def through(points: Points) -> Callable[[np.ndarray], np.ndarray]:
    """Linear between the points, constant outside."""
    at, values = zip(*points, strict=True)
    return lambda t: np.interp(t, at, values)


def swerve(*moves: tuple[float, float, float]) -> Callable[[np.ndarray], np.ndarray]:
    """Curvature over the driven way of smooth moves to the left, each (begin, length, offset), m."""

    def curvature(s: np.ndarray) -> np.ndarray:
        total = np.zeros_like(s)
        for begin, length, offset in moves:
            u = np.clip((s - begin) / length, 0.0, 1.0)
            total += offset / length**2 * 60 * u * (1 - u) * (1 - 2 * u)
        return total

    return curvature


def arc(begin: float, length: float, angle: float) -> Callable[[np.ndarray], np.ndarray]:
    """Curvature of one bend to the left over the driven way, with short clothoids at its ends."""
    ramp = 0.15 * length
    top = angle / (length - ramp)
    return through([(begin, 0.0), (begin + ramp, top), (begin + length - ramp, top), (begin + length, 0.0)])


@dataclass(frozen=True)
class Drive:
    """The ego at 100 Hz from FIRST_US on, starting at the origin along +x."""

    speed: Points
    curvature: Callable[[np.ndarray], np.ndarray] = field(default=through([(0.0, 0.0)]))
    seconds: float = SECONDS

    def states(self) -> dict[str, np.ndarray]:
        t = np.arange(0, round(self.seconds / FINE_S) + 1) * FINE_S
        speed = through(self.speed)(t)
        way = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 * FINE_S)])
        turn = self.curvature(np.abs(way)) * speed
        heading = np.concatenate([[0.0], np.cumsum((turn[1:] + turn[:-1]) / 2 * FINE_S)])
        x, y = (
            np.concatenate([[0.0], np.cumsum((v[1:] + v[:-1]) / 2 * FINE_S)])
            for v in (speed * np.cos(heading), speed * np.sin(heading))
        )
        t_us = FIRST_US + np.round(t * 1e6).astype(np.int64)
        return {"t_us": t_us, "x": x, "y": y, "heading": heading, "speed": speed, "way": way}

    def way_at(self, second: float) -> float:
        states = self.states()
        return float(np.interp(second, (states["t_us"] - FIRST_US) / 1e6, states["way"]))


@dataclass(frozen=True)
class Box:
    """An actor whose centre goes through points over seconds since the first frame, local frame."""

    track_id: str
    x: Points
    y: Points
    heading: float = 0.0
    label_class: str = "automobile"
    length: float = 4.6
    width: float = 1.9
    seen: tuple[float, float] = (0.0, SECONDS)


def person(track_id: str, x: Points, y: Points, **more: object) -> Box:
    return Box(track_id, x, y, label_class="person", length=0.6, width=0.6, **({"heading": np.pi / 2} | more))  # type: ignore[arg-type]


def trajectory(drive: Drive, clip_id: str = "clip") -> pl.DataFrame:
    states = {name: values[::10] for name, values in drive.states().items()}
    heading, speed = states["heading"], states["speed"]
    return schemas.conform(
        pl.DataFrame(
            {
                "chunk": ["0000"] * len(speed),
                "clip_id": [clip_id] * len(speed),
                "frame": np.arange(len(speed)),
                "t_us": states["t_us"],
                "x_m": states["x"],
                "y_m": states["y"],
                "z_m": np.zeros(len(speed)),
                "heading_rad": np.remainder(heading + np.pi, 2 * np.pi) - np.pi,
                "vx_mps": speed * np.cos(heading),
                "vy_mps": speed * np.sin(heading),
                "speed_mps": np.abs(speed),
                "speed_along_heading_mps": speed,
                "acceleration_mps2": np.gradient(np.abs(speed), 0.1),
            }
        ),
        schemas.TRAJECTORIES,
    )


def tracks(drive: Drive, boxes: Sequence[Box], clip_id: str = "clip") -> pl.DataFrame:
    """The boxes in the rig frame at their own instants, 30 ms off the frames."""
    states = drive.states()
    rows = [_track_rows(states, box, clip_id) for box in boxes]
    return schemas.conform(pl.concat(rows), schemas.TRACKS) if rows else schemas.empty(schemas.TRACKS)


def _track_rows(states: dict[str, np.ndarray], box: Box, clip_id: str) -> pl.DataFrame:
    t_us = states["t_us"][3::10]
    second = (t_us - FIRST_US) / 1e6
    t_us, second = (values[(second >= box.seen[0]) & (second <= box.seen[1])] for values in (t_us, second))
    x, y, yaw = (np.interp(t_us, states["t_us"], states[name]) for name in ("x", "y", "heading"))
    dx, dy = through(box.x)(second) - x, through(box.y)(second) - y
    count = len(t_us)
    return pl.DataFrame(
        {
            "chunk": ["0000"] * count,
            "clip_id": [clip_id] * count,
            "track_id": [box.track_id] * count,
            "label_class": [box.label_class] * count,
            "t_us": t_us,
            "x_m": dx * np.cos(yaw) + dy * np.sin(yaw),
            "y_m": dy * np.cos(yaw) - dx * np.sin(yaw),
            "z_m": np.full(count, 0.8),
            "length_m": np.full(count, box.length),
            "width_m": np.full(count, box.width),
            "height_m": np.full(count, 1.6),
            "heading_rad": box.heading - yaw,
        }
    )


def clips(ids: Sequence[str], has_tracks: bool = True) -> pl.DataFrame:
    rows = [{"chunk": "0000", "clip_id": clip_id, "frames": 201, "has_tracks": has_tracks} for clip_id in ids]
    return schemas.rows_to_frame(rows, schemas.CLIPS)


def keyframes(frames: Sequence[int], clip_id: str = "clip") -> pl.DataFrame:
    rows = []
    for frame in frames:
        t0_us = FIRST_US + frame * 100_000
        rows.append({"keyframe_id": f"{clip_id}-{t0_us:08d}", "clip_id": clip_id, "frame": frame, "t0_us": t0_us})
    return schemas.rows_to_frame(rows, schemas.KEYFRAMES)


def label(
    drive: Drive, boxes: Sequence[Box], frame: int, settings: RulesSettings | None = None, has_tracks: bool = True
) -> dict[str, object]:
    """The label of one keyframe of one clip, as a row."""
    frame_of = label_keyframes(
        clips(["clip"], has_tracks),
        trajectory(drive),
        tracks(drive, boxes),
        keyframes([frame]),
        schemas.empty(schemas.META_ACTION_SPANS),
        settings or RulesSettings(),
    )
    return frame_of.row(0, named=True)
