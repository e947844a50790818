from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from trajdata.utils import arr_utils

from coc_assets.trajdata.agents import STATE_COLUMNS, ClipAgent, clip_agents
from resources import schemas
from resources.settings.trajdata import TrajdataSettings

FIRST_US = -62_941
FRAMES = 101
RADIUS_M, YAW_RATE = 40.0, 0.2
SETTINGS = TrajdataSettings()


def pose(t_us: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ego drives a circle to the left, and its heading passes π on the way."""
    heading = 2.5 + YAW_RATE * (t_us - FIRST_US) * 1e-6
    return RADIUS_M * np.sin(heading), -RADIUS_M * np.cos(heading), heading


def wrap(angle: np.ndarray) -> np.ndarray:
    return np.arctan2(np.sin(angle), np.cos(angle))


@pytest.fixture
def trajectory() -> pl.DataFrame:
    t_us = FIRST_US + np.arange(FRAMES) * 100_000
    x, y, heading = pose(t_us)
    speed = RADIUS_M * YAW_RATE
    columns = {"frame": np.arange(FRAMES), "t_us": t_us, "x_m": x, "y_m": y, "z_m": 0.01 * np.arange(FRAMES)}
    columns |= {"heading_rad": wrap(heading), "vx_mps": speed * np.cos(heading), "vy_mps": speed * np.sin(heading)}
    return schemas.conform(pl.DataFrame(columns), schemas.TRAJECTORIES)


def boxes(times_us: np.ndarray, track: str = "7", label_class: str = "person") -> pl.DataFrame:
    """An actor at (10, −5, 1) in the local frame that faces 3.1 rad and never moves, as the rig sees it."""
    x, y, heading = pose(times_us)
    east, north = 10.0 - x, -5.0 - y
    columns = {
        "t_us": times_us,
        "x_m": np.cos(heading) * east + np.sin(heading) * north,
        "y_m": -np.sin(heading) * east + np.cos(heading) * north,
        "z_m": 1.0 - 0.01 * (times_us - FIRST_US) / 1e5,
        "heading_rad": wrap(3.1 - heading),
        "length_m": np.full(len(times_us), 0.6),
        "width_m": np.full(len(times_us), 0.5),
        "height_m": np.full(len(times_us), 1.8),
    }
    named = pl.DataFrame(columns).with_columns(track_id=pl.lit(track), label_class=pl.lit(label_class))
    return schemas.conform(named, schemas.TRACKS)


def seen_at(*spans_s: tuple[float, float]) -> np.ndarray:
    """Instants since frame 0, 10 Hz within each span, off the frames' own instants by 37 ms."""
    steps = [np.arange(round(start * 10), round(end * 10) + 1) for start, end in spans_s]
    return FIRST_US + np.concatenate(steps) * 100_000 + 37_000


def of_tracks(trajectory: pl.DataFrame, *tracks: pl.DataFrame, **settings: float) -> list[ClipAgent]:
    return clip_agents(trajectory, pl.concat(tracks), SETTINGS.model_copy(update=settings))[1:]


def test_the_ego_is_the_trajectory_with_trajdatas_own_accelerations(trajectory: pl.DataFrame) -> None:
    ego = clip_agents(trajectory, schemas.empty(schemas.TRACKS), SETTINGS)[0]
    state = dict(zip(STATE_COLUMNS, ego.states.T, strict=True))
    same = {"x": "x_m", "y": "y_m", "z": "z_m", "vx": "vx_mps", "vy": "vy_mps", "heading": "heading_rad"}
    for name, column in same.items():
        assert np.array_equal(state[name], trajectory[column].to_numpy()), name
    velocity = trajectory.select("vx_mps", "vy_mps").to_numpy()
    expected = arr_utils.agent_aware_diff(velocity, np.zeros(FRAMES)) / 0.1
    assert np.allclose(ego.states[:, 5:7], expected, rtol=0, atol=1e-9)
    assert (ego.name, ego.first_frame, ego.last_frame) == ("ego", 0, FRAMES - 1)


def test_what_stands_still_stands_still_however_the_ego_moves(trajectory: pl.DataFrame) -> None:
    (agent,) = of_tracks(trajectory, boxes(seen_at((2.0, 6.0))))
    assert (agent.name, agent.label_class, agent.first_frame, agent.last_frame) == ("7", "person", 21, 60)
    assert agent.size_m == (0.6, 0.5, 1.8)
    assert np.allclose(agent.states[:, :3], [10.0, -5.0, 1.0], atol=0.01)
    assert np.allclose(agent.states[:, 3:5], 0.0, atol=0.05)
    assert np.allclose(agent.states[:, 7], 3.1, atol=1e-3)


@pytest.mark.parametrize(
    ("spans", "agents"),
    [
        ([(1.0, 2.0), (2.5, 3.0)], [("7", 11, 30)]),
        ([(1.0, 2.0), (2.6, 3.0)], [("7", 11, 20), ("7.2", 27, 30)]),
        ([(1.0, 2.0), (3.0, 3.1), (4.0, 5.0)], [("7", 11, 20), ("7.3", 41, 50)]),
        ([(0.0, 0.1)], []),
        ([(-1.0, 0.5)], [("7", 1, 5)]),
        ([(9.5, 12.0)], [("7", 96, 99)]),
        ([(20.0, 22.0)], []),
    ],
    ids=["short gap", "long gap", "a glimpse between", "one frame", "before the clip", "past its end", "outside it"],
)
def test_a_track_becomes_an_agent_a_piece(trajectory: pl.DataFrame, spans, agents) -> None:
    made = of_tracks(trajectory, boxes(seen_at(*spans)))
    assert [(agent.name, agent.first_frame, agent.last_frame) for agent in made] == agents
    assert all(len(agent.states) == agent.last_frame - agent.first_frame + 1 for agent in made)


def test_another_track_is_another_agent_and_none_takes_the_egos_name(trajectory: pl.DataFrame) -> None:
    seen = seen_at((1.0, 2.0))
    made = of_tracks(trajectory, boxes(seen, "8"), boxes(seen, "9", "animal"), boxes(seen, "ego"))
    assert [(agent.name, agent.label_class) for agent in made] == [
        ("8", "person"),
        ("9", "animal"),
        ("ego.1", "person"),
    ]
    assert np.array_equal(made[0].states, made[1].states)


def test_longer_gaps_and_no_tracks_at_all_are_a_setting(trajectory: pl.DataFrame) -> None:
    seen = boxes(seen_at((1.0, 2.0), (3.0, 4.0)))
    assert len(of_tracks(trajectory, seen, max_gap_s=0.5)) == 2
    assert len(of_tracks(trajectory, seen, max_gap_s=1.0)) == 1
    assert of_tracks(trajectory, seen, tracks=False) == []
