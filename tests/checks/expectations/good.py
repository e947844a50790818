"""A row of every table that meets all expectations, and frames made of it."""

from __future__ import annotations

from typing import Any

import polars as pl

from resources import schemas

CHUNK = "0007"
CLIP = "5f1b0c6e-2a37-4c55-9d3a-0a9c4e7d2b11"
T0_US = 5_289_334
KEYFRAME = f"{CLIP}-{T0_US:08d}"
LABEL = "d6ac36b02b704427"
CAMERA = "camera_front_wide_120fov"

Row = dict[str, Any]

COMPONENT: Row = {
    "rank": 1, "category": "critical_object", "phrase": "lead vehicle 14 m ahead",
    "attributes": [{"key": "motion", "value": "slowing"}], "track_id": "7",
    "seen_from_us": T0_US - 900_000, "seen_to_us": T0_US,
}  # fmt: skip

GOOD: dict[str, Row] = {
    "clips": {
        "clip_id": CLIP, "split": None, "frames": 201, "first_us": -31_000, "duration_s": 20.1, "distance_m": 240.0,
        "mean_speed_mps": 12.0, "has_video": True, "has_tracks": False,
        "mended": ["sorted_rows", "dropped_repeated_timestamps:3"],
    },
    "trajectories": {
        "clip_id": CLIP, "frame": 3, "t_us": 269_000, "x_m": 4.0, "y_m": -0.1, "z_m": 0.0, "heading_rad": -0.02,
        "vx_mps": 12.0, "vy_mps": -0.3, "speed_mps": 12.01, "speed_along_heading_mps": 12.0, "acceleration_mps2": -0.4,
    },
    "tracks": {
        "clip_id": CLIP, "track_id": "7", "label_class": "automobile", "t_us": 101_312, "x_m": 18.0, "y_m": 0.4,
        "z_m": 0.8, "length_m": 4.5, "width_m": 1.9, "height_m": 1.6, "heading_rad": 0.01,
    },
    "meta_actions": {
        "clip_id": CLIP, "axis": "longitudinal", "action": "strong_deceleration", "start_frame": 58, "end_frame": 80,
        "measures": [{"name": "average_acceleration", "value": -1.7}, {"name": "delta_velocity", "value": -3.7}],
    },
    "keyframes": {
        "keyframe_id": KEYFRAME, "clip_id": CLIP, "frame": 53, "t0_us": T0_US, "action": "strong_deceleration",
        "actions": ["strong_deceleration", "steer_left"], "axis": "longitudinal", "event_start_frame": 58,
        "event_end_frame": 80, "mode": "decision", "scenario": "unobserved", "trainable": True,
    },
    "videos": {
        "clip_id": CLIP, "camera": CAMERA, "path": f"camera/{CAMERA}/{CAMERA}.chunk_0007.zip::{CLIP}.{CAMERA}.mp4",
        "frames": 605, "fps": 29.99, "width": 1920, "height": 1080, "first_us": -121_000, "last_us": 20_040_000,
    },
    "segments": {
        "keyframe_id": KEYFRAME, "clip_id": CLIP, "camera": CAMERA,
        "path": f"clip_videos/chunk=0007/segments/{KEYFRAME}.{CAMERA}.mp4", "first_us": T0_US - 2_000_000,
        "last_us": T0_US + 5_990_000, "frame_us": [T0_US - 2_000_000, T0_US], "source_frame": [101, 161],
        "missing_us": [T0_US + 5_500_000], "status": "cut",
    },
    "raw_coc": {
        "label_id": LABEL, "keyframe_id": KEYFRAME, "clip_id": CLIP, "t0_us": T0_US, "labeler": "rules",
        "prompt_version": "rules-1", "parameters": '{"thresholds":"60713ea567a7"}', "status": "ok",
        "scenario": "slow_for_lead", "longitudinal_decision": "lead_obstacle_following",
        "lateral_decision": "lane_keeping", "components": [COMPONENT], "trace": "Slow down for the lead vehicle.",
    },
    "measurements": {
        "label_id": LABEL, "instrument": "trajectory_consistency", "version": "1", "name": "longitudinal",
        "value": 1.0, "detail": "motion slow_down",
    },
    "set_measurements": {
        "label_id": LABEL, "instrument": "human_review", "version": "1", "name": "majority", "value": 0.5,
        "detail": "ann: keep, bob: reject",
    },
    "filtered_coc": {
        "label_id": LABEL, "keyframe_id": KEYFRAME, "clip_id": CLIP, "labeler": "rules", "verdict": "review",
        "reasons": ["no_decision"], "policy_version": "default@d4ff54cd8bc8",
    },
    "samples": {
        "keyframe_id": KEYFRAME, "clip_id": CLIP, "t0_us": T0_US, "label_id": LABEL, "labeler": "rules",
        "split": "train", "shard": "training_shards/chunk=0007/train-000700.tar", "member": f"{KEYFRAME}.json",
        "offset": 0, "size": 11_776,
    },
    "trajdata_scenes": {
        "clip_id": CLIP, "scene": CLIP.replace("-", "_"), "split": "train", "frames": 201, "agents": 4,
    },
    "rejects": {
        "stage": "trajectory_cache", "clip_id": CLIP, "severity": "rejected", "feature": "egomotion",
        "reason": "gap_too_long", "hint": "egomotion.chunk_0007.zip has no usable sample for 1.51 s.",
    },
}  # fmt: skip

BY_MODEL: Row = {
    "labeler": "vlm-8b", "model": "served-8b", "attempts": 1, "prompt_tokens": 4_000, "completion_tokens": 350,
    "cost_usd": 0.002, "latency_s": 3.1, "answered_at": "2026-01-31T10:00:00+00:00", "raw_response": "{}",
    "cached_tokens": 3_000, "reasoning_tokens": 0, "passes": 2, "repair": "repaired",
    "responses": [{"step": "see", "round": 1, "prompt_version": "see-1", "finish_reason": "stop", "text": "{}"}],
}  # fmt: skip


def frame(table: schemas.Table, *changes: Row) -> pl.DataFrame:
    """A row a change (the good row alone without any) in the table's schema."""
    rows = [{"chunk": CHUNK} | GOOD[table.name] | change for change in changes or ({},)]
    return schemas.rows_to_frame(rows, table)
