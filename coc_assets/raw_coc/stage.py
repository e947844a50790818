"""Stage `raw_coc`: what it reads and writes, and the labelers there are: `rules`, and every model alias."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from coc_assets.raw_coc.records import records_frame
from coc_assets.raw_coc.rules.label import LABELER, label_keyframes
from coc_assets.raw_coc.vlm.keeper import have_asked
from coc_assets.raw_coc.vlm.labelling import journal_of, labels_of, plan_of, prepare
from coc_assets.raw_coc.vlm.question import is_open
from coc_assets.stage import Made, Stage, Work
from resources import schemas
from resources.journal import read_journal
from resources.models.aliases import known_aliases
from resources.settings import Settings

_MEASURES_LANES = ("window", "motion", "manoeuvre", "curve")  # of the rules, what models are told of is measured by
_TOKENS = ("prompt_tokens", "completion_tokens")


def labelers(settings: Settings) -> list[str]:
    """Names that `labeler` may have."""
    return [LABELER, *known_aliases(settings.models)]


def uses_model(settings: Settings) -> bool:
    """Whether the labeler in force asks a model."""
    return settings.labeler != LABELER


def _label_by_rules(work: Work) -> pl.DataFrame:
    return label_keyframes(
        work.read(schemas.CLIPS),
        work.read(schemas.TRAJECTORIES),
        work.read(schemas.TRACKS),
        work.read(schemas.KEYFRAMES),
        work.read(schemas.META_ACTION_SPANS),
        work.settings.labels.rules,
    )


def _label_by_model(work: Work) -> pl.DataFrame:
    """Has asked what the journal does not answer yet, and builds the table from the journal alone."""
    prepared = prepare(work.workspace, work.chunk)
    path = journal_of(work.workspace, work.chunk)
    if work.retry or is_open(prepared, read_journal(path).entries):
        have_asked(work, prepared.model.alias, "labels")
    return records_frame(labels_of(prepared, read_journal(path).entries))


def _make(work: Work) -> Made:
    labels = _label_by_model(work) if uses_model(work.settings) else _label_by_rules(work)
    # A label that failed is a row with its status, not a reject: it can be tried again and stays countable.
    tables = {"raw_coc": labels, "rejects": schemas.empty(schemas.REJECTS)}
    return Made(tables, figures=_figures(labels))


def _figures(labels: pl.DataFrame) -> dict[str, int | float]:
    """Labels by status, and what they took where a model gave them."""
    counts: dict[str, int | float] = {"ok": 0, **Counter(labels["status"].to_list())}
    if labels["prompt_tokens"].is_not_null().any():
        counts |= {name: int(labels[name].sum()) for name in _TOKENS}
    if labels["cost_usd"].is_not_null().any():
        counts["cost_usd"] = round(sum(labels["cost_usd"].drop_nulls()), 6)
    return counts


def _shaped_by(settings: Settings) -> dict[str, Any]:
    """What shapes the labels of the labeler in force; another labeler's settings do not."""
    if uses_model(settings):
        measured = settings.labels.rules.model_dump(mode="json", include=set(_MEASURES_LANES))
        return {"model": plan_of(settings).shape, "measured": measured}
    return {"rules": settings.labels.rules.model_dump(mode="json")}


STAGE = Stage(
    name="raw_coc",
    code_version="3",
    upstream=("trajectory_cache", "meta_actions", "keyframe_segments", "clip_videos"),
    tables=(schemas.RAW_COC,),
    sections=(),
    shaped_by=_shaped_by,
    make=_make,
    by_labeler=True,
)
