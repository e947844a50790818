"""Settings of the shards section."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator

from resources.settings.section import Section

# In the order of the camera indices that trainers use: 0 … 6.
Camera = Literal[
    "camera_cross_left_120fov",
    "camera_front_wide_120fov",
    "camera_cross_right_120fov",
    "camera_rear_left_70fov",
    "camera_rear_tele_30fov",
    "camera_rear_right_70fov",
    "camera_front_tele_30fov",
]
SplitName = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
Ratio = Annotated[float, Field(gt=0.0, le=1.0)]


class ShardSettings(Section):
    """Which labels become training samples, what a sample carries, and how samples are packed."""

    labelers: tuple[str, ...] = Field(
        (),
        description="labelers in order of preference, the first kept label is the sample; empty: the labeler in force",
    )
    cameras: tuple[Camera, ...] = Field(
        ("camera_front_wide_120fov",), min_length=1, description="cameras whose frames a sample carries"
    )
    require_video: bool = Field(False, description="reject a sample that lacks frames of any of the cameras")
    frame_height: int | None = Field(None, ge=16, description="height of the stored frames, pixels; null is as filmed")
    jpeg_quality: int = Field(95, ge=1, le=100, description="quality of the stored frames")
    max_shard_bytes: int = Field(500_000_000, ge=10_240, description="ceiling of one shard, bytes")
    splits: dict[SplitName, Ratio] = Field(
        {"train": 0.9, "val": 0.05, "test": 0.05},
        min_length=1,
        description="shares of clips by hash of the clip id, where the dataset names no split",
    )

    @field_validator("splits")
    @classmethod
    def _whole(cls, splits: dict[str, float]) -> dict[str, float]:
        if not math.isclose(math.fsum(splits.values()), 1.0, abs_tol=1e-9):
            raise ValueError(f"the shares of shards.splits add up to {math.fsum(splits.values()):g}, not 1")
        return splits

    @field_validator("labelers", "cameras")
    @classmethod
    def _once_each(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"a name occurs twice in {list(names)}")
        return names
