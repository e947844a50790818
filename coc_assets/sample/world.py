"""What one sample scene is made of: a road, an ego, actors, and the scripted decision with its cause.

Everything lives in the scene's *local* frame (metres, z up, ground at z = 0, headings counter-clockwise from +x) and on
the clip's clock (µs). The picture, the tracks and the egomotion of a clip are all read off one `Scene`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

LineStyle = Literal["solid", "dashed"]


@dataclass(frozen=True)
class Path2D:
    """Poses over time; N instants.

    Attributes:
        t_us: (N,) int64 ascending.
        x, y: (N,) float64, m. For the ego the rig origin (centre of the rear axle, on the ground); for an actor the
            centre of its box.
        heading: (N,) float64, continuous (not wrapped), rad.
        speed: (N,) float64 along the heading, negative when reversing, m/s.
        curvature: (N,) float64, 1/m; zeros for actors.
    """

    t_us: np.ndarray
    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    speed: np.ndarray
    curvature: np.ndarray


@dataclass(frozen=True)
class Actor:
    """A box that moves: `path` covers the whole time in which it exists."""

    track_id: str
    label_class: str
    length: float
    width: float
    height: float
    path: Path2D
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Line:
    """A painted line on the ground, (P, 2) points, m."""

    points: np.ndarray
    style: LineStyle
    width: float = 0.15
    colour: tuple[int, int, int] = (235, 235, 235)


@dataclass(frozen=True)
class Road:
    """Surfaces and paint: `surfaces` are (P, 2) polygons of asphalt, drawn in order; lines lie on top."""

    surfaces: list[np.ndarray]
    lines: list[Line]


@dataclass(frozen=True)
class Truth:
    """The scripted answer, which no stage reads."""

    scene: str
    longitudinal_decision: str | None
    lateral_decision: str | None
    lateral_direction: Literal["left", "right"] | None
    cause: str | None  # e.g. lead_brakes, lead_stopped, slower_lead, cut_in, person_crossing, parked_blocker, curve
    cause_track_id: str | None
    onset_us: int | None  # when the ego begins to act
    trackable: bool  # whether obstacle tracks and ego motion can show the cause


@dataclass(frozen=True)
class Scene:
    clip_id: str
    road: Road
    ego: Path2D  # at 100 Hz or finer, covering the whole clip
    actors: list[Actor]
    truth: list[Truth] = field(default_factory=list)
    sky: tuple[int, int, int] = (150, 185, 220)
    ground: tuple[int, int, int] = (105, 120, 90)
    parameters: dict[str, float | str] = field(default_factory=dict)  # what the script drew
