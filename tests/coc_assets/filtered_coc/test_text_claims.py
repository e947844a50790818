from __future__ import annotations

import re

import polars as pl
import pytest

from coc_assets.filtered_coc.motion import SCHEMA, LongitudinalBucket
from coc_assets.filtered_coc.text_claims import measure, read_claim
from resources.settings.filtering import AgreementThresholds
from tests.coc_assets.filtered_coc.made import figures, label, labels
from tests.coc_assets.filtered_coc.test_consistency import STEADY

ANY = "left right straight"


@pytest.mark.parametrize(
    ("text", "longitudinal", "lateral"),
    [
        ("Stop for the red light", "stopped", None),
        ("Slow down because the lead vehicle brakes hard", "slow_down", None),
        ("Decelerate to a complete stop since the light is red", "slow_down stopped", None),
        ("Remain stopped behind the lead vehicle", "stopped", None),
        ("Wait at the stop sign", "stopped", None),
        ("Yield to the pedestrian crossing from the right", "slow_down stopped", None),
        ("Adapt speed for the right curve ahead", "slow_down steady", None),
        ("Resume speed as the light turned green", "speed_up steady", None),
        ("Accelerate to pass the slower lead vehicle", "speed_up", None),
        ("Overtake the cyclist with a left lane change", "speed_up steady", "left"),
        ("Search for a gap in the left lane before merging left", "slow_down speed_up steady stopped", "left"),
        ("Follow the slowing lead vehicle", "slow_down speed_up steady stopped", None),
        ("Keep lane and keep distance to the lead vehicle", "slow_down speed_up steady stopped", ANY),
        ("Maintain speed and stay in lane", "steady", ANY),
        ("Continue straight at a constant speed", "steady", ANY),
        ("The ego vehicle reverses out of the parking spot", "reverse", None),
        ("Proceed through the intersection without stopping", "speed_up steady", None),
        ("Turn right at the intersection", None, "right"),
        ("Change to the left lane to pass the slower truck", None, "left"),
        ("Merge right onto the ramp", None, "right"),
        ("Pull over to the right shoulder", None, "right"),
        ("Change lanes ahead of the construction site", None, "left right"),
        ("Nudge left around the parked car on the right", None, "left"),
        ("Nudge around the parked car on the right", None, "left right"),
        ("Nudge past the stopped vehicle", None, "left right"),
        ("Because of the red light, stop behind the lead car.", "stopped", None),
        ("The weather is nice today", None, None),
        ("", None, None),
    ],
)
def test_claim_is_read_from_the_decision_clause(text: str, longitudinal: str | None, lateral: str | None) -> None:
    claim = read_claim(text)
    assert claim.longitudinal == (longitudinal and frozenset(longitudinal.split()))
    assert claim.lateral == (lateral and frozenset(lateral.split()))


