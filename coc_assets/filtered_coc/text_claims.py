"""Instrument `text_consistency`: whether what a label's text says the ego does agrees with the recorded motion.

The claim is read from the text alone: from its decision clause, which ends at the first causal connective.
Source: label rules, Consistency with the trajectory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from coc_assets.filtered_coc import wording
from coc_assets.filtered_coc.instruments import Figure, measured
from coc_assets.filtered_coc.motion import LateralBucket, LongitudinalBucket
from resources.settings.filtering import AgreementThresholds

INSTRUMENT = "text_consistency"
VERSION = "1"

ADJACENT: tuple[frozenset[LongitudinalBucket], ...] = (
    frozenset({"slow_down", "stopped"}),
    frozenset({"slow_down", "steady"}),
    frozenset({"speed_up", "steady"}),
)
"""Buckets that a claim in words may confuse where the motion is gentle."""

_OPPOSITE = {"left": "right", "right": "left"}
_NAMES = (
    "longitudinal",
    "lateral",
    "opposite_direction",
    "red_light_without_slowing",
    "collision_risk_without_slowing",
    "stop_without_slowing",
)


@dataclass(frozen=True)
class Claim:
    """What a text says the ego does; None where it says nothing about the axis.

    Attributes:
        longitudinal: buckets that the words allow.
        lateral: sides that the words allow; all buckets for keeping the lane.
        hedged: the lateral claim is only considered or prepared.
        nudges: the lateral claim is a nudge, whose side is read at a nudge's own threshold.
    """

    longitudinal: frozenset[LongitudinalBucket] | None
    lateral: frozenset[LateralBucket] | None
    hedged: bool
    nudges: bool

    @property
    def parsed(self) -> bool:
        return self.longitudinal is not None or self.lateral is not None

    @property
    def stops(self) -> bool:
        """The words allow a stop and nothing quicker than slowing down."""
        return self.longitudinal is not None and {"stopped"} <= self.longitudinal <= {"stopped", "slow_down"}

    @property
    def side(self) -> str | None:
        return next(iter(self.lateral)) if self.lateral and len(self.lateral) == 1 else None


def read_claim(text: str) -> Claim:
    """The ego's decision as a sentence puts it, for instance "Slow down because the lead vehicle brakes"."""
    clause = wording.NOT_THE_EGO.sub(" ", decision_clause(text.lower()))
    matches = ((re.search(pattern, clause), buckets) for pattern, buckets in wording.LONGITUDINAL)
    found = [(match.start(), buckets) for match, buckets in matches if match]
    longitudinal = min(found, key=lambda at: at[0])[1] if found else None
    hedged, nudges = wording.HEDGE.search(clause), wording.NUDGE.search(clause)
    return Claim(longitudinal, _lateral_claim(clause), bool(hedged), bool(nudges))


def decision_clause(text: str) -> str:
    """The text up to its first causal connective; where it begins with one, what follows the cause."""
    first, *rest = wording.CONNECTIVE.split(text, maxsplit=1)
    if first.strip(" ,.") or not rest:
        return first
    return decision_clause(rest[0].partition(",")[2])


def _lateral_claim(clause: str) -> frozenset[LateralBucket] | None:
    sided = wording.TO_ONE_SIDE.search(clause)
    if sided:
        return frozenset({"left"}) if "left" in (sided["after"], sided["before"]) else frozenset({"right"})
    if wording.IN_LANE.search(clause):
        return frozenset({"left", "right", "straight"})
    return frozenset({"left", "right"}) if wording.TO_EITHER_SIDE.search(clause) else None


