"""The label record that every labeler fills, and its row in `raw_coc`.

A record is checked when it is made: decisions, directions, categories and scenario come from the closed sets of the
CoC-label rules, ranks count 1, 2, 3 …, and a manoeuvre that has a side names it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from resources import schemas

_ID_DIGITS = 16
_RECORD = ConfigDict(extra="forbid", frozen=True)
_SIDED: frozenset[str] = frozenset({"out_of_lane_nudge", "in_lane_nudge", "lane_change", "turn"})
_SIDELESS: frozenset[str] = frozenset({"lane_keeping"})
_Text = Annotated[str, Field(min_length=1)]


class Attribute(BaseModel):
    """One property of a component, e.g. `motion: slowing`."""

    model_config = _RECORD
    key: _Text
    value: _Text


class Component(BaseModel):
    """One factor that bears on the decision; `seen_*_us` is where in the history it was seen, null if nowhere."""

    model_config = _RECORD
    rank: int = Field(ge=1)
    category: schemas.ComponentCategory
    phrase: _Text
    attributes: tuple[Attribute, ...] = ()
    track_id: str | None = None
    seen_from_us: int | None = None
    seen_to_us: int | None = None

    @model_validator(mode="after")
    def _seen_in_order(self) -> Self:
        if (self.seen_from_us is None) != (self.seen_to_us is None):
            raise ValueError(f"{self.phrase!r} needs both ends of the time it was seen in, or none")
        if self.seen_from_us is not None and self.seen_to_us is not None and self.seen_from_us > self.seen_to_us:
            raise ValueError(f"{self.phrase!r} was seen from {self.seen_from_us} to {self.seen_to_us} µs: swap them")
        return self


class LabelText(BaseModel):
    """The words of a label: the one-sentence trace and the four parts."""

    model_config = _RECORD
    trace: str | None = None
    perception: str | None = None
    prediction: str | None = None
    planning: str | None = None
    justification: str | None = None


class Response(BaseModel):
    """One answer as a model returned it, in the order of asking; `text` says why there is none where there is none."""

    model_config = _RECORD
    step: _Text
    round: int = 1
    prompt_version: str
    finish_reason: str | None = None
    text: str | None = None


class LabelRecord(BaseModel):
    """What one labeler says about one keyframe; columns as in `raw_coc`, except that `text` is one object."""

    model_config = _RECORD
    keyframe_id: _Text
    clip_id: _Text
    t0_us: int
    labeler: _Text
    origin: schemas.LabelOrigin | None = None
    model: str | None = None
    prompt_version: _Text
    parameters: str
    status: schemas.LabelStatus = "ok"
    reason: str | None = None
    scenario: schemas.Scenario | None = None
    longitudinal_decision: schemas.LongitudinalDecision | None = None
    lateral_decision: schemas.LateralDecision | None = None
    lateral_direction: schemas.Side | None = None
    components: tuple[Component, ...] = ()
    text: LabelText = LabelText()
    passes: int | None = None
    repair: Literal["repaired", "unresolved"] | None = None
    attempts: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    latency_s: float | None = None
    answered_at: str | None = None
    raw_response: str | None = None
    responses: tuple[Response, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.status == "ok") != (self.reason is None):
            raise ValueError(f"status {self.status!r} with reason {self.reason!r}: every status but ok has a reason")
        if self.lateral_decision in _SIDED and self.lateral_direction is None:
            raise ValueError(f"{self.lateral_decision} needs a direction: left or right")
        if (self.lateral_decision is None or self.lateral_decision in _SIDELESS) and self.lateral_direction:
            raise ValueError(f"{self.lateral_decision} has no direction, got {self.lateral_direction!r}")
        ranks = [component.rank for component in self.components]
        if ranks != list(range(1, len(ranks) + 1)):
            raise ValueError(f"component ranks are {ranks}; they count from 1 in order of importance")
        return self

    @property
    def label_id(self) -> str:
        return label_id(self.keyframe_id, self.labeler, self.model, self.prompt_version, self.parameters)

    def row(self) -> dict[str, Any]:
        """The record as a row of `raw_coc`, without its chunk."""
        values = self.model_dump(exclude={"text"}) | self.text.model_dump()
        return {"label_id": self.label_id} | values


def label_id(keyframe_id: str, labeler: str, model: str | None, prompt_version: str, parameters: str) -> str:
    """The label's name: what shaped it, hashed, so that an unchanged question keeps its label (16 hex digits)."""
    return hashlib.sha256(
        canonical_json(
            {
                "keyframe_id": keyframe_id,
                "labeler": labeler,
                "model": model,
                "prompt_version": prompt_version,
                "parameters": parameters,
            }
        ).encode()
    ).hexdigest()[:_ID_DIGITS]


def canonical_json(value: Mapping[str, Any]) -> str:
    """JSON whose bytes depend on the content alone: sorted keys, no spaces, plain Unicode."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def records_frame(records: Sequence[LabelRecord]) -> pl.DataFrame:
    """The records as `raw_coc` rows, in the order given; `chunk` is null until the store writes it."""
    return schemas.rows_to_frame([record.row() for record in records], schemas.RAW_COC)
