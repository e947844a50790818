"""Egomotion at its native rate: what it is, how it is cleaned, and the ego pose between its samples.

What is mended and what rejects a clip is the design's table of defects. A mend only sorts rows and leaves rows out:
whoever resamples then interpolates over what is missing, positions linearly and rotations spherically.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from resources.schemas import FRAME_S, FRAME_US

if TYPE_CHECKING:
    from resources.settings.trajectory import TrajectorySettings

NO_TIMESTAMP = np.iinfo(np.int64).min
"""Stands in `t_us` of raw egomotion for a row whose timestamp is null."""

_US_PER_S = 1e6
_ZERO_NORM = 1e-9
_AS_GOOD_AS_INFINITE = 1e100  # squares still fit in a float

RejectReason = Literal[
    "archive_damaged",
    "clip_invalid",
    "corrupt_member",
    "egomotion_missing",
    "gap_too_long",
    "infinite_value",
    "missing_column",
    "rotation_gap",
    "too_few_frames",
    "unreadable",
]


class ClipRejected(Exception):
    """A clip cannot be used.

    Attributes:
        reason: short and countable, e.g. `gap_too_long`; becomes `rejects.reason`.
        hint: file, what is wrong in it, and the mend; becomes `rejects.hint`.
    """

    def __init__(self, reason: RejectReason, hint: str) -> None:
        super().__init__(f"{reason}: {hint}")
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True)
class Egomotion:
    """Ego poses of one clip at N native instants, local frame.

    Attributes:
        t_us: (N,) int64, clip clock, µs.
        xyz: (N, 3) float64, m.
        quaternion: (N, 4) float64, rig in the local frame, order x, y, z, w.
        velocity: (N, 2) float64, vx and vy in the local frame, m/s; None where the dataset has no velocities.
    """

    t_us: np.ndarray
    xyz: np.ndarray
    quaternion: np.ndarray
    velocity: np.ndarray | None


def clean(raw: Egomotion, settings: TrajectorySettings, source: str) -> tuple[Egomotion, tuple[str, ...]]:
    """Egomotion fit for resampling, and the mends that made it so; without defects it is `raw` itself.

    Mends, in order: `sorted_rows`; `dropped_repeated_timestamps:<rows>`, of which the first stays;
    `dropped_rows_without_timestamp:<rows>`; `filled_gap:<rows>` for rows that are not numbers and
    `filled_rotation:<rows>` for rotations without length, both left to interpolation; `bridged_hole:<holes>` where no
    row was recorded for longer than a frame. Gaps count as far as frames or training samples reach into them: some
    clips have a sample minutes after their end.

    Args:
        raw: as parsed; rows in any order.
        settings: bounds of gaps and frames.
        source: archive and member, for the hint of a rejection.

    Raises:
        ClipRejected: `infinite_value`, `gap_too_long`, `rotation_gap` or `too_few_frames` (design, Conservation).
    """
    ego, mended = (raw, ()) if _is_flawless(raw) else _mended(raw, settings, source)
    if frame_count(ego.t_us) < settings.min_frames:
        raise ClipRejected(
            "too_few_frames",
            f"{source} holds {frame_count(ego.t_us)} frames at 10 Hz; {settings.min_frames} are needed "
            "(trajectory.min_frames).",
        )
    return ego, mended


def frame_count(t_us: np.ndarray) -> int:
    """10 Hz frames between the first and last of ascending instants (dataset notes, Resampling).

    The floor is taken in floating point, for equality with the published tool: 17.9 s hold 178 steps.
    """
    return int(float(t_us[-1] - t_us[0]) / _US_PER_S / FRAME_S) + 1 if t_us.size else 0


def components(ego: Egomotion) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The samples as the one kind of arrays that kernels are compiled for: contiguous and read-only.

    Returns:
        t_us (N,), and rows of components: xyz (3, N), quaternion (4, N), velocity (2, N); (2, 0) where there is none.
    """
    velocity = np.empty((0, 2)) if ego.velocity is None else ego.velocity
    xyz, quaternion, velocity = (_frozen(values.T, np.float64) for values in (ego.xyz, ego.quaternion, velocity))
    return _frozen(ego.t_us, np.int64), xyz, quaternion, velocity


