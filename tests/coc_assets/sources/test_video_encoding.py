"""Encoded mp4s: sizes that yuv420p can hold, and the frames' own times."""

from __future__ import annotations

import io

import numpy as np
import pytest

from coc_assets.sources.video import iterate_frames
from coc_assets.sources.video_encoding import Encoder, Encoding, even_size, scaled
from tests.coc_assets.clip_videos.burnt import clip_mp4, read_number


@pytest.mark.parametrize(
    ("size", "high", "expected"),
    [
        ((1920, 1080), 540, (960, 540)),
        ((144, 80), 160, (288, 160)),
        ((101, 75), 75, (100, 74)),
        ((3, 900), 540, (2, 540)),
        ((900, 3), 1, (300, 2)),
    ],
)
def test_sizes_are_even_and_never_nothing(size: tuple[int, int], high: int, expected: tuple[int, int]) -> None:
    assert even_size(*size, high) == expected


def _encoded(times_us: np.ndarray) -> bytes:
    """Frames 11, 13, 15 … of a clip, the third of them a key frame there, shown at these times."""
    wanted = [11 + 2 * at for at in range(len(times_us))]
    frames = [frame for _, frame in iterate_frames(io.BytesIO(clip_mp4()), wanted)]
    encoder = Encoder(times_us, frames[0], (96, 54), Encoding(crf=20, preset="ultrafast", key_frame_every=4))
    done = [encoder.add(scaled(frame, (96, 54))) for frame in frames]
    assert done == [False] * (len(frames) - 1) + [True]
    return encoder.bytes()


@pytest.mark.parametrize("times_us", [[7_000_000, 7_100_123, 7_500_000, 7_500_001, 9_000_000, 9_040_000], [5_000_000]])
def test_frames_come_back_in_order_at_their_own_times(times_us: list[int]) -> None:
    import av

    mp4 = _encoded(np.array(times_us))
    assert mp4 == _encoded(np.array(times_us)), "equal frames give equal bytes"
    with av.open(io.BytesIO(mp4)) as container:
        keys = [packet.is_keyframe for packet in container.demux() if packet.size]
        container.seek(0)
        frames = list(container.decode(video=0))
    assert [round(frame.pts * frame.time_base * 1e6) for frame in frames] == [at - times_us[0] for at in times_us]
    assert [read_number(frame.to_ndarray(format="rgb24")) for frame in frames] == [11, 13, 15, 17, 19, 21][
        : len(times_us)
    ]
    assert keys == [True, False, False, False, True, False][: len(times_us)]
