from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coc_assets.raw_coc.records import LabelRecord, LabelText
from coc_assets.raw_coc.vlm.locality import CONCEPTS
from coc_assets.raw_coc.vlm.reasoning_text import (
    _KINDS,
    clauses_of,
    lateral_words,
    longitudinal_said,
    read_reasoning,
    trace_of,
)

STOP, YIELD, FOLLOW = "stop_for_static_constraint", "yield", "lead_obstacle_following"
ADAPT, GO, GAP, PASS = "speed_adaptation", "set_speed_tracking", "gap_searching", "acceleration_for_passing"
OUT, IN = "out_of_lane_nudge", "in_lane_nudge"


@pytest.mark.parametrize(
    ("sentence", "longitudinal", "lateral", "direction"),
    [
        # the released autolabeler's wording
        ("Stop for the red traffic light", STOP, None, None),
        ("Yield to the pedestrian crossing from the right", YIELD, None, None),
        ("Overtake the slow cyclist", PASS, None, None),
        ("Pass the slower truck with a left lane change", PASS, "lane_change", "left"),
        ("Gap-search and merge left because the lane ends", GAP, "merge_split", "left"),
        ("Keep distance to the lead vehicle", FOLLOW, None, None),
        ("Adapt speed for the right curve ahead", ADAPT, None, None),
        ("Resume speed as the light turns green", GO, None, None),
        ("Lane change to the right since the left lane ends", None, "lane_change", "right"),
        ("Nudge left around the parked truck on the right", None, OUT, "left"),
        ("Nudge left within the lane to give the cyclist room", None, IN, "left"),
        ("Turn right at the intersection", None, "turn", "right"),
        ("Split right onto the ramp", None, "merge_split", "right"),
        ("Keep lane", None, "lane_keeping", None),
        ("Keep lane and keep distance to the lead vehicle", FOLLOW, "lane_keeping", None),
        # speed in other words
        ("Come to a complete stop at the stop line", STOP, None, None),
        ("Decelerate to a stop because the school bus has its stop sign out", STOP, None, None),
        ("Remain stopped since the light is red", STOP, None, None),
        ("Give way to oncoming traffic at the narrow bridge", YIELD, None, None),
        ("Let the pedestrian cross", YIELD, None, None),
        ("Follow the lead vehicle through the roundabout", FOLLOW, None, None),
        ("Maintain a safe following distance from the truck ahead", FOLLOW, None, None),
        ("Adjust the speed to the bend", ADAPT, None, None),
        ("Accelerate since the road is clear", GO, None, None),
        ("Maintain the current speed as nothing is ahead", GO, None, None),
        ("Proceed through the intersection without stopping", GO, None, None),
        ("Pass through the intersection", GO, None, None),
        ("Start moving because the light turned green", GO, None, None),
        ("Accelerate to overtake the slow truck", PASS, None, None),
        ("Search for a gap in the left lane", GAP, None, None),
        ("Wait for a gap in oncoming traffic to turn left", GAP, "turn", "left"),
        # setting off; a stop that is over is none
        ("Pulls away from the kerb and gains speed", GO, None, None),
        ("Gets moving once more now that the light is green", GO, None, None),
        ("We move off from the standstill as the queue clears", GO, None, None),
        ("The AV breaks its standstill because the crosswalk is empty again", GO, None, None),
        ("The ego vehicle comes out of its halt and speeds up", GO, None, None),
        ("The ego drives on after yielding to the cyclist", GO, None, None),
        ("Following a full stop at the sign, the ego proceeds", GO, None, None),
        ("The stop is over and the ego accelerates", GO, None, None),
        ("Ego steps on the gas because the road opens up", GO, None, None),
        ("Takes its foot off the brake once the gate is up", GO, None, None),
        ("The car goes faster since nothing is in front", GO, None, None),
        ("Speed rises because the lane ahead is empty", GO, None, None),
        ("Brings its speed back up to 50 km/h as the bend ends", GO, None, None),
        ("Holding 50 km/h", GO, None, None),
        ("Speed unchanged, free road", GO, None, None),
        # slower, in words of many kinds; a verb of speed after "and" is the ego's next
        ("Keep to the lane while reducing speed for the curve", ADAPT, "lane_keeping", None),
        ("Keep lane and drop its pace for the curve", ADAPT, "lane_keeping", None),
        ("Maintain the lane and speed", GO, "lane_keeping", None),
        ("The self-driving car trims its speed for the hump", ADAPT, None, None),
        ("Takes speed out ahead of the roundabout", ADAPT, None, None),
        ("Bring the speed down for the curve", ADAPT, None, None),
        ("Lets its speed fall before the hump", ADAPT, None, None),
        ("Goes slower to turn left into the next street", ADAPT, "turn", "left"),
        ("Reduces from 50 to 30 for the school zone", ADAPT, None, None),
        ("The AV lifts off the gas since the taxi ahead slows", FOLLOW, None, None),
        ("Ego dials its speed back because the van ahead is slower", FOLLOW, None, None),
        ("Proceeds slowly, slowing for the hump", ADAPT, None, None),
        ("Proceeds behind the lead vehicle", FOLLOW, None, None),
        ("Continue through the intersection, then stop behind the bus", GO, None, None),
        ("Matches the speed of the vehicle ahead", FOLLOW, None, None),
        ("Settle in behind the white van", FOLLOW, None, None),
        # until it stands
        ("Brings its speed down to zero behind the stalled car", STOP, None, None),
        ("Slows until it comes to rest at the line", STOP, None, None),
        ("Decelerates until it is standing behind the truck", STOP, None, None),
        ("Stand behind the stopped school bus", STOP, None, None),
        ("Hold at the line until the light changes", STOP, None, None),
        # others first, gaps, overtaking
        ("Cedes the way to a pedestrian stepping off the kerb", YIELD, None, None),
        ("Gives the cyclist priority at the roundabout", YIELD, None, None),
        ("Allow the merging car to go first", YIELD, None, None),
        ("Ego allows the gap to grow because the lead brakes", FOLLOW, None, None),
        ("Looks for an opening in the right lane", GAP, None, None),
        ("Gets past the slow van by moving to the left lane", PASS, "lane_change", "left"),
        # words that the cause settles
        ("Slow down because the lead vehicle is braking", FOLLOW, None, None),
        ("Slow down for the red light", STOP, None, None),
        ("Slow down before the stop sign", STOP, None, None),
        ("Brake because a pedestrian steps onto the road", YIELD, None, None),
        ("Brake for the car cutting in from the left", YIELD, None, None),
        ("Reduce speed for the speed bump", ADAPT, None, None),
        ("Ease off due to construction cones on the right", ADAPT, None, None),
        ("Slow down", ADAPT, None, None),
        ("Slow down to yield to the cyclist", YIELD, None, None),
        ("Slow down to keep a safe distance since the bus stops", FOLLOW, None, None),
        ("Wait for the pedestrian", YIELD, None, None),
        ("Wait behind the lead vehicle", FOLLOW, None, None),
        ("Wait at the stop sign", STOP, None, None),
        # sides
        ("Change lanes to the left to pass the slower truck ahead", PASS, "lane_change", "left"),
        ("Move into the right lane because the exit is near", None, "lane_change", "right"),
        ("Leftward lane change because the lead vehicle is slow", None, "lane_change", "left"),
        ("Change into the left turn lane", None, "lane_change", "left"),
        ("Steer right around the double-parked van on the left", None, OUT, "right"),
        ("Shift slightly to the left for the parked cars", None, OUT, "left"),
        ("Pass the parked car by nudging left", None, OUT, "left"),
        ("Make a left turn since the route leads left", None, "turn", "left"),
        ("Pull over to the right shoulder because of the ambulance", None, "pull_over", "right"),
        ("Pull over", None, "pull_over", None),
        ("Abort the left lane change because a car approaches", None, "lateral_maneuver_abort", "left"),
        ("Take the exit ramp to the right to follow the route", None, "merge_split", "right"),
        ("Stay in the right lane", None, "lane_keeping", None),
        ("Go straight through the intersection as the light is green", GO, "lane_keeping", None),
        ("Keep the lane, then turn right", None, "turn", "right"),
        ("Switches lanes to the right because its exit is coming", None, "lane_change", "right"),
        ("Moves one lane over to the left", None, "lane_change", "left"),
        ("Leaves its lane for the one on the right", None, "lane_change", "right"),
        ("LC left, lead vehicle too slow", None, "lane_change", "left"),
        ("Left lane, more throttle: truck ahead too slow", GO, "lane_change", "left"),
        ("lane change to the left plus acceleration, truck too slow", GO, "lane_change", "left"),
        ("Joins the motorway from the ramp, merging left", None, "merge_split", "left"),
        ("Pulls in at the roadside on the right", None, "pull_over", "right"),
        ("Breaks off the lane change and returns to its lane", None, "lateral_maneuver_abort", None),
        ("Hugs the left edge of its lane", None, IN, "left"),
        ("Dodges the pothole to the right", None, OUT, "right"),
        ("Takes a left at the junction", None, "turn", "left"),
        ("Take the next right lane", None, None, None),
        ("The vehicle turns off to the left", None, "turn", "left"),
        ("The ego turns right on red after stopping", None, "turn", "right"),
        ("Turns the headlights on", None, None, None),
        ("Sticks to its lane", None, "lane_keeping", None),
        # how far a side goes is told by what it is for
        ("Goes left", None, None, None),
        ("Goes left at the lights", None, "turn", "left"),
        ("Swings right into the driveway", None, "turn", "right"),
        ("Goes left and speeds up to overtake the slower truck", PASS, "lane_change", "left"),
        ("Moves right and accelerates to get past a slow lead", PASS, "lane_change", "right"),
        ("Moves right and accelerates to get past a slow cyclist", PASS, OUT, "right"),
        ("Goes left because of the parked van", None, OUT, "left"),
        ("Moves out to the left to give the cyclist room", None, OUT, "left"),
        ("Moves left past the bin", None, OUT, "left"),
        # the cause first
        ("Since the road bends left the ego vehicle slows and keeps its lane", ADAPT, "lane_keeping", None),
        ("Because the truck ahead is slower we go slower as well", FOLLOW, None, None),
        ("Since the planned route leads left the ego vehicle makes a left turn", None, "turn", "left"),
        ("Having waited for the crossing traffic, the ego drives on", GO, None, None),
        ("Action: decelerate. Reason: lead vehicle braking", FOLLOW, None, None),
        ("Lead car braking: slow down", FOLLOW, None, None),
        ("Because the lead car brakes, slow down", FOLLOW, None, None),
        ("Since the light is red, and a truck is ahead, stop", STOP, None, None),
        ("As the light turns green, accelerate", GO, None, None),
        ("Due to the slowing truck ahead, change to the left lane", None, "lane_change", "left"),
        ("With a cyclist on the right, nudge left", None, OUT, "left"),
        ("To avoid the parked car, the ego should nudge left", None, OUT, "left"),
        ("The lead vehicle is braking, so slow down.", FOLLOW, None, None),
        ("A pedestrian is crossing; therefore the ego vehicle yields", YIELD, None, None),
        ("The lead vehicle is braking. Slow down to keep a safe distance.", FOLLOW, None, None),
        ("The ego vehicle slows down because the light is red", STOP, None, None),
        ("The vehicle is slowing down for the red light", STOP, None, None),
        # what is no decision of the ego
        ("A pedestrian goes left", None, None, None),
        ("The lead vehicle's lane change to the left is abrupt", None, None, None),
        ("The van to our right moves into our lane, ego brakes", FOLLOW, None, None),
        ("Keeps its lane although the car ahead stops", None, "lane_keeping", None),
        ("There is no need to slow down, so ego maintains its speed", GO, None, None),
        ("Instead of stopping, ego accelerates through the amber", GO, None, None),
        ("There is a stop sign on the right", None, None, None),
        ("Keep the lane past the bus stop", None, "lane_keeping", None),
        ("Keep the lane behind the stopping truck", None, "lane_keeping", None),
        ("Keep lane as the car on the left is turning left", None, "lane_keeping", None),
        ("Keep lane since the lead vehicle will stop", None, "lane_keeping", None),
        ("Yield to the vehicle turning left", YIELD, None, None),
        ("Do not change lanes", None, None, None),
        ("Drive on without turning left", GO, None, None),
        ("Overtake the parked car", None, None, None),
        ("Nudge right to pass the oncoming vehicle", None, OUT, "right"),
        ("Return to the lane centre", None, "lane_keeping", None),
        ("The road turns green with leaves", None, None, None),
        ("The weather is nice today", None, None, None),
        ("", None, None, None),
        # a side that is not said is not guessed, and without one there is no such decision
        ("Nudge around the parked truck on the right", None, None, None),
        ("Turn at the intersection", None, None, None),
        ("Slow down and change lanes", ADAPT, None, None),
    ],
)
def test_decisions(sentence, longitudinal, lateral, direction):
    reading = read_reasoning(sentence)
    assert (reading.longitudinal_decision, reading.lateral_decision, reading.lateral_direction) == (
        longitudinal,
        lateral,
        direction,
    )


