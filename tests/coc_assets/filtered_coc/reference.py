"""The reference clips as tables, resampled here so that these tests depend on no other stage."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
from scipy.spatial.transform import Rotation, Slerp

from resources import schemas

_ARCHIVE = Path("golden-visible/labels/egomotion/egomotion.chunk_0000.zip")


def reference_spans(shared_data: Path) -> pl.DataFrame:
    """clip_id, track, action (CamelCase), start, end."""
    spans = pl.read_parquet(shared_data / "golden-visible" / "spans_relaxed.parquet")
    return spans.with_columns(pl.col("track", "action").cast(pl.String)).sort("clip_id", "track", "start")


def reference_trajectories(shared_data: Path) -> pl.DataFrame:
    """`trajectories` of the reference clips that have no gap in them."""
    with zipfile.ZipFile(shared_data / _ARCHIVE) as archive:
        raw = {name.split(".")[0]: archive.read(name) for name in sorted(archive.namelist())}
    clips = [_clip(clip_id, pl.read_parquet(io.BytesIO(data))) for clip_id, data in raw.items()]
    return schemas.conform(pl.concat(clip for clip in clips if clip is not None), schemas.TRAJECTORIES)


def _clip(clip_id: str, raw: pl.DataFrame) -> pl.DataFrame | None:
    raw = raw.sort("timestamp").unique("timestamp", keep="first", maintain_order=True)
    if raw["x"].is_nan().any():
        return None
    t = raw["timestamp"].to_numpy() / 1e6
    at = t[0] + np.arange(min(int((t[-1] - t[0]) / 0.1) + 1, 201)) * 0.1
    poses = Slerp(t, Rotation.from_quat(raw.select("qx", "qy", "qz", "qw").to_numpy()))
    heading = poses(np.clip(at, t[0], t[-1])).as_euler("zyx")[:, 0]
    x, y = (np.interp(at, t, raw[name].to_numpy()) for name in ("x", "y"))
    if "vx" in raw.columns:
        vx, vy = (np.interp(at, t, raw[name].to_numpy()) for name in ("vx", "vy"))
    else:
        vx, vy = (np.concatenate([step[:1], step]) / 0.1 for step in (np.diff(x), np.diff(y)))
    return pl.DataFrame(
        {
            "clip_id": [clip_id] * len(at),
            "frame": np.arange(len(at)),
            "t_us": np.arange(len(at)) * 100_000,
            "x_m": x,
            "y_m": y,
            "heading_rad": heading,
            "speed_mps": np.hypot(vx, vy),
            "speed_along_heading_mps": vx * np.cos(heading) + vy * np.sin(heading),
        }
    )
