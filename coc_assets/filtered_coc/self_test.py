"""Self-test of `text_consistency`: would it have noticed, had the ego driven the other way?

The motion of every label is turned round, its text left as it is. A reader that understands the texts then disagrees
where it agreed before; one that reads nothing, or lets everything pass, does not (label rules, Consistency).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import polars as pl

from coc_assets.filtered_coc import text_claims
from coc_assets.filtered_coc.motion import LateralBucket, LongitudinalBucket
from resources.settings.filtering import AgreementThresholds

Axis = Literal["longitudinal", "lateral"]
Measure = Callable[[pl.DataFrame, pl.DataFrame, AgreementThresholds], pl.DataFrame]
"""An instrument over labels and motion, as `text_claims.measure`."""

SCHEMA = pl.Schema(
    {
        "labeler": pl.String,
        "axis": pl.String,
        "n": pl.Int64,
        "agree": pl.Int64,
        "turned": pl.Int64,
        "sensitivity": pl.Float64,
    }
)
OTHER_SPEED: Mapping[LongitudinalBucket, LongitudinalBucket] = {
    "slow_down": "speed_up",
    "stopped": "speed_up",
    "speed_up": "slow_down",
}
OTHER_SIDE: Mapping[LateralBucket, LateralBucket] = {"left": "right", "right": "left"}
_SIDED = r"(?i)\b(?:left|right)(?:wards?|most)?\b"
_MIRRORED = ("heading_{}_deg", "offset_{}_m")


def sensitivity(
    labels: pl.DataFrame,
    motion: pl.DataFrame,
    thresholds: AgreementThresholds,
    measure: Measure = text_claims.measure,
) -> pl.DataFrame:
    """How many agreements of words and motion turn into disagreements once the motion is turned round.

    Args:
        labels: rows of `raw_coc`.
        motion: rows of `motion.motion_after`, one a keyframe.
        measure: the instrument under test.

    Returns:
        `SCHEMA`, one row a labeler and axis, in that order:

        n: labels whose motion can be turned round: the speed changes; the ego leaves its arc and the text names a side.
        agree: those of them whose text agrees with their motion.
        turned: those of these that disagree with the motion turned round.
        sensitivity: turned of agree; 0 where nothing agrees, null where there is nothing to turn.
    """
    as_driven = _values(measure(labels, motion, thresholds), "before")
    other_way = _values(measure(labels, turned_round(motion), thresholds), "after")
    cases = (
        _cases(labels, motion)
        .join(as_driven, on=["label_id", "axis"], how="left")
        .join(other_way, on=["label_id", "axis"], how="left")
    )
    agrees = pl.col("before") == 1
    counted = cases.group_by("labeler", "axis").agg(
        n=pl.col("turns").sum(),
        agree=(pl.col("turns") & agrees).sum(),
        turned=(pl.col("turns") & agrees & (pl.col("after") == 0)).sum(),
    )
    share = pl.when(pl.col("n") > 0).then(pl.col("turned") / pl.max_horizontal("agree", 1))
    rows = counted.with_columns(sensitivity=share).sort("labeler", "axis")
    return rows.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def turned_round(motion: pl.DataFrame) -> pl.DataFrame:
    """The motion mirrored left to right, and speeding up where it slowed down or stopped, the other way round too."""
    swapped = {
        figure.format(side): pl.col(figure.format(other)) for figure in _MIRRORED for side, other in OTHER_SIDE.items()
    }
    change = pl.col("speed_change_mps")
    speeds_up = pl.col("longitudinal") == "speed_up"
    slows = pl.col("longitudinal").is_in(["slow_down", "stopped"])
    return motion.with_columns(
        pl.col("longitudinal").replace(OTHER_SPEED),
        pl.col("lateral", "nudge_side").replace(OTHER_SIDE),
        -pl.col("turned_before_deg"),
        speed_change_mps=pl.when(speeds_up | slows).then(-change).otherwise(change),
        slowed_or_stood=pl.when(speeds_up | slows).then(speeds_up).otherwise(pl.col("slowed_or_stood")),
        **swapped,
    )


def _cases(labels: pl.DataFrame, motion: pl.DataFrame) -> pl.DataFrame:
    """One row a label and axis; `turns` tells whether the other way round is another motion for its words."""
    known = labels.select("label_id", "labeler", "keyframe_id", "trace").join(
        motion.select("keyframe_id", "longitudinal", "lateral"), on="keyframe_id", how="left"
    )
    turns = {
        "longitudinal": pl.col("longitudinal").is_in(sorted(OTHER_SPEED)),
        "lateral": pl.col("lateral").is_in(sorted(OTHER_SIDE)) & pl.col("trace").str.contains(_SIDED),
    }
    return pl.concat(
        known.select("label_id", "labeler", axis=pl.lit(axis), turns=turns[axis].fill_null(False))
        for axis in get_args(Axis)
    )


def _values(measurements: pl.DataFrame, name: str) -> pl.DataFrame:
    """The instrument's figure of each label and axis."""
    return measurements.filter(pl.col("name").is_in(get_args(Axis))).select(
        "label_id", pl.col("name").alias("axis"), pl.col("value").alias(name)
    )
