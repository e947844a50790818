"""One clip as the rules see it, and what the history shows of an actor.

A label cites only what was seen by its keyframe: every figure about an actor is measured on the boxes of the history
window, at their own instants.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from coc_assets.raw_coc.rules.geometry import (
    Actors,
    Boxes,
    Ego,
    ReferenceLine,
    actors_of,
    boxes_of,
    ego_of,
    half_extents,
    place,
    reference_line,
    wrap,
)
from coc_assets.raw_coc.rules.motion import Window
from resources.settings.labels import RulesSettings

_MICRO = 1e-6
PERSON_CLASSES = frozenset({"person", "rider", "stroller", "animal"})


@dataclass(frozen=True)
class Scene:
    """The ego of one clip, its reference line and the actors around it; `boxes` is None where nothing was tracked."""

    ego: Ego
    line: ReferenceLine
    boxes: Boxes | None
    settings: RulesSettings

    @cached_property
    def actors(self) -> Actors | None:
        if self.boxes is None:
            return None
        return actors_of(self.boxes, self.ego, self.line, self.settings.tracks)

    @cached_property
    def gap(self) -> np.ndarray:
        """(K, T) bumper-to-bumper distance along the line from the ego's front to the actor, m."""
        assert self.actors is not None
        return self.actors.s - self.actors.half_s - self.line.ego_s - self.settings.body.front_m

    @cached_property
    def clearance(self) -> np.ndarray:
        """(K, T) lateral distance between the actor's box and the swept strip, negative where they overlap, m."""
        assert self.actors is not None
        return np.abs(self.actors.d) - self.actors.half_d - self.settings.body.half_width_m

    @cached_property
    def people(self) -> np.ndarray:
        """(K,) which actors are people or animals."""
        assert self.boxes is not None
        return np.array([name in PERSON_CLASSES for name in self.boxes.classes])

    def seen(self, window: Window) -> np.ndarray:
        """(K,) which actors the history shows well enough, and recently enough, to be cited."""
        assert self.boxes is not None
        from_us, to_us = (int(self.ego.t_us[frame]) for frame in (window.first, window.frame))
        within = (self.boxes.t_us >= from_us) & (self.boxes.t_us <= to_us)
        track, t_us = self.boxes.track[within], self.boxes.t_us[within]
        first = np.full(len(self.boxes.track_ids), np.iinfo(np.int64).max)
        last = np.full(len(self.boxes.track_ids), np.iinfo(np.int64).min)
        np.minimum.at(first, track, t_us)
        np.maximum.at(last, track, t_us)
        known = np.flatnonzero(last > np.iinfo(np.int64).min)
        result = np.zeros(len(last), bool)
        long_enough = (last[known] - first[known]) * _MICRO >= self.settings.window.min_seen_s
        recent = (to_us - last[known]) * _MICRO <= self.settings.window.last_seen_s
        result[known] = long_enough & recent
        return result


@dataclass(frozen=True)
class Sighting:
    """What the history shows of one actor; figures hold at its last box in it.

    Attributes:
        seen_from_us, seen_to_us: first and last box within the history, clip clock.
        gap_m: along the path, from the ego's front bumper; negative when alongside or behind.
        lateral_m: box centre off the path, left positive.
        clearance_m: between its box and the swept strip, negative where they overlap.
        least_clearance_m: least of it over the history.
        course_rad: its heading relative to the path.
        speed_before_mps, speed_mps: over ground, at the begin and the end of the history.
        approach_mps: lateral speed towards the path, negative when leaving it.
        ego_mps: speed of the ego.
        closing_mps: speed at which the gap shrinks.
    """

    track_id: str
    label_class: str
    seen_from_us: int
    seen_to_us: int
    gap_m: float
    lateral_m: float
    clearance_m: float
    least_clearance_m: float
    course_rad: float
    speed_before_mps: float
    speed_mps: float
    approach_mps: float
    ego_mps: float
    closing_mps: float


def scene_of(trajectory: pl.DataFrame, tracks: pl.DataFrame | None, settings: RulesSettings) -> Scene:
    """One clip's rows of `trajectories` and `tracks`; no tracks is fine."""
    ego = ego_of(trajectory)
    boxes = boxes_of(tracks, ego) if tracks is not None and tracks.height else None
    tracked = boxes if boxes is not None and boxes.track_ids else None
    return Scene(ego, reference_line(ego, settings.tracks), tracked, settings)


def sighting(scene: Scene, track: int, window: Window) -> Sighting:
    """Measures one actor over the history window."""
    assert scene.boxes is not None
    boxes, ego, body = scene.boxes, scene.ego, scene.settings.body
    rows = np.arange(*boxes.of(track).indices(len(boxes.t_us)))
    t_us = boxes.t_us[rows]
    rows = rows[(t_us >= ego.t_us[window.first]) & (t_us <= ego.t_us[window.frame])]
    t_us, x, y = boxes.t_us[rows], boxes.x[rows], boxes.y[rows]
    placed = place(scene.line, x, y)
    facing = wrap(boxes.heading[rows] - placed.tangent)
    half_s, half_d = half_extents(facing, boxes.length[rows], boxes.width[rows])
    clearance = np.abs(placed.d) - half_d - body.half_width_m
    s, d, tangent = float(placed.s[-1]), float(placed.d[-1]), float(placed.tangent[-1])
    span_us = scene.settings.tracks.sighting_span_s / _MICRO
    vx, vy = _slope(t_us, x, y, t_us >= t_us[-1] - span_us)
    before = _slope(t_us, x, y, t_us <= t_us[0] + span_us)
    along, across = vx * np.cos(tangent) + vy * np.sin(tangent), vy * np.cos(tangent) - vx * np.sin(tangent)
    ego_s, ego_mps = (float(np.interp(t_us[-1], ego.t_us, values)) for values in (scene.line.ego_s, ego.along))
    return Sighting(
        track_id=boxes.track_ids[track],
        label_class=boxes.classes[track],
        seen_from_us=int(t_us[0]),
        seen_to_us=int(t_us[-1]),
        gap_m=s - float(half_s[-1]) - ego_s - body.front_m,
        lateral_m=d,
        clearance_m=float(clearance[-1]),
        least_clearance_m=float(clearance.min()),
        course_rad=float(facing[-1]),
        speed_before_mps=float(np.hypot(*before)),
        speed_mps=float(np.hypot(vx, vy)),
        approach_mps=float(-np.sign(d) * across),
        ego_mps=ego_mps,
        closing_mps=ego_mps - float(along),
    )


def _slope(t_us: np.ndarray, x: np.ndarray, y: np.ndarray, chosen: np.ndarray) -> tuple[float, float]:
    """Velocity by a least-squares line through the chosen boxes; zero where one alone is left."""
    seconds = (t_us[chosen] - t_us[chosen].mean()) * _MICRO
    spread = float((seconds**2).sum())
    if spread == 0.0:
        return 0.0, 0.0
    return float((seconds * x[chosen]).sum()) / spread, float((seconds * y[chosen]).sum()) / spread
