"""Stage `raw_coc`: what it reads and writes, and the labelers there are."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from coc_assets.raw_coc.rules.label import label_keyframes
from coc_assets.stage import Made, Stage, Work
from resources import schemas


def _label_by_rules(work: Work) -> pl.DataFrame:
    return label_keyframes(
        work.read(schemas.CLIPS),
        work.read(schemas.TRAJECTORIES),
        work.read(schemas.TRACKS),
        work.read(schemas.KEYFRAMES),
        work.read(schemas.META_ACTION_SPANS),
        work.settings.labels.rules,
    )


LABELERS: dict[str, Callable[[Work], pl.DataFrame]] = {"rules": _label_by_rules}


def _make(work: Work) -> Made:
    labels = LABELERS[work.settings.labeler](work)
    # A label that failed is a row with its status, not a reject: it can be tried again and stays countable.
    tables = {"raw_coc": labels, "rejects": schemas.empty(schemas.REJECTS)}
    return Made(tables, figures={"ok": labels.filter(pl.col("status") == "ok").height})


STAGE = Stage(
    name="raw_coc",
    code_version="1",
    upstream=("trajectory_cache", "meta_actions", "keyframe_segments", "clip_videos"),
    tables=(schemas.RAW_COC,),
    sections=("labels",),
    make=_make,
    by_labeler=True,
)
