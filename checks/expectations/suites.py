"""What every table of the store is expected to hold, a suite a table.

Presence and unique keys come from the schema by themselves; vocabularies are the schema's. Ranges that a rule or a
writer guarantees are `between` and critical. Ranges that only driving on roads suggests are `usually` and warn: such a
clip may be real, and is worth a look before someone trains on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import get_args

from checks.expectations.expectation import (
    Nulls,
    Suite,
    Where,
    above,
    between,
    filled,
    is_json,
    matches,
    not_below,
    one_by,
    one_of,
    same,
    suite,
    unique,
    usually,
    warning,
)
from resources import schemas
from resources.reviews import CHECKLIST

LAST_FRAME = 200
SECOND_US = 1_000_000
CLIP_US = 20 * SECOND_US
CLOCK_US = (-SECOND_US, CLIP_US + SECOND_US)
"""Where instants of a clip lie: egomotion and camera begin a few tenths of a second off the clip's clock."""
LATEST_T0_US = 99_999_999  # keyframe ids have eight digits for it
TRAINABLE_US = (1_600_001, 13_600_000)  # 1.6 s < t0 <= 13.6 s

TOP_SPEED_MPS = 70.0
FASTEST_REVERSE_MPS = -15.0
HARDEST_MPS2 = 15.0
LARGEST = 1e9  # any figure of ours; beyond it is infinity or a unit gone wrong
TAR_BLOCK = 512

LABEL_ID = r"^[0-9a-f]{16}$"
KEYFRAME_ID = r"^.+-[0-9]{8}$"
NAME = r"^[a-z][a-z0-9_]*$"
NOT_BLANK = r"\S"
ARCHIVE_MEMBER = r"^[^/].*::.+$"
SEGMENT_FILE = r"^clip_videos/chunk=[0-9]{4}/.+\.mp4$"
SHARD_FILE = r"^training_shards/chunk=[0-9]{4}/[a-z0-9_]+-[0-9]{6,}\.tar$"
SAMPLE_MEMBER = r"^.+-[0-9]{8}\.json$"
SPLIT = r"^[a-z0-9_]+$"
POLICY_VERSION = r"^.+@[0-9a-f]{12}$"
TRAJDATA_NAME = r"^[A-Za-z0-9_]+$"  # trajdata cuts names at hyphens and makes folders of them
MEND = r"^[a-z_]+(?::[1-9][0-9]*)?$"

KNOWN_CLASSES = (
    "automobile", "person", "rider", "other_vehicle", "trailer", "protruding_object", "stroller", "animal"
)  # fmt: skip
TRAJDATA_SPLITS = ("train", "val", "test", "other")
ASSETS = tuple(dict.fromkeys(table.asset for table in schemas.DATA_TABLES))

WITH_VIDEO = ("cut", "on_demand")
SIDED = ("turn", "lane_change", "in_lane_nudge", "out_of_lane_nudge")
FLAGS = ("longitudinal", "lateral", "opposite_direction")
REVIEWED_SHARES = ("majority", *CHECKLIST)
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "longitudinal": schemas.LONGITUDINAL_ACTIONS,
    "lateral": schemas.LATERAL_ACTIONS,
    "lane": schemas.LANE_ACTIONS,
}

