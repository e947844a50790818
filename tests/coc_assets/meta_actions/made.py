"""Hand-made and random ego states for the meta-action tests."""

from __future__ import annotations

import numpy as np

from coc_assets.bench.plain import ClipStates
from coc_assets.meta_actions.spans import EgoStates


def driven(speed, turn=None) -> ClipStates:
    """A clip driven at these signed speeds (T,), m/s, turning by `turn` rad at each step (T − 1,)."""
    speed = np.asarray(speed, float)
    heading = np.concatenate([[0.0], np.cumsum(np.zeros(len(speed) - 1) if turn is None else turn)])
    vx, vy = speed * np.cos(heading), speed * np.sin(heading)
    x, y = (np.concatenate([[0.0], np.cumsum(v[1:] * 0.1)]) for v in (vx, vy))
    wrapped = (heading + np.pi) % (2 * np.pi) - np.pi
    rates = np.diff(np.abs(speed)) / 0.1
    along = vx * np.cos(wrapped) + vy * np.sin(wrapped)
    t_us = np.arange(len(speed)) * 100_000
    acceleration = np.concatenate([rates[:1], rates])
    return ClipStates(t_us, x, y, 0 * x, wrapped, vx, vy, np.hypot(vx, vy), along, acceleration)


def random_drive(seed: int) -> ClipStates:
    """Stretches of acceleration, braking, standing, backing and turning, with noise, over 2 to 201 frames."""
    random = np.random.default_rng(seed)
    frames = int(random.choice([2, 3, 4, 9, 30, 120, 201]))
    speed, turn = [random.choice([0.0, 5.0, -1.0, 15.0])], []
    while len(speed) < frames:
        acceleration, yaw_rate = random.choice([-4, -1.5, -0.5, 0, 0, 0.2, 1, 2.5]), random.normal(0, 0.4)
        for _ in range(int(random.integers(2, 40))):
            lowest = -2.0 if seed % 2 else 0.0
            speed.append(max(speed[-1] + acceleration * 0.1 + random.normal(0, 0.02), lowest))
            turn.append(yaw_rate * 0.1 * min(abs(speed[-1]) / 3, 1) + random.normal(0, 2e-4))
    return driven(speed[:frames], turn[: frames - 1])


def together(clips: list[ClipStates]) -> EgoStates:
    """The clips one after the other."""
    offsets = np.concatenate([[0], np.cumsum([len(clip.x) for clip in clips])]).astype(np.int64)
    names = ("x", "y", "heading", "speed", "speed_along_heading", "acceleration")
    return EgoStates(offsets, *(np.concatenate([getattr(clip, name) for clip in clips]) for name in names))
