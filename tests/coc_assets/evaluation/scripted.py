"""Scripted answers and generated stores to judge labels on."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from coc_assets.sample.generate import TRUTH_SCHEMA, generate
from coc_assets.stage import Workspace, run_stage
from coc_assets.stages import STAGES_BY_NAME
from resources.settings import load_settings

LABELLED = ("trajectory_cache", "meta_actions", "keyframe_segments", "clip_videos", "raw_coc")


def truth(*rows: dict[str, object]) -> pl.DataFrame:
    """Rows of truth.parquet: a lead brakes in clip `c` at 4.5 s, unless a row says otherwise."""
    lead = {
        "chunk": "0000",
        "clip_id": "c",
        "scene": "lead_brakes",
        "parameters": "{}",
        "longitudinal_decision": "lead_obstacle_following",
        "lateral_decision": "lane_keeping",
        "cause": "lead_brakes",
        "cause_track_id": "7",
        "onset_us": 4_500_000,
        "trackable": True,
    }
    return pl.DataFrame([lead | row for row in rows], schema=TRUTH_SCHEMA)


def labelled_sample(folder: Path, *, clips: int, seed: int, widen: float) -> tuple[Path, Path]:
    """A generated dataset of one chunk and a store with the rules' labels of it, made without Dagster."""
    dataset, store = folder / "dataset", folder / "store"
    generate(dataset, chunks=1, clips=clips, seed=seed, video=False, defects=False, widen=widen)
    workspace = Workspace(load_settings(dataset=dataset, store=store))
    for name in LABELLED:
        run_stage(STAGES_BY_NAME[name], workspace, "0000")
    return dataset, store
