"""Instrument `text_consistency`: whether what a label's text says the ego does agrees with the recorded motion.

The claim is read from the text alone: from its decision clause, which ends at the first causal connective.
Source: label rules, Consistency with the trajectory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, Literal, cast, get_args

import polars as pl

from coc_assets.filtered_coc import side_wording, speed_wording, wording
from coc_assets.filtered_coc.clauses import Clauses, clauses_of, of_the_ego, plain
from coc_assets.filtered_coc.instruments import Figure, measured
from coc_assets.filtered_coc.motion import LateralBucket, LongitudinalBucket
from resources.settings.filtering import AgreementThresholds

INSTRUMENT = "text_consistency"
VERSION = "2"

ADJACENT: tuple[frozenset[LongitudinalBucket], ...] = (
    frozenset({"slow_down", "stopped"}),
    frozenset({"slow_down", "steady"}),
    frozenset({"speed_up", "steady"}),
)
"""Buckets that a claim in words may confuse where the motion is gentle."""

Side = Literal["left", "right"]
_SIDES: tuple[Side, ...] = ("left", "right")
_OPPOSITE: Mapping[Side, Side] = {"left": "right", "right": "left"}
_ANY_SIDE: frozenset[LateralBucket] = frozenset({"left", "right", "straight"})
_AXES = ("longitudinal", "lateral")
_LANE_AFTER = len(" lane")
_NAMES = (
    "longitudinal",
    "lateral",
    "longitudinal_contradicts",
    "lateral_contradicts",
    "opposite_direction",
    "red_light_without_slowing",
    "collision_risk_without_slowing",
    "stop_without_slowing",
    "claims_read",
)


@dataclass(frozen=True)
class Claim:
    """What a text says the ego does; None where it says nothing about the axis.

    Attributes:
        longitudinal: buckets that the words allow.
        lateral: sides that the words allow; all buckets for keeping the lane.
        hedged: the lateral claim is only considered or prepared.
        nudges: the lateral claim is a nudge, whose side is read at a nudge's own threshold.
        stops: the words have the ego stop, or give others the way.
    """

    longitudinal: frozenset[LongitudinalBucket] | None
    lateral: frozenset[LateralBucket] | None
    hedged: bool
    nudges: bool
    stops: bool

    @property
    def parsed(self) -> bool:
        return self.axes_read > 0

    @property
    def axes_read(self) -> int:
        return (self.longitudinal is not None) + (self.lateral is not None)

    @property
    def side(self) -> Side | None:
        """The one side to which the ego goes, None where it may be either or none."""
        sides = [side for side in _SIDES if self.lateral and side in self.lateral]
        return sides[0] if len(sides) == 1 else None


@dataclass(frozen=True)
class _SpeedSaid:
    """Words for speed in a clause, and whether the clause denies them."""

    meant: speed_wording.SpeedWords
    start: int
    end: int
    denied: bool


@dataclass(frozen=True)
class _SpeedClaim:
    """What a clause says of the speed; fields as those of `Claim`."""

    longitudinal: frozenset[LongitudinalBucket] | None
    stops: bool


@dataclass(frozen=True)
class _SideClaim:
    """What a clause says of the side; fields as those of `Claim`."""

    lateral: frozenset[LateralBucket] | None
    hedged: bool
    nudges: bool


_SPEED_WORDS = re.compile(
    r"\b(?:" + "|".join(f"(?P<w{at}>{each.words})" for at, each in enumerate(speed_wording.LONGITUDINAL)) + ")"
)


def read_claim(text: str) -> Claim:
    """The ego's decision as a text puts it, for instance "Slow down because the lead vehicle brakes"."""
    told = plain(text)
    claim = _read(told, bare=False)
    if claim.axes_read == len(_AXES) or (wording.EGO_AS_SUBJECT.search(told) and claim.parsed):
        return claim
    return _completed(claim, _read(told, bare=True))


def _completed(claim: Claim, bare: Claim) -> Claim:
    """A claim with the axes that it lacks as a reading with a bare "the car" for the ego has them."""
    if claim.longitudinal is None:
        claim = replace(claim, longitudinal=bare.longitudinal, stops=bare.stops)
    if claim.lateral is None:
        claim = replace(claim, lateral=bare.lateral, hedged=bare.hedged, nudges=bare.nudges)
    return claim


