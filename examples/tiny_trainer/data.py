"""What the model learns from: every sample of some shards, read once and kept in memory as a few stacked tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch.nn import functional
from words import Vocabulary, padded

from coc_assets.training_shards.dataset import CoCShardDataset, Sample

FRAME_SIZE = (64, 112)  # height, width of the frames that the model sees, pixels
NO_CAMERA = -1
_RGB = 3


@dataclass(frozen=True)
class Examples:
    """N samples at t0, in the ego frame at t0, 10 Hz, metres; C is the most cameras that one of them has.

    Attributes:
        frames: (N, C, 4·3, height, width) uint8, the four frames of a camera one behind the other; 0 where none is.
        cameras: (N, C) int64 camera index, NO_CAMERA behind the last one.
        history: (N, 16, 3) float32 x, y and heading, rad; the last is 0.
        future: (N, 64, 2) float32 x, y.
        tokens: (N, L) int64 the text's words, END and PAD.
    """

    frames: torch.Tensor
    cameras: torch.Tensor
    history: torch.Tensor
    future: torch.Tensor
    tokens: torch.Tensor

    def __len__(self) -> int:
        return len(self.history)

    def __getitem__(self, which: torch.Tensor | slice) -> Examples:
        """Some of the samples."""
        return Examples(**{field.name: getattr(self, field.name)[which] for field in fields(self)})

    def without_frames(self) -> Examples:
        """The same samples as if none had video."""
        return Examples(self.frames[:, :0], self.cameras[:, :0], self.history, self.future, self.tokens)


def read_samples(dataset: CoCShardDataset) -> list[Sample]:
    """All samples of a set; their frames are made small as they come, so that memory holds no large ones."""
    return [with_small_frames(dataset[position]) for position in range(len(dataset))]


def examples_of(samples: Sequence[Sample], vocabulary: Vocabulary) -> Examples:
    """Samples with small frames stacked, with or without video, whatever their cameras.

    Raises:
        ValueError: there are none.
    """
    if not samples:
        raise ValueError("No samples to stack.")
    cameras = max(len(sample["camera_indices"]) for sample in samples)
    return Examples(
        torch.stack([_frames(sample, cameras) for sample in samples]),
        torch.stack([_cameras(sample, cameras) for sample in samples]),
        torch.stack([_history(sample) for sample in samples]),
        torch.stack([sample["ego_future_xyz"][0, :, :2] for sample in samples]),
        torch.tensor(padded([vocabulary.encode(sample["cot"]) for sample in samples])),
    )


def with_small_frames(sample: Sample) -> Sample:
    """The sample with its frames averaged down to FRAME_SIZE."""
    frames = sample["image_frames"]
    if not len(frames):
        return sample
    small = functional.interpolate(frames.flatten(0, 1).float(), FRAME_SIZE, mode="area").round().to(torch.uint8)
    return {**sample, "image_frames": small.unflatten(0, frames.shape[:2])}


def _frames(sample: Sample, cameras: int) -> torch.Tensor:
    frames = sample["image_frames"]
    room = torch.zeros(cameras, frames.shape[1] * _RGB, *FRAME_SIZE, dtype=torch.uint8)
    if len(frames):
        room[: len(frames)] = frames.flatten(1, 2)
    return room


def _cameras(sample: Sample, cameras: int) -> torch.Tensor:
    there = sample["camera_indices"]
    return functional.pad(there, (0, cameras - len(there)), value=NO_CAMERA)


def _history(sample: Sample) -> torch.Tensor:
    rotation = sample["ego_history_rot"][0]
    heading = torch.atan2(rotation[:, 1, 0], rotation[:, 0, 0])
    return torch.cat([sample["ego_history_xyz"][0, :, :2], heading[:, None]], dim=1)
