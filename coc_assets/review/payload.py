"""Everything that one page shows of a label, as plain values that JSON can hold.

Instants are seconds relative to the keyframe (t0 = 0). Places are metres in the ego's frame at t0: x forward, y left.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import polars as pl

from coc_assets.filtered_coc import human_review
from coc_assets.filtered_coc.policy import Policy
from coc_assets.raw_coc.rules.geometry import Boxes, Ego, boxes_of, ego_of
from coc_assets.review.blind import rule_named, without_people
from coc_assets.review.reading import ChunkTables
from resources.schemas import FRAME_S
from resources.settings import Settings
from resources.settings.labels import BodySettings

Row = dict[str, Any]

LABEL_SHOWN = (
    "labeler",
    "model",
    "origin",
    "prompt_version",
    "scenario",
    "longitudinal_decision",
    "lateral_decision",
    "lateral_direction",
    "components",
    "trace",
    "perception",
    "prediction",
    "planning",
    "justification",
)
KEYFRAME_SHOWN = ("keyframe_id", "clip_id", "frame", "t0_us", "action", "actions", "axis", "mode", "scenario")
_DECIMALS = 2
_MICRO = 1e-6


def page_of(label: Row, tables: ChunkTables, policy: Policy | None, settings: Settings, *, blind: bool) -> Row:
    """What the tables say of a label, its motion and its surroundings.

    Args:
        label: its row of `raw_coc`.
        policy: what its verdict came from, where that is known.
        blind: leave out what people decided.
    """
    keyframe = _row(tables.keyframes, keyframe_id=label["keyframe_id"]) or {}
    return {
        "label_id": label["label_id"],
        "label": {name: label[name] for name in LABEL_SHOWN},
        "keyframe": {name: keyframe.get(name) for name in KEYFRAME_SHOWN} | {"keyframe_id": label["keyframe_id"]},
        "verdict": verdict_of(label["label_id"], tables.verdicts, policy, blind=blind),
        "measurements": figures_of(label["label_id"], tables.measurements, policy, blind=blind),
        **surroundings(label, keyframe, tables, settings),
    }


# ---- what was judged -------------------------------------------------------------------------------------------------


def verdict_of(label_id: str, verdicts: pl.DataFrame, policy: Policy | None, *, blind: bool) -> Row:
    """Verdict, policy version and the rules that fired, each with what it says."""
    row = _row(verdicts, label_id=label_id)
    if row is None:
        return {"verdict": None, "policy": None, "reasons": []}
    verdict, reasons = row["verdict"], row["reasons"]
    if blind:
        verdict, reasons = without_people(verdict, reasons, policy)
    return {
        "verdict": verdict,
        "policy": row["policy_version"],
        "reasons": [_reason(name, policy) for name in reasons],
    }


def _reason(name: str, policy: Policy | None) -> Row:
    if policy is None:
        return {"rule": name, "verdict": None, "hint": "", "condition": ""}
    rule = rule_named(policy, name)
    return {"rule": name, "verdict": rule.verdict, "hint": rule.hint, "condition": rule.condition}


def figures_of(label_id: str, measurements: pl.DataFrame, policy: Policy | None, *, blind: bool) -> list[Row]:
    """Each figure of a label as it was measured last, with the rules that look at it."""
    of_label = measurements.filter(pl.col("label_id") == label_id)
    if blind:
        of_label = of_label.filter(pl.col("instrument") != human_review.INSTRUMENT)
    newest = of_label.unique(["instrument", "name"], keep="last", maintain_order=True)
    looked_at: dict[tuple[str, str], list[str]] = {}
    for rule in policy.rules if policy else ():
        looked_at.setdefault((rule.instrument, rule.name), []).append(rule.rule)
    return [
        {
            **{name: row[name] for name in ("instrument", "version", "name", "detail")},
            "value": _number(row["value"], 3),
            "rules": looked_at.get((row["instrument"], row["name"]), []),
        }
        for row in newest.iter_rows(named=True)
    ]


# ---- motion and surroundings -----------------------------------------------------------------------------------------


def surroundings(label: Row, keyframe: Row, tables: ChunkTables, settings: Settings) -> Row:
    """Motion, meta-actions and tracks over the evidence window; empty where the clip is not in the store any more."""
    window_s = (-settings.videos.history_s, settings.videos.future_s)
    of_clip = pl.col("clip_id") == label["clip_id"]
    trajectory = tables.trajectories.filter(of_clip).sort("frame")
    if not trajectory.height:
        return {"window_s": window_s, "motion": None, "timeline": [], "scene": None}
    t0_us = label["t0_us"]
    from_us, to_us = (t0_us + round(end / _MICRO) for end in window_s)
    shown = trajectory.filter(pl.col("t_us").is_between(from_us, to_us))
    first_us = trajectory["t_us"][0]
    ego = ego_of(trajectory)
    reach_m = settings.filtering.grounding.range_m
    cited = {one["track_id"]: one["rank"] for one in reversed(label["components"] or []) if one["track_id"]}
    return {
        "window_s": window_s,
        "motion": motion_of(shown, t0_us) | {"event_s": _event_s(keyframe, first_us, t0_us)},
        "timeline": timeline_of(tables.spans.filter(of_clip), first_us, t0_us, window_s),
        "scene": scene_of(ego, tables.tracks.filter(of_clip), t0_us, (from_us, to_us), cited, reach_m)
        | {"body": _body(settings.labels.rules.body)},
    }


def motion_of(trajectory: pl.DataFrame, t0_us: int) -> Row:
    """Speed along the heading and acceleration by instant."""
    seconds = (trajectory["t_us"] - t0_us) * _MICRO
    return {
        "t_s": _numbers(seconds),
        "speed_mps": _numbers(trajectory["speed_along_heading_mps"]),
        "acceleration_mps2": _numbers(trajectory["acceleration_mps2"]),
    }


def timeline_of(spans: pl.DataFrame, first_us: int, t0_us: int, window_s: tuple[float, float]) -> list[Row]:
    """Meta-actions that lie in the window, cut to it."""
    rows = []
    for axis, action, start, end in spans.select("axis", "action", "start_frame", "end_frame").iter_rows():
        from_s, to_s = (_since(frame, first_us, t0_us) for frame in (start, end))
        if to_s > window_s[0] and from_s < window_s[1]:
            cut = {"from_s": _number(max(from_s, window_s[0])), "to_s": _number(min(to_s, window_s[1]))}
            rows.append({"axis": axis, "action": action, **cut})
    return rows


def scene_of(
    ego: Ego,
    tracks: pl.DataFrame,
    t0_us: int,
    window_us: tuple[int, int],
    cited: Mapping[str, int],
    reach_m: float,
) -> Row:
    """The ego's path and the boxes around it in the window.

    Args:
        cited: rank of the component that cites a track, by track.
        reach_m: tracks that never come so near are left out, unless they are cited.

    Returns:
        `ego`: rows t, x, y, heading (rad). `tracks`: id, class, length, width, rank (null where not cited) and `boxes`,
        rows as the ego's.
    """
    at = [float(np.interp(t0_us, ego.t_us, values)) for values in (ego.x, ego.y, ego.heading)]
    within = (ego.t_us >= window_us[0]) & (ego.t_us <= window_us[1])
    path = _seen_from(at, t0_us, ego.t_us[within], ego.x[within], ego.y[within], ego.heading[within])
    boxes = boxes_of(tracks.filter(pl.col("t_us").is_between(*window_us)), ego)
    shown = (_track(boxes, number, at, t0_us, cited) for number in range(len(boxes.track_ids)))
    near = _near(boxes, ego, reach_m)
    return {"ego": path, "tracks": [one for one in shown if one["rank"] or one["id"] in near]}


def _track(boxes: Boxes, number: int, at: list[float], t0_us: int, cited: Mapping[str, int]) -> Row:
    rows = boxes.of(number)
    name = boxes.track_ids[number]
    return {
        "id": name,
        "class": boxes.classes[number],
        "length_m": _number(boxes.length[rows].max()),
        "width_m": _number(boxes.width[rows].max()),
        "rank": cited.get(name),
        "boxes": _seen_from(at, t0_us, boxes.t_us[rows], boxes.x[rows], boxes.y[rows], boxes.heading[rows]),
    }


def _near(boxes: Boxes, ego: Ego, reach_m: float) -> Collection[str]:
    ego_x, ego_y = (np.interp(boxes.t_us, ego.t_us, values) for values in (ego.x, ego.y))
    close = np.hypot(boxes.x - ego_x, boxes.y - ego_y) <= reach_m
    return {boxes.track_ids[number] for number in np.unique(boxes.track[close])}


def _seen_from(
    at: list[float], t0_us: int, t_us: np.ndarray, x: np.ndarray, y: np.ndarray, heading: np.ndarray
) -> list[list[float]]:
    """Rows t, x, y, heading in the frame of a pose (x, y, heading) at t0."""
    x0, y0, yaw = at
    forward = (x - x0) * math.cos(yaw) + (y - y0) * math.sin(yaw)
    left = (y - y0) * math.cos(yaw) - (x - x0) * math.sin(yaw)
    rows = np.stack([(t_us - t0_us) * _MICRO, forward, left, heading - yaw], axis=1)
    return [[round(value, 3) for value in row] for row in rows.tolist()]


def _event_s(keyframe: Row, first_us: int, t0_us: int) -> list[float] | None:
    """Begin and end of the manoeuvre that the keyframe was chosen for."""
    start, end = keyframe.get("event_start_frame"), keyframe.get("event_end_frame")
    if start is None or end is None:
        return None
    return [round(_since(frame, first_us, t0_us), _DECIMALS) for frame in (start, end)]


def _since(frame: int, first_us: int, t0_us: int) -> float:
    return frame * FRAME_S + (first_us - t0_us) * _MICRO


def _body(body: BodySettings) -> Row:
    return {"front_m": body.front_m, "rear_m": body.rear_m, "width_m": body.width_m}


def _row(table: pl.DataFrame, **named: str) -> Row | None:
    return next(table.filter(**named).iter_rows(named=True), None)


def _numbers(values: pl.Series) -> list[float | None]:
    return [_number(value) for value in values.to_list()]


def _number(value: float | None, decimals: int = _DECIMALS) -> float | None:
    """Rounded; None for what is no number, which JSON cannot hold."""
    return None if value is None or not math.isfinite(value) else round(float(value), decimals)