def _read(told: str, *, bare: bool) -> Claim:
    """What the first sentence that says anything of an axis claims on it.

    Args:
        bare: "the car" and "it", as subjects, mean the ego; after a sentence about the ego they do anyway.
    """
    speed: _SpeedClaim | None = None
    side: _SideClaim | None = None
    own = ""
    for sentence in clauses_of(told, partial(tells_decision, bare=bare)):
        own = of_the_ego(sentence.decision, bare=bare or own.lstrip().startswith(wording.EGO))
        speed = speed or _speed_in(own)
        side = side or _side_in(own) or _side_meant(sentence, bare=bare)
        for aside in sentence.asides if speed is None or side is None else ():
            told_too = of_the_ego(aside, bare=bare)
            speed, side = speed or _speed_in(told_too), side or _side_in(told_too)
    speed, side = speed or _SpeedClaim(None, stops=False), side or _SideClaim(None, hedged=False, nudges=False)
    longitudinal = _or_to_a_stop(speed.longitudinal, told)
    return Claim(longitudinal, side.lateral, side.hedged, side.nudges, speed.stops)


def tells_decision(clause: str, *, bare: bool = True) -> bool:
    """Whether a clause, in words as `plain` has them, says what the ego does."""
    own = of_the_ego(clause, bare=bare)
    return _speed_in(own) is not None or _side_in(own) is not None


def _or_to_a_stop(speed: frozenset[LongitudinalBucket] | None, told: str) -> frozenset[LongitudinalBucket] | None:
    """Slowing down for what may ask for a stop leaves open whether the ego comes to rest."""
    slows = speed is not None and "slow_down" in speed and "speed_up" not in speed
    return speed | {"stopped"} if speed and slows and speed_wording.CALLS_FOR_A_STOP.search(told) else speed


# ── speed ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _speed_in(own: str) -> _SpeedClaim | None:
    """Buckets that an ego's clause allows: by the first firm words, the first of others, or what it denies."""
    said = _speed_words(own)
    told = [each for each in said if not each.denied]
    if told:
        return _with_what_follows(told, own)
    left = _left_by(said[0].meant.buckets) if said else None
    return _SpeedClaim(left, stops=False) if left else None


def _speed_words(own: str) -> list[_SpeedSaid]:
    said: list[_SpeedSaid] = []
    for match in _SPEED_WORDS.finditer(own):
        before = own[: match.start()]
        if wording.MENTIONED_ONLY.search(before):
            continue
        goes_on = bool(said) and said[-1].denied and wording.ALSO_DENIED.fullmatch(before[said[-1].end :])
        denied = goes_on or wording.DENIAL.search(before) or wording.NOT_NEEDED.match(own, match.end())
        meant = speed_wording.LONGITUDINAL[int(str(match.lastgroup)[1:])]
        said.append(_SpeedSaid(meant, match.start(), match.end(), bool(denied)))
    return said


def _with_what_follows(told: list[_SpeedSaid], own: str) -> _SpeedClaim:
    """The first firm words' buckets; with the next ones' where the ego goes on as it was and "then" does those."""
    first = next((at for at, each in enumerate(told) if each.meant.firm), 0)
    allowed = told[first].meant.buckets
    for now, later in pairwise(told[: first + 2]):
        if now.meant.lasts and speed_wording.THEN.search(own[now.end : later.start]):
            allowed |= now.meant.buckets | later.meant.buckets
    if allowed <= {"slow_down", "steady"} and any(each.meant.stops for each in told[first:]):
        allowed |= {"stopped"}
    return _SpeedClaim(allowed, stops=told[first].meant.stops and "speed_up" not in allowed)


def _left_by(denied: frozenset[LongitudinalBucket]) -> frozenset[LongitudinalBucket] | None:
    """What remains where the words say that the ego does not do it; who does not slow down does not stop either."""
    denied = denied | {"stopped"} if "slow_down" in denied else denied
    left = frozenset(get_args(LongitudinalBucket)) - denied - {"reverse"}
    return left or None


# ── side ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _side_in(own: str) -> _SideClaim | None:
    """Sides that an ego's clause allows: a manoeuvre's own, what it is told by, keeping the lane, either side."""
    sided = side_wording.SIDED if any(side in own for side in _SIDES) else ()
    for words in sided:
        for match in words.pattern.finditer(own):
            if not _is_denied(own, match.start()):
                return _to_one_side(own, match, words)
    if side_wording.IN_LANE.search(own) or side_wording.ALONG_A_BEND.search(own):
        return _SideClaim(_ANY_SIDE, hedged=False, nudges=False)
    either = [match.start() for match in side_wording.TO_EITHER_SIDE.finditer(own)]
    if not either:
        return None
    denied = all(_is_denied(own, at) for at in either)
    sides = _ANY_SIDE if denied else frozenset(_SIDES)
    return _SideClaim(sides, bool(wording.HEDGE.search(own)), bool(side_wording.NUDGE.search(own)))


