"""What the sensors write down."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from coc_assets.sample.scenes import build
from coc_assets.sample.tracks import (
    EGOMOTION_COLUMNS,
    OBSTACLE_SCHEMA,
    camera_clock,
    egomotion_clock,
    egomotion_rows,
    obstacle_clock,
    obstacle_rows,
    pose_at,
)
from coc_assets.sample.world import Scene


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build("turn", "clip", np.random.default_rng(3), -50_000)


@pytest.fixture(scope="module")
def egomotion(scene: Scene) -> pl.DataFrame:
    rng = np.random.default_rng(4)
    return egomotion_rows(scene, egomotion_clock(rng), rng)


@pytest.mark.parametrize("seed", range(20))
def test_clocks_lie_where_the_datasets_do(seed):
    rng = np.random.default_rng(seed)
    ego, boxes, camera = egomotion_clock(rng), obstacle_clock(rng), camera_clock(rng)
    for clock in (ego, boxes, camera):
        assert clock.dtype == np.int64 and (np.diff(clock) > 0).all()
    assert -120_000 <= ego[0] < 0 and 20_000_000 < ego[-1] < 20_200_000
    assert np.median(np.diff(ego)) == pytest.approx(10_000, abs=200)
    assert boxes[0] >= 0 and boxes[-1] <= 20_000_000
    assert np.median(np.diff(boxes)) == pytest.approx(100_000, abs=3_000)
    assert -330_000 <= camera[0] <= 30_000 and 20_000_000 < camera[-1] < 20_100_000
    assert len(set(np.diff(camera))) > 20
    assert 1e6 / np.diff(camera).mean() == pytest.approx(30.0, abs=0.05)


def test_egomotion_is_the_egos_path_within_millimetres(scene, egomotion):
    t_us = egomotion["timestamp"].to_numpy()
    x, y, heading = pose_at(scene.ego, t_us)
    speed = np.interp(t_us, scene.ego.t_us, scene.ego.speed)
    assert tuple(egomotion.columns) == EGOMOTION_COLUMNS
    assert np.abs(egomotion["x"].to_numpy() - x).max() < 0.01
    assert np.abs(egomotion["y"].to_numpy() - y).max() < 0.01
    assert np.abs(egomotion["vx"].to_numpy() - speed * np.cos(heading)).max() < 0.03
    assert np.abs(egomotion["vy"].to_numpy() - speed * np.sin(heading)).max() < 0.03


def test_quaternions_hold_the_heading(scene, egomotion):
    from scipy.spatial.transform import Rotation

    quaternions = egomotion.select("qx", "qy", "qz", "qw").to_numpy()
    assert np.allclose(np.linalg.norm(quaternions, axis=1), 1.0, atol=1e-8)
    heading = Rotation.from_quat(quaternions).as_euler("zyx")[:, 0]
    _, _, expected = pose_at(scene.ego, egomotion["timestamp"].to_numpy())
    assert np.abs(np.angle(np.exp(1j * (heading - expected)))).max() < 5e-4


def test_accelerations_are_the_velocities_own(scene, egomotion):
    seconds = egomotion["timestamp"].to_numpy() / 1e6
    grid = np.arange(0.5, 19.5, 0.1)
    for axis in ("x", "y"):
        velocity = np.interp(grid, seconds, egomotion[f"v{axis}"].to_numpy())
        acceleration = np.interp(grid, seconds, egomotion[f"a{axis}"].to_numpy())
        assert np.abs(np.gradient(velocity, grid) - acceleration)[1:-1].max() < 0.3


def test_a_standing_ego_stays_below_every_threshold_of_motion():
    standing = build("reversing", "clip", np.random.default_rng(1), -50_000)
    rng = np.random.default_rng(2)
    rows = egomotion_rows(standing, egomotion_clock(rng), rng).filter(pl.col("timestamp") < 2_500_000)
    assert np.hypot(rows["vx"].to_numpy(), rows["vy"].to_numpy()).max() < 0.05
    assert np.hypot(rows["x"].to_numpy(), rows["y"].to_numpy()).max() < 0.01


def test_boxes_turned_back_into_the_local_frame_are_the_actors(scene):
    rows = obstacle_rows(scene, obstacle_clock(np.random.default_rng(5)), 100.0)
    assert rows.schema == pl.Schema(OBSTACLE_SCHEMA)
    assert set(rows["track_id"]) <= {actor.track_id for actor in scene.actors}
    for actor in scene.actors:
        mine = rows.filter(pl.col("track_id") == actor.track_id)
        t_us = mine["timestamp_us"].to_numpy()
        x, y, heading = pose_at(scene.ego, t_us)
        ahead, left = mine["center_x"].to_numpy(), mine["center_y"].to_numpy()
        expected = pose_at(actor.path, t_us)
        assert np.abs(x + ahead * np.cos(heading) - left * np.sin(heading) - expected[0]).max() < 1e-3
        assert np.abs(y + ahead * np.sin(heading) + left * np.cos(heading) - expected[1]).max() < 1e-3
        yaw = 2 * np.arctan2(mine["orientation_z"].to_numpy(), mine["orientation_w"].to_numpy())
        assert np.abs(np.exp(1j * (heading + yaw)) - np.exp(1j * expected[2])).max() < 1e-6
        assert (mine["center_z"] * 2 == mine["size_z"]).all()
        assert (mine["size_x"] == actor.length).all() and (mine["size_y"] == actor.width).all()


def test_rows_are_in_the_rig_frame_at_their_own_instant_by_instant_and_track(scene):
    rows = obstacle_rows(scene, obstacle_clock(np.random.default_rng(5)), 100.0)
    assert set(rows["reference_frame"]) == {"rig"}
    assert (rows["reference_frame_timestamp_us"] == rows["timestamp_us"]).all()
    assert rows.equals(rows.sort("timestamp_us", "track_id"))


def test_actors_out_of_reach_have_no_rows(scene):
    near = obstacle_rows(scene, obstacle_clock(np.random.default_rng(5)), 25.0)
    assert 0 < near.height < obstacle_rows(scene, obstacle_clock(np.random.default_rng(5)), 100.0).height
    assert np.hypot(near["center_x"].to_numpy(), near["center_y"].to_numpy()).max() <= 25.0


def test_a_scene_without_actors_has_an_empty_table(scene):
    from dataclasses import replace

    rows = obstacle_rows(replace(scene, actors=[]), obstacle_clock(np.random.default_rng(5)), 100.0)
    assert rows.height == 0 and rows.schema == pl.Schema(OBSTACLE_SCHEMA)
