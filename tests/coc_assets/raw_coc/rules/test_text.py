"""What the words may say, for every scene, and the words themselves for some."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from coc_assets.filtered_coc import consistency, text_claims
from coc_assets.filtered_coc.motion import motion_after
from coc_assets.filtered_coc.text_claims import read_claim
from coc_assets.raw_coc.rules.geometry import ego_of
from coc_assets.raw_coc.rules.motion import motion_at, window_at
from resources import schemas
from resources.settings.filtering import FilterSettings
from resources.settings.labels import RulesSettings
from tests.coc_assets.raw_coc.rules.cases import CASES, FRAME, SLOWS, SPEEDS_UP, STOPS, Case, following
from tests.coc_assets.raw_coc.rules.scenes import (
    FIRST_US,
    Box,
    Drive,
    arc,
    keyframes,
    label,
    person,
    swerve,
    trajectory,
)

PARTS = ("trace", "perception", "prediction", "planning", "justification")
UNSEEABLE = re.compile(
    r"\b(?:light|signal|sign|crosswalk|marking|rain|snow|fog|weather|night|construction|green|red)s?\b"
)
FALLS_A_LITTLE = Drive([(0, 19.2), (5.5, 19.2), (11.5, 17.7)])
RISES_A_LITTLE = Drive([(0, 14.0), (6, 14.0), (10, 15.2)])
IN_A_CURVE = arc(10.0, 140.0, 2.2)  # from 2 s before the keyframe to beyond its window
FUTURE = re.compile(r"\b(?:will|shall|going to|about to|soon|later|afterwards)\b")


@pytest.fixture(scope="module")
def rows() -> dict[str, dict]:
    return {case.name: label(case.drive, case.boxes, case.frame) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_part_is_said_and_claims_nothing_unseeable(case: Case, rows: dict[str, dict]) -> None:
    row = rows[case.name]
    texts = [row[part] for part in PARTS]
    assert all(len(text.split()) >= 2 and text.endswith(".") for text in texts)
    assert len(set(texts)) == len(texts)
    said = " ".join(texts + [component["phrase"] for component in row["components"]])
    assert not UNSEEABLE.search(said.lower())
    assert not FUTURE.search(f"{row['trace']} {row['perception']} {row['justification']}")
    assert not re.search(r"\bnan\b|\binf\b|-0\.0\b|None", said)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_trace_is_one_sentence_with_the_decision_first(case: Case, rows: dict[str, dict]) -> None:
    trace = rows[case.name]["trace"]
    assert len(re.findall(r"[.!?](?:\s|$)", trace)) == 1
    clause, _, _ = trace.partition(" because ")
    ego = ego_of(trajectory(case.drive))
    bucket = motion_at(window_at(case.frame, ego, RulesSettings()), ego, RulesSettings()).bucket
    claim = read_claim(trace)
    assert claim.longitudinal is not None and bucket in claim.longitudinal
    if case.direction:
        assert claim.side == case.direction
        assert case.direction in clause


@pytest.mark.parametrize("case", CASES, ids=str)
def test_components_lie_in_the_history(case: Case, rows: dict[str, dict]) -> None:
    t0_us = FIRST_US + case.frame * 100_000
    components = rows[case.name]["components"]
    assert [component["rank"] for component in components] == list(range(1, len(components) + 1))
    for component in components:
        if component["category"] == "critical_object":
            assert t0_us - 2_000_000 <= component["seen_from_us"] < component["seen_to_us"] <= t0_us
            assert component["phrase"] in rows[case.name]["trace"]


@pytest.mark.parametrize("case", [case for case in CASES if case.cause], ids=str)
def test_figures_of_a_cause_do_not_depend_on_its_future(case: Case, rows: dict[str, dict]) -> None:
    """Boxes after the keyframe may decide which actor it was, never what is said of it."""
    after = (FRAME + 1) / 10
    other = tuple(_elsewhere(box, after) if box.track_id == case.cause else box for box in case.boxes)
    changed = label(case.drive, other, case.frame)
    mine, theirs = ([c for c in row["components"] if c["track_id"] == case.cause] for row in (rows[case.name], changed))
    assert mine
    if theirs:
        told = [{key: c[key] for key in ("phrase", "seen_from_us", "seen_to_us")} for c in (*mine, *theirs)]
        assert told[0] == told[1]


def _elsewhere(box: Box, after: float) -> Box:
    """The same box until then, and at rest where it was from then on."""
    return replace(box, x=_held(box.x, after), y=_held(box.y, after))


def _held(points: object, after: float) -> list[tuple[float, float]]:
    from tests.coc_assets.raw_coc.rules.scenes import through

    grid = [*np.arange(0.0, after, 0.01), after, 20.0]
    return [(t, float(through(points)(np.array([min(t, after)]))[0])) for t in grid]  # type: ignore[arg-type]


def said_of(box: Box, drive=STOPS) -> dict:
    return label(drive, (box,), FRAME)


def test_a_braking_lead_is_put_into_figures() -> None:
    row = said_of(following("lead", 95.0, [(0, 12), (4.0, 12), (7.0, 4)]), SLOWS)
    assert row["trace"] == (
        "Slow down and stay in the lane to keep the distance because the lead vehicle 19.4 m ahead is slowing "
        "from 12.0 to 9.0 m/s, closing at 3.0 m/s."
    )
    values = {item["key"]: item["value"] for item in row["components"][0]["attributes"]}
    assert values == {
        "type": "automobile",
        "pose": "in-path",
        "motion": "slowing",
        "uncertainty": "low",
        "gap_m": "19.4",
        "speed_mps": "9.0",
        "closing_mps": "3.0",
    }


@pytest.mark.parametrize(
    ("walks_at", "motion", "uncertainty", "phrase"),
    [
        (4.0, "crossing", "low", "is moving towards the ego's path at 1.3 m/s"),
        (5.6, "stopped", "high", "is standing"),
    ],
)
def test_what_the_history_does_not_show_is_not_said(
    walks_at: float, motion: str, uncertainty: str, phrase: str
) -> None:
    box = person("person", [(0, 92.0)], [(walks_at, -6.0), (walks_at + 8.4, 5.0)])
    component = said_of(box)["components"][0]
    values = {item["key"]: item["value"] for item in component["attributes"]}
    assert (values["motion"], values["uncertainty"]) == (motion, uncertainty)
    assert component["phrase"].endswith(phrase)


@pytest.mark.parametrize(
    ("label_class", "noun"),
    [("automobile", "vehicle"), ("rider", "rider"), ("trailer", "trailer"), ("fire_engine", "fire engine")],
)
def test_classes_are_named(label_class: str, noun: str) -> None:
    row = said_of(Box("lead", [(0, 95.0)], [(0, 0.0)], label_class=label_class))
    assert f"the lead {noun} " in row["trace"]


def test_an_unobserved_stop_says_so(rows: dict[str, dict]) -> None:
    row = rows["stops at nothing tracked"]
    assert "for an unobserved cause: the ego drives at" in row["trace"]
    assert "unobserved" in row["justification"]
    assert row["components"] == []


def test_a_bend_ahead_is_the_route_and_one_being_driven_is_seen(rows: dict[str, dict]) -> None:
    ahead = rows["curve"]["components"][0]
    assert (ahead["category"], ahead["seen_from_us"]) == ("routing_intent", None)
    case = next(case for case in CASES if case.name == "curve")
    inside = label(replace(case.drive, speed=[(0, 13.0), (8.5, 13.0), (11, 8.5)]), (), 85)
    component = inside["components"][0]
    assert component["category"] == "road_event"
    assert FIRST_US + 6_500_000 < component["seen_from_us"] < component["seen_to_us"] == FIRST_US + 8_500_000


@pytest.mark.parametrize("case", CASES, ids=str)
def test_without_tracks_no_motion_is_its_own_reason(case: Case) -> None:
    row = label(case.drive, case.boxes, case.frame, has_tracks=False)
    assert "the ego drives at" not in row["trace"] and "clip" not in row["trace"]
    assert "No tracked object is available in this clip." in row["perception"]
    assert not re.search(r"\bmeasured|\bclip\b", row["justification"])
    assert len(row["trace"].split()) >= 4  # what the policy's shortest trace has


@pytest.mark.parametrize(
    ("drive", "frame", "trace"),
    [
        (SPEEDS_UP, FRAME, "Speed up and stay in the lane."),
        (SLOWS, FRAME, "Adapt the speed by slowing down and stay in the lane for an unobserved cause."),
        (FALLS_A_LITTLE, FRAME, "Ease off a little and stay in the lane for an unobserved cause."),
        (Drive([(0, 14.0), (6, 14.0), (6.5, 13.2), (7, 14.0)]), FRAME, "Keep the speed and stay in the lane."),
        (RISES_A_LITTLE, FRAME, "Pick up a little speed and stay in the lane."),
        (
            Drive([(0, 12.0)], swerve((72.0, 60.0, 3.5))), 85,
            "Keep the speed as the ego's lane change to the left comes to its end.",
        ),
    ],
)  # fmt: skip
def test_traces_without_tracks(drive: Drive, frame: int, trace: str) -> None:
    assert label(drive, (), frame, has_tracks=False)["trace"] == trace


@pytest.mark.parametrize(
    ("drive", "trace", "planning"),
    [
        (FALLS_A_LITTLE, "Ease off a little and", "Ease off a little from 19.2 to 17.7 m/s within 6.0 s and keep"),
        (RISES_A_LITTLE, "Pick up a little speed and", "Pick up a little speed from 14.0 to 15.2 m/s within 4.5 s"),
        (Drive([(0, 12.0), (6, 12.0), (9, 11.6)]), "Keep the speed and", "Hold about 12.0 m/s and keep"),
        (Drive([(0, 25.0), (6, 25.0), (9, 22.8)]), "Adjust the speed downwards and", "Ease off from 25.0 to 22.8 m/s"),
        (Drive([(0, 25.0), (6, 25.0), (9, 27.2)]), "Proceed at a growing speed and", "Pick up speed from 25.0 to"),
    ],
)
def test_a_change_within_the_steady_bucket_is_not_denied(drive: Drive, trace: str, planning: str) -> None:
    row = label(drive, (), FRAME)
    assert row["longitudinal_decision"] == "set_speed_tracking"
    assert row["trace"].startswith(trace) and row["planning"].startswith(planning)
    assert measured(row, drive)["text_consistency.longitudinal"] == 1


@pytest.mark.parametrize(
    ("drive", "decision", "trace", "planning"),
    [
        (
            Drive([(0, 9.4), (6, 9.4), (7, 8.7), (10, 8.7), (11.5, 11.4)], IN_A_CURVE), "set_speed_tracking",
            "Proceed through the curve at 8.7 to 9.4 m/s and stay in the lane, then speed up to 11.4 m/s because the "
            "ego is in a curve to the left", "Drive at 8.7 to 9.4 m/s for",
        ),
        (
            Drive([(0, 9.4), (10, 9.4), (11.5, 11.4)], IN_A_CURVE), "set_speed_tracking",
            "Proceed through the curve at about 9.4 m/s and stay in the lane, then speed up to 11.4 m/s because the "
            "ego is in a curve", "Drive at about 9.4 m/s for",
        ),
        (Drive([(0, 9.4), (6, 9.4), (9, 11.4)], IN_A_CURVE), "set_speed_tracking", "Speed up and", "Speed up from 9.4"),
        (Drive([(0, 9.4)], IN_A_CURVE), "speed_adaptation",
         "Hold the adapted speed through the curve and stay in the lane because the ego is in a curve", "Hold about"),
        (Drive([(0, 9.4), (6, 9.4), (9, 8.7)], IN_A_CURVE), "speed_adaptation",
         "Ease off a little through the curve and stay in the lane because the ego is in a curve", "Ease off a little"),
        (Drive([(0, 9.4), (6, 9.4), (9, 10.1)], IN_A_CURVE), "set_speed_tracking", "Pick up a little", "Pick up"),
        (Drive([(0, 9.4), (10, 9.4), (11.5, 11.4)]), "set_speed_tracking",
         "Proceed at about 9.4 m/s and stay in the lane, then speed up to 11.4 m/s.", "Drive at about 9.4 m/s"),
        (Drive([(0, 0.0), (9.5, 0.0), (11.5, 4.0)]), "set_speed_tracking",
         "Resume the speed after 4.", "Stay at standstill for 4."),
    ],
)  # fmt: skip
def test_the_first_sustained_change_is_said_first(drive: Drive, decision: str, trace: str, planning: str) -> None:
    row = label(drive, (), FRAME)
    assert row["longitudinal_decision"] == decision
    assert row["trace"].startswith(trace) and row["planning"].startswith(planning)
    figures = measured(row, drive)
    assert (figures["trajectory_consistency.longitudinal"], figures["text_consistency.longitudinal"]) == (1, 1)


def test_a_bend_just_ahead_explains_the_speed_that_is_held() -> None:
    held = {begin: label(Drive([(0, 9.4)], arc(begin, 140.0, 2.2)), (), FRAME) for begin in (60.0, 85.0)}
    assert [row["longitudinal_decision"] for row in held.values()] == ["speed_adaptation", "set_speed_tracking"]
    assert held[60.0]["trace"].startswith("Hold the adapted speed through the curve and stay in the lane because the ")


def measured(row: dict, drive: Drive) -> dict[str, float | None]:
    """What the consistency instruments make of a label, by `instrument.name`."""
    settings = FilterSettings()
    labels = pl.DataFrame([row], schema=schemas.RAW_COC.schema)
    motion = motion_after(keyframes([FRAME]), trajectory(drive), settings)
    rows = pl.concat(
        instrument.measure(labels, motion, settings.agreement) for instrument in (consistency, text_claims)
    )
    return {f"{r['instrument']}.{r['name']}": r["value"] for r in rows.iter_rows(named=True)}
