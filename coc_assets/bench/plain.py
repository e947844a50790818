"""The same rules once more, one clip at a time in plain Python: the benchmark's baseline and the tests' oracle.

Nothing here is shared with the compiled path but the settings; it is written to be read beside the rules.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl

from coc_assets.sources.egomotion import FRAME_S, FRAME_US, Egomotion, frame_count
from resources import schemas
from resources.settings.keyframes import KeyframeSettings
from resources.settings.meta_actions import MetaActionSettings


@dataclass(frozen=True)
class ClipStates:
    """Ego states of one clip at T frames; units as in the `trajectories` table."""

    t_us: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    heading: np.ndarray
    vx: np.ndarray
    vy: np.ndarray
    speed: np.ndarray
    speed_along_heading: np.ndarray
    acceleration: np.ndarray


@dataclass
class Segment:
    """A stretch of the timeline under one name; times in seconds, averages already multiplied by the duration."""

    name: str
    start: float
    duration: float
    totals: dict[str, float] = field(default_factory=dict)

    def absorb(self, other: Segment, share: float = 1.0) -> None:
        self.duration += share * other.duration
        for measure, total in other.totals.items():
            self.totals[measure] += share * total


class Span(NamedTuple):
    """One meta-action over frames `[start, end)`."""

    axis: str
    action: str
    start: int
    end: int
    measures: dict[str, float]


class Keyframe(NamedTuple):
    frame: int
    actions: list[str]
    axis: str
    event_start: int
    event_end: int


def resample_clip(ego: Egomotion, max_frames: int) -> ClipStates:
    """The clip at 10 Hz from its first sample on (dataset notes, Resampling)."""
    from scipy.spatial.transform import Rotation, Slerp

    frames = min(frame_count(ego.t_us), max_frames)
    t_us = ego.t_us[0] + np.arange(frames) * FRAME_US
    x, y, z = (np.interp(t_us, ego.t_us, ego.xyz[:, axis]) for axis in range(3))
    around = _samples_around(ego.t_us, t_us)
    rotations = Rotation.from_quat(ego.quaternion[around])
    if len(around) > 1:
        rotations = Slerp(ego.t_us[around] - ego.t_us[0], rotations)(t_us - ego.t_us[0])
    heading = rotations.as_euler("zyx")[:, 0]
    if ego.velocity is None:
        vx, vy = _backward_difference(x), _backward_difference(y)
    else:
        vx, vy = (np.interp(t_us, ego.t_us, ego.velocity[:, axis]) for axis in range(2))
    speed = np.hypot(vx, vy)
    along = vx * np.cos(heading) + vy * np.sin(heading)
    return ClipStates(t_us, x, y, z, heading, vx, vy, speed, along, _backward_difference(speed))


def spans_of_clip(states: ClipStates, settings: MetaActionSettings) -> list[Span]:
    """Longitudinal, then lateral spans; empty for a clip of one frame."""
    if len(states.speed) < 2:
        return []
    longitudinal = longitudinal_spans(states, settings)
    lateral = lateral_spans(states, settings)
    for stop in (span for span in longitudinal if span.action == "stop"):
        lateral = [part for span in lateral for part in _without(span, stop)]
    return longitudinal + sorted(lateral, key=lambda span: (span.start, span.end))


def longitudinal_spans(states: ClipStates, settings: MetaActionSettings) -> list[Span]:
    """Acceleration, deceleration, stop, reverse and maintain_speed (meta-action rules, Longitudinal)."""
    speed, along = states.speed.tolist(), states.speed_along_heading.tolist()
    smoothed = _rolling_mean(states.acceleration.tolist(), settings.smoothing_ticks)
    flags = [[value >= cut for value in along] for cut in (settings.cut_speed, -settings.cut_speed)]
    for cut in (settings.cut_gentle, settings.cut_strong):
        flags += [_with_hysteresis(smoothed, signed, settings.cut_hysteresis) for signed in (cut, -cut)]
    segments = []
    for start, end in _cut(flags, settings.hold_ticks, len(speed) - 1):
        duration, change = (end - start) * FRAME_S, speed[end] - speed[start]
        mean_speed = float(states.speed[start:end].mean())
        mean_along = float(states.speed_along_heading[start:end].mean())
        name = name_longitudinal(mean_along, mean_speed, change / duration, change, settings)
        totals = {"delta_velocity": change, "speed": mean_speed * duration, "along": mean_along * duration}
        segments.append(Segment(name, start * FRAME_S, duration, totals))

    def minimum(name: str) -> int:
        steady = name == "maintain_speed"
        return settings.maintain_speed_minimum_ticks if steady else settings.longitudinal_minimum_ticks

    return _in_frames("longitudinal", clean(segments, minimum), _longitudinal_measures)


def lateral_spans(states: ClipStates, settings: MetaActionSettings) -> list[Span]:
    """Steering, forwards and in reverse, and go_straight (meta-action rules, Lateral), before stops cut them."""
    turn = _smoothed_turn(np.diff(states.heading), settings.smoothing_ticks)
    distance = np.hypot(np.diff(states.x), np.diff(states.y))
    along = states.speed_along_heading[:-1].tolist()

    def rate_of(heading_change: float, driven: float) -> float:
        return heading_change / driven if driven > settings.negligible_distance else 0.0

    rates = [rate_of(*step) for step in zip(turn.tolist(), distance.tolist(), strict=True)]
    flags = [[value >= -settings.cut_backing_speed for value in along]]
    for cut in (settings.cut_turn_rate, settings.cut_sharp_turn_rate):
        flags += [[rate >= signed for rate in rates] for signed in (cut, -cut)]
    segments = []
    for start, end in _cut(flags, settings.hold_ticks, len(turn)):
        heading_change, driven = float(turn[start:end].sum()), float(distance[start:end].sum())
        duration, mean_along = (end - start) * FRAME_S, float(states.speed_along_heading[start:end].mean())
        name = name_lateral(mean_along, rate_of(heading_change, driven), heading_change, settings)
        totals = {"heading_change": heading_change, "distance": driven, "along": mean_along * duration}
        segments.append(Segment(name, start * FRAME_S, duration, totals))

    def measures(segment: Segment) -> dict[str, float]:
        heading_change, driven = segment.totals["heading_change"], segment.totals["distance"]
        return {
            "heading_change": heading_change,
            "distance": driven,
            "turn_rate": rate_of(heading_change, driven),
            "average_speed_along_heading": segment.totals["along"] / segment.duration,
        }

    return _in_frames("lateral", clean(segments, lambda _: settings.lateral_minimum_ticks), measures)


def name_longitudinal(
    mean_along: float, mean_speed: float, acceleration: float, change: float, settings: MetaActionSettings
) -> str:
    """The first longitudinal action whose conditions hold."""
    if mean_along <= -settings.reverse_speed:
        return "reverse"
    if mean_speed <= settings.stop_speed:
        return "stop"
    if change >= settings.speed_change and acceleration >= settings.strong_acceleration:
        return "strong_acceleration"
    if change >= settings.speed_change and acceleration >= settings.gentle_acceleration:
        return "gentle_acceleration"
    if change <= -settings.speed_change and acceleration <= -settings.strong_acceleration:
        return "strong_deceleration"
    if change <= -settings.speed_change and acceleration <= -settings.gentle_acceleration:
        return "gentle_deceleration"
    return "maintain_speed"


def name_lateral(mean_along: float, turn_rate: float, heading_change: float, settings: MetaActionSettings) -> str:
    """The first lateral action whose conditions hold."""
    side = "left" if heading_change > 0 else "right"
    rate = turn_rate if side == "left" else -turn_rate
    turned = abs(heading_change)
    backing = mean_along <= -settings.backing_speed
    if backing and rate >= settings.reverse_turn_rate and turned >= settings.sharp_heading_change:
        return f"reverse_{side}"
    if rate >= settings.sharp_turn_rate and turned >= settings.sharp_heading_change:
        return f"sharp_steer_{side}"
    if rate >= settings.steer_turn_rate and turned >= settings.steer_heading_change:
        return f"steer_{side}"
    return "go_straight"


def clean(segments: list[Segment], minimum_ticks: Callable[[str], int]) -> list[Segment]:
    """Merges neighbours of one name and hands out what is too short (meta-action rules, Cleaning)."""
    segments = _merged(segments)
    at = 0
    while at < len(segments):
        this = segments[at]
        if len(segments) == 1 or this.duration >= minimum_ticks(this.name) * FRAME_S:
            at += 1
        elif at == 0:
            segments[1].start = this.start
            segments[1].absorb(this)
            del segments[0]
        elif at == len(segments) - 1:
            segments[at - 1].absorb(this)
            del segments[at]
        elif segments[at - 1].name == segments[at + 1].name:
            segments[at - 1].absorb(this)
            segments[at - 1].absorb(segments[at + 1])
            del segments[at : at + 2]
            at -= 1
        else:
            segments[at - 1].absorb(this, 0.5)
            segments[at + 1].start -= this.duration / 2
            segments[at + 1].absorb(this, 0.5)
            del segments[at]
    return _merged(segments)


def keyframes_of_clip(
    clip_id: str, speed: np.ndarray, spans: Sequence[Span], settings: KeyframeSettings
) -> list[Keyframe]:
    """The clip's keyframes by frame (label rules, Keyframes; meta-action rules, Keyframe segments)."""
    by_frame: dict[int, list[Span]] = {}
    for span in spans:
        frame = span.start if settings.mode == "span_start" else max(span.start - settings.lead, 0)
        if settings.min_frame <= frame <= settings.max_frame and _is_candidate(span, speed, settings):
            by_frame.setdefault(frame, []).append(span)

    def rank(span: Span) -> tuple[int, str, int]:
        ranking = settings.rarest_first
        return ranking.index(span.action) if span.action in ranking else len(ranking), span.action, span.start

    events = {frame: sorted(starting, key=rank) for frame, starting in by_frame.items()}
    kept: list[int] = []
    for frame in sorted(events, key=lambda frame: (rank(events[frame][0])[0], frame)):
        if settings.mode == "span_start" or all(abs(frame - other) >= settings.cooldown for other in kept):
            kept.append(frame)
    keyframes = []
    for frame in sorted(kept):
        first = events[frame][0]
        if settings.mode == "span_start" or _within_cap(clip_id, frame, first.action, settings):
            actions = list(dict.fromkeys(span.action for span in events[frame]))
            keyframes.append(Keyframe(frame, actions, first.axis, first.start, first.end))
    return keyframes


