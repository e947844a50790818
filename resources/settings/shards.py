"""Settings of the shards section."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from resources import schemas
from resources.control_tokens import CONTROL_TOKEN
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
Form = Literal["wds", "pai_overlay", "vlm_json", "jsonl", "cot_yaml"]
"""What a training set is written as: WebDataset shards, or one of the forms that other readers load."""
SplitName = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
Ratio = Annotated[float, Field(gt=0.0, le=1.0)]


class ShardSettings(Section):
    """Which labels become training samples, what a sample carries, and how samples are packed."""

    labelers: tuple[str, ...] = Field(
        (),
        description="labelers in order of preference, the first kept label is the sample; empty: the labeler in force",
    )
    verdicts: tuple[Literal["keep", "review"], ...] = Field(
        ("keep",), min_length=1, description="verdicts whose labels are used"
    )
    decisions: tuple[schemas.LongitudinalDecision | schemas.LateralDecision, ...] = Field(
        (), description="use only labels that name one of these decisions in either channel; empty: any"
    )
    min_spacing_s: float = Field(
        0.0,
        ge=0.0,
        description="of samples of one clip with the same decisions, closer than this, only the first stays; 0 is off",
    )
    formats: tuple[Form, ...] = Field(
        ("wds",),
        min_length=1,
        description="what is written: wds (shards of frames and arrays), pai_overlay, vlm_json, jsonl, cot_yaml",
    )
    cameras: tuple[Camera, ...] = Field(
        ("camera_front_wide_120fov",), min_length=1, description="cameras whose frames a sample carries"
    )
    require_video: bool = Field(False, description="reject a sample that lacks frames of any of the cameras")
    frame_height: int | None = Field(None, ge=16, description="height of the stored frames, pixels; null is as filmed")
    jpeg_quality: int = Field(95, ge=1, le=100, description="quality of the stored frames")
    shard_bytes: int = Field(250_000_000, ge=10_240, description="size that shards are planned for, bytes")
    max_shard_bytes: int = Field(500_000_000, ge=10_240, description="ceiling of one shard, bytes")
    split_by: Literal["dataset", "hash", "file"] = Field(
        "dataset",
        description="dataset: its own split where it names one, else by hash; hash: always; file: as split_file says",
    )
    split_file: Path | None = Field(
        None, description="CSV or Parquet with clip_id and split; clips that it does not name are left out"
    )
    splits: dict[SplitName, Ratio] = Field(
        {"train": 0.9, "val": 0.05, "test": 0.05},
        min_length=1,
        description="shares of clips by hash of the clip id",
    )
    video_seconds: float = Field(2.0, gt=0.0, le=20.0, description="vlm_json: seconds of video that end at t0")
    video_fps: float = Field(10.0, gt=0.0, le=30.0, description="vlm_json: frames a second of that video")
    question: str = Field(
        "This is what the ego vehicle's camera saw in the seconds up to now. "
        "What does the ego vehicle decide, and what in the scene causes it?",
        min_length=1,
        description="vlm_json: what the human asks",
    )

    @model_validator(mode="after")
    def _fits(self) -> ShardSettings:
        if (self.split_by == "file") != (self.split_file is not None):
            raise ValueError("split_by: file and split_file belong together; give both or neither")
        return self

    @field_validator("question")
    @classmethod
    def _plain(cls, question: str) -> str:
        if CONTROL_TOKEN.search(question):
            raise ValueError("holds tokens that trainers read as commands; the media tokens are put in front of it")
        return question

    @field_validator("splits")
    @classmethod
    def _whole(cls, splits: dict[str, float]) -> dict[str, float]:
        if not math.isclose(math.fsum(splits.values()), 1.0, abs_tol=1e-9):
            raise ValueError(f"the shares of shards.splits add up to {math.fsum(splits.values()):g}, not 1")
        return splits

    @field_validator("labelers", "verdicts", "decisions", "formats", "cameras")
    @classmethod
    def _once_each(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"a name occurs twice in {list(names)}")
        return names
