"""Segments hold the frames of their window at their own times, and are the same bytes however they are cut."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from coc_assets.clip_videos.sampling import shown_frames
from coc_assets.clip_videos.segments import cut_segment, cut_segments, segment_size, window_frames
from coc_assets.sources.video import VideoError
from resources.settings.videos import VideoSettings
from tests.coc_assets.clip_videos.burnt import clip_mp4, damaged, read_number

SETTINGS = VideoSettings(history_s=0.5, future_s=1.0, preset="ultrafast")
TIMESTAMPS = -40_000 + np.concatenate([[0], np.cumsum(np.random.default_rng(8).integers(25_000, 42_000, 89))])


def read_segment(mp4: bytes) -> tuple[Any, list[int], list[int]]:
    """The stream's facts, presentation times (µs) and burnt numbers of a segment."""
    import av

    with av.open(io.BytesIO(mp4)) as container:
        stream = container.streams.video[0]
        facts = (container.streams.get(), stream.codec_context.name, stream.pix_fmt, stream.width, stream.height)
        frames = list(container.decode(stream))
    times = [round(frame.pts * frame.time_base * 1_000_000) for frame in frames]
    return facts, times, [read_number(frame.to_ndarray(format="rgb24")) for frame in frames]


@pytest.mark.parametrize(
    ("t0_us", "expected"),
    [
        (1_000_000, range(5, 20)),  # frame 20, at 2.0 s, is no longer in it
        (1_050_000, range(5, 21)),  # frame 5 is on show at 0.55 s
        (300_000, range(0, 13)),  # the clip begins at 0 s
        (2_700_000, range(22, 30)),  # the clip ends
        (3_500_000, range(29, 30)),  # 3.0 s is within 1.5 intervals of the last frame
        (3_600_000, range(30, 30)),
        (-1_000_000, range(0, 0)),
    ],
)
def test_window_frames(t0_us: int, expected: range) -> None:
    assert window_frames(np.arange(30) * 100_000, t0_us, SETTINGS) == expected


def test_window_of_no_video_is_empty() -> None:
    assert len(window_frames(np.array([], dtype=np.int64), 0, SETTINGS)) == 0


@pytest.mark.parametrize("t0_us", [200_000, 1_000_000, 1_777_777, 2_800_000])
def test_all_shown_frames_are_in_the_window(t0_us: int) -> None:
    window = window_frames(TIMESTAMPS, t0_us, SETTINGS)
    assert set(shown_frames(TIMESTAMPS, t0_us, SETTINGS).source_frame.tolist()) <= set(window)


@pytest.mark.parametrize("codec", ["h264", "h264_open_gop", "hevc_open_gop"])
@pytest.mark.parametrize("window", [range(20, 65), range(0, 16), range(70, 90), range(33, 34)])
def test_segments_hold_exactly_their_frames_at_their_times(codec: str, window: range) -> None:
    _, times, numbers = read_segment(cut_segment(io.BytesIO(clip_mp4(90, codec)), TIMESTAMPS, window, SETTINGS))
    assert numbers == list(window)
    assert times == (TIMESTAMPS[window.start : window.stop] - TIMESTAMPS[window.start]).tolist()


def test_last_frame_lasts_as_long_as_its_interval() -> None:
    import av

    mp4 = cut_segment(io.BytesIO(clip_mp4()), TIMESTAMPS, range(10, 20), SETTINGS)
    with av.open(io.BytesIO(mp4)) as container:
        stream = container.streams.video[0]
        assert (
            round(stream.duration * stream.time_base * 1_000_000)
            == 2 * TIMESTAMPS[19] - TIMESTAMPS[18] - TIMESTAMPS[10]
        )


