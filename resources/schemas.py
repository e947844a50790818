"""Every table of the store: its columns, their types, units and meaning.

This is the only place where a column is declared. Writers conform to it (`conform`), DuckDB views and Dagster's
column metadata are generated from it, and the expectation suites take their vocabularies from it.

Frames: *local* is the clip's own world (egomotion's), *rig* the ego vehicle's (x forward, y left, z up).
Clocks: every `*_us` is microseconds on the clip's clock; `frame` counts 0.1 s steps from the clip's `first_us`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import polars as pl

FRAME_S = 0.1  # the one frame step of all tables: labels and keyframes count 10 Hz frames
FRAME_US = 100_000

Axis = Literal["longitudinal", "lateral", "lane"]
Severity = Literal["rejected", "degraded"]
Feature = Literal["index", "egomotion", "video", "tracks"]
LabelStatus = Literal["ok", "refused", "invalid", "error", "over_budget"]
LabelOrigin = Literal["imported", "edited"]
ReviewDecision = Literal["keep", "reject", "edit", "withdraw"]
Verdict = Literal["keep", "review", "reject"]
KeyframeMode = Literal["decision", "span_start"]
Side = Literal["left", "right"]
Repair = Literal["repaired", "unresolved"]
SegmentStatus = Literal["cut", "on_demand", "no_video", "undecodable"]

LONGITUDINAL_ACTIONS = (
    "gentle_acceleration",
    "gentle_deceleration",
    "maintain_speed",
    "reverse",
    "stop",
    "strong_acceleration",
    "strong_deceleration",
)
LATERAL_ACTIONS = (
    "go_straight",
    "reverse_left",
    "reverse_right",
    "sharp_steer_left",
    "sharp_steer_right",
    "steer_left",
    "steer_right",
)
LANE_ACTIONS = (
    "follow_curve_left",
    "follow_curve_right",
    "keep_lane",
    "left_lane_change",
    "right_lane_change",
    "slightly_shift_left",
    "slightly_shift_right",
    "turn_left",
    "turn_right",
)
META_ACTIONS = tuple(sorted(LONGITUDINAL_ACTIONS + LATERAL_ACTIONS + LANE_ACTIONS))

LongitudinalDecision = Literal[
    "set_speed_tracking",
    "lead_obstacle_following",
    "speed_adaptation",
    "gap_searching",
    "acceleration_for_passing",
    "yield",
    "stop_for_static_constraint",
]
LateralDecision = Literal[
    "lane_keeping",
    "merge_split",
    "out_of_lane_nudge",
    "in_lane_nudge",
    "lane_change",
    "pull_over",
    "turn",
    "lateral_maneuver_abort",
]
ComponentCategory = Literal[
    "critical_object",
    "traffic_light",
    "yield_stop_control",
    "road_event",
    "lane",
    "routing_intent",
    "odd_constraint",
]
Scenario = Literal[
    "slow_for_lead",
    "stop_for_lead",
    "stop_for_control",
    "resume",
    "lane_change",
    "cut_in",
    "speed_bump",
    "nudge",
    "construction",
    "yield_to_vru",
    "risky_driving",
    "curvy_road",
    "lane_change_preparation",
    "nudge_preparation",
    "passing_intersection",
    "no_yield_to_vru",
    "turn",
    "reverse",
    "free_driving",
    "unobserved",
]
LONGITUDINAL_DECISIONS: tuple[str, ...] = get_args(LongitudinalDecision)
LATERAL_DECISIONS: tuple[str, ...] = get_args(LateralDecision)
COMPONENT_CATEGORIES: tuple[str, ...] = get_args(ComponentCategory)
SCENARIOS: tuple[str, ...] = get_args(Scenario)

COMPONENT = pl.Struct(
    {
        "rank": pl.Int32,
        "category": pl.String,
        "phrase": pl.String,
        "attributes": pl.List(pl.Struct({"key": pl.String, "value": pl.String})),
        "track_id": pl.String,
        "seen_from_us": pl.Int64,
        "seen_to_us": pl.Int64,
    }
)
RESPONSE = pl.Struct(
    {
        "step": pl.String,
        "round": pl.Int32,
        "prompt_version": pl.String,
        "finish_reason": pl.String,
        "text": pl.String,
    }
)
NAMED_VALUE = pl.Struct({"name": pl.String, "value": pl.Float64})


_UNITS = {
    "frame": "0.1 s frames",
    "start_frame": "0.1 s frames",
    "end_frame": "0.1 s frames",
    "event_start_frame": "0.1 s frames",
    "event_end_frame": "0.1 s frames",
    "fps": "Hz",
    "width": "pixels",
    "height": "pixels",
    "offset": "bytes",
    "size": "bytes",
    "seconds": "s",
}
_UNITS_BY_SUFFIX = {
    "_mps2": "m/s²",
    "_mps": "m/s",
    "_m": "m",
    "_rad": "rad",
    "_us": "µs",
    "_s": "s",
    "_usd": "US dollars",
    "_tokens": "tokens",
}


@dataclass(frozen=True)
class Column:
    """One column: its polars type and what it means, with unit and frame.

    Attributes:
        unit: of its figures, or of what a list of them holds; None where it counts things or holds none.
    """

    dtype: pl.DataType | type[pl.DataType]
    about: str
    unit: str | None = None


@dataclass(frozen=True)
class Table:
    """One table of the store; `key` columns are unique together within a partition."""

    name: str
    asset: str
    about: str
    key: tuple[str, ...]
    columns: dict[str, Column]

    @cached_property
    def schema(self) -> pl.Schema:
        return pl.Schema({name: column.dtype for name, column in self.columns.items()})


def _table(
    name: str, asset: str, about: str, key: tuple[str, ...], /, **columns: tuple[pl.DataType | type[pl.DataType], str]
) -> Table:
    made = {"chunk": Column(pl.String, "clip chunk, four digits: the partition")}
    made |= {column: Column(dtype, text, _unit(column)) for column, (dtype, text) in columns.items()}
    return Table(name, asset, about, key, made)


def _unit(column: str) -> str | None:
    """The unit that a column's name ends in, as all names here do."""
    by_suffix = (unit for suffix, unit in _UNITS_BY_SUFFIX.items() if column.endswith(suffix))
    return _UNITS.get(column) or next(by_suffix, None)


