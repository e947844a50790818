from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import get_args

import polars as pl
import pytest

from checks.expectations.expectation import AMISS
from checks.expectations.runner import failures
from checks.expectations.suites import SUITES
from resources import schemas
from tests.checks.expectations.good import BY_MODEL, CLIP, COMPONENT, GOOD, T0_US, Row, frame

TABLES = {table.name: table for table in (*schemas.DATA_TABLES, schemas.SET_MEASUREMENTS, schemas.REJECTS)}
RESPONSE = BY_MODEL["responses"][0]
NAN, INFINITE = float("nan"), float("inf")


def failing(table: str, *changes: Row) -> dict[str, str]:
    """Columns that are named for the rows, with the gravest severity of each."""
    found: dict[str, str] = {}
    for failure in failures(frame(TABLES[table], *changes), SUITES[table].of_chunk("0007")):
        assert failure.problem is None
        for column in failure.worst["column"]:
            found[column] = min(found.get(column, "warning"), failure.expectation.severity)
    return found


def test_every_table_has_a_suite_that_knows_its_columns() -> None:
    assert SUITES.keys() == TABLES.keys()
    for suite in SUITES.values():
        assert set(suite.nullable) <= set(suite.table.columns) - {"chunk"}
        assert all(suite.nullable.values())
        lists = {name for name, dtype in suite.table.schema.items() if isinstance(dtype, pl.List)}
        assert set(suite.items) == lists


@pytest.mark.parametrize("table", TABLES)
def test_a_good_row_meets_every_expectation(table: str) -> None:
    assert failing(table) == {}


@pytest.mark.parametrize(
    ("table", "change"),
    [
        pytest.param("clips", {"frames": 10, "split": "val", "mended": []}, id="short clip"),
        pytest.param("trajectories", {"speed_along_heading_mps": -2.0, "heading_rad": 3.141592653589793}, id="reverse"),
        pytest.param("tracks", {"label_class": None, "t_us": -96_000, "x_m": -120.0}, id="box without a class"),
        pytest.param("meta_actions", {"axis": "lateral", "action": "go_straight", "start_frame": 0, "end_frame": 200},
                     id="span over the whole clip"),
        pytest.param("keyframes", {"mode": "span_start", "frame": 58}, id="keyframe at its span's start"),
        pytest.param("videos", {"frames": 600, "fps": None, "last_us": -121_000}, id="video without a rate"),
        pytest.param("segments", {"status": "on_demand", "path": None}, id="segment to be cut"),
        pytest.param("segments", {"status": "no_video", "path": None, "first_us": None, "last_us": None,
                                  "frame_us": [], "source_frame": []}, id="no video"),
        pytest.param("raw_coc", BY_MODEL, id="label of a model"),
        pytest.param("raw_coc", BY_MODEL | {"status": "refused", "reason": "declined: no", "trace": None,
                                            "longitudinal_decision": None, "lateral_decision": None,
                                            "scenario": None, "components": []}, id="refused label"),
        pytest.param("raw_coc", {"lateral_decision": "turn", "lateral_direction": "left"}, id="turn with its side"),
        pytest.param("raw_coc", {"lateral_decision": "merge_split"}, id="merge without a side"),
        pytest.param("measurements", {"value": None, "detail": None}, id="abstains"),
        pytest.param("measurements", {"name": "offset_m", "value": 32.0}, id="a figure that is no flag"),
        pytest.param("set_measurements", {"name": "minimality", "value": None}, id="a question not answered"),
        pytest.param("set_measurements", {"instrument": "set_duplicates", "name": "near_duplicates", "value": 7.0},
                     id="a count of duplicates"),
        pytest.param("filtered_coc", {"verdict": "keep", "reasons": []}, id="kept without a reason"),
        pytest.param("samples", {"split": "val_2", "shard": "training_shards/chunk=0007/val_2-000701.tar"}, id="split"),
        pytest.param("samples", dict.fromkeys(("shard", "member", "offset", "size")), id="no shards"),
        pytest.param("samples", dict.fromkeys(("action", "scenario", "longitudinal_decision", "lateral_decision")),
                     id="label from elsewhere"),
        pytest.param("trajdata_scenes", {"split": "other", "agents": 1}, id="the ego alone"),
    ],
)  # fmt: skip
def test_what_is_rare_and_right_meets_every_expectation(table: str, change: Row) -> None:
    assert failing(table, change) == {}


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"clip_id": None, "reason": "archive_damaged"}], id="chunk as a whole"),
        pytest.param([{"stage": "clip_videos", "clip_id": None, "severity": "degraded", "feature": "video",
                       "reason": "video_missing"}], id="camera not mirrored"),
        pytest.param([{"severity": "degraded", "feature": "tracks", "reason": "tracks_not_in_rig_frame"},
                      {"feature": "index", "reason": "clip_invalid"}], id="one clip, two features"),
        pytest.param([{"stage": "filtered_coc", "keyframe_id": "k", "label_id": "l", "feature": None,
                       "reason": "status_over_budget"}], id="label without a feature"),
        pytest.param([{"stage": "training_shards", "keyframe_id": "k", "label_id": "l", "reason": "not_preferred"},
                      {"stage": "training_shards", "keyframe_id": "k", "label_id": "m", "reason": "not_preferred"}],
                     id="two labels of a keyframe"),
    ],
)  # fmt: skip
def test_legitimate_rejects_never_turn_red(rows: list[Row]) -> None:
    assert failing("rejects", *rows) == {}


