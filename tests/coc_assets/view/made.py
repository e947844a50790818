"""A clip of three seconds, driven straight on at 10 m/s, with a lead vehicle, a walker, and two labelled keyframes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import polars as pl

from coc_assets.review.reading import ChunkTables
from coc_assets.view.finding import Found
from coc_assets.view.shown import Shown, shown_of
from resources import schemas
from resources.settings import Settings

CHUNK, CLIP = "0007", "a"
FRAMES, SPEED = 31, 10.0
T_US = np.arange(FRAMES) * 100_000
T0_US = (600_000, 2_400_000)
KEYFRAMES = tuple(f"{CLIP}-{t0:08d}" for t0 in T0_US)
LEAD_M, ACCELERATION = 20.0, -0.5
FOUND = Found(CHUNK, CLIP)


def label(keyframe: int, labeler: str = "rules", **more: Any) -> dict[str, Any]:
    cause = {
        "rank": 1,
        "category": "critical_object",
        "phrase": "the lead vehicle 20.0 m ahead",
        "attributes": [],
        "track_id": "lead",
        "seen_from_us": 100_000,
        "seen_to_us": 500_000,
    }
    decided = {"longitudinal_decision": "lead_obstacle_following", "lateral_decision": "lane_keeping"}
    named = {"label_id": f"{labeler}{keyframe}", "keyframe_id": KEYFRAMES[keyframe], "clip_id": CLIP}
    row = {"t0_us": T0_US[keyframe], "labeler": labeler, "status": "ok", "components": [cause], "trace": "Keep off."}
    return {**named, **decided, **row, "chunk": CHUNK, **more}


def tables(labels: list[dict[str, Any]] | None = None, **more: pl.DataFrame) -> ChunkTables:
    labels = [label(0), label(1, components=[])] if labels is None else labels
    verdict = {"keyframe_id": KEYFRAMES[0], "clip_id": CLIP, "labeler": "rules", "verdict": "review"}
    made = ChunkTables(
        labels=schemas.rows_to_frame(labels, schemas.RAW_COC),
        verdicts=schemas.rows_to_frame(
            [{"label_id": "rules0", **verdict, "reasons": ["no_decision"]}], schemas.VERDICTS
        ),
        measurements=schemas.empty(schemas.MEASUREMENTS),
        keyframes=_keyframes(),
        segments=schemas.empty(schemas.SEGMENTS),
        clips=_clips(),
        trajectories=_trajectories(),
        tracks=_tracks(),
        spans=_spans(),
    )
    return dataclasses.replace(made, **more)


def shown(found: Found = FOUND, labeler: str | None = None, **more: Any) -> Shown:
    return shown_of(tables(**more), found, Settings(), labeler)


def _clips() -> pl.DataFrame:
    row = {"chunk": CHUNK, "clip_id": CLIP, "split": "train", "frames": FRAMES, "first_us": 0, "distance_m": 30.0}
    return schemas.rows_to_frame([{**row, "has_video": True, "has_tracks": True}], schemas.CLIPS)


def _trajectories() -> pl.DataFrame:
    rows = [
        {"clip_id": CLIP, "frame": frame, "t_us": int(t_us), "x_m": SPEED * t_us * 1e-6, "y_m": 0.0, "z_m": 1.0,
         "heading_rad": 0.0, "speed_mps": SPEED + frame, "speed_along_heading_mps": SPEED + frame,
         "acceleration_mps2": ACCELERATION}
        for frame, t_us in enumerate(T_US)
    ]  # fmt: skip
    return schemas.rows_to_frame(rows, schemas.TRAJECTORIES)


def _tracks() -> pl.DataFrame:
    """The lead is always 20 m ahead and gone at 2 s; the walker stands on the left at x = 15 m of the world."""
    boxes = [("lead", "automobile", t_us, LEAD_M, 0.0, 4.0, 2.0) for t_us in range(30_000, 2_000_000, 100_000)]
    boxes += [("walker", "person", t_us, 15.0 - SPEED * t_us * 1e-6, 6.0, 0.5, 0.5) for t_us in T_US.tolist()]
    columns = ("track_id", "label_class", "t_us", "x_m", "y_m", "length_m", "width_m")
    size = {"clip_id": CLIP, "z_m": 0.75, "height_m": 1.5, "heading_rad": 0.0}
    return schemas.rows_to_frame([dict(zip(columns, box, strict=True)) | size for box in boxes], schemas.TRACKS)


def _spans() -> pl.DataFrame:
    spans = [("longitudinal", "maintain_speed", 0, 10), ("longitudinal", "gentle_deceleration", 10, 30)]
    spans += [("lateral", "go_straight", 0, 30)]
    columns = ("axis", "action", "start_frame", "end_frame")
    return schemas.rows_to_frame(
        [{"clip_id": CLIP, **dict(zip(columns, span, strict=True))} for span in spans], schemas.META_ACTION_SPANS
    )


def _keyframes() -> pl.DataFrame:
    rows: list[dict[str, object]] = [
        {"chunk": CHUNK, "keyframe_id": name, "clip_id": CLIP, "t0_us": t0, "action": "gentle_deceleration"}
        for name, t0 in zip(KEYFRAMES, T0_US, strict=True)
    ]
    return schemas.rows_to_frame(rows, schemas.KEYFRAMES)
