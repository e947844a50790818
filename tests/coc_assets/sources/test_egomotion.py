from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from coc_assets.sources.egomotion import (
    NO_TIMESTAMP,
    ClipRejected,
    Egomotion,
    clean,
    components,
    frame_count,
    poses_at,
)
from resources.settings.trajectory import TrajectorySettings

SETTINGS = TrajectorySettings()


def _drive(seconds: float = 20.1, step_us: int = 10_000, first_us: int = -30_000) -> Egomotion:
    t_us = first_us + np.arange(0, int(seconds * 1e6) + 1, step_us)
    t = t_us * 1e-6
    yaw = 0.05 * t
    xyz = np.column_stack([9 * t, 0.3 * t**2, 0.1 * t])
    quaternion = np.column_stack([np.zeros((len(t), 2)), np.sin(yaw / 2), np.cos(yaw / 2)])
    return Egomotion(t_us, xyz, quaternion, np.column_stack([np.full(len(t), 9.0), 0.6 * t]))


def _take(ego: Egomotion, rows) -> Egomotion:
    return Egomotion(ego.t_us[rows], ego.xyz[rows], ego.quaternion[rows], ego.velocity[rows])


def _spoiled(rows: slice, value: float, field: str = "xyz", seconds: float = 20.1, step_us: int = 10_000) -> Egomotion:
    ego = _drive(seconds, step_us)
    values = getattr(ego, field).copy()
    values[rows] = value
    return replace(ego, **{field: values})


def _without(*spans_s: tuple[float, float], ego: Egomotion | None = None) -> Egomotion:
    ego = ego or _drive()
    t = ego.t_us * 1e-6
    return _take(ego, np.all([(t <= start) | (t >= end) for start, end in spans_s], axis=0))


def _with_late_row(at_s: float, ego: Egomotion) -> Egomotion:
    last = ego.t_us.size - 1
    late = _take(ego, np.r_[0 : last + 1, last])
    late.t_us[-1] = int(at_s * 1e6)
    return late


def _untimed() -> Egomotion:
    ego = _drive()
    ego.t_us[[0, 5, 700]] = NO_TIMESTAMP
    return ego


SOUND = {
    "100 Hz": _drive(),
    "20 Hz": _drive(step_us=50_000),
    "10 Hz": _drive(step_us=100_000),
    "ten frames": _drive(seconds=0.9),
    "no velocities": replace(_drive(), velocity=None),
    "quaternions of any length and sign": replace(_drive(), quaternion=-0.2 * _drive().quaternion),
    "a sample long after the end": _with_late_row(140.0, _drive(seconds=20.1)),
    "hole after the labelled part": _without((20.01, 33.0), ego=_drive(seconds=40.0)),
}

MENDED = {
    "shuffled": (_take(_drive(), np.random.default_rng(0).permutation(2011)), ("sorted_rows",)),
    "repeated": (_take(_drive(), np.r_[0:8, 7, 7, 8:2011]), ("dropped_repeated_timestamps:2",)),
    "swapped and repeated": (
        _take(_drive(), np.r_[1, 0, 0, 2:2011]),
        ("sorted_rows", "dropped_repeated_timestamps:1"),
    ),
    "no timestamp": (_untimed(), ("dropped_rows_without_timestamp:3",)),
    "not numbers": (_spoiled(slice(500, 512), np.nan), ("filled_gap:12",)),
    "no velocity for a while": (_spoiled(slice(500, 512), np.nan, "velocity"), ("filled_gap:12",)),
    "0.5 s of no numbers": (_spoiled(slice(500, 550), np.nan), ("filled_gap:50",)),
    "0.5 s of no numbers at 20 Hz": (_spoiled(slice(50, 60), np.nan, step_us=50_000), ("filled_gap:10",)),
    "starts without numbers": (_spoiled(slice(0, 30), np.nan), ("filled_gap:30",)),
    "ends without numbers": (_spoiled(slice(1980, None), np.nan), ("filled_gap:31",)),
    "no rotation": (_spoiled(slice(500, 540), 0.0, "quaternion"), ("filled_rotation:40",)),
    "hole": (_without((5.0, 5.3), (9.0, 9.2)), ("bridged_hole:2",)),
    "no numbers after the labelled part": (
        _spoiled(slice(2100, 2500), np.nan, seconds=40.0),
        ("filled_gap:400",),
    ),
}

