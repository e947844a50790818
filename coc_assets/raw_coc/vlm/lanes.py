"""Lane manoeuvres measured from the ego's motion, for clips whose meta-actions name none.

Lane meta-actions need a lane map. Without one, a lane change or a nudge after a keyframe is measured as the `rules`
labeler measures it, and told to the model by the names that a lane map would have given it.
"""

from __future__ import annotations

import polars as pl

from coc_assets.raw_coc.rules.geometry import Ego, ego_of
from coc_assets.raw_coc.rules.motion import Manoeuvre, motion_at, window_at
from resources.settings.labels import RulesSettings

_LASTS_FRAMES = {"lane_change": 20, "nudge": 10}  # how long it is named for from its onset on, 0.1 s


def measured_lanes(
    keyframes: pl.DataFrame, trajectories: pl.DataFrame, rules: RulesSettings
) -> dict[str, dict[int, str]]:
    """Lane action by frame, by keyframe id; keyframes after which nothing of the kind was measured are left out.

    Args:
        keyframes, trajectories: the chunk's rows of KEYFRAMES and TRAJECTORIES.
        rules: thresholds of the manoeuvres.
    """
    egos = {str(key[0]): _ego(rows) for key, rows in trajectories.partition_by("clip_id", as_dict=True).items()}
    found = {}
    for keyframe_id, clip_id, frame in keyframes.select("keyframe_id", "clip_id", "frame").iter_rows():
        ego = egos.get(clip_id)
        manoeuvre = _manoeuvre(ego, frame, rules) if ego else None
        if manoeuvre is not None and manoeuvre.kind in _LASTS_FRAMES and not manoeuvre.finishing:
            lasting = range(manoeuvre.start, manoeuvre.start + _LASTS_FRAMES[manoeuvre.kind])
            found[keyframe_id] = dict.fromkeys(lasting, _name(manoeuvre))
    return found


def _ego(trajectory: pl.DataFrame) -> Ego | None:
    try:
        return ego_of(trajectory)
    except ValueError:
        return None


def _manoeuvre(ego: Ego, frame: int, rules: RulesSettings) -> Manoeuvre | None:
    try:
        return motion_at(window_at(frame, ego, rules), ego, rules).manoeuvre
    except Exception:  # a clip that the rules cannot measure has no manoeuvre to tell, and is labelled all the same
        return None


def _name(manoeuvre: Manoeuvre) -> str:
    if manoeuvre.kind == "lane_change":
        return f"{manoeuvre.direction}_lane_change"
    return f"slightly_shift_{manoeuvre.direction}"
