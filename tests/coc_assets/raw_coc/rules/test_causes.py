"""What makes an actor a cause, next to scenes that differ in one thing and have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.coc_assets.raw_coc.rules.cases import (
    CHANGES_LANE,
    NUDGES,
    SLOWS,
    STOPS,
    TURNS_LEFT,
    following,
)
from tests.coc_assets.raw_coc.rules.scenes import Box, Drive, label, person

WALKER = person("person", [(0, 92.0)], [(4.6, -6.0), (13.0, 5.0)])
BRAKER = following("lead", 95.0, [(0, 12), (4.7, 12), (7.5, 5)])
CUTTER = following("cutter", 93.0, [(0, 9.5)], y=[(4.8, 3.5), (7.3, 0.0)])
CROSSER = Box("crosser", [(0, 94.0)], [(0, 75.0), (15, -60.0)], heading=-np.pi / 2)
BLOCKER = Box("blocker", [(0, 66.0)], [(0, -1.8)])
SLOWER = following("lead", 110.0, [(0, 11.5)])


def cited(drive: Drive, *boxes: Box, frame: int = 55) -> list[str]:
    row = label(drive, boxes, frame)
    return [component["track_id"] for component in row["components"] if component["track_id"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("drive", "box"),
    [(STOPS, WALKER), (SLOWS, BRAKER), (SLOWS, CUTTER), (STOPS, CROSSER), (NUDGES, BLOCKER), (CHANGES_LANE, SLOWER)],
)
def test_an_actor_is_cited_only_where_the_history_shows_it(drive: Drive, box: Box) -> None:
    assert cited(drive, box) == [box.track_id]
    assert cited(drive, replace(box, seen=(5.6, 20.0))) == []  # first seen after the keyframe
    assert cited(drive, replace(box, seen=(5.35, 20.0))) == []  # too short a glimpse of it
    assert cited(drive, replace(box, seen=(0.0, 4.5))) == []  # lost long before it


def test_a_nudge_is_for_who_leaves_the_least_room_and_not_for_who_stands_nearer() -> None:
    bystander = person("bystander", [(0, 52.0)], [(0, -2.4)])
    assert cited(NUDGES, bystander) == ["bystander"]
    assert cited(NUDGES, bystander, BLOCKER) == ["blocker"]


@pytest.mark.parametrize(
    ("why_not", "drive", "box"),
    [
        ("walks along", STOPS, person("p", [(0, 80.0), (20, 100.0)], [(0, -2.5)])),
        ("stays on the kerb", STOPS, person("p", [(0, 92.0)], [(0, -2.6)])),
        ("turns back on the kerb", STOPS, person("p", [(0, 92.0)], [(4.6, -6.0), (7, -3.0), (9, -6.0)])),
        ("crosses far ahead", STOPS, person("p", [(0, 150.0)], [(4.6, -6.0), (13.0, 5.0)])),
        ("has crossed already", STOPS, person("p", [(0, 92.0)], [(0, -6.0), (4.5, 4.5)])),
        ("crosses behind the ego", SLOWS, person("p", [(0, 66.0)], [(7.5, -6.0), (14.0, 5.0)])),
        ("crosses long before the ego comes", Drive([(0, 12.0), (6, 12.0), (9, 1.5)]),
         person("p", [(0, 108.0)], [(2.7, -6.0), (7.5, 6.0)])),
    ],
)  # fmt: skip
def test_people_who_are_no_cause(why_not: str, drive: Drive, box: Box) -> None:
    assert cited(drive, box) == [], why_not


@pytest.mark.parametrize(
    ("why_not", "drive", "box"),
    [
        ("stays in its lane", SLOWS, following("v", 93.0, [(0, 9.5)], y=[(0, 3.5)])),
        ("leaves the ego's lane", SLOWS, following("v", 110.0, [(0, 16)], y=[(4.0, 0.0), (5.6, 3.5)])),
        ("comes in far ahead", SLOWS, following("v", 150.0, [(0, 12.5)], y=[(4.8, 3.5), (7.3, 0.0)])),
        ("comes in behind", SLOWS, following("v", 40.0, [(0, 6.0)], y=[(4.8, 3.5), (7.3, 0.0)])),
        ("comes in by the ego's own lane change", CHANGES_LANE, following("v", 100.0, [(0, 13.5)], y=[(0, 3.5)])),
        ("drives faster and farther", SLOWS, following("v", 115.0, [(0, 15)])),
        ("drives the other way", SLOWS, Box("v", [(0, 200.0), (20, 0.0)], [(0, 3.2)], heading=np.pi)),
        ("drives on where the ego turns", TURNS_LEFT, following("v", 85.0, [(0, 10)])),
        ("parks beside the path", STOPS, Box("v", [(0, 90.0)], [(0, -2.6)])),
        ("parks beside the path of a nudge, on its own side", NUDGES, Box("v", [(0, 66.0)], [(0, 3.4)])),
        ("parks far behind the nudge", NUDGES, Box("v", [(0, 120.0)], [(0, -1.8)])),
        ("is faster than the ego that changes lane", CHANGES_LANE, following("v", 110.0, [(0, 15)])),
    ],
)
def test_vehicles_that_are_no_cause(why_not: str, drive: Drive, box: Box) -> None:
    assert cited(drive, box) == [], why_not


def test_people_come_before_cut_ins_and_cut_ins_before_leads() -> None:
    lead = following("lead", 97.0, [(0, 12), (4.7, 12), (7.5, 5)])
    cutter = following("cutter", 88.0, [(0, 9.5)], y=[(4.8, 3.5), (7.3, 0.0)])
    walker = person("person", [(0, 97.0)], [(4.6, -6.0), (13.0, 5.0)])
    slows = Drive([(0, 12.0), (6, 12.0), (10, 3.0)])
    assert cited(slows, lead, cutter, walker) == ["person"]
    assert cited(slows, lead, cutter) == ["cutter"]
    assert cited(slows, lead) == ["lead"]


def test_a_lead_is_found_around_a_bend() -> None:
    drive = Drive([(0, 9.0), (6, 9.0), (10, 0.0)], lambda s: np.full_like(s, 1 / 40))
    lead = place_on_arc(1 / 40, 81.0)
    straight_ahead = Box("ahead", [(0, 75.0)], [(0, 15.0)])
    assert cited(drive, lead, straight_ahead) == ["lead"]


def place_on_arc(curvature: float, s: float) -> Box:
    """A standing vehicle on the path of constant curvature."""
    angle = s * curvature
    return Box("lead", [(0, np.sin(angle) / curvature)], [(0, (1 - np.cos(angle)) / curvature)], heading=angle)


@pytest.mark.parametrize(
    ("drive", "box"),
    [
        (STOPS, WALKER),
        (STOPS, CROSSER),
        (SLOWS, CUTTER),
        (SLOWS, BRAKER),
        (NUDGES, BLOCKER),
        (CHANGES_LANE, SLOWER),
        (Drive([(0, 12.0)]), following("lead", 96.0, [(0, 12)])),
    ],
)
def test_losing_sight_of_a_cause_at_the_keyframe_changes_nothing(drive: Drive, box: Box) -> None:
    whole, cut = (label(drive, (seen,), 55) for seen in (box, replace(box, seen=(0.0, 5.5))))
    assert whole["components"] == cut["components"] != []
    assert whole["trace"] == cut["trace"]
