"""The commands a newcomer would type, on inputs with known answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from coc_assets.cli import main
from resources import schemas
from resources.store import Store

_LINE = re.compile(r"  (\w+) - Agent:<ego>, Start:(\d+), End:(\d+)")
Span = tuple[str, str, int, int]


def exported_spans(folder: Path) -> set[Span]:
    return {
        (file.stem, match[1], int(match[2]), int(match[3]))
        for file in folder.glob("final_outputs/*.txt")
        for match in map(_LINE.fullmatch, file.read_text().splitlines())
        if match
    }


def published_spans(file: Path) -> set[Span]:
    return set(pl.read_parquet(file).select("clip_id", "action", "start", "end").iter_rows())


@pytest.fixture(scope="module")
def golden_store(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("golden") / "store"
    selected = ["trajectory_cache", "meta_actions", "keyframe_segments"]
    dataset = str(shared_data / "golden-visible")
    assert main(["run", "--dataset", dataset, "--store", str(store), "--select", *selected]) == 0
    return store


def test_every_published_span_is_exported(shared_data: Path, golden_store: Path, tmp_path: Path) -> None:
    assert main(["export", "meta-actions", "--store", str(golden_store), "--out", str(tmp_path)]) == 0
    exported = exported_spans(tmp_path)
    for name in ("spans_relaxed.parquet", "spans.parquet"):
        published = published_spans(shared_data / "golden-visible" / name)
        labelled = {clip_id for clip_id, *_ in published}
        assert {span for span in exported if span[0] in labelled} == published


def test_no_clip_is_rejected_and_the_one_that_stops_the_published_tool_is_labelled(
    shared_data: Path, golden_store: Path
) -> None:
    clips = Store(golden_store).read_table(schemas.CLIPS, "0000")
    assert clips.height == 40
    published = published_spans(shared_data / "golden-visible" / "spans_relaxed.parquet")
    unlabelled = set(clips["clip_id"]) - {clip_id for clip_id, *_ in published}
    mended = dict(clips.select("clip_id", "mended").iter_rows())
    assert [mended[clip_id] for clip_id in unlabelled] == [["filled_gap:12"]]


def test_published_segments_are_exported(shared_data: Path, golden_store: Path, tmp_path: Path) -> None:
    published = json.loads((shared_data / "golden-visible" / "segments.json").read_text())
    labelled = set(pl.read_parquet(shared_data / "golden-visible" / "spans.parquet")["clip_id"])
    assert main(["export", "keyframes", "--store", str(golden_store), "--out", str(tmp_path)]) == 0
    exported = json.loads((tmp_path / "segments_relative_timestamp_all.json").read_text())
    assert list(exported) == list(published)
    assert {name: [row for row in rows if row["clip_id"] in labelled] for name, rows in exported.items()} == published


def test_real_driving_without_video_and_tracks_goes_through_all_assets(shared_data: Path, tmp_path: Path) -> None:
    store, out = tmp_path / "store", tmp_path / "out"
    assert main(["run", "--dataset", str(shared_data / "real-driving"), "--store", str(store)]) == 0
    labels = Store(store).read_labels("0000")
    assert labels.height > 0
    assert labels["status"].unique().to_list() == ["ok"]
    assert labels["trace"].null_count() == 0
    assert Store(store).read_table(schemas.SAMPLES, "0000").height > 0
    assert main(["export", "meta-actions", "--store", str(store), "--out", str(out)]) == 0
    assert exported_spans(out) == published_spans(shared_data / "real-driving" / "spans.parquet")
