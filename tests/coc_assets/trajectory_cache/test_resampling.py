from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coc_assets.bench import plain
from coc_assets.sources.egomotion import Egomotion
from coc_assets.trajectory_cache.resampling import Resampled, resample, trajectory_frame
from resources import schemas
from resources.settings.trajectory import TrajectorySettings

SETTINGS = TrajectorySettings()


def clip_of(t_us, x=None, yaw=None, velocity=None) -> Egomotion:
    t_us = np.asarray(t_us, np.int64)
    yaw = np.zeros(len(t_us)) if yaw is None else np.asarray(yaw, float)
    xyz = np.zeros((len(t_us), 3))
    xyz[:, 0] = 0.0 if x is None else x
    flat = np.zeros(len(t_us))
    return Egomotion(t_us, xyz, np.column_stack([flat, flat, np.sin(yaw / 2), np.cos(yaw / 2)]), velocity)


def random_clip(seed: int) -> Egomotion:
    """Irregular instants, a tilting and turning rig, quaternions of either sign and any length."""
    from scipy.spatial.transform import Rotation

    random = np.random.default_rng(seed)
    count = int(random.integers(2, 400))
    t_us = int(random.integers(-300_000, 30_000)) + np.cumsum(random.integers(1_000, 90_000, count))
    yaw = random.uniform(-np.pi, np.pi) + np.cumsum(random.normal(0, 0.05, count))
    tilt = random.normal(0, 0.1, (count, 2))
    quaternion = Rotation.from_euler("ZYX", np.column_stack([yaw, tilt])).as_quat()
    quaternion *= random.choice([-1.0, 1.0], count)[:, None] * random.uniform(0.5, 2.0, count)[:, None]
    velocity = random.normal(0, 10, (count, 2)) if seed % 3 else None
    return Egomotion(t_us, random.normal(0, 100, (count, 3)), quaternion, velocity)


def clip_states(resampled: Resampled, clip: int) -> dict[str, np.ndarray]:
    rows = slice(resampled.offsets[clip], resampled.offsets[clip + 1])
    return {name: getattr(resampled, name)[rows] for name in plain.ClipStates.__dataclass_fields__}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=4))
def test_equals_interp_and_slerp_of_one_clip_at_a_time(seeds):
    clips = [random_clip(seed) for seed in seeds]
    resampled = resample(clips, SETTINGS)
    for index, clip in enumerate(clips):
        expected = vars(plain.resample_clip(clip, SETTINGS.max_frames))
        for name, got in clip_states(resampled, index).items():
            difference = got - expected[name]
            if name == "heading":
                difference = (difference + np.pi) % (2 * np.pi) - np.pi
            assert np.abs(difference).max() <= 1e-9, name


def test_interpolates_linearly_between_samples():
    resampled = resample([clip_of([0, 80_000, 230_000], x=[0.0, 0.8, 3.8])], SETTINGS)
    assert resampled.t_us.tolist() == [0, 100_000, 200_000]
    assert resampled.x == pytest.approx([0.0, 1.2, 3.2])


def test_heading_takes_the_short_way_across_pi():
    yaw = np.array([np.pi - 0.1, np.pi + 0.1])
    resampled = resample([clip_of([0, 200_000], yaw=yaw)], SETTINGS)
    assert np.cos(resampled.heading) == pytest.approx(np.cos([np.pi - 0.1, np.pi, np.pi + 0.1]))
    assert np.sin(resampled.heading) == pytest.approx(np.sin([np.pi - 0.1, np.pi, np.pi + 0.1]), abs=1e-12)


def test_a_flipped_quaternion_is_the_same_rotation():
    clip = clip_of([0, 100_000, 200_000], yaw=[0.1, 0.2, 0.3])
    flipped = Egomotion(clip.t_us, clip.xyz, clip.quaternion * np.array([[1.0], [-1.0], [1.0]]), clip.velocity)
    assert resample([flipped], SETTINGS).heading == pytest.approx([0.1, 0.2, 0.3])


def test_heading_is_the_extrinsic_angle_of_a_tilted_rig():
    from scipy.spatial.transform import Rotation

    rotation = Rotation.from_euler("ZYX", [[1.0, 0.2, -0.3]] * 2)
    clip = Egomotion(np.array([0, 100_000]), np.zeros((2, 3)), rotation.as_quat(), None)
    extrinsic, intrinsic = rotation.as_euler("zyx")[0, 0], 1.0
    assert resample([clip], SETTINGS).heading == pytest.approx([extrinsic] * 2)
    assert abs(extrinsic - intrinsic) > 0.005


def test_velocities_give_speed_and_its_sign_along_the_heading():
    velocity = np.array([[-3.0, 0.0], [-3.0, 0.0]])
    resampled = resample([clip_of([0, 100_000], velocity=velocity)], SETTINGS)
    assert resampled.speed == pytest.approx([3.0, 3.0])
    assert resampled.speed_along_heading == pytest.approx([-3.0, -3.0])


def test_without_velocities_positions_are_differenced_backwards():
    resampled = resample([clip_of([0, 100_000, 200_000], x=[0.0, 1.0, 3.0])], SETTINGS)
    assert resampled.vx == pytest.approx([10.0, 10.0, 20.0])
    assert resampled.acceleration == pytest.approx([0.0, 0.0, 100.0])


def test_first_acceleration_is_filled_from_the_second():
    velocity = np.array([[1.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    resampled = resample([clip_of([0, 100_000, 200_000], velocity=velocity)], SETTINGS)
    assert resampled.acceleration == pytest.approx([10.0, 10.0, 0.0])


@pytest.mark.parametrize(
    ("last_us", "frames"),
    [(17_900_000, 179), (18_000_000, 181), (99_999, 1), (100_000, 2), (20_000_000, 201), (140_000_000, 201)],
)
def test_frames_are_floored_in_floating_point_and_capped(last_us, frames):
    resampled = resample([clip_of([-50_000, last_us - 50_000])], SETTINGS)
    assert resampled.frames.tolist() == [frames]
    assert resampled.t_us[[0, -1]].tolist() == [-50_000, -50_000 + (frames - 1) * 100_000]


def test_a_clip_of_one_sample_stands_still_for_one_frame():
    resampled = resample([clip_of([7], x=[4.0], yaw=[0.5])], SETTINGS)
    assert (resampled.frames.tolist(), resampled.first_us.tolist()) == ([1], [7])
    assert (resampled.x[0], resampled.speed[0], resampled.acceleration[0]) == (4.0, 0.0, 0.0)
    assert resampled.heading[0] == pytest.approx(0.5)


def test_clips_do_not_reach_into_each_other():
    first, second = random_clip(1), random_clip(2)
    together, alone = resample([first, second], SETTINGS), resample([second], SETTINGS)
    for name, values in clip_states(together, 1).items():
        assert np.array_equal(values, clip_states(alone, 0)[name]), name


def test_frame_has_the_declared_columns_and_counts_frames_within_each_clip():
    frame = trajectory_frame(resample([clip_of([0, 200_000]), clip_of([5, 100_005])], SETTINGS), ["a", "b"])
    assert frame.schema == pl.Schema({k: v for k, v in schemas.TRAJECTORIES.schema.items() if k != "chunk"})
    assert frame.select("clip_id", "frame", "t_us").rows() == [
        ("a", 0, 0), ("a", 1, 100_000), ("a", 2, 200_000), ("b", 0, 5), ("b", 1, 100_005)
    ]  # fmt: skip


def test_no_clips_give_an_empty_table():
    assert trajectory_frame(resample([], SETTINGS), []).is_empty()
