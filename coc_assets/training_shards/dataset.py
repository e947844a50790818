"""Reading training shards from PyTorch: any sample by position, one read of a byte range each."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import polars as pl
import torch
from torch.utils.data import Dataset

from coc_assets.training_shards.members import EGO_ARRAYS, JSON, SCHEMA_VERSION, TEXT, TIMESTAMPS, frame_suffix
from coc_assets.training_shards.sample import FRAME_OFFSETS_US, relative_timestamps
from coc_assets.training_shards.tar import from_npy, read_group
from coc_assets.training_shards.writer import INDEX, INDEX_SCHEMA

KNOWN_SPLITS = ("train", "val", "test")


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
        root: a store, its `training_shards` folder, or any folder that holds shards and their `index.parquet`.
        split: `train`, `val` or `test`; None is all of them.
        model_config: kept as an attribute for recipes that pass one to every dataset; it shapes nothing here.
        vla_preprocess_args: likewise.

    Attributes:
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
        index = _read_indexes(_index_files(self.root))
        if split is not None:
            index = _of_split(index, split, self.root)
        # Plain arrays: polars' threads do not survive the fork of a DataLoader worker.
        self._shards = index["shard"].unique().sort().to_list()
        self._shard = (
            index["shard"].replace_strict(self._shards, range(len(self._shards)), return_dtype=pl.Int32).to_numpy()
        )
        self._offset = index["offset"].to_numpy()
        self._size = index["size"].to_numpy()
        self.keys = index["key"].to_numpy().astype(bytes)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, position: int) -> Sample:
        """The sample at a position; negative positions count from the end.

        Raises:
            IndexError: no such position.
            FileNotFoundError: the shard is gone; the message says how to make it again.
            ValueError: the shard is not what its index says, or its schema is newer than this class.
        """
        members = self.read_members(position)
        about = json.loads(members[JSON])
        if about["schema_version"] != SCHEMA_VERSION:
            raise ValueError(
                f"Sample {about['key']} has {about['schema_version']=}, this class reads {SCHEMA_VERSION}."
            )
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

    def read_members(self, position: int) -> dict[str, bytes]:
        """The sample's files as they lie in the shard, content by suffix, e.g. `json` for decisions and provenance."""
        if not -len(self) <= position < len(self):
            raise IndexError(f"{position=} in a dataset of {len(self)} samples")
        path = self._shards[self._shard[position]]
        offset, size = int(self._offset[position]), int(self._size[position])
        try:
            with open(path, "rb", buffering=0) as shard:
                data = os.pread(shard.fileno(), size, offset)
        except FileNotFoundError:
            raise FileNotFoundError(_missing(Path(path))) from None
        if len(data) < size:
            raise ValueError(f"{path} ends before byte {offset + size}, which its index names; make the shards again.")
        return read_group(data)


def _index_files(root: Path) -> list[Path]:
    for pattern in (INDEX, f"chunk=*/{INDEX}", f"training_shards/chunk=*/{INDEX}"):
        found = sorted(root.glob(pattern))
        if found:
            return found
    raise FileNotFoundError(
        f"No {INDEX} at {root}. Name a store, its training_shards folder, or a folder with shards and their index; "
        "`coc run` makes them."
    )


def _missing(shard: Path) -> str:
    of_store = shard.parents[1].name == "training_shards"
    store = shard.parents[2] if of_store else "DIR"
    return f"Shard {shard} is missing, though {shard.parent / INDEX} names it. Make it again: coc run --store {store}"


def _read_indexes(files: list[Path]) -> pl.DataFrame:
    frames = [
        pl.read_parquet(file, columns=list(INDEX_SCHEMA), hive_partitioning=False).with_columns(
            shard=pl.lit(f"{file.parent}{os.sep}") + pl.col("shard")
        )
        for file in files
    ]
    return pl.concat(frames)


def _of_split(index: pl.DataFrame, split: str, root: Path) -> pl.DataFrame:
    held = index["split"].unique().sort().to_list()
    if split not in held and split not in KNOWN_SPLITS:
        raise ValueError(f"No sample at {root} has {split=}; there are {held}.")
    return index.filter(pl.col("split") == split)


def _decode_frames(members: Mapping[str, bytes], cameras: list[int], key: str) -> np.ndarray:
    """(cameras, 4, 3, H, W) uint8 RGB."""
    steps = len(FRAME_OFFSETS_US)
    if not cameras:
        return np.zeros((0, steps, 3, 0, 0), np.uint8)
    pictures = [_decode(members[frame_suffix(camera, number)]) for camera in cameras for number in range(steps)]
    shapes = sorted({picture.shape for picture in pictures})
    if len(shapes) > 1:
        raise ValueError(f"Frames of sample {key} differ in size, {shapes}; set shards.frame_height or fewer cameras.")
    stacked = np.stack(pictures).reshape(len(cameras), steps, *shapes[0])
    return np.ascontiguousarray(stacked.transpose(0, 1, 4, 2, 3))


def _decode(jpeg: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as picture:
        return np.asarray(picture.convert("RGB"))
