"""Evidence segments: the seconds of video around a keyframe, encoded anew so that they start and end where they should.

A stream copy would start at a key frame up to a second early.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from coc_assets.sources.video import frames_at_or_before, iterate_frames
from coc_assets.sources.video_encoding import Encoder, Encoding, even_size, scaled
from resources.settings.videos import VideoSettings


def window_frames(timestamps_us: np.ndarray, t0_us: int, settings: VideoSettings) -> range:
    """Frames on show during [t0 − history, t0 + future), as a range of indices; empty where the video covers none.

    The first is the one on show at the window's start, so every frame shown to a model is in the segment.

    Args:
        timestamps_us: (F,) int64 ascending, instants of the video's frames, clip clock, µs.
        t0_us: the keyframe's instant, clip clock, µs.
    """
    begin_us, end_us = t0_us - round(settings.history_s * 1e6), t0_us + round(settings.future_s * 1e6)
    stop = int(np.searchsorted(timestamps_us, end_us, side="left"))
    first = int(frames_at_or_before(timestamps_us, [begin_us])[0])
    if first < 0:
        first = 0 if stop and begin_us < timestamps_us[0] else stop
    return range(first, stop)


def cut_segment(file: BinaryIO, timestamps_us: np.ndarray, window: range, settings: VideoSettings) -> bytes:
    """One segment; see `cut_segments`."""
    return cut_segments(file, timestamps_us, {"": window}, settings)[""]


def cut_segments(
    file: BinaryIO,
    timestamps_us: np.ndarray,
    windows: Mapping[str, range],
    settings: VideoSettings,
    *,
    decode_all: bool = False,
) -> dict[str, bytes]:
    """Segments of one video as mp4 bytes: H.264, yuv420p, no audio, in one pass over the video.

    Each frame is decoded and scaled once, however many windows hold it. Presentation times are the camera's, in µs from
    the segment's first frame.

    Args:
        file: seekable bytes of the clip's mp4.
        timestamps_us: (F,) int64 ascending, instants of the frames, clip clock, µs.
        windows: non-empty ranges of frame indices by name.
        decode_all: decode frames outside the windows too, to find out whether they can be.

    Raises:
        VideoError: a frame that is needed cannot be decoded.
    """
    wanted = range(len(timestamps_us)) if decode_all else set().union(*windows.values())
    encoding = Encoding(settings.crf, settings.preset, settings.key_frame_every)
    starting = dict(windows)
    running: dict[str, Encoder] = {}
    finished: dict[str, bytes] = {}
    size: tuple[int, int] | None = None
    for index, frame in iterate_frames(file, wanted):
        size = size or segment_size(frame.width, frame.height, settings)  # the first frame's, should it ever change
        for name in [name for name, window in starting.items() if window.start == index]:
            window = starting.pop(name)
            running[name] = Encoder(timestamps_us[window.start : window.stop], frame, size, encoding)
        if not running:
            continue
        picture = scaled(frame, size)
        for name in [name for name, encoder in running.items() if encoder.add(picture)]:
            finished[name] = running.pop(name).bytes()
    return {name: finished[name] for name in windows}


def segment_size(width: int, height: int, settings: VideoSettings) -> tuple[int, int]:
    """Width and height of a segment of a video of that size: at most `segment_height` high, both even, never larger."""
    return even_size(width, height, min(height, settings.segment_height))
