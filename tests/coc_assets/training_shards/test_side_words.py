from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coc_assets.evaluation.plant_wordings import Wording, load_wordings
from coc_assets.training_shards.side_words import mirrored_text

SWAPPED = [
    ("turn left", "turn right"),
    ("Turn right at the next junction.", "Turn left at the next junction."),
    ("KEEP LEFT", "KEEP RIGHT"),
    ("Nudge to the left around the van on the right", "Nudge to the right around the van on the left"),
    ("5.3 m to the left of the path", "5.3 m to the right of the path"),
    ("The vehicle on the right ahead brakes", "The vehicle on the left ahead brakes"),
    ("It turns right after the crossing", "It turns left after the crossing"),
    (
        "leftmost Leftward left-hand lefthand lefts LEFTMOST",
        "rightmost Rightward right-hand righthand rights RIGHTMOST",
    ),
    ("rightwards, a right-hander, the right side", "leftwards, a left-hander, the left side"),
    ("keeps right of the island", "keeps left of the island"),
    ("pedestrian is left of path", "pedestrian is right of path"),
    ("The road curves right ahead", "The road curves left ahead"),
    ("shift 0.5 m left to give room", "shift 0.5 m right to give room"),
    ("20 m ahead and 3 m left", "20 m ahead and 3 m right"),
    ("pedestrian 3 m left, 20 m ahead", "pedestrian 3 m right, 20 m ahead"),
    ("from left to right behind the bus", "from right to left behind the bus"),
    ("has left turn signal on", "has right turn signal on"),
    ("The lead has its right indicator on", "The lead has its left indicator on"),
    ("the ego's left", "the ego's right"),
    ("right on red", "left on red"),
    ("Left at the fork, then right.", "Right at the fork, then left."),
    ("steers left away from the kerb", "steers right away from the kerb"),
    ("moves right away from the cyclist", "moves left away from the cyclist"),
    ("front-right vehicle", "front-left vehicle"),
    ("all left lanes are closed", "all right lanes are closed"),
    ("passes left of the cyclist who has left the kerb", "passes right of the cyclist who has left the kerb"),
    ("right lane must turn right", "left lane must turn left"),
    ("steer_left sharp_steer_right", "steer_right sharp_steer_left"),
    ("left_lane_change slightly_shift_right", "right_lane_change slightly_shift_left"),
    ("camera_cross_left_120fov", "camera_cross_right_120fov"),
    ("drives clockwise", "drives counterclockwise"),
    ("Counter-clockwise, ANTICLOCKWISE", "Clock-wise, CLOCKWAYS"),
]
STAYING = [
    "The pedestrian has the right of way",
    "cross traffic has right of way",
    "Give right-of-way to the tram",
    "turn at a right angle",
    "Stop right now",
    "brakes right away",
    "The van is right ahead of us",
    "walks right in front of the ego",
    "stops right before the stop line",
    "It stands right at the line",
    "parked right next to the kerb",
    "A cyclist is right behind the ego",
    "Right after the light turns green, the ego speeds up",
    "It brakes and right after that it stops",
    "moves right after the light turns green",
    "the truck is right in the middle of our lane",
    "The lead vehicle has left its lane",
    "the cars have just left the intersection",
    "had already left the roundabout",
    "Having left the junction, it accelerates",
    "has not left the crossing yet",
    "The bus left the lane",
    "The cyclist left the road",
    "A pedestrian was left behind",
    "The car left a gap",
    "little time left",
    "no time is left to brake",
    "with 20 m left to the stop line",
    "only about 12.5 m left before the crossing",
    "it is all right",
    "the right moment to merge",
    "It has the right to go first",
    "bright upright copyright rightly leftover clockwork",
    "LeFt and rIGHT",
]
PIECES = [
    *("left", "right", "Left", "RIGHT", "lefT", "counter", "Anti", "clock", "wise", "ways", "clockwise", "Clock-Wise"),
    *(" ", " ", "-", "_", ",", "s", "most", "hand", "of way", "has", "the", "turns", "after", "20 m", "é", "‑", "§"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SWAPPED)
def test_sides_are_swapped_both_ways(text: str, expected: str) -> None:
    assert mirrored_text(text) == expected
    assert mirrored_text(expected) == text


@pytest.mark.parametrize("text", STAYING)
def test_what_means_no_side_stays(text: str) -> None:
    assert mirrored_text(text) == text


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=12).map("".join)))
@settings(max_examples=400, deadline=None)
def test_mirroring_twice_gives_the_text_back(text: str) -> None:
    assert mirrored_text(mirrored_text(text)) == text


def test_every_side_of_how_people_word_decisions_is_swapped() -> None:
    """The slots of the wordings say where a side is told, so filling them the other way is the right answer."""
    sided = [one for one in load_wordings("tuning", "held_out").all if one.slots & {"side", "opposite", "from", "bend"}]
    assert len(sided) > 100
    told = [(_filled(one, "left", "right"), _filled(one, "right", "left")) for one in sided]
    missed = [there for here, there in told if mirrored_text(here) != there]
    assert not missed


def _filled(wording: Wording, side: str, opposite: str) -> str:
    sides = {"side": side, "opposite": opposite, "from": opposite, "bend": side}
    return wording.filled({"vehicle": "truck", "gap": "14", "speed": "30", **sides})
