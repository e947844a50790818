"""Stage `filtered_coc`: what it reads and writes."""

from __future__ import annotations

from coc_assets.filtered_coc.build import build
from coc_assets.filtered_coc.policy import load_policy
from coc_assets.stage import Made, Stage, Work
from resources import schemas


def _make(work: Work) -> Made:
    tables = build(
        work.store.read_labels(work.chunk),
        work.read(schemas.KEYFRAMES),
        work.read(schemas.TRAJECTORIES),
        work.read(schemas.TRACKS),
        work.settings.filtering,
        load_policy(work.settings.filtering.policy),
    )
    verdicts = tables["filtered_coc"]["verdict"].value_counts()
    return Made(tables, figures=dict(sorted(verdicts.iter_rows())))


STAGE = Stage(
    name="filtered_coc",
    code_version="1",
    upstream=("trajectory_cache", "keyframe_segments", "raw_coc"),
    tables=(schemas.VERDICTS, schemas.MEASUREMENTS),
    sections=("filtering",),
    shape=lambda work: load_policy(work.settings.filtering.policy).version,
    make=_make,
)
