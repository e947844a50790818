"""Which instants of a clip are worth a label: candidates from spans, then what keeps keyframes apart and in number."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from coc_assets.keyframe_segments.interchange import select_segments
from coc_assets.sources.egomotion import FRAME_US
from resources import schemas
from resources.schemas import Scenario
from resources.settings.keyframes import KeyframeSettings

SCENARIOS_BY_MOTION: dict[Scenario, tuple[str, ...]] = {
    "reverse": ("reverse", "reverse_left", "reverse_right"),
    "turn": ("sharp_steer_left", "sharp_steer_right", "turn_left", "turn_right"),
    "curvy_road": ("steer_left", "steer_right", "follow_curve_left", "follow_curve_right"),
    "lane_change": ("left_lane_change", "right_lane_change"),
    "nudge": ("slightly_shift_left", "slightly_shift_right"),
    "resume": ("gentle_acceleration", "strong_acceleration"),
    "free_driving": ("go_straight", "keep_lane", "maintain_speed"),
    "unobserved": ("stop", "gentle_deceleration", "strong_deceleration"),
}
"""What motion alone can tell of a scene; why the ego slows down or stops it cannot, so that stays unobserved."""

SCENARIO: dict[str, Scenario] = {action: name for name, actions in SCENARIOS_BY_MOTION.items() for action in actions}


def build(
    clips: pl.DataFrame, trajectories: pl.DataFrame, spans: pl.DataFrame, settings: KeyframeSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The `keyframes` and `rejects` tables of a chunk.

    One row a clip and instant, clips in the order of `clips`, frames ascending. The rejects are empty: a candidate that
    is not chosen never was a keyframe, and a clip may well have none.

    Args:
        clips: the `clips` table; `clip_id` and `first_us` are read.
        trajectories: the `trajectories` table; the speeds that decision mode asks for are read.
        spans: the `meta_actions` table.
    """
    if settings.mode == "span_start":
        keyframes = _by_instant(select_segments(spans, settings).with_columns(frame="start_frame"), settings)
    else:
        keyframes = _by_instant(decision_candidates(trajectories, spans, settings), settings)
        keyframes = _capped(_apart(keyframes, settings), settings)
    described = schemas.conform(_described(keyframes, clips, settings), schemas.KEYFRAMES)
    return described, schemas.empty(schemas.REJECTS)


def decision_candidates(trajectories: pl.DataFrame, spans: pl.DataFrame, settings: KeyframeSettings) -> pl.DataFrame:
    """Spans whose start is a decision, with the `frame` that lies `lead` before it.

    Source: the label rules, Keyframes: not at the clip's first frame, not uneventful; a change of speed must be one.
    """
    frame = pl.max_horizontal(pl.col("start_frame") - settings.lead, 0)
    inside = spans.filter(
        pl.col("start_frame") > 0,
        ~pl.col("action").is_in(list(settings.uneventful)),
        frame.is_between(settings.min_frame, settings.max_frame),
    ).with_columns(frame=frame)
    must_change = pl.col("action").is_in(list(settings.speed_change_actions))
    return _with_speed_change(inside, trajectories).filter(
        ~must_change | (pl.col("speed_change") >= settings.min_speed_change)
    )


def keyframe_id(clip_id: str, t0_us: int) -> str:
    """The name of a keyframe: one a clip and instant, µs on the clip's clock."""
    return f"{clip_id}-{t0_us:08d}"


def is_trainable(settings: KeyframeSettings) -> pl.Expr:
    """Whether `t0_us` leaves trainers the history and the future that they ask for."""
    return pl.col("t0_us").is_between(settings.trainable_after_us, settings.trainable_until_us, closed="right")


def keep_by_hash(clip_id: str, frame: int, fraction: float) -> bool:
    """Whether a keyframe belongs to the kept fraction: the same answer on every machine and in every run."""
    if fraction >= 1.0:
        return True
    digest = hashlib.sha256(f"{clip_id}:{frame}".encode()).digest()
    return int.from_bytes(digest[:8]) < fraction * 2**64


