from __future__ import annotations

import itertools

import polars as pl
import pytest

from coc_assets.filtered_coc.build import Found, added, build, late_measurements, measure
from coc_assets.filtered_coc.policy import load_policy
from resources import schemas
from resources.reviews import Review
from resources.settings.filtering import FilterSettings
from tests.coc_assets.filtered_coc.made import KEYFRAME, boxes, component, drive, keyframes, label, labels, ramp

SETTINGS = FilterSettings()
DEFAULT = load_policy("default")
KEYS = keyframes(KEYFRAME)
BRAKING = drive(ramp((KEYFRAME + 5, 12), (KEYFRAME + 35, 5)))
STEADY = drive(12.0)
LEAD = boxes("7", first_us=0, last_us=8_000_000, x_m=18.0)

FOLLOWING = label(
    longitudinal_decision="lead_obstacle_following",
    components=[component(track_id="7")],
    trace="Slow down because the lead vehicle 18 m ahead slows.",
)


SET_ROWS = schemas.rows_to_frame(
    [{"label_id": FOLLOWING["label_id"], "instrument": "set_duplicates", "name": "near_duplicates", "value": 1.0}],
    schemas.SET_MEASUREMENTS,
)


def review(decision: str, reviewer: str = "ann", **more: object) -> Review:
    named = {name: FOLLOWING[name] for name in ("label_id", "keyframe_id", "clip_id", "labeler")}
    at = {"reviewed_at": "2026-01-31T10:00:00.000Z"}
    return Review.model_validate({**named, "reviewer": reviewer, "decision": decision, **at, **more})


def judged(row: dict[str, object], trajectories: pl.DataFrame, tracks: pl.DataFrame = LEAD) -> tuple[str, list[str]]:
    made = build(labels(row), KEYS, trajectories, tracks, SETTINGS, DEFAULT)
    return made["filtered_coc"].select("verdict", "reasons").row(0)


@pytest.mark.parametrize(
    ("row", "trajectories", "verdict", "reason"),
    [
        pytest.param(FOLLOWING, BRAKING, "keep", None, id="sound"),
        pytest.param(label(), STEADY, "keep", None, id="nothing happens"),
        pytest.param(label(longitudinal_decision="yield"), STEADY, "reject", "longitudinal_disagrees", id="no yield"),
        pytest.param(label(), BRAKING, "reject", "longitudinal_disagrees", id="says steady, brakes"),
        pytest.param(
            label(lateral_decision="turn", lateral_direction="left"),
            STEADY,
            "review",
            "lateral_disagrees",
            id="no turn",
        ),
        pytest.param(
            label(lateral_decision="turn", lateral_direction="left"),
            drive(12.0, ramp((KEYFRAME, 0.0), (KEYFRAME + 10, -0.02))),
            "reject",
            "opposite_direction",
            id="turns the other way",
        ),
        pytest.param(
            FOLLOWING | {"components": [component(track_id="8")]},
            BRAKING,
            "reject",
            "unknown_track",
            id="invented track",
        ),
        pytest.param(
            FOLLOWING | {"components": [component(phrase="a pedestrian")]},
            BRAKING,
            "review",
            "ungrounded_object",
            id="nobody",
        ),
        pytest.param(FOLLOWING | {"trace": "Stop <|x|> now please"}, BRAKING, "reject", "forbidden_tokens", id="token"),
        pytest.param(FOLLOWING | {"trace": ""}, BRAKING, "reject", "empty_text", id="no text"),
        pytest.param(
            label(trace="Keep the speed although the traffic light is red"),
            STEADY,
            "review",
            "red_light_without_slowing",
            id="runs a red light",
        ),
        pytest.param(
            label(trace="Stop because of the stop line ahead"), STEADY, "reject", "stop_without_slowing", id="no stop"
        ),
        pytest.param(label(), STEADY.head(KEYFRAME + 15), "review", "too_little_motion", id="clip ends"),
        pytest.param(label(frame=60), STEADY, "reject", "keyframe_gone", id="keyframe gone"),
    ],
)
def test_default_policy(row: dict[str, object], trajectories: pl.DataFrame, verdict: str, reason: str | None) -> None:
    found, reasons = judged(row, trajectories)
    assert found == verdict
    assert reasons[:1] == ([reason] if reason else [])


@pytest.mark.parametrize("policy", ["default", "keep-all", "strict"])
def test_every_rule_of_a_packaged_policy_looks_at_something_measured(policy: str) -> None:
    made = measure(labels(FOLLOWING), KEYS, BRAKING, LEAD, SETTINGS)
    late = late_measurements(SET_ROWS, [review("keep")], labels(FOLLOWING))
    figures = {*pl.concat([made, late]).select("instrument", "name").iter_rows()}
    looked_at = {(rule.instrument, rule.name) for rule in load_policy(policy).rules}
    assert {figure for figure in looked_at if not figure[0].startswith("judged_")} <= figures


