"""What the ego does in the seconds after a keyframe: one bucket an axis and the figures that it rests on.

Source: label rules, Consistency with the trajectory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import polars as pl

from resources.schemas import FRAME_S
from resources.settings.filtering import AgreementThresholds, FilterSettings, MotionThresholds

LongitudinalBucket = Literal["reverse", "stopped", "slow_down", "speed_up", "steady"]
LateralBucket = Literal["left", "right", "straight"]
LONGITUDINAL_BUCKETS: tuple[str, ...] = get_args(LongitudinalBucket)
LATERAL_BUCKETS: tuple[str, ...] = get_args(LateralBucket)

SCHEMA = pl.Schema(
    {
        "keyframe_id": pl.String,
        "future_s": pl.Float64,
        "longitudinal": pl.String,
        "v0_mps": pl.Float64,
        "low_mps": pl.Float64,
        "high_mps": pl.Float64,
        "speed_change_mps": pl.Float64,
        "slowed_or_stood": pl.Boolean,
        "lateral": pl.String,
        "nudge_side": pl.String,
        "turned_before_deg": pl.Float64,
        "heading_left_deg": pl.Float64,
        "heading_right_deg": pl.Float64,
        "offset_left_m": pl.Float64,
        "offset_right_m": pl.Float64,
    }
)


@dataclass(frozen=True)
class _Windows:
    """Ego states around K keyframes, `before` frames back and `after` on; column `before` is the keyframe itself.

    Attributes:
        valid: (K, W) whether the clip has the frame; the other arrays repeat the clip's first or last state there.
        speed, along: (K, W) speed, and speed along the heading, m/s.
        x, y: (K, W) position from the keyframe's, forward and to the left of its heading, m.
        turned: (K, W) heading change since the keyframe, counter-clockwise, not wrapped, rad.
        driven: (K, W) way along the heading since the keyframe, negative before it and when backing, m.
    """

    before: int
    valid: np.ndarray
    speed: np.ndarray
    along: np.ndarray
    x: np.ndarray
    y: np.ndarray
    turned: np.ndarray
    driven: np.ndarray

    def future(self, values: np.ndarray) -> np.ndarray:
        return values[:, self.before + 1 :]


def motion_after(keyframes: pl.DataFrame, trajectories: pl.DataFrame, settings: FilterSettings) -> pl.DataFrame:
    """The motion after each keyframe, for all clips of a chunk at once.

    Args:
        keyframes: keyframe_id, clip_id, frame; one whose frame the trajectories lack abstains.
        trajectories: the chunk's `trajectories` table, frames of a clip without gaps.

    Returns:
        One row a keyframe, in their order; null where the clip has less than the least window left:

        future_s: motion the clip has after the keyframe, at most the window, s; never null where the frame is known.
        longitudinal, lateral: buckets.
        v0_mps: mean speed before the keyframe; low_mps and high_mps: the extremes after it.
        speed_change_mps: extreme minus v0, of the extreme that the bucket speaks of.
        slowed_or_stood: at any time speed falls below v0 by the threshold, or a stop is held.
        nudge_side: as lateral, but by the offset that makes a nudge.
        turned_before_deg: heading change over the way that the arc continues, left positive.
        heading_left_deg, heading_right_deg: most that the heading turns from the keyframe's to either side, >= 0.
        offset_left_m, offset_right_m: most that the position leaves the continued arc to either side, >= 0.
    """
    thresholds = settings.motion
    states = trajectories.sort("clip_id", "frame")
    located = _locate(keyframes, states)
    windows = _windows(states, located, thresholds)
    future_s = windows.future(windows.valid).sum(axis=1) * FRAME_S
    figures = _longitudinal(windows, thresholds) | _lateral(windows, thresholds, settings.agreement)
    enough = pl.Series(future_s >= thresholds.least_window_s - FRAME_S / 2)
    measured = located.select(
        "keyframe_id",
        pl.Series("future_s", future_s),
        *(pl.when(enough).then(pl.Series(name, values)).alias(name) for name, values in figures.items()),
    )
    joined = keyframes.select("keyframe_id").join(measured, on="keyframe_id", how="left", maintain_order="left")
    return joined.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _locate(keyframes: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """Keyframes that the states know, each with its own row, its clip's first and its clip's last."""
    rows = states.select("clip_id", "frame", row=pl.int_range(pl.len(), dtype=pl.Int64)).with_columns(
        first=pl.col("row").min().over("clip_id"), last=pl.col("row").max().over("clip_id")
    )
    wanted = keyframes.select("keyframe_id", "clip_id", pl.col("frame").cast(states.schema["frame"]))
    return wanted.join(rows, on=["clip_id", "frame"], how="inner", maintain_order="left")


def _windows(states: pl.DataFrame, located: pl.DataFrame, thresholds: MotionThresholds) -> _Windows:
    before = max(_frames(thresholds.arc_s), _frames(thresholds.reference_s))
    row, first, last = (located[name].to_numpy()[:, None] for name in ("row", "first", "last"))
    asked = row + np.arange(-before, _frames(thresholds.window_s) + 1)
    at = np.clip(asked, first, last)
    x, y, heading, speed, along = (
        states[name].to_numpy()[at] for name in ("x_m", "y_m", "heading_rad", "speed_mps", "speed_along_heading_mps")
    )
    step = np.hypot(np.diff(x), np.diff(y)) * np.where(along[:, 1:] < 0, -1.0, 1.0)
    turn = np.remainder(np.diff(heading) + np.pi, 2 * np.pi) - np.pi
    here = slice(before, before + 1)
    dx, dy, cos, sin = x - x[:, here], y - y[:, here], np.cos(heading[:, here]), np.sin(heading[:, here])
    return _Windows(
        before=before,
        valid=asked == at,
        speed=speed,
        along=along,
        x=cos * dx + sin * dy,
        y=cos * dy - sin * dx,
        turned=_since(turn, before),
        driven=_since(step, before),
    )


def _since(steps: np.ndarray, before: int) -> np.ndarray:
    """Running sums of steps (K, W − 1), zero at column `before`: (K, W)."""
    sums = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
    return sums - sums[:, before : before + 1]


def _longitudinal(windows: _Windows, thresholds: MotionThresholds) -> dict[str, np.ndarray]:
    v0 = _mean_before(windows, _frames(thresholds.reference_s))
    speed = np.where(windows.future(windows.valid), windows.future(windows.speed), np.nan)
    change = np.maximum(thresholds.speed_change_mps, thresholds.speed_change_share * v0)[:, None]
    fallen_at = _first(speed <= v0[:, None] - change)
    risen_at = _first(speed >= v0[:, None] + change)

    along = np.where(windows.future(windows.valid), windows.future(windows.along), np.nan)
    mean_along: np.ndarray = _runs(along, _frames(thresholds.reverse_s)).mean(axis=2)
    reverses = (mean_along <= thresholds.reverse_mps).any(axis=1)

    still = np.asarray(_runs(speed <= thresholds.stopped_mps, _frames(thresholds.stopped_s)).all(axis=2))
    stops = still.any(axis=1)
    # The standstill in which the keyframe already lies is not the ego's next decision where it then drives off.
    drives_off = (v0 <= thresholds.standing_mps) & (risen_at < speed.shape[1])

    low = np.where(np.isnan(speed), np.inf, speed).min(axis=1, initial=np.inf)
    high = np.where(np.isnan(speed), -np.inf, speed).max(axis=1, initial=-np.inf)
    further = np.where(high - v0 > v0 - low, high, low)
    buckets = ("reverse", "stopped", "slow_down", "speed_up")
    holds = [reverses, stops & ~drives_off, fallen_at < risen_at, risen_at < fallen_at]
    return {
        "longitudinal": np.select(holds, buckets, "steady"),
        "v0_mps": v0,
        "low_mps": low,
        "high_mps": high,
        "speed_change_mps": np.select(holds, [low, low, low, high], further) - v0,
        "slowed_or_stood": stops | (fallen_at < speed.shape[1]),
    }


def _lateral(windows: _Windows, thresholds: MotionThresholds, agreement: AgreementThresholds) -> dict[str, np.ndarray]:
    turned_before, driven_before = _way_before(windows, thresholds)
    moved = np.abs(driven_before) >= thresholds.arc_least_m
    curvature = np.where(moved, turned_before / np.where(moved, driven_before, 1.0), 0.0)[:, None]
    valid, x, y = (windows.future(values) for values in (windows.valid, windows.x, windows.y))
    turned, driven = windows.future(windows.turned), windows.future(windows.driven)
    offset = np.where(valid, _offset_from_arc(x, y, curvature), 0.0)
    heading = np.where(valid, np.degrees(turned - curvature * driven), 0.0)
    turned_deg = np.where(valid, np.degrees(turned), 0.0)
    return {
        "lateral": _side(heading, offset, thresholds.leave_heading_deg, thresholds.leave_offset_m),
        "nudge_side": _side(heading, offset, thresholds.leave_heading_deg, agreement.nudge_offset_m),
        "turned_before_deg": np.degrees(np.where(moved, turned_before, 0.0)),
        "heading_left_deg": turned_deg.max(axis=1, initial=0.0),
        "heading_right_deg": -turned_deg.min(axis=1, initial=0.0) + 0.0,
        "offset_left_m": offset.max(axis=1, initial=0.0),
        "offset_right_m": -offset.min(axis=1, initial=0.0) + 0.0,
    }


def _mean_before(windows: _Windows, frames: int) -> np.ndarray:
    """Mean speed over the keyframe and the frames before it that the clip has, (K,) m/s."""
    columns = slice(windows.before - frames, windows.before + 1)
    valid = windows.valid[:, columns]
    return (windows.speed[:, columns] * valid).sum(axis=1) / valid.sum(axis=1)


def _way_before(windows: _Windows, thresholds: MotionThresholds) -> tuple[np.ndarray, np.ndarray]:
    """Heading change (rad) and way driven (m) up to the keyframe over the time whose arc is continued, (K,) each."""
    start = windows.before - _frames(thresholds.arc_s)
    return -windows.turned[:, start], -windows.driven[:, start]


def _offset_from_arc(x: np.ndarray, y: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Distance from the circle that leaves the origin along +x, left of it positive, m.

    Written so that it holds for any curvature, zero included: q / (1 + sqrt(1 − c·q)) with q = 2y − c(x² + y²).
    """
    q = 2.0 * y - curvature * (x**2 + y**2)
    return q / (1.0 + np.sqrt(np.maximum(1.0 - curvature * q, 0.0)))


