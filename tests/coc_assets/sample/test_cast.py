"""The people around the ego."""

from __future__ import annotations

import numpy as np
import pytest

from coc_assets.sample.bicycle import STRAIGHT, Bend, SpeedChange, bends, drive, scene_clock
from coc_assets.sample.boxes import box_of, ego_box, ever_overlap
from coc_assets.sample.cast import Cast, keep_clear, neighbours, oncoming, parked, waiting, walkers
from coc_assets.sample.roads import Layout, reference_line

CLOCK = scene_clock()
STREET = Layout(left=1, oncoming=1, parking=2.3)


def make_cast(seed: int = 0, steering=STRAIGHT) -> Cast:
    return Cast(np.random.default_rng(seed), CLOCK, reference_line(steering))


def test_run_passes_its_place_at_its_instant():
    cast = make_cast()
    along = cast.run(4.0, 30.0, 10.0, [SpeedChange(6.0, -10.0, 2.5)])
    assert np.interp(4e6, CLOCK, along) == pytest.approx(30.0)
    assert np.interp(6e6, CLOCK, along) == pytest.approx(50.0)
    assert np.ptp(along[CLOCK > 12_000_000]) == 0.0


@pytest.mark.parametrize(
    ("pace", "facing", "course"), [(8.0, 0.0, 0.0), (-8.0, 0.0, np.pi), (0.0, 0.0, 0.0), (0.0, 1.5, 1.5)]
)
def test_an_actor_faces_where_it_goes_or_as_told(pace, facing, course):
    cast = make_cast()
    path = cast.actor(cast.shape("car"), cast.run(0.0, 20.0, pace), 3.5, facing).path
    assert np.allclose(np.cos(path.heading - course), 1.0)
    assert np.allclose(path.speed, abs(pace))
    assert np.allclose(path.y, 3.5)


def test_an_actor_on_a_bend_follows_it():
    cast = make_cast(steering=bends([Bend(20.0, 40.0, 0.6)]))
    path = cast.actor(cast.shape("car"), cast.run(0.0, 0.0, 10.0), 0.0).path
    assert path.heading[-1] == pytest.approx(0.6, abs=1e-3)
    driven = np.arctan2(np.gradient(path.y), np.gradient(path.x))
    assert np.abs(driven - path.heading).max() < 0.02


def test_a_cutting_in_car_turns_into_its_motion_and_back():
    cast = make_cast()
    path = cast.actor(cast.shape("car"), cast.run(0.0, 0.0, 12.0), cast.glide(5.0, 3.0, 3.5, 0.0)).path
    assert path.heading.min() < -0.1
    assert path.heading[-1] == pytest.approx(0.0, abs=1e-6)
    assert (path.y[0], path.y[-1]) == (3.5, 0.0)


def test_track_ids_are_unique_and_say_nothing_of_the_order():
    cast = make_cast()
    ids = [cast.actor(cast.shape("person"), 10.0 * k, 8.0).track_id for k in range(40)]
    assert len(set(ids)) == 40
    assert ids != sorted(ids)


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (lambda cast: oncoming(cast, STREET), STREET.divider, STREET.left_edge),
        (lambda cast: parked(cast, STREET), STREET.right_edge, -STREET.lane_width / 2),
        (lambda cast: neighbours(cast, STREET, 10.0), STREET.lane_width / 2, STREET.divider),
    ],
)
def test_bystanders_keep_to_their_strip(make, low, high):
    made = [actor for seed in range(20) for actor in make(make_cast(seed))]
    assert len(made) > 10
    across = np.array([corner for actor in made for corner in box_of(actor)[..., 1]])
    assert across.min() > low and across.max() < high


def test_people_stay_off_the_road():
    for seed in range(20):
        for person in walkers(make_cast(seed), STREET):
            assert not ((person.path.y > STREET.right_edge) & (person.path.y < STREET.left_edge)).any()


def test_those_who_wait_at_a_crossing_stand_and_face_it():
    made = [actor for seed in range(10) for actor in waiting(make_cast(seed), Layout(oncoming=1), 60.0, 4.0)]
    assert made and all(np.ptp(actor.path.x) == 0 for actor in made)
    for actor in made:
        towards = np.array([60.0, 1.75]) - [actor.path.x[0], actor.path.y[0]]
        faces = np.array([np.cos(actor.path.heading[0]), np.sin(actor.path.heading[0])])
        assert towards @ faces > 0


def test_keep_clear_leaves_out_whoever_would_meet_the_ego_or_each_other():
    cast = make_cast()
    ego = drive(CLOCK, np.full(len(CLOCK), 10.0))
    car = cast.shape("car")
    in_the_way, beside, same = (cast.actor(car, 60.0, d) for d in (0.5, 3.5, 3.6))
    assert keep_clear(ego, [], [in_the_way, beside, same]) == [beside]
    assert not ever_overlap(ego_box(ego), box_of(beside))
