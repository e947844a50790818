from __future__ import annotations

from itertools import count

import pytest

from coc_assets.raw_coc.vlm.contradiction import LateralPrior, contradiction, lateral_prior
from coc_assets.raw_coc.vlm.view import TimelineRow

LANES = {
    ".": "keep_lane",
    "L": "left_lane_change",
    "R": "right_lane_change",
    "l": "slightly_shift_left",
    "r": "slightly_shift_right",
    "T": "turn_left",
    "?": None,
}


def rows(letters, first_s=-2.0, step_s=0.5):
    """One row a letter; a blank leaves the instant out."""
    return [
        TimelineRow(first_s + step_s * number, None, None, LANES[letter])
        for number, letter in zip(count(), letters, strict=False)
        if letter != " "
    ]


#        -2   -1    0    1    2    3    4    5    6
#         .  . .  . .  . .  . .  . .  . .  . .  . .
@pytest.mark.parametrize(
    ("letters", "kind", "direction", "onset_s"),
    [
        pytest.param("......LL.........", "lane_change", "left", 1.0, id="two samples"),
        pytest.param("......RRR........", "lane_change", "right", 1.0, id="right"),
        pytest.param("......L.L........", None, None, None, id="samples that are no neighbours"),
        pytest.param("......L..........", None, None, None, id="one sample"),
        pytest.param("......L L........", "lane_change", "left", 1.0, id="one instant missing between two"),
        pytest.param("......L  L.......", None, None, None, id="two instants missing between two"),
        pytest.param("......L?L........", None, None, None, id="a row without action between two"),
        pytest.param("......l..........", "nudge", "left", 1.0, id="one sample is a nudge"),
        pytest.param("r................", "nudge", "right", -2.0, id="at the first instant"),
        pytest.param("....r.....l......", "nudge", "right", 0.0, id="the earlier nudge"),
        pytest.param("....RR....LL.....", "lane_change", "right", 0.0, id="the earlier lane change"),
        pytest.param("L...RR....LL.....", "lane_change", "right", 0.0, id="a lone sample is no onset"),
        pytest.param("..........LL....r", "lane_change", "left", 3.0, id="both far: the earlier"),
        pytest.param("..........r...LL.", "nudge", "right", 3.0, id="both far: the earlier nudge"),
        pytest.param("....l..RR........", "nudge", "left", 0.0, id="both near: the earlier"),
        pytest.param("........r.LL.....", "nudge", "right", 2.0, id="only the nudge near"),
        pytest.param("....LL....l......", "lane_change", "left", 0.0, id="only the lane change near"),
        pytest.param("........LL.r.....", "lane_change", "left", 2.0, id="two seconds are near"),
        pytest.param("TTT..............", None, None, None, id="a turn"),
        pytest.param("?????", None, None, None, id="no lane actions"),
        pytest.param("", None, None, None, id="no rows"),
        pytest.param("l", "nudge", "left", -2.0, id="one row"),
    ],
)
def test_prior(letters, kind, direction, onset_s):
    prior = lateral_prior(rows(letters))
    found = (prior.kind, prior.direction, prior.onset_s) if prior else (None, None, None)
    assert found == (kind, direction, onset_s)


def test_near_is_preferred_over_early():
    """A nudge before the near window gives way to a lane change within it."""
    prior = lateral_prior(rows("l.......LL..", first_s=-4.0))
    assert prior is not None
    assert (prior.kind, prior.onset_s) == ("lane_change", 0.0)


def test_ties():
    both = [TimelineRow(1.0, None, None, LANES[letter]) for letter in "rl"]
    assert lateral_prior(both).direction == "left"
    kinds = [*rows("LL", first_s=0.0), TimelineRow(0.0, None, None, LANES["r"])]
    assert lateral_prior(kinds).kind == "lane_change"


def test_steps_scale_with_the_timeline():
    """At 1 Hz a sample two seconds later still belongs to a lane change."""
    assert lateral_prior(rows("..L L..", step_s=1.0)).onset_s == 0.0


def test_written_labels_are_read():
    timeline = [TimelineRow(at, None, None, "Left Lane  Change ") for at in (1.0, 1.5)]
    assert lateral_prior(timeline).direction == "left"


def test_summary_tells_counts_onsets_window_and_what_is_expected():
    summary = lateral_prior(rows("...l..RRR........")).summary
    for told in (
        "left_lane_change: 0 of 17 samples, no onset",
        "right_lane_change: 3 of 17 samples, onset t = +1.0 s",
        "slightly_shift_left: 1 of 17 samples, onset t = -0.5 s",
        "slightly_shift_right: 0 of 17 samples, no onset",
        "within 2.0 s",
        "Expected: a nudge to the left from t = -0.5 s.",
    ):
        assert told in summary


NUDGE = LateralPrior("nudge", "left", 1.0, "")
CHANGE = LateralPrior("lane_change", "right", 1.0, "")


