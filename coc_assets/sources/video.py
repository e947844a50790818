"""Frames of a clip's video, exact by index, read from any seekable bytes.

A frame's index is its rank by presentation time among the packets that the container lists. It is never computed from a
frame rate: intervals are irregular and B-frames are stored out of order. Which index was on show at an instant of the
clip's clock is what the camera timestamps say (`frames_at_or_before`).
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from resources.faults import may_pass

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# A frame stays on show for one interval; half a one more allows for jitter of the last interval.
LAST_FRAME_LASTS_INTERVALS = 1.5
# Below this, decoding on is cheaper than a seek, which drops what the decoder holds.
SEEK_OVER_FRAMES = 30


class VideoError(Exception):
    """A video cannot be read.

    Attributes:
        reason: short and countable; becomes `rejects.reason`.
        hint: what is wrong in the file and the mend; whoever knows the file's name puts it in front.
    """

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(f"{reason}: {hint}")
        self.reason = reason
        self.hint = hint


@dataclass(frozen=True)
class VideoFacts:
    """What a video's header says.

    Attributes:
        frames: number of frames that are shown.
        width, height: size of the first frame as decoded, pixels.
    """

    frames: int
    width: int
    height: int


@dataclass(frozen=True)
class _Timeline:
    """Presentation order of a stream's frames, and where decoding can start.

    Attributes:
        index_of: frame index by presentation time (stream time base).
        keys: indices of the key frames, ascending.
        starts: decoding time of each key frame.
    """

    index_of: dict[int, int]
    keys: list[int]
    starts: dict[int, int]

    def key_before(self, index: int) -> int:
        """The last key frame at or before a frame."""
        return self.keys[max(bisect_right(self.keys, index) - 1, 0)]


def frames_at_or_before(timestamps_us: np.ndarray, asked_us: np.ndarray | Sequence[int]) -> np.ndarray:
    """Which frame was on show at each asked instant.

    Args:
        timestamps_us: (F,) int64 ascending, instants of the frames, clip clock, µs.
        asked_us: (N,) int64, clip clock, µs.

    Returns:
        (N,) int64 frame indices; −1 before the first frame and later than 1.5 median intervals after the last one.
    """
    asked = np.asarray(asked_us, dtype=np.int64)
    if timestamps_us.size == 0:
        return np.full(asked.shape, -1, dtype=np.int64)
    found = np.searchsorted(timestamps_us, asked, side="right").astype(np.int64) - 1
    interval = float(np.median(np.diff(timestamps_us))) if timestamps_us.size > 1 else 0.0
    found[asked > timestamps_us[-1] + LAST_FRAME_LASTS_INTERVALS * interval] = -1
    return found


def probe(file: BinaryIO) -> VideoFacts:
    """Frame count and size; reads the header and the first frame alone where the header lists all frames.

    Raises:
        VideoError: not a video, no video stream, its first frame does not decode, or the file ends before its frames.
    """
    with _opened(file) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None or first.is_corrupt:
            raise _undecodable("its first frame does not decode")
        return VideoFacts(_frame_count(container, stream), first.width, first.height)


def iterate_frames(file: BinaryIO, wanted: Collection[int]) -> Iterator[tuple[int, VideoFrame]]:
    """Decoded pictures of the wanted frames, ascending, each decoded once.

    It seeks to the key frame before the first wanted frame, rolls forward, and seeks again only over long gaps.

    Args:
        file: seekable bytes of an mp4.
        wanted: frame indices in any order; repeats count once.

    Raises:
        VideoError: the video has no such frame, or the frame does not decode.
    """
    waiting = deque(sorted(set(wanted)))
    if not waiting:
        return
    with _opened(file) as (container, stream):
        timeline = _timeline(container, stream)
        _require_frames(waiting, len(timeline.index_of))
        while waiting:
            container.seek(timeline.starts[timeline.key_before(waiting[0])], stream=stream)
            yield from _roll_forward(container, stream, timeline, waiting)


def decode_frames(file: BinaryIO, wanted: Sequence[int]) -> dict[int, np.ndarray]:
    """Pictures by frame index: (H, W, 3) uint8, RGB.

    Args:
        file: seekable bytes of an mp4.
        wanted: frame indices in any order; repeats count once.

    Raises:
        VideoError: the video has no such frame, or the frame does not decode.
    """
    return {index: rgb(frame) for index, frame in iterate_frames(file, wanted)}


def rgb(frame: VideoFrame) -> np.ndarray:
    """A decoded frame's picture: (H, W, 3) uint8, RGB, the same bytes on every machine."""
    return frame.to_ndarray(format="rgb24", interpolation=exact_scaling(), threads=1)


