from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coc_assets.scoring.metrics import constant_velocity, displacements, errors, jerk

TRUTH = np.stack([np.arange(1, 65) * 0.7, np.sin(np.arange(1, 65) / 9)], axis=1)[None]


def moved(dx: float, dy: float) -> np.ndarray:
    return TRUTH + np.array([dx, dy])


def all_of(distance: np.ndarray, k: int, steps: int) -> tuple[float, float, float, float]:
    found = errors(distance, k, np.array([steps]))
    return tuple(float(one[0]) for one in (found.ade, found.fde, found.min_ade, found.min_fde))  # type: ignore[return-value]


def plain(modes: np.ndarray, truth: np.ndarray, k: int, steps: int) -> tuple[float, float, float, float]:
    """The four errors of one sample, loop by loop."""
    ades, fdes = [], []
    for mode in modes:
        away = [math.dist(mode[step][:2], truth[step][:2]) for step in range(steps)]
        ades.append(sum(away) / steps)
        fdes.append(away[-1])
    return ades[0], fdes[0], min(ades[:k]), min(fdes[:k])


def test_a_constant_offset_is_its_error_at_every_horizon() -> None:
    distance = displacements(moved(3.0, -4.0)[:, None], TRUTH)
    for steps in (1, 10, 30, 64):
        assert all_of(distance, 6, steps) == pytest.approx((5.0, 5.0, 5.0, 5.0), abs=1e-12)


def test_the_end_counts_alone_for_the_final_error() -> None:
    path = TRUTH.copy()
    path[0, 29] += [0.0, 3.0]
    assert all_of(displacements(path[:, None], TRUTH), 1, 30) == pytest.approx((0.1, 3.0, 0.1, 3.0))
    assert all_of(displacements(path[:, None], TRUTH), 1, 64)[1] == 0.0


def test_the_least_errors_may_be_of_different_modes_and_only_of_the_first_k() -> None:
    near_at_the_end, near_on_the_way = moved(0.0, 2.0), moved(0.0, 1.0)
    near_at_the_end[0, -1] = TRUTH[0, -1]
    near_on_the_way[0, -1] += [0.0, 8.0]
    modes = np.stack([moved(0.0, 7.0), near_at_the_end, near_on_the_way], axis=1)
    distance = displacements(modes, TRUTH)
    assert all_of(distance, 1, 64) == pytest.approx((7.0, 7.0, 7.0, 7.0))
    assert all_of(distance, 2, 64) == pytest.approx((7.0, 7.0, 126 / 64, 0.0))
    assert all_of(distance, 9, 64) == pytest.approx((7.0, 7.0, 72 / 64, 0.0))


def test_a_horizon_that_a_prediction_does_not_reach_has_no_errors() -> None:
    distance = displacements(TRUTH[:, None, :20], TRUTH)
    assert all_of(distance, 1, 20) == (0.0, 0.0, 0.0, 0.0)
    assert all(math.isnan(one) for one in all_of(distance, 1, 30))


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 64), st.integers(1, 7), st.booleans())
@settings(max_examples=60, deadline=None)
def test_errors_equal_plain_loops(seed: int, modes: int, steps: int, k: int, short: bool) -> None:
    rng = np.random.default_rng(seed)
    truth, guesses = rng.normal(0, 20, (3, 64, 2)), rng.normal(0, 20, (3, modes, steps, 2))
    over = max(1, steps // 2) if short else steps
    found = errors(displacements(guesses, truth), k, np.full(3, over))
    for sample in range(3):
        told = [one[sample] for one in (found.ade, found.fde, found.min_ade, found.min_fde)]
        assert told == pytest.approx(plain(guesses[sample], truth[sample], k, over), rel=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(-math.pi, math.pi), st.floats(-500, 500), st.floats(-500, 500))
@settings(max_examples=40, deadline=None)
def test_moving_everything_together_changes_nothing(seed: int, angle: float, dx: float, dy: float) -> None:
    rng = np.random.default_rng(seed)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    truth, modes, history = (rng.normal(0, 20, shape) for shape in ((2, 64, 2), (2, 3, 64, 2), (2, 16, 2)))
    moved_truth, moved_modes, moved_history = (one @ turn + [dx, dy] for one in (truth, modes, history))
    before, after = (displacements(one, other) for one, other in ((modes, truth), (moved_modes, moved_truth)))
    assert after == pytest.approx(before, abs=1e-9)
    assert jerk(moved_history, moved_modes[:, 0]) == pytest.approx(jerk(history, modes[:, 0]), abs=1e-6)


def test_the_jerk_of_a_cubic_is_six_from_the_first_step_on() -> None:
    t = 0.1 * np.arange(-15, 65)
    path = np.stack([t**3, np.zeros_like(t)], axis=1)[None]
    assert jerk(path[:, :16], path[:, 16:]) == pytest.approx(np.full((1, 64), 6.0), abs=1e-8)


def test_a_path_that_leaves_the_history_shows_in_its_first_three_steps() -> None:
    history = np.zeros((1, 16, 2))
    path = np.full((1, 64, 2), [0.0, 0.001])  # 1 mm to the left, and on from there
    assert jerk(history, path)[0] == pytest.approx([1.0, 2.0, 1.0] + [0.0] * 61, abs=1e-9)


def test_jerk_ends_with_the_path() -> None:
    path = np.zeros((1, 64, 2))
    path[0, 20:] = np.nan
    assert np.isfinite(jerk(np.zeros((1, 16, 2)), path)[0]).sum() == 20


def test_constant_velocity_goes_on_from_the_last_tenth_of_a_second() -> None:
    history = np.zeros((1, 16, 2))
    history[0, -2] = [-1.2, 0.1]
    path = constant_velocity(history, 64)
    assert path[0, 0].tolist() == [1.2, -0.1]
    assert path[0, 63] == pytest.approx([76.8, -6.4])
