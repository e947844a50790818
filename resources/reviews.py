"""What people decided about labels: one line a decision, append-only, kept the moment it is made.

`<store>/filtered_coc/chunk=NNNN/reviews.journal.jsonl`, read by the view `reviews`. A reviewer who decides again adds a
line; of one reviewer's lines about one label the last holds, and `withdraw` takes what went before it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from resources import schemas
from resources.journal import JournalWriter, lines_of

CHECKLIST = ("causal_coverage", "correctness", "proximate_cause", "minimality")
"""The published questions about a label, each answered yes, no or not at all."""


class Review(BaseModel):
    """One decision of one person about one label; fields as the columns of `reviews`.

    Attributes:
        edited: the label as edited, canonical JSON. edited_label_id: the label that it became.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    label_id: str
    keyframe_id: str
    clip_id: str
    labeler: str
    reviewer: Annotated[str, Field(min_length=1)]
    decision: schemas.ReviewDecision
    causal_coverage: bool | None = None
    correctness: bool | None = None
    proximate_cause: bool | None = None
    minimality: bool | None = None
    note: str | None = None
    edited: str | None = None
    edited_label_id: str | None = None
    stratum: str | None = None
    seconds: float | None = None
    reviewed_at: str

    @model_validator(mode="after")
    def _edited_says_how(self) -> Self:
        if (self.decision == "edit") != (self.edited is not None):
            raise ValueError(
                f"decision {self.decision!r} with edited {self.edited!r}: an edit brings the label, others not"
            )
        return self


def read_reviews(path: Path) -> list[Review]:
    """Every line, oldest first; none where there is no file. A line that is no review (a torn one) is passed over."""
    reviews = []
    for raw in lines_of(path):
        try:
            reviews.append(Review.model_validate_json(raw))
        except ValidationError:
            continue
    return reviews


def append_reviews(path: Path, reviews: Sequence[Review]) -> None:
    """Adds lines; they are on disk when this returns.

    Raises:
        OSError: they are not.
    """
    with JournalWriter.open(path) as journal:
        journal.append_now(reviews)


def in_force(reviews: Iterable[Review]) -> list[Review]:
    """The last decision of each reviewer about each label, in the order in which they decided; none where withdrawn."""
    last: dict[tuple[str, str], Review] = {}
    for review in reviews:
        last.pop((review.label_id, review.reviewer), None)  # so that the new one comes last
        last[review.label_id, review.reviewer] = review
    return [review for review in last.values() if review.decision != "withdraw"]


def reviews_frame(reviews: Sequence[Review]) -> pl.DataFrame:
    """Rows of `reviews`; `chunk` is null."""
    return schemas.rows_to_frame([review.model_dump() for review in reviews], schemas.REVIEWS)
