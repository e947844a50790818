"""Roads under the scenes: a reference line along the ego's lane, lanes beside it, paint and crossings.

Road coordinates: `s` metres along the reference line, which at the clip's time 0 starts under the ego's rear axle, and
`d` metres to its left. Traffic keeps to the right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coc_assets.sample.bicycle import Steering
from coc_assets.sample.world import Line, LineStyle, Road

BEHIND_M, AHEAD_M = 160.0, 520.0
_STEP_M = 0.5
_SHOULDER_M = 0.4
STOP_LINE_M = 1.5  # from a crossing's edge back to its stop line
_WHITE, _YELLOW, _KERB = (235, 235, 235), (225, 185, 60), (150, 150, 145)
Span = tuple[float, float]


@dataclass(frozen=True)
class Centreline:
    """The reference line: (P,) each, m and rad; straight where `s` lies outside."""

    s: np.ndarray
    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray

    def tangent(self, s: np.ndarray) -> np.ndarray:
        return np.interp(s, self.s, self.heading)

    def place(self, s: np.ndarray, d: np.ndarray | float) -> np.ndarray:
        """(K, 2) points of road coordinates."""
        heading, beyond = self.tangent(s), s - np.clip(s, self.s[0], self.s[-1])
        x = np.interp(s, self.s, self.x) + beyond * np.cos(heading) - d * np.sin(heading)
        y = np.interp(s, self.s, self.y) + beyond * np.sin(heading) + d * np.cos(heading)
        return np.stack([x, y], axis=-1)


@dataclass(frozen=True)
class Layout:
    """Lanes beside the ego's: `left` and `right` run its way, `oncoming` lie left of those; parking is on the right."""

    lane_width: float = 3.5
    left: int = 0
    right: int = 0
    oncoming: int = 1
    parking: float = 0.0

    def lane(self, index: int) -> float:
        """Centre of the lane `index` lanes to the left of the ego's (negative: to the right), m."""
        return index * self.lane_width

    @property
    def divider(self) -> float:
        """Boundary between the two directions."""
        return self.lane_width * (self.left + 0.5)

    @property
    def left_edge(self) -> float:
        return self.divider + self.lane_width * self.oncoming + _SHOULDER_M

    @property
    def right_edge(self) -> float:
        return -self.lane_width * (self.right + 0.5) - self.parking - _SHOULDER_M


def reference_line(steering: Steering) -> Centreline:
    """The line that a vehicle with this steering follows, from 160 m behind the ego to 520 m ahead of it."""
    s = np.arange(-BEHIND_M, AHEAD_M + _STEP_M, _STEP_M)
    fine = np.linspace(s[0], s[-1], 10 * (len(s) - 1) + 1)
    step = fine[1] - fine[0]
    heading = _from_zero(fine, steering.at(fine), step)
    x, y = _from_zero(fine, np.cos(heading), step), _from_zero(fine, np.sin(heading), step)
    return Centreline(s, x[::10], y[::10], heading[::10])


def road_along(line: Centreline, layout: Layout, span: Span, gap: Span | None = None) -> Road:
    """Asphalt and paint of a road over `span` (m of s); the paint leaves `gap` open, for a crossing."""
    edges = (layout.right_edge, layout.left_edge)
    surface = np.concatenate([_offset(line, span, edges[0]), _offset(line, span, edges[1])[::-1]])
    pieces = [span] if gap is None else [(span[0], gap[0]), (gap[1], span[1])]
    lines = [mark for piece in pieces for mark in _paint(line, layout, piece)]
    return Road([surface], lines)


def crossing_line(line: Centreline, s: float) -> Centreline:
    """A straight reference line across another at `s`, pointing to its left, with its own s = 0 on it."""
    origin = line.place(np.array([s]), 0.0)[0]
    heading = float(line.tangent(np.array([s]))[0]) + np.pi / 2
    along = np.array([-BEHIND_M, AHEAD_M])
    return Centreline(
        along, origin[0] + along * np.cos(heading), origin[1] + along * np.sin(heading), np.full(2, heading)
    )


