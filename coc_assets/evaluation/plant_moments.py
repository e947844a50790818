"""The keyframes that labels are planted on, and what the script and the recording say of them.

What the ego does is read here from the recorded speed alone, with margins, and not by the instruments that the plant is
there to test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from coc_assets.raw_coc.records import Component
from resources.schemas import FRAME_S, ComponentCategory, LateralDecision, LongitudinalDecision, Side
from resources.settings.filtering import FilterSettings

Situation = Literal[
    "lead_brakes",
    "lead_stopped",
    "passing",
    "lane_change",
    "cut_in",
    "person_crossing",
    "parked_blocker",
    "curve",
    "turn_approach",
    "turn",
    "stop_line",
    "set_off",
    "speed_up",
]
Course = Literal["up", "down"]

# (scripted cause, longitudinal decision): what happens
_SITUATIONS: Mapping[tuple[str | None, str | None], Situation] = {
    ("lead_brakes", "lead_obstacle_following"): "lead_brakes",
    ("lead_stopped", "lead_obstacle_following"): "lead_stopped",
    ("slower_lead", "acceleration_for_passing"): "passing",
    ("slower_lead", "set_speed_tracking"): "lane_change",
    ("cut_in", "yield"): "cut_in",
    ("person_crossing", "yield"): "person_crossing",
    ("parked_blocker", "set_speed_tracking"): "parked_blocker",
    ("curve", "speed_adaptation"): "curve",
    ("turn", "speed_adaptation"): "turn_approach",
    ("turn", None): "turn",
    ("unobserved", "stop_for_static_constraint"): "stop_line",
}
# situation: how a record's component calls its cause; a situation without one has no cause
_CAUSES: Mapping[Situation, tuple[ComponentCategory, str]] = {
    "lead_brakes": ("critical_object", "{vehicle} ahead, braking"),
    "lead_stopped": ("critical_object", "{vehicle} ahead, standing"),
    "passing": ("critical_object", "slower {vehicle} ahead"),
    "lane_change": ("critical_object", "slower {vehicle} ahead"),
    "cut_in": ("critical_object", "{vehicle} moving in from the next lane"),
    "person_crossing": ("critical_object", "pedestrian walking across"),
    "parked_blocker": ("critical_object", "parked {vehicle}"),
    "curve": ("road_event", "curve of the road"),
    "turn_approach": ("road_event", "intersection"),
    "turn": ("road_event", "intersection"),
    "stop_line": ("yield_stop_control", "stop line"),
}
_NOUNS = {"automobile": "car", "other_vehicle": "truck"}
PEOPLE = ("person", "rider", "stroller")
"""Track classes of people, on foot or on two wheels."""
_OTHER_SIDE: Mapping[Side, Side] = {"left": "right", "right": "left"}

_CLEAR_CHANGE_MPS, _CLEAR_CHANGE_SHARE = 1.5, 0.15  # half as much again as a change of speed has to be
_DITHER_MPS = 0.5
_STANDS_MPS = 1.0
_ASIDE_M = 1.0  # nearer to the middle something is on neither side
_UNDERWAY_S = 0.3  # a keyframe so long after the scripted onset lies within what the script says, not before it
_US_PER_S = 1_000_000
_KMH_PER_MPS = 3.6


@dataclass(frozen=True)
class Spot:
    """A keyframe and what the recording shows there.

    Attributes:
        course: whether the ego clearly speeds up or slows down first in the seconds after; None where neither.
        vehicles: something that is no person is tracked in range in the history window.
        history_us: length of the history window, µs.
    """

    chunk: str
    keyframe_id: str
    clip_id: str
    t0_us: int
    course: Course | None
    vehicles: bool
    history_us: int


@dataclass(frozen=True)
class Moment:
    """A keyframe with its scripted answer.

    Attributes:
        situation: which wordings are true here.
        cause: the scripted cause as a record's component, seen in the history window; None where there is none.
        slots: fillings for the wordings' slots that have one here.
    """

    spot: Spot
    situation: Situation
    longitudinal: LongitudinalDecision | None
    lateral: LateralDecision | None
    side: Side | None
    cause: Component | None
    slots: Mapping[str, str]


def swapped(side: Side) -> Side:
    return _OTHER_SIDE[side]


def sides(side: Side | None) -> dict[str, str]:
    """Fillings of the slots that speak of a manoeuvre's side."""
    return {} if side is None else {"side": side, "opposite": _OTHER_SIDE[side]}


def without_people(tracks: pl.DataFrame) -> pl.DataFrame:
    """The tracks as a scene without people would give them."""
    return tracks.filter(~pl.col("label_class").is_in(PEOPLE))


def spots(
    keyframes: pl.DataFrame, trajectories: pl.DataFrame, tracks: pl.DataFrame, settings: FilterSettings
) -> tuple[list[Spot], Counter[str]]:
    """Keyframes whose motion can be judged, by keyframe id, and how many were left out, by reason.

    Args:
        keyframes, trajectories, tracks: tables of any number of chunks.
    """
    found, left_out = [], Counter[str]()
    speeds, boxes = _by_clip(trajectories.sort("frame")), _by_clip(tracks)
    for row in keyframes.sort("keyframe_id").iter_rows(named=True):
        states = speeds[row["clip_id"]].filter(pl.col("frame") >= row["frame"])
        ahead = states["speed_mps"].to_numpy()[: round(settings.motion.window_s / FRAME_S) + 1]
        if (len(ahead) - 1) * FRAME_S < settings.motion.least_window_s:
            left_out["too little motion after the keyframe"] += 1
            continue
        seen = _seen(boxes.get(row["clip_id"], tracks.clear()), row["t0_us"], settings)
        near = pl.col("x_m").pow(2) + pl.col("y_m").pow(2) <= settings.grounding.range_m**2
        vehicles = not without_people(seen).filter(near).is_empty()
        ids = {name: row[name] for name in ("chunk", "keyframe_id", "clip_id", "t0_us")}
        history_us = round(settings.grounding.history_s * _US_PER_S)
        found.append(Spot(**ids, course=course_of(ahead), vehicles=vehicles, history_us=history_us))
    return found, left_out


