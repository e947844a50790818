"""Which frames of a clip's video a model is shown around a keyframe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coc_assets.sources.video import frames_at_or_before
from resources.settings.videos import VideoSettings


@dataclass(frozen=True)
class Shown:
    """Frames shown around a keyframe: one for each asked instant that the video covers, ascending.

    Attributes:
        frame_us: (N,) int64, the frames' own instants, clip clock, µs; at or just before the asked ones.
        source_frame: (N,) int64, their indices in the clip's video.
        missing_us: (M,) int64, asked instants that the video does not cover, µs.
    """

    frame_us: np.ndarray
    source_frame: np.ndarray
    missing_us: np.ndarray


def asked_instants(t0_us: int, settings: VideoSettings) -> np.ndarray:
    """Instants asked for around t0: (N,) int64, µs.

    History includes t0 and reaches back to `history_s`; the future excludes its own end. With the default settings
    five and eleven, −2.0 … 5.5 s at 2 Hz (chain-of-causation rules, Keyframes).
    """
    step_us = round(settings.sample_step_s * 1e6)
    before = round(settings.history_s * 1e6) // step_us
    after = -(-round(settings.future_s * 1e6) // step_us)
    return t0_us + step_us * np.arange(-before, after, dtype=np.int64)


def shown_frames(timestamps_us: np.ndarray, t0_us: int, settings: VideoSettings) -> Shown:
    """Frames of the asked instants, identified by the camera timestamps; what the video does not cover is listed.

    Args:
        timestamps_us: (F,) int64 ascending, instants of the video's frames, clip clock, µs; empty without a video.
        t0_us: the keyframe's instant, clip clock, µs.
    """
    asked = asked_instants(t0_us, settings)
    found = frames_at_or_before(timestamps_us, asked)
    covered = found >= 0
    return Shown(timestamps_us[found[covered]], found[covered], asked[~covered])
