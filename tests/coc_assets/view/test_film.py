"""The film read back: every source frame at its own instant, under a cursor at that instant."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from coc_assets.view import layout
from coc_assets.view.colours import CITED, CURSOR, DARK, of_action, rgb
from coc_assets.view.film import film
from coc_assets.view.layout import Box, cursor_column, time_axis
from tests.coc_assets.clip_videos.burnt import clip_mp4, damaged, read_number
from tests.coc_assets.clip_videos.test_build import TIMES
from tests.coc_assets.view import made
from tests.coc_assets.view.filmed import footage_of


def read_back(mp4: bytes) -> tuple[np.ndarray, list[np.ndarray]]:
    """Instants, µs from the first one, and pictures, (H, W, 3) RGB."""
    import av

    with av.open(io.BytesIO(mp4)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        frames = list(container.decode(video=0))
    times = [round(float(frame.pts * frame.time_base) * 1e6) for frame in frames]
    return np.array(times), [frame.to_ndarray(format="rgb24") for frame in frames]


def part(image: np.ndarray, box: Box) -> np.ndarray:
    return image[box.rows, box.columns]


def near(image: np.ndarray, colour: str, within: int = 40) -> np.ndarray:
    return np.abs(image.astype(int) - rgb(colour)).max(axis=2) < within


def cursor_of(image: np.ndarray) -> int:
    """Left column of the cursor: the columns that have its colour from top to bottom of the plots."""
    columns = np.flatnonzero(near(part(image, layout.PLOTS), CURSOR).mean(axis=0) > 0.9)
    assert columns.size == 2 and columns[1] == columns[0] + 1
    return int(columns[0])


def test_every_frame_is_at_its_own_instant_under_a_cursor_at_that_instant(tmp_path: Path) -> None:
    with footage_of(tmp_path) as footage:
        times, pictures = read_back(film(made.shown(), footage))
    axis = time_axis(TIMES[0] * 1e-6, TIMES[-1] * 1e-6)
    assert times.tolist() == (TIMES - TIMES[0]).tolist()
    assert [read_number(part(picture, layout.CAMERA)) for picture in pictures] == list(range(90))
    assert [cursor_of(picture) for picture in pictures] == [cursor_column(axis, t_us * 1e-6) for t_us in TIMES]
    action = layout.NOW.rows, slice(600, 604)  # inside the chip of the longitudinal meta-action, beside its words
    later = near(pictures[-1][action], of_action("gentle_deceleration"), 12).any()
    assert later and not near(pictures[0][action], of_action("gentle_deceleration"), 12).any()


def test_the_label_changes_with_the_keyframe_and_causes_are_highlighted(tmp_path: Path) -> None:
    with footage_of(tmp_path) as footage:
        _, pictures = read_back(film(made.shown(), footage))
    at = [int(np.searchsorted(TIMES, t_us)) for t_us in (700_000, 1_900_000)]
    first, second = (pictures[index] for index in at)
    assert near(part(first, layout.AROUND), CITED).any(), "the first keyframe's label cites the lead"
    assert not near(part(second, layout.AROUND), CITED).any(), "the second one's cites nothing"
    difference = np.abs(part(first, layout.LABEL).astype(int) - part(second, layout.LABEL))
    assert difference.max() > 100


def test_without_a_video_the_clips_own_frames_are_shown_and_why(tmp_path: Path) -> None:
    times, pictures = read_back(film(made.shown(), None, "it is cut short."))
    assert times.tolist() == made.T_US.tolist()
    camera = part(pictures[3], layout.CAMERA)
    assert near(camera, DARK).mean() > 0.9 and (camera > 200).any(), "words on an empty screen"
    assert cursor_of(pictures[-1]) == cursor_column(time_axis(0.0, 3.0), 3.0)


def test_a_video_that_breaks_off_shows_what_it_has(tmp_path: Path) -> None:
    broken = damaged(clip_mp4(90, width=320, height=180), share=0.5, length=4000)
    with footage_of(tmp_path, broken) as footage:
        times, pictures = read_back(film(made.shown(), footage))
    assert len(times) == 90
    assert [read_number(part(picture, layout.CAMERA)) for picture in pictures[:20]] == list(range(20))
    assert near(part(pictures[-1], layout.CAMERA), DARK).mean() > 0.8


def test_equal_content_gives_equal_bytes() -> None:
    assert film(made.shown(), None) == film(made.shown(), None)


@pytest.mark.parametrize("colour", ["#e6007e", "#2b8a3e", "#ffffff", "#20242b"])
def test_colours_come_back_as_they_were_drawn(colour: str) -> None:
    from coc_assets.view.film import Canvas

    image = np.full((16, 32, 3), rgb(colour), np.uint8)
    back = Canvas(image).frame().to_ndarray(format="rgb24")
    assert np.abs(back.astype(int) - image).max() <= 4