SAID: dict[str, tuple[str, ...]] = {
    "speed_up": (
        "The ego vehicle pulls away from the kerb as the road is clear",
        "Sets off once the light changes to green",
        "Gets going again because the pedestrians have cleared the crosswalk",
        "Builds speed on the straight after the roundabout",
        "We get rolling again as the lead moves on",
        "Ego takes its foot off the brake and gains speed",
        "Departs from the junction because nothing is coming",
        "Increase of speed because the road is clear",
        "Ego steps it up since the road ahead has cleared",
        "With no lead in front, the ego accelerates",
        "The lead vehicle has left the lane, so the ego speeds up",
    ),
    "slow_down": (
        "Sheds speed for the tight bend",
        "Scrubs off some speed before the hairpin",
        "Speed is bled off ahead of the speed bump",
        "A reduction in speed follows from the wet road",
        "Drops back to widen the distance to the motorcycle",
        "Decelerates from 12 m/s to 4 m/s for the curve",
        "Proceeds at a reduced speed through the work zone",
        "Because of heavy rain the ego lowers its speed",
        "slower bc of the wet road",
        "The ego does not keep its speed but slackens its pace",
    ),
    "slow_down stopped": (
        "The car brakes for the red light",
        "A gentle deceleration is applied because the pedestrian is crossing",
        "Lets the old man cross before moving on",
        "Allows the oncoming car to pass first",
        "Cedes the right of way to the cyclist",
        "The ego slows, then stops at the line",
        "The ego eases to a stop as the barrier comes down",
        "The ego cuts its speed to zero behind the queue",
        "A slower vehicle brakes ahead, requiring the ego to brake",
        "Pedestrian ahead -> slow down",
    ),
    "stopped": (
        "Comes to rest behind the queue at the lights",
        "Holds position at the line while cross traffic clears",
        "Remains halted since the barrier is down",
        "A pedestrian steps out, so the car stops",
        "The light is red; therefore the ego comes to a halt",
        "The ego stops and then proceeds through the intersection",
        "Waits behind the truck that is reversing into a driveway",
        "The lead vehicle turns right. The ego vehicle stays put.",
        "The ego does not proceed because of the train",
    ),
    "steady": (
        "Cruises at 12 m/s in the middle lane",
        "Holds 14 m/s with nothing ahead",
        "Keeps its pace through the junction",
        "The lead vehicle accelerates away, but the ego keeps its speed",
        "No change in speed: the road is clear",
        "The ego's speed remains the same",
    ),
    "speed_up steady": (
        "The ego does not slow because the light is green",
        "Instead of turning left, the ego continues straight on",
        "No braking is needed since the lead is far away",
        "Returns to its normal speed",
    ),
    "slow_down steady": ("Coasts on towards the town", "The ego lifts off the accelerator as the gap shrinks"),
    "slow_down speed_up steady": ("Creeps forward", "There is no need to stop as the way is clear"),
    "slow_down steady stopped": ("Rolls up to the barrier", "Hangs back behind the tram", "Opens a gap to the truck"),
    "slow_down speed_up steady stopped": (
        "Tucks in behind the white van",
        "Matches the speed of the lead",
        "Rather than overtaking, the ego stays behind the tractor",
    ),
    "reverse": ("Backs out of the parking space", "The ego rolls backwards into the bay"),
}  # fmt: skip


@pytest.mark.parametrize(("longitudinal", "text"), [(claim, text) for claim, texts in SAID.items() for text in texts])
def test_many_ways_to_speak_of_the_speed(longitudinal: str, text: str) -> None:
    assert read_claim(text).longitudinal == frozenset(longitudinal.split())


ALLOWS: dict[LongitudinalBucket, tuple[str, ...]] = {
    "slow_down": (
        # verbs and nouns of less speed, active, passive and in note form
        "The host knocks twenty off its speed ahead of the roadworks",
        "Speed is pared back as the fog thickens",
        "Momentum bled away before the tight corner",
        "Lowering of speed on account of the sharp bend",
        "Tones down its pace for the gravel",
        "Ego takes a more cautious pace",
        "decel bc of xing",
        # figures
        "From 80 km/h to 50 km/h, village ahead",
        "Drops to 30 for the school zone",
        # pedals
        "Comes off the power since the hauler ahead is labouring",
        "Throttle closed, tractor ahead",
        "Foot off the gas; van pulling out",
        "Puts its foot on the brake",
        # what makes the ego do it
        "A cyclist wobbles ahead, prompting us to lose some speed",
        "The wet surface calls for less speed",
        "The potholes compel the car to slow",
        "The ego catches up with a tractor, so the ego takes its speed down",
        "Gives up some speed to let the gap grow",
        "Vehicle slows for the bend",
    ),
    "stopped": (
        "No forward motion: barrier down",
        "Stuck behind the tipper, not moving",
        "The car hasn't stirred yet, crossing taken",
        "Speed zero, tailback ahead",
        "Held by the red arrow",
        "Parks by the bakery",
        "The red light brings the car to a halt",
        "Drifts to a halt at the give-way line",
    ),
    "speed_up": (
        "Gets on the gas as the road opens",
        "Puts its foot down on the slip road",
        "Brake released, throttle applied",
        "Builds up to 100 on the on-ramp",
        "Goes from standstill to 30 km/h",
        "Increases from 20 to 45 km/h",
        "The AV brings its pace back up",
        "The empty road invites the ego to go faster",
        "Hurries through on green",
        "accel, LV gone",
    ),
    "steady": (
        "Keeps to 50",
        "Speed as before",
        "Doing a steady 70",
        "Pace unchanged",
        "Nothing ahead, no need to alter speed",
        "const v, road clear",
        "Keeps trundling along",
    ),
    "reverse": ("The car creeps rearwards into the bay", "Rolls back from the line"),
}  # fmt: skip


