"""Stage `filtered_coc`: what it reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from coc_assets.filtered_coc.build import Found, build
from coc_assets.filtered_coc.model_judge.judge import judge_labels, judge_shape
from coc_assets.filtered_coc.policy import load_policy
from coc_assets.raw_coc.imported.keyframes import with_keyframes_of
from coc_assets.stage import Made, Stage, Work
from resources import schemas
from resources.reviews import read_reviews
from resources.settings import Settings
from resources.store import JUDGE_PREFIX, REVIEWS


def _make(work: Work) -> Made:
    labels = work.store.read_labels(work.chunk)
    judged = judge_labels(work)
    tables = build(
        labels,
        with_keyframes_of(work.read(schemas.KEYFRAMES), labels, work.read(schemas.CLIPS), work.settings.keyframes),
        work.read(schemas.TRAJECTORIES),
        work.read(schemas.TRACKS),
        work.settings.filtering,
        load_policy(work.settings.filtering.policy),
        _found(work, judged.measurements),
    )
    return Made(tables, figures={**count_verdicts(tables[schemas.VERDICTS.name]), **judged.figures})


def _found(work: Work, judged: pl.DataFrame) -> Found:
    """What the partition holds: figures that were paid for or that came from the set are not taken anew here."""
    measurements, of_the_set = (
        work.read(table) if work.store.table_path(table, work.chunk).is_file() else schemas.empty(table)
        for table in (schemas.MEASUREMENTS, schemas.SET_MEASUREMENTS)
    )
    return Found(measurements, of_the_set, read_reviews(work.store.reviews_path(work.chunk)), judged)


def _gathers(work: Work) -> Mapping[str, object]:
    """People's decisions: a new one makes the partition stale. And who judges, for `coc status` to go by."""
    reviews = read_reviews(work.store.reviews_path(work.chunk))
    judge = work.settings.filtering.judge.model
    return {
        **({REVIEWS: [review.model_dump(mode="json") for review in reviews]} if reviews else {}),
        **({f"{JUDGE_PREFIX}{judge}": judge} if judge else {}),
    }


def _shape(work: Work) -> dict[str, Any] | None:
    """What shapes a judge's figures; the policy does not, so `coc judge` decides anew without asking."""
    return judge_shape(work.settings)


def count_verdicts(verdicts: pl.DataFrame) -> dict[str, int]:
    """Labels by verdict, as they stand in the receipt."""
    return dict(sorted(verdicts["verdict"].value_counts().iter_rows()))


def shaped_by_policy(version: str) -> dict[str, str]:
    """What a policy shapes: where its file lies and what it is called there makes no difference."""
    return {"policy": version}


def _shaped_by(settings: Settings) -> dict[str, str]:
    return shaped_by_policy(load_policy(settings.filtering.policy).version)


STAGE = Stage(
    name="filtered_coc",
    code_version="2",
    upstream=("trajectory_cache", "meta_actions", "keyframe_segments", "clip_videos", "raw_coc"),
    tables=(schemas.VERDICTS, schemas.MEASUREMENTS, schemas.SET_MEASUREMENTS),
    sections=("filtering",),
    unshaped=frozenset({"policy", "duplicates", "judge"}),
    shaped_by=_shaped_by,
    shape=_shape,
    gathers=_gathers,
    make=_make,
)