@pytest.mark.parametrize(
    ("sentence", "components"),
    [
        (
            "Slow down because the lead vehicle is braking",
            [("critical_object", "the lead vehicle is braking", "pose=in-path motion=slowing")],
        ),
        (
            "Keep distance to the lead vehicle because it is slowing down",
            [("critical_object", "the lead vehicle is slowing down", "pose=in-path motion=slowing")],
        ),
        (
            "Nudge to the left to increase clearance from the parked vehicle on the right",
            [("critical_object", "the parked vehicle on the right", "pose=right motion=stopped")],
        ),
        (
            "Yield to the pedestrian crossing from the right",
            [("critical_object", "the pedestrian crossing from the right", "pose=right motion=crossing")],
        ),
        (
            "Stop because the light is red and a pedestrian is on the crosswalk, in heavy rain",
            [
                ("traffic_light", "the light is red", "state=red"),
                ("critical_object", "a pedestrian is on the crosswalk", "pose=crosswalk"),
                ("odd_constraint", "in heavy rain", ""),
            ],
        ),
        (
            "Resume speed as the light turns from red to green",
            [("traffic_light", "the light turns from red to green", "state=red")],
        ),
        (
            "Resume speed as the red light changes to green",
            [("traffic_light", "the red light changes to green", "state=green")],
        ),
        ("Stop at the stop sign", [("yield_stop_control", "the stop sign", "")]),
        (
            "Turn right at the intersection since the traffic light is green",
            [("traffic_light", "the traffic light is green", "state=green"), ("road_event", "the intersection", "")],
        ),
        ("Gap-search because the right lane ends", [("lane", "the right lane ends", "")]),
        (
            "Take the ramp to the right to follow the route",
            [("routing_intent", "the route", ""), ("road_event", "the ramp to the right", "")],
        ),
        (
            "Pass the slower truck with a left lane change",
            [("critical_object", "the slower truck", "")],
        ),
        (
            "Slow down since there is no oncoming traffic and the curve is sharp",
            [("road_event", "the curve is sharp", "")],
        ),
        (
            "Yield because a car is cutting in from the left lane",
            [("critical_object", "a car is cutting in from the left lane", "pose=left motion=cut-in")],
        ),
        (
            "Slow down because of a truck on the left and a truck on the right",
            [
                ("critical_object", "a truck on the left", "pose=left"),
                ("critical_object", "a truck on the right", "pose=right"),
            ],
        ),
        ("Pull over because of the ambulance behind", [("odd_constraint", "the ambulance behind", "")]),
        (
            "Keep distance to the truck since it is ahead in the same lane",
            [("critical_object", "the truck is ahead in the same lane", "pose=in-path")],
        ),
        (
            "Turn left since the left-turn arrow is green",
            [("traffic_light", "the left-turn arrow is green", "state=green")],
        ),
        ("Keep lane", []),
        ("Maintain speed since the road is clear", []),
    ],
)
def test_components(sentence, components):
    found = [
        (each.category, each.phrase, " ".join(f"{item.key}={item.value}" for item in each.attributes))
        for each in read_reasoning(sentence).components
    ]
    assert found == components


