"""Who is on the road besides the ego: shapes, ways of moving in road coordinates, and bystanders that cause nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from coc_assets.sample.bicycle import SpeedChange, blend, integral, speed_profile
from coc_assets.sample.boxes import box_of, ego_box, ever_overlap
from coc_assets.sample.roads import Centreline, Layout
from coc_assets.sample.world import Actor, Path2D

Kind = Literal["car", "truck", "person", "rider"]
_MOVING_MPS = 0.05
_CLEARANCE_M = 0.35

# kind: class, then the ranges of length, width and height, m
_SHAPES: dict[Kind, tuple[str, tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "car": ("automobile", (4.2, 4.9), (1.78, 1.92), (1.42, 1.72)),
    "truck": ("other_vehicle", (7.5, 10.5), (2.35, 2.5), (2.9, 3.6)),
    "person": ("person", (0.45, 0.6), (0.5, 0.7), (1.6, 1.88)),
    "rider": ("rider", (1.7, 1.9), (0.6, 0.75), (1.65, 1.85)),
}
_PAINTS = {
    "automobile": [(196, 40, 40), (40, 70, 150), (225, 225, 228), (60, 62, 66), (150, 155, 160), (35, 110, 75)],
    "other_vehicle": [(215, 200, 120), (235, 235, 235), (70, 110, 160)],
    "person": [(200, 90, 40), (60, 60, 140), (150, 40, 90), (40, 120, 120)],
    "rider": [(230, 200, 40), (90, 160, 60)],
}


@dataclass(frozen=True)
class Shape:
    label_class: str
    length: float
    width: float
    height: float


class Cast:
    """Makes the actors of one scene, with track ids that say nothing of their part in it."""

    def __init__(self, rng: np.random.Generator, clock: np.ndarray, line: Centreline) -> None:
        self.rng, self.clock, self.line = rng, clock, line
        self._ids = iter(rng.permutation(np.arange(1, 1000)))

    def shape(self, kind: Kind) -> Shape:
        label_class, *ranges = _SHAPES[kind]
        return Shape(label_class, *(round(float(self.rng.uniform(*span)), 2) for span in ranges))

    def vehicle(self, trucks: float = 0.2) -> Shape:
        """A car, or with the given probability a truck."""
        return self.shape("truck" if self.rng.uniform() < trucks else "car")

    def actor(self, shape: Shape, along: np.ndarray | float, across: np.ndarray | float, facing: float = 0.0) -> Actor:
        """An actor whose box centre follows road coordinates over the scene's clock.

        Args:
            along, across: (N,) s and d, m, or a constant.
            facing: direction relative to the road of something that never moves, rad.
        """
        s, d = (np.broadcast_to(np.asarray(value, dtype=np.float64), self.clock.shape) for value in (along, across))
        xy = self.line.place(s, d)
        seconds = self.clock / 1e6
        course, moving = _course(np.gradient(s, seconds), np.gradient(d, seconds), facing)
        speed = np.where(moving, np.hypot(*np.gradient(xy, seconds, axis=0).T), 0.0)
        path = Path2D(self.clock, xy[:, 0], xy[:, 1], self.line.tangent(s) + course, speed, np.zeros(len(s)))
        paint = _PAINTS[shape.label_class]
        colour = paint[int(self.rng.integers(len(paint)))]
        return Actor(f"{next(self._ids):03d}", shape.label_class, shape.length, shape.width, shape.height, path, colour)

    def run(self, at_s: float, where: float, speed: float, changes: Iterable[SpeedChange] = ()) -> np.ndarray:
        """(N,) s of something that is at `where` at the instant `at_s` and keeps to a speed profile."""
        along = integral(self.clock, speed_profile(self.clock, speed, list(changes)))
        return along + where - np.interp(at_s * 1e6, self.clock, along)

    def glide(self, start_s: float, duration_s: float, origin: float, target: float) -> np.ndarray:
        """(N,) d of something that moves sideways once."""
        return origin + (target - origin) * blend((self.clock / 1e6 - start_s) / duration_s)[0]


def _course(along: np.ndarray, across: np.ndarray, facing: float) -> tuple[np.ndarray, np.ndarray]:
    """Direction of motion relative to the road, (N,) rad, held where nothing moves, and where it moves, (N,) bool."""
    moving = np.hypot(along, across) > _MOVING_MPS
    if not moving.any():
        return np.full(len(along), facing), moving
    known = np.flatnonzero(moving)
    course = np.unwrap(np.arctan2(across[known], along[known]))
    return np.interp(np.arange(len(along)), known, course), moving


def oncoming(cast: Cast, layout: Layout) -> list[Actor]:
    """Traffic the other way at a steady speed."""
    made = []
    where = cast.rng.uniform(15.0, 60.0)
    for _ in range(int(cast.rng.integers(1, 5)) if layout.oncoming else 0):
        lane = layout.left + int(cast.rng.integers(1, layout.oncoming + 1))
        along = cast.run(0.0, where, -float(cast.rng.uniform(8.0, 12.0)))
        made.append(cast.actor(cast.vehicle(), along, layout.lane(lane)))
        where += cast.rng.uniform(45.0, 110.0)
    return made


def parked(cast: Cast, layout: Layout) -> list[Actor]:
    """Cars in the parking bays on the right."""
    made, where = [], cast.rng.uniform(-10.0, 25.0)
    middle = layout.right_edge + layout.parking / 2 + 0.25
    for _ in range(int(cast.rng.integers(2, 6)) if layout.parking else 0):
        made.append(cast.actor(cast.shape("car"), where, middle))
        where += cast.rng.uniform(7.0, 40.0)
    return made


def walkers(cast: Cast, layout: Layout) -> list[Actor]:
    """People on the pavements, along the road or standing."""
    made = []
    for _ in range(int(cast.rng.integers(1, 5))):
        beside = layout.right_edge - 1.6 if cast.rng.uniform() < 0.5 else layout.left_edge + 1.6
        pace = float(cast.rng.choice([0.0, 1.1, 1.4, -1.2]))
        along = cast.run(0.0, float(cast.rng.uniform(5.0, 120.0)), pace)
        made.append(cast.actor(cast.shape("person"), along, beside + float(cast.rng.uniform(-0.5, 0.5))))
    return made


def neighbours(cast: Cast, layout: Layout, speed: float, lanes: Iterable[int] | None = None) -> list[Actor]:
    """Traffic in the lanes beside the ego's, as fast as it or a little faster; `lanes` counts to the left."""
    beside = [lane for lane in range(-layout.right, layout.left + 1) if lane] if lanes is None else list(lanes)
    made = []
    for lane in beside:
        for where in (cast.rng.uniform(18.0, 45.0), cast.rng.uniform(-45.0, -22.0)):
            if cast.rng.uniform() < 0.7:
                pace = speed + float(cast.rng.uniform(0.3, 1.8)) * (1.0 if where > 0 else -1.0)
                made.append(cast.actor(cast.vehicle(), cast.run(0.0, float(where), pace), layout.lane(lane)))
    return made


def waiting(cast: Cast, layout: Layout, crossing: float, half_width: float) -> list[Actor]:
    """Vehicles that wait at a crossing: one oncoming, one on the other road on either side."""
    gap = half_width + 3.0
    places: list[tuple[float, float, float]] = [
        (crossing + gap + 3.0, layout.lane(layout.left + 1), np.pi),
        (crossing + layout.lane_width / 2, layout.right_edge - 4.5, np.pi / 2),
        (crossing - layout.lane_width / 2, layout.left_edge + 4.5, -np.pi / 2),
    ]
    made = []
    for s, d, facing in places:
        if cast.rng.uniform() < 0.6:
            made.append(cast.actor(cast.shape("car"), s, d, facing))
    return made


def keep_clear(ego: Path2D, cast: list[Actor], extras: Iterable[Actor]) -> list[Actor]:
    """The cast with those extras that come near nobody who is already there."""
    kept = list(cast)
    body = ego_box(ego, _CLEARANCE_M)
    for extra in extras:
        box = box_of(extra)
        others = [body, *(box_of(actor, _CLEARANCE_M) for actor in kept)]
        if not any(ever_overlap(box, other) for other in others):
            kept.append(extra)
    return kept
