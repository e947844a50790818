"""One reviewer's sitting: the labels laid before them, and what they decide, kept the moment it is said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coc_assets.filtered_coc.policy import Policy
from coc_assets.review.blind import policy_of
from coc_assets.review.edits import EDITABLE, EditError, edited_record, newest_edits, publish_where_free, unpublished
from coc_assets.review.payload import page_of
from coc_assets.review.pictures import pictures_of
from coc_assets.review.reading import ChunkTables, chunk_reviews, chunk_tables
from coc_assets.stage import Workspace
from resources import schemas
from resources.reviews import CHECKLIST, Review, append_reviews, in_force
from resources.settings import describe

Row = dict[str, Any]

_NOTE_LENGTH = 4_000


class UnknownLabel(LookupError):
    """A label is not, or not any more, one that can be decided on; the message says why."""


class Answer(BaseModel):
    """What the page sends when a reviewer decides.

    Attributes:
        label: of an edit, what is now otherwise; see `edits.EDITABLE`.
        seconds: between showing and deciding.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    decision: schemas.ReviewDecision
    causal_coverage: bool | None = None
    correctness: bool | None = None
    proximate_cause: bool | None = None
    minimality: bool | None = None
    note: Annotated[str, Field(max_length=_NOTE_LENGTH)] | None = None
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    label: dict[str, Any] | None = None


