from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coc_assets.bench import plain
from coc_assets.meta_actions.interchange import camel_case
from coc_assets.meta_actions.rules import AXES
from coc_assets.meta_actions.spans import build, label_spans, read_states, spans_frame
from coc_assets.sources.pai import EgomotionChunk
from coc_assets.trajectory_cache.resampling import trajectory_frame
from coc_assets.trajectory_cache.tables import read_clips
from resources import schemas
from resources.dataset import DatasetRoot
from resources.settings.meta_actions import MetaActionSettings
from resources.settings.trajectory import TrajectorySettings
from tests.coc_assets.meta_actions.made import driven, random_drive, together

SETTINGS = MetaActionSettings()


def spans_of(clips: list[plain.ClipStates], settings: MetaActionSettings = SETTINGS) -> list[tuple[str, ...]]:
    frame = spans_frame(label_spans(together(clips), settings), pl.Series([f"clip{i}" for i in range(len(clips))]))
    return frame.rows()


def short(speed, turn=None, axis: str = "longitudinal") -> list[tuple[str, int, int]]:
    return [(action, start, end) for _, on, action, start, end, _ in spans_of([driven(speed, turn)]) if on == axis]


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=3),
    st.builds(
        MetaActionSettings,
        hold_ticks=st.integers(1, 6),
        smoothing_ticks=st.sampled_from([1, 3, 5, 7]),
        cut_hysteresis=st.floats(0, 0.5),
        longitudinal_minimum_ticks=st.integers(0, 20),
        maintain_speed_minimum_ticks=st.integers(0, 30),
        lateral_minimum_ticks=st.integers(0, 25),
        sharp_turn_rate=st.sampled_from([0.002, 0.05]),
    ),
)
def test_equals_the_plain_rules_on_any_drive(seeds, thresholds):
    clips = [random_drive(seed) for seed in seeds]
    expected = [(f"clip{i}", *span) for i, clip in enumerate(clips) for span in plain.spans_of_clip(clip, thresholds)]
    found = spans_of(clips, thresholds)
    assert [row[:5] for row in found] == [row[:5] for row in expected]
    for row, other in zip(found, expected, strict=True):
        assert {one["name"]: one["value"] for one in row[5]} == pytest.approx(other[5], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        pytest.param(np.full(100, 10.0), [("maintain_speed", 0, 99)], id="steady"),
        pytest.param(np.zeros(100), [("stop", 0, 99)], id="standing"),
        pytest.param(np.full(100, -1.0), [("reverse", 0, 99)], id="backing"),
        pytest.param(5 + 0.05 * np.arange(100), [("gentle_acceleration", 0, 99)], id="0.5 m/s² up"),
        pytest.param(5 + 0.2 * np.arange(100), [("strong_acceleration", 0, 99)], id="2 m/s² up"),
        pytest.param(30 - 0.05 * np.arange(100), [("gentle_deceleration", 0, 99)], id="0.5 m/s² down"),
        pytest.param(30 - 0.2 * np.arange(100), [("strong_deceleration", 0, 99)], id="2 m/s² down"),
        pytest.param(10 + 0.02 * np.arange(30), [("maintain_speed", 0, 29)], id="too small a change"),
    ],
)
def test_whole_clips_of_one_longitudinal_action(speed, expected):
    assert short(speed) == expected


@pytest.mark.parametrize(
    ("speed", "turn_rate", "expected"),
    [
        (10.0, 0.0, "go_straight"),
        (10.0, 0.01, "steer_left"),
        (10.0, -0.01, "steer_right"),
        (4.0, 0.1, "sharp_steer_left"),
        (4.0, -0.1, "sharp_steer_right"),
        (-2.0, 0.1, "reverse_left"),
        (-2.0, -0.1, "reverse_right"),
    ],
)
def test_whole_clips_of_one_lateral_action(speed, turn_rate, expected):
    turn = np.full(99, turn_rate * abs(speed) * 0.1)
    assert short(np.full(100, speed), turn, "lateral") == [(expected, 0, 99)]


