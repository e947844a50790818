"""Label records of events: the keyframe that each belongs to, and what its words say."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from coc_assets.keyframe_segments.selection import keyframe_id
from coc_assets.raw_coc.imported.events import ImportedEvent, LeftOut
from coc_assets.raw_coc.imported.keyframes import nearest_frame
from coc_assets.raw_coc.records import LabelRecord, LabelText, canonical_json
from coc_assets.raw_coc.vlm.lenient import clean, looks_refused
from coc_assets.raw_coc.vlm.reasoning_text import read_reasoning
from resources.schemas import FRAME_US, LabelStatus

UNNAMED_PROMPT = "imported"
"""Version where the source names none."""
_SAME_INSTANT_US = FRAME_US // 2  # the nearest frame of the 10 Hz grid is the keyframe's own
_LATEST_T0_US = 99_999_999  # keyframe ids have eight digits for it
_DIGEST_DIGITS = 16
_SHOWN = 200


@dataclass(frozen=True)
class Instant:
    """A keyframe that an event belongs to."""

    keyframe_id: str
    t0_us: int


@dataclass(frozen=True)
class Clip:
    """What placing an event needs of its clip: its first instant on the clip's clock, µs, and how many frames it has.

    Attributes:
        keyframes: the store's own, by instant.
    """

    first_us: int
    frames: int
    keyframes: tuple[Instant, ...] = ()


def clips_of(clips: pl.DataFrame, keyframes: pl.DataFrame) -> dict[str, Clip]:
    """The clips of a chunk by id.

    Args:
        clips: `clips`. keyframes: `keyframes`.
    """
    instants: dict[str, list[Instant]] = {}
    for clip_id, name, t0_us in keyframes.sort("t0_us").select("clip_id", "keyframe_id", "t0_us").iter_rows():
        instants.setdefault(clip_id, []).append(Instant(name, t0_us))
    rows = clips.select("clip_id", "first_us", "frames").iter_rows()
    return {clip_id: Clip(first, frames, tuple(instants.get(clip_id, ()))) for clip_id, first, frames in rows}


def records_of(
    events: Iterable[ImportedEvent], clips: Mapping[str, Clip], labeler: str
) -> tuple[list[LabelRecord], list[LeftOut]]:
    """One record a keyframe, and the events that become none.

    Of several events at one keyframe the first with a usable text is taken, else the first.

    Args:
        events: of clips that `clips` has.
    """
    taken: dict[str, tuple[ImportedEvent, LabelRecord]] = {}
    left_out: list[LeftOut] = []
    for event in events:
        instant = keyframe_of(event, clips[event.clip_id])
        if instant is None:
            left_out.append(_outside(event, clips[event.clip_id]))
            continue
        earlier, record = taken.get(instant.keyframe_id), record_of(event, instant, labeler)
        gives_way = earlier is not None and earlier[1].status != "ok" and record.status == "ok"
        if earlier is None or gives_way:
            taken[instant.keyframe_id] = event, record
        if earlier is not None:
            lost, kept = (earlier[0], event) if gives_way else (event, earlier[0])
            left_out.append(LeftOut(lost.place, "duplicate", f"at {instant.t0_us} µs as {kept.place}, which is kept"))
    return [record for _, record in taken.values()], left_out


def keyframe_of(event: ImportedEvent, clip: Clip) -> Instant | None:
    """The store's keyframe where one lies within half a frame of the event, else its own; None outside the clip."""
    t0_us = _on_the_clock(event, clip)
    if not 0 <= t0_us <= _LATEST_T0_US or not 0 <= nearest_frame(t0_us, clip.first_us) < clip.frames:
        return None
    at = bisect_left(clip.keyframes, t0_us, key=lambda instant: instant.t0_us)
    nearest = min(clip.keyframes[max(at - 1, 0) : at + 1], key=lambda one: abs(one.t0_us - t0_us), default=None)
    if nearest is not None and abs(nearest.t0_us - t0_us) <= _SAME_INSTANT_US:
        return nearest
    return Instant(keyframe_id(event.clip_id, t0_us), t0_us)


def record_of(event: ImportedEvent, instant: Instant, labeler: str) -> LabelRecord:
    """The event as a label: decisions, causes and scenario as its words say, the words themselves untouched."""
    trace = event.text.trace
    status, reason = _standing(trace)
    reading = read_reasoning(trace or "" if status == "ok" else "")
    return LabelRecord(
        keyframe_id=instant.keyframe_id,
        clip_id=event.clip_id,
        t0_us=instant.t0_us,
        labeler=labeler,
        origin="imported",
        model=event.model,
        prompt_version=event.prompt_version or UNNAMED_PROMPT,
        parameters=_parameters(event),
        status=status,
        reason=reason,
        scenario=reading.scenario,
        longitudinal_decision=reading.longitudinal_decision,
        lateral_decision=reading.lateral_decision,
        lateral_direction=reading.lateral_direction,
        components=reading.components,
        text=event.text,
        raw_response=event.returned,
    )


def _standing(trace: str | None) -> tuple[LabelStatus, str | None]:
    if trace is None:
        return "invalid", "no_text: the source has no words for this event"
    if looks_refused(trace):
        return "refused", f"refused: {clean(trace)[:_SHOWN]}"
    return "ok", None


def _on_the_clock(event: ImportedEvent, clip: Clip) -> int:
    return event.at_us if event.clock == "clip" else clip.first_us + event.at_us


def _outside(event: ImportedEvent, clip: Clip) -> LeftOut:
    last_us = clip.first_us + (clip.frames - 1) * FRAME_US
    detail = f"at {_on_the_clock(event, clip)} µs of clip {event.clip_id}, which has {clip.first_us} … {last_us} µs"
    return LeftOut(event.place, "outside_the_clip", detail)


def _parameters(event: ImportedEvent) -> str:
    """What shaped the label, so that other words or another instant make another label."""
    return canonical_json(
        {"form": event.form, "clock": event.clock, "at_us": event.at_us, "content": _digest(event.text)}
    )


def _digest(text: LabelText) -> str:
    return hashlib.sha256(canonical_json(text.model_dump()).encode()).hexdigest()[:_DIGEST_DIGITS]