@pytest.mark.parametrize(
    ("row", "trajectories", "strict", "keep_all"),
    [
        pytest.param(FOLLOWING, BRAKING, "keep", "keep", id="sound"),
        pytest.param(label(longitudinal_decision="yield"), STEADY, "reject", "keep", id="contradicted"),
        pytest.param(
            label(trace="Keep the speed although the light is red"), STEADY, "reject", "keep", id="default reviews"
        ),
        pytest.param(label(), STEADY.head(KEYFRAME + 15), "review", "keep", id="too short to say"),
        pytest.param(
            label(justification="The van will leave the lane."), STEADY, "reject", "keep", id="cause yet to come"
        ),
        pytest.param(FOLLOWING | {"trace": " "}, BRAKING, "reject", "reject", id="no text"),
        pytest.param(FOLLOWING | {"trace": "Stop <|x|> now please"}, BRAKING, "reject", "reject", id="token"),
        pytest.param(label(frame=60), STEADY, "reject", "reject", id="keyframe gone"),
    ],
)
def test_strict_and_keep_all(row: dict[str, object], trajectories: pl.DataFrame, strict: str, keep_all: str) -> None:
    for name, verdict in (("strict", strict), ("keep-all", keep_all)):
        made = build(labels(row), KEYS, trajectories, LEAD, SETTINGS, load_policy(name))
        assert made["filtered_coc"]["verdict"].to_list() == [verdict], name


def test_conservation() -> None:
    """Each usable label has one verdict, each rejected or unusable one a reject, and nothing else is in the tables."""
    rows = labels(
        FOLLOWING,
        FOLLOWING | {"labeler": "model", "label_id": "m1", "longitudinal_decision": "set_speed_tracking"},
        label(labeler="other", status="refused", reason="policy"),
    )
    made = build(rows, KEYS, BRAKING, LEAD, SETTINGS, DEFAULT)
    assert dict(made["filtered_coc"].select("label_id", "verdict").iter_rows()) == {
        FOLLOWING["label_id"]: "keep",
        "m1": "reject",
    }
    assert sorted(made["rejects"]["reason"]) == ["longitudinal_disagrees", "status_refused"]
    assert set(made["measurements"]["label_id"]) == {FOLLOWING["label_id"], "m1"}
    for name, table in {
        "measurements": schemas.MEASUREMENTS, "filtered_coc": schemas.VERDICTS, "rejects": schemas.REJECTS
    }.items():  # fmt: skip
        assert made[name].schema == table.schema
        assert set(made[name]["chunk"]) == {"0000"}
    assert not made["measurements"].select(schemas.MEASUREMENTS.key).is_duplicated().any()


def test_order_of_the_inputs_does_not_matter() -> None:
    rows = labels(*(label(frame, labeler=name, components=[component(track_id="7")]) for frame, name in
                    itertools.product((20, 40, 60, 80), ("rules", "model"))))  # fmt: skip
    made = build(rows, keyframes(20, 40, 60, 80), BRAKING, LEAD, SETTINGS, DEFAULT)
    shuffled = [
        frame.sample(fraction=1.0, shuffle=True, seed=3) for frame in (rows, keyframes(20, 40, 60, 80), BRAKING, LEAD)
    ]
    again = build(*shuffled, SETTINGS, DEFAULT)
    for name, frame in made.items():
        assert frame.equals(again[name]), name
    assert made["measurements"].equals(made["measurements"].sort("label_id", "instrument", "name"))


def test_policy_changes_verdicts_and_no_measurement() -> None:
    lax = DEFAULT.model_copy(update={"name": "lax", "rules": ()})
    strict, open_ = (build(labels(label()), KEYS, BRAKING, LEAD, SETTINGS, policy) for policy in (DEFAULT, lax))
    assert strict["measurements"].equals(open_["measurements"])
    assert (strict["filtered_coc"]["verdict"][0], open_["filtered_coc"]["verdict"][0]) == ("reject", "keep")


def test_empty_chunk() -> None:
    made = build(
        schemas.empty(schemas.RAW_COC), schemas.empty(schemas.KEYFRAMES), schemas.empty(schemas.TRAJECTORIES),
        schemas.empty(schemas.TRACKS), SETTINGS, DEFAULT,
    )  # fmt: skip
    assert {name: frame.height for name, frame in made.items()} == dict.fromkeys(
        ("measurements", "set_measurements", "filtered_coc", "rejects"), 0
    )
    assert made["filtered_coc"].schema == schemas.VERDICTS.schema


