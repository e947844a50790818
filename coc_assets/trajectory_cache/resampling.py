"""Egomotion at its native rate to ego states at 10 Hz, for all clips of a chunk at once.

The arithmetic is that of `numpy.interp`, of `scipy.spatial.transform.Slerp` and of `Rotation.as_euler("zyx")`, written
out so that one compiled pass serves the whole chunk.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np
import polars as pl

from coc_assets.sources.egomotion import FRAME_S, FRAME_US, Egomotion, components, frame_count
from resources import schemas

if TYPE_CHECKING:
    from resources.settings.trajectory import TrajectorySettings

_SMALL_ANGLE = 1e-3
"""Up to here scipy takes rotation vectors by their series."""

Quaternion = tuple[float, float, float, float]
"""x, y, z, w"""

_COLUMNS = {
    "x": "x_m",
    "y": "y_m",
    "z": "z_m",
    "heading": "heading_rad",
    "vx": "vx_mps",
    "vy": "vy_mps",
    "speed": "speed_mps",
    "speed_along_heading": "speed_along_heading_mps",
    "acceleration": "acceleration_mps2",
}


@dataclass(frozen=True)
class Resampled:
    """Ego states of C clips at 10 Hz, one clip after the other, F frames in all; local frame.

    Attributes:
        first_us: (C,) int64, clip-clock instant of each clip's frame 0, its first sample, µs.
        last_us: (C,) int64, that of each clip's last sample, µs; frames may end before it.
        frames: (C,) int64, number of frames of each clip.
        offsets: (C + 1,) int64, where each clip's frames begin in the arrays below, and their end.
        t_us: (F,) int64, clip clock, µs.
        x, y, z: (F,) m.
        heading: (F,) rad, counter-clockwise, (−π, π].
        vx, vy: (F,) m/s.
        speed: (F,) hypot(vx, vy), m/s.
        speed_along_heading: (F,) m/s, negative when reversing.
        acceleration: (F,) backward difference of the speed over one frame, the first filled from the second, m/s².
    """

    first_us: np.ndarray
    last_us: np.ndarray
    frames: np.ndarray
    offsets: np.ndarray
    t_us: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    heading: np.ndarray
    vx: np.ndarray
    vy: np.ndarray
    speed: np.ndarray
    speed_along_heading: np.ndarray
    acceleration: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)


def resample(clips: Iterable[Egomotion], settings: TrajectorySettings) -> Resampled:
    """Every clip's ego states on its own 10 Hz grid, which begins at its first sample.

    Source: the dataset's resampling rules. Positions and velocities are interpolated linearly, rotations spherically;
    heading is the first extrinsic zyx angle. Without velocities they are backward differences of the positions.

    Args:
        clips: cleaned egomotion: at least one sample each, instants strictly ascending. None is held on to.
        settings: `max_frames` bounds the frames of a clip.
    """
    ends: list[tuple[int, int]] = []
    parts = [np.empty((len(_COLUMNS), 0))]
    for clip in clips:
        ends.append((clip.t_us[0], clip.t_us[-1]))
        parts.append(np.empty((len(_COLUMNS), min(frame_count(clip.t_us), settings.max_frames))))
        _resample_clip(*components(clip), parts[-1])
    first_us, last_us = np.array(ends, np.int64).reshape(-1, 2).T
    frames = np.array([part.shape[1] for part in parts[1:]], np.int64)
    offsets = np.concatenate([[0], np.cumsum(frames, dtype=np.int64)])
    frame = np.arange(offsets[-1]) - np.repeat(offsets[:-1], frames)
    t_us = np.repeat(first_us, frames) + frame * FRAME_US
    return Resampled(first_us, last_us, frames, offsets, t_us, *np.concatenate(parts, axis=1))


def trajectory_frame(resampled: Resampled, clip_ids: Sequence[str]) -> pl.DataFrame:
    """The `trajectories` table without its chunk, clips in the order given, frames ascending."""
    clip = np.repeat(np.arange(len(resampled), dtype=np.uint32), resampled.frames)
    frame = np.arange(len(clip)) - np.repeat(resampled.offsets[:-1], resampled.frames)
    columns = {"clip_id": pl.Series(clip_ids, dtype=pl.String).gather(clip), "frame": frame, "t_us": resampled.t_us}
    columns |= {column: getattr(resampled, name) for name, column in _COLUMNS.items()}
    return schemas.conform(pl.DataFrame(columns), schemas.TRAJECTORIES).drop("chunk")


@numba.njit(cache=True, error_model="numpy")
def _resample_clip(
    t_us: np.ndarray, xyz: np.ndarray, quaternion: np.ndarray, velocity: np.ndarray, states: np.ndarray
) -> None:
    """Fills `states` (9, T), whose rows follow the fields of `Resampled` from `x` on.

    The samples are what `egomotion.components` returns.
    """
    sample = 0
    for frame in range(states.shape[1]):
        now = t_us[0] + frame * FRAME_US
        while sample + 1 < len(t_us) and t_us[sample + 1] <= now:
            sample += 1
        for axis in range(3):
            states[axis, frame] = _interpolate(t_us, xyz[axis], sample, now)
        states[3, frame] = _heading(t_us, quaternion, sample, now)
        for axis in range(2 if velocity.size else 0):
            states[4 + axis, frame] = _interpolate(t_us, velocity[axis], sample, now)
    _derive(states, velocity.size > 0)


@numba.njit(cache=True, error_model="numpy")
def _derive(states: np.ndarray, has_velocity: bool) -> None:
    """Velocities where the dataset has none, then speed, speed along the heading and acceleration of one clip."""
    frames = states.shape[1]
    if not has_velocity:
        for axis in range(2):
            _backward_difference(states[axis], states[4 + axis])
    for frame in range(frames):
        heading, vx, vy = states[3, frame], states[4, frame], states[5, frame]
        states[6, frame] = math.hypot(vx, vy)
        states[7, frame] = vx * math.cos(heading) + vy * math.sin(heading)
    _backward_difference(states[6], states[8])


@numba.njit(cache=True, error_model="numpy")
def _backward_difference(values: np.ndarray, rates: np.ndarray) -> None:
    rates[0] = 0.0
    for frame in range(1, len(values)):
        rates[frame] = (values[frame] - values[frame - 1]) / FRAME_S
    if len(values) > 1:
        rates[0] = rates[1]


@numba.njit(cache=True, error_model="numpy")
def _interpolate(t_us: np.ndarray, values: np.ndarray, sample: int, now: int) -> float:
    if sample + 1 == len(t_us) or t_us[sample] == now:
        return values[sample]
    slope = (values[sample + 1] - values[sample]) / (t_us[sample + 1] - t_us[sample])
    return slope * (now - t_us[sample]) + values[sample]


@numba.njit(cache=True, error_model="numpy")
def _heading(t_us: np.ndarray, quaternion: np.ndarray, sample: int, now: int) -> float:
    """First extrinsic zyx angle of the rotation at `now`: R = Rx·Ry·Rz, so it is read off R's first row."""
    x, y, z, w = _normalized(quaternion[:, sample])
    if sample + 1 < len(t_us) and now > t_us[sample]:
        part = (now - t_us[sample]) / (t_us[sample + 1] - t_us[sample])
        x, y, z, w = _product((x, y, z, w), _step((x, y, z, w), _normalized(quaternion[:, sample + 1]), part))
    return math.atan2(2.0 * (z * w - x * y), w * w + x * x - y * y - z * z)