REJECTED = {
    "long gap": (_spoiled(slice(500, 560), np.nan), "gap_too_long"),
    "long gap of velocities": (_spoiled(slice(500, 560), np.nan, "velocity"), "gap_too_long"),
    "long gap at the start": (_spoiled(slice(0, 60), np.nan), "gap_too_long"),
    "long gap at the end": (_spoiled(slice(1900, None), np.nan), "gap_too_long"),
    "long hole": (_without((5.0, 5.7)), "gap_too_long"),
    "hole and gap side by side": (
        _without((5.0, 5.4), ego=_spoiled(slice(460, 504), np.nan)),
        "gap_too_long",
    ),
    "1 Hz": (_drive(step_us=1_000_000), "gap_too_long"),
    "no numbers at all": (_spoiled(slice(None), np.nan), "gap_too_long"),
    "infinite": (_spoiled(slice(7, 8), np.inf), "infinite_value"),
    "infinite both ways": (_spoiled(np.s_[7:9, 0], [np.inf, -np.inf]), "infinite_value"),
    "infinite velocity": (_spoiled(slice(7, 8), -np.inf, "velocity"), "infinite_value"),
    "beyond arithmetic": (_spoiled(slice(7, 8), 1e200), "infinite_value"),
    "no rotation for long": (_spoiled(slice(500, 560), 0.0, "quaternion"), "rotation_gap"),
    "no rotation at all": (_spoiled(slice(None), 0.0, "quaternion"), "gap_too_long"),
    "nine frames": (_drive(seconds=0.89), "too_few_frames"),
    "nine frames once cleaned": (_spoiled(slice(85, None), np.nan, seconds=1.0), "too_few_frames"),
    "no rows": (_take(_drive(), slice(0, 0)), "too_few_frames"),
    "one row": (_take(_drive(), slice(0, 1)), "too_few_frames"),
    "only untimed rows": (replace(_drive(), t_us=np.full(2011, NO_TIMESTAMP)), "too_few_frames"),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_clip_comes_through_untouched(name):
    ego, mended = clean(SOUND[name], SETTINGS, "x.zip::c.parquet")
    assert ego is SOUND[name]
    assert mended == ()


@pytest.mark.parametrize("name", MENDED)
def test_a_mendable_clip_is_mended_and_says_how(name):
    raw, expected = MENDED[name]
    ego, mended = clean(raw, SETTINGS, "x.zip::c.parquet")
    assert mended == expected
    assert (np.diff(ego.t_us) > 0).all()
    assert np.isfinite(np.column_stack([ego.xyz, ego.quaternion, ego.velocity])).all()
    unspoiled = _drive(seconds=40.0)  # every row left is one that was recorded
    rows = np.searchsorted(unspoiled.t_us, ego.t_us)
    np.testing.assert_array_equal(ego.xyz, unspoiled.xyz[rows])
    np.testing.assert_array_equal(ego.quaternion, unspoiled.quaternion[rows])


@pytest.mark.parametrize("name", REJECTED)
def test_a_clip_beyond_mending_is_rejected_with_its_file(name):
    raw, reason = REJECTED[name]
    with pytest.raises(ClipRejected) as caught:
        clean(raw, SETTINGS, "x.zip::c.parquet")
    assert caught.value.reason == reason
    assert caught.value.hint.startswith("x.zip::c.parquet ")


def test_of_repeated_timestamps_the_first_recorded_stays():
    """Three shuffled copies, told apart by their height."""
    ego = _drive()
    copies = _take(ego, np.random.default_rng(0).permutation(np.tile(np.arange(2011), 3)))
    copies.xyz[:, 2] = np.arange(3 * 2011)
    kept, mended = clean(copies, SETTINGS, "")
    np.testing.assert_array_equal(kept.xyz[:, 2], [np.flatnonzero(copies.t_us == t)[0] for t in ego.t_us])
    assert mended == ("sorted_rows", "dropped_repeated_timestamps:4022")


def test_a_hole_that_begins_just_before_20_s_counts_only_up_to_there():
    raw = _with_late_row(140.0, _drive(seconds=19.8))
    assert clean(raw, SETTINGS, "") == (raw, ("bridged_hole:1",))
    with pytest.raises(ClipRejected, match="gap_too_long"):
        clean(_with_late_row(140.0, _drive(seconds=19.4)), SETTINGS, "")


def test_gaps_count_up_to_20_s_of_the_clips_clock_too():
    """Frames end 20 s after the first sample, training samples at 20 s of the clip's clock."""
    raw = _without((19.41, 20.3), ego=_drive(seconds=21.0, first_us=-600_000))
    with pytest.raises(ClipRejected, match="gap_too_long"):
        clean(raw, SETTINGS, "")


def test_a_hint_names_when_how_long_and_which_setting():
    with pytest.raises(ClipRejected, match=r"no usable sample for 0\.60 s after 4\.96 s; .*trajectory\.max_gap_s"):
        clean(_spoiled(slice(500, 560), np.nan), SETTINGS, "x.zip::c.parquet")


@pytest.mark.parametrize(
    ("settings", "raw"),
    [
        (TrajectorySettings(max_gap_s=0.05), MENDED["not numbers"][0]),
        (TrajectorySettings(min_frames=201), _drive(seconds=19.9)),
    ],
)
def test_the_bounds_are_settings(settings, raw):
    clean(raw, SETTINGS, "")
    with pytest.raises(ClipRejected):
        clean(raw, settings, "")


@pytest.mark.parametrize(("last_us", "frames"), [(0, 1), (900_000, 10), (17_900_000, 179), (20_000_000, 201)])
def test_frames_are_counted_in_floating_point(last_us, frames):
    assert frame_count(np.array([0, last_us])) == frames


@pytest.mark.parametrize(
    "asked_us",
    [[-30_000], [20_070_000], [0, 0], [12_345, 5_000_000, 7], np.arange(1_000_003, 9_000_000, 100_000)],
)
def test_poses_are_those_of_the_whole_clip_interpolated(asked_us):
    ego, _ = clean(MENDED["no rotation"][0], SETTINGS, "")
    xyz, rotation = poses_at(ego, np.array(asked_us))
    expected = np.column_stack([np.interp(asked_us, ego.t_us, ego.xyz[:, axis]) for axis in range(3)])
    np.testing.assert_array_equal(xyz, expected)
    spherical = Slerp(ego.t_us, Rotation.from_quat(ego.quaternion))(asked_us).as_matrix()
    np.testing.assert_array_equal(rotation, spherical)


def test_no_instants_have_no_poses():
    xyz, rotation = poses_at(_drive(), np.array([], np.int64))
    assert (xyz.shape, rotation.shape) == ((0, 3), (0, 3, 3))


@pytest.mark.parametrize("asked_us", [[-30_001, 0], [0, 20_070_001]])
def test_poses_are_never_extrapolated(asked_us):
    with pytest.raises(ValueError, match="reaches from -30000 to 20070000"):
        poses_at(_drive(), np.array(asked_us))


@pytest.mark.parametrize("field", ["xyz", "quaternion", "velocity"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e101])
def test_one_bad_value_anywhere_is_noticed(field, value):
    width = getattr(_drive(), field).shape[1]
    for at in ((0, 0), (1003, width - 1), (-1, width // 2)):
        values = getattr(_drive(), field).copy()
        values[at] = value
        raw = replace(_drive(), **{field: values})
        if np.isnan(value):
            assert clean(raw, SETTINGS, "clip")[1] == ("filled_gap:1",)
        else:
            with pytest.raises(ClipRejected, match="infinite_value"):
                clean(raw, SETTINGS, "clip")


def test_components_are_contiguous_rows_that_nobody_can_write_to():
    ego = replace(_drive(), velocity=None)
    t_us, xyz, quaternion, velocity = components(ego)
    np.testing.assert_array_equal(t_us, ego.t_us)
    np.testing.assert_array_equal(xyz.T, ego.xyz)
    np.testing.assert_array_equal(quaternion.T, ego.quaternion)
    assert velocity.shape == (2, 0)
    for values in (t_us, xyz, quaternion, velocity):
        assert values.flags.c_contiguous
        assert not values.flags.writeable
    assert ego.t_us.flags.writeable
