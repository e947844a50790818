from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coc_assets.scoring.collisions import Driven, Rectangles, collisions, headings, overlap
from resources import schemas
from resources.settings.labels import TrackSettings

STEPS = 64


def box(x: float, y: float, heading: float, length: float, width: float) -> Rectangles:
    return Rectangles(*(np.array([value]) for value in (x, y, heading, length / 2, width / 2)))


def met(one: Rectangles, other: Rectangles) -> bool:
    assert overlap(one, other)[0] == overlap(other, one)[0]
    return bool(overlap(one, other)[0])


CAR = box(0.0, 0.0, 0.0, 4.0, 2.0)


@pytest.mark.parametrize(
    ("other", "overlaps"),
    [
        (box(4.0, 0.0, 0.0, 4.0, 2.0), False),  # bumper at bumper
        (box(3.999, 0.0, 0.0, 4.0, 2.0), True),
        (box(0.0, 2.0, 0.0, 4.0, 2.0), False),  # side by side
        (box(0.0, -1.999, math.pi, 4.0, 2.0), True),
        (box(4.0, 2.0, 0.0, 4.0, 2.0), False),  # corner at corner
        (box(0.5, 0.2, 1.0, 0.3, 0.2), True),  # one within the other
        (box(0.0, 0.0, math.pi / 2, 40.0, 0.1), True),  # a cross: no corner of either lies in the other
        (box(2.0 + math.sqrt(2) - 0.01, 0.0, math.pi / 4, 2.0, 2.0), True),  # a corner in the bumper
        (box(2.0 + math.sqrt(2) + 0.01, 0.0, math.pi / 4, 2.0, 2.0), False),
        (box(3.0, 2.0, math.pi / 4, 2.0, 2.0), False),  # apart along the other's axis alone: bounding boxes overlap
        (box(math.nan, 0.0, 0.0, 4.0, 2.0), False),
    ],
)
def test_boxes_overlap_where_they_share_room(other: Rectangles, overlaps: bool) -> None:
    assert met(CAR, other) is overlaps