def exact_scaling() -> int:
    """Interpolation flags under which scaling and colour conversion give the same bytes on every machine."""
    from av.video.reformatter import Interpolation

    return int(Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT)


def _roll_forward(
    container: InputContainer, stream: VideoStream, timeline: _Timeline, waiting: deque[int]
) -> Iterator[tuple[int, VideoFrame]]:
    """Decodes on from where the container stands, until nothing waits or a seek would skip much."""
    for frame in container.decode(stream):
        index = -1 if frame.pts is None else timeline.index_of.get(frame.pts, -1)
        if index < waiting[0]:
            continue
        if index > waiting[0] or frame.is_corrupt:
            raise _undecodable(f"frame {waiting[0]} of {len(timeline.index_of)} does not decode")
        yield waiting.popleft(), frame
        if not waiting or timeline.key_before(waiting[0]) - index > SEEK_OVER_FRAMES:
            return
    raise _undecodable(f"frame {waiting[0]} of {len(timeline.index_of)} does not decode")


@contextmanager
def _opened(file: BinaryIO) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its video stream; what FFmpeg raises inside, or the disk for good, becomes a VideoError."""
    import av

    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        with av.open(file, "r", format="mp4") as container:
            if not container.streams.video:
                raise _undecodable("it has no video stream")
            stream = container.streams.video[0]
            end_of_frames = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
            if end_of_frames > length:
                raise _undecodable(f"it is cut short: {length} bytes of at least {end_of_frames}")
            stream.codec_context.thread_count = 1  # runs are parallel by process, a chunk each
            yield container, stream
    except (av.FFmpegError, OSError) as error:
        if may_pass(error) and not isinstance(error, av.FFmpegError):  # FFmpeg says EIO of damaged data, too
            raise
        raise _undecodable(f"reading it failed ({error.strerror or error})") from error


def _timeline(container: InputContainer, stream: VideoStream) -> _Timeline:
    packets = [packet for packet in container.demux(stream) if packet.size and not packet.is_discard]
    times = sorted({packet.pts for packet in packets if packet.pts is not None})
    if len(times) < len(packets):
        raise _undecodable("its frames lack distinct presentation times")
    index_of = {pts: index for index, pts in enumerate(times)}
    starts = {index_of[p.pts]: p.dts for p in packets if p.is_keyframe and p.pts is not None and p.dts is not None}
    if not starts:
        raise _undecodable("it has no key frame")
    return _Timeline(index_of, sorted(starts), starts)


def _frame_count(container: InputContainer, stream: VideoStream) -> int:
    """Frames shown; reads the whole file only where the header does not list them all (fragments)."""
    if stream.frames == len(stream.index_entries):
        return sum(not entry.is_discard for entry in stream.index_entries)
    container.seek(0)
    return len(_timeline(container, stream).index_of)


def _require_frames(waiting: deque[int], frames: int) -> None:
    outside = [index for index in (waiting[0], waiting[-1]) if not 0 <= index < frames]
    if outside:
        raise VideoError("video_shorter_than_clip", f"frame {outside[0]} is asked for and the video has {frames}.")


def _undecodable(what: str) -> VideoError:
    return VideoError("video_undecodable", f"{what}. Fetch the file again, or encode it anew as H.264 or HEVC in mp4.")
