"""Which distributions are drawn of each asset, and how they are read from its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from coc_assets.plots import Bars, Histogram, Panel
from coc_assets.stage import Work
from resources import schemas
from resources.schemas import FRAME_S, Axis

NONE = "(none)"
_MICRO = 1e-6
_KILO = 1e-3


@dataclass(frozen=True)
class Distribution:
    """One panel of an asset's picture.

    Attributes:
        title: with the unit of the values.
        table: whose rows are counted.
        value: of each row: a class, a number, or a list of either, of which each element counts.
        where: which rows.
        kind: how it is drawn.
        optional: left out where no row has a value.
    """

    title: str
    table: schemas.Table
    value: pl.Expr
    kind: Literal["bars", "histogram"] = "bars"
    where: pl.Expr | None = None
    optional: bool = False


def _spans(axis: Axis) -> Distribution:
    return Distribution(
        f"{axis.capitalize()} spans", schemas.META_ACTION_SPANS, pl.col("action"), where=pl.col("axis") == axis
    )


def _agreement(axis: Literal["longitudinal", "lateral"]) -> Distribution:
    """How many labels agree with the recorded motion on an axis, by the instrument `trajectory_consistency`."""
    rows = (pl.col("instrument") == "trajectory_consistency") & (pl.col("name") == axis)
    agrees = pl.when(pl.col("value") >= 1).then(pl.lit("agrees")).otherwise(pl.lit("disagrees"))
    said = pl.when(pl.col("value").is_null()).then(pl.lit("no opinion")).otherwise(agrees)
    return Distribution(f"Agreement with the motion, {axis}", schemas.MEASUREMENTS, said, where=rows)


_DURATION_S = (pl.col("end_frame") - pl.col("start_frame")) * FRAME_S
_IS_ACTION_SPAN = pl.col("axis") != "lane"
_JUDGED = (pl.col("instrument") == "judged_behavior") & (pl.col("name") == "behavior_match_score")
_DECIDING = pl.col("reasons").list.first()

DISTRIBUTIONS: Mapping[str, tuple[Distribution, ...]] = {
    "trajectory_cache": (
        Distribution("Speed, m/s", schemas.TRAJECTORIES, pl.col("speed_mps"), "histogram"),
        Distribution("Acceleration, m/s²", schemas.TRAJECTORIES, pl.col("acceleration_mps2"), "histogram"),
        Distribution("Obstacle boxes by class", schemas.TRACKS, pl.col("label_class")),
    ),
    "meta_actions": (
        _spans("longitudinal"),
        _spans("lateral"),
        replace(_spans("lane"), optional=True),
        Distribution("Length of spans, s", schemas.META_ACTION_SPANS, _DURATION_S, "histogram", _IS_ACTION_SPAN),
    ),
    "keyframe_segments": (
        Distribution("Keyframes by action", schemas.KEYFRAMES, pl.col("action")),
        Distribution("Keyframes by scene", schemas.KEYFRAMES, pl.col("scenario")),
        Distribution("Instant in the clip, s", schemas.KEYFRAMES, pl.col("t0_us") * _MICRO, "histogram"),
    ),
    "clip_videos": (
        Distribution("Evidence segments by status", schemas.SEGMENTS, pl.col("status")),
        Distribution("Frames shown of a segment", schemas.SEGMENTS, pl.col("frame_us").list.len(), "histogram"),
        Distribution("Frame rate of videos, Hz", schemas.VIDEOS, pl.col("fps"), "histogram"),
    ),
    "raw_coc": (
        Distribution("Longitudinal decisions", schemas.RAW_COC, pl.col("longitudinal_decision")),
        Distribution("Lateral decisions", schemas.RAW_COC, pl.col("lateral_decision")),
        Distribution(
            "Causes by category", schemas.RAW_COC, pl.col("components").list.eval(pl.element().struct.field("category"))
        ),
        Distribution("Labels by status", schemas.RAW_COC, pl.col("status")),
        Distribution("Time to an answer, s", schemas.RAW_COC, pl.col("latency_s"), "histogram", optional=True),
        Distribution("Tokens written", schemas.RAW_COC, pl.col("completion_tokens"), "histogram", optional=True),
    ),
    "filtered_coc": (
        Distribution("Verdicts", schemas.VERDICTS, pl.col("verdict")),
        Distribution("Deciding rule, of those not kept", schemas.VERDICTS, _DECIDING, where=_DECIDING.is_not_null()),
        _agreement("longitudinal"),
        _agreement("lateral"),
        Distribution(
            "Judge's score of the behaviour", schemas.MEASUREMENTS, pl.col("value"), "histogram", _JUDGED, optional=True
        ),
    ),
    "training_shards": (
        Distribution("Samples by split", schemas.SAMPLES, pl.col("split")),
        Distribution("Samples by action", schemas.SAMPLES, pl.col("action")),
        Distribution("Samples by scene", schemas.SAMPLES, pl.col("scenario")),
        Distribution("Longitudinal decisions", schemas.SAMPLES, pl.col("longitudinal_decision")),
        Distribution("Lateral decisions", schemas.SAMPLES, pl.col("lateral_decision")),
        Distribution("Size of a sample, kB", schemas.SAMPLES, pl.col("size") * _KILO, "histogram", optional=True),
    ),
    "trajdata_cache": (
        Distribution("Agents of a scene", schemas.TRAJDATA_SCENES, pl.col("agents"), "histogram"),
        Distribution("Scenes by split", schemas.TRAJDATA_SCENES, pl.col("split")),
    ),
}  # fmt: skip


def panels_of(work: Work) -> list[Panel]:
    """What is drawn of a finished partition; reads no more columns than are drawn."""
    return list(_panels(work))


def _panels(work: Work) -> Iterator[Panel]:
    for one in DISTRIBUTIONS[work.stage.name]:
        values = _values(work, one)
        if one.optional and values.null_count() == values.len():
            continue
        if one.kind == "histogram":
            yield Histogram(one.title, values.drop_nulls().to_numpy())
        else:
            yield Bars(one.title, _counted(values))


def _values(work: Work, one: Distribution) -> pl.Series:
    labeler = work.part if work.stage.by_labeler else None
    path = work.store.table_path(one.table, work.chunk, labeler=labeler)
    rows = pl.scan_parquet(path, hive_partitioning=False)
    values = (rows if one.where is None else rows.filter(one.where)).select(value=one.value).collect()["value"]
    return values.explode(empty_as_null=False, keep_nulls=False) if values.dtype.base_type() is pl.List else values


def _counted(values: pl.Series) -> dict[str, int]:
    """How often each class is there, the most frequent first."""
    classes = values.cast(pl.String).fill_null(NONE).rename("value")
    return dict(classes.value_counts().sort("count", "value", descending=[True, False]).iter_rows())