@pytest.mark.parametrize(("bucket", "text"), [(bucket, text) for bucket, texts in ALLOWS.items() for text in texts])
def test_words_allow_the_motion_that_they_tell(bucket: LongitudinalBucket, text: str) -> None:
    allowed = read_claim(text).longitudinal
    assert allowed is not None
    assert bucket in allowed
    assert not {"speed_up", "slow_down"} <= allowed


@pytest.mark.parametrize(
    ("text", "bucket"),
    [
        ("The vehicle behind closes in, brake lights on; ego accelerates", "slow_down"),
        ("Lateral acceleration would be too high, so the ego slows", "speed_up"),
        ("Stops to pick up a passenger", "speed_up"),
        ("The ego brakes to restore a safe gap", "speed_up"),
        ("Goes back into its lane", "reverse"),
        ("Allows its speed to rise", "slow_down"),
        ("Takes the speed back up to 60", "slow_down"),
        ("Rolls at the same speed", "slow_down"),
        ("Lifts off the brake", "slow_down"),
        ("Presses the brake pedal", "speed_up"),
        ("Rolls up to 5 m behind the truck", "speed_up"),
        ("It is unclear whether the ego stops", "stopped"),
    ],
)
def test_words_alike_claim_nothing_contrary(text: str, bucket: LongitudinalBucket) -> None:
    claim = read_claim(text).longitudinal or frozenset()
    assert bucket not in claim


@pytest.mark.parametrize(
    ("text", "longitudinal", "side"),
    [
        ("Left turn; speed maintained", {"steady"}, "left"),
        ("Passing move: lane change right, speed increase", {"speed_up", "steady"}, "right"),
        ("To make the left turn, the ego bleeds speed", {"slow_down"}, "left"),
        ("Holding its speed, the car hops one lane to the right", {"steady"}, "right"),
        ("decel + merge R after LV", {"slow_down"}, "right"),
    ],
)
def test_both_axes_are_read_across_a_sentence(text: str, longitudinal: set[str], side: str) -> None:
    claim = read_claim(text)
    assert (claim.longitudinal, claim.side) == (longitudinal, side)


TO_THE_LEFT = (
    "Left at the lights",
    "Changes lanes: left",
    "Lane change (left)",
    "Snakes left past the parked cars",
    "A left is taken at the fork",
    "Goes around the truck to the left",
    "Takes the off-ramp to the left",
    "Hooks a left into the side street",
    "Merges into the stream on the left",
    "Parks by the left kerb",
    "Gets by the tractor from the left lane",
    "Slows to find a gap in the left lane",
    "Bears left at the fork",
    "Slides over to the left lane",
    "Swings wide to the left around the delivery truck",
    "Moves over a lane to the left because the right lane is closed",
    "Swaps into the left-hand lane",
    "Makes for the left lane",
    "Leaves its lane for the left one at the same speed",
    "A lane change to the left is carried out because the lead is slow",
    "Since the lead is slow, the ego shifts over to the left lane",
    "Overtakes the slow tractor on the left",
    "Takes a left at the lights",
    "Rounds the corner to the left",
    "The ego moves into the left-turn lane",
    "Turns left after the oncoming car turns right",
    "Drifts left within the lane to clear the parked van",
    "Sidesteps to the left to avoid the open car door",
    "Nudges left around the truck on the right",
    "Gives a wide berth to the cyclist on the right",
    "Gives the parked truck on the right a wide berth",
    "Passes the cyclist on its left",
    "Leaves the parked cars to its right",
    "Steers clear of the cones on the right",
    "Moves away from the right curb",
    "Puts some room between itself and the parked car on the right",
    "Because the truck on the right drifts over, the ego nudges left",
    "A van parked on the right forces the ego to swerve left",
    "The ego steers left and back right to pass the parked car",
)


def mirrored(text: str) -> str:
    sides = {"left": "right", "right": "left", "Left": "Right", "Right": "Left", "Leaves": "Leaves", "leaves": "leaves"}
    return re.sub(r"\b(?:left|right|Left|Right)\b", lambda side: sides[side[0]], text)


