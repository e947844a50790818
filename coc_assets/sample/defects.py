"""Ways in which a clip of a real mirror is broken, done to sample clips on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import polars as pl

DefectKind = Literal[
    "long_gap",
    "shuffled_rows",
    "video_truncated",
    "nan_gap",
    "tracks_missing",
    "corrupt_member",
    "video_missing",
    "infinite_value",
    "tracks_other_frame",
    "clip_invalid",
    "video_short",
    "zero_rotations",
    "timestamps_missing",
    "missing_column",
    "too_few_frames",
]
VideoFile = Literal["whole", "missing", "truncated"]

# The order in which a sample uses them: three chunks show a rejected, a mended and a degraded clip.
DEFECT_KINDS: tuple[DefectKind, ...] = get_args(DefectKind)


@dataclass(frozen=True)
class ClipFiles:
    """One clip's rows and how its files are written.

    Attributes:
        egomotion, obstacles: rows in the dataset's columns; no obstacles means that the clip has no such file.
        camera_us: (K,) instants of the video's frames, µs.
        valid: the index's `clip_is_valid`.
        corrupt: the egomotion member's bytes are altered after its checksum was taken.
        video: whether the mp4 is whole.
        has_timestamps: the camera archive holds the clip's timestamps.
    """

    egomotion: pl.DataFrame
    obstacles: pl.DataFrame | None
    camera_us: np.ndarray
    valid: bool = True
    corrupt: bool = False
    video: VideoFile = "whole"
    has_timestamps: bool = True


def damage(files: ClipFiles, kind: DefectKind, rng: np.random.Generator) -> ClipFiles:
    """The clip with one defect."""
    return _DAMAGES[kind](files, rng)


def truncate_file(path: Path, share: float = 0.6) -> None:
    """Cuts a file off after the given share of its bytes, as a broken download leaves it."""
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])


def _long_gap(files: ClipFiles, rng: np.random.Generator) -> ClipFiles:
    """No egomotion rows for 1.2 … 2 s."""
    start = rng.uniform(6.0, 12.0)
    end = start + rng.uniform(1.2, 2.0)
    seconds = pl.col("timestamp") / 1e6
    return replace(files, egomotion=files.egomotion.filter((seconds < start) | (seconds >= end)))


def _nan_gap(files: ClipFiles, rng: np.random.Generator) -> ClipFiles:
    """NaN in all measured columns for 12 rows, 0.12 s."""
    return replace(files, egomotion=_overwrite(files.egomotion, rng, 12, np.nan))


def _infinite_value(files: ClipFiles, rng: np.random.Generator) -> ClipFiles:
    """One infinite position."""
    return replace(files, egomotion=_overwrite(files.egomotion, rng, 1, np.inf, ("x",)))


def _zero_rotations(files: ClipFiles, rng: np.random.Generator) -> ClipFiles:
    """Quaternions of norm zero for 0.9 s."""
    return replace(files, egomotion=_overwrite(files.egomotion, rng, 90, 0.0, ("qx", "qy", "qz", "qw")))


def _shuffled_rows(files: ClipFiles, rng: np.random.Generator) -> ClipFiles:
    """Rows out of order, and some of them twice."""
    count = files.egomotion.height
    twice = np.sort(rng.choice(count, 20, replace=False))
    order = rng.permutation(np.concatenate([np.arange(count), twice]))
    return replace(files, egomotion=files.egomotion[order])


def _missing_column(files: ClipFiles, rng: np.random.Generator) -> ClipFiles:
    return replace(files, egomotion=files.egomotion.drop("qz"))


def _too_few_frames(files: ClipFiles, rng: np.random.Generator) -> ClipFiles:
    """Only the first 0.6 s of egomotion."""
    return replace(files, egomotion=files.egomotion.head(60))


def _video_short(files: ClipFiles, rng: np.random.Generator) -> ClipFiles:
    """The video and its timestamps end in the middle of the clip."""
    return replace(files, camera_us=files.camera_us[: int(len(files.camera_us) * rng.uniform(0.4, 0.5))])


def _tracks_other_frame(files: ClipFiles, rng: np.random.Generator) -> ClipFiles:
    """Tracks in a frame that this project cannot place."""
    if files.obstacles is None:
        return files
    return replace(files, obstacles=files.obstacles.with_columns(reference_frame=pl.lit("lidar_top_360fov")))


def _overwrite(
    rows: pl.DataFrame, rng: np.random.Generator, count: int, value: float, columns: tuple[str, ...] | None = None
) -> pl.DataFrame:
    start = int(rng.integers(rows.height // 3, 2 * rows.height // 3))
    here = pl.int_range(rows.height).is_between(start, start + count - 1)
    chosen = [name for name in rows.columns if name != "timestamp"] if columns is None else list(columns)
    return rows.with_columns(pl.when(here).then(pl.lit(value)).otherwise(pl.col(chosen)).name.keep())


Damage = Callable[[ClipFiles, np.random.Generator], ClipFiles]
_DAMAGES: dict[DefectKind, Damage] = {
    "long_gap": _long_gap,
    "shuffled_rows": _shuffled_rows,
    "video_truncated": lambda files, rng: replace(files, video="truncated"),
    "nan_gap": _nan_gap,
    "tracks_missing": lambda files, rng: replace(files, obstacles=None),
    "corrupt_member": lambda files, rng: replace(files, corrupt=True),
    "video_missing": lambda files, rng: replace(files, video="missing"),
    "infinite_value": _infinite_value,
    "tracks_other_frame": _tracks_other_frame,
    "clip_invalid": lambda files, rng: replace(files, valid=False),
    "video_short": _video_short,
    "zero_rotations": _zero_rotations,
    "timestamps_missing": lambda files, rng: replace(files, has_timestamps=False),
    "missing_column": _missing_column,
    "too_few_frames": _too_few_frames,
}
