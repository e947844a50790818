"""Scenes with a known answer, for the tests of decisions and of the words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.coc_assets.raw_coc.rules.scenes import Box, Drive, arc, person, swerve

STEADY = Drive([(0, 12.0)])
SLOWS = Drive([(0, 12.0), (6, 12.0), (9, 6.0)])
STOPS = Drive([(0, 10.0), (6, 10.0), (11, 0.0)])
SPEEDS_UP = Drive([(0, 9.0), (6, 9.0), (10, 13.0)])
RESUMES = Drive([(0, 0.0), (6, 0.0), (10, 7.0)])
STANDS = Drive([(0, 0.0)])
FRAME = 55  # half a second before the ego acts at 6 s

OFF_THE_PATH = (
    Box("parked", [(0, 75.0)], [(0, -3.3)]),
    Box("oncoming", [(0, 190.0), (20, -10.0)], [(0, 3.6)], heading=np.pi),
    person("walker", [(0, 50.0), (20, 74.0)], [(0, -4.5)]),
    Box("neighbour", [(0, 15.0), (20, 275.0)], [(0, 3.6)]),
)


def following(track_id: str, at_6_s: float, speeds: list[tuple[float, float]], **more: object) -> Box:
    """A vehicle in the ego's lane: its place at 6 s, and its speed from then on; before, the first of the speeds."""
    t = np.arange(0.0, 20.05, 0.1)
    speed = np.interp(t, *zip(*speeds, strict=True))
    x = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 * 0.1)])
    x += at_6_s - np.interp(6.0, t, x)
    return Box(track_id, list(zip(t, x, strict=True)), more.pop("y", [(0, 0.0)]), **more)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Case:
    """A scene and its answer; `cause` is the track cited first, None for none."""

    name: str
    drive: Drive
    boxes: tuple[Box, ...]
    longitudinal: str | None
    lateral: str | None = "lane_keeping"
    direction: str | None = None
    scenario: str = "free_driving"
    cause: str | None = None
    frame: int = FRAME

    def __str__(self) -> str:
        return self.name


TURNS_LEFT = Drive([(0, 9.0), (6, 9.0), (9, 4.5)], arc(75.0, 18.0, np.pi / 2))
WAITS_TO_TURN = Drive([(0, 9.0), (4.5, 9.0), (9.0, 0.4), (9.6, 0.4), (12, 5.0)], arc(62.0, 18.0, np.pi / 2))
BENDS_RIGHT = Drive([(0, 13.0), (6, 13.0), (9, 8.5)], arc(105.0, 40.0, -0.5))
CHANGES_LANE = Drive([(0, 14.0)], swerve((84.0, 65.0, 3.5)))
PASSES = Drive([(0, 14.0), (6.5, 14.0), (9.5, 17.0)], swerve((84.0, 65.0, -3.5)))
NUDGES = Drive([(0, 7.0)], swerve((42.0, 16.0, 1.3), (66.0, 16.0, -1.3)))
NUDGES_A_LITTLE = Drive([(0, 7.0)], swerve((42.0, 14.0, -0.6), (60.0, 14.0, 0.6)))