def trajectory_rows(clips: dict[str, ClipStates]) -> pl.DataFrame:
    """The `trajectories` table of these clips."""
    measured = [name for name in schemas.TRAJECTORIES.columns if name not in ("chunk", "clip_id", "frame")]
    columns = {
        name: np.concatenate([vars(states)[own] for states in clips.values()])
        for name, own in zip(measured, ClipStates.__dataclass_fields__, strict=True)
    }
    clip_ids = [clip_id for clip_id, states in clips.items() for _ in states.t_us]
    frames = [frame for states in clips.values() for frame in range(len(states.t_us))]
    return schemas.conform(pl.DataFrame({"clip_id": clip_ids, "frame": frames, **columns}), schemas.TRAJECTORIES)


def span_row(clip_id: str, span: Span) -> dict[str, object]:
    """A row of the `meta_actions` table."""
    return {
        "clip_id": clip_id,
        "axis": span.axis,
        "action": span.action,
        "start_frame": span.start,
        "end_frame": span.end,
        "measures": [{"name": name, "value": value} for name, value in span.measures.items()],
    }


def keyframe_row(clip_id: str, states: ClipStates, keyframe: Keyframe) -> dict[str, object]:
    """A row of the `keyframes` table, as far as the motion decides it."""
    t0_us = int(states.t_us[0]) + keyframe.frame * FRAME_US
    return {
        "keyframe_id": f"{clip_id}-{t0_us:08d}",
        "clip_id": clip_id,
        "frame": keyframe.frame,
        "t0_us": t0_us,
        "action": keyframe.actions[0],
        "actions": keyframe.actions,
        "axis": keyframe.axis,
        "event_start_frame": keyframe.event_start,
        "event_end_frame": keyframe.event_end,
    }


