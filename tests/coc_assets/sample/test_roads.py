"""Roads under the scenes."""

from __future__ import annotations

import numpy as np
import pytest

from coc_assets.sample.bicycle import STRAIGHT, Bend, bends, drive, scene_clock
from coc_assets.sample.roads import (
    Layout,
    crossing_half_width,
    crossing_line,
    crossroads,
    reference_line,
    road_along,
    stop_line,
    zebra,
)

BENT = bends([Bend(30.0, 40.0, 0.5)])


def test_the_reference_line_lies_under_the_ego():
    clock = scene_clock()
    path = drive(clock, np.full(len(clock), 9.0), BENT)
    line = reference_line(BENT)
    along = 9.0 * clock / 1e6
    assert np.allclose(line.place(along, 0.0), np.stack([path.x, path.y], axis=1), atol=5e-3)
    assert np.allclose(line.tangent(along), path.heading, atol=5e-3)


def test_d_is_to_the_left_of_the_line():
    line = reference_line(BENT)
    s = np.array([10.0, 50.0, 90.0])
    offset = line.place(s, 2.0) - line.place(s, 0.0)
    heading = line.tangent(s)
    assert np.allclose(offset, 2.0 * np.stack([-np.sin(heading), np.cos(heading)], axis=1))


def test_the_line_goes_on_straight_beyond_its_ends():
    line = reference_line(BENT)
    end = line.s[-1]
    beyond = line.place(np.array([end + 50.0]), 0.0) - line.place(np.array([end]), 0.0)
    assert np.allclose(beyond, 50.0 * np.array([np.cos(0.5), np.sin(0.5)]), atol=1e-3)


@pytest.mark.parametrize(
    ("layout", "dashed", "yellow"),
    [
        (Layout(oncoming=1), 0, 1),
        (Layout(left=1, oncoming=1), 1, 2),
        (Layout(left=1, right=1, oncoming=2), 3, 2),
        (Layout(right=1, oncoming=0), 1, 0),
    ],
)
def test_paint_divides_the_lanes(layout, dashed, yellow):
    road = road_along(reference_line(STRAIGHT), layout, (0.0, 50.0))
    white = [line for line in road.lines if line.colour == (235, 235, 235)]
    assert sum(line.style == "dashed" for line in white) == dashed
    assert sum(line.style == "solid" for line in white) == 2
    assert sum(line.colour == (225, 185, 60) for line in road.lines) == yellow
    boundaries = [line.points[0, 1] / layout.lane_width for line in white if line.style == "dashed"]
    assert all((at - 0.5) % 1 == pytest.approx(0.0) for at in boundaries)
    surface = road.surfaces[0]
    assert surface[:, 1].min() == pytest.approx(layout.right_edge)
    assert surface[:, 1].max() == pytest.approx(layout.left_edge)


def test_a_crossing_has_no_lane_paint_in_it_and_a_stop_line_before_it():
    layout, middle = Layout(oncoming=1), 60.0
    road = crossroads(reference_line(STRAIGHT), layout, middle)
    half = crossing_half_width(layout)
    for line in road.lines:
        inside = (np.abs(line.points[:, 0] - middle) < half - 0.1) & (line.points[:, 1] < layout.left_edge - 0.1)
        assert not (inside & (line.points[:, 1] > layout.right_edge + 0.1)).any()
    stops = [line for line in road.lines if line.width == 0.4]
    assert len(stops) == 1
    assert stops[0].points[0, 0] < middle - half
    assert np.abs(stops[0].points[:, 1]).max() < layout.lane_width / 2


def test_the_crossing_road_points_to_the_left():
    across = crossing_line(reference_line(STRAIGHT), 30.0)
    assert np.allclose(across.place(np.array([7.0]), 0.0), [[30.0, 7.0]])


def test_stripes_and_stop_line_lie_across_the_lane():
    layout = Layout(oncoming=1)
    line = reference_line(STRAIGHT)
    assert np.ptp(stop_line(line, layout, 20.0).points[:, 0]) == 0.0
    stripes = zebra(line, layout, 20.0)
    assert all(np.allclose(stripe.points[:, 0].mean(), 20.0) for stripe in stripes)
    across = [stripe.points[0, 1] for stripe in stripes]
    assert min(across) > layout.right_edge and max(across) < layout.left_edge and len(across) >= 6
