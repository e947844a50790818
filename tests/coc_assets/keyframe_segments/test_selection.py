from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from coc_assets.bench import plain
from coc_assets.keyframe_segments.selection import SCENARIO, build, keep_apart, keep_by_hash
from coc_assets.meta_actions.spans import build as build_spans
from resources import schemas
from resources.settings.keyframes import KeyframeSettings
from resources.settings.meta_actions import MetaActionSettings
from tests.coc_assets.meta_actions.made import random_drive

DECISION = KeyframeSettings()
SPAN_START = KeyframeSettings(mode="span_start")
STEADY_SPEED = tuple([10.0] * 201)


def select(spans, settings=DECISION, speed=STEADY_SPEED, first_us=-30_000) -> pl.DataFrame:
    """Keyframes of clip `a` from (action, start, end) spans, all on the longitudinal axis."""
    clips = pl.DataFrame({"clip_id": ["a"], "first_us": [first_us], "chunk": ["0000"]})
    trajectories = pl.DataFrame({"clip_id": "a", "frame": range(len(speed)), "speed_mps": speed})
    rows = [{"clip_id": "a", "axis": "longitudinal", "action": action, "start_frame": start, "end_frame": end}
            for action, start, end in spans]  # fmt: skip
    frame, rejects = build(clips, trajectories, schemas.rows_to_frame(rows, schemas.META_ACTION_SPANS), settings)
    assert rejects.schema == schemas.REJECTS.schema
    assert rejects.is_empty()
    return frame


def chosen(*args, **kwargs) -> list[tuple[int, str]]:
    return select(*args, **kwargs).select("frame", "action").rows()


@pytest.mark.parametrize(
    ("span", "frame"),
    [
        (("stop", 25, 40), 20),
        (("stop", 24, 40), None),
        (("stop", 140, 180), 135),
        (("stop", 141, 180), None),
        (("stop", 50, 51), 45),
        (("go_straight", 50, 90), None),
        (("maintain_speed", 50, 90), None),
        (("keep_lane", 50, 90), None),
        (("turn_left", 50, 90), 45),
    ],
)
def test_decision_keyframes_lie_half_a_second_before_an_eventful_start(span, frame):
    assert chosen([span]) == ([] if frame is None else [(frame, span[0])])


def test_a_span_that_begins_with_the_clip_is_no_decision():
    anywhere = KeyframeSettings(min_frame=0)
    assert chosen([("stop", 0, 40)], anywhere) == []
    assert chosen([("stop", 3, 40)], anywhere) == [(0, "stop")]


@pytest.mark.parametrize(
    ("action", "last_speed", "kept"),
    [
        ("gentle_deceleration", 9.2, True),
        ("gentle_deceleration", 9.21, False),
        ("strong_acceleration", 10.8, True),
        ("strong_acceleration", 10.7, False),
        ("stop", 10.0, True),
        ("steer_left", 10.0, True),
    ],
)
def test_a_change_of_speed_must_be_one(action, last_speed, kept):
    speed = np.full(201, 10.0)
    speed[89] = last_speed  # the span's last frame; frame 90 is not its own
    assert bool(chosen([(action, 50, 90)], speed=speed)) is kept


@pytest.mark.parametrize(
    ("spans", "frames"),
    [
        ([("stop", 50, 60), ("reverse", 79, 90)], [74]),
        ([("stop", 50, 60), ("reverse", 80, 90)], [45, 75]),
        ([("reverse", 50, 60), ("stop", 60, 70)], [45]),
        ([("stop", 50, 60), ("stop", 70, 80)], [45]),
        # the middle one is the rarest and takes both neighbours
        ([("stop", 50, 60), ("reverse", 75, 80), ("stop", 100, 110)], [70]),
        # the rare first one frees the last by taking the middle
        ([("reverse", 50, 60), ("steer_left", 75, 80), ("gentle_acceleration", 100, 110)], [45, 95]),
    ],
)
def test_of_two_within_the_cooldown_the_rarer_stays(spans, frames):
    speed = np.linspace(0, 100, 201)
    assert [frame for frame, _ in chosen(spans, speed=speed)] == frames


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 12)), unique_by=lambda one: one[0]), st.integers(0, 60))
def test_keyframes_are_apart_and_none_is_dropped_without_need(keyframes, cooldown):
    frames, ranks = [frame for frame, _ in keyframes], [rank for _, rank in keyframes]
    kept = keep_apart(frames, ranks, cooldown)
    stay = [frame for frame, keep in zip(frames, kept, strict=True) if keep]
    assert all(abs(a - b) >= cooldown for a in stay for b in stay if a != b)
    for frame, rank, keep in zip(frames, ranks, kept, strict=True):
        if not keep:
            blockers = [ranks[frames.index(other)] for other in stay if abs(other - frame) < cooldown]
            assert min(blockers) <= rank


