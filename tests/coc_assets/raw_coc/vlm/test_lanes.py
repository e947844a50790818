from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from coc_assets.raw_coc.vlm.contradiction import lateral_prior
from coc_assets.raw_coc.vlm.lanes import measured_lanes
from coc_assets.raw_coc.vlm.view import TimelineRow
from resources import schemas
from resources.settings.labels import RulesSettings

SPEED_MPS = 15.0


def trajectory(shift_m: float, back: bool = False) -> pl.DataFrame:
    """Straight on at a steady speed, and from 5 s to 9 s over to a side, perhaps back again by 13 s."""
    t = np.arange(201) / 10
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.clip((t - 5) / 4, 0, 1))
    if back:
        ramp = ramp - (0.5 - 0.5 * np.cos(np.pi * np.clip((t - 9) / 4, 0, 1)))
    x, y = SPEED_MPS * t, shift_m * ramp
    vx, vy = np.gradient(x, 0.1), np.gradient(y, 0.1)
    rows = {
        "clip_id": ["clip"] * 201,
        "frame": np.arange(201),
        "t_us": np.arange(201) * 100_000,
        "x_m": x,
        "y_m": y,
        "z_m": np.zeros(201),
        "heading_rad": np.arctan2(vy, vx),
        "vx_mps": vx,
        "vy_mps": vy,
        "speed_mps": np.hypot(vx, vy),
        "speed_along_heading_mps": np.hypot(vx, vy),
    }
    return schemas.conform(pl.DataFrame(rows), schemas.TRAJECTORIES)


def measured(shift_m: float, back: bool = False, frame: int = 45) -> dict[int, str]:
    keyframes = pl.DataFrame({"keyframe_id": ["k"], "clip_id": ["clip"], "frame": [frame]})
    return measured_lanes(keyframes, trajectory(shift_m, back), RulesSettings()).get("k", {})


@pytest.mark.parametrize(
    ("shift_m", "back", "action"),
    [
        (3.5, False, "left_lane_change"),
        (-3.5, False, "right_lane_change"),
        (1.0, True, "slightly_shift_left"),
        (-1.0, True, "slightly_shift_right"),
    ],
)
def test_a_move_to_a_side_is_named_by_what_it_is(shift_m: float, back: bool, action: str) -> None:
    lanes = measured(shift_m, back)
    assert set(lanes.values()) == {action}
    assert 45 <= min(lanes) <= 65


def test_straight_on_names_nothing() -> None:
    assert measured(0.0) == {}


def test_a_clip_that_cannot_be_measured_has_no_manoeuvre() -> None:
    short = pl.DataFrame({"keyframe_id": ["k"], "clip_id": ["other"], "frame": [45]})
    assert measured_lanes(short, trajectory(3.5), RulesSettings()) == {}


@pytest.mark.parametrize(("shift_m", "back", "kind"), [(3.5, False, "lane_change"), (-1.0, True, "nudge")])
def test_what_is_measured_makes_a_prior_that_answers_are_held_against(shift_m: float, back: bool, kind: str) -> None:
    lanes = measured(shift_m, back)
    rows = [TimelineRow(k / 2, "maintain_speed", "go_straight", lanes.get(45 + 5 * k)) for k in range(-4, 13)]
    prior = lateral_prior(rows)
    assert prior is not None
    assert (prior.kind, prior.direction) == (kind, "left" if shift_m > 0 else "right")