def figure(
    version: str, value: float, *, name: str = "words", label_id: object = FOLLOWING["label_id"]
) -> dict[str, object]:
    return {"label_id": label_id, "instrument": "text", "version": version, "name": name, "value": value}


def test_measurements_only_grow_and_the_newest_is_last() -> None:
    before = schemas.rows_to_frame([figure("2", 5), figure("2", 1, name="gone"), figure("2", 9, label_id="x")],
                                   schemas.MEASUREMENTS)  # fmt: skip
    now = schemas.rows_to_frame([figure("1", 7)], schemas.MEASUREMENTS)
    grown = added(before, now, labels(FOLLOWING))
    assert grown.select("name", "version", "value").rows() == [
        ("gone", "2", 1.0),
        ("words", "2", 5.0),
        ("words", "1", 7.0),
    ]
    assert added(grown, now, labels(FOLLOWING)).equals(grown)


def test_a_version_measured_anew_replaces_its_own_figures() -> None:
    before = schemas.rows_to_frame([figure("1", 5), figure("1", 1, name="no longer taken")], schemas.MEASUREMENTS)
    grown = added(before, schemas.rows_to_frame([figure("1", 7)], schemas.MEASUREMENTS), labels(FOLLOWING))
    assert grown.select("name", "value").rows() == [("words", 7.0)]


def test_earlier_measurements_count_where_nothing_newer_is_there() -> None:
    judge = figure("gpt/1", 0.2) | {"instrument": "judged_evidence", "name": "visual_evidence_score"}
    found = Found(measurements=schemas.rows_to_frame([judge], schemas.MEASUREMENTS))
    made = build(labels(FOLLOWING), KEYS, BRAKING, LEAD, SETTINGS, DEFAULT, found)
    assert made["filtered_coc"].select("verdict", "reasons").rows() == [("review", ["causes_not_seen"])]


@pytest.mark.parametrize(
    ("reviews", "verdict", "reasons"),
    [
        ([], "reject", ["longitudinal_disagrees"]),
        ([review("keep")], "keep", ["people_keep", "longitudinal_disagrees"]),
        ([review("keep"), review("reject", "bob")], "review", ["people_disagree", "longitudinal_disagrees"]),
        ([review("keep"), review("reject")], "reject", ["people_reject", "longitudinal_disagrees"]),
        ([review("edit", edited="{}", edited_label_id="e")], "reject", ["people_reject", "longitudinal_disagrees"]),
    ],
)
def test_people_decide_over_instruments(reviews: list[Review], verdict: str, reasons: list[str]) -> None:
    row = FOLLOWING | {"longitudinal_decision": "set_speed_tracking"}
    made = build(labels(row), KEYS, BRAKING, LEAD, SETTINGS, DEFAULT, Found(reviews=reviews))
    assert made["filtered_coc"].select("verdict", "reasons").rows()[0][0] == verdict
    assert made["filtered_coc"]["reasons"][0].to_list()[: len(reasons)] == reasons


def test_who_edits_a_label_keeps_what_it_became() -> None:
    edited = FOLLOWING | {"label_id": "e", "labeler": "human", "origin": "edited"}
    found = Found(reviews=[review("edit", edited="{}", edited_label_id="e")])
    made = build(labels(FOLLOWING, edited), KEYS, BRAKING, LEAD, SETTINGS, DEFAULT, found)
    verdicts = dict(made["filtered_coc"].select("labeler", "verdict").iter_rows())
    assert verdicts == {"rules": "reject", "human": "keep"}


def test_checklist_answers_are_shares_of_those_who_answered() -> None:
    reviews = [review("keep", minimality=True), review("keep", "bob", minimality=False), review("keep", "cy")]
    late = late_measurements(schemas.empty(schemas.SET_MEASUREMENTS), reviews, labels(FOLLOWING))
    assert dict(late.select("name", "value").iter_rows()) == {
        "majority": 1.0, "kept": 3.0, "rejected": 0.0, "edited": 0.0, "minimality": 0.5,
        "causal_coverage": None, "correctness": None, "proximate_cause": None,
    }  # fmt: skip


def test_of_the_set_only_what_is_about_labels_at_hand_stays() -> None:
    gone = SET_ROWS.with_columns(label_id=pl.lit("gone"))
    late = late_measurements(pl.concat([SET_ROWS, gone]), [], labels(FOLLOWING))
    assert late.select("chunk", "label_id", "value").rows() == [("0000", FOLLOWING["label_id"], 1.0)]
