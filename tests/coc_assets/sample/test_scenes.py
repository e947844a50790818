"""The scripts: plausible motion, nobody collides, and each cause can be seen before the ego reacts."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pytest

from coc_assets.sample.bicycle import EGO
from coc_assets.sample.boxes import box_of, ego_box, ever_overlap
from coc_assets.sample.scenes import SCRIPTS, build
from coc_assets.sample.staging import Draw
from coc_assets.sample.world import Actor, Path2D, Scene, Truth
from resources.schemas import LATERAL_DECISIONS, LONGITUDINAL_DECISIONS

SEEDS = range(6)
FIRST_US = -50_000
EVERY = pytest.mark.parametrize("script", SCRIPTS)


@cache
def scene_of(script: str, seed: int) -> Scene:
    return build(script, "clip", np.random.default_rng([seed, 17]), FIRST_US)


def scenes_of(script: str) -> list[Scene]:
    return [scene_of(script, seed) for seed in SEEDS]


def cause_of(scene: Scene) -> tuple[Truth, Actor]:
    truth = scene.truth[0]
    return truth, next(actor for actor in scene.actors if actor.track_id == truth.cause_track_id)


def at(path: Path2D, values: np.ndarray, seconds: float) -> float:
    return float(np.interp(seconds * 1e6, path.t_us, values))


def in_rig(scene: Scene, actor: Actor) -> np.ndarray:
    """(N, 2) centre of an actor ahead and to the left of the rig."""
    ego = scene.ego
    east, north = actor.path.x - ego.x, actor.path.y - ego.y
    cos, sin = np.cos(ego.heading), np.sin(ego.heading)
    return np.stack([east * cos + north * sin, north * cos - east * sin], axis=1)


def gap(scene: Scene, actor: Actor) -> np.ndarray:
    """(N,) front bumper to the actor's rear, m."""
    return in_rig(scene, actor)[:, 0] - EGO.front - actor.length / 2


def seconds(scene: Scene) -> np.ndarray:
    return scene.ego.t_us / 1e6


@EVERY
def test_the_ego_drives_as_a_person_would(script):
    for scene in scenes_of(script):
        ego = scene.ego
        gained = np.gradient(ego.speed, seconds(scene))
        sideways = ego.speed**2 * ego.curvature
        assert np.abs(gained).max() < 3.5
        assert np.abs(np.gradient(gained, seconds(scene))).max() < 8.0
        assert np.abs(sideways).max() < 3.2
        assert np.abs(np.gradient(sideways, seconds(scene))).max() < 9.0
        assert np.hypot(np.diff(ego.x), np.diff(ego.y)).max() < 0.2


@EVERY
def test_nobody_collides(script):
    for scene in scenes_of(script):
        boxes = [box_of(actor) for actor in scene.actors]
        assert not any(ever_overlap(ego_box(scene.ego, 0.2), box) for box in boxes)
        assert not any(ever_overlap(one, other) for one, other in combinations(boxes, 2))


@EVERY
def test_other_vehicles_move_as_vehicles_do(script):
    for scene in scenes_of(script):
        for actor in scene.actors:
            if actor.label_class != "person":
                gained = np.gradient(actor.path.speed, seconds(scene))
                assert np.abs(gained).max() < 5.0
                assert np.abs(np.diff(actor.path.heading)).max() < 0.01


@EVERY
def test_truths_use_the_closed_sets_and_onsets_that_keyframes_reach(script):
    for scene in scenes_of(script):
        assert scene.truth
        for truth in scene.truth:
            assert truth.scene == script
            assert truth.longitudinal_decision in {None, *LONGITUDINAL_DECISIONS}
            assert truth.lateral_decision in {None, *LATERAL_DECISIONS}
            assert (truth.lateral_direction is None) == (truth.lateral_decision in {None, "lane_keeping"})
            if truth.onset_us is not None:
                assert 2_500_000 < truth.onset_us <= 14_000_000


@EVERY
def test_the_ego_acts_at_the_onset_and_not_before(script):
    for scene in scenes_of(script):
        onset = scene.truth[0].onset_us
        if onset is None:
            continue
        before = scene.ego.t_us <= onset
        assert np.ptp(scene.ego.speed[before]) < 1e-9
        assert np.ptp(scene.ego.heading[before]) < 2e-3
        shortly = (scene.ego.t_us > onset) & (scene.ego.t_us < onset + 1_500_000)
        assert np.ptp(scene.ego.speed[shortly]) > 0.5 or np.ptp(scene.ego.heading[shortly]) > 0.01