def course_of(speed: np.ndarray) -> Course | None:
    """Whether the speed clearly rises or falls first, having done nothing of the other kind before.

    Args:
        speed: (N,) at the keyframe and after it, m/s.
    """
    change = speed - speed[0]
    clear = max(_CLEAR_CHANGE_MPS, _CLEAR_CHANGE_SHARE * float(speed[0]))
    beyond = np.flatnonzero(np.abs(change) >= clear)
    if not len(beyond):
        return None
    rises = change[beyond[0]] > 0
    dithers = np.any((change if not rises else -change)[: beyond[0]] >= _DITHER_MPS)
    return None if dithers else ("up" if rises else "down")


def moments(
    matched: pl.DataFrame, found: list[Spot], trajectories: pl.DataFrame, tracks: pl.DataFrame, settings: FilterSettings
) -> tuple[list[Moment], Counter[str]]:
    """The spots that have a scripted answer which can be worded, and how many were left out, by reason.

    Args:
        matched: rows of `match_truth`.
        found: of `spots`.
    """
    answers = {row["keyframe_id"]: row for row in matched.iter_rows(named=True)}
    states, boxes = _by_clip(trajectories.sort("t_us")), _by_clip(tracks)
    made, left_out = [], Counter[str]()
    for spot in found:
        moment = _moment(
            spot, answers.get(spot.keyframe_id), states[spot.clip_id], boxes.get(spot.clip_id, tracks.clear()), settings
        )
        if isinstance(moment, str):
            left_out[moment] += 1
        else:
            made.append(moment)
    return made, left_out


def _moment(
    spot: Spot, answer: dict[str, Any] | None, states: pl.DataFrame, boxes: pl.DataFrame, settings: FilterSettings
) -> Moment | str:
    """The moment at a spot, or why there is none."""
    if answer is None:
        return "no scripted answer"
    if answer["defect"] is not None:
        return "clip damaged on purpose"
    if (answer["lag_s"] or 0.0) > _UNDERWAY_S:
        return "keyframe after the scripted onset"
    here = states.filter(pl.col("t_us") >= spot.t0_us)
    speed = float(here["speed_mps"][0])
    situation = _situation(answer, spot, speed)
    if situation is None:
        return "no decision to word"
    seen = (
        _seen(boxes, spot.t0_us, settings)
        .filter(pl.col("track_id").eq_missing(pl.lit(answer["cause_track_id"])))
        .sort("t_us")
    )
    if answer["cause_track_id"] is not None and seen.is_empty():
        return "cause not tracked in the history window"
    slots = {"speed": f"{speed * _KMH_PER_MPS:.0f}", **sides(answer["lateral_direction"]), **_slots_of_cause(seen)}
    if situation == "curve":
        slots["bend"] = _bend(here["heading_rad"].to_numpy()[: round(settings.motion.window_s / FRAME_S)])
    decisions = (answer["longitudinal_decision"], answer["lateral_decision"], answer["lateral_direction"])
    return Moment(spot, situation, *decisions, _cause(situation, spot, seen, slots), slots)


def _situation(answer: dict[str, Any], spot: Spot, speed: float) -> Situation | None:
    if answer["cause"] is None and answer["longitudinal_decision"] == "set_speed_tracking" and spot.course == "up":
        return "set_off" if speed < _STANDS_MPS else "speed_up"
    return _SITUATIONS.get((answer["cause"], answer["longitudinal_decision"]))


def _slots_of_cause(seen: pl.DataFrame) -> dict[str, str]:
    """What a witness could say of the scripted cause: its kind, how far off it is, and the side it comes from."""
    if seen.is_empty():
        return {}
    first, last = seen.row(0, named=True), seen.row(-1, named=True)
    slots = {
        "vehicle": _NOUNS.get(last["label_class"], "vehicle"),
        "gap": f"{last['x_m'] - last['length_m'] / 2:.0f}",
    }
    if abs(first["y_m"]) > _ASIDE_M:
        slots["from"] = "left" if first["y_m"] > 0 else "right"
    return slots


def _bend(heading: np.ndarray) -> Side:
    turned = np.unwrap(heading)
    return "left" if turned[-1] > turned[0] else "right"


def _cause(situation: Situation, spot: Spot, seen: pl.DataFrame, slots: Mapping[str, str]) -> Component | None:
    if situation not in _CAUSES:
        return None
    category, phrase = _CAUSES[situation]
    whole = (spot.t0_us - spot.history_us, spot.t0_us)
    first, last = whole if seen.is_empty() else (seen["t_us"][0], seen["t_us"][-1])
    return Component(
        rank=1,
        category=category,
        phrase=phrase.format_map(slots),
        track_id=None if seen.is_empty() else seen["track_id"][0],
        seen_from_us=first,
        seen_to_us=last,
    )


def _seen(boxes: pl.DataFrame, t0_us: int, settings: FilterSettings) -> pl.DataFrame:
    """Boxes of one clip in the history window of a keyframe."""
    return boxes.filter(pl.col("t_us").is_between(t0_us - round(settings.grounding.history_s * _US_PER_S), t0_us))


def _by_clip(table: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(key[0]): rows for key, rows in table.partition_by("clip_id", as_dict=True).items()}
