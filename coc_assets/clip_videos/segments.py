"""Evidence segments: the seconds of video around a keyframe, encoded anew so that they start and end where they should.

A stream copy would start at a key frame up to a second early. Segments play in browsers, carry the real frame times,
and are the same bytes whenever they are cut: one encoder thread, no dates, no writer tags.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from coc_assets.sources.video import exact_scaling, frames_at_or_before, iterate_frames
from resources.settings.videos import VideoSettings

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

MICROSECOND = Fraction(1, 1_000_000)
_LIMITED_RANGE = 1  # FFmpeg's AVCOL_RANGE_MPEG, what browsers take yuv420p for
# Room kept at the file's head for the index, so that it can be played before it is whole.
_HEADER_BYTES = 4096
_HEADER_BYTES_A_FRAME = 24


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
    starting = dict(windows)
    running: dict[str, _Encoder] = {}
    finished: dict[str, bytes] = {}
    size: tuple[int, int] | None = None
    for index, frame in iterate_frames(file, wanted):
        size = size or segment_size(frame.width, frame.height, settings)  # the first frame's, should it ever change
        for name in [name for name, window in starting.items() if window.start == index]:
            running[name] = _Encoder(starting.pop(name), timestamps_us, frame, size, settings)
        if not running:
            continue
        picture = _scaled(frame, size)
        for name in [name for name, encoder in running.items() if encoder.add(index, picture)]:
            finished[name] = running.pop(name).bytes()
    return {name: finished[name] for name in windows}


def segment_size(width: int, height: int, settings: VideoSettings) -> tuple[int, int]:
    """Width and height of a segment of a video of that size: at most `segment_height` high, both even, never larger."""
    high = min(height, settings.segment_height)
    return _even(width * high / height), _even(high)


class _Encoder:
    """One segment on its way into memory."""

    def __init__(
        self,
        window: range,
        timestamps_us: np.ndarray,
        first: VideoFrame,
        size: tuple[int, int],
        settings: VideoSettings,
    ) -> None:
        import av
        from av.codec.context import Flags

        self._times = timestamps_us[window.start : window.stop] - timestamps_us[window.start]
        self._window = window
        self._buffer = io.BytesIO()
        header_bytes = _HEADER_BYTES + _HEADER_BYTES_A_FRAME * len(window)
        options = {"fflags": "+bitexact", "moov_size": str(header_bytes)}
        self._container = av.open(self._buffer, "w", format="mp4", container_options=options)
        self._stream = self._container.add_stream("libx264", rate=_frame_rate(self._times))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = MICROSECOND
        context = self._stream.codec_context
        context.time_base = MICROSECOND
        context.thread_count = 1
        context.gop_size = settings.key_frame_every
        context.flags |= Flags.frame_duration
        context.max_b_frames = 0  # stored in the order shown: no edit list, exact seeking everywhere
        context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
        context.colorspace, context.color_range = first.colorspace, _LIMITED_RANGE
        # x264's macroblock tree reads memory that it never set: equal frames could give other bytes.
        context.options = {"crf": str(settings.crf), "preset": settings.preset, "profile": "main", "mbtree": "0"}

    def add(self, index: int, picture: VideoFrame) -> bool:
        """Encodes a frame of the window; True once it was the last."""
        at = index - self._window.start
        picture.pts, picture.time_base = int(self._times[at]), MICROSECOND
        picture.duration = self._lasts_us(at)
        picture.pict_type = 0  # the source's frame types do not bind the encoder
        self._container.mux(self._stream.encode(picture))
        return index == self._window.stop - 1

    def bytes(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._buffer.getvalue()

    def _lasts_us(self, at: int) -> int:
        intervals = np.diff(self._times)
        return int(intervals[min(at, intervals.size - 1)]) if intervals.size else 0


def _scaled(frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    return frame.reformat(*size, format="yuv420p", interpolation=exact_scaling(), dst_color_range="MPEG", threads=1)


def _frame_rate(times_us: np.ndarray) -> int:
    """Nominal rate for rate control and level, Hz; the frames carry their own times."""
    span_us = int(times_us[-1])
    return max(round((times_us.size - 1) * 1e6 / span_us), 1) if span_us else 1


def _even(pixels: float) -> int:
    return max(int(pixels) // 2 * 2, 2)