BAD: list[tuple[str, Row, str, str]] = [
    ("clips", {"frames": 202}, "frames", "critical"),
    ("clips", {"frames": 5}, "frames", "warning"),
    ("clips", {"first_us": 3_000_000}, "first_us", "warning"),
    ("clips", {"duration_s": 140.0}, "duration_s", "warning"),
    ("clips", {"distance_m": 5_000.0}, "distance_m", "warning"),
    ("clips", {"mean_speed_mps": -1.0}, "mean_speed_mps", "critical"),
    ("clips", {"mean_speed_mps": 90.0}, "mean_speed_mps", "warning"),
    ("clips", {"mended": ["Sorted rows"]}, "mended", "critical"),
    ("clips", {"mended": None}, "mended", "critical"),
    ("clips", {"mended": [None]}, "mended", "critical"),
    ("clips", {"chunk": "0008"}, "chunk", "critical"),
    ("trajectories", {"frame": 201}, "frame", "critical"),
    ("trajectories", {"frame": -1}, "frame", "critical"),
    ("trajectories", {"t_us": 140_000_000}, "t_us", "warning"),
    ("trajectories", {"x_m": 60_000.0}, "x_m", "warning"),
    ("trajectories", {"y_m": -60_000.0}, "y_m", "warning"),
    ("trajectories", {"z_m": 9_000.0}, "z_m", "warning"),
    ("trajectories", {"x_m": NAN}, "x_m", "critical"),
    ("trajectories", {"vx_mps": INFINITE}, "vx_mps", "critical"),
    ("trajectories", {"heading_rad": 3.2}, "heading_rad", "critical"),
    ("trajectories", {"vx_mps": 80.0}, "vx_mps", "warning"),
    ("trajectories", {"vy_mps": -80.0}, "vy_mps", "warning"),
    ("trajectories", {"speed_mps": -0.1}, "speed_mps", "critical"),
    ("trajectories", {"speed_mps": 75.0}, "speed_mps", "warning"),
    ("trajectories", {"speed_along_heading_mps": -20.0}, "speed_along_heading_mps", "warning"),
    ("trajectories", {"acceleration_mps2": -16.0}, "acceleration_mps2", "warning"),
    ("tracks", {"label_class": "submarine"}, "label_class", "warning"),
    ("tracks", {"t_us": 40_000_000}, "t_us", "warning"),
    ("tracks", {"x_m": 800.0}, "x_m", "warning"),
    ("tracks", {"y_m": -800.0}, "y_m", "warning"),
    ("tracks", {"z_m": 200.0}, "z_m", "warning"),
    ("tracks", {"length_m": 0.0}, "length_m", "warning"),
    ("tracks", {"width_m": 20.0}, "width_m", "warning"),
    ("tracks", {"height_m": -1.6}, "height_m", "warning"),
    ("tracks", {"heading_rad": -4.0}, "heading_rad", "critical"),
    ("meta_actions", {"action": "steer_left"}, "action", "critical"),
    ("meta_actions", {"axis": "vertical"}, "axis", "critical"),
    ("meta_actions", {"start_frame": -1}, "start_frame", "critical"),
    ("meta_actions", {"end_frame": 201}, "end_frame", "critical"),
    ("meta_actions", {"end_frame": 58}, "end_frame", "critical"),
    ("meta_actions", {"measures": [{"name": "x", "value": INFINITE}]}, "measures.value", "critical"),
    ("meta_actions", {"measures": [{"name": "x", "value": NAN}]}, "measures.value", "critical"),
    ("meta_actions", {"measures": [{"name": None, "value": 1.0}]}, "measures.name", "critical"),
    ("keyframes", {"keyframe_id": f"{CLIP}-{T0_US}"}, "keyframe_id", "critical"),
    ("keyframes", {"frame": -1}, "frame", "critical"),
    ("keyframes", {"frame": 60}, "event_start_frame", "critical"),
    ("keyframes", {"t0_us": -31_000}, "t0_us", "critical"),
    ("keyframes", {"t0_us": 30_000_000}, "t0_us", "warning"),
    ("keyframes", {"axis": "lane"}, "action", "critical"),
    ("keyframes", {"axis": "vertical"}, "axis", "critical"),
    ("keyframes", {"event_end_frame": 230}, "event_end_frame", "critical"),
    ("keyframes", {"actions": [None]}, "actions", "critical"),
    ("keyframes", {"actions": []}, "actions", "critical"),
    ("keyframes", {"actions": ["stop", "honk"]}, "actions", "critical"),
    ("keyframes", {"event_end_frame": 58}, "event_end_frame", "critical"),
    ("keyframes", {"mode": "every_second"}, "mode", "critical"),
    ("keyframes", {"scenario": "picnic"}, "scenario", "critical"),
    ("keyframes", {"trainable": None}, "trainable", "critical"),
    ("videos", {"path": "/data/clip.mp4"}, "path", "critical"),
    ("videos", {"frames": 0}, "frames", "critical"),
    ("videos", {"frames": 5_000}, "frames", "warning"),
    ("videos", {"fps": NAN}, "fps", "critical"),
    ("videos", {"fps": 500.0}, "fps", "warning"),
    ("videos", {"width": 0}, "width", "critical"),
    ("videos", {"width": 9_000}, "width", "warning"),
    ("videos", {"height": 0}, "height", "critical"),
    ("videos", {"height": 9_000}, "height", "warning"),
    ("videos", {"first_us": -9_000_000}, "first_us", "warning"),
    ("videos", {"last_us": 60_000_000}, "last_us", "warning"),
    ("videos", {"last_us": -200_000}, "last_us", "critical"),
    ("segments", {"status": "lost", "path": None, "first_us": None, "last_us": None}, "status", "critical"),
    ("segments", {"path": None}, "path", "critical"),
    ("segments", {"keyframe_id": CLIP}, "keyframe_id", "critical"),
    ("segments", {"first_us": -9_000_000}, "first_us", "warning"),
    ("segments", {"frame_us": [None, T0_US]}, "frame_us", "critical"),
    ("segments", {"source_frame": [101, None]}, "source_frame", "critical"),
    ("segments", {"path": "segments/a.mp4"}, "path", "critical"),
    ("segments", {"status": "on_demand"}, "path", "critical"),
    ("segments", {"status": "no_video", "path": None, "first_us": None}, "last_us", "critical"),
    ("segments", {"first_us": None}, "first_us", "critical"),
    ("segments", {"last_us": 90_000_000}, "last_us", "warning"),
    ("segments", {"last_us": T0_US - 3_000_000}, "last_us", "critical"),
    ("segments", {"source_frame": [101]}, "source_frame", "critical"),
    ("segments", {"source_frame": [-1, 161]}, "source_frame", "critical"),
    ("segments", {"frame_us": [T0_US, 90_000_000]}, "frame_us", "warning"),
    ("segments", {"missing_us": [None]}, "missing_us", "critical"),
    ("raw_coc", {"label_id": "rules:1"}, "label_id", "critical"),
    ("raw_coc", {"keyframe_id": CLIP}, "keyframe_id", "critical"),
    ("raw_coc", {"t0_us": 40_000_000}, "t0_us", "warning"),
    ("raw_coc", {"t0_us": 150_000_000}, "t0_us", "critical"),
    ("raw_coc", {"parameters": "{thresholds"}, "parameters", "critical"),
    ("raw_coc", {"status": "done", "reason": "x"}, "status", "critical"),
    ("raw_coc", {"status": "invalid"}, "reason", "critical"),
    ("raw_coc", {"reason": "x"}, "reason", "critical"),
    ("raw_coc", {"trace": None}, "trace", "critical"),
    ("raw_coc", {"scenario": "picnic"}, "scenario", "critical"),
    ("raw_coc", {"longitudinal_decision": "brake"}, "longitudinal_decision", "critical"),
    ("raw_coc", {"lateral_decision": "swerve"}, "lateral_decision", "critical"),
    ("raw_coc", {"lateral_direction": "up"}, "lateral_direction", "critical"),
    ("raw_coc", {"lateral_decision": "lane_change"}, "lateral_direction", "critical"),
    ("raw_coc", {"latency_s": 0.1}, "latency_s", "critical"),
    ("raw_coc", BY_MODEL | {"attempts": -1}, "attempts", "critical"),
    ("raw_coc", BY_MODEL | {"prompt_tokens": -1}, "prompt_tokens", "critical"),
    ("raw_coc", BY_MODEL | {"completion_tokens": -1}, "completion_tokens", "critical"),
    ("raw_coc", BY_MODEL | {"cached_tokens": -1}, "cached_tokens", "critical"),
    ("raw_coc", BY_MODEL | {"reasoning_tokens": -1}, "reasoning_tokens", "critical"),
    ("raw_coc", BY_MODEL | {"passes": 3}, "passes", "critical"),
    ("raw_coc", BY_MODEL | {"repair": "mended"}, "repair", "critical"),
    ("raw_coc", BY_MODEL | {"responses": [RESPONSE | {"step": None}]}, "responses.step", "critical"),
    ("raw_coc", BY_MODEL | {"responses": [RESPONSE | {"round": 0}]}, "responses.round", "critical"),
    ("raw_coc", BY_MODEL | {"cost_usd": NAN}, "cost_usd", "critical"),
    ("raw_coc", BY_MODEL | {"latency_s": -3.0}, "latency_s", "critical"),
    ("raw_coc", {"components": [COMPONENT | {"rank": 0}]}, "components.rank", "critical"),
    ("raw_coc", {"components": [COMPONENT | {"category": "weather"}]}, "components.category", "critical"),
    ("raw_coc", {"components": [COMPONENT | {"category": None}]}, "components.category", "critical"),
    ("raw_coc", {"components": [COMPONENT | {"phrase": "  "}]}, "components.phrase", "critical"),
    ("raw_coc", {"components": [COMPONENT | {"seen_from_us": -5_000_000}]}, "components.seen_from_us", "warning"),
    ("raw_coc", {"components": [COMPONENT | {"seen_to_us": 0}]}, "components.seen_to_us", "critical"),
    ("raw_coc", {"components": [COMPONENT | {"seen_to_us": T0_US + 1}]}, "t0_us", "warning"),
    ("measurements", {"label_id": "x"}, "label_id", "critical"),
    ("measurements", {"value": 2.0}, "value", "critical"),
    ("measurements", {"name": "offset_m", "value": NAN}, "value", "critical"),
    ("measurements", {"instrument": "Judge 2"}, "instrument", "warning"),
    ("set_measurements", {"value": 1.5}, "value", "critical"),
    ("set_measurements", {"name": "kept", "value": -1.0}, "value", "critical"),
    ("set_measurements", {"label_id": "x"}, "label_id", "critical"),
    ("filtered_coc", {"verdict": "perhaps"}, "verdict", "critical"),
    ("filtered_coc", {"reasons": []}, "reasons", "critical"),
    ("filtered_coc", {"reasons": [None]}, "reasons", "critical"),
    ("filtered_coc", {"label_id": "x"}, "label_id", "critical"),
    ("filtered_coc", {"reasons": ["It is bad."]}, "reasons", "critical"),
    ("filtered_coc", {"policy_version": "default"}, "policy_version", "critical"),
    ("filtered_coc", {"keyframe_id": CLIP}, "keyframe_id", "critical"),
    ("samples", {"t0_us": 1_600_000}, "t0_us", "critical"),
    ("samples", {"keyframe_id": CLIP}, "keyframe_id", "critical"),
    ("samples", {"label_id": "x"}, "label_id", "critical"),
    ("samples", {"t0_us": 13_600_001}, "t0_us", "critical"),
    ("samples", {"split": "Train"}, "split", "critical"),
    ("samples", {"shard": "/mnt/train-000700.tar"}, "shard", "critical"),
    ("samples", {"member": "a.png"}, "member", "critical"),
    ("samples", {"offset": -512}, "offset", "critical"),
    ("samples", {"size": 512}, "size", "critical"),
    ("samples", {"action": "halt"}, "action", "critical"),
    ("samples", {"scenario": "traffic"}, "scenario", "critical"),
    ("samples", {"longitudinal_decision": "lane_change"}, "longitudinal_decision", "critical"),
    ("samples", {"lateral_decision": "yield"}, "lateral_decision", "critical"),
    ("samples", {"lateral_direction": "ahead"}, "lateral_direction", "critical"),
    ("trajdata_scenes", {"scene": CLIP}, "scene", "critical"),
    ("trajdata_scenes", {"split": None}, "split", "critical"),
    ("trajdata_scenes", {"split": "dev"}, "split", "critical"),
    ("trajdata_scenes", {"frames": 1}, "frames", "critical"),
    ("trajdata_scenes", {"agents": 0}, "agents", "critical"),
    ("rejects", {"stage": "somewhere"}, "stage", "critical"),
    ("rejects", {"severity": "fatal"}, "severity", "critical"),
    ("rejects", {"feature": "lidar"}, "feature", "critical"),
    ("rejects", {"reason": "It broke."}, "reason", "warning"),
    ("rejects", {"reason": None}, "reason", "critical"),
    ("rejects", {"hint": " "}, "hint", "critical"),
]


