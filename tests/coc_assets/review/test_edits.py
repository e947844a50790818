from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coc_assets.filtered_coc.policy import decide, load_policy, packaged_policies
from coc_assets.raw_coc.records import LabelRecord
from coc_assets.review.edits import EditError, edited_record, newest_edits, publish_edits, unpublished
from resources import schemas
from resources.reviews import Review, append_reviews, read_reviews
from resources.store import Store
from tests.coc_assets.filtered_coc.made import component, label, labels
from tests.coc_assets.review.made import copied, review, workspace_of

ORIGINAL = label(
    longitudinal_decision="yield",
    components=[component(track_id="7", seen_from_us=1, seen_to_us=2, attributes=[{"key": "pose", "value": "left"}])],
    label_id="0123456789abcdef",
    lateral_direction=None,
)
TRACE = "Slow down because a pedestrian crosses."


def edit(**content: Any) -> LabelRecord:
    return edited_record(ORIGINAL, content, "ann")


def line(record: LabelRecord, label_id: str, reviewer: str = "ann") -> Review:
    named = {"edited": record.model_dump_json(exclude_none=True), "edited_label_id": record.label_id}
    return review(label_id, reviewer, "edit", keyframe_id=record.keyframe_id, **named)


def test_an_edit_is_a_label_of_its_own_that_says_where_it_comes_from() -> None:
    record = edit(trace=f"  {TRACE} ")
    assert (record.labeler, record.origin, record.status, record.model) == ("human", "edited", "ok", None)
    assert record.text.trace == TRACE
    told = json.loads(record.parameters)
    assert (told["edited_from"], told["reviewer"]) == ("0123456789abcdef", "ann")
    same, other = edit(trace=TRACE), edit(trace=f"{TRACE} Now.")
    assert record.label_id == same.label_id != other.label_id
    assert edited_record(ORIGINAL, {"trace": TRACE}, "bob").label_id != record.label_id


def test_what_is_not_edited_stays() -> None:
    record = edit(lateral_decision="turn", lateral_direction="left")
    assert record.components[0].model_dump(mode="json") == {**ORIGINAL["components"][0]}  # type: ignore[index]
    assert record.text.perception == ORIGINAL["perception"]
    assert (record.keyframe_id, record.t0_us) == (ORIGINAL["keyframe_id"], ORIGINAL["t0_us"])


def test_components_are_ranked_in_the_order_given() -> None:
    given = [component(phrase="a crossing pedestrian", rank=9), component(phrase="  the lead vehicle ", rank=1)]
    record = edit(components=given)
    assert [(one.rank, one.phrase) for one in record.components] == [
        (1, "a crossing pedestrian"),
        (2, "the lead vehicle"),
    ]
    assert edit(components=[]).components == ()


@pytest.mark.parametrize(
    ("content", "field", "says"),
    [
        ({"lateral_decision": "turn"}, "lateral_direction", "left or right"),
        ({"longitudinal_decision": "fly"}, "longitudinal_decision", "'fly'"),
        ({"components": [component(phrase=" ")]}, "components.0.phrase", "at least 1 character"),
        ({"components": [component(category="ghost")]}, "components.0.category", "'ghost'"),
        ({"components": "none"}, "components", "'none'"),
        ({"trace": "  "}, "trace", "one sentence"),
        ({}, "trace", "nothing is changed"),
        ({"trace": 5}, "trace", "string"),
        ({"labeler": "rules"}, "labeler", "cannot be edited"),
        ({"components": [component(seen_from_us=5)]}, "components.0", "both ends"),
    ],
)
def test_what_makes_no_label_is_said_beside_its_field(content: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(EditError) as caught:
        edit(**content)
    assert says in caught.value.problems[field]


def test_the_newest_edit_in_force_of_a_keyframe_counts() -> None:
    first, second = edit(trace=TRACE), edited_record(ORIGINAL, {"trace": f"{TRACE} Now."}, "bob")
    lines = [line(first, "a"), line(second, "a", "bob")]
    assert newest_edits(lines).records == [second]
    assert newest_edits([*lines, line(first, "a")]).records == [first], "decided anew, so it is the newest"
    assert newest_edits([*lines, review("a", "bob", "withdraw")]).records == [first]
    assert newest_edits([*lines, review("a", "bob", "keep"), review("a", "ann", "reject")]).records == []


def test_an_edit_that_another_version_wrote_is_named_and_passed_over() -> None:
    found = newest_edits([line(edit(trace=TRACE), "a"), review("b", "ann", "edit", edited='{"mood":"odd"}')])
    assert len(found.records) == 1
    assert "label b by ann" in found.problems[0]


def test_human_labels_of_a_chunk_follow_its_reviews(sample: Path, sample_store: Path, tmp_path: Path) -> None:
    workspace = workspace_of(sample, copied(sample_store, tmp_path))
    store = workspace.store
    row = store.read_labels("0000").row(0, named=True)
    record = edited_record(row, {"trace": TRACE}, "ann")

    def published() -> list[str]:
        return store.read_table(schemas.RAW_COC, "0000", labeler="human")["label_id"].to_list()

    def said(*lines: Review) -> None:
        append_reviews(store.reviews_path("0000"), lines)

    assert publish_edits(workspace, "0000") is None, "nobody has edited anything"
    assert "human" not in store.labelers("0000")
    said(line(record, row["label_id"]))
    assert publish_edits(workspace, "0000") is not None
    assert published() == [record.label_id]
    assert store.labelers("0000") == ["human", "rules"]
    assert publish_edits(workspace, "0000") is None, "they are labels already"
    said(review(row["label_id"], decision="withdraw"))
    assert unpublished(Store(store.root), "0000", read_reviews(store.reviews_path("0000")))
    publish_edits(workspace, "0000")
    assert published() == []


@pytest.mark.parametrize("name", packaged_policies())
def test_a_keyframe_that_is_gone_goes_before_whoever_keeps_its_label(name: str) -> None:
    """An edit outlives the keyframe that it was made for; a kept label without one would stop the shards."""
    figures = {("human_review", "majority"): 1.0, ("text_structure", "keyframe_gone"): 1.0}
    rows = [
        {"label_id": "e", "instrument": instrument, "version": "1", "name": figure, "value": value}
        for (instrument, figure), value in figures.items()
    ]
    measurements = schemas.rows_to_frame(rows, schemas.MEASUREMENTS)  # type: ignore[arg-type]
    (verdict,) = decide(measurements, labels(label(label_id="e", labeler="human")), load_policy(name)).to_dicts()
    assert (verdict["verdict"], verdict["reasons"][0]) == ("reject", "keyframe_gone")
