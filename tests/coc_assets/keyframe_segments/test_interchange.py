from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from coc_assets.keyframe_segments.interchange import sampled_segments, segments_json, segments_text
from coc_assets.meta_actions.spans import build
from coc_assets.sources.pai import EgomotionChunk
from coc_assets.trajectory_cache.resampling import trajectory_frame
from coc_assets.trajectory_cache.tables import read_clips
from resources import schemas
from resources.dataset import DatasetRoot
from resources.settings.keyframes import KeyframeSettings
from resources.settings.meta_actions import MetaActionSettings
from resources.settings.trajectory import TrajectorySettings

SETTINGS = KeyframeSettings()


def spans_of(rows: list[tuple[str, str, int, int]]) -> pl.DataFrame:
    names = ("clip_id", "action", "start_frame", "end_frame")
    return schemas.rows_to_frame([dict(zip(names, row, strict=True)) for row in rows], schemas.META_ACTION_SPANS)


def test_every_known_action_has_a_list_in_sorted_order():
    segments = segments_json(spans_of([("b", "stop", 20, 30)]), SETTINGS)
    assert list(segments) == sorted(schemas.META_ACTIONS)
    assert segments.pop("stop") == [
        {"meta_action": "stop", "clip_id": "b", "event_start_frame": 20, "event_end_frame": 30, "duration": 10}
    ]
    assert not any(segments.values())


def test_segments_go_by_clip_and_start():
    spans = spans_of([("b", "stop", 90, 120), ("b", "stop", 30, 60), ("a", "stop", 40, 55), ("a", "stop", 10, 90)])
    order = [(row["clip_id"], row["event_start_frame"]) for row in segments_json(spans, SETTINGS)["stop"]]
    assert order == [("a", 40), ("b", 30), ("b", 90)]


def test_sampling_keeps_the_longest_and_leaves_small_lists_alone():
    spans = spans_of([("a", "stop", 20, 30), ("b", "stop", 20, 60), ("c", "stop", 20, 45), ("a", "reverse", 20, 30)])
    sampled = sampled_segments(segments_json(spans, SETTINGS), KeyframeSettings(target_count=2))
    assert [row["clip_id"] for row in sampled["stop"]] == ["b", "c"]
    assert [row["clip_id"] for row in sampled["reverse"]] == ["a"]


def test_text_is_indented_by_four_and_ends_without_a_newline():
    text = segments_text({"stop": [], "keep_lane": [{"duration": 1}]})
    assert text == '{\n    "keep_lane": [\n        {\n            "duration": 1\n        }\n    ],\n    "stop": []\n}'


def test_reproduces_the_published_file(shared_data: Path):
    folder = shared_data / "golden-visible"
    with EgomotionChunk(DatasetRoot(folder), "0000") as egomotion:
        clips, resampled = read_clips(egomotion, TrajectorySettings())
    spans = build(trajectory_frame(resampled, clips.ids), MetaActionSettings())
    # The file covers the clips of the strict reference alone, those of at least 17.5 s.
    covered = pl.read_parquet(folder / "spans.parquet")["clip_id"].unique().implode()
    segments = segments_json(spans.filter(pl.col("clip_id").is_in(covered)), SETTINGS)
    expected = (folder / "segments.json").read_text()
    assert segments == json.loads(expected)
    assert segments_text(segments) == expected
    assert sampled_segments(segments, SETTINGS) == segments
