from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from resources.reviews import Review, append_reviews, in_force, read_reviews, reviews_frame
from resources.schemas import REVIEWS
from resources.sql import query
from resources.store import Store


def review(label_id: str = "a", reviewer: str = "ann", decision: str = "keep", **more: object) -> Review:
    named = {"keyframe_id": "c-04000000", "clip_id": "c", "labeler": "rules", "reviewed_at": "2026-01-31T10:00:00.000Z"}
    return Review.model_validate({"label_id": label_id, "reviewer": reviewer, "decision": decision, **named, **more})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Store(tmp_path).reviews_path("0007")


def test_lines_are_added_and_never_replaced(path: Path, tmp_path: Path) -> None:
    assert read_reviews(path) == []
    first, second = review(minimality=True, note="µ"), review(decision="reject", seconds=2.5)
    append_reviews(path, [first])
    append_reviews(path, [second])
    assert read_reviews(path) == [first, second]
    rows = query(Store(tmp_path), "SELECT chunk, decision, minimality, note, seconds FROM reviews ORDER BY decision")
    assert rows.rows() == [("0007", "keep", True, "µ", None), ("0007", "reject", None, None, 2.5)]


def test_a_torn_line_costs_itself_alone(path: Path) -> None:
    append_reviews(path, [review()])
    with path.open("ab") as file:
        file.write(b'{"label_id":"b","revie')
    append_reviews(path, [review("c")])
    assert [one.label_id for one in read_reviews(path)] == ["a", "c"]


def test_the_last_decision_of_each_reviewer_is_in_force() -> None:
    lines = [review(), review(reviewer="bob"), review(decision="reject"), review("b")]
    kept = [(one.label_id, one.reviewer, one.decision) for one in in_force(lines)]
    assert kept == [("a", "bob", "keep"), ("a", "ann", "reject"), ("b", "ann", "keep")]


def test_what_is_withdrawn_is_in_force_no_more_until_decided_anew() -> None:
    lines = [review(), review("b"), review(decision="withdraw")]
    assert [one.label_id for one in in_force(lines)] == ["b"]
    assert [one.label_id for one in in_force([*lines, review(decision="reject")])] == ["b", "a"]


@pytest.mark.parametrize("more", [{"decision": "edit"}, {"decision": "keep", "edited": "{}"}, {"reviewer": ""}])
def test_an_edit_brings_the_label_and_a_reviewer_has_a_name(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        review(**more)


def test_rows_have_the_types_of_the_table() -> None:
    assert reviews_frame([]).schema == reviews_frame([review()]).schema == REVIEWS.schema
