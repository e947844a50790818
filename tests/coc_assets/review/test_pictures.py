"""Frames shown are the frames that a model is shown, read off the numbers burnt into them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from coc_assets.review.pictures import Pictures, pictures_of
from coc_assets.review.reading import ChunkTables, read_chunk
from coc_assets.sources.video import VideoError
from coc_assets.stage import Workspace
from resources.settings import load_settings
from resources.store import Store
from tests.coc_assets.clip_videos.burnt import clip_mp4, damaged, read_number
from tests.coc_assets.clip_videos.test_build import (
    CAMERA,
    CHUNK,
    SETTINGS,
    TIMES,
    built,
    dataset,
    sound,
    timestamps_file,
)

KEYFRAME = "a-00600000"


def desk_parts(folder: Path, mp4: bytes | None = None) -> tuple[Pictures, ChunkTables]:
    """Pictures of a dataset with one clip, whose segments are not cut yet."""
    root = dataset(folder / "data", {"a": sound() if mp4 is None else (mp4, timestamps_file(TIMES))})
    tables = replace(read_chunk(Store(folder / "store"), CHUNK), segments=built(root, "a")[0]["segments"])
    settings = load_settings(dataset=root.path, store=folder / "store").model_copy(update={"videos": SETTINGS})
    return Pictures(Workspace(settings), folder / "cut"), tables


def numbers(jpegs: list[bytes]) -> list[int]:
    return [read_number(np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))) for jpeg in jpegs]


def test_a_segment_that_is_not_cut_is_cut_once_and_its_frames_are_those_that_models_see(tmp_path: Path) -> None:
    pictures, tables = desk_parts(tmp_path)
    row = tables.segments.filter(keyframe_id=KEYFRAME).row(0, named=True)
    jpegs = pictures.frames(CHUNK, tables, KEYFRAME)
    assert numbers(jpegs) == row["source_frame"]
    assert pictures.segment(CHUNK, tables, KEYFRAME).parent == tmp_path / "cut", "the store is left as it is"
    assert pictures.frames(CHUNK, tables, KEYFRAME) is jpegs


def test_instants_are_told_relative_to_the_keyframe(tmp_path: Path) -> None:
    _, tables = desk_parts(tmp_path)
    told = pictures_of({"keyframe_id": "a-02400000", "t0_us": 2_400_000}, tables.segments, CAMERA)
    assert told["missing_s"] == [0.75]
    assert [round(at * 4) / 4 for at in told["frames_s"]] == [-0.5, -0.25, 0.0, 0.25, 0.5]
    assert told["begins_s"] == pytest.approx(told["frames_s"][0], abs=0.04) and told["problem"] is None


def test_a_damaged_video_is_said(tmp_path: Path) -> None:
    pictures, tables = desk_parts(tmp_path, damaged(clip_mp4(90, "h264_no_b_frames"), share=0.3))
    with pytest.raises(VideoError, match="cannot be decoded"):
        pictures.segment(CHUNK, tables, KEYFRAME)


def test_without_the_dataset_it_is_said_where_segments_come_from(tmp_path: Path) -> None:
    _, tables = desk_parts(tmp_path)
    alone = Pictures(Workspace(load_settings(store=tmp_path / "store")), tmp_path / "cut")
    with pytest.raises(VideoError, match="--dataset"):
        alone.segment(CHUNK, tables, KEYFRAME)


def test_a_keyframe_without_video_says_why(tmp_path: Path) -> None:
    pictures, tables = desk_parts(tmp_path)
    lost = replace(tables, segments=tables.segments.with_columns(status=pl.lit("no_video")))
    assert "no video" in pictures_of({"keyframe_id": KEYFRAME, "t0_us": 600_000}, lost.segments, CAMERA)["problem"]
    with pytest.raises(VideoError, match="no video"):
        pictures.segment(CHUNK, lost, KEYFRAME)
