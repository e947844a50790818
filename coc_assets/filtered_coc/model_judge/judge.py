"""A model judges the usable labels of a chunk: has asked what the journal does not answer, and measures by it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from coc_assets.filtered_coc.model_judge.agenda import Judgement, journal_of, measure, prepare, rubric_of
from coc_assets.raw_coc.vlm.keeper import have_asked
from coc_assets.raw_coc.vlm.question import forget, is_open
from coc_assets.stage import Work, Workspace
from resources import schemas
from resources.journal import read_journal
from resources.settings import Settings

READS = ("raw_coc", "keyframe_segments", "clip_videos", "meta_actions", "trajectory_cache")
"""Assets that have to be finished before labels can be judged."""


@dataclass(frozen=True)
class Judged:
    """What came of it.

    Attributes:
        measurements: rows of `measurements`.
        figures: labels that the judge gave figures of, tokens, and cost where there is a price.
    """

    measurements: pl.DataFrame = field(default_factory=lambda: schemas.empty(schemas.MEASUREMENTS))
    figures: Mapping[str, int | float] = field(default_factory=dict)


def judges(settings: Settings) -> bool:
    """Whether a model judges."""
    return settings.filtering.judge.model is not None


def judge_labels(work: Work) -> Judged:
    """Asks about every usable label what the journal does not answer yet; nothing where no model judges.

    Raises:
        StageError: the backend is down; what was answered is kept.
    """
    if not judges(work.settings):
        return Judged()
    prepared = prepare(work.workspace, work.chunk)
    path = journal_of(work.workspace, work.chunk)
    if work.retry or is_open(prepared, read_journal(path).entries):
        have_asked(work, prepared.model.alias, "judgements")
    entries = read_journal(path).entries
    rows = measure(prepared, entries)
    return Judged(rows, _figures(rows, list(prepared.judgements(entries).values())))


def judge_shape(settings: Settings) -> dict[str, Any] | None:
    """What of a judge shapes the measurements; None without one."""
    if not judges(settings):
        return None
    labelers = settings.filtering.judge.labelers
    return {**rubric_of(settings).shape, "labelers": labelers and sorted(labelers)}


def has_failed(workspace: Workspace, chunk: str, statuses: Sequence[schemas.LabelStatus]) -> bool:
    """Whether a judgement of the chunk ended in one of the statuses."""
    if not judges(workspace.settings):
        return False
    entries = dict(read_journal(journal_of(workspace, chunk)).entries)
    return forget(prepare(workspace, chunk), entries, statuses) > 0


def _figures(rows: pl.DataFrame, judgements: Sequence[Judgement]) -> dict[str, int | float]:
    used = [entry for judgement in judgements for entry in judgement.used]
    costs = [entry.cost_usd for entry in used if entry.cost_usd is not None]
    return {
        "judged": rows.drop_nulls("value")["label_id"].n_unique(),
        "prompt_tokens": sum(entry.prompt_tokens or 0 for entry in used),
        "completion_tokens": sum(entry.completion_tokens or 0 for entry in used),
        **({"cost_usd": round(math.fsum(costs), 6)} if costs else {}),
    }