def poses_at(ego: Egomotion, t_us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ego poses at M instants of the clip's clock: positions by linear, rotations by spherical interpolation.

    Args:
        ego: cleaned egomotion.
        t_us: (M,) instants in any order, µs.

    Returns:
        Positions (M, 3), m, and rotation matrices (M, 3, 3) of the rig in the local frame.

    Raises:
        ValueError: an instant lies outside the egomotion; poses are never extrapolated.
    """
    from scipy.spatial.transform import Rotation, Slerp

    asked = np.asarray(t_us, np.int64)
    if not asked.size:
        return np.empty((0, 3)), np.empty((0, 3, 3))
    if asked.min() < ego.t_us[0] or asked.max() > ego.t_us[-1]:
        raise ValueError(
            f"Poses are asked for from {asked.min()} to {asked.max()} µs; "
            f"the egomotion reaches from {ego.t_us[0]} to {ego.t_us[-1]} µs."
        )
    # The samples around the instants, two at least, give what the whole clip would, bit for bit.
    first = max(np.searchsorted(ego.t_us, asked.min()) - 1, 0)
    last = max(np.searchsorted(ego.t_us, asked.max()), first + 1)
    around = slice(first, last + 1)
    times = ego.t_us[around]
    xyz = np.column_stack([np.interp(asked, times, ego.xyz[around, axis]) for axis in range(3)])
    return xyz, Slerp(times, Rotation.from_quat(ego.quaternion[around]))(asked).as_matrix()


def _is_flawless(raw: Egomotion) -> bool:
    """Whether nothing needs mending: timed rows in order, no farther apart than a frame, all of them numbers."""
    from coc_assets.sources.soundness import is_sound  # compiles a kernel

    if not raw.t_us.size or raw.t_us[0] == NO_TIMESTAMP:
        return False
    return bool(is_sound(*components(raw), FRAME_US, _AS_GOOD_AS_INFINITE, _ZERO_NORM))


def _mended(raw: Egomotion, settings: TrajectorySettings, source: str) -> tuple[Egomotion, tuple[str, ...]]:
    ego, mended = _in_order(raw)
    if not _is_numeric(ego) or _longest_step_us(ego) > FRAME_US:
        ego, more = _without_unusable_rows(ego, settings, source)
        mended += more
    return ego, mended


def _in_order(raw: Egomotion) -> tuple[Egomotion, tuple[str, ...]]:
    """Rows by ascending timestamp, one an instant."""
    steps = np.diff(raw.t_us)
    if not raw.t_us.size or (raw.t_us[0] != NO_TIMESTAMP and (not steps.size or steps.min() > 0)):
        return raw, ()
    order = np.argsort(raw.t_us, kind="stable")
    t_us = raw.t_us[order]
    timed = t_us != NO_TIMESTAMP
    first_of_equals = np.concatenate([[True], t_us[1:] != t_us[:-1]])
    counts = {
        "dropped_repeated_timestamps": (timed & ~first_of_equals).sum(),
        "dropped_rows_without_timestamp": (~timed).sum(),
    }
    was_shuffled = bool((np.diff(raw.t_us[raw.t_us != NO_TIMESTAMP]) < 0).any())
    mended = ("sorted_rows",) * was_shuffled
    return _rows(raw, order[timed & first_of_equals]), mended + _counted(counts)


def _without_unusable_rows(
    ego: Egomotion, settings: TrajectorySettings, source: str
) -> tuple[Egomotion, tuple[str, ...]]:
    """Only rows whose every value is a number and whose rotation has a length, if they lie close enough."""
    _refuse_infinite(ego, source)
    numeric = np.isfinite(_values(ego)).all(axis=1)
    rotating = ~numeric | (np.linalg.norm(ego.quaternion, axis=1) > _ZERO_NORM)
    kept = np.flatnonzero(numeric & rotating)
    if not kept.size:
        raise ClipRejected("gap_too_long", f"{source} has no row of numbers with a rotation; fetch or export it again.")
    lost_us, starts, ends = _lost_time(ego.t_us, kept, settings)
    longest = int(lost_us.argmax())
    if lost_us[longest] > settings.max_gap_s * _US_PER_S:
        start, end = starts[longest], ends[longest]
        without = "rotation" if end > start and numeric[start:end].all() else "sample"
        raise ClipRejected(
            "rotation_gap" if without == "rotation" else "gap_too_long",
            f"{source} has no usable {without} for {lost_us[longest] / _US_PER_S:.2f} s after "
            f"{ego.t_us[max(start - 1, 0)] / _US_PER_S:.2f} s; up to {settings.max_gap_s} s is interpolated "
            "(trajectory.max_gap_s).",
        )
    counts = {
        "filled_gap": (~numeric).sum(),
        "filled_rotation": (~rotating).sum(),
        "bridged_hole": ((lost_us > FRAME_US) & (starts == ends)).sum(),
    }
    return (ego if kept.size == ego.t_us.size else _rows(ego, kept)), _counted(counts)


def _lost_time(
    t_us: np.ndarray, kept: np.ndarray, settings: TrajectorySettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each stretch without a kept row takes away, K + 1 of them for K kept rows.

    Returns:
        Time beyond the usual step between samples, µs, no further than frames and training samples reach; and the
        stretch's rows [start, end), none for a hole in time.
    """
    usual_us = min(float(np.median(np.diff(t_us))), FRAME_US) if t_us.size > 1 else FRAME_US
    # Frames count from the first sample, training samples from the clip's clock; each may reach 20 s.
    reach_us = max(t_us[kept[0]], 0) + (settings.max_frames - 1) * FRAME_US
    knots = np.concatenate([[t_us[0] - usual_us], t_us[kept], [t_us[-1] + usual_us]])
    lost_us = np.minimum(knots[1:], reach_us) - knots[:-1] - usual_us
    return lost_us, np.concatenate([[0], kept + 1]), np.concatenate([kept, [t_us.size]])


def _refuse_infinite(ego: Egomotion, source: str) -> None:
    rows = np.flatnonzero((np.abs(_values(ego)) > _AS_GOOD_AS_INFINITE).any(axis=1))
    if rows.size:
        raise ClipRejected(
            "infinite_value",
            f"{source} holds an infinite value at {ego.t_us[rows[0]] / _US_PER_S:.2f} s ({rows.size} rows); "
            "fetch or export it again.",
        )


def _frozen(values: np.ndarray, dtype: type) -> np.ndarray:
    values = np.ascontiguousarray(values, dtype)
    if values.flags.writeable:
        values = values.view()
        values.flags.writeable = False
    return values


def _is_numeric(ego: Egomotion) -> bool:
    """Whether every value is a number to compute with and every rotation has a length; a sum is the fastest test."""
    with np.errstate(all="ignore"):
        velocity = 0.0 if ego.velocity is None else ego.velocity.sum()
        norms = np.einsum("ij,ij->i", ego.quaternion, ego.quaternion)
        total = ego.xyz.sum() + velocity + norms.sum()
    return bool(abs(total) < _AS_GOOD_AS_INFINITE) and (not norms.size or norms.min() > _ZERO_NORM**2)


def _longest_step_us(ego: Egomotion) -> int:
    return int(np.diff(ego.t_us).max()) if ego.t_us.size > 1 else 0


def _values(ego: Egomotion) -> np.ndarray:
    parts = (ego.xyz, ego.quaternion) if ego.velocity is None else (ego.xyz, ego.quaternion, ego.velocity)
    return np.concatenate(parts, axis=1)


def _rows(ego: Egomotion, rows: np.ndarray) -> Egomotion:
    velocity = None if ego.velocity is None else ego.velocity[rows]
    return replace(ego, t_us=ego.t_us[rows], xyz=ego.xyz[rows], quaternion=ego.quaternion[rows], velocity=velocity)


def _counted(counts: dict[str, int]) -> tuple[str, ...]:
    return tuple(f"{mend}:{count}" for mend, count in counts.items() if count)
