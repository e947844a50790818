"""Stage `trajectory_cache`: what it reads and writes."""

from __future__ import annotations

import polars as pl

from coc_assets.sources.pai import camera_members
from coc_assets.stage import DatasetInputs, Made, Stage, Work
from resources import schemas
from resources.dataset import EGOMOTION, OBSTACLES


def _inputs(work: Work) -> DatasetInputs:
    camera = work.settings.videos.camera
    return DatasetInputs(
        files=work.root.input_files(work.chunk, (EGOMOTION, OBSTACLES)),
        rows={
            "clip_index": work.root.index_rows(work.chunk).to_dicts(),
            "camera_members": sorted(camera_members(work.root, work.chunk, camera)),
        },
    )


def _make(work: Work) -> Made:
    from coc_assets.trajectory_cache.tables import build  # compiles kernels

    tables = build(work.root, work.chunk, work.settings.trajectory, work.settings.videos.camera)
    mended = tables[schemas.CLIPS.name].filter(pl.col("mended").list.len() > 0).height
    return Made(tables, figures={"mended": mended})


STAGE = Stage(
    name="trajectory_cache",
    code_version="1",
    upstream=(),
    tables=(schemas.CLIPS, schemas.TRAJECTORIES, schemas.TRACKS),
    sections=("trajectory",),
    shape=lambda work: work.settings.videos.camera,
    inputs=_inputs,
    make=_make,
)