def _is_candidate(span: Span, speed: np.ndarray, settings: KeyframeSettings) -> bool:
    if settings.mode == "span_start":
        return span.end - span.start >= settings.min_duration
    if span.start == 0 or span.action in settings.uneventful:
        return False
    changed = abs(speed[span.end - 1] - speed[span.start]) >= settings.min_speed_change
    return bool(changed) or span.action not in settings.speed_change_actions


def _within_cap(clip_id: str, frame: int, action: str, settings: KeyframeSettings) -> bool:
    digest = hashlib.sha256(f"{clip_id}:{frame}".encode()).hexdigest()
    return int(digest[:16], 16) < settings.keep_fraction.get(action, 1.0) * 2**64


def _samples_around(samples_us: np.ndarray, t_us: np.ndarray) -> np.ndarray:
    """Samples on either side of each instant: a Slerp takes every step that it is given, needed or not."""
    before = np.searchsorted(samples_us, t_us, side="right") - 1
    return np.unique(np.concatenate([before, np.minimum(before + 1, len(samples_us) - 1)]))


def _backward_difference(values: np.ndarray) -> np.ndarray:
    if len(values) < 2:
        return np.zeros(len(values))
    rates = np.diff(values) / FRAME_S
    return np.concatenate([rates[:1], rates])


