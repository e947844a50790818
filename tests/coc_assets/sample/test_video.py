"""The sample's mp4s: one frame an instant, frame-exact, byte-identical, playable from the first bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest

from coc_assets.sample.render import read_burn_in, render
from coc_assets.sample.video import FPS, encode_clip
from tests.coc_assets.sample.test_render import MAGENTA, box, scene_with, straight_path

# Uneven instants, as in the published data set: the first before 0, the intervals not exactly 1/30 s.
TIMESTAMPS = -20_000 + np.arange(70) * 33_370 + np.tile([0, 900, -700, 300, 0], 14)


def driving_scene():
    return scene_with(box(straight_path(15.0, 1.0, 12.0)), ego=straight_path(0.0, 0.0, 10.0))


@pytest.fixture(scope="module")
def burnt() -> bytes:
    return encode_clip(driving_scene(), TIMESTAMPS, burn_in=True)


def decode(clip: bytes) -> list:
    import av

    with av.open(io.BytesIO(clip)) as container:
        return list(container.decode(video=0))


def test_every_frame_carries_its_index_in_the_picture_and_in_its_time(burnt):
    frames = decode(burnt)
    assert [read_burn_in(frame.to_ndarray(format="rgb24")) for frame in frames] == list(range(len(TIMESTAMPS)))
    assert [frame.pts * frame.time_base * FPS for frame in frames] == list(range(len(TIMESTAMPS)))


def test_a_key_frame_every_second(burnt):
    assert [k for k, frame in enumerate(decode(burnt)) if frame.key_frame] == [0, 30, 60]


def test_the_stream_is_what_browsers_play(burnt):
    import av

    with av.open(io.BytesIO(burnt)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (640, 360, FPS)
        assert stream.frames == len(TIMESTAMPS)
    assert 0 < burnt.index(b"moov") < burnt.index(b"mdat")


def test_frames_show_the_scene_at_their_timestamps():
    scene, clip = driving_scene(), decode(encode_clip(driving_scene(), TIMESTAMPS))
    for index in (0, 29, 44, 69):
        shown = clip[index].to_ndarray(format="rgb24").astype(int)
        right, wrong = (render(scene, int(TIMESTAMPS[index]) + late).astype(int) for late in (0, 200_000))
        assert np.abs(shown - right).mean() < 3
        assert np.abs(shown - right).mean() < 0.5 * np.abs(shown - wrong).mean()


def test_colours_survive_encoding():
    parked = scene_with(box(straight_path(9.0, 0.0)))
    shown = decode(encode_clip(parked, np.zeros(3, int)))[1].to_ndarray(format="rgb24").astype(int)
    drawn = render(parked, 0).astype(int)
    block = (slice(185, 210), slice(300, 340))  # well inside the box's rear
    assert np.abs(drawn[block] - MAGENTA).max() < 70
    assert np.abs(shown[block] - drawn[block]).max() < 12


def test_without_the_flag_nothing_is_burnt_in():
    frame = decode(encode_clip(driving_scene(), TIMESTAMPS[:1]))[0]
    with pytest.raises(ValueError, match="no burnt-in number"):
        read_burn_in(frame.to_ndarray(format="rgb24"))


def test_equal_input_gives_equal_bytes(burnt):
    assert b" threads=1 " in burnt  # the encoder notes its settings in the stream
    assert encode_clip(driving_scene(), TIMESTAMPS, burn_in=True) == burnt
