"""Where everything is relative to the path that the ego drove.

The reference line is the ego's recorded path, extended straight at both ends. An actor's place is (arc length along the
line, signed lateral offset, left positive); the strip that the ego's body sweeps lies around offset 0. Actors come as
boxes in the rig frame at their own instants: they are carried into the clip's local frame through the ego pose
interpolated at those instants, and from there onto the clip's 10 Hz frames. Where a track ends, its actor coasts on for
a while, so that losing sight of it does not change what it was about to do. NaN means not known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from resources.schemas import FRAME_S
from resources.settings.labels import TrackSettings

_MICRO = 1e-6
_BOX_FIGURES = ("x_m", "y_m", "heading_rad", "length_m", "width_m")


@dataclass(frozen=True)
class Ego:
    """Ego states of one clip on its T frames, local frame.

    Attributes:
        t_us: (T,) int64, clip clock, µs.
        x, y: (T,) rig origin, m.
        heading: (T,) unwrapped, rad.
        speed: (T,) m/s.
        along: (T,) speed along the heading, negative when reversing, m/s.
    """

    t_us: np.ndarray
    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    speed: np.ndarray
    along: np.ndarray

    @property
    def frames(self) -> int:
        return len(self.t_us)


@dataclass(frozen=True)
class ReferenceLine:
    """The ego's path as V vertices, extended straight.

    Attributes:
        x, y: (V,) local frame, m.
        s: (V,) arc length, 0 at the ego's first frame, m.
        ego_s: (T,) arc length of the rig origin at each frame, m.
    """

    x: np.ndarray
    y: np.ndarray
    s: np.ndarray
    ego_s: np.ndarray


@dataclass(frozen=True)
class Placed:
    """Points relative to the reference line; every array has the points' shape.

    Attributes:
        s: arc length, m.
        d: lateral offset, left positive, m.
        tangent: heading of the line there, local frame, rad.
    """

    s: np.ndarray
    d: np.ndarray
    tangent: np.ndarray


@dataclass(frozen=True)
class Boxes:
    """Boxes of one clip at their N native instants, local frame, ordered by track and time.

    Attributes:
        track: (N,) index into `track_ids`.
        t_us: (N,) int64, clip clock, µs.
        x, y: (N,) box centre, m.
        heading: (N,) rad.
        length, width: (N,) m.
        track_ids, classes: K strings.
    """

    track: np.ndarray
    t_us: np.ndarray
    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    length: np.ndarray
    width: np.ndarray
    track_ids: list[str]
    classes: list[str]

    def of(self, track: int) -> slice:
        """Rows of one track."""
        first, last = np.searchsorted(self.track, [track, track + 1])
        return slice(int(first), int(last))


@dataclass(frozen=True)
class Actors:
    """K actors on the clip's T frames, relative to the reference line; NaN where not seen.

    Attributes:
        x, y: (K, T) box centre, local frame, m.
        s, d: (K, T) box centre along and across the line, m.
        half_s, half_d: (K, T) half extents of the box along and across the line, m.
        tangent: (K, T) heading of the line at the actor, local frame, rad.
        facing: (K, T) heading of the box relative to the line, (−π, π], rad.
        vs, vd: (K, T) velocity over ground along and across the line, m/s.
        speed: (K, T) m/s.
    """

    x: np.ndarray
    y: np.ndarray
    s: np.ndarray
    d: np.ndarray
    half_s: np.ndarray
    half_d: np.ndarray
    tangent: np.ndarray
    facing: np.ndarray
    vs: np.ndarray
    vd: np.ndarray
    speed: np.ndarray


def ego_of(trajectory: pl.DataFrame) -> Ego:
    """Ego states from one clip's rows of `trajectories`.

    Raises:
        ValueError: a state is not a number.
    """
    rows = trajectory.sort("frame")
    heading = np.unwrap(rows["heading_rad"].to_numpy())
    columns = ("x_m", "y_m", "speed_mps", "speed_along_heading_mps")
    x, y, speed, along = (rows[column].to_numpy() for column in columns)
    unknown = ~np.isfinite(x + y + heading + speed + along)
    if unknown.any():
        raise ValueError(f"the trajectory has no usable state at frame {rows['frame'][int(unknown.argmax())]}")
    return Ego(rows["t_us"].to_numpy(), x, y, heading, speed, along)


def boxes_of(tracks: pl.DataFrame, ego: Ego) -> Boxes:
    """One clip's rows of `tracks` carried from the rig frame to the local frame.

    Boxes before the first or after the last frame are left out, for the ego pose is not known there, and so are boxes
    with a figure that is none.
    """
    within = pl.col("t_us").is_between(int(ego.t_us[0]), int(ego.t_us[-1]))
    known = pl.all_horizontal(pl.col(*_BOX_FIGURES).is_finite().fill_null(False))
    rows = tracks.filter(within & known).sort("track_id", "t_us")
    named = rows.group_by("track_id", maintain_order=True).agg(pl.col("label_class").first(), count=pl.len())
    track = np.repeat(np.arange(named.height), named["count"].to_numpy())
    t_us = rows["t_us"].to_numpy()
    ego_x, ego_y, yaw = (np.interp(t_us, ego.t_us, values) for values in (ego.x, ego.y, ego.heading))
    forward, left = rows["x_m"].to_numpy(), rows["y_m"].to_numpy()
    return Boxes(
        track=track,
        t_us=t_us,
        x=ego_x + forward * np.cos(yaw) - left * np.sin(yaw),
        y=ego_y + forward * np.sin(yaw) + left * np.cos(yaw),
        heading=rows["heading_rad"].to_numpy() + yaw,
        length=rows["length_m"].to_numpy(),
        width=rows["width_m"].to_numpy(),
        track_ids=named["track_id"].to_list(),
        classes=named["label_class"].cast(pl.String).fill_null("unknown").to_list(),
    )


def reference_line(ego: Ego, settings: TrackSettings) -> ReferenceLine:
    """The driven path, extended straight at both ends.

    Where the ego backs up and drives over the same ground again, the ground counts once.
    """
    middle = (ego.heading[1:] + ego.heading[:-1]) / 2
    steps = np.diff(ego.x) * np.cos(middle) + np.diff(ego.y) * np.sin(middle)
    ego_s = np.concatenate([[0.0], np.cumsum(steps)])
    farthest = np.maximum.accumulate(ego_s)
    cells = np.floor(farthest / settings.line_spacing_m)
    kept = np.flatnonzero(np.concatenate([[True], np.diff(cells) > 0]))
    last = int(np.argmax(ego_s))
    if last != kept[-1] and ego_s[last] - ego_s[kept[-1]] > settings.line_spacing_m / 10:
        kept = np.append(kept, last)
    reach = np.arange(settings.line_spacing_m, settings.line_extension_m, 2 * settings.line_spacing_m)
    before, after = kept[0], kept[-1]
    ahead_x, ahead_y = np.cos(ego.heading[after]), np.sin(ego.heading[after])
    behind_x, behind_y = np.cos(ego.heading[before]), np.sin(ego.heading[before])
    return ReferenceLine(
        x=np.concatenate([ego.x[before] - reach[::-1] * behind_x, ego.x[kept], ego.x[after] + reach * ahead_x]),
        y=np.concatenate([ego.y[before] - reach[::-1] * behind_y, ego.y[kept], ego.y[after] + reach * ahead_y]),
        s=np.concatenate([ego_s[before] - reach[::-1], ego_s[kept], ego_s[after] + reach]),
        ego_s=ego_s,
    )


def place(line: ReferenceLine, x: np.ndarray, y: np.ndarray) -> Placed:
    """Points (any shape, local frame) relative to the line, each to its nearest stretch; NaN stays NaN."""
    s, d, tangent = (np.full(x.shape, np.nan) for _ in range(3))
    known = np.isfinite(x)
    if known.any():
        s[known], d[known], tangent[known] = _project(line, x[known], y[known])
    return Placed(s, d, tangent)


def _project(line: ReferenceLine, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from scipy.spatial import cKDTree

    _, nearest = cKDTree(np.column_stack([line.x, line.y])).query(np.column_stack([x, y]))
    dx, dy, ds = np.diff(line.x), np.diff(line.y), np.diff(line.s)
    length = np.hypot(dx, dy)
    found = []
    for offset in (-1, 0):
        leg = np.clip(nearest + offset, 0, len(ds) - 1)
        ux, uy = dx[leg] / length[leg], dy[leg] / length[leg]
        rx, ry = x - line.x[leg], y - line.y[leg]
        along, across = rx * ux + ry * uy, ux * ry - uy * rx
        outside = np.maximum(0.0, np.maximum(-along, along - length[leg]))
        share = np.clip(along / length[leg], 0.0, 1.0)
        found.append((outside, line.s[leg] + share * ds[leg], across, np.arctan2(uy, ux)))
    first = found[0][0] <= found[1][0]
    s, d, tangent = (np.where(first, a, b) for a, b in zip(found[0][1:], found[1][1:], strict=True))
    return s, d, tangent


def actors_of(boxes: Boxes, ego: Ego, line: ReferenceLine, settings: TrackSettings) -> Actors:
    """The boxes on the clip's frames, relative to the line; where a track ends its actor coasts on for a while."""
    x, y, heading, length, width = _coasting(_on_frames(boxes, ego, settings), settings)
    placed = place(line, x, y)
    facing = wrap(heading - placed.tangent)
    half_s, half_d = half_extents(facing, length, width)
    vx, vy = _velocity(x, settings), _velocity(y, settings)
    tx, ty = np.cos(placed.tangent), np.sin(placed.tangent)
    return Actors(
        x=x,
        y=y,
        s=placed.s,
        d=placed.d,
        half_s=half_s,
        half_d=half_d,
        tangent=placed.tangent,
        facing=facing,
        vs=vx * tx + vy * ty,
        vd=vy * tx - vx * ty,
        speed=np.hypot(vx, vy),
    )


