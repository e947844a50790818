"""Places in pixels, and texts in lines."""

from __future__ import annotations

import numpy as np
import pytest

from coc_assets.view import layout
from coc_assets.view.layout import Box, TimeAxis, cursor_column, film_instants, fitted, in_columns, shortened, wrapped


def letters(text: str) -> float:
    return float(len(text))


def test_an_axis_maps_instants_to_pixels_and_keeps_them_inside() -> None:
    axis = TimeAxis(-1.0, 3.0, 100.0, 500.0)
    assert [axis.x(t_s) for t_s in (-1.0, 0.0, 3.0, 9.0, -5.0)] == [100.0, 200.0, 500.0, 500.0, 100.0]


def test_the_cursor_covers_its_instant_within_a_pixel() -> None:
    axis = layout.time_axis(0.0, 20.0)
    for t_s in np.linspace(0.0, 20.0, 57).tolist():
        column = cursor_column(axis, t_s)
        assert column % 2 == 0
        assert abs(column + 1 - axis.x(t_s)) <= 1.0


def test_the_places_of_a_film_cover_it_without_overlap() -> None:
    covered = np.zeros(layout.FILM_SIZE[::-1], int)
    for box in (layout.HEADER, layout.CAMERA, layout.AROUND, layout.NOW, layout.PLOTS, layout.LABEL):
        covered[box.rows, box.columns] += 1
        assert not any(side % 2 for side in (box.x, box.y, box.width, box.height))
    assert (covered == 1).all()


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((640, 360), Box(0, 32, 800, 450)),
        ((480, 480), Box(174, 32, 450, 450)),
        ((3848, 480), Box(0, 206, 800, 100)),
    ],
)
def test_a_picture_is_fitted_in_proportion_and_on_even_pixels(size: tuple[int, int], box: Box) -> None:
    assert fitted(*size, layout.CAMERA) == box


def test_few_places_are_no_wider_than_those_of_a_full_row() -> None:
    one, many = in_columns(1, 1000, 10, most=4, least=3), in_columns(5, 1000, 10, most=4, least=3)
    assert one == [Box(0, 0, 326, 0)]
    assert [(box.x, box.y) for box in many] == [(0, 0), (252, 0), (504, 0), (756, 0), (0, 1)]
    assert in_columns(0, 1000, 10, most=4, least=3) == []


def test_texts_are_wrapped_between_words() -> None:
    assert wrapped("aa bb cc dddddddd e", 5, letters) == ["aa bb", "cc", "dddddddd", "e"]
    assert wrapped("aa bb cc dd", 5, letters, most=1) == ["aa b…"]
    assert wrapped("", 5, letters) == []


@pytest.mark.parametrize(("text", "short"), [("stop", "stop"), ("strong deceleration", "strong d…")])
def test_texts_that_do_not_fit_end_in_an_ellipsis(text: str, short: str) -> None:
    assert shortened(text, 9, letters) == short
    assert shortened("stop", 2, letters) == ""


def test_a_film_has_the_videos_frames_and_the_clips_own_where_there_are_none() -> None:
    clip = np.arange(6) * 100_000
    times, index = film_instants(np.array([150_000, 180_000, 220_000]), clip)
    assert times.tolist() == [0, 100_000, 150_000, 180_000, 220_000, 400_000, 500_000]
    assert index.tolist() == [-1, -1, 0, 1, 2, -1, -1]
    times, index = film_instants(np.empty(0, np.int64), clip)
    assert times.tolist() == clip.tolist() and set(index.tolist()) == {-1}