@pytest.mark.parametrize(
    ("prior", "decision", "direction", "said"),
    [
        (NUDGE, "out_of_lane_nudge", "left", None),
        (NUDGE, "in_lane_nudge", "left", None),
        (NUDGE, "out_of_lane_nudge", "right", "lateral_direction is right"),
        (NUDGE, "lane_keeping", None, "lateral_decision is lane_keeping"),
        (NUDGE, None, None, "lateral_decision is none"),
        (NUDGE, "lane_change", "left", "lateral_decision is lane_change"),
        (NUDGE, "turn", "left", "lateral_decision is turn"),
        (NUDGE, "pull_over", "left", None),
        (NUDGE, "pull_over", None, None),
        (NUDGE, "pull_over", "right", "lateral_direction is right"),
        (NUDGE, "lateral_maneuver_abort", "left", None),
        (NUDGE, "lateral_maneuver_abort", "right", "lateral_direction is right"),
        (CHANGE, "lane_change", "right", None),
        (CHANGE, "merge_split", "right", None),
        (CHANGE, "merge_split", None, "lateral_direction is none"),
        (CHANGE, "merge_split", "left", "lateral_direction is left"),
        (CHANGE, "in_lane_nudge", "right", "lateral_decision is in_lane_nudge"),
        (CHANGE, None, None, "lateral_decision is none"),
    ],
)
def test_decision_fields_against_the_record(prior, decision, direction, said):
    reason = contradiction(prior, None, decision, direction, "Slow down because the lead vehicle brakes.")
    assert (reason is None) == (said is None)
    if said:
        assert said in reason
        assert f"to the {prior.direction} from t = +1.0 s" in reason


@pytest.mark.parametrize(
    ("decision", "direction", "trace"),
    [
        ("out_of_lane_nudge", "left", "Nudge left to pass the vehicle on the right"),
        ("out_of_lane_nudge", "left", "Nudge to the left around the parked truck on the right"),
        ("out_of_lane_nudge", "left", "Nudge left because a car turns right"),
        ("lane_keeping", None, "Keep the lane and return to the cruising speed"),
        ("lane_keeping", None, "Returning to the set speed"),
        ("lane_change", "left", "Leftward lane change because the lead vehicle is slow"),
        ("lane_change", "left", "Make a left lane change"),
        ("merge_split", "left", "Change lanes to the left"),
        ("in_lane_nudge", "left", "Stay in lane while giving room to the cyclist on the right"),
        ("lane_keeping", None, "Yield to the vehicle merging from the right"),
        ("lane_keeping", None, "Wait behind the truck that turns left"),
        ("lane_keeping", None, "Keep the lane as the light turns green"),
        ("lane_keeping", None, "Slow down before turning right"),
        ("lane_keeping", None, "Stop in the left turn lane"),
        ("pull_over", "right", "Keep the lane"),
        ("turn", "left", "Slow down and turn left at the intersection"),
        ("turn", "left", "Stay in the right lane, then turn left"),
        (None, None, "Brake for the pedestrian"),
    ],
)
def test_a_trace_that_agrees(decision, direction, trace):
    assert contradiction(None, None, decision, direction, trace) is None


@pytest.mark.parametrize(
    ("decision", "direction", "trace", "said"),
    [
        ("out_of_lane_nudge", "left", "Nudge right around the cyclist", "trace says right"),
        ("lane_change", "right", "Change lanes to the left because the truck is slow", "trace says left"),
        ("turn", "left", "Turn right at the junction", "trace says right"),
        ("out_of_lane_nudge", "left", "Change lanes to the left", "trace says lane change"),
        ("lane_change", "left", "Nudge left around the parked car", "trace says nudge"),
        ("lane_change", "left", "Keep the lane because the road is clear", "trace says keep lane"),
        ("lane_keeping", None, "Turn left at the intersection", "trace says turn"),
        (None, None, "Slow down and nudge left", "lateral_decision is none"),
    ],
)
def test_a_trace_that_says_something_else(decision, direction, trace, said):
    reason = contradiction(None, None, decision, direction, trace)
    assert reason is not None
    assert said in reason


def test_a_planned_lane_change_may_be_named_while_a_gap_is_searched():
    trace = "Search for a gap and change lanes to the left"
    assert contradiction(None, "gap_searching", "lane_keeping", None, trace) is None
    assert contradiction(None, "set_speed_tracking", "lane_keeping", None, trace)


@pytest.mark.parametrize(
    ("decision", "trace", "contradicts"),
    [
        ("set_speed_tracking", "Stop for the red light", True),
        ("acceleration_for_passing", "Yield to the pedestrian", True),
        ("yield", "Resume speed as the light turns green", True),
        ("stop_for_static_constraint", "Stop for the red light", False),
        ("set_speed_tracking", "Slow down for the light", False),
        ("lead_obstacle_following", "Stop behind the lead vehicle", False),
        ("set_speed_tracking", "Drive on behind the stopping truck", False),
        (None, "Stop for the red light", False),
    ],
)
def test_opposite_words_for_speed(decision, trace, contradicts):
    assert bool(contradiction(None, decision, None, None, trace)) == contradicts


def test_the_record_goes_before_the_trace():
    reason = contradiction(NUDGE, None, "lane_keeping", None, "Turn left")
    assert reason is not None
    assert "recorded" in reason


@pytest.mark.parametrize("trace", ["", " " * 100_000 + "x", "so " * 30_000, "nudge left " * 10_000])
def test_any_trace_is_read(trace):
    assert contradiction(None, None, "out_of_lane_nudge", "left", trace) is None


def test_the_reason_is_one_sentence():
    reason = contradiction(NUDGE, None, None, None, "")
    assert reason is not None
    assert reason.endswith(".")
    assert ". " not in reason
