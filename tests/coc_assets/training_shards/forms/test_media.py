from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from coc_assets.sources.video import VideoError
from coc_assets.training_shards.forms.media import sample_video, shown_frames
from resources.settings.shards import ShardSettings
from tests.coc_assets.clip_videos.burnt import clip_mp4, read_number

TIMES_US = -40_000 + np.concatenate([[0], np.cumsum(np.random.default_rng(8).integers(25_000, 42_000, 89))])


def _shown(t0_us: int, **settings: Any) -> list[int]:
    return shown_frames(TIMES_US, t0_us, ShardSettings(**settings)).tolist()


def _by_hand(instants_us: list[int]) -> list[int]:
    frames = [max((at for at, when in enumerate(TIMES_US) if when <= us), default=-1) for us in instants_us]
    return sorted({frame for frame in frames if frame >= 0})


def test_frames_are_those_at_or_before_each_step_and_none_is_later_than_t0() -> None:
    t0_us = 2_000_000
    shown = _shown(t0_us, video_seconds=1.0, video_fps=10)
    assert shown == _by_hand([t0_us - step * 100_000 for step in range(10, -1, -1)])
    assert len(shown) == 11
    assert TIMES_US[shown[-1]] <= t0_us < TIMES_US[shown[-1] + 1]


@pytest.mark.parametrize(
    ("t0_us", "settings", "count"),
    [
        (2_000_000, {"video_seconds": 1.0, "video_fps": 2}, 3),
        (500_000, {"video_seconds": 2.0, "video_fps": 10}, 6),  # the video begins 0.54 s earlier
        (2_000_000, {"video_seconds": 1.16, "video_fps": 25}, 30),  # 1.16 · 25 is a little below 29 in floating point
    ],
)
def test_the_window_is_as_long_as_asked_or_as_the_video_allows(
    t0_us: int, settings: dict[str, Any], count: int
) -> None:
    assert len(_shown(t0_us, **settings)) == count


def test_a_frame_that_is_on_show_twice_comes_once() -> None:
    shown = _shown(2_000_000, video_seconds=2.0, video_fps=30)
    assert shown == sorted(set(shown))
    assert len(shown) == 60, "of 61 steps"


def test_the_video_holds_these_frames_at_their_own_times_and_the_same_bytes_again() -> None:
    import av

    mp4, settings = clip_mp4(len(TIMES_US)), ShardSettings(video_seconds=1.0, video_fps=5)
    cut = sample_video(io.BytesIO(mp4), TIMES_US, 2_000_000, settings)
    assert cut == sample_video(io.BytesIO(mp4), TIMES_US, 2_000_000, settings)
    with av.open(io.BytesIO(cut)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        frames = list(container.decode(stream))
    shown = _shown(2_000_000, video_seconds=1.0, video_fps=5)
    assert [read_number(frame.to_ndarray(format="rgb24")) for frame in frames] == shown
    assert [round(frame.pts * frame.time_base * 1e6) for frame in frames] == (
        TIMES_US[shown] - TIMES_US[shown[0]]
    ).tolist()


def test_the_video_has_the_asked_height_and_even_sides() -> None:
    import av

    settings = ShardSettings(video_seconds=0.5, video_fps=2, frame_height=33)
    with av.open(io.BytesIO(sample_video(io.BytesIO(clip_mp4(len(TIMES_US))), TIMES_US, 2_000_000, settings))) as cut:
        width, height = cut.streams.video[0].width, cut.streams.video[0].height
    assert height == 32
    assert width % 2 == 0


@pytest.mark.parametrize("t0_us", [-50_000, int(TIMES_US[-1]) + 200_000])
def test_without_a_frame_on_show_at_t0_there_is_no_video(t0_us: int) -> None:
    with pytest.raises(VideoError, match="no frame is on show at t0"):
        sample_video(io.BytesIO(b""), TIMES_US, t0_us, ShardSettings())
