from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from coc_assets.filtered_coc.motion import SCHEMA, motion_after
from resources.settings.filtering import FilterSettings, MotionThresholds
from tests.coc_assets.filtered_coc.made import KEYFRAME, drive, keyframes, pulse, ramp
from tests.coc_assets.filtered_coc.reference import reference_spans, reference_trajectories

SETTINGS = FilterSettings()
K = KEYFRAME


def motion(trajectories: pl.DataFrame, frame: int = K) -> dict[str, object]:
    return motion_after(keyframes(frame), trajectories, SETTINGS).row(0, named=True)


@pytest.mark.parametrize(
    ("speed", "bucket"),
    [
        pytest.param(10.0, "steady", id="constant"),
        pytest.param(ramp((K + 5, 10), (K + 30, 9.05)), "steady", id="falls by less than the threshold"),
        pytest.param(ramp((K + 5, 10), (K + 30, 8.95)), "slow_down", id="falls by 1 m/s"),
        pytest.param(ramp((K + 5, 30), (K + 30, 27.1)), "steady", id="falls by less than a tenth of v0"),
        pytest.param(ramp((K + 5, 30), (K + 30, 26.9)), "slow_down", id="falls by a tenth of v0"),
        pytest.param(ramp((K + 5, 10), (K + 30, 11.05)), "speed_up", id="rises by 1 m/s"),
        pytest.param(ramp((K + 5, 10), (K + 20, 8), (K + 50, 14)), "slow_down", id="falls first, then rises"),
        pytest.param(ramp((K + 5, 10), (K + 20, 12), (K + 50, 5)), "speed_up", id="rises first, then falls"),
        pytest.param(ramp((K + 5, 10), (K + 61, 10), (K + 70, 5)), "steady", id="falls after the window"),
        pytest.param(ramp((K - 30, 14), (K - 6, 10)), "steady", id="fell before the keyframe"),
        pytest.param(ramp((K, 8), (K + 40, 0)), "stopped", id="comes to a stop"),
        pytest.param(ramp((K, 8), (K + 30, 0), (K + 36, 0), (K + 60, 6)), "stopped", id="stops and goes on"),
        pytest.param(ramp((K, 4), (K + 20, 0.52), (K + 40, 0.52)), "slow_down", id="creeps, never stands"),
        pytest.param(
            ramp((K + 5, 3), (K + 29, 1), (K + 30, 0.4), (K + 33, 0.4), (K + 34, 1)), "slow_down", id="too short"
        ),
        pytest.param(0.0, "stopped", id="stands and goes on standing"),
        pytest.param(ramp((K + 8, 0), (K + 40, 6)), "speed_up", id="stands and drives off"),
        pytest.param(ramp((K + 8, 0), (K + 20, 3), (K + 45, 0)), "speed_up", id="drives off and stops again"),
        pytest.param(ramp((K + 8, 0), (K + 20, 0.8)), "stopped", id="stands, then creeps"),
        pytest.param(ramp((K + 5, 0), (K + 20, -1.5)), "reverse", id="backs up"),
        pytest.param(ramp((K + 5, 0), (K + 7, -0.2), (K + 9, -0.2), (K + 11, 0)), "stopped", id="rolls back briefly"),
    ],
)
def test_longitudinal_bucket(speed: np.ndarray | float, bucket: str) -> None:
    assert motion(drive(speed))["longitudinal"] == bucket


@pytest.mark.parametrize(
    ("curvature", "bucket"),
    [
        pytest.param(0.0, "straight", id="straight on"),
        pytest.param(pulse(0.02, K + 5, K + 60), "left", id="turns left"),
        pytest.param(pulse(-0.02, K + 5, K + 60), "right", id="turns right"),
        pytest.param(0.02, "straight", id="goes on along the bend"),
        pytest.param(-0.01, "straight", id="goes on along the bend to the right"),
        pytest.param(pulse(0.02, 0, K + 10), "right", id="leaves a left bend straight on"),
        pytest.param(pulse(0.006, K + 5, K + 15) - pulse(0.006, K + 15, K + 25), "left", id="shifts by 0.6 m"),
        pytest.param(pulse(0.004, K + 5, K + 15) - pulse(0.004, K + 15, K + 25), "straight", id="shifts by 0.4 m"),
        pytest.param(pulse(0.03, K + 2, K + 20) - pulse(0.06, K + 20, K + 60), "left", id="left first, then right"),
    ],
)
def test_lateral_bucket(curvature: np.ndarray | float, bucket: str) -> None:
    assert motion(drive(10.0, curvature))["lateral"] == bucket


@pytest.mark.parametrize("heading", [-3.1, 0.0, 3.1])
def test_figures_do_not_depend_on_the_direction_of_travel(heading: float) -> None:
    found = motion(drive(10.0, pulse(0.02, K, K + 40), heading=heading))
    assert found["heading_left_deg"] == pytest.approx(np.degrees(0.02 * 10 * 4), rel=0.02)
    assert found["heading_right_deg"] == pytest.approx(0.0, abs=1e-9)


def test_offset_is_measured_from_the_continued_arc() -> None:
    """1 m/s sideways for 2 s on top of a bend, by a short kink to the left and back."""
    bend, kink = 0.01, 0.1
    curvature = bend + pulse(kink / 10, K + 5, K + 15) - pulse(kink / 10, K + 25, K + 35)
    found = motion(drive(10.0, curvature))
    assert found["lateral"] == "left"
    assert found["offset_left_m"] == pytest.approx(2.0, abs=0.1)


def test_curve_is_not_read_from_a_standing_ego() -> None:
    """While the ego hardly moves its heading still jitters: the arc is straight then."""
    speed = ramp((K, 0.1), (K + 40, 8))
    jitter = drive(speed).with_columns(heading_rad=pl.when(pl.col("frame") < K - 10).then(0.25).otherwise(0.3))
    assert motion(jitter)["lateral"] == "straight"