def test_a_stop_takes_its_frames_from_the_lateral_spans():
    speed = np.concatenate([np.linspace(8, 0, 30), np.zeros(40), np.linspace(0, 8, 31)])
    stop = next(span for span in short(speed) if span[0] == "stop")
    lateral = short(speed, axis="lateral")
    assert lateral == [("go_straight", 0, stop[1]), ("go_straight", stop[2], 100)]
    covered = {frame for _, start, end in [stop, *lateral] for frame in range(start, end)}
    assert covered == set(range(100))


def test_a_standing_clip_has_no_lateral_span():
    assert short(np.zeros(50), axis="lateral") == []


@pytest.mark.parametrize("frames", [0, 1])
def test_clips_too_short_to_move_have_no_spans(frames):
    still = plain.ClipStates(*[np.zeros(frames)] * 10)
    assert [row[0] for row in spans_of([still, driven(np.full(20, 3.0))])] == ["clip1", "clip1"]


def test_table_has_the_declared_columns_and_the_measures_of_its_axis():
    frame = build(trajectory_table({"a": driven(np.full(60, 10.0), np.full(59, 0.02))}), SETTINGS)
    assert frame.schema == schemas.META_ACTION_SPANS.schema
    assert frame["chunk"].to_list() == ["0007"] * 2
    names = [[one["name"] for one in measures] for measures in frame["measures"]]
    assert names == [[measure.name for measure in axis.measures] for axis in AXES]
    lateral = {one["name"]: one["value"] for one in frame["measures"][1]}
    assert lateral == pytest.approx(
        {"heading_change": 59 * 0.02, "distance": 59.0, "turn_rate": 0.02, "average_speed_along_heading": 10.0}
    )


def test_table_of_no_clips_is_empty_and_typed():
    frame = build(trajectory_table({}), SETTINGS)
    assert (frame.height, frame.schema) == (0, schemas.META_ACTION_SPANS.schema)


def test_states_come_back_from_the_table_as_they_went_in():
    clips = {"b": random_drive(3), "a": random_drive(4)}
    ids, states = read_states(trajectory_table(clips))
    assert ids.to_list() == ["b", "a"]
    for name, values in vars(together(list(clips.values()))).items():
        assert np.array_equal(getattr(states, name), values), name


def test_frames_out_of_turn_are_refused():
    table = trajectory_table({"a": driven(np.full(30, 1.0))})
    with pytest.raises(ValueError, match=r"clip a: frame 6 at row 5 is out of turn"):
        build(table.filter(pl.col("frame") != 5), SETTINGS)


def trajectory_table(clips: dict[str, plain.ClipStates]) -> pl.DataFrame:
    if not clips:
        return schemas.empty(schemas.TRAJECTORIES)
    return plain.trajectory_rows(clips).with_columns(chunk=pl.lit("0007"))


@pytest.mark.parametrize(
    ("dataset", "reference"),
    [
        ("golden-visible", "spans.parquet"),
        ("golden-visible", "spans_relaxed.parquet"),
        ("real-driving", "spans.parquet"),
    ],
)
def test_reproduces_the_published_spans(shared_data: Path, dataset, reference):
    with EgomotionChunk(DatasetRoot(shared_data / dataset), "0000") as egomotion:
        clips, resampled = read_clips(egomotion, TrajectorySettings())
    spans = build(trajectory_frame(resampled, clips.ids), SETTINGS)
    found = spans.with_columns(pl.col("action").map_elements(camel_case, pl.String))
    expected = pl.read_parquet(shared_data / dataset / reference)
    of_reference = found.filter(pl.col("clip_id").is_in(expected["clip_id"].unique().implode()))
    columns = ("clip_id", "axis", "action", "start_frame", "end_frame")
    assert sorted(of_reference.select(columns).rows()) == sorted(
        expected.select("clip_id", "track", "action", "start", "end").rows()
    )


def test_labels_the_clip_that_stops_the_published_tool(shared_data: Path):
    with EgomotionChunk(DatasetRoot(shared_data / "golden-visible"), "0000") as egomotion:
        clips, resampled = read_clips(egomotion, TrajectorySettings())
    spans = build(trajectory_frame(resampled, clips.ids), SETTINGS)
    mended = spans.filter(pl.col("clip_id").str.starts_with("929c8495"), pl.col("axis") == "longitudinal")
    assert mended["end_frame"].max() == 200
    assert set(mended["action"]) != {"maintain_speed"}