CLIPS = suite(
    schemas.CLIPS,
    between("frames", 2, LAST_FRAME + 1),
    usually("frames", 10, None),  # fewer only where trajectory.min_frames was lowered
    usually("first_us", -SECOND_US, SECOND_US),
    usually("duration_s", 0.9, 30),  # a few clips have a sample minutes after their end
    usually("distance_m", 0, TOP_SPEED_MPS * CLIP_US / SECOND_US),
    between("mean_speed_mps", 0, None),
    usually("mean_speed_mps", 0, TOP_SPEED_MPS),
    nullable={"split": "the clip index may name none"},
    items={"mended": (filled("mended"), matches("mended", MEND))},
)
TRAJECTORIES = suite(
    schemas.TRAJECTORIES,
    between("frame", 0, LAST_FRAME),
    usually("t_us", *CLOCK_US),
    usually("x_m", -10_000, 10_000),
    usually("y_m", -10_000, 10_000),
    usually("z_m", -1_000, 1_000),
    between("heading_rad", -math.pi, math.pi),
    usually("vx_mps", -TOP_SPEED_MPS, TOP_SPEED_MPS),
    usually("vy_mps", -TOP_SPEED_MPS, TOP_SPEED_MPS),
    between("speed_mps", 0, None),
    usually("speed_mps", 0, TOP_SPEED_MPS),
    usually("speed_along_heading_mps", FASTEST_REVERSE_MPS, TOP_SPEED_MPS),
    usually("acceleration_mps2", -HARDEST_MPS2, HARDEST_MPS2),
)
TRACKS = suite(
    schemas.TRACKS,
    warning(one_of("label_class", KNOWN_CLASSES)),  # unknown ones are kept, and counted here
    usually("t_us", *CLOCK_US),
    usually("x_m", -500, 500),
    usually("y_m", -500, 500),
    usually("z_m", -100, 100),
    usually("length_m", 0.01, 60),
    usually("width_m", 0.01, 15),
    usually("height_m", 0.01, 15),
    between("heading_rad", -math.pi, math.pi),
    nullable={"label_class": "a box without a class is still an obstacle"},
)
META_ACTIONS = suite(
    schemas.META_ACTION_SPANS,
    one_of("axis", get_args(schemas.Axis)),
    one_by("action", "axis", ACTIONS),
    between("start_frame", 0, LAST_FRAME - 1),
    between("end_frame", 1, LAST_FRAME),
    above("end_frame", "start_frame"),
    items={"measures": (filled("measures.name", "measures.value"), between("measures.value", -LARGEST, LARGEST))},
)
KEYFRAMES = suite(
    schemas.KEYFRAMES,
    matches("keyframe_id", KEYFRAME_ID),
    between("frame", 0, LAST_FRAME),
    between("t0_us", 0, LATEST_T0_US),
    usually("t0_us", *CLOCK_US),
    one_of("axis", get_args(schemas.Axis)),
    one_by("action", "axis", ACTIONS),
    between("actions", 1, None),
    between("event_end_frame", 1, LAST_FRAME),
    above("event_end_frame", "event_start_frame"),
    not_below("event_start_frame", "frame"),
    one_of("mode", get_args(schemas.KeyframeMode)),
    one_of("scenario", schemas.SCENARIOS),
    items={"actions": (filled("actions"), one_of("actions", schemas.META_ACTIONS))},
)
VIDEOS = suite(
    schemas.VIDEOS,
    matches("path", ARCHIVE_MEMBER),
    between("frames", 1, None),
    usually("frames", 10, 3_000),
    between("fps", 0, LARGEST),
    usually("fps", 1, 120),
    between("width", 1, None),
    between("height", 1, None),
    usually("width", 64, 8_192),
    usually("height", 64, 8_192),
    usually("first_us", *CLOCK_US),
    usually("last_us", *CLOCK_US),
    not_below("last_us", "first_us"),
    nullable={"fps": "one frame has no rate"},
)
SEGMENTS = suite(
    schemas.SEGMENTS,
    matches("keyframe_id", KEYFRAME_ID),
    one_of("status", get_args(schemas.SegmentStatus)),
    matches("path", SEGMENT_FILE),
    usually("first_us", *CLOCK_US),
    usually("last_us", *CLOCK_US),
    not_below("last_us", "first_us"),
    same("source_frame", "frame_us"),
    nullable={
        "path": "only what is cut is a file",
        "first_us": "nothing is shown where there is no video",
        "last_us": "nothing is shown where there is no video",
    },
    nulls=(
        Nulls(("path",), Where("status", ("cut",))),
        Nulls(("path",), Where("status", ("cut",), but=True), null=True),
        Nulls(("first_us", "last_us"), Where("status", WITH_VIDEO)),
        Nulls(("first_us", "last_us"), Where("status", WITH_VIDEO, but=True), null=True),
    ),
    items={
        "frame_us": (filled("frame_us"), usually("frame_us", *CLOCK_US)),
        "source_frame": (filled("source_frame"), between("source_frame", 0, None)),
        "missing_us": (filled("missing_us"),),
    },
)
RAW_COC = suite(
    schemas.RAW_COC,
    matches("label_id", LABEL_ID),
    matches("keyframe_id", KEYFRAME_ID),
    between("t0_us", 0, LATEST_T0_US),
    usually("t0_us", *CLOCK_US),
    is_json("parameters"),
    one_of("status", get_args(schemas.LabelStatus)),
    one_of("origin", get_args(schemas.LabelOrigin)),
    one_of("scenario", schemas.SCENARIOS),
    one_of("longitudinal_decision", schemas.LONGITUDINAL_DECISIONS),
    one_of("lateral_decision", schemas.LATERAL_DECISIONS),
    one_of("lateral_direction", get_args(schemas.Side)),
    between("attempts", 0, None),
    between("prompt_tokens", 0, None),
    between("cached_tokens", 0, None),
    between("completion_tokens", 0, None),
    between("reasoning_tokens", 0, None),
    between("cost_usd", 0, LARGEST),
    between("latency_s", 0, LARGEST),
    between("passes", 1, 2),
    one_of("repair", get_args(schemas.Repair)),
    nullable={
        "origin": "most labels are made here",
        "model": "the rules are no model",
        "reason": "a usable label needs none",
        "scenario": "a label that failed says nothing",
        "longitudinal_decision": "a channel may have no decision",
        "lateral_decision": "a channel may have no decision",
        "lateral_direction": "not every manoeuvre has a side",
        **dict.fromkeys(("trace", "perception", "prediction", "planning", "justification"), "a failed label is mute"),
        **dict.fromkeys(("attempts", "prompt_tokens", "completion_tokens", "cost_usd"), "the rules ask no model"),
        **dict.fromkeys(("cached_tokens", "reasoning_tokens", "passes", "responses"), "the rules ask no model"),
        **dict.fromkeys(("latency_s", "answered_at", "raw_response"), "the rules ask no model"),
        "repair": "few answers need one",
    },
    nulls=(
        Nulls(("trace",), Where("status", ("ok",))),
        Nulls(("reason",), Where("status", ("ok",)), null=True),
        Nulls(("reason",), Where("status", ("ok",), but=True)),
        Nulls(("lateral_direction",), Where("lateral_decision", SIDED)),
        Nulls(("cost_usd", "latency_s", "answered_at"), Where("labeler", ("rules",)), null=True),
    ),
    items={
        "components": (
            filled("components.rank", "components.category", "components.phrase"),
            between("components.rank", 1, None),
            one_of("components.category", schemas.COMPONENT_CATEGORIES),
            matches("components.phrase", NOT_BLANK),
            usually("components.seen_from_us", *CLOCK_US),
            not_below("components.seen_to_us", "components.seen_from_us"),
            warning(not_below("t0_us", "components.seen_to_us")),  # causes are seen before they are acted on
        ),
        "responses": (
            filled("responses.step", "responses.round", "responses.prompt_version"),
            between("responses.round", 1, 2),
        ),
    },
)
MEASUREMENTS = suite(
    schemas.MEASUREMENTS,
    matches("label_id", LABEL_ID),
    warning(matches("instrument", NAME)),
    warning(matches("name", NAME)),
    between("value", -LARGEST, LARGEST),
    between("value", 0, 1, where=Where("name", FLAGS)),
    nullable={"value": "the instrument abstains", "detail": "a figure may speak for itself"},
)
SET_MEASUREMENTS = suite(
    schemas.SET_MEASUREMENTS,
    matches("label_id", LABEL_ID),
    warning(matches("instrument", NAME)),
    warning(matches("name", NAME)),
    between("value", 0, LARGEST),
    between("value", 0, 1, where=Where("name", REVIEWED_SHARES)),
    nullable={"value": "nobody answered that", "detail": "a figure may speak for itself"},
)
VERDICTS = suite(
    schemas.VERDICTS,
    matches("label_id", LABEL_ID),
    matches("keyframe_id", KEYFRAME_ID),
    one_of("verdict", get_args(schemas.Verdict)),
    between("reasons", 1, None, where=Where("verdict", ("keep",), but=True)),
    matches("policy_version", POLICY_VERSION),
    items={"reasons": (filled("reasons"), matches("reasons", NAME))},
)
SAMPLES = suite(
    schemas.SAMPLES,
    matches("keyframe_id", KEYFRAME_ID),
    matches("label_id", LABEL_ID),
    unique("label_id"),
    between("t0_us", *TRAINABLE_US),
    matches("split", SPLIT),
    matches("shard", SHARD_FILE),
    matches("member", SAMPLE_MEMBER),
    between("offset", 0, None),
    between("size", 2 * TAR_BLOCK, None),
    unique("member"),
    one_of("action", schemas.META_ACTIONS),
    one_of("scenario", schemas.SCENARIOS),
    one_of("longitudinal_decision", schemas.LONGITUDINAL_DECISIONS),
    one_of("lateral_decision", schemas.LATERAL_DECISIONS),
    one_of("lateral_direction", get_args(schemas.Side)),
    nullable={
        **dict.fromkeys(("shard", "member", "offset", "size"), "other forms than shards may be written"),
        "action": "labels from elsewhere lie at instants that are no keyframe",
        "scenario": "a label may name none",
        "longitudinal_decision": "a label may decide nothing in this channel",
        "lateral_decision": "a label may decide nothing in this channel",
        "lateral_direction": "not every decision has a side",
    },
)
TRAJDATA_SCENES = suite(
    schemas.TRAJDATA_SCENES,
    unique("scene"),
    matches("scene", TRAJDATA_NAME),
    one_of("split", TRAJDATA_SPLITS),
    between("frames", 2, LAST_FRAME + 1),
    between("agents", 1, None),
)
REJECTS = suite(
    schemas.REJECTS,
    one_of("stage", ASSETS),
    one_of("severity", get_args(schemas.Severity)),
    one_of("feature", get_args(schemas.Feature)),
    warning(matches("reason", NAME)),
    matches("hint", NOT_BLANK),
    nullable={
        "clip_id": "the chunk as a whole may be meant",
        "keyframe_id": "a whole clip may be meant",
        "label_id": "no label may be meant",
        "feature": "no part of the dataset may be at fault",
    },
    key=warning(unique(*schemas.REJECTS.key)),  # told twice is untidy; what is lost, conservation finds
)

SUITES: Mapping[str, Suite] = {
    one.table.name: one
    for one in (
        CLIPS, TRAJECTORIES, TRACKS, META_ACTIONS, KEYFRAMES, VIDEOS, SEGMENTS, RAW_COC, MEASUREMENTS, VERDICTS,
        SET_MEASUREMENTS, SAMPLES, TRAJDATA_SCENES, REJECTS,
    )
}  # fmt: skip
"""By table name."""
