"""Small videos with each frame's number burnt into the picture as a strip of black and white blocks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

BITS = 12
CODECS = {
    "h264": ("libx264", {}),
    "h264_no_b_frames": ("libx264", {"bf": "0"}),
    "h264_open_gop": ("libx264", {"x264-params": "open-gop=1:bframes=4:b-adapt=0:scenecut=0"}),
    "hevc_open_gop": ("libx265", {"x265-params": "log-level=none:open-gop=1:bframes=4:b-adapt=0:scenecut=0"}),
}


def picture(number: int, width: int, height: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8: the number's bits, lowest first, above noise that keeps encoders from copying frames."""
    image = np.random.default_rng([seed, number]).integers(80, 120, (height, width, 3), dtype=np.uint8)
    bits = number >> (np.arange(width) * BITS // width) & 1
    image[: height // 4] = (bits * 255)[:, None]
    return image


def read_number(image: np.ndarray) -> int:
    """The number burnt into an RGB picture, at whatever scale."""
    height, width = image.shape[:2]
    centres = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    return int(((image[height // 8, centres].mean(axis=-1) > 128) << np.arange(BITS)).sum())


@lru_cache
def clip_mp4(
    frames: int = 90,
    codec: str = "h264",
    *,
    width: int = 144,
    height: int = 80,
    times_ms: Sequence[int] | None = None,
    index_first: bool = True,
    pixels: str = "yuv420p",
    fragmented: bool = False,
) -> bytes:
    """An mp4 with a key frame every 15 frames; frame k shows k.

    Args:
        times_ms: presentation times, ms; 30 a second if not given. An edit list leaves out what lies before 0.
        index_first: the header precedes the frames, so that a truncated file still opens.
        fragmented: in fragments, as for streaming; the header then lists no frames.
    """
    import av

    name, options = CODECS[codec]
    buffer = io.BytesIO()
    reserved = {"moov_size": str(4096 + 32 * frames)} if index_first else {}
    layout = {"movflags": "dash"} if fragmented else reserved
    early = {"avoid_negative_ts": "disabled"} if times_ms and times_ms[0] < 0 else {}
    with av.open(buffer, "w", format="mp4", container_options=layout | early) as container:
        stream = container.add_stream(name, rate=30, options={"preset": "ultrafast", "bf": "3"} | options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.gop_size, stream.codec_context.thread_count = 15, 1
        tick = Fraction(1, 1000) if times_ms else Fraction(1, 30)
        stream.time_base = stream.codec_context.time_base = tick
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, width, height), format="rgb24")
            frame.pts = times_ms[number] if times_ms else number
            frame.time_base = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def damaged(mp4: bytes, share: float = 0.5, length: int = 400) -> bytes:
    """The file with some bytes of its frames overwritten, from the given share of them on."""
    start = mp4.index(b"mdat") + 4
    at = start + int(share * (len(mp4) - start))
    noise = np.random.default_rng(1).integers(0, 256, length, dtype=np.uint8).tobytes()
    return mp4[:at] + noise + mp4[at + length :]
