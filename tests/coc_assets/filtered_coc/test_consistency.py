from __future__ import annotations

import polars as pl
import pytest

from coc_assets.filtered_coc.consistency import (
    ANY_MOTION,
    INSTRUMENT,
    LONGITUDINAL_AGREEMENT,
    SIDED_AGREEMENT,
    VERSION,
    measure,
)
from coc_assets.filtered_coc.motion import LONGITUDINAL_BUCKETS, SCHEMA
from resources import schemas
from resources.settings.filtering import AgreementThresholds
from tests.coc_assets.filtered_coc.made import KEYFRAME, figures, keyframe_id, label, labels

THRESHOLDS = AgreementThresholds()
STEADY = {
    "keyframe_id": keyframe_id(KEYFRAME),
    "future_s": 6.0,
    "longitudinal": "steady",
    "v0_mps": 10.0,
    "low_mps": 9.8,
    "high_mps": 10.4,
    "speed_change_mps": 0.4,
    "slowed_or_stood": False,
    "lateral": "straight",
    "nudge_side": "straight",
    "turned_before_deg": 0.0,
    "heading_left_deg": 1.0,
    "heading_right_deg": 2.0,
    "offset_left_m": 0.1,
    "offset_right_m": 0.2,
}


def motion(**columns: object) -> pl.DataFrame:
    return pl.DataFrame([STEADY | columns], schema=SCHEMA)


def measured(row: dict[str, object], **moves: object) -> dict[str, float | None]:
    return figures(measure(labels(row), motion(**moves), THRESHOLDS))


# As the label rules print it: decision, and the buckets in which it agrees.
PRINTED = [
    ("set_speed_tracking", "steady speed_up"),
    ("lead_obstacle_following", "steady slow_down speed_up stopped"),
    ("gap_searching", "steady slow_down speed_up stopped"),
    ("speed_adaptation", "slow_down steady"),
    ("acceleration_for_passing", "speed_up steady"),
    ("yield", "slow_down stopped"),
    ("stop_for_static_constraint", "slow_down stopped"),
]


@pytest.mark.parametrize(("decision", "buckets"), PRINTED)
@pytest.mark.parametrize("bucket", LONGITUDINAL_BUCKETS)
def test_longitudinal_agreement(decision: str, buckets: str, bucket: str) -> None:
    found = measured(label(longitudinal_decision=decision), longitudinal=bucket)
    assert found["longitudinal"] == float(bucket in buckets.split())


LEFT = {"lateral": "left", "nudge_side": "left"}


@pytest.mark.parametrize(
    ("decision", "direction", "moves", "agrees"),
    [
        pytest.param("lane_keeping", None, {}, 1, id="lane kept"),
        pytest.param("lane_keeping", None, LEFT, 1, id="lane kept in a bend"),
        pytest.param("turn", "left", LEFT | {"heading_left_deg": 15.0}, 1, id="turn"),
        pytest.param("turn", "left", LEFT | {"heading_left_deg": 14.9, "offset_left_m": 9.0}, 0, id="turn too small"),
        pytest.param("turn", "right", LEFT | {"heading_left_deg": 60.0}, 0, id="turn to the other side"),
        pytest.param("turn", "right", LEFT | {"heading_right_deg": 60.0}, 0, id="other side first"),
        pytest.param("turn", None, LEFT | {"heading_left_deg": 60.0}, None, id="turn without a direction"),
        pytest.param("lane_change", "left", LEFT | {"offset_left_m": 1.5}, 1, id="lane change"),
        pytest.param("lane_change", "left", LEFT | {"offset_left_m": 1.4}, 0, id="lane change too small"),
        pytest.param("merge_split", "left", LEFT | {"offset_left_m": 3.0}, 1, id="merge"),
        pytest.param("pull_over", "right", {"lateral": "right", "offset_right_m": 2.0}, 1, id="pull over"),
        pytest.param("in_lane_nudge", "left", {"nudge_side": "left", "offset_left_m": 0.3}, 1, id="nudge"),
        pytest.param("in_lane_nudge", "left", {"offset_left_m": 0.29}, 0, id="nudge too small"),
        pytest.param("out_of_lane_nudge", "left", LEFT | {"offset_left_m": 1.0}, 1, id="large nudge"),
        pytest.param("out_of_lane_nudge", "right", LEFT | {"offset_left_m": 1.0}, 0, id="nudge to the other side"),
        pytest.param("lateral_maneuver_abort", None, LEFT, None, id="an aborted manoeuvre abstains"),
        pytest.param(None, None, LEFT, None, id="no decision"),
    ],
)
def test_lateral_agreement(
    decision: str | None, direction: str | None, moves: dict[str, object], agrees: float | None
) -> None:
    row = label(lateral_decision=decision, lateral_direction=direction)
    assert measured(row, **moves)["lateral"] == agrees


