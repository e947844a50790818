"""Stage `filtered_coc`: what it reads and writes."""

from __future__ import annotations

import polars as pl

from coc_assets.filtered_coc.build import build
from coc_assets.filtered_coc.policy import load_policy
from coc_assets.stage import Made, Stage, Work
from resources import schemas
from resources.settings import Settings


def _make(work: Work) -> Made:
    tables = build(
        work.store.read_labels(work.chunk),
        work.read(schemas.KEYFRAMES),
        work.read(schemas.TRAJECTORIES),
        work.read(schemas.TRACKS),
        work.settings.filtering,
        load_policy(work.settings.filtering.policy),
    )
    return Made(tables, figures=count_verdicts(tables[schemas.VERDICTS.name]))


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
    code_version="1",
    upstream=("trajectory_cache", "keyframe_segments", "raw_coc"),
    tables=(schemas.VERDICTS, schemas.MEASUREMENTS),
    sections=("filtering",),
    unshaped=frozenset({"policy"}),
    shaped_by=_shaped_by,
    make=_make,
)
