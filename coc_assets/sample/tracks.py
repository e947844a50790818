"""What the sensors write down of a scene: egomotion rows and obstacle rows, columns as the dataset names them."""

from __future__ import annotations

import numpy as np
import polars as pl

from coc_assets.sample.world import Actor, Path2D, Scene

EGOMOTION_COLUMNS = (
    "timestamp", "qx", "qy", "qz", "qw", "x", "y", "z", "vx", "vy", "vz", "ax", "ay", "az", "curvature",
)  # fmt: skip
OBSTACLE_SCHEMA = {
    "timestamp_us": pl.Int64,
    "track_id": pl.String,
    "label_class": pl.String,
    "center_x": pl.Float64,
    "center_y": pl.Float64,
    "center_z": pl.Float64,
    "size_x": pl.Float64,
    "size_y": pl.Float64,
    "size_z": pl.Float64,
    "orientation_x": pl.Float64,
    "orientation_y": pl.Float64,
    "orientation_z": pl.Float64,
    "orientation_w": pl.Float64,
    "reference_frame": pl.String,
    "reference_frame_timestamp_us": pl.Int64,
}
LAST_US = 20_000_000
_POSITION_NOISE_M, _SPEED_NOISE_MPS, _TILT_NOISE_RAD, _HEADING_NOISE_RAD = 0.001, 0.004, 2e-4, 2e-5
_CURVATURE_NOISE, _ACCELERATION_NOISE = 1e-6, 0.02
_NOISE_OVER_S = 0.5


def egomotion_clock(rng: np.random.Generator) -> np.ndarray:
    """(N,) int64 µs: about 100 Hz from up to 0.12 s before the clip's time 0 to shortly after 20 s."""
    first = -int(rng.integers(5_000, 120_000))
    end = LAST_US + int(rng.integers(20_000, 120_000))
    regular = np.arange(first, end, 10_000, dtype=np.int64)
    jitter = rng.integers(-150, 151, len(regular))
    jitter[0] = 0
    return regular + jitter


def obstacle_clock(rng: np.random.Generator) -> np.ndarray:
    """(M,) int64 µs: about 10 Hz within the clip."""
    regular = np.arange(int(rng.integers(0, 100_000)), LAST_US, 100_000, dtype=np.int64)
    return np.maximum(regular + rng.integers(-2_500, 2_501, len(regular)), 0)


def camera_clock(rng: np.random.Generator) -> np.ndarray:
    """(K,) int64 µs: 30 frames a second from −0.33 … +0.03 s on, at intervals that are not exactly 1/30 s."""
    first = int(rng.integers(-330_000, 30_001))
    period = 1e6 / 30 * (1 + rng.uniform(-4e-4, 4e-4))
    count = int((LAST_US + 60_000 - first) / period) + 1
    instants = first + np.arange(count) * period + rng.uniform(-60, 60, count)
    instants[0] = first
    return np.round(instants).astype(np.int64)


