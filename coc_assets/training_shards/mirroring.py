"""A sample as its mirror image would be: pixels, cameras, motion, decisions and words are mirrored together.

The mirror stands in the vehicle's plane of symmetry, y = 0 of the ego frame. So traffic that keeps right keeps left in
it, and writing in the pictures reads backwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from coc_assets.training_shards.dataset import CoCShardDataset, Sample
from coc_assets.training_shards.side_words import mirrored_text

OPPOSITE_CAMERA = {0: 2, 2: 0, 3: 5, 5: 3}
"""Camera index of the other side; the others look along the vehicle and stay."""

ALONG_Y = (False, True, False)


class MirroredCoCShardDataset(CoCShardDataset):
    """Every sample of a store or a release in the mirror; everything else is as `CoCShardDataset` has it.

    `read_members` gives what lies in the shard, which is not mirrored.
    """

    def __getitem__(self, position: int) -> Sample:
        return mirrored(super().__getitem__(position))

    def about(self, position: int) -> dict[str, Any]:
        return mirrored_about(super().about(position))


def mirrored(sample: Sample) -> Sample:
    """The sample seen in the mirror; mirrored again it is the same, bit for bit.

    Frames are flipped in width and go to the camera of the other side, with their timestamps; cameras stay sorted by
    index. Positions have y negated, rotations R become M R M with M = diag(1, −1, 1). Zeros keep their sign, so the
    pose at t0 stays 0 / identity. For the text see `mirrored_text`.
    """
    cameras = [OPPOSITE_CAMERA.get(camera, camera) for camera in sample["camera_indices"].tolist()]
    indices, order = torch.sort(torch.tensor(cameras, dtype=torch.int64))
    return {
        "ego_history_xyz": mirrored_positions(sample["ego_history_xyz"]),
        "ego_history_rot": mirrored_rotations(sample["ego_history_rot"]),
        "ego_future_xyz": mirrored_positions(sample["ego_future_xyz"]),
        "ego_future_rot": mirrored_rotations(sample["ego_future_rot"]),
        "image_frames": sample["image_frames"][order].flip(-1),
        "camera_indices": indices,
        "absolute_timestamps": sample["absolute_timestamps"][order],
        "relative_timestamps": sample["relative_timestamps"][order],
        "t0_us": sample["t0_us"],
        "clip_id": sample["clip_id"],
        "cot": mirrored_text(sample["cot"]),
    }


def mirrored_about(about: Mapping[str, Any]) -> dict[str, Any]:
    """A sample's `.json` of the mirrored sample: cameras, action, direction, components' words and the four parts.

    Provenance and quality are those of the label that was mirrored.
    """
    return {
        **about,
        "camera_indices": sorted(OPPOSITE_CAMERA.get(camera, camera) for camera in about["camera_indices"]),
        "action": _mirrored_words(about["action"]),
        "decisions": _mirrored_words(about["decisions"]),
        "components": _mirrored_words(about["components"]),
        "text": _mirrored_words(about["text"]),
    }


def mirrored_positions(xyz: torch.Tensor) -> torch.Tensor:
    """(…, 3) positions in the ego frame with y negated."""
    return _negated(xyz, torch.tensor(ALONG_Y))


def mirrored_rotations(rot: torch.Tensor) -> torch.Tensor:
    """(…, 3, 3) rotations R as M R M with M = diag(1, −1, 1): what mixes y with x or z changes its sign."""
    along_y = torch.tensor(ALONG_Y)
    return _negated(rot, along_y[:, None] ^ along_y)


def _negated(values: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Negates chosen elements but zeros, whose sign nobody means."""
    return torch.where(where & (values != 0), -values, values)


def _mirrored_words(content: Any) -> Any:
    """The same structure with the sides swapped in every text of it; keys stay."""
    if isinstance(content, str):
        return mirrored_text(content)
    if isinstance(content, Mapping):
        return {name: _mirrored_words(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_mirrored_words(value) for value in content]
    return content
