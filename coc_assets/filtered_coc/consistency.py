"""Instrument `trajectory_consistency`: whether the decisions of a label agree with the recorded motion after it.

The claim is the record's own decision a channel, in the closed sets; `text_claims` reads one from the text instead.
Source: label rules, Consistency with the trajectory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from coc_assets.filtered_coc.instruments import Figure, measured, shown
from coc_assets.filtered_coc.motion import LongitudinalBucket
from resources.settings.filtering import AgreementThresholds

INSTRUMENT = "trajectory_consistency"
VERSION = "1"

LONGITUDINAL_AGREEMENT: Mapping[str, frozenset[LongitudinalBucket]] = {
    "set_speed_tracking": frozenset({"steady", "speed_up"}),
    "lead_obstacle_following": frozenset({"steady", "slow_down", "speed_up", "stopped"}),
    "gap_searching": frozenset({"steady", "slow_down", "speed_up", "stopped"}),
    "speed_adaptation": frozenset({"slow_down", "steady"}),
    "acceleration_for_passing": frozenset({"speed_up", "steady"}),
    "yield": frozenset({"slow_down", "stopped"}),
    "stop_for_static_constraint": frozenset({"slow_down", "stopped"}),
}


@dataclass(frozen=True)
class SidedRule:
    """What a decision to one side needs: the ego goes to that side first, by at least so much of one figure.

    Attributes:
        goes: motion column that names the side to which the ego goes first.
        figure: stem of the motion columns with the most that it goes to either side.
        least: that figure's threshold.
    """

    goes: Literal["lateral", "nudge_side"]
    figure: Literal["heading_{}_deg", "offset_{}_m"]
    least: Callable[[AgreementThresholds], float]


_TURN = SidedRule("lateral", "heading_{}_deg", lambda least: least.turn_heading_deg)
_LANE = SidedRule("lateral", "offset_{}_m", lambda least: least.lane_offset_m)
# A nudge may be smaller than what makes a bucket left or right, so its side is read at its own threshold.
_NUDGE = SidedRule("nudge_side", "offset_{}_m", lambda least: least.nudge_offset_m)
SIDED_AGREEMENT: Mapping[str, SidedRule] = {
    "turn": _TURN,
    "lane_change": _LANE,
    "merge_split": _LANE,
    "pull_over": _LANE,
    "in_lane_nudge": _NUDGE,
    "out_of_lane_nudge": _NUDGE,
}
ANY_MOTION = frozenset({"lane_keeping"})
"""Lateral decisions that agree with any motion. What no table names (an aborted manoeuvre) abstains."""


def measure(labels: pl.DataFrame, motion: pl.DataFrame, thresholds: AgreementThresholds) -> pl.DataFrame:
    """Agreement of each label with the motion, and the figures behind it.

    Args:
        labels: rows of `raw_coc`.
        motion: rows of `motion.motion_after`, one a keyframe.

    Returns:
        Rows of `measurements`:

        longitudinal, lateral: 1 agrees, 0 disagrees, null abstains (no decision, no direction, too little motion).
        opposite_direction: 1 where the ego goes to the other side than the decision's, neither far enough to its own at
            any time nor on the way there already at the keyframe.
        speed_change_mps: as the bucket speaks of it.
        heading_change_deg, offset_m: most to the decision's side; without one, to the side where it is larger.
        future_s: motion that was there to measure.
    """
    joined = labels.join(motion, on="keyframe_id", how="left", maintain_order="left").with_columns(
        _to_side("heading_{}_deg").alias("heading_deg"), _to_side("offset_{}_m").alias("offset_m")
    )
    figures = [
        Figure("longitudinal", _longitudinal_agrees(), _longitudinal_detail()),
        Figure("lateral", _lateral_agrees(thresholds), _lateral_detail()),
        Figure("opposite_direction", _goes_opposite(thresholds), _lateral_detail()),
        Figure("speed_change_mps", pl.col("speed_change_mps")),
        Figure("heading_change_deg", pl.col("heading_deg")),
        Figure("offset_m", pl.col("offset_m")),
        Figure("future_s", pl.col("future_s")),
    ]
    return measured(joined, INSTRUMENT, VERSION, figures)


def _longitudinal_agrees() -> pl.Expr:
    agrees = pl.lit(None, pl.Boolean)
    for decision, buckets in LONGITUDINAL_AGREEMENT.items():
        fits = pl.col("longitudinal").is_in(sorted(buckets))
        agrees = pl.when(pl.col("longitudinal_decision") == decision).then(fits).otherwise(agrees)
    return agrees


def _lateral_agrees(thresholds: AgreementThresholds) -> pl.Expr:
    any_motion = pl.col("lateral_decision").is_in(sorted(ANY_MOTION)) & pl.col("lateral").is_not_null()
    agrees: pl.Expr = pl.when(any_motion).then(True)
    for decision, rule in SIDED_AGREEMENT.items():
        side = pl.col("lateral_direction")
        enough = _to_side(rule.figure) >= rule.least(thresholds)
        fits = pl.when(side.is_not_null()).then((pl.col(rule.goes) == side) & enough)
        agrees = pl.when(pl.col("lateral_decision") == decision).then(fits).otherwise(agrees)
    return agrees


def _goes_opposite(thresholds: AgreementThresholds) -> pl.Expr:
    opposite = pl.lit(None, pl.Boolean)
    for decision, rule in SIDED_AGREEMENT.items():
        side, goes = pl.col("lateral_direction"), pl.col(rule.goes)
        apart = (goes != side) & (goes != "straight") & (_to_side(rule.figure) < rule.least(thresholds))
        away = apart & (_turned_before_to_side() < thresholds.underway_deg)
        opposite = pl.when(pl.col("lateral_decision") == decision).then(away).otherwise(opposite)
    return pl.when(pl.col("lateral_direction").is_not_null() & pl.col("lateral").is_not_null()).then(opposite)


def _turned_before_to_side() -> pl.Expr:
    turned = pl.col("turned_before_deg")
    return pl.when(pl.col("lateral_direction") == "right").then(-turned).otherwise(turned)


def _to_side(figure: str) -> pl.Expr:
    left, right = pl.col(figure.format("left")), pl.col(figure.format("right"))
    side = pl.col("lateral_direction")
    return (
        pl.when(side == "left").then(left).when(side == "right").then(right).otherwise(pl.max_horizontal(left, right))
    )


def _longitudinal_detail() -> pl.Expr:
    decision, bucket = pl.col("longitudinal_decision").fill_null("no decision"), pl.col("longitudinal").fill_null("?")
    return pl.format(
        "{}; motion {}: v0 {}, then {} to {} m/s over {} s",
        decision, bucket, shown("v0_mps"), shown("low_mps"), shown("high_mps"), shown("future_s"),
    )  # fmt: skip


def _lateral_detail() -> pl.Expr:
    decision, bucket = pl.col("lateral_decision").fill_null("no decision"), pl.col("lateral").fill_null("?")
    direction = pl.col("lateral_direction").fill_null("no direction")
    return pl.format(
        "{}, {}; motion {}: heading {}° to the left and {}° to the right, offset {} m left and {} m right over {} s",
        decision, direction, bucket, shown("heading_left_deg"), shown("heading_right_deg"),
        shown("offset_left_m"), shown("offset_right_m"), shown("future_s"),
    )  # fmt: skip