def _side_meant(sentence: Clauses, *, bare: bool) -> _SideClaim | None:
    """The side of a manoeuvre that the ego does something for ("slows to turn left"), which may still lie ahead."""
    purposes = sentence.purposes
    meant = _side_in(of_the_ego(" , ".join(purposes), bare=bare)) if purposes else None
    if meant is None or meant.lateral is None or len(meant.lateral) != 1:
        return None
    return replace(meant, lateral=meant.lateral | {"straight"}, hedged=False)


def _to_one_side(own: str, match: re.Match[str], meant: side_wording.SideWords) -> _SideClaim:
    named = cast(Side, next(filter(None, match.groups())))
    side = _OPPOSITE[named] if meant.opposite else named
    words = own[match.start() : match.end() + _LANE_AFTER]
    whole = side_wording.WHOLE_MOVE.search(words) and not side_wording.NUDGE.search(words)
    sides: frozenset[LateralBucket] = frozenset({side})
    if meant.ahead or side_wording.ALONG_A_BEND.search(own):
        sides |= {"straight"}
    return _SideClaim(sides, bool(wording.HEDGE.search(own)), nudges=meant.opposite or not whole)


def _is_denied(own: str, at: int) -> bool:
    return bool(wording.DENIAL.search(own[:at]) or wording.MENTIONED_ONLY.search(own[:at]))


# ── agreement ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def measure(labels: pl.DataFrame, motion: pl.DataFrame, thresholds: AgreementThresholds) -> pl.DataFrame:
    """Agreement of each label's words with the motion.

    Args:
        labels: rows of `raw_coc`; the claim is read from `trace`.
        motion: rows of `motion.motion_after`, one a keyframe.

    Returns:
        Rows of `measurements`:

        longitudinal, lateral: 1 agrees, 0 disagrees (also where nothing could be read from the text), null abstains
            (no such claim, a hedged lateral one, too little motion).
        longitudinal_contradicts, lateral_contradicts: 1 where a claim was read and disagrees; null with too little
            motion.
        opposite_direction: 1 where the ego goes to the other side than the text says, neither as far as a turn or lane
            change to that side at any time nor on the way there already at the keyframe.
        red_light_without_slowing, collision_risk_without_slowing, stop_without_slowing: 1 where the text has it and the
            ego neither slows down nor stands; a risk that the text has the ego steer away from is answered.
        claims_read: count of axes on which the text says what the ego does, 0 to 2.
    """
    texts = labels.select("label_id", "keyframe_id", "trace", "justification")
    read = texts.join(motion, on="keyframe_id", how="left", maintain_order="left")
    claims = {trace: read_claim(trace or "") for trace in read["trace"].unique()}
    rows = [
        {"label_id": row["label_id"], **_figures(row, claims[row["trace"]], thresholds)}
        for row in read.iter_rows(named=True)
    ]
    schema = {"label_id": pl.String, **dict.fromkeys(_NAMES, pl.Float64), "detail": pl.String}
    figures = [Figure(name, pl.col(name), pl.col("detail")) for name in _NAMES]
    return measured(pl.DataFrame(rows, schema=schema), INSTRUMENT, VERSION, figures)


def _figures(row: Mapping[str, Any], claim: Claim, thresholds: AgreementThresholds) -> dict[str, float | str | None]:
    text = f"{row['trace'] or ''} {row['justification'] or ''}".lower()
    figures: dict[str, bool | int | None] = dict.fromkeys(_NAMES) | {"claims_read": claim.axes_read}
    if row["longitudinal"] is not None:
        side = row["nudge_side" if claim.nudges else "lateral"]
        said = {
            "red_light_without_slowing": bool(wording.RED_LIGHT.search(text)) and not wording.GREEN.search(text),
            "collision_risk_without_slowing": claim.side is None and bool(wording.COLLISION.search(text)),
            "stop_without_slowing": claim.stops,
        }
        figures |= {name: mentioned and not row["slowed_or_stood"] for name, mentioned in said.items()}
        figures["longitudinal"] = _longitudinal_agrees(claim, row, thresholds)
        figures["lateral"] = _lateral_agrees(claim, side)
        for axis in ("longitudinal", "lateral"):
            figures[f"{axis}_contradicts"] = claim.parsed and figures[axis] is False
        figures["opposite_direction"] = _goes_opposite(claim, side, row, thresholds)
    values = {name: None if value is None else float(value) for name, value in figures.items()}
    return {**values, "detail": _detail(claim, row)}


def _longitudinal_agrees(claim: Claim, motion: Mapping[str, Any], thresholds: AgreementThresholds) -> bool | None:
    if claim.longitudinal is None:
        return None if claim.parsed else False
    if motion["longitudinal"] in claim.longitudinal:
        return True
    # Words for less speed do not become right by naming the steady bucket too.
    denied = motion["longitudinal"] == "speed_up" and "slow_down" in claim.longitudinal
    gentle = abs(motion["speed_change_mps"]) < thresholds.gentle_mps and not denied
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