@pytest.mark.parametrize(
    ("direction", "moves", "opposite"),
    [
        pytest.param("left", {"lateral": "right"}, 1, id="to the other side"),
        pytest.param("right", {"lateral": "left"}, 1, id="mirrored"),
        pytest.param("left", {"lateral": "left"}, 0, id="to its side"),
        pytest.param("left", {"lateral": "straight"}, 0, id="straight on"),
        pytest.param("left", {"lateral": "right", "offset_left_m": 1.5}, 0, id="to its side later on"),
        pytest.param("left", {"lateral": "right", "turned_before_deg": 2.0}, 0, id="under way to its side"),
        pytest.param("right", {"lateral": "left", "turned_before_deg": -2.0}, 0, id="under way, mirrored"),
        pytest.param("right", {"lateral": "left", "turned_before_deg": 2.0}, 1, id="under way to the other side"),
        pytest.param(None, {"lateral": "left"}, None, id="no direction"),
    ],
)
def test_opposite_direction(direction: str | None, moves: dict[str, object], opposite: float | None) -> None:
    row = label(lateral_decision="lane_change", lateral_direction=direction)
    assert measured(row, **moves)["opposite_direction"] == opposite


def test_every_decision_is_in_a_table() -> None:
    assert set(LONGITUDINAL_AGREEMENT) == set(schemas.LONGITUDINAL_DECISIONS)
    assert {*SIDED_AGREEMENT, *ANY_MOTION, "lateral_maneuver_abort"} == set(schemas.LATERAL_DECISIONS)


@pytest.mark.parametrize(
    ("direction", "heading", "offset"), [("left", 1.0, 0.1), ("right", 2.0, 0.2), (None, 2.0, 0.2)]
)
def test_figures_are_those_of_the_labels_side(direction: str | None, heading: float, offset: float) -> None:
    found = measured(label(lateral_decision="turn", lateral_direction=direction))
    assert (found["heading_change_deg"], found["offset_m"]) == (heading, offset)
    assert found["speed_change_mps"] == 0.4
    assert found["future_s"] == 6.0


@pytest.mark.parametrize(
    "moves",
    [
        pytest.param(
            {"longitudinal": None, "lateral": None, "nudge_side": None, "offset_left_m": None}, id="too little"
        ),
        pytest.param({"keyframe_id": "another"}, id="keyframe unknown"),
    ],
)
def test_abstains_without_motion(moves: dict[str, object]) -> None:
    found = measured(label(lateral_decision="in_lane_nudge", lateral_direction="left"), **moves)
    assert (found["longitudinal"], found["lateral"], found["opposite_direction"]) == (None, None, None)


def test_no_decision_abstains() -> None:
    assert measured(label(longitudinal_decision=None))["longitudinal"] is None


def test_details_name_the_bucket_and_the_figures() -> None:
    made = measure(labels(label(longitudinal_decision="yield")), motion(), THRESHOLDS)
    assert made.schema == schemas.MEASUREMENTS.schema
    assert set(made["instrument"]) == {INSTRUMENT}
    assert set(made["version"]) == {VERSION}
    details = dict(made.select("name", "detail").iter_rows())
    assert details["longitudinal"] == "yield; motion steady: v0 10.0, then 9.8 to 10.4 m/s over 6.0 s"
    assert "motion straight: heading 1.0° to the left" in details["lateral"]
