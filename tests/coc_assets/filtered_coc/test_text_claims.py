from __future__ import annotations

import polars as pl
import pytest

from coc_assets.filtered_coc.motion import SCHEMA
from coc_assets.filtered_coc.text_claims import decision_clause, measure, read_claim
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


@pytest.mark.parametrize("text", ["Prepare to change lanes to the left", "Might turn left", "Turn left if it is clear"])
def test_hedged_claims(text: str) -> None:
    assert read_claim(text).hedged


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("stop because the light is red", "stop "),
        ("stop; the light is red", "stop"),
        ("since the light is red, stop", " stop"),
        ("turn left", "turn left"),
        ("because", ""),
    ],
)
def test_decision_clause(text: str, clause: str) -> None:
    assert decision_clause(text) == clause


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