def test_segments_play_in_browsers_from_the_first_bytes() -> None:
    import av

    mp4 = cut_segment(io.BytesIO(clip_mp4()), TIMESTAMPS, range(90), VideoSettings())
    assert mp4.index(b"moov") < mp4.index(b"mdat")
    assert b" threads=1 " in mp4  # as x264 notes in the stream
    with av.open(io.BytesIO(mp4)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.pix_fmt, stream.profile) == ("h264", "yuv420p", "Main")
        assert [packet.pts == packet.dts for packet in container.demux(stream) if packet.size] == [True] * 90
        assert not {"creation_time", "encoder"} & (container.metadata.keys() | stream.metadata.keys())


def test_bytes_depend_on_the_window_alone() -> None:
    windows = {"a": range(5, 50), "b": range(20, 65), "c": range(20, 65), "d": range(80, 90)}
    together = cut_segments(io.BytesIO(clip_mp4()), TIMESTAMPS, windows, SETTINGS)
    alone = {
        name: cut_segment(io.BytesIO(clip_mp4()), TIMESTAMPS, window, SETTINGS) for name, window in windows.items()
    }
    in_full = cut_segments(io.BytesIO(clip_mp4()), TIMESTAMPS, windows, SETTINGS, decode_all=True)
    assert together == alone == in_full
    assert together["b"] == together["c"] != together["a"]
    assert list(together) == ["a", "b", "c", "d"]


def test_each_frame_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from coc_assets.clip_videos import segments

    seen = []

    def counting(*args: Any) -> Any:
        for index, frame in iterate(*args):
            seen.append(index)
            yield index, frame

    iterate = segments.iterate_frames
    monkeypatch.setattr(segments, "iterate_frames", counting)
    cut_segments(io.BytesIO(clip_mp4()), TIMESTAMPS, {"a": range(5, 50), "b": range(20, 65)}, SETTINGS)
    assert seen == list(range(5, 65))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (960, 540)),
        ((640, 360), (640, 360)),  # never scaled up
        ((1284, 722), (960, 540)),
        ((101, 75), (100, 74)),  # yuv420p needs even sizes
        ((3, 900), (2, 540)),
    ],
)
def test_segment_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert segment_size(*size, VideoSettings()) == expected


@pytest.mark.parametrize(
    ("made", "height", "expected"),
    [({}, 40, (72, 40)), ({}, 540, (144, 80)), ({"width": 145, "height": 81, "pixels": "yuv444p"}, 540, (144, 80))],
)
def test_pictures_are_scaled_and_still_readable(made: dict[str, Any], height: int, expected: tuple[int, int]) -> None:
    settings = SETTINGS.model_copy(update={"segment_height": height})
    source = io.BytesIO(clip_mp4(90, "h264_no_b_frames", **made))
    facts, _, numbers = read_segment(cut_segment(source, TIMESTAMPS, range(30, 60), settings))
    assert facts[3:] == expected
    assert numbers == list(range(30, 60))


def test_damage_outside_the_windows_is_found_when_all_is_decoded() -> None:
    mp4 = damaged(clip_mp4(90, "h264_no_b_frames"), share=0.5)
    windows = {"before": range(5, 25)}
    assert cut_segments(io.BytesIO(mp4), TIMESTAMPS, windows, SETTINGS).keys() == {"before"}
    with pytest.raises(VideoError):
        cut_segments(io.BytesIO(mp4), TIMESTAMPS, windows, SETTINGS, decode_all=True)
    with pytest.raises(VideoError):
        cut_segments(io.BytesIO(mp4), TIMESTAMPS, {"across": range(30, 60)}, SETTINGS)


def test_the_index_stays_in_front_where_it_is_largest() -> None:
    settings = SETTINGS.model_copy(update={"key_frame_every": 1, "segment_height": 16})
    timestamps = np.cumsum(np.random.default_rng(2).integers(9_000, 60_000, 500))
    mp4 = cut_segment(io.BytesIO(clip_mp4(500)), timestamps, range(500), settings)
    assert mp4.index(b"moov") < mp4.index(b"mdat")
    assert len(read_segment(mp4)[1]) == 500
