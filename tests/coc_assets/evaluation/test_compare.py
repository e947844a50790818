"""Figures of hand-made labels against hand-made truths, worked out by hand."""

from __future__ import annotations

import polars as pl
import pytest

from coc_assets.evaluation.compare import CAUSES, against_truth, wilson
from coc_assets.sample.scenes import SCRIPTS
from tests.coc_assets.evaluation.scripted import truth
from tests.coc_assets.filtered_coc.made import component, keyframes, label, labels

TURN = {"scene": "turn", "longitudinal_decision": None, "lateral_decision": "turn", "lateral_direction": "left",
        "cause": "turn", "cause_track_id": None}  # fmt: skip
BEND = {"scene": "curve", "longitudinal_decision": "speed_adaptation", "cause": "curve", "cause_track_id": None}
UNSEEN = {"scene": "stop_unobserved", "longitudinal_decision": "stop_for_static_constraint", "cause": "unobserved",
          "cause_track_id": None, "trackable": False}  # fmt: skip
FREE = {"scene": "free_driving", "longitudinal_decision": "set_speed_tracking", "cause": None, "cause_track_id": None}
PERSON = {"scene": "person_crossing", "longitudinal_decision": "yield", "cause": "person_crossing"}

LEAD = component(track_id="7")
ROAD = component(category="road_event", phrase="the ego is in a curve to the left")


def figures(scripted: dict[str, object], **columns: object) -> dict[str, bool | None]:
    """Each figure of one label against one scripted answer: right, wrong, or None where it is not judged."""
    found = against_truth(labels(label(**columns)), truth(scripted), keyframes(40)).figures
    rows = found.filter(pl.col("group") == "all").select("figure", "hits", "n").iter_rows()
    return {figure: bool(hits) if n else None for figure, hits, n in rows}


@pytest.mark.parametrize(
    ("scripted", "decided", "right"),
    [
        ({}, ("lead_obstacle_following", "lane_keeping"), (True, True, True)),
        ({}, ("yield", "lane_keeping"), (False, True, False)),
        ({}, (None, None), (False, False, False)),
        (TURN, ("yield", "turn"), (None, True, True)),
        (TURN, ("yield", "lane_keeping"), (None, False, False)),
        ({"longitudinal_decision": None, "lateral_decision": None}, ("yield", "turn"), (None, None, None)),
    ],
)
def test_decisions_are_judged_on_the_channels_that_the_script_decides(scripted, decided, right):
    found = figures(scripted, longitudinal_decision=decided[0], lateral_decision=decided[1])
    assert (found["longitudinal_decision"], found["lateral_decision"], found["both_decisions"]) == right


@pytest.mark.parametrize(("side", "right"), [("left", True), ("right", False), (None, False)])
def test_a_direction_is_judged_where_the_script_has_a_side(side, right):
    assert figures(TURN, lateral_direction=side)["direction"] is right
    assert figures({}, lateral_direction=side)["direction"] is None


def cited(scripted: dict[str, object], *components: dict[str, object]) -> tuple[bool | None, bool | None, bool | None]:
    found = figures(scripted, components=list(components))
    return found["first_cause"], found["any_cause"], found["unsupported_claim"]


@pytest.mark.parametrize(
    ("scripted", "components", "right"),
    [
        pytest.param({}, [LEAD], (True, True, False), id="the scripted track"),
        pytest.param({}, [component(track_id="8")], (False, False, True), id="another track of the same kind"),
        pytest.param({}, [], (False, False, False), id="nothing cited is wrong, but claims nothing"),
        pytest.param({}, [component(track_id="8"), component(rank=2, track_id="7")], (False, True, True), id="second"),
        pytest.param({}, [component(rank=2, track_id="8"), LEAD], (True, True, True), id="the rank counts"),
        pytest.param({}, [component(phrase="a braking car")], (True, True, False), id="words for a vehicle"),
        pytest.param({}, [component(phrase="a pedestrian")], (False, False, True), id="words for another kind"),
        pytest.param({}, [component(category="lane", phrase="a car lane")], (False, False, True), id="no object"),
        pytest.param(PERSON, [component(phrase="a woman on the crosswalk")], (True, True, False), id="a person"),
        pytest.param(PERSON, [component(phrase="a cyclist")], (False, False, True), id="a rider is no person"),
        pytest.param(BEND, [ROAD], (True, True, False), id="the bend by its words"),
        pytest.param(BEND, [ROAD | {"phrase": "a speed bump"}], (False, False, True), id="another road event"),
        pytest.param(BEND, [LEAD], (False, False, True), id="an actor where the road is the cause"),
        pytest.param(TURN, [ROAD], (False, False, True), id="a bend is no turn"),
        pytest.param(TURN, [ROAD | {"phrase": "the route turns left"}], (True, True, False), id="the turn"),
        pytest.param(UNSEEN, [], (True, True, False), id="an unobserved cause is left unnamed"),
        pytest.param(UNSEEN, [LEAD], (False, False, True), id="and claiming one is wrong"),
        pytest.param(FREE, [], (None, None, False), id="nothing to name"),
        pytest.param(FREE, [LEAD], (None, None, True), id="nor to claim"),
    ],
)
def test_causes_are_known_by_track_or_else_by_kind_and_words(scripted, components, right):
    assert cited(scripted, *components) == right


