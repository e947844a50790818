"""Frames that an earlier build of the same chunk stored, so that choosing other labels does not decode videos again."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from coc_assets.training_shards.frames import CameraFrames, FramesOf, Seen
from coc_assets.training_shards.members import TIMESTAMPS, frame_suffix
from coc_assets.training_shards.sample import CAMERA_INDEX, FRAME_OFFSETS_US
from coc_assets.training_shards.selection import Row
from coc_assets.training_shards.tar import from_npy, read_group
from coc_assets.training_shards.writer import INDEX, MANIFEST
from resources.settings.shards import ShardSettings
from resources.store import read_range

FRAMES_VERSION = "1"
"""Raised by hand when the same video would give other JPEGs."""


def frames_made_from(settings: ShardSettings, videos: Mapping[str, str]) -> dict[str, Any]:
    """What stored frames depend on; a manifest keeps it as `frames`.

    Args:
        videos: sha256 of the cameras' archives, by their path below the dataset's root.
    """
    shaped = settings.model_dump(mode="json", include={"cameras", "frame_height", "jpeg_quality"})
    return {**shaped, "videos": dict(videos), "version": FRAMES_VERSION}


def earlier_frames(
    folder: Path, made_from: Mapping[str, Any], settings: ShardSettings, otherwise: FramesOf
) -> FramesOf:
    """Reads frames from the shards in a folder, where they were made from the same; asks for what is not there.

    Bytes that are not what the index says are asked for too, so damage in a shard does not live on.

    Args:
        folder: a chunk's partition of training_shards, of an earlier build or empty.
        made_from: what frames are to be made from, as `frames_made_from` gives it.
        otherwise: decodes frames.
    """
    rows = _stored_rows(folder, made_from)
    if not rows:
        return otherwise
    cameras = sorted(CAMERA_INDEX[name] for name in settings.cameras)

    def frames_of(clip_id: str, asked_us: np.ndarray) -> list[Seen]:
        keys = [f"{clip_id}-{t0_us:08d}" for t0_us in asked_us[:, -1].tolist()]
        found = [_stored(folder, rows[key], cameras) if key in rows else None for key in keys]
        lacking = [at for at, seen in enumerate(found) if seen is None]
        asked = iter(otherwise(clip_id, asked_us[lacking]) if lacking else [])
        return [next(asked) if seen is None else seen for seen in found]

    return frames_of


def _stored_rows(folder: Path, made_from: Mapping[str, Any]) -> dict[str, Row]:
    """Rows of the folder's index by key; none where its frames were made from something else."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if manifest.get("frames") != made_from:
            return {}
        return {row["key"]: row for row in pl.read_parquet(folder / INDEX, hive_partitioning=False).to_dicts()}
    except (OSError, ValueError, pl.exceptions.PolarsError):
        return {}


def _stored(folder: Path, row: Row, cameras: list[int]) -> Seen | None:
    """What a stored sample shows; None where it lacks one of the cameras, or is not what its row says."""
    try:
        data = read_range(folder / row["shard"], row["offset"], row["size"])
    except OSError:
        return None
    if zlib.crc32(data) != row["crc32"]:
        return None
    members = read_group(data)
    times_us = from_npy(members[f"{TIMESTAMPS}.npy"])
    if len(times_us) != len(cameras):
        return None
    steps = range(len(FRAME_OFFSETS_US))
    pictures = [[members[frame_suffix(camera, step)] for step in steps] for camera in cameras]
    return Seen([CameraFrames(*one) for one in zip(cameras, times_us, pictures, strict=True)], [])
