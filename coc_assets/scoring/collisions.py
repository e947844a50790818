"""Whether a path, driven by the ego's body, meets a tracked box at any of its steps.

Boxes are known in the rig frame at their own instants. They are carried into the clip's local frame through the
recorded ego pose, as for the labels, and taken between the nearest two at each step of a path; where a track has a gap
or has ended there is no box. A path comes in the ego frame at t0, where the recorded path is known too: a position is
carried over by how far it lies from the recorded one at the same step, in the recorded vehicle's own axes. So a path
that is the recorded one meets exactly what was seen beside the vehicle, on slopes as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from coc_assets.raw_coc.rules.geometry import Boxes, Ego, boxes_at, boxes_of, ego_of
from coc_assets.training_shards.sample import FUTURE_STEPS, STEP_US
from resources.settings.labels import TrackSettings

MOVED_M = 0.1
"""Over two steps; a path that moves less keeps the heading it had, for the direction of so short a way is noise."""

_APART_US = 1_000_000_000  # clips of a chunk lie this far apart on one clock; each is much shorter
_AT_ONCE = 512  # samples whose boxes are in memory together


@dataclass(frozen=True)
class Rectangles:
    """Boxes seen from above; all arrays have one shape, or shapes that broadcast.

    Attributes:
        x, y: centre, m.
        heading: rad.
        half_length, half_width: m.
    """

    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    half_length: np.ndarray
    half_width: np.ndarray


@dataclass(frozen=True)
class Driven:
    """What was driven in N samples of a chunk.

    Attributes:
        clip_id: N strings.
        t0_us: (N,) int64, clip clock, µs.
        xy: (N, 64, 2) recorded positions from t0 + 0.1 s on, ego frame at t0, m.
        rot: (N, 64, 3, 3) recorded rotations from the vehicle into that frame.
        outline: (N, 3) front, rear and width of the vehicle, m (`outline.OUTLINE`).
    """

    clip_id: Sequence[str]
    t0_us: np.ndarray
    xy: np.ndarray
    rot: np.ndarray
    outline: np.ndarray

    def part(self, rows: slice) -> Driven:
        return Driven(self.clip_id[rows], self.t0_us[rows], self.xy[rows], self.rot[rows], self.outline[rows])


def overlap(one: Rectangles, other: Rectangles) -> np.ndarray:
    """Whether boxes share room; boxes that only touch do not, and NaN never does.

    By separating axes: two rectangles are apart where they are along the length or the width of either.
    """
    dx, dy = other.x - one.x, other.y - one.y
    turned = other.heading - one.heading
    cos, sin = np.abs(np.cos(turned)), np.abs(np.sin(turned))
    meets: np.ndarray = np.asarray(True)
    for heading, own, its in ((one.heading, one, other), (other.heading, other, one)):
        along = np.abs(dx * np.cos(heading) + dy * np.sin(heading))
        across = np.abs(dy * np.cos(heading) - dx * np.sin(heading))
        meets = meets & (along < own.half_length + its.half_length * cos + its.half_width * sin)
        meets = meets & (across < own.half_width + its.half_length * sin + its.half_width * cos)
    return meets


def headings(path: np.ndarray) -> np.ndarray:
    """Where the vehicle points at each step of a path that it begins along x at the origin.

    The direction from the position before to the one after, at the last step from the one before; it is turned around
    where the vehicle drives backwards, which is where that is nearer to the heading before.

    Args:
        path: (N, T, 2), NaN from where it ends.

    Returns:
        (N, T) rad, not wrapped; NaN where the path is.
    """
    whole = np.concatenate([np.zeros((len(path), 1, 2)), path], axis=1)
    after = np.concatenate([whole[:, 2:], whole[:, -1:]], axis=1)
    after = np.where(np.isfinite(after), after, whole[:, 1:])
    way = after - whole[:, :-1]
    course, moves = np.arctan2(way[..., 1], way[..., 0]), np.hypot(way[..., 0], way[..., 1]) >= MOVED_M
    found = np.empty(course.shape)
    before = np.zeros(len(path))
    for step in range(course.shape[1]):
        turn = (course[:, step] - before + np.pi / 2) % np.pi - np.pi / 2  # of the axis, whichever end is in front
        before = before + np.where(moves[:, step], turn, 0.0)
        found[:, step] = before
    return np.where(np.isfinite(path[..., 0]), found, np.nan)


def collisions(
    driven: Driven, paths: Sequence[np.ndarray], trajectories: pl.DataFrame, tracks: pl.DataFrame, limits: TrackSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Which paths meet a tracked box.

    Args:
        paths: P arrays of (N, 64, 2) in the ego frame at t0, NaN from where they end.
        trajectories, tracks: the chunk's rows.
        limits: how long a gap may be that a box is taken across (`max_gap_s`).

    Returns:
        (N, P) whether path and box overlap at any step, and (N, P) whether any box is known at a step of the path.
        Where none is, nothing follows from it.
    """
    clips = {clip: number for number, clip in enumerate(sorted(set(driven.clip_id)))}
    met, known = (np.zeros((len(driven.t0_us), len(paths)), bool) for _ in range(2))
    one_drive = _one_drive(clips, trajectories, tracks)
    if one_drive is None:
        return met, known
    for first in range(0, len(met), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        met[part], known[part] = _met(driven.part(part), [path[part] for path in paths], clips, *one_drive, limits)
    return met, known


def _one_drive(clips: dict[str, int], trajectories: pl.DataFrame, tracks: pl.DataFrame) -> tuple[Ego, Boxes] | None:
    """The clips' drives and boxes as those of one drive, far apart on one clock; None where no box is known.

    So that what is made for a clip does them all at once. Boxes outside their clip's frames are left out.
    """
    order = pl.DataFrame(
        {"clip_id": clips.keys(), "number": clips.values()}, {"clip_id": pl.String, "number": pl.Int64}
    )
    clock = pl.col("t_us") + pl.col("number") * _APART_US
    drives = trajectories.join(order, on="clip_id").sort("number", "frame")
    lasting = drives.group_by("clip_id").agg(begin=pl.col("t_us").min(), end=pl.col("t_us").max())
    within = (
        tracks.join(order, on="clip_id")
        .join(lasting, on="clip_id")
        .filter(pl.col("t_us").is_between(pl.col("begin"), pl.col("end")))
    )
    if not within.height:
        return None
    ego = ego_of(drives.with_columns(t_us=clock, frame=pl.int_range(pl.len())))
    named = pl.format("{}/{}", pl.col("number").cast(pl.String).str.zfill(9), "track_id")
    boxes = boxes_of(within.with_columns(t_us=clock, track_id=named), ego)
    return (ego, boxes) if boxes.track_ids else None


def _met(
    driven: Driven,
    paths: Sequence[np.ndarray],
    clips: dict[str, int],
    ego: Ego,
    boxes: Boxes,
    limits: TrackSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """As `collisions` gives it."""
    number = np.array([clips[clip] for clip in driven.clip_id], np.int64)
    t_us = (driven.t0_us + number * _APART_US)[:, None] + STEP_US * np.arange(1, FUTURE_STEPS + 1)
    sample, track = _pairs(number, t_us, boxes)
    x, y, heading, length, width = boxes_at(boxes, track, t_us[sample], limits)
    actors = Rectangles(x, y, heading, length / 2, width / 2)
    met, known = (np.zeros((len(number), len(paths)), bool) for _ in range(2))
    for column, path in enumerate(paths):
        bodies = _bodies(driven, path, t_us, ego)
        pair, step = np.nonzero(_near(bodies, sample, actors))
        hit = overlap(_taken(bodies, sample[pair], step), _taken(actors, pair, step))
        seen = (np.isfinite(x) & np.isfinite(path[sample, :, 0])).any(axis=1)
        met[sample[pair[hit]], column] = True
        known[sample[seen], column] = True
    return met, known


def _pairs(number: np.ndarray, t_us: np.ndarray, boxes: Boxes) -> tuple[np.ndarray, np.ndarray]:
    """Samples and the tracks of their clip that are seen during their steps, as two arrays of rows.

    Args:
        number: (N,) clip of each sample. t_us: (N, T) its steps.
    """
    track = np.arange(len(boxes.track_ids))
    begins = boxes.t_us[np.searchsorted(boxes.track, track)]
    ends = boxes.t_us[np.searchsorted(boxes.track, track, side="right") - 1]
    clip = np.array([int(name.partition("/")[0]) for name in boxes.track_ids])
    first, last = np.searchsorted(clip, number), np.searchsorted(clip, number, side="right")
    sample = np.repeat(np.arange(len(number)), last - first)
    of_sample = np.arange(len(sample)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
    mate = first[sample] + of_sample
    during = (begins[mate] <= t_us[sample, -1]) & (ends[mate] >= t_us[sample, 0])
    return sample[during], mate[during]


def _bodies(driven: Driven, path: np.ndarray, t_us: np.ndarray, ego: Ego) -> Rectangles:
    """The ego's body at each step of a path, local frame, (N, 64)."""
    x, y, yaw = (np.interp(t_us, ego.t_us, values) for values in (ego.x, ego.y, ego.heading))
    away = path - driven.xy
    course = headings(path)
    ahead, left = _into_rig(driven.rot, away[..., 0], away[..., 1])
    cos, sin = _into_rig(driven.rot, np.cos(course), np.sin(course))
    heading = np.arctan2(sin, cos) + yaw
    front, rear, width = (driven.outline[:, None, column] for column in range(3))
    middle = (front - rear) / 2
    return Rectangles(
        x=x + ahead * np.cos(yaw) - left * np.sin(yaw) + middle * np.cos(heading),
        y=y + ahead * np.sin(yaw) + left * np.cos(yaw) + middle * np.sin(heading),
        heading=heading,
        half_length=np.broadcast_to((front + rear) / 2, heading.shape),
        half_width=np.broadcast_to(width / 2, heading.shape),
    )


def _into_rig(rot: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in the plane of the ego frame at t0, along and across the vehicle at each step."""
    return rot[..., 0, 0] * x + rot[..., 1, 0] * y, rot[..., 0, 1] * x + rot[..., 1, 1] * y


def _near(bodies: Rectangles, sample: np.ndarray, actors: Rectangles) -> np.ndarray:
    """(P, T) whether the circles around body and box overlap: where they do not, neither do body and box."""
    reach = np.hypot(bodies.half_length, bodies.half_width)[sample] + np.hypot(actors.half_length, actors.half_width)
    dx, dy = actors.x - bodies.x[sample], actors.y - bodies.y[sample]
    return np.asarray(np.hypot(dx, dy) < reach)


def _taken(boxes: Rectangles, row: np.ndarray, step: np.ndarray) -> Rectangles:
    columns = (boxes.x, boxes.y, boxes.heading, boxes.half_length, boxes.half_width)
    return Rectangles(*(values[row, step] for values in columns))