def keep_apart(frames: list[int], ranks: list[int], cooldown: int) -> list[bool]:
    """Which keyframes of one clip stay so that no two are closer than `cooldown`: rarest first, then earliest."""
    kept: list[int] = []
    for _, frame in sorted(zip(ranks, frames, strict=True)):
        if all(abs(frame - other) >= cooldown for other in kept):
            kept.append(frame)
    return [frame in kept for frame in frames]


def _with_speed_change(spans: pl.DataFrame, trajectories: pl.DataFrame) -> pl.DataFrame:
    """Adds |speed at the span's last frame − speed at its first|, m/s."""
    first_rows = np.flatnonzero(trajectories["frame"].to_numpy() == 0)
    first_row = dict(zip(trajectories["clip_id"].gather(first_rows), first_rows, strict=True))
    speed, first = trajectories["speed_mps"].to_numpy(), np.array([first_row[clip] for clip in spans["clip_id"]], int)
    start, last = spans["start_frame"].to_numpy(), spans["end_frame"].to_numpy() - 1
    return spans.with_columns(speed_change=np.abs(speed[first + last] - speed[first + start]))


def _by_instant(candidates: pl.DataFrame, settings: KeyframeSettings) -> pl.DataFrame:
    """One row a clip and frame: the rarest action's span, and all actions, rarest first."""
    ranks = {action: rank for rank, action in enumerate(settings.rarest_first)}
    rank = pl.col("action").replace_strict(ranks, default=len(ranks), return_dtype=pl.Int32)
    ordered = candidates.with_columns(rank=rank).sort("clip_id", "frame", "rank", "action", "start_frame")
    return ordered.group_by("clip_id", "frame", maintain_order=True).agg(
        pl.col("action", "axis", "rank", "start_frame", "end_frame").first(),
        pl.col("action").unique(maintain_order=True).alias("actions"),
    )


def _apart(keyframes: pl.DataFrame, settings: KeyframeSettings) -> pl.DataFrame:
    by_clip = keyframes.group_by("clip_id", maintain_order=True).agg("frame", "rank")
    kept = [keep_apart(frames, ranks, settings.cooldown) for _, frames, ranks in by_clip.iter_rows()]
    return keyframes.filter(pl.Series([flag for flags in kept for flag in flags], dtype=pl.Boolean))


def _capped(keyframes: pl.DataFrame, settings: KeyframeSettings) -> pl.DataFrame:
    """Leaves out what the caps leave out; last of all, so that a cap only ever takes keyframes away."""
    rows = zip(keyframes["clip_id"], keyframes["frame"], keyframes["action"], strict=True)
    kept = [keep_by_hash(clip, frame, settings.keep_fraction.get(action, 1.0)) for clip, frame, action in rows]
    return keyframes.filter(pl.Series(kept, dtype=pl.Boolean))


def _described(keyframes: pl.DataFrame, clips: pl.DataFrame, settings: KeyframeSettings) -> pl.DataFrame:
    """Instants, ids and what trainers need, in the order of `clips`."""
    t0 = pl.col("first_us") + pl.col("frame").cast(pl.Int64) * FRAME_US
    columns = ["clip_id", "first_us"] + ["chunk"] * ("chunk" in clips.columns)
    return (
        clips.select(columns)
        .join(keyframes, on="clip_id", how="inner", maintain_order="left_right")
        .with_columns(t0_us=t0)
        .select(
            *(pl.col("chunk") for _ in columns[2:]),
            pl.format("{}-{}", "clip_id", pl.col("t0_us").cast(pl.String).str.zfill(8)).alias("keyframe_id"),
            *("clip_id", "frame", "t0_us", "action", "actions", "axis"),
            pl.col("start_frame").alias("event_start_frame"),
            pl.col("end_frame").alias("event_end_frame"),
            pl.lit(settings.mode).alias("mode"),
            pl.col("action").replace_strict(SCENARIO, return_dtype=pl.String).alias("scenario"),
            is_trainable(settings).alias("trainable"),
        )
    )  # fmt: skip
