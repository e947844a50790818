from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from coc_assets.raw_coc.rules.geometry import (
    actors_of,
    boxes_of,
    ego_of,
    has_run,
    place,
    reference_line,
    wrap,
)
from resources.settings.labels import TrackSettings
from tests.coc_assets.raw_coc.rules.scenes import Box, Drive, arc, tracks, trajectory

SETTINGS = TrackSettings()
TURNING = Drive([(0, 8.0)], arc(40.0, 20.0, np.pi / 2))


def test_a_standing_box_stays_where_it_is_while_the_ego_turns_past_it() -> None:
    ego = ego_of(trajectory(TURNING))
    boxes = boxes_of(tracks(TURNING, [Box("b", [(0, 60.0)], [(0, 25.0)], heading=0.7)]), ego)
    assert np.abs(boxes.x - 60.0).max() < 0.1
    assert np.abs(boxes.y - 25.0).max() < 0.1
    assert np.abs(wrap(boxes.heading - 0.7)).max() < 0.01


def test_velocities_are_over_ground_not_relative_to_the_ego() -> None:
    boxes = [Box("standing", [(0, 90.0)], [(0, 3.0)]), Box("driving", [(0, 0.0), (20, 100.0)], [(0, -4.0)])]
    drive = Drive([(0, 10.0)])
    ego = ego_of(trajectory(drive))
    line = reference_line(ego, SETTINGS)
    actors = actors_of(boxes_of(tracks(drive, boxes), ego), ego, line, SETTINGS)
    middle = slice(5, -5)
    assert np.abs(actors.speed[1, middle]).max() < 0.02
    assert np.abs(actors.vs[0, middle] - 5.0).max() < 0.02
    assert np.abs(actors.vd[0, middle]).max() < 0.02


@pytest.mark.parametrize(
    ("x", "y", "s", "d"),
    [
        (10.0, 0.0, 10.0, 0.0),
        (10.0, 2.5, 10.0, 2.5),
        (10.0, -2.5, 10.0, -2.5),
        (-30.0, 1.0, -30.0, 1.0),
        (150.0, -1.0, 150.0, -1.0),
    ],
)
def test_places_along_a_straight_path_and_its_extensions(x: float, y: float, s: float, d: float) -> None:
    line = reference_line(ego_of(trajectory(Drive([(0, 5.0)]))), SETTINGS)
    placed = place(line, np.array([x]), np.array([y]))
    assert (placed.s[0], placed.d[0], placed.tangent[0]) == pytest.approx((s, d, 0.0), abs=1e-3)


def test_the_line_follows_a_bend_and_goes_on_straight() -> None:
    ego = ego_of(trajectory(TURNING))
    line = reference_line(ego, SETTINGS)
    end = TURNING.way_at(20.0)
    beyond = place(line, ego.x[-1:] + 2.0, ego.y[-1:] + 30.0)
    assert beyond.s[0] == pytest.approx(end + 30.0, abs=0.1)
    assert beyond.d[0] == pytest.approx(-2.0, abs=0.05)
    assert beyond.tangent[0] == pytest.approx(np.pi / 2, abs=1e-3)
    on_it = place(line, ego.x, ego.y)
    assert np.abs(on_it.d).max() < 0.05
    assert np.abs(on_it.s - line.ego_s).max() < 0.1


def test_ground_driven_twice_counts_once() -> None:
    ego = ego_of(trajectory(Drive([(0, 4.0), (5, 4.0), (6, -2.0), (10, -2.0), (11, 4.0)])))
    line = reference_line(ego, SETTINGS)
    assert (np.diff(line.s) > 0).all()
    assert (np.diff(line.ego_s) < 0).any()


def test_an_ego_that_stands_has_a_straight_line() -> None:
    line = reference_line(ego_of(trajectory(Drive([(0, 0.0)]))), SETTINGS)
    assert place(line, np.array([50.0]), np.array([1.0])).s[0] == pytest.approx(50.0)


def test_an_actor_coasts_on_where_its_track_ends() -> None:
    drive = Drive([(0, 5.0)])
    ego = ego_of(trajectory(drive))
    rows = tracks(drive, [Box("b", [(0, 40.0), (20, 80.0)], [(0, -4.0), (20, 6.0)], seen=(2.0, 12.0))])
    actors = actors_of(boxes_of(rows, ego), ego, reference_line(ego, SETTINGS), SETTINGS)
    assert (actors.x[0, 145], actors.y[0, 145]) == pytest.approx((69.0, 3.25), abs=0.05)
    assert np.isnan(actors.x[0, 175])


def test_unseen_stretches_of_a_track_stay_unknown() -> None:
    drive = Drive([(0, 5.0)])
    ego = ego_of(trajectory(drive))
    rows = tracks(drive, [Box("b", [(0, 40.0)], [(0, 2.0)], seen=(2.0, 12.0))])
    rows = rows.filter(~pl.col("t_us").is_between(5_000_000, 6_000_000))
    actors = actors_of(boxes_of(rows, ego), ego, reference_line(ego, SETTINGS), SETTINGS)
    seen = np.isfinite(actors.s[0])
    assert not seen[:20].any() and not seen[171:].any() and not seen[52:60].any()
    assert seen[22:49].all() and seen[62:119].all()


def test_boxes_without_a_figure_are_left_out() -> None:
    drive = Drive([(0, 5.0)])
    rows = tracks(drive, [Box("b", [(0, 40.0)], [(0, 2.0)])])
    broken = rows.with_columns(x_m=pl.when(pl.col("t_us") > 5_000_000).then(float("nan")).otherwise("x_m"))
    boxes = boxes_of(broken, ego_of(trajectory(drive)))
    assert boxes.t_us.max() <= 5_000_000 < rows["t_us"].max()


def test_a_trajectory_that_is_no_number_is_refused() -> None:
    rows = trajectory(Drive([(0, 5.0)])).with_columns(x_m=pl.when(pl.col("frame") == 7).then(None).otherwise("x_m"))
    with pytest.raises(ValueError, match="at frame 7"):
        ego_of(rows)


@pytest.mark.parametrize(
    ("mask", "least", "expected"),
    [("0111", 3, True), ("0110", 3, False), ("1101", 3, False), ("111", 4, False), ("1111", 4, True)],
)
def test_runs(mask: str, least: int, expected: bool) -> None:
    assert has_run(np.array([[c == "1" for c in mask]]), least).tolist() == [expected]