def own_ids(table: str, number: int) -> Row:
    """Ids that set a row apart from the others."""
    clip = f"{CLIP[:-4]}{number:04x}"
    ids = {"clip_id": clip, "keyframe_id": f"{clip}-{T0_US:08d}", "label_id": f"{number:016x}"}
    ids |= {"scene": f"scene_{number}", "offset": number * 1_024}
    ids |= {"member": f"{ids['keyframe_id']}.json"}
    return {name: value for name, value in ids.items() if name in TABLES[table].columns}


@cache
def failing_by_row(table: str) -> dict[str, dict[str, str]]:
    """Of the table's bad rows, judged together: columns named and their severity, by the row's key."""
    rows = [own_ids(table, number) | change for number, (of, change, _, _) in enumerate(BAD) if of == table]
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for failure in failures(frame(TABLES[table], *rows), SUITES[table].of_chunk("0007")):
        assert failure.problem is None and failure.count == failure.worst.height
        for row, column in failure.worst.select("row", "column").rows():
            found[row][column] = min(found[row].get(column, "warning"), failure.expectation.severity)
    return found


@pytest.mark.parametrize(
    "number", [pytest.param(number, id=f"{bad[0]}: {bad[2]} {bad[3]}") for number, bad in enumerate(BAD)]
)
def test_a_bad_value_fails_at_its_column_and_nowhere_else(number: int) -> None:
    table, change, column, severity = BAD[number]
    row = GOOD[table] | own_ids(table, number) | change
    key = ", ".join(f"{name}={row.get(name)}" for name in TABLES[table].key)
    assert failing_by_row(table)[key] == {column: severity}


