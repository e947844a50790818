"""Labelling the keyframes of one chunk by a model: what to ask, and the table from the journal.

`prepare` reads the chunk and makes the agenda that `asking.ask_chunk` goes through; `labels_of` builds the records from
the journal and from nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from coc_assets.raw_coc.records import LabelRecord
from coc_assets.raw_coc.vlm.conversation import Conversation, Plan, advance
from coc_assets.raw_coc.vlm.prompts import load_prompts
from coc_assets.raw_coc.vlm.question import Question
from coc_assets.raw_coc.vlm.view import KeyframeView, Scope
from coc_assets.raw_coc.vlm.views import chunk_views
from coc_assets.stage import Workspace
from resources import schemas
from resources.journal import Entry
from resources.models.aliases import Model, canonical_id, model_of, shaping
from resources.settings import Settings


@dataclass(frozen=True)
class Unlabelled:
    """A keyframe to label."""

    view: KeyframeView
    plan: Plan

    def talk(self) -> Conversation:
        return Conversation(self.view, self.plan)


@dataclass(frozen=True)
class Prepared:
    """A chunk as its model sees it: one view a keyframe, in the keyframes' order, and the plan they share."""

    views: Sequence[KeyframeView]
    plan: Plan
    model: Model
    unit: str = "labels"

    @cached_property
    def topics(self) -> Sequence[Unlabelled]:
        return [Unlabelled(view, self.plan) for view in self.views]

    @property
    def asked_model(self) -> str:
        return self.plan.asked_model

    @property
    def media(self) -> Literal["images", "video"]:
        return self.plan.media

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return self.plan.scopes


def plan_of(settings: Settings, environ: Mapping[str, str] = os.environ) -> Plan:
    """What is the same for every keyframe that the present labeler asks about; needs no credentials."""
    model = model_of(settings.labeler, settings.models)
    own = model.settings
    return Plan(
        labeler=model.alias,
        asked_model=canonical_id(model, environ),
        model_shape=shaping(model, environ),
        vlm=settings.labels.vlm,
        prompts=load_prompts(settings.labels.vlm.prompts),
        media=own.media or "images",
        max_tokens=own.max_tokens or 4096,
        free_text=own.answer == "text",
        history_s=settings.videos.history_s,
        future_s=settings.videos.future_s,
    )


def prepare(workspace: Workspace, chunk: str) -> Prepared:
    """Reads the chunk's tables and identifies its videos; decodes nothing."""
    settings = workspace.settings
    views = chunk_views(workspace, chunk, workspace.store.read_table(schemas.KEYFRAMES, chunk))
    return Prepared(views, plan_of(settings), model_of(settings.labeler, settings.models))


def journal_of(workspace: Workspace, chunk: str) -> Path:
    """Where the answers are kept."""
    return workspace.store.journal_path(chunk, workspace.settings.labeler)


def labels_of(prepared: Prepared, entries: Mapping[str, Entry]) -> list[LabelRecord]:
    """The records, from the journal alone.

    Raises:
        ValueError: the journal lacks an answer.
    """
    records = []
    for view in prepared.views:
        finished = advance(view, prepared.plan, entries)
        if isinstance(finished, Question):
            raise ValueError(f"keyframe {view.keyframe_id} has no answer to {finished.step} in the journal")
        records.append(finished.record)
    return records
