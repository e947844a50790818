"""`ood_reasoning.parquet`: one row a clip, its events as JSON text, instants on the clip's clock.

Source: training exports, A. Readers in use disagree on whether the text lies under `cot` or `coc`: either is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from coc_assets.raw_coc.imported.events import Clock, Found, ImportedEvent, LeftOut, instant_in, text_in
from coc_assets.raw_coc.records import LabelText
from resources.schemas import FRAME_US

_CLIP_COLUMNS = ("clip_id", "__index_level_0__")  # the second is how an index without a name is stored
_TEXTS = ("cot", "coc")


def read_file(path: Path) -> Found:
    """The labels of every clip, by row and event."""
    try:
        table = pl.read_parquet(path, hive_partitioning=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        yield LeftOut(path.name, "unreadable", str(error).splitlines()[0])
        return
    clip_column = next((name for name in _CLIP_COLUMNS if name in table.columns), None)
    if clip_column is None or "events" not in table.columns:
        yield LeftOut(path.name, "unreadable", f"it needs clip_id and events, and has {', '.join(table.columns)}")
        return
    for number, (clip_id, events) in enumerate(table.select(clip_column, "events").iter_rows(), start=1):
        yield from _read_row(text_in(clip_id), events, f"{path.name} row {number}")


def _read_row(clip_id: str | None, events: object, place: str) -> Found:
    if clip_id is None:
        yield LeftOut(place, "no_clip_id", "the row names no clip")
        return
    place = f"{place} ({clip_id})"
    try:
        told = json.loads(events) if isinstance(events, str) else events
    except (ValueError, RecursionError) as error:
        yield LeftOut(place, "unreadable", f"events are no JSON: {error}")
        return
    listed = told if isinstance(told, list) else [told]
    for number, event in enumerate(listed if told is not None else [], start=1):
        yield _event(clip_id, event, f"{place} event {number}")


def _event(clip_id: str, event: object, place: str) -> ImportedEvent | LeftOut:
    if not isinstance(event, Mapping):
        return LeftOut(place, "unreadable", "the event is no object")
    instant = _instant(event)
    if instant is None:
        return LeftOut(place, "no_instant", "neither event_start_timestamp nor event_start_frame gives one")
    text = next((text for name in _TEXTS if (text := text_in(event.get(name))) is not None), None)
    return ImportedEvent(
        place=place,
        form="ood_reasoning",
        clip_id=clip_id,
        at_us=instant[0],
        clock=instant[1],
        text=LabelText(trace=text),
        returned=text,
        prompt_version=text_in(event.get("coc_prompt_version")),
        model=text_in(event.get("model")),
    )


def _instant(event: Mapping[str, Any]) -> tuple[int, Clock] | None:
    """The event's timestamp, else its frame, which counts from the clip's first sample."""
    at_us, frame = instant_in(event.get("event_start_timestamp")), instant_in(event.get("event_start_frame"))
    if at_us is not None:
        return at_us, "clip"
    return None if frame is None else (frame * FRAME_US, "first_sample")
