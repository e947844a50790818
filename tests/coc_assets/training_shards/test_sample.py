from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import interp1d
from scipy.spatial.transform import Rotation, Slerp

from coc_assets.sources.egomotion import ClipRejected, Egomotion, clean
from coc_assets.sources.pai import iter_egomotion
from coc_assets.training_shards import sample
from resources.dataset import DatasetRoot
from resources.settings.trajectory import TrajectorySettings
from tests.coc_assets.training_shards.made import driven

T0 = 7_123_457


def _independent(ego: Egomotion, t0_us: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses of the 80 instants by scipy alone, in the ego frame at t0, float64."""
    asked = t0_us + 100_000.0 * np.arange(-15, 65)
    now = Slerp(ego.t_us, Rotation.from_quat(ego.quaternion))(t0_us)
    positions = interp1d(ego.t_us.astype(float), ego.xyz, axis=0)
    xyz = now.inv().apply(positions(asked) - positions(float(t0_us)))
    return xyz, (now.inv() * Slerp(ego.t_us, Rotation.from_quat(ego.quaternion))(asked)).as_matrix()


@pytest.mark.parametrize("turn_rate", [0.15, -0.3, 0.0])
@pytest.mark.parametrize("t0_us", [1_600_001, T0, 13_600_000])
def test_arrays_equal_an_independent_interpolation(turn_rate: float, t0_us: int) -> None:
    ego = driven(turn_rate)
    xyz, rot = _independent(ego, t0_us)
    made = sample.ego_arrays(ego, t0_us)
    expected = {
        "ego_history_xyz": xyz[None, :16],
        "ego_history_rot": rot[None, :16],
        "ego_future_xyz": xyz[None, 16:],
        "ego_future_rot": rot[None, 16:],
    }
    assert {name: (array.shape, array.dtype.name) for name, array in made.items()} == {
        "ego_history_xyz": ((1, 16, 3), "float32"),
        "ego_history_rot": ((1, 16, 3, 3), "float32"),
        "ego_future_xyz": ((1, 64, 3), "float32"),
        "ego_future_rot": ((1, 64, 3, 3), "float32"),
    }
    for name, array in made.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("data", ["golden-visible", "real-driving"])
def test_recorded_drives_equal_an_independent_interpolation(shared_data: Path, data: str) -> None:
    compared = 0
    for _, raw in islice(iter_egomotion(DatasetRoot(shared_data / data), "0000"), 12):
        if isinstance(raw, ClipRejected) or (np.diff(raw.t_us) <= 0).any() or not sample.covers(raw, T0):
            continue
        ego, _ = clean(raw, TrajectorySettings(), data)
        xyz, rot = _independent(ego, T0)
        made = sample.ego_arrays(ego, T0)
        np.testing.assert_allclose(made["ego_history_xyz"][0], xyz[:16], atol=1e-5)
        np.testing.assert_allclose(made["ego_future_xyz"][0], xyz[16:], atol=1e-5)
        np.testing.assert_allclose(made["ego_future_rot"][0], rot[16:], atol=1e-5)
        compared += 1
    assert compared >= 3


def test_the_pose_at_t0_is_exactly_the_origin() -> None:
    made = sample.ego_arrays(driven(), T0)
    assert made["ego_history_xyz"][0, -1].tolist() == [0, 0, 0]
    assert made["ego_history_rot"][0, -1].tolist() == np.eye(3).tolist()


@pytest.mark.parametrize(("turn_rate", "side"), [(0.2, 1), (-0.2, -1)])
def test_left_is_positive_y_and_ahead_positive_x(turn_rate: float, side: int) -> None:
    made = sample.ego_arrays(driven(turn_rate), T0)
    future, past = made["ego_future_xyz"][0], made["ego_history_xyz"][0]
    assert np.sign(future[9:, 1]).tolist() == [side] * 55
    assert (future[:20, 0] > 0).all()
    assert (past[:-1, 0] < 0).all()
    assert made["ego_future_rot"][0, -1, 1, 0] * side > 0  # the nose points to that side too


def test_a_world_turned_and_moved_gives_the_same_sample() -> None:
    ego = driven()
    turn = Rotation.from_euler("xyz", [0.4, -0.2, 2.0])
    moved = replace(
        ego,
        xyz=turn.apply(ego.xyz) + np.array([100.0, -50.0, 7.0]),
        quaternion=(turn * Rotation.from_quat(ego.quaternion)).as_quat(),
    )
    for name, array in sample.ego_arrays(moved, T0).items():
        np.testing.assert_allclose(array, sample.ego_arrays(ego, T0)[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("t0_us", "trainable"),
    [(1_600_000, False), (1_600_001, True), (13_600_000, True), (13_600_001, False), (0, False)],
)
def test_trainable_is_open_below_and_closed_above(t0_us: int, trainable: bool) -> None:
    assert sample.is_trainable(t0_us) is trainable


@pytest.mark.parametrize(
    ("first_us", "last_us", "covered"),
    [
        (T0 - 1_500_000, T0 + 6_400_000, True),
        (T0 - 1_499_999, T0 + 6_400_000, False),
        (T0 - 1_500_000, T0 + 6_399_999, False),
    ],
)
def test_coverage_needs_both_ends_without_extrapolation(first_us: int, last_us: int, covered: bool) -> None:
    ego = driven(first_us=first_us, last_us=last_us)
    assert sample.covers(ego, T0) is covered
    if covered:
        assert np.isfinite(sample.ego_arrays(ego, T0)["ego_future_xyz"]).all()


def test_frames_are_asked_for_at_the_last_four_tenths() -> None:
    asked = sample.asked_frames_us(T0)
    assert (asked - T0).tolist() == [-300_000, -200_000, -100_000, 0]
    assert asked.dtype == np.int64


def test_relative_timestamps_count_from_the_earliest_of_all_cameras() -> None:
    absolute = np.array([[100_000, 200_000, 300_000, 400_000], [90_000, 190_000, 290_000, 390_000]], np.int64)
    relative = sample.relative_timestamps(absolute)
    assert relative.dtype == np.float32
    np.testing.assert_allclose(relative, [[0.01, 0.11, 0.21, 0.31], [0, 0.1, 0.2, 0.3]], atol=1e-7)
    assert sample.relative_timestamps(np.zeros((0, 4), np.int64)).shape == (0, 4)


def test_camera_numbers_are_the_trainers() -> None:
    assert sample.CAMERA_INDEX == {
        "camera_cross_left_120fov": 0,
        "camera_front_wide_120fov": 1,
        "camera_cross_right_120fov": 2,
        "camera_rear_left_70fov": 3,
        "camera_rear_tele_30fov": 4,
        "camera_rear_right_70fov": 5,
        "camera_front_tele_30fov": 6,
    }
