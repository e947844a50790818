"""Small datasets in the PhysicalAI-AV layout, written as the release is, for tests that break them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

CAMERA = "camera_front_wide_120fov"


def clip_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def egomotion(rows: int = 2001, step_us: int = 10_000, first_us: int = -20_000) -> pd.DataFrame:
    """A gentle left curve at 10 m/s."""
    t_us = first_us + step_us * np.arange(rows, dtype=np.int64)
    t = t_us * 1e-6
    yaw = 0.02 * t
    frame = pd.DataFrame({"timestamp": t_us, "qx": 0.0, "qy": 0.0, "qz": np.sin(yaw / 2), "qw": np.cos(yaw / 2)})
    frame = frame.assign(x=500 * np.sin(yaw), y=500 * (1 - np.cos(yaw)), z=0.1 * t)
    frame = frame.assign(vx=10 * np.cos(yaw), vy=10 * np.sin(yaw), vz=0.1, ax=0.0, ay=0.0, az=0.0)
    return frame.assign(curvature=0.002)


def obstacles(tracks: int = 2, instants: int = 5, **columns: object) -> pd.DataFrame:
    """Cars side by side, standing still in the rig frame; `columns` overwrite."""
    t_us = np.tile(np.arange(instants) * 100_000, tracks)
    track = np.repeat(np.arange(tracks), instants)
    frame = pd.DataFrame({"timestamp_us": t_us, "track_id": track.astype(str), "label_class": "automobile"})
    frame = frame.assign(center_x=20.0, center_y=3.5 * track, center_z=0.8, size_x=4.5, size_y=1.9, size_z=1.6)
    frame = frame.assign(orientation_x=0.0, orientation_y=0.0, orientation_z=0.0, orientation_w=1.0)
    return frame.assign(reference_frame="rig", reference_frame_timestamp_us=t_us).assign(**columns)


def parquet(frame: pd.DataFrame) -> bytes:
    return frame.to_parquet(index=not isinstance(frame.index, pd.RangeIndex) or frame.index.name is not None)


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def write_archive(root: Path, feature: str, members: Mapping[str, bytes], chunk: int = 0) -> Path:
    group = "camera" if feature.startswith("camera") else "labels"
    path = root / group / feature / f"{feature}.chunk_{chunk:04d}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zipped(members))
    return path


def write_egomotion(root: Path, clips: Mapping[str, pd.DataFrame | bytes], chunk: int = 0) -> Path:
    members = {f"{clip}.egomotion.parquet": _content(data) for clip, data in clips.items()}
    return write_archive(root, "egomotion", members, chunk)


def write_obstacles(root: Path, clips: Mapping[str, pd.DataFrame | bytes], chunk: int = 0) -> Path:
    members = {f"{clip}.obstacle.offline.parquet": _content(data) for clip, data in clips.items()}
    return write_archive(root, "obstacle.offline", members, chunk)


def write_index(root: Path, clips: Sequence[str], chunk: int = 0, invalid: Sequence[str] = ()) -> Path:
    index = pd.DataFrame(
        {"chunk": chunk, "split": "train", "clip_is_valid": [clip not in invalid for clip in clips]},
        index=pd.Index(clips, name="clip_id"),
    )
    index.to_parquet(root / "clip_index.parquet")
    return root / "clip_index.parquet"


def write_features(root: Path, rows: Mapping[str, tuple[str, str, Mapping[str, str]]]) -> Path:
    """`rows`: feature → directory, chunk_path, members by alias."""
    frame = pd.DataFrame(
        [(feature, directory, path, json.dumps(members)) for feature, (directory, path, members) in rows.items()],
        columns=["feature", "directory", "chunk_path", "clip_files_in_zip"],
    )
    frame.to_csv(root / "features.csv", index=False)
    return root / "features.csv"


def _content(data: pd.DataFrame | bytes) -> bytes:
    return data if isinstance(data, bytes) else parquet(data)