def test_several_starts_make_one_keyframe_named_after_the_rarest():
    spans = [("steer_left", 60, 120), ("stop", 60, 70), ("reverse_left", 60, 80)]
    row = select(spans).row(0, named=True)
    assert (row["action"], row["actions"]) == ("reverse_left", ["reverse_left", "stop", "steer_left"])
    assert (row["event_start_frame"], row["event_end_frame"], row["frame"]) == (60, 80, 55)
    assert (row["mode"], row["chunk"]) == ("decision", "0000")


@pytest.mark.parametrize(
    ("span", "kept"),
    [
        (("stop", 20, 30), True),
        (("stop", 20, 29), False),
        (("stop", 19, 60), False),
        (("stop", 135, 145), True),
        (("stop", 136, 180), False),
        (("maintain_speed", 50, 90), True),
        (("go_straight", 50, 90), True),
        (("gentle_deceleration", 50, 90), True),
    ],
)
def test_span_start_takes_every_long_span_in_the_window(span, kept):
    assert chosen([span], SPAN_START) == ([(span[1], span[0])] if kept else [])


def test_span_start_knows_no_cooldown():
    assert chosen([("stop", 30, 45), ("reverse", 45, 60)], SPAN_START) == [(30, "stop"), (45, "reverse")]


@pytest.mark.parametrize(
    ("first_us", "start", "t0_us", "trainable"),
    [
        (0, 20, 2_000_000, True),
        (-330_000, 20, 1_670_000, True),
        (-400_000, 20, 1_600_000, False),
        (100_000, 135, 13_600_000, True),
        (100_001, 135, 13_600_001, False),
    ],
)
def test_instants_are_on_the_clips_clock(first_us, start, t0_us, trainable):
    row = select([("stop", start, 180)], SPAN_START, first_us=first_us).row(0, named=True)
    assert (row["t0_us"], row["trainable"], row["keyframe_id"]) == (t0_us, trainable, f"a-{t0_us:08d}")


def test_scenarios_cover_every_action_and_stay_in_the_vocabulary():
    assert set(SCENARIO) == set(schemas.META_ACTIONS)
    assert set(SCENARIO.values()) <= set(schemas.SCENARIOS)


@pytest.mark.parametrize(
    ("action", "scenario"),
    [("reverse_left", "reverse"), ("sharp_steer_right", "turn"), ("steer_left", "curvy_road"), ("stop", "unobserved")],
)
def test_scenario_is_what_motion_alone_shows(action, scenario):
    assert select([(action, 50, 90)])["scenario"].to_list() == [scenario]


def test_caps_keep_the_same_part_everywhere():
    spans = [("stop", start, start + 12) for start in range(25, 136)]
    no_cooldown = {"cooldown": 0}
    everything = chosen(spans, KeyframeSettings(**no_cooldown))
    half = chosen(spans, KeyframeSettings(keep_fraction={"stop": 0.5}, **no_cooldown))
    more = chosen(spans, KeyframeSettings(keep_fraction={"stop": 0.8}, **no_cooldown))
    assert set(half) < set(more) < set(everything)
    assert 35 <= len(half) <= 75
    assert chosen(spans, KeyframeSettings(keep_fraction={"stop": 0.0}, **no_cooldown)) == []
    assert chosen(spans, KeyframeSettings(keep_fraction={"reverse": 0.0}, **no_cooldown)) == everything


def test_the_cap_is_decided_by_sha256_of_clip_and_frame():
    part = int.from_bytes(hashlib.sha256(b"clip:42").digest()[:8], "big") / 2**64
    assert keep_by_hash("clip", 42, part + 1e-9)
    assert not keep_by_hash("clip", 42, part - 1e-9)


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=3),
    st.builds(
        KeyframeSettings,
        mode=st.sampled_from(["decision", "span_start"]),
        cooldown=st.integers(0, 50),
        lead=st.integers(0, 30),
        min_frame=st.integers(0, 40),
        keep_fraction=st.just({"stop": 0.5, "steer_left": 0.5}),
    ),
)
def test_equals_the_plain_rules_on_any_drive(seeds, settings):
    drives = {f"clip{i}": random_drive(seed) for i, seed in enumerate(seeds)}
    trajectories = plain.trajectory_rows(drives)
    clips = pl.DataFrame({"clip_id": list(drives), "first_us": 0})
    found, _ = build(clips, trajectories, build_spans(trajectories, MetaActionSettings()), settings)
    expected = []
    for clip_id, states in drives.items():
        spans = plain.spans_of_clip(states, MetaActionSettings())
        keyframes = plain.keyframes_of_clip(clip_id, states.speed, spans, settings)
        expected += [plain.keyframe_row(clip_id, states, keyframe) for keyframe in keyframes]
    columns = list(expected[0]) if expected else ["keyframe_id"]
    assert found.select(columns).to_dicts() == expected
    assert found.schema == schemas.KEYFRAMES.schema
