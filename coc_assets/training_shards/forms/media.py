"""The video of a sample: the seconds that end at t0, and nothing later, so that no future leaks into the question."""

from __future__ import annotations

from itertools import chain
from typing import BinaryIO

import numpy as np

from coc_assets.sources.video import VideoError, frames_at_or_before, iterate_frames
from coc_assets.sources.video_encoding import Encoder, Encoding, even_size, scaled
from resources.settings.shards import ShardSettings

# Finer than evidence segments: a model learns from these, people only look at those.
_ENCODING = Encoding(crf=20, preset="veryfast", key_frame_every=30)


def sample_video(file: BinaryIO, timestamps_us: np.ndarray, t0_us: int, settings: ShardSettings) -> bytes:
    """The mp4 of a sample: H.264, yuv420p, of the settings' height, as filmed without one.

    Args:
        file: seekable bytes of the clip's mp4.
        timestamps_us: (F,) int64 ascending, instants of its frames, clip clock, µs.
        t0_us: decision time, clip clock, µs.
        settings: seconds and frames a second.

    Raises:
        VideoError: no frame is on show at t0, or a frame does not decode.
    """
    shown = shown_frames(timestamps_us, t0_us, settings)
    if not shown.size:
        raise VideoError("video_shorter_than_clip", f"no frame is on show at t0, {t0_us} µs.")
    frames = (frame for _, frame in iterate_frames(file, shown.tolist()))
    first = next(frames)
    size = even_size(first.width, first.height, settings.frame_height or first.height)
    encoder = Encoder(timestamps_us[shown], first, size, _ENCODING)
    for frame in chain([first], frames):
        encoder.add(scaled(frame, size))
    return encoder.bytes()


def shown_frames(timestamps_us: np.ndarray, t0_us: int, settings: ShardSettings) -> np.ndarray:
    """Indices of the frames at or before t0 − k / fps, each once and ascending; none where nothing is on show at t0.

    Where the video begins later than the window, the window is shorter.
    """
    steps = np.arange(int(settings.video_seconds * settings.video_fps + 1e-9), -1, -1)
    asked = t0_us - np.round(steps * 1e6 / settings.video_fps).astype(np.int64)
    at = frames_at_or_before(timestamps_us, asked)
    return np.unique(at[at >= 0]) if at[-1] >= 0 else at[:0]