def test_groups_divide_the_labels_by_scene_and_by_what_tracks_can_show():
    scripted = truth({}, UNSEEN | {"clip_id": "d"})
    shown = pl.concat([keyframes(40), keyframes(40, clip_id="d")])
    said = labels(label(longitudinal_decision="yield"), label(clip_id="d", components=[LEAD]))
    found = against_truth(said, scripted, shown).figures
    claims = found.filter(figure="unsupported_claim").select("group", "hits", "n")
    assert dict(zip(claims["group"], claims.select("hits", "n").iter_rows(), strict=True)) == {
        "all": (1, 2),
        "trackable": (0, 1),
        "untrackable": (1, 1),
        "lead_brakes": (0, 1),
        "stop_unobserved": (1, 1),
        "later": (0, 0),
    }


@pytest.mark.parametrize(("track", "unsupported"), [("7", 0), ("8", 1)])
def test_labels_at_later_keyframes_may_claim_only_what_happens_in_their_clip(track, unsupported):
    said = labels(label(components=[LEAD]), label(frame=90, components=[component(track_id=track)]))
    later = against_truth(said, truth({}), keyframes(40, 90)).figures.filter(group="later")
    assert later.select("figure", "hits", "n").rows() == [("unsupported_claim", unsupported, 1)]


def test_labels_without_content_and_damaged_clips_are_counted_and_not_judged():
    scripted = truth({}, {"clip_id": "d"}, {"clip_id": "e", "defect": "tracks_missing"})
    shown = pl.concat([keyframes(40, clip_id=clip) for clip in "cde"])
    said = labels(label(status="refused"), label(clip_id="d"), label(clip_id="e"))
    found = against_truth(said, scripted, shown)
    assert (found.counts["judged_labels"], found.counts["unlabelled_keyframes"]) == (1, 1)
    assert (found.counts["matched_keyframes"], found.counts["damaged_keyframes"]) == (3, 1)


def test_labels_from_elsewhere_are_judged_at_their_own_instants():
    said = labels(label(frame=43, components=[LEAD]), label(frame=90))
    found = against_truth(said, truth({}), keyframes(40))
    assert (found.counts["judged_labels"], found.counts["keyframes"]) == (1, 2)
    assert found.figures.filter(group="all", figure="first_cause")["hits"].item() == 1


def test_confusion_tables_count_the_truths_decisions_by_the_labels():
    scripted = truth({}, {"clip_id": "d"}, TURN | {"clip_id": "e"})
    shown = pl.concat([keyframes(40, clip_id=clip) for clip in "cde"])
    said = labels(
        label(longitudinal_decision="lead_obstacle_following"),
        label(clip_id="d", longitudinal_decision=None),
        label(clip_id="e", lateral_decision="turn"),
    )
    assert against_truth(said, scripted, shown).confusion.rows() == [
        ("longitudinal", "lead_obstacle_following", "lead_obstacle_following", 1),
        ("longitudinal", "lead_obstacle_following", "none", 1),
        ("lateral", "lane_keeping", "lane_keeping", 2),
        ("lateral", "turn", "turn", 1),
    ]


@pytest.mark.parametrize(
    ("hits", "n", "interval"), [(8, 10, (0.490, 0.943)), (0, 20, (0.0, 0.161)), (20, 20, (0.839, 1.0))]
)
def test_intervals_are_wilsons(hits, n, interval):
    assert wilson(hits, n) == pytest.approx(interval, abs=5e-4)
    assert wilson(0, 0) == (None, None)


def test_every_cause_that_a_script_claims_can_be_judged():
    import numpy as np

    from coc_assets.sample.staging import Draw

    scripted = {truth.cause for script in SCRIPTS.values() for truth in script(Draw(np.random.default_rng(1))).truth}
    assert scripted - {None} == set(CAUSES)