@numba.njit(cache=True, error_model="numpy")
def _step(start: Quaternion, end: Quaternion, part: float) -> Quaternion:
    """The part of the shortest rotation from `start` to `end`, by way of its rotation vector."""
    x, y, z, w = _product((-start[0], -start[1], -start[2], start[3]), end)
    if w < 0.0:
        x, y, z, w = -x, -y, -z, -w
    sine = math.sqrt(x * x + y * y + z * z)
    angle = 2.0 * math.atan2(sine, w)
    if angle <= _SMALL_ANGLE:
        scale = 2.0 + angle**2 / 12.0 + 7.0 * angle**4 / 2880.0
    else:
        scale = angle / math.sin(angle / 2.0)
    scale *= part
    angle = scale * sine
    if angle <= _SMALL_ANGLE:
        scale *= 0.5 - angle**2 / 48.0 + angle**4 / 3840.0
    else:
        scale *= math.sin(angle / 2.0) / angle
    return scale * x, scale * y, scale * z, math.cos(angle / 2.0)


@numba.njit(cache=True, error_model="numpy")
def _product(p: Quaternion, q: Quaternion) -> Quaternion:
    return (
        p[3] * q[0] + q[3] * p[0] + p[1] * q[2] - p[2] * q[1],
        p[3] * q[1] + q[3] * p[1] + p[2] * q[0] - p[0] * q[2],
        p[3] * q[2] + q[3] * p[2] + p[0] * q[1] - p[1] * q[0],
        p[3] * q[3] - p[0] * q[0] - p[1] * q[1] - p[2] * q[2],
    )


@numba.njit(cache=True, error_model="numpy")
def _normalized(q: np.ndarray) -> Quaternion:
    norm = math.sqrt(q[0] ** 2 + q[1] ** 2 + q[2] ** 2 + q[3] ** 2)
    return q[0] / norm, q[1] / norm, q[2] / norm, q[3] / norm