def pose_at(path: Path2D, t_us: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y (m) and heading (rad) between a path's instants."""
    x, y, heading = (np.interp(t_us, path.t_us, values) for values in (path.x, path.y, path.heading))
    return x, y, heading


def egomotion_rows(scene: Scene, t_us: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """The ego's states at the given instants, local frame, with millimetres of slow sensor noise.

    Velocities and accelerations are those of the rear axle, which does not slip: v along the heading, v²·curvature to
    the left.
    """
    ego = scene.ego
    x, y, heading = pose_at(ego, t_us)
    speed, curvature = (np.interp(t_us, ego.t_us, values) for values in (ego.speed, ego.curvature))
    gained = np.interp(t_us, ego.t_us, np.gradient(ego.speed, ego.t_us / 1e6))
    sideways = speed**2 * curvature

    def noise(sigma: float) -> np.ndarray:
        return _slow_noise(rng, t_us, sigma)

    cos, sin = np.cos(heading), np.sin(heading)
    quaternion = _quaternion(noise(_TILT_NOISE_RAD), noise(_TILT_NOISE_RAD), heading + noise(_HEADING_NOISE_RAD))
    columns = {
        "timestamp": t_us,
        **{name: np.round(quaternion[:, k], 9) for k, name in enumerate(("qx", "qy", "qz", "qw"))},
        "x": x + noise(_POSITION_NOISE_M),
        "y": y + noise(_POSITION_NOISE_M),
        "z": noise(_POSITION_NOISE_M),
        "vx": speed * cos + noise(_SPEED_NOISE_MPS),
        "vy": speed * sin + noise(_SPEED_NOISE_MPS),
        "vz": noise(_SPEED_NOISE_MPS),
        "ax": gained * cos - sideways * sin + noise(_ACCELERATION_NOISE),
        "ay": gained * sin + sideways * cos + noise(_ACCELERATION_NOISE),
        "az": noise(_ACCELERATION_NOISE),
        "curvature": np.round(curvature + noise(_CURVATURE_NOISE), 9),
    }
    rounded = pl.col("x", "y", "z", "vx", "vy", "vz", "ax", "ay", "az").round(6)
    return pl.DataFrame(columns).with_columns(rounded).select(EGOMOTION_COLUMNS)


def obstacle_rows(scene: Scene, t_us: np.ndarray, reach_m: float) -> pl.DataFrame:
    """Boxes of all actors within `reach_m` of the ego, each in the rig frame at its own instant."""
    rows = [_rows_of(scene.ego, actor, t_us, reach_m) for actor in scene.actors]
    empty = pl.DataFrame(schema=OBSTACLE_SCHEMA)
    return pl.concat([empty, *rows]).sort("timestamp_us", "track_id")


def _rows_of(ego: Path2D, actor: Actor, t_us: np.ndarray, reach_m: float) -> pl.DataFrame:
    ego_x, ego_y, ego_heading = pose_at(ego, t_us)
    x, y, heading = pose_at(actor.path, t_us)
    east, north = x - ego_x, y - ego_y
    cos, sin = np.cos(ego_heading), np.sin(ego_heading)
    seen = np.hypot(east, north) <= reach_m
    half_yaw = (heading - ego_heading) / 2
    count = int(seen.sum())
    columns = {
        "timestamp_us": t_us[seen],
        "track_id": [actor.track_id] * count,
        "label_class": [actor.label_class] * count,
        "center_x": np.round(east * cos + north * sin, 6)[seen],
        "center_y": np.round(north * cos - east * sin, 6)[seen],
        "center_z": np.full(count, actor.height / 2),
        "size_x": np.full(count, actor.length),
        "size_y": np.full(count, actor.width),
        "size_z": np.full(count, actor.height),
        "orientation_x": np.zeros(count),
        "orientation_y": np.zeros(count),
        "orientation_z": np.round(np.sin(half_yaw), 9)[seen],
        "orientation_w": np.round(np.cos(half_yaw), 9)[seen],
        "reference_frame": ["rig"] * count,
        "reference_frame_timestamp_us": t_us[seen],
    }
    return pl.DataFrame(columns, schema=OBSTACLE_SCHEMA)


def _slow_noise(rng: np.random.Generator, t_us: np.ndarray, sigma: float) -> np.ndarray:
    """Noise that wanders over half a second: white noise would leap by more than the car can in 10 ms."""
    span = (t_us[-1] - t_us[0]) / 1e6
    knots = rng.normal(0.0, sigma, int(span / _NOISE_OVER_S) + 3)
    u = (t_us - t_us[0]) / 1e6 / _NOISE_OVER_S
    k = u.astype(np.int64)
    share = (1 - np.cos(np.pi * (u - k))) / 2
    return knots[k] * (1 - share) + knots[k + 1] * share


def _quaternion(roll: np.ndarray, pitch: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """(N, 4) unit quaternions x, y, z, w of rotations about z, then the new y, then the new x."""
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(angle / 2), np.sin(angle / 2)) for angle in (roll, pitch, yaw))
    return np.stack(
        [
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
            cr * cp * cy + sr * sp * sy,
        ],
        axis=1,
    )