@EVERY
def test_the_same_seed_gives_the_same_scene(script):
    again = build(script, "clip", np.random.default_rng([0, 17]), FIRST_US)
    first = scene_of(script, 0)
    assert np.array_equal(again.ego.x, first.ego.x)
    assert [actor.track_id for actor in again.actors] == [actor.track_id for actor in first.actors]
    assert again.truth == first.truth and again.parameters == first.parameters
    assert scene_of(script, 1).parameters != first.parameters


def test_the_clip_begins_at_the_local_origin_under_a_heading_of_its_own():
    headings = []
    for seed in SEEDS:
        ego = scene_of("curve", seed).ego
        assert at(ego, ego.x, FIRST_US / 1e6) == pytest.approx(0.0, abs=1e-9)
        assert at(ego, ego.y, FIRST_US / 1e6) == pytest.approx(0.0, abs=1e-9)
        headings.append(at(ego, ego.heading, FIRST_US / 1e6))
    assert np.ptp(headings) > 1.0


@EVERY
def test_the_road_lies_under_the_ego(script):
    from matplotlib.path import Path as Outline

    for scene in scenes_of(script):
        outlines = [Outline(surface) for surface in scene.road.surfaces]
        within = (scene.ego.t_us >= -330_000) & (scene.ego.t_us <= 20_100_000)
        places = np.stack([scene.ego.x, scene.ego.y], axis=1)[within][::20]
        assert np.any([outline.contains_points(places) for outline in outlines], axis=0).all()


def test_sides_vary():
    for script in ("slower_lead_lane_change", "cut_in", "person_crossing", "parked_blocker_nudge", "curve", "turn"):
        assert {side_of(script, seed) for seed in range(12)} == {"left", "right"}


def side_of(script: str, seed: int) -> object:
    draw = Draw(np.random.default_rng([seed, 5]))
    SCRIPTS[script](draw)
    return draw.drawn["side"]


def test_a_braking_lead_loses_speed_before_the_ego_does():
    for scene in scenes_of("lead_brakes"):
        truth, lead = cause_of(scene)
        onset = truth.onset_us / 1e6
        lost = at(lead.path, lead.path.speed, 0.0) - at(lead.path, lead.path.speed, onset)
        assert lost > 2.0
        assert 0.5 <= onset - float(scene.parameters["lead_brakes_s"]) <= 1.5
        assert at(lead.path, gap(scene, lead), onset - 0.5) / scene.ego.speed[0] < 1.95
        assert gap(scene, lead).min() > 3.0


def test_a_stopped_lead_stands_in_range_and_the_ego_stops_behind_it():
    for scene in scenes_of("lead_stopped"):
        truth, lead = cause_of(scene)
        onset = truth.onset_us / 1e6
        assert np.ptp(lead.path.x) == 0.0
        speed = scene.ego.speed[0]
        assert at(lead.path, gap(scene, lead), onset - 1.5) < min(80.0, 6 * speed)
        assert at(lead.path, gap(scene, lead), onset) / speed < 4.8
        assert scene.ego.speed[-1] == 0.0
        assert 3.0 < gap(scene, lead)[-1] < 6.5


def test_a_slower_lead_is_passed_in_the_lane_beside():
    for scene in scenes_of("slower_lead_lane_change"):
        truth, lead = cause_of(scene)
        onset = truth.onset_us / 1e6
        assert scene.ego.speed[0] - lead.path.speed[0] > 1.5
        assert at(lead.path, gap(scene, lead), onset - 0.5) / scene.ego.speed[0] < 1.95
        left_behind = in_rig(scene, lead)[-1, 1] * (-1 if truth.lateral_direction == "left" else 1)
        assert 3.2 < left_behind < 3.9


def test_a_cut_in_comes_close_from_the_lane_beside():
    for scene in scenes_of("cut_in"):
        truth, cutter = cause_of(scene)
        onset = truth.onset_us / 1e6
        across = np.abs(in_rig(scene, cutter)[:, 1])
        times = seconds(scene)
        inside = across - cutter.width / 2 < EGO.width / 2
        entry = times[np.flatnonzero(inside)[0]]
        assert (across[times < entry - 1.0] > 1.5).all()
        assert inside[times > entry].all()
        assert across[0] - across[-1] > 3.0
        assert at(cutter.path, gap(scene, cutter), entry) < 17.0
        assert gap(scene, cutter).min() > 3.0
        moved = across[0] - at(cutter.path, across, onset - 0.5)
        assert moved > 0.4, "the cause shows before the keyframe"
        assert entry < onset + 1.0


