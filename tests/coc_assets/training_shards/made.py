"""Small chunks to build shards from: tables, a driven path and pictures that tell their instant."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from coc_assets.sources.egomotion import Egomotion
from coc_assets.training_shards.build import BuildResult, ClipReaders, Tables, build_chunk
from coc_assets.training_shards.forms.told import Sources
from coc_assets.training_shards.frames import CameraFrames, FramesOf, LostFrames, Seen, to_jpeg
from resources import schemas
from resources.settings.shards import ShardSettings
from resources.store import Store

CHUNK = "0007"
CLIPS = tuple(f"{number:08x}-aaaa-4bbb-8ccc-0123456789ab" for number in range(40))
FRONT = 1


def key_of(clip_id: str, t0_us: int) -> str:
    return f"{clip_id}-{t0_us:08d}"


def driven(turn_rate: float = 0.15, first_us: int = -31_000, last_us: int = 20_007_000, seed: int = 5) -> Egomotion:
    """An ego that speeds up on a hill while it turns left (positive rate, rad/s), sampled at uneven instants."""
    gaps = np.random.default_rng(seed).integers(8_000, 12_500, 2_600)
    t_us = first_us + np.concatenate([[0], np.cumsum(gaps)])
    t_us = np.append(t_us[t_us < last_us], last_us).astype(np.int64)
    t = t_us * 1e-6
    yaw, pitch, roll = turn_rate * t + 0.7, 0.05 * np.sin(t), 0.03 * np.cos(0.7 * t)
    speed = 6.0 + 0.3 * t
    step = np.diff(t, prepend=t[0])
    ahead = np.stack([np.cos(yaw), np.sin(yaw), -np.sin(pitch)], 1)
    xyz = np.cumsum(ahead * (speed * step)[:, None], axis=0) + np.array([9.0, -4.0, 2.0])
    quaternion = Rotation.from_euler("ZYX", np.stack([yaw, pitch, roll], 1)).as_quat()
    return Egomotion(t_us, xyz, quaternion, None)


def label(clip_id: str, t0_us: int, labeler: str = "rules", **changed: Any) -> dict[str, Any]:
    """A kept label's row of raw_coc."""
    key = key_of(clip_id, t0_us)
    return {
        "label_id": f"{labeler}:{key}",
        "keyframe_id": key,
        "clip_id": clip_id,
        "t0_us": t0_us,
        "labeler": labeler,
        "model": None if labeler == "rules" else f"{labeler}-8b",
        "prompt_version": "1",
        "parameters": "{}",
        "status": "ok",
        "scenario": "slow_for_lead",
        "longitudinal_decision": "lead_obstacle_following",
        "components": [
            {"rank": 1, "category": "critical_object", "phrase": "lead vehicle 14 m ahead", "attributes": [],
             "track_id": "7", "seen_from_us": t0_us - 900_000, "seen_to_us": t0_us},
        ],
        "trace": f"Slow down behind the lead vehicle – {labeler}.",
        "perception": "A vehicle ahead.",
        **changed,
    }  # fmt: skip


@dataclass
class Chunk:
    """The tables of a chunk, from its labels; every label is kept unless named in `dropped`."""

    labels: list[dict[str, Any]]
    splits: dict[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()

    def tables(self) -> Tables:
        keyframes = {row["keyframe_id"]: (row["clip_id"], row["t0_us"]) for row in self.labels}
        return Tables(
            clips=schemas.rows_to_frame(
                [{"chunk": CHUNK, "clip_id": clip, "split": self.splits.get(clip)} for clip in self._clips()],
                schemas.CLIPS,
            ),
            keyframes=schemas.rows_to_frame(
                [
                    {"chunk": CHUNK, "keyframe_id": key, "clip_id": clip, "t0_us": t0_us, "action": "stop"}
                    for key, (clip, t0_us) in keyframes.items()
                ],
                schemas.KEYFRAMES,
            ),
            labels=schemas.rows_to_frame([{"chunk": CHUNK, **row} for row in self.labels], schemas.RAW_COC),
            verdicts=schemas.rows_to_frame([self._verdict(row) for row in self.labels], schemas.VERDICTS),
        )

    def _clips(self) -> list[str]:
        return sorted({row["clip_id"] for row in self.labels})

    def _verdict(self, row: dict[str, Any]) -> dict[str, Any]:
        verdict = "reject" if row["label_id"] in self.dropped else "keep"
        copied = {name: row[name] for name in ("label_id", "keyframe_id", "clip_id", "labeler")}
        return {"chunk": CHUNK, **copied, "verdict": verdict, "reasons": [], "policy_version": "p1"}


def picture(frame_us: int, height: int = 18, width: int = 32) -> np.ndarray:
    """A flat picture whose brightness tells the tenth of a second."""
    return np.full((height, width, 3), frame_us // 100_000 % 200 + 20, np.uint8)


def frames_of(settings: ShardSettings) -> FramesOf:
    """Front frames taken 5 ms before each asked instant."""

    def read(_: str, asked_us: np.ndarray) -> list[Seen]:
        shown_us = asked_us - 5_000
        jpegs = [[to_jpeg(picture(int(at)), settings) for at in frame_us] for frame_us in shown_us]
        return [Seen([CameraFrames(FRONT, *one)], []) for one in zip(shown_us, jpegs, strict=True)]

    return read


def no_frames(_: str, asked_us: np.ndarray) -> list[Seen]:
    return [Seen([], [LostFrames("camera_front_wide_120fov", "no_video", "camera.zip is not on disk")])] * len(asked_us)


def no_sources() -> Sources:
    """Of a chunk without a dataset: no clip index and no video."""
    return Sources((), "What does the ego decide, and why?", pd.DataFrame, lambda row, path: False)


def stored(root: Path, splits: dict[str, str], times: tuple[int, ...]) -> Path:
    """A store with shards of a few clips, so small that there are several; `root`."""
    rows = [label(clip, t0_us) for clip in splits for t0_us in times]
    folder = Store(root).partition("training_shards", CHUNK)
    built(folder, Chunk(rows, splits=splits), ShardSettings(max_shard_bytes=40_000))
    return root


def built(
    out_dir: Path,
    chunk: Chunk,
    settings: ShardSettings | None = None,
    ego: Egomotion | None = None,
    frames: FramesOf | None = None,
) -> BuildResult:
    settings, ego = settings or ShardSettings(), ego or driven()
    readers = ClipReaders(lambda _: ego, frames or frames_of(settings), no_sources())
    return build_chunk(CHUNK, chunk.tables(), settings=settings, readers=readers, out_dir=out_dir)