@pytest.mark.parametrize("text", TO_THE_LEFT)
def test_sides_are_those_of_the_manoeuvre(text: str) -> None:
    assert read_claim(text).side == "left"
    assert read_claim(mirrored(text)).side == "right"


@pytest.mark.parametrize(
    "text",
    [
        "Stays in the left lane and keeps its speed",
        "The ego keeps its lane through the left curve",
        "Follows the road as it curves to the right",
        "Slows in its lane as the lane bends to the left",
        "The ego refrains from changing lanes since a car is in the left lane",
        "The ego stays in its lane, as the left lane is taken by a truck turning right",
    ],
)
def test_places_and_bends_are_no_side(text: str) -> None:
    assert read_claim(text).lateral == frozenset({"left", "right", "straight"})


@pytest.mark.parametrize(
    "text",
    [
        "The lead vehicle brakes hard",
        "The oncoming truck turns left",
        "A cyclist swerves right around a pothole",
        "Pedestrians stop at the kerb",
        "There is a stop sign and a bus stop on the right",
        "The light turned green",
        "The car in the left lane pulls away from the lights",
        "The lead vehicle's lane change to the left is abrupt",
        "The sun is right ahead and little time is left",
        "I cannot say whether the car brakes",
        "It is hard to judge if it turns left or stops",
        "Not enough is shown to go on",
        "LV turning L",
        "Awaits its turn",
    ],
)
def test_what_others_do_and_things_are_called_is_no_claim(text: str) -> None:
    assert not read_claim(text).parsed


@pytest.mark.parametrize(
    ("text", "longitudinal"),
    [
        ("While the truck on the left accelerates, the ego brakes", {"slow_down", "stopped"}),
        ("The ego accelerates while the truck on the left brakes", {"speed_up"}),
        ("The lead brakes and the ego speeds up to change lanes", {"speed_up"}),
        ("Although the car behind is speeding up, the ego stops", {"stopped"}),
        ("The lead brakes. It stops. We slow down.", {"slow_down", "stopped"}),
        ("Brake lights ahead: the ego lowers its speed", {"slow_down"}),
    ],
)
def test_the_ego_is_told_from_others(text: str, longitudinal: set[str]) -> None:
    assert read_claim(text).longitudinal == longitudinal


def test_a_manoeuvre_that_the_ego_slows_for_may_still_lie_ahead() -> None:
    assert read_claim("Slows down to make a left turn").lateral == frozenset({"left", "straight"})


@pytest.mark.parametrize(
    ("text", "axes"), [("Slow down and turn left", 2), ("Slow down", 1), ("Turn left", 1), ("The sun shines", 0)]
)
def test_claims_read_counts_the_axes_that_were_read(text: str, axes: int) -> None:
    assert measured(text)["claims_read"] == axes
    assert measured(text, longitudinal=None)["claims_read"] == axes


@pytest.mark.parametrize("text", ["Prepare to change lanes to the left", "Might turn left", "Turn left if it is clear"])
def test_hedged_claims(text: str) -> None:
    assert read_claim(text).hedged


def measured(trace: str | None, justification: str | None = None, **moves: object) -> dict[str, float | None]:
    row = label(trace=trace, justification=justification)
    motion = pl.DataFrame([STEADY | moves], schema=SCHEMA)
    return figures(measure(labels(row), motion, AgreementThresholds()))


@pytest.mark.parametrize(
    ("trace", "bucket", "change", "agrees"),
    [
        pytest.param("Slow down", "slow_down", -5.0, 1, id="equal"),
        pytest.param("Slow down", "steady", -0.9, 1, id="adjacent and gentle"),
        pytest.param("Slow down", "stopped", -1.9, 1, id="a gentle stop"),
        pytest.param("Slow down", "stopped", -2.0, 0, id="adjacent and not gentle"),
        pytest.param("Slow down", "speed_up", 1.2, 0, id="not adjacent"),
        pytest.param("Stop", "steady", -0.5, 0, id="stop and steady are not adjacent"),
        pytest.param("Keep the speed", "speed_up", 1.5, 1, id="steady beside speed_up"),
        pytest.param("Coast along", "steady", -0.9, 1, id="one of two buckets"),
        pytest.param("Coast along", "speed_up", 1.2, 0, id="less speed is not beside more"),
        pytest.param("Turn left", "slow_down", -5.0, None, id="nothing is said of the speed"),
        pytest.param("A nice day", "steady", 0.0, 0, id="unparsed disagrees"),
        pytest.param(None, "steady", 0.0, 0, id="no text disagrees"),
        pytest.param("Slow down", None, None, None, id="no motion to compare with"),
    ],
)
def test_longitudinal_agreement(
    trace: str | None, bucket: str | None, change: float | None, agrees: float | None
) -> None:
    assert measured(trace, longitudinal=bucket, speed_change_mps=change)["longitudinal"] == agrees


