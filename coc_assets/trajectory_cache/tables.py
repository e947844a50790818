"""The trajectory cache of one chunk: every clip of its clip list ends up in `clips` or, with a reason, in `rejects`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from coc_assets.sources import pai
from coc_assets.sources.egomotion import ClipRejected, Egomotion, clean
from coc_assets.trajectory_cache.resampling import Resampled, resample, trajectory_frame
from resources import schemas

if TYPE_CHECKING:
    from resources.dataset import DatasetRoot
    from resources.settings.trajectory import TrajectorySettings

STAGE = "trajectory_cache"
_OF_THE_INDEX = ("clip_invalid",)  # reasons for which the clip index is at fault, not the egomotion


@dataclass
class CleanClips:
    """The chunk's usable clips, in the order of the clip list, and the reject rows of the others."""

    ids: list[str] = field(default_factory=list)
    mended: list[tuple[str, ...]] = field(default_factory=list)
    rejects: list[dict[str, object]] = field(default_factory=list)


def build(root: DatasetRoot, chunk: str, settings: TrajectorySettings, camera: str) -> dict[str, pl.DataFrame]:
    """The stage's tables of one chunk: `clips`, `trajectories`, `tracks` and `rejects`.

    A clip that cannot be used costs a reject row and nothing else (design, Conservation).

    Args:
        camera: the camera whose archive decides `has_video`.

    Raises:
        DatasetError: the dataset's listings cannot be read.
    """
    with pai.EgomotionChunk(root, chunk) as egomotion:
        clips, resampled = read_clips(egomotion, settings)
    tracks = pai.read_tracks(root, chunk, clips.ids)
    rows = clip_rows(
        clips,
        resampled,
        splits=dict(egomotion.clips.select("clip_id", "split").iter_rows()),
        with_video=pai.camera_members(root, chunk, camera),
        with_tracks=tracks.clip_ids,
    )
    tables = (
        (schemas.CLIPS, rows),
        (schemas.TRAJECTORIES, trajectory_frame(resampled, clips.ids)),
        (schemas.TRACKS, tracks.frame),
        (schemas.REJECTS, _reject_rows(root, egomotion.damage, clips.rejects + tracks.degraded)),
    )
    in_chunk = pl.lit(chunk, pl.String).alias("chunk")
    return {table.name: schemas.conform(frame.with_columns(in_chunk), table) for table, frame in tables}


def read_clips(egomotion: pai.EgomotionChunk, settings: TrajectorySettings) -> tuple[CleanClips, Resampled]:
    """Every clip of the chunk read, cleaned and resampled, or rejected with its reason.

    Clips go through one by one: memory that the last one has warmed up serves the next, and none piles up.
    """
    clips = CleanClips()
    return clips, resample(_usable(egomotion, settings, clips), settings)


def _usable(egomotion: pai.EgomotionChunk, settings: TrajectorySettings, clips: CleanClips) -> Iterator[Egomotion]:
    """Cleaned egomotion of each usable clip; enters every clip in `clips`."""
    for clip_id, raw in egomotion.read():
        try:
            if isinstance(raw, ClipRejected):
                raise raw
            cleaned, mended = clean(raw, settings, egomotion.source(clip_id))
        except Exception as error:  # one clip never takes its chunk down
            clips.rejects.append(_rejected(clip_id, error, egomotion.source(clip_id)))
        else:
            clips.ids.append(clip_id)
            clips.mended.append(mended)
            yield cleaned


def clip_rows(
    clips: CleanClips,
    resampled: Resampled,
    *,
    splits: dict[str, str | None],
    with_video: Collection[str],
    with_tracks: Collection[str],
) -> pl.DataFrame:
    """The `clips` table without its chunk: one row a usable clip, in the order of the clip list."""
    return pl.DataFrame(
        {
            "clip_id": clips.ids,
            "split": [splits.get(clip_id) for clip_id in clips.ids],
            "frames": resampled.frames,
            "first_us": resampled.first_us,
            "duration_s": (resampled.last_us - resampled.first_us) / 1e6,
            "distance_m": driven_distances(resampled),
            "mean_speed_mps": _sums(resampled.speed, resampled) / resampled.frames,
            "has_video": [clip_id in with_video for clip_id in clips.ids],
            "has_tracks": [clip_id in with_tracks for clip_id in clips.ids],
            "mended": pl.Series([list(mended) for mended in clips.mended], dtype=pl.List(pl.String)),
        },
        schema_overrides={"clip_id": pl.String, "split": pl.String},
    )


def driven_distances(resampled: Resampled) -> np.ndarray:
    """Length of each clip's path in the plane over its frames, (C,) m."""
    steps = np.hypot(np.diff(resampled.x, prepend=0.0), np.diff(resampled.y, prepend=0.0))
    steps[resampled.offsets[:-1]] = 0.0  # frame 0 has no step; the difference would reach into the clip before
    return _sums(steps, resampled)


def _sums(values: np.ndarray, resampled: Resampled) -> np.ndarray:
    """Sum of each clip's frames; a clip has at least one."""
    return np.add.reduceat(values, resampled.offsets[:-1]) if len(resampled) else np.empty(0)


def _rejected(clip_id: str, error: Exception, source: str) -> dict[str, object]:
    if not isinstance(error, ClipRejected):
        error = ClipRejected("unreadable", f"{source}: {type(error).__name__}: {error}")
    return {
        "clip_id": clip_id,
        "severity": "rejected",
        "feature": "index" if error.reason in _OF_THE_INDEX else "egomotion",
        "reason": error.reason,
        "hint": error.hint,
    }


def _reject_rows(root: DatasetRoot, damage: str | None, rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """What is wrong with the chunk's index and egomotion archive first, then its clips."""
    of_chunk: list[dict[str, object]] = []
    if not root.has_index:
        hint = "clip_index.parquet is missing: clips are those of the archive, splits are by hash; mirror it too."
        of_chunk.append({"severity": "degraded", "feature": "index", "reason": "clip_index_missing", "hint": hint})
    if damage:
        of_chunk.append({"severity": "rejected", "feature": "egomotion", "reason": "archive_damaged", "hint": damage})
    return schemas.reject_rows([{**row, "stage": STAGE} for row in [*of_chunk, *rows]])