_TEXT, _INT, _LONG, _REAL, _FLAG = pl.String, pl.Int32, pl.Int64, pl.Float64, pl.Boolean

CLIPS = _table(
    "clips",
    "trajectory_cache",
    "One row a usable clip.",
    ("clip_id",),
    clip_id=(_TEXT, "the dataset's clip id"),
    split=(_TEXT, "train, val or test, as the clip index says; null where it does not"),
    frames=(_INT, "number of 10 Hz frames, at most 201"),
    first_us=(_LONG, "clip-clock instant of frame 0, µs"),
    duration_s=(_REAL, "first to last egomotion sample, s"),
    distance_m=(_REAL, "length of the driven path over the frames, m"),
    mean_speed_mps=(_REAL, "mean of speed_mps over the frames, m/s"),
    has_video=(_FLAG, "the camera archive lists this clip's video and its timestamps"),
    has_tracks=(_FLAG, "obstacle tracks of this clip were read"),
    mended=(pl.List(_TEXT), "mends done on the raw egomotion, in order"),
)
TRAJECTORIES = _table(
    "trajectories",
    "trajectory_cache",
    "Ego states at 10 Hz, local frame.",
    ("clip_id", "frame"),
    clip_id=(_TEXT, "clip"),
    frame=(_INT, "0.1 s steps from first_us, 0…200"),
    t_us=(_LONG, "clip-clock instant, µs"),
    x_m=(_REAL, "position, local frame, m"),
    y_m=(_REAL, "position, local frame, m"),
    z_m=(_REAL, "position, local frame, m"),
    heading_rad=(_REAL, "heading in the local plane, counter-clockwise, (−π, π], rad"),
    vx_mps=(_REAL, "velocity, local frame, m/s"),
    vy_mps=(_REAL, "velocity, local frame, m/s"),
    speed_mps=(_REAL, "hypot(vx, vy), m/s"),
    speed_along_heading_mps=(_REAL, "velocity along the heading, negative when reversing, m/s"),
    acceleration_mps2=(_REAL, "backward difference of speed_mps over 0.1 s, unsmoothed, m/s²"),
)
TRACKS = _table(
    "tracks",
    "trajectory_cache",
    "Obstacle boxes at their native instants, rig frame.",
    ("clip_id", "track_id", "t_us"),
    clip_id=(_TEXT, "clip"),
    track_id=(_TEXT, "actor, unique within a clip"),
    label_class=(_TEXT, "class as the dataset names it; unknown ones are kept"),
    t_us=(_LONG, "instant of the box, clip clock, µs"),
    x_m=(_REAL, "box centre, rig frame, forward, m"),
    y_m=(_REAL, "box centre, rig frame, left, m"),
    z_m=(_REAL, "box centre, rig frame, up, m"),
    length_m=(_REAL, "box size along its heading, m"),
    width_m=(_REAL, "box size across its heading, m"),
    height_m=(_REAL, "box size upwards, m"),
    heading_rad=(_REAL, "box yaw relative to the rig, counter-clockwise, rad"),
)
META_ACTION_SPANS = _table(
    "meta_actions",
    "meta_actions",
    "What the ego does over half-open spans of frames.",
    ("clip_id", "axis", "start_frame"),
    clip_id=(_TEXT, "clip"),
    axis=(_TEXT, "longitudinal, lateral or lane"),
    action=(_TEXT, "meta-action, snake_case"),
    start_frame=(_INT, "first frame of the span"),
    end_frame=(_INT, "frame after the last one"),
    measures=(pl.List(NAMED_VALUE), "figures the name was decided on, over the span as cut and merged"),
)
KEYFRAMES = _table(
    "keyframes",
    "keyframe_segments",
    "Instants worth a label.",
    ("keyframe_id",),
    keyframe_id=(_TEXT, "<clip_id>-<t0_us, 8 digits>"),
    clip_id=(_TEXT, "clip"),
    frame=(_INT, "keyframe's frame"),
    t0_us=(_LONG, "keyframe's instant, clip clock, µs"),
    action=(_TEXT, "rarest meta-action that starts here, by the fixed ranking"),
    actions=(pl.List(_TEXT), "all meta-actions that start here, rarest first"),
    axis=(_TEXT, "axis of `action`"),
    event_start_frame=(_INT, "the span's own start"),
    event_end_frame=(_INT, "the span's own end (half-open)"),
    mode=(_TEXT, "decision or span_start"),
    scenario=(_TEXT, "scene class read from the motion alone; labels refine it"),
    trainable=(_FLAG, "1.6 s < t0 <= 13.6 s: history and future lie inside the clip"),
)
VIDEOS = _table(
    "videos",
    "clip_videos",
    "One row a usable clip video, where it lies.",
    ("clip_id", "camera"),
    clip_id=(_TEXT, "clip"),
    camera=(_TEXT, "the dataset's camera name"),
    path=(_TEXT, "archive (relative to the dataset root) and member: <archive>::<member>"),
    frames=(_INT, "number of frames"),
    fps=(_REAL, "mean frame rate by the timestamps, Hz"),
    width=(_INT, "pixels"),
    height=(_INT, "pixels"),
    first_us=(_LONG, "instant of the first frame, clip clock, µs"),
    last_us=(_LONG, "instant of the last frame, clip clock, µs"),
)
SEGMENTS = _table(
    "segments",
    "clip_videos",
    "The 8 s evidence window of each keyframe and the frames shown to a model.",
    ("keyframe_id", "camera"),
    keyframe_id=(_TEXT, "keyframe"),
    clip_id=(_TEXT, "clip"),
    camera=(_TEXT, "the dataset's camera name"),
    path=(_TEXT, "mp4 relative to the store; null unless status is cut"),
    first_us=(_LONG, "instant of the segment's first frame, clip clock, µs"),
    last_us=(_LONG, "instant of the segment's last frame, clip clock, µs"),
    frame_us=(pl.List(_LONG), "instants of the sampled frames that the clip has, ascending, µs"),
    source_frame=(pl.List(_INT), "their indices in the clip's own video"),
    missing_us=(pl.List(_LONG), "asked instants outside the clip, µs"),
    status=(_TEXT, "cut, on_demand, no_video or undecodable"),
)
RAW_COC = _table(
    "raw_coc",
    "raw_coc",
    "One label record a keyframe and labeler, whatever became of it.",
    ("label_id",),
    label_id=(_TEXT, "hash of keyframe, labeler, model, prompt version and parameters"),
    keyframe_id=(_TEXT, "keyframe"),
    clip_id=(_TEXT, "clip"),
    t0_us=(_LONG, "keyframe's instant, clip clock, µs"),
    labeler=(_TEXT, "rules, a model alias, human, or the name that imported labels were given"),
    origin=(_TEXT, "imported or edited; null for labels that were made here"),
    model=(_TEXT, "model id as the server reports it; null for rules"),
    prompt_version=(_TEXT, "version of the prompt or of the rule set"),
    parameters=(_TEXT, "what else shaped the label, canonical JSON"),
    status=(_TEXT, "ok, refused, invalid, error or over_budget"),
    reason=(_TEXT, "why the status is not ok"),
    scenario=(_TEXT, "scene class"),
    longitudinal_decision=(_TEXT, "closed set, or null"),
    lateral_decision=(_TEXT, "closed set, or null"),
    lateral_direction=(_TEXT, "left, right or null"),
    components=(pl.List(COMPONENT), "critical components, most important first"),
    trace=(_TEXT, "one sentence: decision and ranked causes"),
    perception=(_TEXT, "what is there"),
    prediction=(_TEXT, "what it will do"),
    planning=(_TEXT, "what the ego does"),
    justification=(_TEXT, "why"),
    attempts=(_INT, "requests made for this label; null for rules"),
    prompt_tokens=(_LONG, "null for rules"),
    cached_tokens=(_LONG, "of the prompt tokens those read from the server's prefix cache; null for rules"),
    completion_tokens=(_LONG, "null for rules"),
    reasoning_tokens=(_LONG, "of the completion tokens those not shown; null for rules"),
    cost_usd=(_REAL, "null for rules"),
    latency_s=(_REAL, "null for rules"),
    answered_at=(_TEXT, "UTC instant of the answer; null for rules"),
    raw_response=(_TEXT, "the model's answer as returned; null for rules"),
    responses=(pl.List(RESPONSE), "every answer as returned, in order; empty for rules"),
    passes=(_INT, "2 where causes were listed from the history alone, else 1; null for rules"),
    repair=(
        _TEXT,
        "after an answer that contradicts the lane meta-actions: repaired (the second answer holds) or unresolved "
        "(that contradicts them too, the first holds); null where not needed or not asked",
    ),
)
REQUESTS = _table(
    "requests",
    "raw_coc",
    "What models were asked and what became of it, from the journals: every line, superseded ones too.",
    ("labeler", "key", "answered_at"),
    labeler=(_TEXT, "model alias"),
    key=(_TEXT, "names the question and everything that shapes its answer; of several lines the last holds"),
    keyframe_id=(_TEXT, "keyframe"),
    label_id=(_TEXT, "the label that was judged; null where a label was asked for"),
    step=(
        _TEXT,
        "what was asked: see, decide, repair, single or reason of a label; evidence, behavior, causal or critic of a "
        "judge",
    ),
    round=(_INT, "1, or 2 where an unusable answer was asked for again"),
    outcome=(_TEXT, "answered, refused, error or over_budget"),
    backend=(_TEXT, "what serves the model"),
    asked_model=(_TEXT, "model id asked for"),
    model=(_TEXT, "model id as the server reports it"),
    prompt_version=(_TEXT, "version of the prompt"),
    text=(_TEXT, "the answer as returned"),
    finish_reason=(_TEXT, "as the server says"),
    refusal=(_TEXT, "the model's refusal as returned"),
    reason=(_TEXT, "why there is no answer"),
    attempts=(_INT, "requests sent, failed ones included"),
    prompt_tokens=(_LONG, "all of the prompt"),
    cached_tokens=(_LONG, "of the prompt tokens those read from the server's prefix cache"),
    completion_tokens=(_LONG, "all that was generated"),
    reasoning_tokens=(_LONG, "of the completion tokens those not shown"),
    cost_usd=(_REAL, "by the price in the settings, US dollars; null where there is none"),
    latency_s=(_REAL, "of the request that was answered, s"),
    answered_at=(_TEXT, "UTC instant, ISO 8601"),
    run=(_TEXT, "the run that paid"),
    batch_id=(_TEXT, "the provider's batch that it came by; null where it was asked alone"),
)
MEASUREMENTS = _table(
    "measurements",
    "filtered_coc",
    "Figures about labels, from all instruments; a newer version of one adds rows, of which the last holds.",
    ("label_id", "instrument", "version", "name"),
    label_id=(_TEXT, "label"),
    instrument=(_TEXT, "what measured"),
    version=(_TEXT, "version of the instrument"),
    name=(_TEXT, "what was measured"),
    value=(_REAL, "the figure; null where the instrument abstains"),
    detail=(_TEXT, "what lies behind the figure"),
)
SET_MEASUREMENTS = replace(
    MEASUREMENTS,
    name="set_measurements",
    about="Those rows of `measurements` that come from the whole set or from people; `coc judge` takes them anew.",
)
VERDICTS = _table(
    "filtered_coc",
    "filtered_coc",
    "One verdict a label.",
    ("label_id",),
    label_id=(_TEXT, "label"),
    keyframe_id=(_TEXT, "keyframe"),
    clip_id=(_TEXT, "clip"),
    labeler=(_TEXT, "labeler"),
    verdict=(_TEXT, "keep, review or reject"),
    reasons=(pl.List(_TEXT), "names of the policy's rules that fired"),
    policy_version=(_TEXT, "policy name and content hash"),
)
REVIEWS = _table(
    "reviews",
    "filtered_coc",
    "What people decided about labels, every line; of one reviewer's about one label the last holds.",
    ("label_id", "reviewer", "reviewed_at"),
    label_id=(_TEXT, "label that was looked at"),
    keyframe_id=(_TEXT, "its keyframe"),
    clip_id=(_TEXT, "its clip"),
    labeler=(_TEXT, "its labeler"),
    reviewer=(_TEXT, "who decided"),
    decision=(_TEXT, "keep, reject, edit, or withdraw, which takes the earlier one back"),
    causal_coverage=(_FLAG, "every factor that bears on the decision is named; null where not answered"),
    correctness=(_FLAG, "decision and factors are right; null where not answered"),
    proximate_cause=(_FLAG, "the first cause named is the nearest one; null where not answered"),
    minimality=(_FLAG, "nothing is named that does not bear on the decision; null where not answered"),
    note=(_TEXT, "the reviewer's words"),
    edited=(_TEXT, "the label as edited, JSON; null unless the decision is edit"),
    edited_label_id=(_TEXT, "the label that the edit became; null unless the decision is edit"),
    stratum=(_TEXT, "why it was drawn: its `action | decision | verdict`, or audit"),
    seconds=(_REAL, "time between showing and deciding, s"),
    reviewed_at=(_TEXT, "UTC instant, ISO 8601"),
)
SAMPLES = _table(
    "samples",
    "training_shards",
    "One row a training sample and where its bytes lie.",
    ("keyframe_id",),
    keyframe_id=(_TEXT, "keyframe: the sample's key"),
    clip_id=(_TEXT, "clip"),
    t0_us=(_LONG, "keyframe's instant, clip clock, µs"),
    label_id=(_TEXT, "the label chosen"),
    labeler=(_TEXT, "its labeler"),
    split=(_TEXT, "train, val or test"),
    shard=(_TEXT, "tar relative to the store; null where no shards are written (shards.formats)"),
    member=(_TEXT, "name of the sample's .json in it"),
    offset=(_LONG, "byte at which the sample's group of members begins"),
    size=(_LONG, "bytes of the whole group, headers included"),
    action=(_TEXT, "the keyframe's meta-action, the rarest"),
    scenario=(_TEXT, "scene class of the label"),
    longitudinal_decision=(_TEXT, "of the label, or null"),
    lateral_decision=(_TEXT, "of the label, or null"),
    lateral_direction=(_TEXT, "left, right or null"),
)
TRAJDATA_SCENES = _table(
    "trajdata_scenes",
    "trajdata_cache",
    "Scenes of the optional trajdata cache.",
    ("clip_id",),
    clip_id=(_TEXT, "clip"),
    scene=(_TEXT, "its name in trajdata, which is also its folder in the partition"),
    split=(_TEXT, "its tag in trajdata: train, val, test, or other where the clip index says none of these"),
    frames=(_INT, "scene steps; they are the frames of `trajectories`"),
    agents=(_INT, "agents, the ego included"),
)

