"""Whether an answer contradicts the lane manoeuvres that were recorded, or itself.

What was recorded are the lane meta-actions at 2 Hz; an answer that contradicts them is asked for once more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from coc_assets.raw_coc.vlm.lenient import clean
from coc_assets.raw_coc.vlm.reasoning_text import clauses_of, lateral_words, longitudinal_said
from coc_assets.raw_coc.vlm.view import TimelineRow
from resources.schemas import Side

PriorKind = Literal["lane_change", "nudge"]
ManoeuvreKind = Literal["lane_change", "nudge", "keep_lane", "turn", "unknown"]

_READ = 2_000  # characters of a trace
_NEAR_STEPS = 4
_GAP_STEPS = 2
_UNKNOWN_STEP_S = 1.0
_SIDES: tuple[Side, ...] = ("left", "right")
_TOKENS: dict[PriorKind, dict[Side, str]] = {
    "lane_change": {"left": "left_lane_change", "right": "right_lane_change"},
    "nudge": {"left": "slightly_shift_left", "right": "slightly_shift_right"},
}
_SAID: dict[PriorKind, str] = {"lane_change": "lane change", "nudge": "nudge"}
_KINDS: dict[str | None, ManoeuvreKind] = {
    "lane_change": "lane_change",
    "merge_split": "lane_change",
    "out_of_lane_nudge": "nudge",
    "in_lane_nudge": "nudge",
    "lane_keeping": "keep_lane",
    None: "keep_lane",
    "turn": "turn",
}
_GOES_ON = frozenset({"set_speed_tracking", "acceleration_for_passing"})
_GIVES_IN = frozenset({"yield", "stop_for_static_constraint"})
_LATER = re.compile(
    r"\b(?:before|ahead of|prior to|after|until|prepar\w* (?:to|for)|plan\w* (?:to|for))\b", re.IGNORECASE
)


@dataclass(frozen=True)
class LateralPrior:
    """The manoeuvre to the side that the lane meta-actions show.

    Attributes:
        onset_s: its first instant, relative to the keyframe, s.
        summary: what it rests on, in words for the model.
    """

    kind: PriorKind
    direction: Side
    onset_s: float
    summary: str


Onsets = dict[PriorKind, dict[Side, float]]


def lateral_prior(timeline: Sequence[TimelineRow]) -> LateralPrior | None:
    """The lane change or nudge that the timeline shows, None without one.

    A lane change takes two samples in a row, at most two steps apart; a nudge one. Of each kind the earlier side
    counts, left on a tie. Of two kinds the one within four steps of the keyframe counts; where both or neither are, the
    earlier, the lane change on a tie.

    Args:
        timeline: ascending; a row without a lane action breaks a row of samples.
    """
    lanes = [(row.asked_s, re.sub(r"\s+", "_", (row.lane or "").strip().lower())) for row in timeline]
    step = _step([asked for asked, _ in lanes])
    onsets: Onsets = {
        "lane_change": _first_each("lane_change", _held(lanes, _GAP_STEPS * step)),
        "nudge": _first_each("nudge", lanes),
    }
    chosen = _chosen(onsets, _NEAR_STEPS * step)
    if chosen is None:
        return None
    kind, direction, onset = chosen
    return LateralPrior(kind, direction, onset, _summary(lanes, onsets, _NEAR_STEPS * step, chosen))


def _step(instants: Sequence[float]) -> float:
    """The smallest distance of two instants, s."""
    distinct = sorted(set(instants))
    steps = (round(after - before, 6) for before, after in pairwise(distinct))
    return min((step for step in steps if step > 0), default=_UNKNOWN_STEP_S)


def _held(lanes: Sequence[tuple[float, str]], most_s: float) -> list[tuple[float, str]]:
    """Samples whose action the next one has too, at most `most_s` later."""
    return [
        (at, lane)
        for (at, lane), (then, following) in pairwise(lanes)
        if lane == following and 0 < round(then - at, 6) <= most_s
    ]


def _first_each(kind: PriorKind, lanes: Sequence[tuple[float, str]]) -> dict[Side, float]:
    first = {side: next((at for at, lane in lanes if lane == _TOKENS[kind][side]), None) for side in _SIDES}
    return {side: at for side, at in first.items() if at is not None}


def _chosen(onsets: Onsets, near_s: float) -> tuple[PriorKind, Side, float] | None:
    """The kind, side and onset that count."""
    earliest = [
        (kind, side, at)
        for kind, by_side in onsets.items()
        for side, at in sorted(by_side.items(), key=lambda each: (each[1], each[0]))[:1]
    ]
    near = [each for each in earliest if abs(each[2]) <= near_s]
    return min(near if len(near) == 1 else earliest, key=lambda each: each[2], default=None)


def _summary(
    lanes: Sequence[tuple[float, str]], onsets: Onsets, near_s: float, chosen: tuple[PriorKind, Side, float]
) -> str:
    told = []
    for kind, tokens in _TOKENS.items():
        for side, token in tokens.items():
            count = sum(lane == token for _, lane in lanes)
            onset = onsets[kind].get(side)
            begins = "no onset" if onset is None else f"onset t = {onset:+.1f} s"
            told.append(f"{token}: {count} of {len(lanes)} samples, {begins}")
    kind, side, at = chosen
    return (
        f"Recorded lane manoeuvres: {'; '.join(told)}. "
        f"Onsets within {near_s:.1f} s of t = 0 count as near. "
        f"Expected: a {_SAID[kind]} to the {side} from t = {at:+.1f} s."
    )


def contradiction(
    prior: LateralPrior | None,
    longitudinal_decision: str | None,
    lateral_decision: str | None,
    lateral_direction: str | None,
    trace: str,
) -> str | None:
    """Why an answer has to be repaired, in one sentence; None where it has not.

    The decision fields count against the prior. The trace's own decision clause counts against the decision fields: it
    may leave a decision out, but must not say another one or another side. Sides in its causes do not matter.
    """
    recorded = _against_prior(prior, lateral_decision, lateral_direction) if prior else None
    return recorded or _against_itself(longitudinal_decision, lateral_decision, lateral_direction, trace)


def _against_prior(prior: LateralPrior, decision: str | None, direction: str | None) -> str | None:
    kind = _KINDS.get(decision, "unknown")
    expected = f"a {_SAID[prior.kind]} to the {prior.direction} from t = {prior.onset_s:+.1f} s"
    if kind not in (prior.kind, "unknown"):
        return f"The recorded lane manoeuvres show {expected}, but lateral_decision is {decision or 'none'}."
    if direction is None and kind == "unknown":
        return None
    if direction != prior.direction:
        return f"The recorded lane manoeuvres show {expected}, but lateral_direction is {direction or 'none'}."
    return None


def _against_itself(longitudinal: str | None, lateral: str | None, direction: str | None, trace: str) -> str | None:
    clause = _LATER.split(clauses_of(clean(trace)[:_READ]).decision, maxsplit=1)[0]
    return (
        _against_move(longitudinal, lateral, clause)
        or _against_side(lateral, direction, clause)
        or _against_speed(longitudinal, longitudinal_said(clause))
    )


def _against_move(longitudinal: str | None, lateral: str | None, clause: str) -> str | None:
    kind = _KINDS.get(lateral, "unknown")
    said = {_KINDS.get(words.decision, "unknown") for words in lateral_words(clause)}
    planned = longitudinal == "gap_searching" and kind == "keep_lane"
    in_lane = lateral == "in_lane_nudge" and said == {"keep_lane"}
    if not said or {kind, "unknown"} & said or kind == "unknown" or planned or in_lane:
        return None
    named = " and ".join(sorted(each.replace("_", " ") for each in said))
    return f"The trace says {named}, but lateral_decision is {lateral or 'none'}."


def _against_side(lateral: str | None, direction: str | None, clause: str) -> str | None:
    """A side that the trace gives the same manoeuvre; an abort's may be that of the manoeuvre or of the way back."""
    if direction is None or lateral == "lateral_maneuver_abort":
        return None
    kind = _KINDS.get(lateral, "unknown")
    same = [words for words in lateral_words(clause) if _KINDS.get(words.decision, "unknown") == kind]
    sides = {words.direction for words in same if words.direction}
    if not sides or direction in sides:
        return None
    return f"The trace says {' and '.join(sorted(sides))}, but lateral_direction is {direction}."


def _against_speed(decision: str | None, said: str | None) -> str | None:
    opposite = (decision in _GOES_ON and said in _GIVES_IN) or (decision in _GIVES_IN and said in _GOES_ON)
    return f"The trace says {said}, but longitudinal_decision is {decision}." if opposite else None
