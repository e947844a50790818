"""The agents of a clip as trajdata wants them: a state each 0.1 s, without holes, all in the clip's local frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from coc_assets.sources.egomotion import FRAME_S, FRAME_US
from resources.settings.trajdata import TrajdataSettings

EGO = "ego"  # trajdata knows the recording vehicle by this name
STATE_COLUMNS = ("x", "y", "z", "vx", "vy", "ax", "ay", "heading")
_MIN_FRAMES = 2  # fewer have no velocity
_SIZES = ("length_m", "width_m", "height_m")


@dataclass(frozen=True)
class ClipAgent:
    """One agent over consecutive frames of its clip.

    Attributes:
        name: `ego`, or the track's id; what comes back after a long gap is `<id>.2`, then `<id>.3`.
        label_class: the dataset's class of a track; None for the ego.
        first_frame: frame of the first state.
        states: (T, 8) float64, columns as in `STATE_COLUMNS`, local frame, m, m/s, m/s² and rad.
        size_m: length, width and height, m.
    """

    name: str
    label_class: str | None
    first_frame: int
    states: np.ndarray
    size_m: tuple[float, float, float]

    @property
    def last_frame(self) -> int:
        return self.first_frame + len(self.states) - 1


def clip_agents(trajectory: pl.DataFrame, tracks: pl.DataFrame, settings: TrajdataSettings) -> list[ClipAgent]:
    """The ego, then the obstacle tracks in order of their id.

    Args:
        trajectory: the clip's rows of `trajectories`, frames ascending.
        tracks: the clip's rows of `tracks`, by track and instant; none are fine.
    """
    ego = ego_agent(trajectory, settings)
    return [ego, *(_track_agents(trajectory, tracks, settings.max_gap_s) if settings.tracks else ())]


def ego_agent(trajectory: pl.DataFrame, settings: TrajdataSettings) -> ClipAgent:
    """The ego exactly as in `trajectories`; its acceleration is the backward difference of the velocity.

    Its position is the rig's origin, as everywhere in the store, not the centre of the body.
    """
    velocity = trajectory.select("vx_mps", "vy_mps").to_numpy()
    poses = _poses(trajectory)
    states = np.column_stack([poses[:, :3], velocity, _rates(velocity), poses[:, 3]])
    size = (settings.ego_length_m, settings.ego_width_m, settings.ego_height_m)
    return ClipAgent(EGO, None, trajectory.item(0, "frame"), states, size)


def _track_agents(trajectory: pl.DataFrame, tracks: pl.DataFrame, max_gap_s: float) -> Iterator[ClipAgent]:
    """Tracks moved into the local frame by the ego's pose at each box's instant, then put on the clip's frames.

    Boxes before the clip's first or after its last frame have no ego pose and are left out, and so is what then covers
    fewer than two frames. The ego's pitch and roll are not in the store, so boxes are turned about the vertical alone.
    """
    first_us, last_us = trajectory.item(0, "t_us"), trajectory.item(-1, "t_us")
    tracks = tracks.filter(pl.col("t_us").is_between(first_us, last_us))
    clock = tracks["t_us"].to_numpy() - first_us  # µs since frame 0
    boxes = _in_local_frame(tracks, _poses_at(trajectory, clock))
    ids, classes, sizes = tracks["track_id"], tracks["label_class"], tracks.select(_SIZES).to_numpy()
    track, piece = None, 0
    for start, end in pairwise(_piece_bounds(ids, clock, max_gap_s)):
        piece = piece + 1 if ids[start] == track else 1
        track = ids[start]
        frames = _frames_within(clock[start], clock[end - 1])
        if len(frames) >= _MIN_FRAMES:
            states = _states(frames, clock[start:end], boxes[start:end])
            length, width, height = np.median(sizes[start:end], axis=0).tolist()
            yield ClipAgent(_name(track, piece), classes[start], frames.start, states, (length, width, height))


def _name(track: str, piece: int) -> str:
    return track if piece == 1 and track != EGO else f"{track}.{piece}"


def _piece_bounds(ids: pl.Series, clock: np.ndarray, max_gap_s: float) -> list[int]:
    """Where each unbroken piece of a track begins, and the end of the last one; two at least where there are rows."""
    if not len(ids):
        return []
    another = (ids != ids.shift()).fill_null(False).to_numpy()
    gap = np.diff(clock, prepend=clock[:1]) > max_gap_s * 1e6
    return [0, *np.flatnonzero(another | gap).tolist(), len(ids)]


def _frames_within(first_us: int, last_us: int) -> range:
    """Frames between the first and the last box of a piece, never beyond them."""
    return range(-(-int(first_us) // FRAME_US), int(last_us) // FRAME_US + 1)


def _states(frames: range, clock: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(T, 8) states of one piece, interpolated between its boxes."""
    unwrapped = np.column_stack([boxes[:, :3], np.unwrap(boxes[:, 3])])
    poses = _interpolate(np.array(frames) * FRAME_US, clock, unwrapped)
    velocity = _rates(poses[:, :2])
    return np.column_stack([poses[:, :3], velocity, _rates(velocity), _wrapped(poses[:, 3])])


def _poses(trajectory: pl.DataFrame) -> np.ndarray:
    """(F, 4) x, y, z and heading of the ego."""
    return trajectory.select("x_m", "y_m", "z_m", "heading_rad").to_numpy()


def _poses_at(trajectory: pl.DataFrame, clock: np.ndarray) -> np.ndarray:
    """(N, 4) ego poses at instants between frames, µs since frame 0."""
    poses = _poses(trajectory)
    unwrapped = np.column_stack([poses[:, :3], np.unwrap(poses[:, 3])])
    return _interpolate(clock, np.arange(len(poses)) * FRAME_US, unwrapped)


def _in_local_frame(tracks: pl.DataFrame, ego: np.ndarray) -> np.ndarray:
    """(N, 4) x, y, z and heading of boxes given in the rig frame, from the ego poses at their instants."""
    forward, left, up, yaw = tracks.select("x_m", "y_m", "z_m", "heading_rad").to_numpy().T
    x, y, z, heading = ego.T
    cos, sin = np.cos(heading), np.sin(heading)
    return np.column_stack(
        [x + cos * forward - sin * left, y + sin * forward + cos * left, z + up, _wrapped(heading + yaw)]
    )


def _interpolate(at: np.ndarray, known_at: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.column_stack([np.interp(at, known_at, column) for column in values.T])


def _rates(values: np.ndarray) -> np.ndarray:
    """Backward differences over a frame, the first filled from the second: trajdata's own derivation."""
    steps = np.diff(values, axis=0, prepend=values[:1])
    steps[0] = steps[1]
    return steps / FRAME_S


def _wrapped(angle: np.ndarray) -> np.ndarray:
    """The same angle in (−π, π]."""
    return np.pi - (np.pi - angle) % (2 * np.pi)