def crossroads(line: Centreline, layout: Layout, s: float, radius: float = 6.5) -> Road:
    """The ego's road crossed at `s` (the middle of the other road) by a two-lane one, with rounded corners."""
    half = layout.lane_width + _SHOULDER_M
    across = crossing_line(line, s)
    main = road_along(line, layout, (-80.0, s + 90.0), gap=(s - half - radius, s + half + radius))
    arcs = [
        _corner_arc(line, s + side * half, edge, side, float(np.sign(edge)), radius)
        for side in (-1.0, 1.0)
        for edge in (layout.right_edge, layout.left_edge)
    ]
    lines = [*main.lines, *(Line(arc[1:], "solid", 0.2, _KERB) for arc in arcs)]
    for piece in ((-90.0, layout.right_edge - radius), (layout.left_edge + radius, 90.0)):
        lines.append(Line(_offset(across, piece, 0.0), "dashed", 0.12, _YELLOW))
        lines += [Line(_offset(across, piece, edge), "solid", 0.2, _KERB) for edge in (-half, half)]
    lines.append(stop_line(line, layout, s - half - STOP_LINE_M))
    return Road([*main.surfaces, _quad(across, (-90.0, 90.0), -half, half), *arcs], lines)


def crossing_half_width(layout: Layout) -> float:
    """Half the width of the road that `crossroads` lays across, m."""
    return layout.lane_width + _SHOULDER_M


def stop_line(line: Centreline, layout: Layout, s: float) -> Line:
    """A stop line over the ego's lane."""
    d = np.array([-0.5, 0.5]) * (layout.lane_width - 0.3)
    return Line(line.place(np.full(2, s), d), "solid", 0.4)


def zebra(line: Centreline, layout: Layout, s: float, depth: float = 3.0) -> list[Line]:
    """The stripes of a crosswalk whose middle lies at `s`."""
    stripes = np.arange(layout.right_edge + 0.6, layout.left_edge - 0.4, 1.0)
    ends = np.array([s - depth / 2, s + depth / 2])
    return [Line(line.place(ends, float(d)), "solid", 0.5) for d in stripes]


def _from_zero(s: np.ndarray, rate: np.ndarray, step: float) -> np.ndarray:
    total = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2 * step)])
    return total - np.interp(0.0, s, total)


def _offset(line: Centreline, span: Span, d: float) -> np.ndarray:
    straight = bool(np.ptp(line.tangent(np.linspace(*span, 50))) == 0)
    count = 2 if straight else int((span[1] - span[0]) / 2.0) + 2
    return line.place(np.linspace(span[0], span[1], count), d)


def _quad(line: Centreline, span: Span, low: float, high: float) -> np.ndarray:
    return np.concatenate([_offset(line, span, low), _offset(line, span, high)[::-1]])


def _paint(line: Centreline, layout: Layout, span: Span) -> list[Line]:
    width = layout.lane_width
    between = [width * (k + 0.5) for k in range(-layout.right, layout.left)]
    between += [layout.divider + width * k for k in range(1, layout.oncoming)]
    marks = [Line(_offset(line, span, d), "dashed") for d in between]
    marks.append(Line(_offset(line, span, -width * (layout.right + 0.5)), "solid"))
    if layout.oncoming:
        single = layout.left == 0 and layout.oncoming == 1
        at = (0.0,) if single else (-0.12, 0.12)
        style: LineStyle = "dashed" if single else "solid"
        marks += [Line(_offset(line, span, layout.divider + off), style, 0.12, _YELLOW) for off in at]
    marks.append(Line(_offset(line, span, layout.left_edge - _SHOULDER_M), "solid"))
    marks += [Line(_offset(line, span, d), "solid", 0.2, _KERB) for d in (layout.right_edge, layout.left_edge)]
    return marks


def _corner_arc(line: Centreline, s: float, d: float, s_side: float, d_side: float, radius: float) -> np.ndarray:
    """A crossing's corner, then the arc that rounds it: together the asphalt between them."""
    angle = np.linspace(0.0, np.pi / 2, 9)
    along = s + s_side * radius * (1 - np.cos(angle))
    across = d + d_side * radius * (1 - np.sin(angle))
    return np.concatenate([line.place(np.array([s]), d), line.place(along, across)])
