from __future__ import annotations

import numpy as np

from coc_assets.bench import plain
from resources import schemas
from resources.settings.keyframes import KeyframeSettings
from tests.coc_assets.meta_actions.made import driven, random_drive


def test_stops_cut_lateral_spans_on_both_sides():
    span = plain.Span("lateral", "go_straight", 0, 100, {})
    stop = plain.Span("longitudinal", "stop", 30, 60, {})
    assert [(part.start, part.end) for part in plain._without(span, stop)] == [(0, 30), (60, 100)]
    assert plain._without(span._replace(start=35, end=50), stop) == []
    assert plain._without(span._replace(end=30), stop) == [span._replace(end=30)]


def test_trajectory_rows_hold_what_the_states_hold():
    drives = {"b": random_drive(5), "a": random_drive(6)}
    table = plain.trajectory_rows(drives)
    assert table.schema == schemas.TRAJECTORIES.schema
    assert table["clip_id"].unique(maintain_order=True).to_list() == ["b", "a"]
    assert np.array_equal(table["acceleration_mps2"], np.concatenate([one.acceleration for one in drives.values()]))
    assert np.array_equal(table["vy_mps"], np.concatenate([one.vy for one in drives.values()]))


def test_keyframe_rows_name_the_rarest_action():
    keyframe = plain.Keyframe(30, ["reverse", "stop"], "longitudinal", 35, 60)
    row = plain.keyframe_row("a", driven(np.zeros(100)), keyframe)
    assert (row["keyframe_id"], row["action"], row["t0_us"]) == ("a-03000000", "reverse", 3_000_000)


def test_uncapped_keyframes_of_a_simple_stop():
    speed = np.concatenate([np.full(60, 10.0), np.linspace(10, 0, 40), np.zeros(60)])
    spans = [plain.Span("longitudinal", "strong_deceleration", 60, 100, {}),
             plain.Span("longitudinal", "stop", 100, 160, {})]  # fmt: skip
    frames = [one.frame for one in plain.keyframes_of_clip("a", speed, spans, KeyframeSettings())]
    assert frames == [55, 95]
