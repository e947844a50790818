"""What the words may say, for every scene, and the words themselves for some."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from coc_assets.filtered_coc.text_claims import read_claim
from coc_assets.raw_coc.rules.geometry import ego_of
from coc_assets.raw_coc.rules.motion import motion_at, window_at
from resources.settings.labels import RulesSettings
from tests.coc_assets.raw_coc.rules.cases import CASES, FRAME, SLOWS, STOPS, Case, following
from tests.coc_assets.raw_coc.rules.scenes import FIRST_US, Box, label, person, trajectory

PARTS = ("trace", "perception", "prediction", "planning", "justification")
UNSEEABLE = re.compile(
    r"\b(?:light|signal|sign|crosswalk|marking|rain|snow|fog|weather|night|construction|green|red)s?\b"
)
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
    import numpy as np

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
    assert "because of an unobserved cause" in row["trace"]
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
