"""Encoding frames anew: mp4s that play in browsers and carry the real frame times.

They are the same bytes whenever they are made: one encoder thread, no dates, no writer tags.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from coc_assets.sources.video import exact_scaling

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

MICROSECOND = Fraction(1, 1_000_000)
_LIMITED_RANGE = 1  # FFmpeg's AVCOL_RANGE_MPEG, what browsers take yuv420p for
# Room kept at the file's head for the index, so that it can be played before it is whole.
_HEADER_BYTES = 4096
_HEADER_BYTES_A_FRAME = 24


@dataclass(frozen=True)
class Encoding:
    """How x264 is asked to encode: constant rate factor, preset, and most frames from one key frame to the next."""

    crf: int
    preset: str
    key_frame_every: int


class Encoder:
    """One mp4 on its way into memory: H.264, yuv420p, no audio; presentation times in µs from its first frame.

    Args:
        times_us: (F,) int64 ascending, F > 0, instants of the frames that are going to be added.
        first: any decoded frame of the source; its colours are taken over.
        size: width and height, even.
        encoding: quality and effort.
    """

    def __init__(self, times_us: np.ndarray, first: VideoFrame, size: tuple[int, int], encoding: Encoding) -> None:
        import av
        from av.codec.context import Flags

        self._times = times_us - times_us[0]
        self._added = 0
        self._buffer = io.BytesIO()
        header_bytes = _HEADER_BYTES + _HEADER_BYTES_A_FRAME * len(times_us)
        options = {"fflags": "+bitexact", "moov_size": str(header_bytes)}
        self._container = av.open(self._buffer, "w", format="mp4", container_options=options)
        self._stream = self._container.add_stream("libx264", rate=_frame_rate(self._times))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = MICROSECOND
        context = self._stream.codec_context
        context.time_base = MICROSECOND
        context.thread_count = 1
        context.gop_size = encoding.key_frame_every
        context.flags |= Flags.frame_duration
        context.max_b_frames = 0  # stored in the order shown: no edit list, exact seeking everywhere
        context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
        context.colorspace, context.color_range = first.colorspace, _LIMITED_RANGE
        # x264's macroblock tree reads memory that it never set: equal frames could give other bytes.
        context.options = {"crf": str(encoding.crf), "preset": encoding.preset, "profile": "main", "mbtree": "0"}

    def add(self, picture: VideoFrame) -> bool:
        """Encodes the next frame, of the encoder's size (`scaled`); True once it was the last."""
        at = self._added
        picture.pts, picture.time_base = int(self._times[at]), MICROSECOND
        picture.duration = self._lasts_us(at)
        picture.pict_type = 0  # the source's frame types do not bind the encoder
        self._container.mux(self._stream.encode(picture))
        self._added += 1
        return self._added == len(self._times)

    def bytes(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._buffer.getvalue()

    def _lasts_us(self, at: int) -> int:
        intervals = np.diff(self._times)
        return int(intervals[min(at, intervals.size - 1)]) if intervals.size else 0


def scaled(frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    """A decoded frame in an encoder's size and colours, the same bytes on every machine."""
    return frame.reformat(*size, format="yuv420p", interpolation=exact_scaling(), dst_color_range="MPEG", threads=1)


def even_size(width: int, height: int, high: int) -> tuple[int, int]:
    """Width and height of a picture that is made so high, both rounded down to even pixels, as yuv420p needs them."""
    return _even(width * high / height), _even(high)


def _frame_rate(times_us: np.ndarray) -> int:
    """Nominal rate for rate control and level, Hz; the frames carry their own times."""
    span_us = int(times_us[-1])
    return max(round((times_us.size - 1) * 1e6 / span_us), 1) if span_us else 1


def _even(pixels: float) -> int:
    return max(int(pixels) // 2 * 2, 2)