def _rolling_mean(values: list[float], window: int) -> list[float]:
    around = [values[max(tick - window // 2, 0) : tick + window // 2 + 1] for tick in range(len(values))]
    return [sum(taps) / len(taps) for taps in around]


def _smoothed_turn(turn: np.ndarray, window: int) -> np.ndarray:
    wrapped = (turn + math.pi) % (2 * math.pi) - math.pi
    padded = np.pad(wrapped, window // 2, mode="reflect").tolist()
    return np.array([sum(padded[step : step + window]) / window for step in range(len(turn))])


def _with_hysteresis(values: list[float], cut: float, width: float) -> list[bool]:
    outer, inner = (1 + width) * cut, (1 - width) * cut
    on, off = (outer, inner) if cut >= 0 else (inner, outer)
    flags = [values[0] >= cut]
    for value in values[1:]:
        flags.append(value >= (off if flags[-1] else on))
    return flags


def _cut(flags: list[list[bool]], hold: int, last_end: int) -> list[tuple[int, int]]:
    states = list(zip(*flags, strict=True))
    starts, tick = [0], 1
    while tick < len(states):
        if states[tick] == states[starts[-1]]:
            tick += 1
        elif len(states) - tick <= hold:
            break
        else:
            starts.append(tick)
            tick += hold
    return list(zip(starts, [*starts[1:], last_end], strict=True))


def _merged(segments: list[Segment]) -> list[Segment]:
    merged: list[Segment] = []
    for segment in segments:
        if merged and merged[-1].name == segment.name:
            merged[-1].absorb(segment)
        else:
            merged.append(segment)
    return merged


def _longitudinal_measures(segment: Segment) -> dict[str, float]:
    totals, duration = segment.totals, segment.duration
    return {
        "average_acceleration": totals["delta_velocity"] / duration,
        "delta_velocity": totals["delta_velocity"],
        "average_speed": totals["speed"] / duration,
        "average_speed_along_heading": totals["along"] / duration,
    }


def _in_frames(axis: str, segments: list[Segment], measures: Callable[[Segment], dict[str, float]]) -> list[Span]:
    """Spans in frames, halves rounded to even, empty ones dropped."""
    spans = []
    for segment in segments:
        start, end = round(segment.start / FRAME_S), round((segment.start + segment.duration) / FRAME_S)
        if end > start:
            spans.append(Span(axis, segment.name, start, end, measures(segment)))
    return spans


def _without(span: Span, stop: Span) -> list[Span]:
    before = span._replace(end=min(span.end, stop.start))
    after = span._replace(start=max(span.start, stop.end))
    return [part for part in (before, after) if part.start < part.end]
