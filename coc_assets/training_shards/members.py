"""What lies in a shard under one key: names, JSON and arrays of a sample (training exports, B)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coc_assets.training_shards import tar
from coc_assets.training_shards.frames import CameraFrames
from coc_assets.training_shards.sample import FRAME_OFFSETS_US
from coc_assets.training_shards.selection import KeptKeyframe, Row

SCHEMA_VERSION = 1
JSON = "json"
TEXT = "cot.txt"
TIMESTAMPS = "absolute_timestamps"
EGO_ARRAYS = ("ego_history_xyz", "ego_history_rot", "ego_future_xyz", "ego_future_rot")
ALWAYS = (JSON, TEXT, *(f"{name}.npy" for name in (*EGO_ARRAYS, TIMESTAMPS)))

_DECISIONS = {
    "longitudinal": "longitudinal_decision",
    "lateral": "lateral_decision",
    "lateral_direction": "lateral_direction",
}
_TEXTS = ("perception", "prediction", "planning", "justification")
_PROVENANCE = ("label_id", "labeler", "model", "prompt_version", "parameters", "answered_at")
_QUALITY = ("verdict", "reasons", "policy_version")


def frame_suffix(camera_index: int, number: int) -> str:
    """Suffix of one frame's member; `number` 0 is the earliest of the four."""
    return f"cam{camera_index}_f{number}.jpg"


def expected_suffixes(camera_indices: Sequence[int]) -> set[str]:
    """Every member that a sample with these cameras has."""
    frames = {frame_suffix(camera, number) for camera in camera_indices for number in range(len(FRAME_OFFSETS_US))}
    return frames | set(ALWAYS)


def members_of(
    kept: KeptKeyframe, label: Row, ego_arrays: Mapping[str, np.ndarray], frames: Sequence[CameraFrames]
) -> dict[str, bytes]:
    """A sample's members, content by suffix; `frames` are ordered by camera index and may be none."""
    absolute_us = np.array([one.frame_us for one in frames], np.int64).reshape(-1, len(FRAME_OFFSETS_US))
    content = sample_json(kept, label, [one.camera_index for one in frames])
    pictures = {frame_suffix(one.camera_index, number): jpeg for one in frames for number, jpeg in enumerate(one.jpegs)}
    arrays = {**ego_arrays, TIMESTAMPS: absolute_us}
    return {
        JSON: canonical_json(content),
        TEXT: label["trace"].encode(),
        **{f"{name}.npy": tar.npy(array) for name, array in arrays.items()},
        **pictures,
    }


def sample_json(kept: KeptKeyframe, label: Row, camera_indices: Sequence[int]) -> dict[str, Any]:
    """What a sample's `.json` says: where it comes from, what was decided and why, and how good the label is."""
    return {
        "schema_version": SCHEMA_VERSION,
        "key": kept.key,
        "chunk": kept.keyframe["chunk"],
        "clip_id": kept.clip_id,
        "t0_us": kept.t0_us,
        "camera_indices": list(camera_indices),
        "split": kept.split,
        "action": kept.keyframe["action"],
        "scenario": label["scenario"],
        "decisions": {name: label[column] for name, column in _DECISIONS.items()},
        "components": label["components"] or [],
        "text": {name: label[name] for name in _TEXTS},
        "provenance": {name: label[name] for name in _PROVENANCE},
        "quality": {name: label[name] for name in _QUALITY},
    }


def canonical_json(content: Mapping[str, Any]) -> bytes:
    """JSON whose bytes depend on the content alone."""
    return (json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()
