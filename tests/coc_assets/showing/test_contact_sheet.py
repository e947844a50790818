from __future__ import annotations

import io
from pathlib import Path

import polars as pl
import pytest

from coc_assets.showing.contact_sheet import MOST_BYTES, Moment, frames_at, moments, sheet
from resources import schemas
from resources.dataset import DatasetRoot
from resources.settings import Settings
from resources.store import Store

CAMERA = Settings().videos.camera
TABLES = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def tables(filmed: tuple[Path, Path]) -> TABLES:
    store = Store(filmed[1])
    keyframes = store.read_table(schemas.KEYFRAMES, "0000")
    labels = pl.DataFrame(
        [{"keyframe_id": one, "status": "ok", "trace": "Slow down.", "longitudinal_decision": "yield"}
         for one in keyframes["keyframe_id"]], schema=schemas.RAW_COC.schema,
    )  # fmt: skip
    return keyframes, store.read_table(schemas.SEGMENTS, "0000"), labels


def test_moments_show_the_frame_that_is_on_show_at_the_keyframe(tables: TABLES) -> None:
    chosen = moments(*tables, most=100)
    keyframes, segments, _ = tables
    assert len(chosen) == keyframes.height
    for row in keyframes.join(segments, on="keyframe_id").iter_rows(named=True):
        at = {us: frame for us, frame in zip(row["frame_us"], row["source_frame"], strict=True) if us <= row["t0_us"]}
        found = [one for one in chosen if one.clip_id == row["clip_id"] and round(one.t0_s * 1e6) == row["t0_us"]]
        assert [one.source_frame for one in found] == [at[max(at)]]


def test_few_moments_are_of_as_many_actions_as_there_is_room_for(tables: TABLES) -> None:
    actions = [one.action for one in moments(*tables, most=3)]
    assert len(actions) == 3 and len(set(actions)) == min(3, tables[0]["action"].n_unique())
    assert moments(*tables, most=3) == moments(*tables, most=3)


def test_what_became_of_a_label_is_said_in_place_of_its_decisions(tables: TABLES) -> None:
    keyframes, segments, labels = tables
    refused = labels.with_columns(status=pl.lit("refused"), longitudinal_decision=pl.lit(None, pl.String))
    undecided = labels.with_columns(longitudinal_decision=pl.lit(None, pl.String))
    assert {one.said for one in moments(keyframes, segments, labels)} == {"yield"}
    assert {one.said for one in moments(keyframes, segments, refused)} == {"refused"}
    assert {one.said for one in moments(keyframes, segments, undecided)} == {"no decision"}
    assert {one.said for one in moments(keyframes, segments, labels.clear())} == {"no label"}


def test_keyframes_without_video_are_passed_over(tables: TABLES) -> None:
    keyframes, segments, labels = tables
    gone = segments.with_columns(status=pl.lit("no_video"))
    assert moments(keyframes, gone, labels) == []


def test_frames_are_those_of_the_video_and_are_taken_while_there_is_time(
    filmed: tuple[Path, Path], tables: TABLES
) -> None:
    root, chosen = DatasetRoot(filmed[0]), moments(*tables, most=4)
    ticks = iter(range(100))
    in_time = list(frames_at(root, "0000", CAMERA, chosen, seconds=1, clock=lambda: float(next(ticks))))
    assert [moment for moment, _ in in_time] == chosen[:2], "one by the clock after the first"
    whole = list(frames_at(root, "0000", CAMERA, chosen, seconds=1, clock=lambda: 0.0))
    assert [moment for moment, _ in whole] == chosen
    assert len({picture.tobytes() for _, picture in whole}) == len(chosen)


def test_a_clip_that_does_not_decode_is_passed_over(filmed: tuple[Path, Path], tables: TABLES) -> None:
    good = moments(*tables, most=1)
    beyond = [Moment(good[0].clip_id, 100_000, 1.0, "stop", "yield", ""), *good]
    found = list(frames_at(DatasetRoot(filmed[0]), "0000", CAMERA, beyond, clock=lambda: 0.0))
    assert [moment for moment, _ in found] == good


@pytest.mark.parametrize("count", [1, 3, 4, 6])
def test_a_sheet_keeps_to_its_bytes_whatever_it_shows(count: int) -> None:
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 255, (133, 236, 3), np.uint8)
    moment = Moment("clip", 0, 3.9, "gentle_deceleration", "yield · lane_keeping", "Slow down because … " * 30)
    data = sheet([(moment, Image.fromarray(noise))] * count)
    assert len(data) <= MOST_BYTES
    assert Image.open(io.BytesIO(data)).format == "JPEG"