def test_components_are_ranked_bounded_and_without_time():
    things = [
        "a truck",
        "a bus",
        "a van",
        "a cyclist",
        "fog",
        "rain",
        "a curve",
        "a speed bump",
        "the stop sign",
        "cones",
    ]
    reading = read_reasoning(f"Slow down because of {', '.join(things)} and a dog {'that barks ' * 30}")
    assert len(reading.components) == 8
    assert [component.rank for component in reading.components] == list(range(1, 9))
    assert all(
        component.seen_from_us is component.seen_to_us is component.track_id is None for component in reading.components
    )
    long = read_reasoning(f"Stop because the dog {'barks ' * 60}").components[0].phrase
    assert len(long) == 160


@pytest.mark.parametrize(
    ("sentence", "scenario"),
    [
        ("Slow down because the lead vehicle is braking", "slow_for_lead"),
        ("Stop behind the lead vehicle", "stop_for_lead"),
        ("Stop for the red light", "stop_for_control"),
        ("Wait at the stop sign", "stop_for_control"),
        ("Resume speed as the light turns green", "resume"),
        ("Sets off after the stop", "resume"),
        ("Gets going again as the queue clears", "resume"),
        ("Lowers its speed since the lead vehicle brakes", "slow_for_lead"),
        ("Change lanes to the left because the truck is slow", "lane_change"),
        ("Yield to the car cutting in from the right", "cut_in"),
        ("Slow down for the speed bump", "speed_bump"),
        ("Nudge left around the parked truck", "nudge"),
        ("Slow down due to construction cones", "construction"),
        ("Slow down due to workers and cones on the right", "construction"),
        ("Yield to the pedestrian", "yield_to_vru"),
        ("Adapt speed for the bend", "curvy_road"),
        ("Search for a gap in the left lane", "lane_change_preparation"),
        ("Yield to the crossing car at the intersection", "passing_intersection"),
        ("Turn left at the intersection", "turn"),
        ("Maintain speed since the road is clear", "free_driving"),
        ("Keep lane", "free_driving"),
        ("Slow down", "unobserved"),
        ("Pull over", None),
        ("The weather is nice", None),
    ],
)
def test_scenario(sentence, scenario):
    assert read_reasoning(sentence).scenario == scenario


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        ("  Stop for\nthe light. ", "Stop for the light."),
        ("<think>Is it red? <|x|></think>Stop.", "Stop."),
        ("<|cot_start|>Stop.<|cot_end|><|traj_start|><i1><i2>", "Stop."),
        ("noise<|cot_start|> Stop. <|cot_end|>noise", "Stop."),
        ("Stop.<|cot_end|>noise", "Stop."),
        ("<|cot_start|>Stop.", "Stop."),
        ("Stop.<|im_end|> <|endoftext|>", "Stop."),
        ("Stop <|im_end|> for the light.", "Stop <|im_end|> for the light."),
        ('"Stop for the light."', "Stop for the light."),
        ("**Reasoning:** Stop.", "Stop."),
        ("Reasoning: Stop.", "Stop."),
        ("<think>only this", ""),
        ("", ""),
    ],
)
def test_trace(text, trace):
    assert trace_of(text) == trace
    assert read_reasoning(text).trace == trace