@dataclass(frozen=True)
class Drawn:
    """A label of the sample, and why it was drawn."""

    chunk: str
    label_id: str
    stratum: str


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Desk:
    """What the server reaches.

    Attributes:
        drawn: the sample, in order.
    """

    workspace: Workspace
    reviewer: str
    drawn: Sequence[Drawn]
    clock: Callable[[], str] = _now
    _publishing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self._place = {one.label_id: one for one in self.drawn}
        self._tables = chunk_tables(self.workspace.store)
        self._reviews = chunk_reviews(self.workspace.store)
        self._policies: dict[str | None, Policy | None] = {}

    # ---- what is to be looked at -------------------------------------------------------------------------------------

    def queue(self) -> Row:
        """The sample with what this reviewer decided already, and the closed sets that an edit chooses from."""
        mine = self._mine()
        return {
            "reviewer": self.reviewer,
            "store": str(self.workspace.store.root),
            "labels": [
                {
                    "label_id": one.label_id,
                    "chunk": one.chunk,
                    "stratum": one.stratum,
                    "decision": mine.get(one.label_id),
                }
                for one in self.drawn
            ],
            "checklist": list(CHECKLIST),
            "choices": {
                "scenario": list(schemas.SCENARIOS),
                "longitudinal_decision": list(schemas.LONGITUDINAL_DECISIONS),
                "lateral_decision": list(schemas.LATERAL_DECISIONS),
                "lateral_direction": ["left", "right"],
                "category": list(schemas.COMPONENT_CATEGORIES),
            },
        }

    def page(self, label_id: str) -> Row:
        """Everything shown of a label. What others decided is left out until this reviewer has decided.

        Raises:
            UnknownLabel: it is not in the sample, or not in the store any more.
        """
        drawn, tables = self._find(label_id)
        label = self._label(drawn, tables)
        lines = [one for one in in_force(self._reviews.get(drawn.chunk)) if one.label_id == label_id]
        mine = next((one for one in lines if one.reviewer == self.reviewer), None)
        settings = self.workspace.settings
        policy = self._policy(tables, label_id)
        return {
            **page_of(label, tables, policy, settings, blind=mine is None),
            "chunk": drawn.chunk,
            "stratum": drawn.stratum,
            "pictures": pictures_of(label, tables.segments, settings.videos.camera),
            "mine": None if mine is None else _shown(mine),
            "others": [] if mine is None else [_shown(one) for one in lines if one is not mine],
        }

    def of_pictures(self, label_id: str) -> tuple[str, ChunkTables, str]:
        """Chunk, tables and keyframe of a label.

        Raises:
            UnknownLabel: as `page`.
        """
        drawn, tables = self._find(label_id)
        return drawn.chunk, tables, self._label(drawn, tables)["keyframe_id"]

    # ---- what is decided ---------------------------------------------------------------------------------------------

    def decide(self, label_id: str, said: Mapping[str, Any]) -> Review:
        """Keeps a decision; it is on disk when this returns.

        Args:
            said: an `Answer`.

        Raises:
            UnknownLabel: as `page`; nothing is kept.
            EditError: the answer, or the label that an edit makes, is not valid; by field.
            OSError: the line is not on disk.
        """
        answer = _answer(said)
        drawn, tables = self._find(label_id)
        label = self._label(drawn, tables)
        edit = None
        if answer.decision == "edit":
            edit = edited_record(label, answer.label or {}, self.reviewer)
        review = Review(
            **{name: label[name] for name in ("label_id", "keyframe_id", "clip_id", "labeler")},
            **answer.model_dump(include={"decision", "seconds", *CHECKLIST}),
            note=(answer.note or "").strip() or None,
            reviewer=self.reviewer,
            edited=edit.model_dump_json(exclude_none=True) if edit else None,
            edited_label_id=edit.label_id if edit else None,
            stratum=drawn.stratum,
            reviewed_at=self.clock(),
        )
        append_reviews(self.workspace.store.reviews_path(drawn.chunk), [review])
        return review

    # ---- edits -------------------------------------------------------------------------------------------------------

    def unpublished(self) -> list[str]:
        """Chunks of the sample whose edits are not labels yet."""
        chunks = sorted({one.chunk for one in self.drawn})
        return [chunk for chunk in chunks if unpublished(self.workspace.store, chunk, self._reviews.get(chunk))]

    def publish(self) -> str | None:
        """Makes labels of the edits of the sample's chunks; says why not where the store is busy."""
        with self._publishing:
            waiting = self.unpublished()
            return publish_where_free(self.workspace, waiting).problem if waiting else None

    def publish_of(self, label_id: str) -> None:
        """Makes labels of the edits of a label's chunk; where the store is busy, the server's end tries again."""
        chunk = self._place[label_id].chunk
        with self._publishing:
            if unpublished(self.workspace.store, chunk, self._reviews.get(chunk)):
                publish_where_free(self.workspace, [chunk])

    def _policy(self, tables: ChunkTables, label_id: str) -> Policy | None:
        """The policy that a label's verdict came from, read once."""
        version = next(iter(tables.verdicts.filter(label_id=label_id)["policy_version"]), None)
        if version not in self._policies:
            self._policies[version] = policy_of(version, self.workspace.settings) if version else None
        return self._policies[version]

    def _mine(self) -> dict[str, str]:
        """This reviewer's decisions in force by label."""
        chunks = {one.chunk for one in self.drawn}
        return {
            review.label_id: review.decision
            for chunk in chunks
            for review in in_force(self._reviews.get(chunk))
            if review.reviewer == self.reviewer
        }

    def _find(self, label_id: str) -> tuple[Drawn, ChunkTables]:
        if label_id not in self._place:
            raise UnknownLabel(f"Label {label_id} is not in this sample. Start `coc review` again to draw anew.")
        drawn = self._place[label_id]
        return drawn, self._tables.get(drawn.chunk)

    def _label(self, drawn: Drawn, tables: ChunkTables) -> Row:
        row = next(tables.labels.filter(pl.col("label_id") == drawn.label_id).iter_rows(named=True), None)
        if row is None:
            raise UnknownLabel(
                f"Label {drawn.label_id} is not in the store any more: chunk {drawn.chunk} was labelled anew. Nothing "
                "was kept. Start `coc review` again to draw from the present labels."
            )
        return row


def _answer(said: Mapping[str, Any]) -> Answer:
    try:
        answer = Answer.model_validate(said)
    except ValidationError as error:
        raise EditError({".".join(map(str, item["loc"])): describe(item) for item in error.errors()}) from None
    if answer.label is not None and answer.decision != "edit":
        raise EditError({"label": f"a decision to {answer.decision} brings no label; say edit"})
    return answer


def _shown(review: Review) -> Row:
    shown = ("reviewer", "decision", *CHECKLIST, "note", "reviewed_at", "edited_label_id")
    content = None
    if review.edited:
        record = newest_edits([review]).records
        row = record[0].row() if record else None
        content = {name: row[name] for name in EDITABLE} if row else None
    return {name: getattr(review, name) for name in shown} | {"edited": content}
