"""Boxes on the ground: where their corners are and whether two of them meet."""

from __future__ import annotations

import numpy as np

from coc_assets.sample.bicycle import EGO
from coc_assets.sample.world import Actor, Path2D

_EVERY = 10  # scenes run at 100 Hz; boxes are compared at 10 Hz


def box_of(actor: Actor, margin: float = 0.0) -> np.ndarray:
    """(M, 4, 2) corners of an actor at 10 Hz, widened by `margin` m all round."""
    path = actor.path
    return _corners(path, path.x, path.y, actor.length + 2 * margin, actor.width + 2 * margin)


def ego_box(path: Path2D, margin: float = 0.0) -> np.ndarray:
    """(M, 4, 2) corners of the ego's body at 10 Hz."""
    x = path.x + EGO.centre * np.cos(path.heading)
    y = path.y + EGO.centre * np.sin(path.heading)
    return _corners(path, x, y, EGO.length + 2 * margin, EGO.width + 2 * margin)


def ever_overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two boxes, (M, 4, 2) each, share ground at any common instant (separating axes)."""
    apart = np.zeros(len(one), dtype=bool)
    for box in (one, other):
        for side in (1, 3):
            axis = box[:, side] - box[:, 0]
            mine = np.einsum("mcd,md->mc", one, axis)
            theirs = np.einsum("mcd,md->mc", other, axis)
            apart |= (mine.max(1) < theirs.min(1)) | (theirs.max(1) < mine.min(1))
    return bool((~apart).any())


def _corners(path: Path2D, x: np.ndarray, y: np.ndarray, length: float, width: float) -> np.ndarray:
    heading = path.heading[::_EVERY]
    forward = np.stack([np.cos(heading), np.sin(heading)], axis=1) * (length / 2)
    left = np.stack([-np.sin(heading), np.cos(heading)], axis=1) * (width / 2)
    centre = np.stack([x[::_EVERY], y[::_EVERY]], axis=1)
    return np.stack(
        [centre + forward + left, centre + forward - left, centre - forward - left, centre - forward + left], axis=1
    )
