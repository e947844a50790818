"""Boxes from above: where they are at an instant, and what of them is seen."""

from __future__ import annotations

import numpy as np
import pytest

from coc_assets.view.birds_eye import AHEAD_M, Seen, draw_around, outlines_at, pose_at
from coc_assets.view.colours import CITED, EGO, OTHER, PERSON, rgb
from tests.coc_assets.view import made

WIDE, HIGH = 480, 450


def near(image: np.ndarray, colour: str) -> np.ndarray:
    """Rows and columns of pixels of a colour."""
    return np.argwhere(np.abs(image.astype(int) - rgb(colour)).max(axis=2) < 8)


@pytest.mark.parametrize("t_us", [330_000, 365_000, 1_000_000])
def test_boxes_lie_where_they_are_between_two_records(t_us: int) -> None:
    shown = made.shown()
    lead, walker = sorted(outlines_at(shown.boxes, t_us), key=lambda one: one.track_id)
    assert lead.x == pytest.approx(made.SPEED * t_us * 1e-6 + made.LEAD_M, abs=1e-6)
    assert (walker.x, walker.y) == pytest.approx((15.0, 6.0), abs=1e-6)


def test_a_track_is_gone_soon_after_its_last_box() -> None:
    boxes = made.shown().boxes
    assert [one.track_id for one in outlines_at(boxes, 2_000_000)] == ["lead", "walker"]
    assert [one.track_id for one in outlines_at(boxes, 2_100_000)] == ["walker"]


def test_ahead_is_up_and_left_is_left_whatever_the_heading() -> None:
    seen = Seen(3.0, 4.0, np.pi / 2, WIDE, HIGH)  # looks along the world's y
    ahead, left = seen.pixels(np.array([[3.0, 14.0], [-7.0, 4.0]]))
    middle = np.array([WIDE / 2, AHEAD_M * seen.scale])
    assert ahead == pytest.approx(middle - [0, 10 * seen.scale])
    assert left == pytest.approx(middle - [10 * seen.scale, 0])


def test_a_cited_track_is_drawn_in_the_labels_colour() -> None:
    shown = made.shown()
    t_us = 630_000
    seen = Seen(*pose_at(shown, t_us), WIDE, HIGH)
    x, y = seen.rig_pixels(np.array([[made.LEAD_M + 1.5, 0.5]]))[0].round().astype(int)
    plain = draw_around(shown, t_us, WIDE, HIGH, cited=())
    cited = draw_around(shown, t_us, WIDE, HIGH, cited=("lead",))
    assert tuple(plain[y, x]) == rgb(OTHER) and not near(plain, CITED).size
    assert tuple(cited[y, x]) == rgb(CITED)
    rows, columns = near(cited, PERSON).mean(axis=0)
    assert (columns, rows) == pytest.approx(tuple(seen.pixels(np.array([[15.0, 6.0]]))[0]), abs=1.5)
    assert near(cited, EGO).size
