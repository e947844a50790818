"""Settings of the videos section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from resources.settings.section import Section


class VideoSettings(Section):
    """Which camera is used, what is shown of it around a keyframe, and how evidence segments are encoded."""

    camera: str = Field("camera_front_wide_120fov", description="camera, as the dataset names it")
    history_s: float = Field(2.0, ge=0, description="video shown before the keyframe, s")
    future_s: float = Field(6.0, gt=0, description="video shown from the keyframe on, s")
    sample_step_s: float = Field(0.5, gt=0, description="step between the frames that a model is shown, s")
    segments: Literal["always", "on_demand"] | None = Field(
        None,
        description="when evidence segments are cut: always (and every video is then decoded in full), or on_demand; "
        "unset: always for a generated sample, on_demand otherwise",
    )
    segment_height: int = Field(540, ge=2, description="largest height of a segment, pixels; never scaled up")
    crf: int = Field(26, ge=0, le=51, description="x264 constant rate factor of segments; lower is better and larger")
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = (
        Field("veryfast", description="x264 preset of segments; slower is smaller")
    )
    key_frame_every: int = Field(30, ge=1, description="largest distance of a segment's key frames, frames")
    clip_slack_s: float = Field(0.5, ge=0, description="video that either end of a clip may lack, s")
