"""Reading training shards from PyTorch: any sample by position, one read of a byte range each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from torch.utils.data import Dataset

from coc_assets.training_shards.index import read_index
from coc_assets.training_shards.members import EGO_ARRAYS, JSON, SCHEMA_VERSION, TEXT, TIMESTAMPS, frame_suffix
from coc_assets.training_shards.sample import FRAME_OFFSETS_US, relative_timestamps
from coc_assets.training_shards.tar import from_npy, read_group


class Sample(TypedDict):
    """One training sample at decision time t0, 10 Hz, in the ego frame at t0 (x forward, y left, z up, metres)."""

    ego_history_xyz: torch.Tensor  # (1, 16, 3) float32: t0 − 1.5 s … t0
    ego_history_rot: torch.Tensor  # (1, 16, 3, 3) float32
    ego_future_xyz: torch.Tensor  # (1, 64, 3) float32: t0 + 0.1 s … t0 + 6.4 s
    ego_future_rot: torch.Tensor  # (1, 64, 3, 3) float32
    image_frames: torch.Tensor  # (cameras, 4, 3, H, W) uint8 RGB; (0, 4, 3, 0, 0) without video
    camera_indices: torch.Tensor  # (cameras,) int64, ascending
    absolute_timestamps: torch.Tensor  # (cameras, 4) int64, clip clock, µs
    relative_timestamps: torch.Tensor  # (cameras, 4) float32, s from the earliest frame
    t0_us: int
    clip_id: str
    cot: str


class CoCShardDataset(Dataset[Sample]):
    """Every sample of a store or a release as tensors, for training (training exports, The sample and B).

    It opens files only while it reads them, so it can be forked or pickled into any number of DataLoader workers.

    Args:
        root: a store, its `training_shards` folder, a release, or any folder that holds shards and their
            `index.parquet`.
        split: `train`, `val` or `test`; None is all of them.
        model_config: kept as an attribute for recipes that pass one to every dataset; it shapes nothing here.
        vla_preprocess_args: likewise.

    Attributes:
        index: where each sample lies.
        keys: (N,) bytes array, `<clip_id>-<t0_us, 8 digits>` by position.

    Raises:
        FileNotFoundError: no index lies at `root`.
        ValueError: no sample has that split, and it is no usual name.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str | None = None,
        model_config: Any = None,
        vla_preprocess_args: Any = None,
    ) -> None:
        self.root = Path(root)
        self.split = split
        self.model_config = model_config
        self.vla_preprocess_args = vla_preprocess_args
        self.index = read_index(self.root, split)

    @property
    def keys(self) -> np.ndarray:
        return self.index.keys

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, position: int) -> Sample:
        """The sample at a position; negative positions count from the end.

        Raises:
            IndexError: no such position.
            FileNotFoundError: the shard is gone; the message says how to get it again.
            ValueError: the shard is not what its index says, its schema is another than this class reads, or its
                cameras' frames differ in size.
        """
        members = self.read_members(position)
        about = _about(members)
        cameras = about["camera_indices"]
        absolute_us = from_npy(members[f"{TIMESTAMPS}.npy"])
        return {
            **{name: torch.from_numpy(from_npy(members[f"{name}.npy"])) for name in EGO_ARRAYS},  # type: ignore[typeddict-item]
            "image_frames": torch.from_numpy(_decode_frames(members, cameras, about["key"])),
            "camera_indices": torch.tensor(cameras, dtype=torch.int64),
            "absolute_timestamps": torch.from_numpy(absolute_us),
            "relative_timestamps": torch.from_numpy(relative_timestamps(absolute_us)),
            "t0_us": about["t0_us"],
            "clip_id": about["clip_id"],
            "cot": members[TEXT].decode(),
        }

    def about(self, position: int) -> dict[str, Any]:
        """What else is known of the sample at a position: split, decisions, components, provenance, quality.

        Raises:
            As `dataset[position]` does.
        """
        return _about(self.read_members(position))

    def position_of(self, key: str | bytes) -> int:
        """The position of a sample's key, `<clip_id>-<t0_us, 8 digits>`.

        Raises:
            KeyError: no sample has that key.
        """
        return self.index.position_of(key)

    def read_members(self, position: int) -> dict[str, bytes]:
        """The sample's files as they lie in the shard, content by suffix, e.g. `cam1_f3.jpg` for the frame at t0."""
        return read_group(self.index.read(position))


def _about(members: Mapping[str, bytes]) -> dict[str, Any]:
    """The sample's `.json`."""
    about: dict[str, Any] = json.loads(members[JSON])
    if about["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"Sample {about['key']} has {about['schema_version']=}, this class reads {SCHEMA_VERSION}.")
    return about


def _decode_frames(members: Mapping[str, bytes], cameras: list[int], key: str) -> np.ndarray:
    """(cameras, 4, 3, H, W) uint8 RGB."""
    import cv2

    steps = len(FRAME_OFFSETS_US)
    if not cameras:
        return np.zeros((0, steps, 3, 0, 0), np.uint8)
    suffixes = [frame_suffix(camera, number) for camera in cameras for number in range(steps)]
    pictures = [_decode(members[suffix], f"{key}.{suffix}") for suffix in suffixes]
    shapes = sorted({picture.shape for picture in pictures})
    if len(shapes) > 1:
        raise ValueError(f"Frames of sample {key} differ in size, {shapes}; set shards.frame_height or fewer cameras.")
    height, width, channels = shapes[0]
    frames = np.empty((len(pictures), channels, height, width), np.uint8)
    for planes, picture in zip(frames, pictures, strict=True):
        cv2.split(picture, list(planes))  # in place, and ten times as fast as a transposed copy
    return frames.reshape(len(cameras), steps, channels, height, width)


def _decode(jpeg: bytes, name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB, bit for bit what Pillow gives, in two thirds of its time."""
    import cv2

    as_stored = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), as_stored) if jpeg else None
    if picture is None:
        raise ValueError(f"Frame {name} does not decode as a JPEG; make the shards again.")
    return picture
