from __future__ import annotations

import pytest
from pydantic import ValidationError

from coc_assets.raw_coc.records import (
    Attribute,
    Component,
    LabelRecord,
    LabelText,
    canonical_json,
    label_id,
    records_frame,
)
from resources import schemas

OK = {
    "keyframe_id": "clip-01000000",
    "clip_id": "clip",
    "t0_us": 1_000_000,
    "labeler": "rules",
    "prompt_version": "v",
    "parameters": "{}",
}


def component(rank: int, **more: object) -> Component:
    return Component(rank=rank, category="critical_object", phrase="the lead", **more)  # type: ignore[arg-type]


def test_a_record_becomes_a_row_of_the_table() -> None:
    cited = component(
        1, attributes=(Attribute(key="motion", value="slowing"),), track_id="7", seen_from_us=5, seen_to_us=9
    )
    record = LabelRecord(
        **OK,
        longitudinal_decision="yield",
        lateral_decision="turn",
        lateral_direction="left",
        components=(cited,),
        text=LabelText(trace="Yield because …", planning="wait"),
    )
    frame = records_frame([record])
    assert frame.schema == schemas.RAW_COC.schema
    row = frame.row(0, named=True)
    assert (row["trace"], row["planning"], row["perception"]) == ("Yield because …", "wait", None)
    assert row["components"] == [
        {
            "rank": 1,
            "category": "critical_object",
            "phrase": "the lead",
            "attributes": [{"key": "motion", "value": "slowing"}],
            "track_id": "7",
            "seen_from_us": 5,
            "seen_to_us": 9,
        }
    ]
    assert row["label_id"] == label_id("clip-01000000", "rules", None, "v", "{}")


def test_no_records_keep_the_types() -> None:
    assert records_frame([]).schema == schemas.RAW_COC.schema


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"longitudinal_decision": "stop"}, "set_speed_tracking"),
        ({"lateral_decision": "swerve"}, "lane_keeping"),
        ({"scenario": "sunny"}, "free_driving"),
        ({"status": "fine"}, "refused"),
        ({"status": "error"}, "every status but ok has a reason"),
        ({"reason": "why"}, "every status but ok has a reason"),
        ({"lateral_decision": "turn"}, "needs a direction"),
        ({"lateral_decision": "lane_keeping", "lateral_direction": "left"}, "has no direction"),
        ({"lateral_direction": "left"}, "has no direction"),
        ({"components": (component(2),)}, "count from 1"),
        ({"components": (component(1), component(1))}, "count from 1"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_the_rules_do_not_know_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        LabelRecord(**(OK | change))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"category": "weather"}, "odd_constraint"),
        ({"phrase": ""}, "at least 1 character"),
        ({"seen_from_us": 3}, "both ends"),
        ({"seen_from_us": 9, "seen_to_us": 5}, "swap them"),
        ({"rank": 0}, "greater than or equal to 1"),
    ],
)
def test_components_are_checked(change: dict[str, object], told: str) -> None:
    good = {"rank": 1, "category": "critical_object", "phrase": "the lead"}
    with pytest.raises(ValidationError, match=told):
        Component(**(good | change))


def test_a_label_keeps_its_id_over_releases() -> None:
    assert label_id("clip-01000000", "rules", None, "rules-1", "{}") == "22803cd04db02df2"


@pytest.mark.parametrize("field", ["keyframe_id", "labeler", "model", "prompt_version", "parameters"])
def test_whatever_shapes_a_label_changes_its_id(field: str) -> None:
    base = {"keyframe_id": "k", "labeler": "l", "model": "m", "prompt_version": "p", "parameters": "{}"}
    assert label_id(**(base | {field: "other"})) != label_id(**base)


def test_canonical_json_does_not_depend_on_order() -> None:
    assert canonical_json({"b": 1, "a": "ü"}) == canonical_json({"a": "ü", "b": 1}) == '{"a":"ü","b":1}'