def measure(labels: pl.DataFrame, motion: pl.DataFrame, thresholds: AgreementThresholds) -> pl.DataFrame:
    """Agreement of each label's words with the motion.

    Args:
        labels: rows of `raw_coc`; the claim is read from `trace`.
        motion: rows of `motion.motion_after`, one a keyframe.

    Returns:
        Rows of `measurements`:

        longitudinal, lateral: 1 agrees, 0 disagrees (also where nothing could be read from the text), null abstains
            (no such claim, a hedged lateral one, too little motion).
        opposite_direction: 1 where the ego goes to the other side than the text says, neither as far as a turn or lane
            change to that side at any time nor on the way there already at the keyframe.
        red_light_without_slowing, collision_risk_without_slowing, stop_without_slowing: 1 where the text has it and the
            ego neither slows down nor stands.
    """
    texts = labels.select("label_id", "keyframe_id", "trace", "justification")
    read = texts.join(motion, on="keyframe_id", how="left", maintain_order="left")
    rows = [{"label_id": row["label_id"], **_figures(row, thresholds)} for row in read.iter_rows(named=True)]
    schema = {"label_id": pl.String, **dict.fromkeys(_NAMES, pl.Float64), "detail": pl.String}
    figures = [Figure(name, pl.col(name), pl.col("detail")) for name in _NAMES]
    return measured(pl.DataFrame(rows, schema=schema), INSTRUMENT, VERSION, figures)


def _figures(row: Mapping[str, Any], thresholds: AgreementThresholds) -> dict[str, float | str | None]:
    claim = read_claim(row["trace"] or "")
    text = f"{row['trace'] or ''} {row['justification'] or ''}".lower()
    figures: dict[str, bool | None] = dict.fromkeys(_NAMES)
    if row["longitudinal"] is not None:
        side = row["nudge_side" if claim.nudges else "lateral"]
        said = {
            "red_light_without_slowing": bool(wording.RED_LIGHT.search(text)) and not wording.GREEN.search(text),
            "collision_risk_without_slowing": bool(wording.COLLISION.search(text)),
            "stop_without_slowing": claim.stops,
        }
        figures |= {name: mentioned and not row["slowed_or_stood"] for name, mentioned in said.items()}
        figures["longitudinal"] = _longitudinal_agrees(claim, row, thresholds)
        figures["lateral"] = _lateral_agrees(claim, side)
        figures["opposite_direction"] = _goes_opposite(claim, side, row, thresholds)
    values = {name: None if value is None else float(value) for name, value in figures.items()}
    return {**values, "detail": _detail(claim, row)}


def _longitudinal_agrees(claim: Claim, motion: Mapping[str, Any], thresholds: AgreementThresholds) -> bool | None:
    if claim.longitudinal is None:
        return None if claim.parsed else False
    if motion["longitudinal"] in claim.longitudinal:
        return True
    gentle = abs(motion["speed_change_mps"]) < thresholds.gentle_mps
    return gentle and any(frozenset({motion["longitudinal"], bucket}) in ADJACENT for bucket in claim.longitudinal)


def _lateral_agrees(claim: Claim, bucket: str) -> bool | None:
    if claim.lateral is None:
        return None if claim.parsed else False
    return None if claim.hedged else bucket in claim.lateral


def _goes_opposite(
    claim: Claim, bucket: str, motion: Mapping[str, Any], thresholds: AgreementThresholds
) -> bool | None:
    if claim.hedged:
        return None
    if claim.side is None or _OPPOSITE[claim.side] != bucket:
        return False
    before = motion["turned_before_deg"] * (1 if claim.side == "left" else -1)
    turned = motion[f"heading_{claim.side}_deg"] >= thresholds.turn_heading_deg
    moved = motion[f"offset_{claim.side}_m"] >= thresholds.lane_offset_m
    return not turned and not moved and before < thresholds.underway_deg


def _detail(claim: Claim, motion: Mapping[str, Any]) -> str:
    def words(buckets: frozenset[str] | None) -> str:
        return " or ".join(sorted(buckets)) if buckets else "nothing"

    change = "?" if motion["speed_change_mps"] is None else f"{round(motion['speed_change_mps'], 1) + 0.0:+.1f}"
    hedged = " (hedged)" if claim.hedged else ""
    return (
        f"text claims {words(claim.longitudinal)}, {words(claim.lateral)}{hedged}; "
        f"motion {motion['longitudinal'] or '?'}, {motion['lateral'] or '?'}, speed change {change} m/s"
    )
