"""The published autolabeler's keyframe segments, for interchange and comparison."""

from __future__ import annotations

import json

import polars as pl

from resources.schemas import META_ACTIONS
from resources.settings.keyframes import KeyframeSettings

Segments = dict[str, list[dict[str, str | int]]]


def select_segments(spans: pl.DataFrame, settings: KeyframeSettings) -> pl.DataFrame:
    """Spans long enough and starting inside the window: the candidates of the `span_start` mode."""
    return spans.filter(
        pl.col("end_frame") - pl.col("start_frame") >= settings.min_duration,
        pl.col("start_frame").is_between(settings.min_frame, settings.max_frame),
    )


def segments_json(spans: pl.DataFrame, settings: KeyframeSettings) -> Segments:
    """All segments, one list an action known (empty ones too), by clip and start.

    Source: the meta-action rules, Keyframe segments: `segments_relative_timestamp_all.json`.

    Args:
        spans: the `meta_actions` table of any number of chunks.
    """
    segments: Segments = {action: [] for action in META_ACTIONS}
    chosen = select_segments(spans, settings).sort("clip_id", "start_frame", "end_frame", maintain_order=True)
    for action, clip_id, start, end in chosen.select("action", "clip_id", "start_frame", "end_frame").iter_rows():
        segments[action].append(
            {
                "meta_action": action,
                "clip_id": clip_id,
                "event_start_frame": start,
                "event_end_frame": end,
                "duration": end - start,
            }
        )
    return segments


def sampled_segments(segments: Segments, settings: KeyframeSettings) -> Segments:
    """At most `target_count` segments an action, the longest; an action with no more than that stays as it is.

    Source: the meta-action rules, Keyframe segments: `segments_relative_timestamp_sampled.json`.
    """
    return {action: _longest(rows, settings.target_count) for action, rows in segments.items()}


def segments_text(segments: Segments) -> str:
    """The bytes of the published files: actions sorted, four spaces a level, no newline at the end."""
    return json.dumps(dict(sorted(segments.items())), indent=4)


def _longest(rows: list[dict[str, str | int]], count: int) -> list[dict[str, str | int]]:
    if len(rows) <= count:
        return rows
    return sorted(rows, key=lambda row: -int(row["duration"]))[:count]