@pytest.mark.parametrize(
    ("trace", "goes", "agrees", "opposite"),
    [
        ("Turn left", "left", 1, 0),
        ("Turn left", "right", 0, 1),
        ("Turn left", "straight", 0, 0),
        ("Change lanes", "right", 1, 0),
        ("Change lanes", "straight", 0, 0),
        ("Keep the lane", "left", 1, 0),
        ("Prepare to turn left", "right", None, None),
        ("Slow down", "right", None, 0),
        ("A nice day", "straight", 0, 0),
    ],
)
def test_lateral_agreement(trace: str, goes: str, agrees: float | None, opposite: float | None) -> None:
    found = measured(trace, lateral=goes)
    assert (found["lateral"], found["opposite_direction"]) == (agrees, opposite)


@pytest.mark.parametrize(
    "moves", [{"heading_left_deg": 15.0}, {"offset_left_m": 1.5}, {"turned_before_deg": 2.0}], ids=str
)
def test_a_manoeuvre_to_its_side_is_not_opposite(moves: dict[str, object]) -> None:
    found = measured("Turn left", lateral="right", **moves)
    assert (found["lateral"], found["opposite_direction"]) == (0, 0)


def test_side_of_a_nudge_is_read_at_a_nudges_threshold() -> None:
    assert measured("Nudge left", lateral="straight", nudge_side="left")["lateral"] == 1
    assert measured("Turn left", lateral="straight", nudge_side="left")["lateral"] == 0


@pytest.mark.parametrize(
    ("name", "trace", "justification", "raised"),
    [
        ("red_light_without_slowing", "Keep the speed", "The traffic light is red.", 1),
        ("red_light_without_slowing", "Keep the speed because of the red traffic light", None, 1),
        ("red_light_without_slowing", "Resume speed because the red light turned green", None, 0),
        ("red_light_without_slowing", "Keep distance to the red car", None, 0),
        ("collision_risk_without_slowing", "Keep the speed despite a risk of collision", None, 1),
        ("collision_risk_without_slowing", "Keep the speed, there is no risk of collision", None, 0),
        ("stop_without_slowing", "Stop because of the stop line", None, 1),
        ("stop_without_slowing", "Nudge left around the stopped vehicle", None, 0),
        ("stop_without_slowing", "Slow down", None, 0),
    ],
)
def test_what_calls_for_slowing(name: str, trace: str, justification: str | None, raised: float) -> None:
    assert measured(trace, justification)[name] == raised
    assert measured(trace, justification, slowed_or_stood=True)[name] == 0


def test_rows_belong_to_their_labels() -> None:
    rows = labels(label(labeler="a", trace="Slow down now"), label(labeler="b", trace="Keep the speed"))
    made = measure(rows, pl.DataFrame([STEADY], schema=SCHEMA), AgreementThresholds())
    details = made.filter(pl.col("name") == "longitudinal").select("label_id", "detail").rows()
    assert [detail.split(",")[0] for _, detail in details] == ["text claims slow_down", "text claims steady"]
    assert [label_id for label_id, _ in details] == rows["label_id"].to_list()


@pytest.mark.parametrize(
    "loop", ["begins to ", "just ahead ", "lane ", "to the left ", "the truck that ", "and then ", "not to be ", "§ "]
)
@pytest.mark.parametrize("start", ["The truck ", "The ego moves ", "Because "])
def test_texts_in_circles_are_read_all_the_same(start: str, loop: str) -> None:
    """Where a pattern can match a word in two ways, this does not end."""
    assert read_claim(start + loop * 100 + "#").axes_read <= 2
