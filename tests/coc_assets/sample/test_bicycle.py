"""The ego's drive: speed changes land where they say, and the bicycle follows its steering."""

from __future__ import annotations

import numpy as np
import pytest

from coc_assets.sample.bicycle import (
    EGO,
    Bend,
    Shift,
    SpeedChange,
    Steering,
    bends,
    blend,
    drive,
    integral,
    scene_clock,
    shifts,
    speed_profile,
    trapezoid,
    trapezoid_integral,
)

CLOCK = scene_clock()
SECONDS = CLOCK / 1e6


def test_the_clock_covers_a_clip_and_its_camera_lead_in():
    assert CLOCK[0] <= -330_000 and CLOCK[-1] >= 20_120_000
    assert set(np.diff(CLOCK)) == {10_000}


@pytest.mark.parametrize(
    "change",
    [
        SpeedChange(3.0, -10.0, 2.5),
        SpeedChange(3.0, 4.0, 1.0, 0.3, 2.0),
        SpeedChange(3.0, -2.0, 2.0, 1.0, 1.0),
    ],
)
def test_a_speed_change_gains_its_delta_within_its_peak(change):
    speed = speed_profile(CLOCK, 10.0, [change])
    gained = np.gradient(speed, SECONDS)
    assert np.all(speed[change.start_s >= SECONDS] == 10.0)
    assert np.allclose(speed[change.end_s + 0.02 < SECONDS], 10.0 + change.delta, atol=1e-9)
    assert np.abs(gained).max() == pytest.approx(change.peak, rel=0.02)
    assert np.abs(np.gradient(gained, SECONDS)).max() <= change.peak / min(change.ramp_s, change.release_s) * 1.01


def test_a_stop_ends_in_exact_standstill():
    stop = SpeedChange(2.0, -9.7, 2.3)
    assert speed_profile(CLOCK, 9.7, [stop])[-1] == 0.0


def test_a_change_too_small_for_its_peak_is_an_error_that_says_the_mend():
    with pytest.raises(ValueError, match="lower peak"):
        speed_profile(CLOCK, 10.0, [SpeedChange(1.0, 0.5, 2.0)])


@pytest.mark.parametrize(("rise", "fall"), [(0.3, 0.3), (0.1, 0.6), (0.5, 0.5)])
def test_the_trapezoid_integral_is_the_trapezoids_area(rise, fall):
    u = np.linspace(-0.2, 1.2, 2801)
    height = trapezoid(u, rise, fall)
    area = np.concatenate([[0.0], np.cumsum((height[1:] + height[:-1]) / 2 * np.diff(u))])
    assert np.allclose(trapezoid_integral(u, rise, fall), area, atol=1e-5)
    assert trapezoid_integral(np.array([1.0]), rise, fall)[0] == pytest.approx(1.0, abs=1e-12)


def test_the_blends_derivatives_are_its_own():
    u = np.linspace(0, 1, 2001)
    value, first, second = blend(u)
    assert (value[0], value[-1]) == (0.0, 1.0)
    assert np.allclose(np.gradient(value, u)[1:-1], first[1:-1], atol=1e-4)
    assert np.allclose(np.gradient(first, u)[1:-1], second[1:-1], atol=1e-2)


def test_a_constant_curvature_drives_a_circle():
    radius, speed = 20.0, 5.0
    around = Steering(np.array([-1e3, 1e3]), np.full(2, 1 / radius))
    path = drive(CLOCK, np.full(len(CLOCK), speed), around)
    turned = speed * SECONDS / radius
    assert np.allclose(path.heading, turned, atol=1e-9)
    assert np.allclose(path.x, radius * np.sin(turned), atol=1e-3)
    assert np.allclose(path.y, radius * (1 - np.cos(turned)), atol=1e-3)


@pytest.mark.parametrize("offset", [3.5, -3.5, 1.2])
def test_a_shift_ends_parallel_at_its_offset(offset):
    path = drive(CLOCK, np.full(len(CLOCK), 12.0), shifts([Shift(40.0, 60.0, offset)]))
    assert path.y[np.searchsorted(path.x, 39.0)] == pytest.approx(0.0, abs=1e-6)
    assert path.y[-1] == pytest.approx(offset, abs=5e-3)
    assert path.heading[-1] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("angle", [np.pi / 2, -0.5])
def test_a_bend_turns_by_its_angle(angle):
    path = drive(CLOCK, np.full(len(CLOCK), 6.0), bends([Bend(20.0, 30.0, angle)]))
    assert path.heading[-1] == pytest.approx(angle, abs=1e-3)


def test_reversing_with_the_wheels_to_the_left_turns_the_heading_right():
    speed = speed_profile(CLOCK, 0.0, [SpeedChange(2.0, -1.5, 0.9)])
    path = drive(CLOCK, speed, bends([Bend(2.0, 12.0, 0.6)]))
    assert path.heading[-1] == pytest.approx(-0.6, abs=1e-3)
    assert path.x[-1] < -5.0


def test_more_than_the_wheels_can_turn_is_an_error():
    sharpest = np.tan(EGO.max_steer) / EGO.wheelbase
    with pytest.raises(ValueError, match="widen the bend"):
        drive(CLOCK, np.full(len(CLOCK), 3.0), Steering(np.array([0.0, 60.0]), np.full(2, sharpest * 1.05)))


def test_integrals_are_zero_at_the_clips_time_0():
    assert np.interp(0.0, CLOCK, integral(CLOCK, np.full(len(CLOCK), 3.0))) == 0.0
    assert integral(CLOCK, np.full(len(CLOCK), 3.0))[-1] == pytest.approx(3.0 * SECONDS[-1])
