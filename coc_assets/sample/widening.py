"""Scenes with parameters outside a script's own ranges: they are drawn again until they hold together.

The scripts' ranges were chosen so that every scene works. Beyond them one may not: the ego runs into somebody, drives
as nobody would, or acts where no keyframe can lie. Such a scene is no test of a labeler.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from coc_assets.sample.boxes import box_of, ego_box, ever_overlap
from coc_assets.sample.staging import Draw
from coc_assets.sample.world import Path2D, Scene, Truth
from coc_assets.sample.writer import SampleError

ATTEMPTS = 200
ONSETS_S = (2.6, 14.0)
"""Where keyframes reach: half a second after frame 20 … 135."""
ONSETS_APART_S = 3.3
"""Keyframes of a clip keep 3 s apart, and lie up to 0.3 s off their place."""

SHOWN_WITHIN_S = 6.0
"""Labels look 6 s ahead from a keyframe that lies at the onset or before it: what comes later decides nothing."""
_LEAST_TURN_RAD = float(np.radians(15))  # this and the offsets: label rules, Consistency with the trajectory
_LEAST_OFFSET_M = {"lane_change": 1.5, "out_of_lane_nudge": 0.3}

_ROOM_M = 0.2
_MOST_ALONG_MPS2 = 4.5
_MOST_ACROSS_MPS2 = 4.0


def drawn_until_sound(script: Callable[[Draw], Scene], rng: np.random.Generator, widen: float) -> Scene:
    """The first scene that holds together of those that the script gives with wider parameters.

    Raises:
        SampleError: none does.
    """
    why = ""
    for _ in range(ATTEMPTS):
        try:
            scene = script(Draw(rng, widen))
            why = fault(scene)
        except ValueError as error:  # the script itself finds that its parameters do not go together
            why = str(error)
        if not why:
            return scene
    raise SampleError(f"No scene of {getattr(script, '__name__', script)} holds together at {widen=}: {why}; lower it.")


def fault(scene: Scene) -> str:
    """Why a scene does not hold together, or nothing."""
    onsets = [truth.onset_us / 1e6 for truth in scene.truth if truth.onset_us is not None]
    if any(not ONSETS_S[0] < onset <= ONSETS_S[1] for onset in onsets):
        return f"an onset at {onsets} s is out of keyframes' reach"
    if (np.diff(onsets) < ONSETS_APART_S).any():
        return f"onsets at {onsets} s are too close to each other"
    if not all(_shows(truth, scene.ego) for truth in scene.truth):
        return "a manoeuvre lies too far ahead of its onset"
    if _harshest(scene.ego) > 1:
        return "the ego drives too hard"
    boxes = [ego_box(scene.ego, _ROOM_M), *(box_of(actor) for actor in scene.actors)]
    return "somebody collides" if any(ever_overlap(*pair) for pair in combinations(boxes, 2)) else ""


def _shows(truth: Truth, ego: Path2D) -> bool:
    """Whether the lateral decision can be read from the motion that a label looks at."""
    if truth.onset_us is None or truth.lateral_direction is None:
        return True
    first, last = np.searchsorted(ego.t_us, [truth.onset_us, truth.onset_us + SHOWN_WITHIN_S * 1e6])
    if truth.lateral_decision == "turn":
        return bool(abs(ego.heading[last] - ego.heading[first]) >= _LEAST_TURN_RAD)
    east, north, heading = ego.x - ego.x[first], ego.y - ego.y[first], ego.heading[first]
    offset = north * np.cos(heading) - east * np.sin(heading)
    return bool(np.abs(offset[first:last]).max() >= _LEAST_OFFSET_M[truth.lateral_decision or ""])


def _harshest(ego: Path2D) -> float:
    """The ego's greatest acceleration, along or across, as a share of the greatest that is allowed."""
    along = np.abs(np.gradient(ego.speed, ego.t_us / 1e6)).max() / _MOST_ALONG_MPS2
    across = np.abs(ego.speed**2 * ego.curvature).max() / _MOST_ACROSS_MPS2
    return float(max(along, across))
