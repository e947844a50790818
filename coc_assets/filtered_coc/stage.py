"""Stage `filtered_coc`: what it reads and writes."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from coc_assets.filtered_coc.build import Found, build
from coc_assets.filtered_coc.policy import load_policy
from coc_assets.stage import Made, Stage, Work
from resources import schemas
from resources.reviews import read_reviews
from resources.settings import Settings
from resources.store import REVIEWS


def _make(work: Work) -> Made:
    tables = build(
        work.store.read_labels(work.chunk),
        work.read(schemas.KEYFRAMES),
        work.read(schemas.TRAJECTORIES),
        work.read(schemas.TRACKS),
        work.settings.filtering,
        load_policy(work.settings.filtering.policy),
        _found(work),
    )
    return Made(tables, figures=count_verdicts(tables[schemas.VERDICTS.name]))


def _found(work: Work) -> Found:
    """What the partition holds: figures that were paid for or that came from the set are not taken anew here."""
    measurements, of_the_set = (
        work.read(table) if work.store.table_path(table, work.chunk).is_file() else schemas.empty(table)
        for table in (schemas.MEASUREMENTS, schemas.SET_MEASUREMENTS)
    )
    return Found(measurements, of_the_set, reviews=read_reviews(work.store.reviews_path(work.chunk)))


def _gathers(work: Work) -> Mapping[str, object]:
    """People's decisions: a new one makes the partition stale."""
    reviews = read_reviews(work.store.reviews_path(work.chunk))
    return {REVIEWS: [review.model_dump(mode="json") for review in reviews]} if reviews else {}


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
    upstream=("trajectory_cache", "keyframe_segments", "raw_coc"),
    tables=(schemas.VERDICTS, schemas.MEASUREMENTS, schemas.SET_MEASUREMENTS),
    sections=("filtering",),
    unshaped=frozenset({"policy"}),
    shaped_by=_shaped_by,
    gathers=_gathers,
    make=_make,
)