def _side(heading_deg: np.ndarray, offset_m: np.ndarray, leave_deg: float, leave_m: float) -> np.ndarray:
    """The side to which heading or position leaves the arc first; position decides where they part at once."""
    left_at = _first((heading_deg >= leave_deg) | (offset_m >= leave_m))
    right_at = _first((heading_deg <= -leave_deg) | (offset_m <= -leave_m))
    at_once = offset_m[np.arange(len(offset_m)), np.minimum(left_at, offset_m.shape[1] - 1)]
    left = (left_at < right_at) | ((left_at == right_at) & (at_once > 0))
    right = (right_at < left_at) | ((left_at == right_at) & (at_once < 0))
    neither = left_at + right_at == 2 * offset_m.shape[1]
    return np.select([neither, left, right], ["straight", "left", "right"], "straight")


def _first(holds: np.ndarray) -> np.ndarray:
    """Column of the first True of each row, the number of columns where there is none."""
    return np.where(holds.any(axis=1), holds.argmax(axis=1), holds.shape[1])


def _runs(values: np.ndarray, length: int) -> np.ndarray:
    """All runs of that many columns, (K, W − length + 1, length)."""
    return np.lib.stride_tricks.sliding_window_view(values, length, axis=1)


def _frames(seconds: float) -> int:
    return round(seconds / FRAME_S)