def test_nudge_side_is_read_at_a_smaller_offset_than_the_bucket() -> None:
    found = motion(drive(10.0, pulse(0.004, K + 5, K + 15) - pulse(0.004, K + 15, K + 25)))
    assert found["offset_left_m"] == pytest.approx(0.4, abs=0.02)
    assert (found["lateral"], found["nudge_side"]) == ("straight", "left")


@pytest.mark.parametrize(("curvature", "turned"), [(0.01, 11.46), (-0.01, -11.46), (0.0, 0.0)])
def test_heading_change_before_the_keyframe(curvature: float, turned: float) -> None:
    assert motion(drive(10.0, curvature))["turned_before_deg"] == pytest.approx(turned, abs=0.01)


def test_speed_figures() -> None:
    found = motion(drive(ramp((K + 5, 10), (K + 20, 7), (K + 50, 8))))
    assert found["v0_mps"] == pytest.approx(10.0)
    assert found["low_mps"] == pytest.approx(7.0)
    assert found["high_mps"] == pytest.approx(10.0)
    assert found["speed_change_mps"] == pytest.approx(-3.0)
    assert found["slowed_or_stood"]


def test_v0_is_the_mean_over_the_half_second_before() -> None:
    assert motion(drive(ramp((K - 5, 10), (K, 5))))["v0_mps"] == pytest.approx(7.5)


@pytest.mark.parametrize(("left", "abstains"), [(19, True), (20, False), (59, False), (100, False)])
def test_abstains_where_the_clip_ends(left: int, abstains: bool) -> None:
    trajectories = drive(np.full(K + left + 1, 10.0))
    found = motion(trajectories)
    assert found["future_s"] == pytest.approx(min(left, 60) * 0.1)
    assert (found["longitudinal"] is None, found["lateral"] is None) == (abstains, abstains)
    assert (found["offset_left_m"] is None) == abstains


def test_keyframe_at_the_clip_start_uses_the_history_there_is() -> None:
    found = motion(drive(ramp((0, 6), (2, 8))), frame=2)
    assert found["v0_mps"] == pytest.approx(7.0)
    assert found["lateral"] == "straight"


def test_all_keyframes_of_all_clips_at_once() -> None:
    """A window never reaches into the next clip, and rows keep the order of the keyframes."""
    fast, braking = drive(np.full(120, 20.0), clip_id="b"), drive(ramp((K + 5, 10), (K + 30, 5)), clip_id="a")
    wanted = pl.concat([keyframes(100, 40, clip_id="b"), keyframes(K, 2, clip_id="a"), keyframes(7, clip_id="gone")])
    found = motion_after(wanted, pl.concat([fast, braking]).sample(fraction=1.0, shuffle=True, seed=1), SETTINGS)
    assert found.schema == SCHEMA
    assert found["keyframe_id"].to_list() == wanted["keyframe_id"].to_list()
    assert found["longitudinal"].to_list() == [None, "steady", "slow_down", "slow_down", None]
    assert found["future_s"].round(6).to_list() == [1.9, 6.0, 6.0, 6.0, None]


@pytest.mark.parametrize("frame", [2, 195])
def test_other_clips_do_not_matter(frame: int) -> None:
    bend = drive(10.0, ramp((0, 0.0), (4, 0.02)), clip_id="b")
    beside = [drive(25.0, -0.03, clip_id="a"), bend, drive(2.0, 0.05, clip_id="c")]
    wanted = keyframes(frame, clip_id="b")
    assert motion_after(wanted, pl.concat(beside), SETTINGS).equals(motion_after(wanted, bend, SETTINGS))


@pytest.mark.parametrize("curvature", [0.05, -0.05])
def test_backing_along_a_bend_is_straight(curvature: float) -> None:
    found = motion(drive(-1.5, curvature))
    assert (found["longitudinal"], found["lateral"]) == ("reverse", "straight")


def test_no_keyframes() -> None:
    assert motion_after(keyframes(), drive(10.0), SETTINGS).equals(pl.DataFrame(schema=SCHEMA))


def test_thresholds_are_settings() -> None:
    keener = FilterSettings(motion=MotionThresholds(speed_change_mps=0.5, speed_change_share=0.0))
    trajectories = drive(ramp((K + 5, 10), (K + 30, 9.4)))
    assert motion_after(keyframes(K), trajectories, keener)["longitudinal"].to_list() == ["slow_down"]
    assert motion(trajectories)["longitudinal"] == "steady"


def test_window_must_hold_what_is_looked_for() -> None:
    with pytest.raises(ValidationError, match=r"window_s \(1\.0 s\) is shorter"):
        MotionThresholds(window_s=1.0)


def test_reference_drives_stay_in_step_with_the_published_spans(shared_data) -> None:
    """Half a second before the published tool sees a strong change of speed, ours sees its bucket almost always."""
    spans = reference_spans(shared_data).filter(
        pl.col("action").is_in(["StrongAcceleration", "StrongDeceleration"]) & pl.col("start").is_between(25, 140)
    )
    wanted = spans.select(
        keyframe_id=pl.format("{}-{}", "clip_id", "start"), clip_id="clip_id", frame=pl.col("start") - 5
    )
    found = motion_after(wanted, reference_trajectories(shared_data), SETTINGS)["longitudinal"].to_list()
    expected = {"StrongAcceleration": {"speed_up"}, "StrongDeceleration": {"slow_down", "stopped"}}
    agree = [bucket in expected[action] for bucket, action in zip(found, spans["action"], strict=True)]
    assert len(agree) > 30
    assert np.mean(agree) >= 0.9
