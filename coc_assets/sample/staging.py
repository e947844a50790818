"""What every script builds with: drawn parameters, a scene in the making, and its move into the clip's local frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from coc_assets.sample.bicycle import EGO, STRAIGHT, Steering, drive, integral, scene_clock
from coc_assets.sample.cast import Cast, Shape, keep_clear
from coc_assets.sample.roads import Centreline, Layout, reference_line, road_along
from coc_assets.sample.world import Actor, Line, Path2D, Road, Scene, Truth

Side = Literal["left", "right"]
ROAD_SPAN = (-150.0, 500.0)
_LEAST_REACH = 0.001  # one step of a rounded parameter
_SKIES = ((150, 185, 220), (120, 165, 220), (185, 195, 205), (205, 190, 180))
_GROUNDS = ((105, 120, 90), (125, 125, 95), (95, 110, 95))


class Draw:
    """Draws a scene's parameters and remembers them under their names.

    Attributes:
        widen: 0 draws from a script's own ranges; above 0 only from what lies outside them, on either side as far as
            this share of the range's length.
    """

    def __init__(self, rng: np.random.Generator, widen: float = 0.0) -> None:
        self.rng, self.widen = rng, widen
        self.drawn: dict[str, float | str] = {}

    def __call__(self, name: str, low: float, high: float) -> float:
        value = round(self._beside(low, high) if self.widen else float(self.rng.uniform(low, high)), 3)
        self.drawn[name] = value
        return value

    def _beside(self, low: float, high: float) -> float:
        """A value that stays outside the range when it is rounded."""
        reach = max(self.widen * (high - low), _LEAST_REACH)
        off = float(self.rng.uniform(-reach + _LEAST_REACH, reach - _LEAST_REACH))
        return low + off - _LEAST_REACH if off < 0 else high + off + _LEAST_REACH

    def pick(self, name: str, options: Sequence[str]) -> str:
        value = str(options[int(self.rng.integers(len(options)))])
        self.drawn[name] = value
        return value

    def side(self, sides: Sequence[Side] = ("left", "right")) -> tuple[Side, int]:
        """One of the sides and its sign, left positive."""
        side: Side = "left" if self.pick("side", sides) == "left" else "right"
        return side, 1 if side == "left" else -1


@dataclass
class Draft:
    """A scene in the making, in road coordinates: the ego's drive and the people around it."""

    draw: Draw
    name: str
    layout: Layout
    speed: np.ndarray
    steering: Steering = STRAIGHT
    truth: list[Truth] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = scene_clock()
        self.ego: Path2D = drive(self.clock, self.speed, self.steering)
        self.line: Centreline = reference_line(STRAIGHT)
        self.cast = Cast(self.draw.rng, self.clock, self.line)

    def follow(self) -> Draft:
        """Lets the road follow the ego's steering."""
        self.line = reference_line(self.steering)
        self.cast.line = self.line
        return self

    def ahead(self, at_s: float, gap: float, shape: Shape) -> float:
        """s of the middle of a shape whose rear lies `gap` m before the ego's front bumper at the instant `at_s`."""
        return travelled(self.clock, self.speed, at_s) + EGO.front + gap + shape.length / 2

    def claim(
        self,
        onset_s: float | None,
        longitudinal: str | None,
        lateral: str | None = "lane_keeping",
        direction: Side | None = None,
        cause: str | None = None,
        actor: Actor | None = None,
        trackable: bool = True,
    ) -> None:
        """Adds a scripted answer."""
        onset_us = None if onset_s is None else round(onset_s * 1e6)
        track_id = None if actor is None else actor.track_id
        self.truth.append(Truth(self.name, longitudinal, lateral, direction, cause, track_id, onset_us, trackable))

    def finish(self, actors: Sequence[Actor] = (), extras: Sequence[Actor] = (), road: Road | None = None) -> Scene:
        """The scene, with those bystanders that stay clear of everybody else."""
        road = road or road_along(self.line, self.layout, ROAD_SPAN)
        people = keep_clear(self.ego, list(actors), extras)
        sky, ground = (colours[int(self.draw.rng.integers(len(colours)))] for colours in (_SKIES, _GROUNDS))
        return Scene("", road, self.ego, people, self.truth, sky, ground, dict(self.draw.drawn))

    def with_paint(self, lines: Sequence[Line]) -> Road:
        road = road_along(self.line, self.layout, ROAD_SPAN)
        return Road(road.surfaces, [*road.lines, *lines])


def travelled(clock: np.ndarray, speed: np.ndarray, at_s: float) -> float:
    """Distance that the ego has come since the clip's time 0, m."""
    return float(np.interp(at_s * 1e6, clock, integral(clock, np.abs(speed))))


def place(scene: Scene, clip_id: str, first_us: int, heading: float) -> Scene:
    """The scene in the clip's local frame: the ego at the origin at `first_us`, under the given heading."""
    ego = scene.ego
    at = [float(np.interp(first_us, ego.t_us, values)) for values in (ego.x, ego.y, ego.heading)]
    angle = heading - at[2]
    turn_by = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def points(xy: np.ndarray) -> np.ndarray:
        return (xy - np.array(at[:2])) @ turn_by.T

    def path(old: Path2D) -> Path2D:
        xy = points(np.stack([old.x, old.y], axis=1))
        return replace(old, x=xy[:, 0], y=xy[:, 1], heading=old.heading + angle)

    return replace(
        scene,
        clip_id=clip_id,
        road=Road(
            [points(surface) for surface in scene.road.surfaces],
            [replace(line, points=points(line.points)) for line in scene.road.lines],
        ),
        ego=path(ego),
        actors=[replace(actor, path=path(actor.path)) for actor in scene.actors],
    )
