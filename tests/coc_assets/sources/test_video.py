"""Frames are the right ones: numbers burnt into the picture are read back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coc_assets.sources.video import VideoError, VideoFacts, decode_frames, frames_at_or_before, probe
from tests.coc_assets.clip_videos.burnt import CODECS, clip_mp4, damaged, read_number

IRREGULAR_MS = tuple(int(t) for t in np.cumsum(np.random.default_rng(3).integers(5, 90, 90)))


@pytest.mark.parametrize(
    ("timestamps", "asked", "expected"),
    [
        ([0, 100, 200], [0, 99, 100, 199, 200], [0, 0, 1, 1, 2]),
        ([-330, -230, -130], [-331, -330, -231], [-1, 0, 0]),
        ([0, 100, 200], [350, 351], [2, -1]),  # 1.5 intervals after the last
        ([0, 100, 700, 800], [650, 699], [1, 1]),  # a gap inside: the frame before it is on show
        ([50], [49, 50, 51], [-1, 0, -1]),
        ([], [0, 10], [-1, -1]),
    ],
)
def test_frames_at_or_before(timestamps: list[int], asked: list[int], expected: list[int]) -> None:
    found = frames_at_or_before(np.array(timestamps, dtype=np.int64), asked)
    assert found.dtype == np.int64
    assert found.tolist() == expected


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "wanted",
    [[0], [89], [14, 15, 16], [29, 30], [88, 3, 3, 57], [0, 89], list(range(90))],
    ids=["first", "last", "around a key frame", "last before a key frame", "unsorted", "far apart", "all"],
)
def test_decodes_exactly_the_wanted_frames(codec: str, wanted: list[int]) -> None:
    frames = decode_frames(io.BytesIO(clip_mp4(90, codec)), wanted)
    assert {index: read_number(image) for index, image in frames.items()} == {index: index for index in wanted}
    assert all(image.shape == (80, 144, 3) and image.dtype == np.uint8 for image in frames.values())


@pytest.mark.parametrize("codec", ["h264", "hevc_open_gop"])
def test_irregular_presentation_times_do_not_shift_indices(codec: str) -> None:
    frames = decode_frames(io.BytesIO(clip_mp4(90, codec, times_ms=IRREGULAR_MS)), range(0, 90, 7))
    assert [read_number(image) for image in frames.values()] == list(range(0, 90, 7))


def test_frames_cut_off_by_the_edit_list_do_not_count() -> None:
    times = tuple(range(-330, 2670, 33))[:90]
    mp4 = clip_mp4(90, "h264_no_b_frames", times_ms=times)
    assert probe(io.BytesIO(mp4)).frames == 80
    assert read_number(decode_frames(io.BytesIO(mp4), [5])[5]) == 15


def test_fragmented_files() -> None:
    frames = decode_frames(io.BytesIO(clip_mp4(90, fragmented=True)), [0, 50, 89])
    assert [read_number(image) for image in frames.values()] == [0, 50, 89]


def test_pictures_show_their_colours() -> None:
    image = decode_frames(io.BytesIO(clip_mp4()), [1])[1]
    assert image[5, 2].min() > 240 and image[5, 100].max() < 15


def test_nothing_wanted_reads_nothing() -> None:
    assert decode_frames(io.BytesIO(b""), []) == {}


def test_reads_a_member_of_a_stored_zip_in_place(tmp_path: Path) -> None:
    path = tmp_path / "camera.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("other.mp4", b"x" * 999)
        archive.writestr("clip.mp4", clip_mp4())
    with zipfile.ZipFile(path) as archive, archive.open("clip.mp4") as member:
        assert read_number(decode_frames(member, [71])[71]) == 71


@pytest.mark.parametrize(
    ("made", "facts"),
    [
        ({"frames": 90}, VideoFacts(90, 144, 80)),
        ({"frames": 90, "index_first": False}, VideoFacts(90, 144, 80)),
        ({"frames": 40, "codec": "hevc_open_gop"}, VideoFacts(40, 144, 80)),
        ({"frames": 90, "fragmented": True}, VideoFacts(90, 144, 80)),
        ({"frames": 3, "codec": "h264_no_b_frames", "width": 64, "height": 96}, VideoFacts(3, 64, 96)),
    ],
)
def test_probe(made: dict[str, Any], facts: VideoFacts) -> None:
    assert probe(io.BytesIO(clip_mp4(**made))) == facts


class CountingFile(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def test_probe_does_not_read_the_frames() -> None:
    file = CountingFile(clip_mp4(600))
    probe(file)
    assert file.count < len(file.getvalue()) / 3


@pytest.mark.parametrize(
    ("wanted", "times_read"),
    [([0, 599], 1.3), (range(0, 600, 10), 2.1)],
    ids=["seeks over a long gap", "rolls on over short ones"],
)
def test_reads_what_it_needs(wanted: Sequence[int], times_read: float) -> None:
    file = CountingFile(clip_mp4(600))
    assert len(decode_frames(file, wanted)) == len(wanted)
    assert file.count < times_read * len(file.getvalue())


UNREADABLE: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "not a video": lambda: b"no video at all " * 400,
    "truncated": lambda: clip_mp4()[: len(clip_mp4()) * 3 // 4],
    "truncated before its header": lambda: clip_mp4(index_first=False)[:-500],
    "frames overwritten": lambda: damaged(clip_mp4(), share=0.0, length=100_000),
}


@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_files(make: Callable[[], bytes]) -> None:
    with pytest.raises(VideoError, match="Fetch the file again") as probed:
        probe(io.BytesIO(make()))
    with pytest.raises(VideoError, match="Fetch the file again") as decoded:
        decode_frames(io.BytesIO(make()), [0, 89])
    assert (probed.value.reason, decoded.value.reason) == ("video_undecodable", "video_undecodable")


def test_damage_is_an_error_where_it_lies_and_nowhere_else() -> None:
    mp4 = damaged(clip_mp4(90, "h264_no_b_frames"), share=0.5)
    assert read_number(decode_frames(io.BytesIO(mp4), [20])[20]) == 20
    assert read_number(decode_frames(io.BytesIO(mp4), [80])[80]) == 80
    with pytest.raises(VideoError, match=r"does not decode|reading it failed"):
        decode_frames(io.BytesIO(mp4), range(90))


@pytest.mark.parametrize("wanted", [[-1], [5, 90], [1000]])
def test_a_frame_that_the_video_lacks(wanted: list[int]) -> None:
    with pytest.raises(VideoError, match=f"frame {wanted[-1]} is asked for and the video has 90"):
        decode_frames(io.BytesIO(clip_mp4(90)), wanted)
