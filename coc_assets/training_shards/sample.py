"""The training sample around t0: where the ego was and will be, when the camera frames are, and what a key looks like.

Everything here is as trainers read it (training exports, The sample): 10 Hz, metres, in the ego frame at t0 with x
forward, y left and z up.
"""

from __future__ import annotations

from typing import get_args

import numpy as np

from coc_assets.sources.egomotion import Egomotion, poses_at
from resources.settings.shards import Camera

STEP_US = 100_000
HISTORY_STEPS = 16  # t0 − 1.5 s … t0
FUTURE_STEPS = 64  # t0 + 0.1 s … t0 + 6.4 s
FRAME_OFFSETS_US = (-300_000, -200_000, -100_000, 0)
TRAINABLE_AFTER_US = 1_600_000  # exclusive
TRAINABLE_UNTIL_US = 13_600_000  # inclusive
CAMERA_INDEX: dict[str, int] = {name: index for index, name in enumerate(get_args(Camera))}

_STEPS_US = STEP_US * np.arange(1 - HISTORY_STEPS, FUTURE_STEPS + 1, dtype=np.int64)
_NOW = HISTORY_STEPS - 1


def is_trainable(t0_us: int) -> bool:
    """Whether trainers can use this decision time: 1.6 s < t0 <= 13.6 s (training exports, The sample)."""
    return TRAINABLE_AFTER_US < t0_us <= TRAINABLE_UNTIL_US


def ego_span_us(t0_us: int) -> tuple[int, int]:
    """First and last instant at which a sample needs the ego's pose, µs."""
    return t0_us + int(_STEPS_US[0]), t0_us + int(_STEPS_US[-1])


def covers(ego: Egomotion, t0_us: int) -> bool:
    """Whether the egomotion holds the whole history and future of a sample at t0, without extrapolation."""
    first_us, last_us = ego_span_us(t0_us)
    return bool(len(ego.t_us)) and bool(ego.t_us[0] <= first_us) and bool(ego.t_us[-1] >= last_us)


def asked_frames_us(t0_us: int) -> np.ndarray:
    """The four instants whose frames a sample shows, (4,) int64 µs, ascending; the last is t0."""
    return t0_us + np.array(FRAME_OFFSETS_US, dtype=np.int64)


def ego_arrays(ego: Egomotion, t0_us: int) -> dict[str, np.ndarray]:
    """What the ego did and will do, seen from itself at t0.

    Args:
        ego: cleaned egomotion at its native instants; it must cover the sample (`covers`).
        t0_us: decision time, clip clock, µs.

    Returns:
        `ego_history_xyz` (1, 16, 3), `ego_history_rot` (1, 16, 3, 3), `ego_future_xyz` (1, 64, 3) and
        `ego_future_rot` (1, 64, 3, 3), float32, ego frame at t0, metres. The last history pose is exactly 0 / identity.
    """
    xyz, rot = poses_at(ego, t0_us + _STEPS_US)
    xyz, rot = _seen_from(xyz, rot, _NOW)
    return {
        "ego_history_xyz": xyz[None, :HISTORY_STEPS],
        "ego_history_rot": rot[None, :HISTORY_STEPS],
        "ego_future_xyz": xyz[None, HISTORY_STEPS:],
        "ego_future_rot": rot[None, HISTORY_STEPS:],
    }


def relative_timestamps(absolute_us: np.ndarray) -> np.ndarray:
    """Frame instants as float32 seconds from the earliest frame of any camera; (cameras, 4) like the input."""
    if not absolute_us.size:
        return np.zeros(absolute_us.shape, np.float32)
    return ((absolute_us - absolute_us.min()) * 1e-6).astype(np.float32)


def _seen_from(xyz: np.ndarray, rot: np.ndarray, now: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses (M, 3) and (M, 3, 3) of the local frame in the ego frame of pose `now`, float32."""
    into_ego = rot[now].T
    seen_xyz = np.einsum("ij,mj->mi", into_ego, xyz - xyz[now])
    seen_rot = np.einsum("ij,mjk->mik", into_ego, rot)
    seen_xyz[now], seen_rot[now] = 0.0, np.eye(3)  # exact, where rounding would leave 1e-17
    return seen_xyz.astype(np.float32), seen_rot.astype(np.float32)
