"""Figures of predicted paths, on arrays: displacement errors, misses and jerk.

All paths are at 10 Hz from t0 + 0.1 s, metres, in the ego frame at t0; only x and y count. N samples, K modes, T steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resources.schemas import FRAME_S

_JERK_ORDER = 3  # the third difference of positions


@dataclass(frozen=True)
class Errors:
    """Displacement errors over the first steps of N samples, metres; NaN where a prediction ends before.

    Attributes:
        ade, fde: mean over the steps and at the last one, of the first mode.
        min_ade, min_fde: the least of the first k modes, each for itself.
    """

    ade: np.ndarray
    fde: np.ndarray
    min_ade: np.ndarray
    min_fde: np.ndarray


def displacements(modes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of every predicted position from the one that was driven.

    Args:
        modes: (N, K, T, 2), the most probable mode first.
        truth: (N, T or more, 2).

    Returns:
        (N, K, T) float64, m.
    """
    steps = modes.shape[2]
    away = np.asarray(modes, np.float64) - np.asarray(truth, np.float64)[:, None, :steps]
    return np.hypot(away[..., 0], away[..., 1])


def errors(distance: np.ndarray, k: int, steps: np.ndarray) -> Errors:
    """Errors over the first steps of predictions.

    Args:
        distance: (N, K, T) as `displacements` gives it.
        k: modes that count for the least errors; all of them where there are fewer.
        steps: (N,) over how many of each, 1 or more; more than T of them make its figures NaN.
    """
    sample, last = np.arange(len(distance)), np.minimum(steps, distance.shape[2]) - 1
    beyond = np.where(steps > distance.shape[2], np.nan, 0.0)[:, None]
    ade = np.cumsum(distance, axis=2)[sample, :, last] / steps[:, None] + beyond
    fde = distance[sample, :, last] + beyond
    return Errors(ade[:, 0], fde[:, 0], ade[:, :k].min(axis=1), fde[:, :k].min(axis=1))


def jerk(history: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Size of the third difference of positions over 0.1 s cubed, one figure a predicted step.

    The difference at a step takes that position and the three before it. At the first three steps some of these are the
    recorded ones at t0, t0 − 0.1 s and t0 − 0.2 s, so that a path which does not go on from the history shows.

    Args:
        history: (N, 3 or more, 2), of which the last is at t0.
        path: (N, T, 2); NaN from where it ends.

    Returns:
        (N, T) m/s³, NaN where the path is.
    """
    whole = np.concatenate([history[:, -_JERK_ORDER:], path], axis=1, dtype=np.float64)
    change = np.diff(whole, n=_JERK_ORDER, axis=1) / FRAME_S**_JERK_ORDER
    return np.hypot(change[..., 0], change[..., 1])


def constant_velocity(history: np.ndarray, steps: int) -> np.ndarray:
    """The path on from t0 at the velocity of the last 0.1 s of the history.

    Args:
        history: (N, 2 or more, 2), of which the last is at t0.

    Returns:
        (N, steps, 2).
    """
    last = np.asarray(history[:, -1], np.float64)
    step = last - history[:, -2]
    return last[:, None] + step[:, None] * np.arange(1, steps + 1)[:, None]
