from __future__ import annotations

import numpy as np
import pytest

from coc_assets.raw_coc.rules.geometry import ego_of
from coc_assets.raw_coc.rules.motion import Motion, motion_at, window_at
from resources.settings.labels import RulesSettings
from tests.coc_assets.raw_coc.rules.scenes import Drive, arc, swerve, trajectory

SETTINGS = RulesSettings()


def motion(drive: Drive, frame: int = 55) -> Motion:
    ego = ego_of(trajectory(drive))
    return motion_at(window_at(frame, ego, SETTINGS), ego, SETTINGS)


@pytest.mark.parametrize(
    ("speed", "bucket"),
    [
        ([(0, 12.0)], "steady"),
        ([(0, 12.0), (6, 12.0), (8, 11.0)], "steady"),  # 10 % of 12 m/s is more than 1 m/s
        ([(0, 12.0), (6, 12.0), (8, 10.7)], "slow_down"),
        ([(0, 5.0), (6, 5.0), (8, 4.1)], "steady"),
        ([(0, 5.0), (6, 5.0), (8, 3.9)], "slow_down"),
        ([(0, 5.0), (6, 5.0), (8, 6.1)], "speed_up"),
        ([(0, 8.0), (6, 8.0), (8, 6.0), (10, 12.0)], "slow_down"),  # the first of the two
        ([(0, 8.0), (6, 8.0), (8, 10.0), (10, 5.0)], "speed_up"),
        ([(0, 8.0), (6, 8.0), (10, 0.0)], "stopped"),
        ([(0, 8.0), (6, 8.0), (10, 0.0), (10.2, 0.0), (12, 6.0)], "stopped"),
        ([(0, 0.0)], "stopped"),
        ([(0, 0.0), (6, 0.0), (8, 4.0)], "speed_up"),  # leaving a standstill is no stop
        ([(0, 0.0), (6, 0.0), (8, -1.5)], "reverse"),
    ],
)
def test_buckets(speed: list[tuple[float, float]], bucket: str) -> None:
    assert motion(Drive(speed)).bucket == bucket


def test_the_onset_is_where_the_speed_begins_to_fall() -> None:
    assert motion(Drive([(0, 12.0), (7.0, 12.0), (9, 8.0)])).onset == pytest.approx(70, abs=1)


def test_what_happens_after_the_window_does_not_count() -> None:
    late = Drive([(0, 12.0), (11.6, 12.0), (13, 6.0)])
    assert motion(late).bucket == "steady"
    assert motion(late, frame=70).bucket == "slow_down"


def test_a_stop_just_after_the_window_is_a_stop() -> None:
    slow = motion(Drive([(0, 12.0), (6, 12.0), (12.5, 0.0)]))
    assert (slow.bucket, slow.stops) == ("slow_down", True)
    assert not motion(Drive([(0, 12.0), (6, 12.0), (9, 6.0)])).stops


ROUND = arc(60.0, 20.0, np.pi / 2)


@pytest.mark.parametrize(
    ("drive", "kind", "direction"),
    [
        (Drive([(0, 10.0)]), None, None),
        (Drive([(0, 10.0)], ROUND), "turn", "left"),
        (Drive([(0, 10.0)], arc(60.0, 20.0, -np.pi / 2)), "turn", "right"),
        (Drive([(0, 10.0)], arc(60.0, 80.0, np.pi / 2)), None, None),  # too wide: a curve
        (Drive([(0, 10.0)], arc(60.0, 15.0, 0.5)), None, None),  # too little
        (Drive([(0, 12.0)], swerve((72.0, 50.0, 3.5))), "lane_change", "left"),
        (Drive([(0, 12.0)], swerve((72.0, 50.0, -3.5))), "lane_change", "right"),
        (Drive([(0, 12.0)], swerve((72.0, 60.0, 20.0))), None, None),  # no lane is that far
        (Drive([(0, 8.0)], swerve((48.0, 20.0, 1.2), (72.0, 20.0, -1.2))), "nudge", "left"),
        (Drive([(0, 8.0)], swerve((48.0, 20.0, -1.2), (72.0, 20.0, 1.2))), "nudge", "right"),
        (Drive([(0, 8.0)], swerve((48.0, 20.0, 0.2), (72.0, 20.0, -0.2))), None, None),
        (Drive([(0, 12.0)], arc(0.0, 400.0, 0.8)), None, None),  # a steady curve is no lane change
        (Drive([(0, 12.0)], arc(72.0, 400.0, 0.4)), None, None),  # nor is one that begins
        (Drive([(0, 12.0)], arc(0.0, 72.0, 0.25)), None, None),  # nor one that ends
        (Drive([(0, 0.0)]), None, None),
    ],
)
def test_manoeuvres(drive: Drive, kind: str | None, direction: str | None) -> None:
    found = motion(drive).manoeuvre
    assert (found and found.kind, found and found.direction) == (kind, direction)


def test_a_lane_change_in_a_curve_is_seen_against_the_curve() -> None:
    shift = swerve((72.0, 50.0, 3.5))
    found = motion(Drive([(0, 12.0)], lambda s: 1 / 600 + shift(s))).manoeuvre
    assert found is not None and (found.kind, found.direction) == ("lane_change", "left")
    assert found.offset_m == pytest.approx(3.5, abs=0.4)


@pytest.mark.parametrize(("frame", "finishing"), [(45, False), (55, False), (65, False), (85, True)])
def test_a_manoeuvre_under_way_is_finishing_once_most_of_it_is_done(frame: int, finishing: bool) -> None:
    found = motion(Drive([(0, 12.0)], swerve((72.0, 60.0, 3.5))), frame).manoeuvre
    assert found is not None and (found.kind, found.direction, found.finishing) == ("lane_change", "left", finishing)


def test_weaving_keeps_to_no_path_that_a_lane_change_could_leave() -> None:
    weave = swerve(*((20.0 + 40.0 * k, 40.0, 3.5 * (-1) ** k) for k in range(6)))
    assert motion(Drive([(0, 10.0)], weave), 80).manoeuvre is None


@pytest.mark.parametrize(("begin", "begins_m"), [(85.0, 30.0), (50.0, 0.0)])
def test_the_bend_ahead_and_the_bend_the_ego_is_in(begin: float, begins_m: float) -> None:
    bend = motion(Drive([(0, 10.0)], arc(begin, 60.0, -0.9))).bend
    assert bend is not None and bend.direction == "right"
    assert bend.begins_m == pytest.approx(begins_m, abs=6.0)
    assert bend.radius_m == pytest.approx(51 / 0.9, rel=0.05)


def test_a_clip_that_ends_cuts_the_window() -> None:
    window = window_at(160, ego_of(trajectory(Drive([(0, 5.0)]))), SETTINGS)
    assert (window.first, window.last, window.complete) == (140, 200, 200)
    assert window.future_s == pytest.approx(4.0)