def half_extents(facing: np.ndarray, length: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half the room that boxes take along and across the line, m."""
    cos, sin = np.abs(np.cos(facing)), np.abs(np.sin(facing))
    return (length * cos + width * sin) / 2, (length * sin + width * cos) / 2


def _on_frames(boxes: Boxes, ego: Ego, settings: TrackSettings) -> np.ndarray:
    """(5, K, T): every track's box on the clip's frames, as `boxes_at` gives it."""
    tracks = np.arange(len(boxes.track_ids))
    return boxes_at(boxes, tracks, np.broadcast_to(ego.t_us, (len(tracks), ego.frames)), settings)


def boxes_at(boxes: Boxes, track: np.ndarray, t_us: np.ndarray, settings: TrackSettings) -> np.ndarray:
    """Boxes of tracks at any instants, between the nearest two.

    Args:
        track: (P,) indices into `boxes.track_ids`, which may repeat.
        t_us: (P, T) instants at which each is asked for, clip clock, µs.

    Returns:
        (5, P, T): x, y, heading, length, width; NaN in gaps and outside the track.
    """
    if not len(track):
        return np.full((5, *t_us.shape), np.nan)
    begin = min(int(t_us.min()), int(boxes.t_us.min()))
    span = max(int(t_us.max()), int(boxes.t_us.max())) - begin + 1
    owner, at = np.repeat(track, t_us.shape[1]), t_us.ravel()
    after = np.searchsorted(boxes.track * span + (boxes.t_us - begin), owner * span + (at - begin))
    after = np.minimum(after, len(boxes.track) - 1)
    exact = (boxes.track[after] == owner) & (boxes.t_us[after] == at)
    before = np.where(exact, after, np.maximum(after - 1, 0))
    gap_us = boxes.t_us[after] - boxes.t_us[before]
    between = (boxes.track[before] == owner) & (boxes.track[after] == owner) & (boxes.t_us[after] >= at)
    seen = between & (boxes.t_us[before] <= at) & (gap_us <= settings.max_gap_s / _MICRO)
    share = np.where(gap_us > 0, (at - boxes.t_us[before]) / np.maximum(gap_us, 1), 0.0)
    values = [column[before] + share * (column[after] - column[before]) for column in (boxes.x, boxes.y)]
    values.append(boxes.heading[before] + share * wrap(boxes.heading[after] - boxes.heading[before]))
    values += [column[before] for column in (boxes.length, boxes.width)]
    return np.where(seen, np.stack(values), np.nan).reshape(5, *t_us.shape)


def _coasting(values: np.ndarray, settings: TrackSettings) -> np.ndarray:
    """(5, K, T) values with each track carried on at its last velocity, at its last heading and size."""
    frames = np.arange(values.shape[2])
    last = values.shape[2] - 1 - np.isfinite(values[0])[:, ::-1].argmax(axis=1)
    before = np.maximum(last - round(settings.velocity_span_s / FRAME_S), 0)
    tracks = np.arange(values.shape[1])
    end, start = values[:, tracks, last], values[:, tracks, before]
    moved = np.where(np.isfinite(start[:2]), end[:2] - start[:2], 0.0) / np.maximum(last - before, 1)
    since = frames - last[:, None]
    coasts = (since > 0) & (since <= round(settings.coast_s / FRAME_S))
    carried = np.repeat(end[:, :, None], len(frames), axis=2)
    carried[:2] += moved[:, :, None] * since
    return np.where(coasts, carried, values)


def _velocity(position: np.ndarray, settings: TrackSettings) -> np.ndarray:
    """Displacement over a centred span, shortened where the track begins, ends or is interrupted."""
    reach = max(1, round(settings.velocity_span_s / FRAME_S / 2))
    later, earlier = position.copy(), position.copy()
    span = np.zeros(position.shape)
    for step in range(1, reach + 1):
        ahead = np.pad(position[:, step:], ((0, 0), (0, step)), constant_values=np.nan)[:, : position.shape[1]]
        behind = np.pad(position[:, :-step], ((0, 0), (step, 0)), constant_values=np.nan)[:, -position.shape[1] :]
        for moved, target in ((ahead, later), (behind, earlier)):
            reached = np.isfinite(moved) & np.isfinite(position)
            target[reached] = moved[reached]
            span += reached
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(span > 0, (later - earlier) / (span * FRAME_S), np.nan)


def wrap(angle: np.ndarray) -> np.ndarray:
    """Angles in [−π, π)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def last_known(values: np.ndarray) -> np.ndarray:
    """(K,) the last value of each row of (K, T) ones that is known; NaN where none is."""
    back = np.isfinite(values)[:, ::-1].argmax(axis=1)
    return values[np.arange(len(values)), values.shape[1] - 1 - back]


def has_run(mask: np.ndarray, least: int) -> np.ndarray:
    """Which rows of a (K, T) mask hold for `least` frames in a row."""
    if mask.shape[1] < least:
        return np.zeros(len(mask), bool)
    total = np.cumsum(np.pad(mask, ((0, 0), (1, 0))), axis=1)
    return (total[:, least:] - total[:, :-least] == least).any(axis=1)
