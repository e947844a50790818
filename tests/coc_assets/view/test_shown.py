"""What is gathered of a clip: figures, spans, and which label is shown when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from coc_assets.raw_coc.rules.geometry import ego_of
from coc_assets.view.lettering import label_lines
from coc_assets.view.shown import cited_tracks, curvature_of, shown_of
from resources import schemas
from resources.settings import Settings
from tests.coc_assets.view import made


def test_a_circle_has_the_curvature_of_its_radius() -> None:
    radius, speed, t_s = 20.0, 5.0, np.arange(40) / 10
    turned = speed * t_s / radius
    rows = pl.DataFrame(
        {
            "frame": np.arange(40), "t_us": (t_s * 1e6).astype(np.int64), "x_m": radius * np.sin(turned),
            "y_m": radius * (1 - np.cos(turned)), "heading_rad": turned, "speed_mps": speed,
            "speed_along_heading_mps": speed,
        }
    )  # fmt: skip
    curvature = curvature_of(ego_of(rows), Settings().labels.rules.manoeuvre)
    assert curvature.shape == (40,)
    assert np.isnan(curvature[[0, -1]]).all()
    np.testing.assert_allclose(curvature[2:-3], 1 / radius, rtol=1e-6)


def test_meta_actions_hold_from_their_first_frame_to_the_one_before_the_next() -> None:
    shown = made.shown()
    assert shown.actions(0.99) == {"longitudinal": "maintain_speed", "lateral": "go_straight"}
    assert shown.actions(1.0)["longitudinal"] == "gentle_deceleration"
    assert shown.actions(3.0) == {}


def test_the_nearest_keyframe_is_shown_unless_one_is_marked() -> None:
    shown = made.shown()
    assert [one.number for t_s in (0.0, 1.4, 1.6, 3.0) if (one := shown.keyframe_at(t_s))] == [1, 1, 2, 2]
    marked = made.shown(replace(made.FOUND, keyframe_id=made.KEYFRAMES[0]))
    assert marked.marked and marked.keyframe_at(2.4) is marked.marked
    assert shown.keyframe_at(-5.0) is None


def test_the_named_label_comes_first_then_the_preferred_labeler() -> None:
    labels = [made.label(0, "zoe"), made.label(0, "qwen"), made.label(0, "rules")]
    order = [one.row["labeler"] for one in made.shown(labels=labels).keyframes[0].labels]
    assert order == ["rules", "qwen", "zoe"]
    named = made.shown(replace(made.FOUND, keyframe_id=made.KEYFRAMES[0], label_id="zoe0"), labels=labels)
    assert named.keyframes[0].label and named.keyframes[0].label.row["labeler"] == "zoe"
    only = made.shown(labeler="qwen", labels=labels)
    assert [one.row["labeler"] for one in only.keyframes[0].labels] == ["qwen"]


def test_imported_labels_bring_moments_of_their_own() -> None:
    own = made.label(0, "bought", keyframe_id="a-01500000", t0_us=1_500_000, origin="imported", components=None)
    shown = made.shown(labels=[own])
    assert [one.t0_s for one in shown.keyframes] == [0.6, 1.5, 2.4]
    assert [len(one.labels) for one in shown.keyframes] == [0, 1, 0]
    text = "\n".join(line.text for line in label_lines(shown.keyframes[1], 3))
    assert "t0 1.50 s" in text and "bought" in text and "not judged" in text


def test_verdict_reasons_and_causes_are_told() -> None:
    first = made.shown().keyframes[0]
    text = "\n".join(line.text for line in label_lines(first, 2))
    assert "1/2  t0 0.60 s · gentle deceleration" in text
    assert "lead obstacle following + lane keeping — review (no_decision)" in text
    assert "1 critical object: the lead vehicle 20.0 m ahead (seen 0.10 to 0.50 s, track lead)" in text
    assert first.label and cited_tracks([first.label]) == {"lead": 1}


@pytest.mark.parametrize("status", ["refused", "invalid"])
def test_a_label_that_came_to_nothing_says_why(status: str) -> None:
    failed = made.label(0, status=status, reason="the model said no", trace=None, components=None)
    text = "\n".join(line.text for line in label_lines(made.shown(labels=[failed]).keyframes[0], 2))
    assert f"no label: {status}" in text and "the model said no" in text


def test_a_clip_without_tracks_and_keyframes_can_be_shown() -> None:
    bare = made.tables(labels=[], keyframes=schemas.empty(schemas.KEYFRAMES), tracks=schemas.empty(schemas.TRACKS))
    shown = shown_of(bare, made.FOUND, Settings())
    assert shown.keyframes == () and shown.boxes.track_ids == []