def test_a_token_within_the_text_stays_for_the_caller_to_refuse():
    assert "<|im_end|>" in read_reasoning("Stop <|im_end|> now").trace


@pytest.mark.parametrize(
    ("sentence", "decision", "purposes", "causes"),
    [
        ("stop because of the light", "stop ", (), (" the light",)),
        ("slow to keep distance as it brakes", "slow ", ("to keep distance ",), (" it brakes",)),
        ("since it is red, stop", " stop", (), (" it is red",)),
        ("stop as soon as possible", "stop as soon as possible", (), ()),
        ("search for a gap", "search for a gap", (), ()),
        ("action: stop for the light", " stop ", (), ("action", " the light")),
        ("since it is red we stop", "we stop", (), (" it is red",)),
    ],
)
def test_clauses(sentence, decision, purposes, causes):
    clauses = clauses_of(sentence)
    assert (clauses.decision, clauses.purposes, clauses.causes) == (decision, purposes, causes)


def test_words_of_a_clause():
    words = lateral_words("Keep the lane and nudge left around the car turning right")
    assert [(each.decision, each.direction) for each in words] == [("lane_keeping", None), (OUT, "left")]
    assert lateral_words("Go left") == []
    assert [each.decision for each in lateral_words("Go left", aim="to overtake the truck")] == ["lane_change"]
    assert longitudinal_said("Stop at the light") == STOP
    assert longitudinal_said("Proceed through the junction") == GO
    assert longitudinal_said("Proceed and yield to the tram") == YIELD
    assert longitudinal_said("Slow down") is None
    assert longitudinal_said("Keep lane") is None