@pytest.mark.parametrize("table", TABLES)
def test_a_missing_value_fails_wherever_the_suite_does_not_allow_it(table: str) -> None:
    suite = SUITES[table]
    required = [name for name in suite.table.columns if name not in suite.nullable]
    rows = frame(TABLES[table], *({name: None} for name in required))
    found = [failure for failure in failures(rows, suite) if AMISS in failure.expectation.looks_at]
    assert [failure.count for failure in found] == [len(required)]
    assert found[0].worst["column"].to_list() == required[: found[0].worst.height]
    assert found[0].expectation.severity == "critical"


@pytest.mark.parametrize("table", TABLES)
def test_a_repeated_key_fails(table: str) -> None:
    severity = "warning" if table == "rejects" else "critical"
    found = {name for name, gravity in failing(table, {}, {}).items() if gravity == severity}
    assert ", ".join(TABLES[table].key) in found


@pytest.mark.parametrize(
    ("table", "column"),
    [("samples", "label_id"), ("samples", "member"), ("trajdata_scenes", "scene")],
)
def test_what_names_a_row_besides_its_key_is_unique(table: str, column: str) -> None:
    assert failing(table, {}, {name: "other" for name in TABLES[table].key})[column] == "critical"


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("meta_actions", "axis", get_args(schemas.Axis)),
        ("keyframes", "axis", get_args(schemas.Axis)),
        ("keyframes", "mode", get_args(schemas.KeyframeMode)),
        ("keyframes", "scenario", schemas.SCENARIOS),
        ("keyframes", "actions", schemas.META_ACTIONS),
        ("segments", "status", get_args(schemas.SegmentStatus)),
        ("raw_coc", "status", get_args(schemas.LabelStatus)),
        ("raw_coc", "scenario", schemas.SCENARIOS),
        ("raw_coc", "longitudinal_decision", schemas.LONGITUDINAL_DECISIONS),
        ("raw_coc", "lateral_decision", schemas.LATERAL_DECISIONS),
        ("raw_coc", "lateral_direction", get_args(schemas.Side)),
        ("raw_coc", "components.category", schemas.COMPONENT_CATEGORIES),
        ("raw_coc", "repair", get_args(schemas.Repair)),
        ("filtered_coc", "verdict", get_args(schemas.Verdict)),
        ("rejects", "severity", get_args(schemas.Severity)),
        ("rejects", "feature", get_args(schemas.Feature)),
    ],
)
def test_vocabularies_are_the_schema_s(table: str, column: str, words: Sequence[str]) -> None:
    found = [one for one in SUITES[table].expectations if one.arguments.get("column") == column]
    assert [one.arguments["value_set"] for one in found if "value_set" in one.arguments] == [list(words)]


@pytest.mark.parametrize("axis", get_args(schemas.Axis))
def test_an_action_belongs_to_its_axis(axis: str) -> None:
    rows = [{"clip_id": f"c{n}", "axis": axis, "action": action} for n, action in enumerate(schemas.META_ACTIONS)]
    found = failures(frame(schemas.META_ACTION_SPANS, *rows), SUITES["meta_actions"])
    named = {"longitudinal": schemas.LONGITUDINAL_ACTIONS, "lateral": schemas.LATERAL_ACTIONS}
    known = named.get(axis, schemas.LANE_ACTIONS)
    assert [failure.count for failure in found] == [len(schemas.META_ACTIONS) - len(known)]
