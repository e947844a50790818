"""Boxes on the ground."""

from __future__ import annotations

import numpy as np
import pytest

from coc_assets.sample.bicycle import EGO
from coc_assets.sample.boxes import box_of, ego_box, ever_overlap
from coc_assets.sample.world import Actor, Path2D

T_US = np.arange(0, 2_000_000, 10_000)


def standing(x: float, y: float, heading: float = 0.0) -> Path2D:
    still = np.zeros(len(T_US))
    return Path2D(T_US, still + x, still + y, still + heading, still, still)


def car(path: Path2D) -> Actor:
    return Actor("1", "automobile", 4.0, 2.0, 1.5, path, (0, 0, 0))


@pytest.mark.parametrize(
    ("x", "y", "heading", "meets"),
    [
        (3.9, 0.0, 0.0, True),
        (4.1, 0.0, 0.0, False),
        (0.0, 1.9, 0.0, True),
        (0.0, 2.1, 0.0, False),
        (2.9, 0.0, np.pi / 2, True),
        (3.1, 0.0, np.pi / 2, False),
        (2.9, 1.9, np.pi / 4, True),
        (3.6, 2.6, np.pi / 4, False),  # their axis-parallel hulls meet, the boxes do not
    ],
)
def test_two_cars_meet_when_their_boxes_do(x, y, heading, meets):
    one, other = box_of(car(standing(0, 0))), box_of(car(standing(x, y, heading)))
    assert ever_overlap(one, other) is meets
    assert ever_overlap(other, one) is meets


def test_a_margin_widens_a_box_all_round():
    other = box_of(car(standing(4.2, 0.0)))
    assert not ever_overlap(box_of(car(standing(0, 0)), 0.1), other)
    assert ever_overlap(box_of(car(standing(0, 0)), 0.3), other)


def test_one_common_instant_is_enough():
    along = np.linspace(-20.0, 20.0, len(T_US))
    passing = standing(0, 0)
    crossing = Path2D(T_US, along * 0, along, along * 0, along * 0 + 20.0, along * 0)
    assert ever_overlap(box_of(car(passing)), box_of(car(crossing)))


def test_the_egos_box_reaches_from_its_rear_overhang_to_its_front():
    corners = ego_box(standing(10.0, 5.0, np.pi / 2))[0]
    assert corners[:, 1].max() == pytest.approx(5.0 + EGO.front)
    assert corners[:, 1].min() == pytest.approx(5.0 - EGO.rear_overhang)
    assert np.ptp(corners[:, 0]) == pytest.approx(EGO.width)