def test_every_concept_has_a_kind_of_cause():
    settled = set().union(*(names for names, words, _ in _KINDS if not words))
    assert settled == {concept.name for concept in CONCEPTS}


WORDS = re.findall(
    r"\S+",
    "stop slow down yield nudge left right turn lane change merge keep the a to for because since as , . so and with is"
    " red light truck ahead pedestrian crossing parked on it ego vehicle abort gap pass over into no not stop-sign",
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_whatever_is_read_makes_a_valid_record(words):
    reading = read_reasoning(" ".join(words))
    LabelRecord(
        keyframe_id="k",
        clip_id="c",
        t0_us=0,
        labeler="alpamayo",
        prompt_version="1",
        parameters="{}",
        scenario=reading.scenario,
        longitudinal_decision=reading.longitudinal_decision,
        lateral_decision=reading.lateral_decision,
        lateral_direction=reading.lateral_direction,
        components=reading.components,
        text=LabelText(trace=reading.trace or None),
    )


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read(text):
    read_reasoning(text)


@pytest.mark.parametrize("piece", [":", ", ", "we ", "# ", "since the ego ", "the car ", "left ", "speed ", "to the "])
def test_a_text_of_one_piece_is_read(piece):
    assert read_reasoning(piece * 2_000).scenario is None


def test_long_text_is_read():
    assert read_reasoning("Stop because of " + "the left truck and " * 20_000).longitudinal_decision == STOP
    assert read_reasoning("<|" * 50_000).trace
