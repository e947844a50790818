"""Agreement of two labelers, worked out by hand."""

from __future__ import annotations

import polars as pl
import pytest

from coc_assets.evaluation import tables
from coc_assets.evaluation.agreement import between_labelers, kappa
from tests.coc_assets.filtered_coc.made import component, label, labels

OBJECT = component(track_id="7")


def agreed(one: dict[str, object], other: dict[str, object]) -> dict[str, bool | None]:
    found = between_labelers(labels(label(**one)), labels(label(labeler="b", **other)), "a", "b").figures
    rows = found.filter(pl.col("group") == "all").select("figure", "hits", "n").iter_rows()
    return {figure: bool(hits) if n else None for figure, hits, n in rows}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("yield", "yield", True),
        ("yield", "set_speed_tracking", False),
        (None, None, True),
        (None, "yield", False),
        ("yield", None, False),
    ],
)
def test_no_decision_is_an_answer_like_any_other(one, other, same):
    found = agreed({"longitudinal_decision": one}, {"longitudinal_decision": other})
    assert found["longitudinal_decision"] is same and found["both_decisions"] is same
    assert found["lateral_decision"] is True


@pytest.mark.parametrize(
    ("one", "other", "same"), [("left", "left", True), ("left", "right", False), ("left", None, False), (None,) * 3]
)
def test_directions_are_compared_where_either_has_one(one, other, same):
    assert agreed({"lateral_direction": one}, {"lateral_direction": other})["direction"] is same


@pytest.mark.parametrize(
    ("one", "other", "first", "shared"),
    [
        ([], [], True, True),
        ([OBJECT], [], False, False),
        ([OBJECT], [component(track_id="7", phrase="something else")], True, True),
        ([OBJECT], [component(track_id="8")], False, False),
        ([OBJECT], [component(phrase="a truck")], True, True),
        ([OBJECT], [component(phrase="a pedestrian")], False, False),
        ([OBJECT], [component(category="traffic_light"), component(rank=2, track_id="7")], False, True),
        ([component(category="lane")], [component(category="lane", phrase="a narrow one")], True, True),
    ],
)
def test_causes_are_the_same_by_track_or_else_by_kind(one, other, first, shared):
    found = agreed({"components": one}, {"components": other})
    assert (found["first_cause"], found["any_cause"]) == (first, shared)


def test_only_keyframes_that_both_labelled_are_compared():
    ours = labels(label(40), label(90))
    theirs = labels(label(40, labeler="b"), label(90, labeler="b", status="refused"), label(120, labeler="b"))
    assert between_labelers(ours, theirs, "a", "b").counts == {"keyframes_of_both": 1, "labels_a": 2, "labels_b": 2}


def test_labelers_that_never_meet_agree_on_nothing_and_say_so():
    found = between_labelers(labels(label(40)), labels(label(90, labeler="b")), "a", "b")
    assert found.figures["n"].sum() == 0 and found.figures["share"].is_null().all()
    assert dict(found.kappa) == {"longitudinal": None, "lateral": None}
    assert tables.by_group(found).is_empty() and tables.confusion_of(found, "lateral").is_empty()
    assert set(tables.overview(found)["all"]) == {"–"}
    assert tables.kappa_line(found) == "Cohen's kappa: longitudinal –, lateral –"


def test_groups_are_the_first_labelers_scene_classes():
    ours = labels(label(40, scenario="turn"), label(90, scenario="cut_in"))
    theirs = labels(label(40, labeler="b", scenario="nudge"), label(90, labeler="b"))
    assert set(between_labelers(ours, theirs, "a", "b").figures["group"]) == {"all", "turn", "cut_in"}


def test_kappa_is_agreement_beyond_chance():
    def table(**counts: int) -> pl.DataFrame:
        rows = [("lateral", *pair.split("_"), count) for pair, count in counts.items()]
        return pl.DataFrame(rows, schema=["channel", "expected", "labelled", "count"], orient="row")

    # 60 of 100 agree; by chance 54 would: 0.60 * 0.70 + 0.40 * 0.30.
    assert kappa(table(yes_yes=45, yes_no=15, no_yes=25, no_no=15)) == pytest.approx((0.6 - 0.54) / 0.46)
    assert kappa(table(yes_yes=20, no_no=30)) == pytest.approx(1.0)
    assert kappa(table(yes_yes=50)) is None
    assert kappa(table()) is None