def corners(one: Rectangles) -> list[tuple[float, float]]:
    x, y, heading, length, width = (float(v[0]) for v in (one.x, one.y, one.heading, one.half_length, one.half_width))
    cos, sin = math.cos(heading), math.sin(heading)
    signs = [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    return [(x + a * length * cos - b * width * sin, y + a * length * sin + b * width * cos) for a, b in signs]


def area_shared(one: Rectangles, other: Rectangles) -> float:
    """By cutting one polygon along the edges of the other."""
    polygon, edges = corners(one), corners(other)
    for (ax, ay), (bx, by) in itertools.pairwise([*edges, edges[0]]):

        def side(p: tuple[float, float], ax: float = ax, ay: float = ay, bx: float = bx, by: float = by) -> float:
            return (bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax)

        cut = []
        for p, q in itertools.pairwise([*polygon, *polygon[:1]]):
            if side(p) >= 0:
                cut.append(p)
            if side(p) * side(q) < 0:
                share = side(p) / (side(p) - side(q))
                cut.append((p[0] + share * (q[0] - p[0]), p[1] + share * (q[1] - p[1])))
        polygon = cut
    return abs(sum(p[0] * q[1] - q[0] * p[1] for p, q in itertools.pairwise([*polygon, *polygon[:1]]))) / 2


sizes = st.floats(0.5, 8)
boxes = st.builds(box, st.floats(-8, 8), st.floats(-8, 8), st.floats(-4, 4), sizes, sizes)


@given(boxes, boxes)
@settings(max_examples=150, deadline=None)
def test_overlap_equals_the_area_that_is_shared(one: Rectangles, other: Rectangles) -> None:
    shared = area_shared(one, other)
    if shared > 1e-6:
        assert met(one, other)
    elif shared == 0.0:
        grown = box(*(float(v[0]) for v in (one.x, one.y, one.heading)), *(2 * float(v[0]) - 1e-6 for v in (
            one.half_length, one.half_width)))  # fmt: skip
        assert not met(grown, other)


def test_a_path_points_where_it_goes_and_keeps_its_heading_at_a_standstill() -> None:
    t = 0.1 * np.arange(1, STEPS + 1)
    straight, arc = np.stack([8 * t, 0 * t], 1), 20 * np.stack([np.sin(t / 4), 1 - np.cos(t / 4)], 1)
    arc[40:] = arc[39]
    backwards = np.stack([-3 * t, 0 * t], 1)
    found = headings(np.stack([straight, arc, backwards]))
    assert found[0].tolist() == [0.0] * STEPS
    assert found[1, :39] == pytest.approx(t[:39] / 4, abs=1e-6)
    assert found[1, 41:] == pytest.approx(found[1, 40])
    assert np.abs(found[2]).max() < 1e-9  # it backs up, it does not turn around


def test_headings_go_on_beyond_a_half_turn_and_end_with_the_path() -> None:
    t = 0.1 * np.arange(1, STEPS + 1)
    path = 10 * np.stack([np.sin(t), 1 - np.cos(t)], 1)[None]
    assert headings(path)[0, :-1] == pytest.approx(t[:-1], abs=1e-6)
    path[0, 10:] = np.nan
    assert np.isfinite(headings(path)).sum() == 10


# ---- samples with tracks --------------------------------------------------------------------------------------------

T0 = 2_000_000
OUTLINE = (3.9, 1.0, 2.0)
LIMITS = TrackSettings()


def trajectories(clip: str, turn_rate: float = 0.0, speed: float = 10.0) -> pl.DataFrame:
    t = 0.1 * np.arange(201)
    heading = 0.5 + turn_rate * t
    if turn_rate:
        x, y = speed / turn_rate * np.sin(heading), -speed / turn_rate * np.cos(heading)
    else:
        x, y = speed * t * np.cos(heading), speed * t * np.sin(heading)
    columns = {"clip_id": clip, "frame": np.arange(201), "t_us": (t * 1e6).round().astype(int), "x_m": x, "y_m": y,
               "heading_rad": (heading + np.pi) % (2 * np.pi) - np.pi, "speed_mps": speed,
               "speed_along_heading_mps": speed}  # fmt: skip
    return schemas.conform(pl.DataFrame(columns), schemas.TRAJECTORIES)


def driven(clip: str, turn_rate: float = 0.0, speed: float = 10.0) -> Driven:
    t = 0.1 * np.arange(1, STEPS + 1)
    turned = turn_rate * t
    if turn_rate:
        xy = speed / turn_rate * np.stack([np.sin(turned), 1 - np.cos(turned)], 1)
    else:
        xy = speed * np.stack([t, 0 * t], 1)
    rot = np.zeros((STEPS, 3, 3))
    rot[:, 0, 0] = rot[:, 1, 1] = np.cos(turned)
    rot[:, 1, 0] = np.sin(turned)
    rot[:, 0, 1] = -rot[:, 1, 0]
    rot[:, 2, 2] = 1
    return Driven([clip], np.array([T0]), xy[None], rot[None], np.array([OUTLINE]))


def seen(clip: str, track: str, drive: pl.DataFrame, place: tuple[float, float], times_us: np.ndarray) -> pl.DataFrame:
    """A car that stands at a place of the ego frame at T0, as boxes in the rig frame at each instant."""
    at = {name: np.interp(times_us, drive["t_us"], np.unwrap(drive[name]) if name == "heading_rad" else drive[name])
          for name in ("x_m", "y_m", "heading_rad")}  # fmt: skip
    begin = {name: np.interp(T0, drive["t_us"], np.unwrap(drive[name]) if name == "heading_rad" else drive[name])
             for name in ("x_m", "y_m", "heading_rad")}  # fmt: skip
    cos, sin = np.cos(begin["heading_rad"]), np.sin(begin["heading_rad"])
    world_x, world_y = begin["x_m"] + place[0] * cos - place[1] * sin, begin["y_m"] + place[0] * sin + place[1] * cos
    dx, dy, yaw = world_x - at["x_m"], world_y - at["y_m"], at["heading_rad"]
    columns = {"clip_id": clip, "track_id": track, "label_class": "automobile", "t_us": times_us,
               "x_m": dx * np.cos(yaw) + dy * np.sin(yaw), "y_m": dy * np.cos(yaw) - dx * np.sin(yaw), "z_m": 0.5,
               "length_m": 4.0, "width_m": 2.0, "height_m": 1.5,
               "heading_rad": begin["heading_rad"] - yaw}  # fmt: skip
    return schemas.conform(pl.DataFrame(columns), schemas.TRACKS)


CLOCK = np.arange(130_000, 19_900_000, 97_000)


def straight_at(speed: float, aside: float = 0.0) -> np.ndarray:
    t = 0.1 * np.arange(1, STEPS + 1)
    return np.stack([speed * t, np.full(STEPS, aside)], 1)[None]


def test_a_path_into_a_parked_car_collides_and_one_past_it_does_not() -> None:
    drive = trajectories("a")
    tracks = seen("a", "1", drive, (40.0, 3.0), CLOCK)
    paths = [
        straight_at(10.0),
        straight_at(10.0, 3.0),
        straight_at(10.0, 1.2),
        straight_at(10.0, 0.9),
        straight_at(5.0, 3.0),
    ]
    hits, known = collisions(driven("a"), paths, drive, tracks, LIMITS)
    assert known.tolist() == [[True] * 5]
    # Both are 2 m wide, so 2 m between their middles touch; at 5 m/s the bumper ends 2.1 m before the car.
    assert hits.tolist() == [[False, True, True, False, False]]


def test_the_bumper_is_where_the_outline_says() -> None:
    drive = trajectories("a")
    tracks = seen("a", "1", drive, (40.0, 0.0), CLOCK)
    short, long = straight_at(33.9 / 6.4), straight_at(34.3 / 6.4)
    hits, _ = collisions(driven("a"), [short, long], drive, tracks, LIMITS)
    assert hits.tolist() == [[False, True]]


def test_a_parked_car_stays_where_it_is_while_the_ego_turns() -> None:
    drive, ego = trajectories("a", turn_rate=0.3), driven("a", turn_rate=0.3)
    tracks = seen("a", "1", drive, (25.0, 0.0), np.arange(0, 19_900_000, 490_000))
    past, into = (
        straight_at(19.0 / 6.4),
        straight_at(20.0 / 6.4),
    )  # the bumper at 22.9 m and 23.9 m, the car from 23 m on
    hits, _ = collisions(ego, [past, into, ego.xy], drive, tracks, LIMITS)
    assert hits.tolist() == [[False, True, False]]


def test_tracks_are_not_carried_on_nor_across_gaps() -> None:
    drive = trajectories("a")
    met_us = T0 + 3_410_000  # the bumper reaches the car
    until_then, before_t0 = CLOCK[: np.searchsorted(CLOCK, met_us)], CLOCK[: np.searchsorted(CLOCK, T0)]
    for times, hit, some in ((CLOCK, True, True), (until_then, False, True), (before_t0, False, False)):
        hits, known = collisions(
            driven("a"), [straight_at(10.0)], drive, seen("a", "1", drive, (40.0, 0.0), times), LIMITS
        )
        assert (bool(hits[0, 0]), bool(known[0, 0])) == (hit, some)
    for every_us, some in ((490_000, True), (510_000, False)):
        twice = np.array([T0 + 120_000, T0 + 120_000 + every_us])
        tracks = seen("a", "1", drive, (40.0, 0.0), twice)
        _, known = collisions(driven("a"), [straight_at(10.0)], drive, tracks, LIMITS)
        assert bool(known[0, 0]) is some


def test_a_short_path_is_judged_by_its_own_steps() -> None:
    drive = trajectories("a")
    short = straight_at(10.0)
    short[0, 30:] = np.nan
    late = CLOCK[np.searchsorted(CLOCK, T0 + 3_500_000) :]
    for times, told in ((CLOCK, True), (late, False)):
        hits, known = collisions(driven("a"), [short], drive, seen("a", "1", drive, (40.0, 0.0), times), LIMITS)
        assert (bool(hits[0, 0]), bool(known[0, 0])) == (False, told)


def test_each_sample_meets_the_tracks_of_its_own_clip() -> None:
    names = ["b", "a", "c", "a"]
    drives = {name: trajectories(name, turn_rate=rate) for name, rate in (("a", 0.0), ("b", 0.2), ("c", -0.2))}
    egos = [driven(name, turn_rate=rate) for name, rate in zip(names, (0.2, 0.0, -0.2, 0.0), strict=True)]
    together = Driven(
        names, np.full(4, T0), *(np.concatenate([getattr(one, n) for one in egos]) for n in ("xy", "rot", "outline"))
    )
    tracks = pl.concat(
        [seen("a", "7", drives["a"], (40.0, 0.0), CLOCK), seen("b", "7", drives["b"], (40.0, 30.0), CLOCK)]
    )
    paths = np.concatenate([straight_at(10.0)] * 3 + [straight_at(2.0)])
    hits, known = collisions(together, [paths], pl.concat(drives.values()), tracks, LIMITS)
    assert hits[:, 0].tolist() == [False, True, False, False]
    assert known[:, 0].tolist() == [True, True, False, True]


def test_without_tracks_nothing_is_known() -> None:
    hits, known = collisions(driven("a"), [straight_at(9.0)], trajectories("a"), schemas.empty(schemas.TRACKS), LIMITS)
    assert not hits.any()
    assert not known.any()