DATA_TABLES: tuple[Table, ...] = (
    CLIPS, TRAJECTORIES, TRACKS, META_ACTION_SPANS, KEYFRAMES, VIDEOS, SEGMENTS, RAW_COC, MEASUREMENTS, VERDICTS,
    SAMPLES, TRAJDATA_SCENES,
)  # fmt: skip
"""Tables with a view of their own; the rows of `SET_MEASUREMENTS` are seen in that of `MEASUREMENTS`."""

REJECTS = _table(
    "rejects",
    "",
    "What was left out at a stage and why; every asset writes one.",
    ("stage", "clip_id", "keyframe_id", "label_id", "feature"),
    stage=(_TEXT, "asset that left it out"),
    clip_id=(_TEXT, "clip; null where the chunk as a whole is meant"),
    keyframe_id=(_TEXT, "keyframe, where one is meant"),
    label_id=(_TEXT, "label, where one is meant"),
    severity=(_TEXT, "rejected: it goes no further; degraded: it goes on without `feature`"),
    feature=(_TEXT, "index, egomotion, video or tracks, where one is at fault"),
    reason=(_TEXT, "short, countable"),
    hint=(_TEXT, "the file, what is wrong in it and the mend"),
)


def empty(table: Table) -> pl.DataFrame:
    """A frame of no rows with the table's schema."""
    return pl.DataFrame(schema=table.schema)


def conform(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The frame with exactly the table's columns, in order and type; columns it lacks become null.

    Raises:
        ValueError: the frame has a column that the table does not know.
    """
    if frame.schema == table.schema:
        return frame
    had = frame.schema
    unknown = sorted(set(had) - set(table.columns))
    if unknown:
        raise ValueError(f"Table {table.name!r} has no columns {unknown}; declare them in resources/schemas.py.")

    def column(name: str, dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
        if had.get(name) == dtype:
            return pl.col(name)
        return (pl.col(name) if name in had else pl.lit(None)).cast(dtype).alias(name)

    return frame.select(column(name, dtype) for name, dtype in table.schema.items())


def reject_rows(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Rejects from dictionaries with any of the table's columns."""
    return rows_to_frame(rows, REJECTS)


def rows_to_frame(rows: list[dict[str, object]], table: Table) -> pl.DataFrame:
    """A frame of the table from dictionaries with any of its columns; what a row lacks is null."""
    return conform(pl.DataFrame(rows, schema=table.schema), table)