def test_a_crossing_person_walks_across_while_the_ego_waits():
    for scene in scenes_of("person_crossing"):
        truth, person = cause_of(scene)
        onset = truth.onset_us / 1e6
        path, times = person.path, seconds(scene)
        assert at(path, path.speed, onset - 0.5) > 0.7
        course = np.degrees(np.abs(path.heading - scene.ego.heading))[(times > onset - 0.5) & (times < onset + 2)]
        assert ((course % 180 > 70) & (course % 180 < 110)).all()
        assert 10.0 < at(path, in_rig(scene, person)[:, 0], onset - 0.5) < 40.0
        across = in_rig(scene, person)[:, 1]
        assert np.sign(across[0]) == -np.sign(across[-1])
        in_lane = times[np.abs(across) < EGO.width / 2]
        assert scene.ego.speed[(times > in_lane[0]) & (times < in_lane[-1])].min() < 0.2 * scene.ego.speed[0]
        assert scene.ego.speed.min() == 0.0
        resume = scene.truth[1].onset_us / 1e6 if len(scene.truth) > 1 else 14.0
        assert 0.0 < resume - in_lane[-1] < 4.5


def test_a_parked_blocker_stands_opposite_the_nudge():
    for scene in scenes_of("parked_blocker_nudge"):
        truth, blocker = cause_of(scene)
        side = 1 if truth.lateral_direction == "left" else -1
        onset = truth.onset_us / 1e6
        start = np.searchsorted(seconds(scene), onset)
        across = in_rig(scene, blocker)[:, 1]
        assert np.sign(across[start]) == -side
        assert at(blocker.path, in_rig(scene, blocker)[:, 0], onset - 0.5) < 30.0
        heading = scene.ego.heading[start]
        east, north = scene.ego.x - scene.ego.x[start], scene.ego.y - scene.ego.y[start]
        offset = (north * np.cos(heading) - east * np.sin(heading)) * side
        assert 0.95 < offset.max() < 1.25
        assert abs(offset[-1]) < 0.05
        assert np.degrees(np.abs(scene.ego.heading - heading)).max() < 9.5
        beside = np.abs(in_rig(scene, blocker)[:, 0] - EGO.centre) < 2.0
        assert (np.abs(across[beside]) - blocker.width / 2 - EGO.width / 2).max() < 1.5


@pytest.mark.parametrize(("script", "low", "high"), [("turn", 88, 92), ("curve", 25, 32)])
def test_turns_turn_and_curves_bend_to_their_side(script, low, high):
    for scene in scenes_of(script):
        side = 1 if scene.parameters["side"] == "left" else -1
        turned = np.degrees(scene.ego.heading[-1] - scene.ego.heading[0]) * side
        assert low < turned < high
        onset = np.searchsorted(seconds(scene), scene.truth[0].onset_us / 1e6)
        assert scene.ego.speed[onset] - scene.ego.speed[onset:].min() > 2.5


def test_an_unobserved_stop_has_nothing_ahead():
    for scene in scenes_of("stop_unobserved"):
        truth = scene.truth[0]
        assert not truth.trackable and truth.cause == "unobserved" and truth.cause_track_id is None
        assert (scene.ego.speed == 0.0).sum() > 200
        for actor in scene.actors:
            ahead, across = in_rig(scene, actor).T
            assert not ((ahead > 0) & (np.abs(across) < 2.0)).any()


def test_reversing_goes_back_and_ends_at_a_stand():
    for scene in scenes_of("reversing"):
        assert scene.ego.speed.min() < -1.2 and scene.ego.speed.max() <= 0.0
        assert (scene.ego.speed[0], scene.ego.speed[-1]) == (0.0, 0.0)
        assert abs(scene.ego.heading[-1] - scene.ego.heading[0]) > 0.4


def test_free_driving_never_slows():
    paces = {scene.parameters["pace"] for scene in scenes_of("free_driving")}
    assert paces == {"steady", "faster"}
    for scene in scenes_of("free_driving"):
        assert (np.diff(scene.ego.speed) >= 0).all()
        assert (scene.truth[0].onset_us is None) == (scene.parameters["pace"] == "steady")