CASES = (
    Case("nothing around", STEADY, (), "set_speed_tracking"),
    Case("bystanders", STEADY, OFF_THE_PATH, "set_speed_tracking"),
    Case("speeds up freely", SPEEDS_UP, OFF_THE_PATH, "set_speed_tracking"),
    Case("resumes", RESUMES, (), "set_speed_tracking", scenario="resume"),
    Case(
        "lead brakes", SLOWS, (*OFF_THE_PATH, following("lead", 95.0, [(0, 12), (4.7, 12), (7.5, 5)])),
        "lead_obstacle_following", scenario="slow_for_lead", cause="lead",
    ),
    Case(
        "lead stands", STOPS, (*OFF_THE_PATH, Box("lead", [(0, 60 + 25 + 3.9 + 4 + 2.3)], [(0, 0.2)])),
        "lead_obstacle_following", scenario="stop_for_lead", cause="lead",
    ),
    Case(
        "standing lead tracked back to front", STOPS, (Box("lead", [(0, 95.0)], [(0, 0.2)], heading=np.pi),),
        "lead_obstacle_following", scenario="stop_for_lead", cause="lead",
    ),
    Case(
        "catches up with a slower lead", SLOWS, (following("lead", 107.0, [(0, 6)]),),
        "lead_obstacle_following", scenario="slow_for_lead", cause="lead",
    ),
    Case(
        "nearer of two leads", SLOWS,
        (following("far", 120.0, [(0, 12), (4.7, 12), (7.5, 5)]), following("near", 97.0, [(0, 12), (5, 12), (8, 6)])),
        "lead_obstacle_following", scenario="slow_for_lead", cause="near",
    ),
    Case(
        "follows at its speed", STEADY, (following("lead", 72 + 3.9 + 18 + 2.3, [(0, 12)]),),
        "lead_obstacle_following", cause="lead",
    ),
    Case("far lead is no constraint", STEADY, (following("lead", 130.0, [(0, 12)]),), "set_speed_tracking"),
    Case(
        "queue moves off", RESUMES, (following("lead", 9.5, [(0, 0), (5, 0), (9, 8)]),),
        "lead_obstacle_following", scenario="resume", cause="lead",
    ),
    Case(
        "cut-in", SLOWS, (following("cutter", 93.0, [(0, 9.5)], y=[(4.8, 3.5), (7.3, 0.0)]), OFF_THE_PATH[0]),
        "yield", scenario="cut_in", cause="cutter",
    ),
    Case(
        "person crosses", STOPS, (*OFF_THE_PATH, person("person", [(0, 92.0)], [(4.6, -6.0), (13.0, 5.0)])),
        "yield", scenario="yield_to_vru", cause="person",
    ),
    Case(
        "person crosses, lead ahead of them", STOPS,
        (following("lead", 110.0, [(0, 10)]), person("person", [(0, 92.0)], [(4.6, -6.0), (13.0, 5.0)])),
        "yield", scenario="yield_to_vru", cause="person",
    ),
    Case(
        "vehicle crosses", STOPS,
        (Box("crosser", [(0, 94.0)], [(0, 75.0), (15, -60.0)], heading=-np.pi / 2), OFF_THE_PATH[2]),
        "yield", scenario="passing_intersection", cause="crosser",
    ),
    Case(
        "oncoming in the path", STOPS, (Box("oncoming", [(0, 180.0), (20, 60.0)], [(0, 0.8)], heading=np.pi),),
        "yield", scenario="risky_driving", cause="oncoming",
    ),
    Case("stops at nothing tracked", STOPS, OFF_THE_PATH, "stop_for_static_constraint", scenario="unobserved"),
    Case(
        "stops while its lead drives on", STOPS, (following("lead", 60 + 3.9 + 15 + 2.3, [(0, 10)]),),
        "stop_for_static_constraint", scenario="unobserved",
    ),
    Case("slows for nothing tracked", SLOWS, OFF_THE_PATH, "speed_adaptation", scenario="unobserved"),
    Case("keeps standing", STANDS, (), "stop_for_static_constraint", scenario="unobserved"),
    Case(
        "keeps standing behind a lead", STANDS, (Box("lead", [(0, 9.5)], [(0, 0.0)]),),
        "lead_obstacle_following", scenario="stop_for_lead", cause="lead",
    ),
    Case("turn", TURNS_LEFT, OFF_THE_PATH, "speed_adaptation", "turn", "left", "turn"),
    Case(
        "turn behind a lead that drives on", TURNS_LEFT, (following("lead", 54 + 3.9 + 25 + 2.3, [(0, 9)]),),
        "speed_adaptation", "turn", "left", "turn",
    ),
    Case(
        "waits before the turn for oncoming traffic", WAITS_TO_TURN,
        (Box("oncoming", [(0, 190.0), (20, 0.0)], [(0, 3.6)], heading=np.pi),),
        "yield", "turn", "left", "passing_intersection", "oncoming",
    ),
    Case("curve", BENDS_RIGHT, (), "speed_adaptation", scenario="curvy_road"),
    Case(
        "lane change past a slower lead", CHANGES_LANE, (following("lead", 84 + 3.9 + 22 + 2.3, [(0, 11.5)]),),
        "set_speed_tracking", "lane_change", "left", "lane_change", "lead",
    ),
    Case(
        "overtakes", PASSES, (following("lead", 84 + 3.9 + 22 + 2.3, [(0, 11.5)]),),
        "acceleration_for_passing", "lane_change", "right", "lane_change", "lead",
    ),
    Case("lane change for nobody", CHANGES_LANE, (), "set_speed_tracking", "lane_change", "left", "lane_change"),
    Case(
        "around a parked vehicle", NUDGES,
        (Box("blocker", [(0, 66.0)], [(0, -1.8)]), Box("other side", [(0, 66.0)], [(0, 4.0)])),
        "set_speed_tracking", "out_of_lane_nudge", "left", "nudge", "blocker",
    ),
    Case(
        "small offset for a parked vehicle", NUDGES_A_LITTLE, (Box("blocker", [(0, 64.0)], [(0, 2.2)]),),
        "set_speed_tracking", "in_lane_nudge", "right", "nudge", "blocker",
    ),
    Case(
        "around a cyclist", NUDGES,
        (Box("cyclist", [(0, 42.0), (20, 102.0)], [(0, -1.2)], label_class="rider", length=1.8, width=0.7),),
        "set_speed_tracking", "out_of_lane_nudge", "left", "nudge", "cyclist",
    ),
    Case("large offset for nothing tracked", NUDGES, (), "set_speed_tracking", "out_of_lane_nudge", "left", "nudge"),
    Case("small offset for nothing tracked", NUDGES_A_LITTLE, (), "set_speed_tracking"),
    Case("backs up", Drive([(0, 0.0), (6, 0.0), (7.5, -1.5)]), (), None, None, scenario="reverse"),
)  # fmt: skip
