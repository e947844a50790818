"""Labels from models that answer in one free sentence: the decisions, causes and scenario that its words say.

Decisions are read from the decision clause alone, which ends at the first causal connective; where the cause comes
first, it is what follows. Only words that leave the decision open ("slow down", "wait") are settled by the first cause:
slowing for a lead vehicle is following it, for a light stopping, for a pedestrian yielding, for a bend adapting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain, islice, pairwise
from typing import cast

from coc_assets.raw_coc.records import Attribute, Component
from coc_assets.raw_coc.vlm import decision_words
from coc_assets.raw_coc.vlm.decision_words import GOES_ON, Open, OpenSide
from coc_assets.raw_coc.vlm.lenient import clean, shortened, without_reasoning
from coc_assets.raw_coc.vlm.locality import Concept, mentions
from resources.schemas import LateralDecision, LongitudinalDecision, Scenario, Side

_MOST_COMPONENTS = 8
_PHRASE_CHARACTERS = 160
_READ = 2_000  # characters; a label is one sentence or a few
_OPENED, _CLOSED = "<|cot_start|>", "<|cot_end|>"
_OUTER_TOKENS = re.compile(r"^(?:\s*<\|[^<>|]{1,64}\|>)+|(?:<\|[^<>|]{1,64}\|>\s*)+$")
_HEADING = re.compile(r"^(?:reasoning|chain of causation|coc|cot|trace|decision|answer)\s*:\s*", re.IGNORECASE)

_DRIVES_ON: LongitudinalDecision = "set_speed_tracking"
SIDED: frozenset[LateralDecision] = frozenset({"out_of_lane_nudge", "in_lane_nudge", "lane_change", "turn"})
_SIDELESS: frozenset[LateralDecision] = frozenset({"lane_keeping"})


@dataclass(frozen=True)
class Reading:
    """What a free sentence says; the fields are those of a label record, and always make a valid one.

    Attributes:
        longitudinal_decision, lateral_decision: None where nothing is recognised; a manoeuvre that needs a side and is
            given none counts as not recognised.
        components: at most eight, in order of importance; when they were seen is unknown.
        trace: the sentence or sentences, without reasoning tags and special tokens; empty where there are none.
    """

    longitudinal_decision: LongitudinalDecision | None
    lateral_decision: LateralDecision | None
    lateral_direction: Side | None
    scenario: Scenario | None
    components: tuple[Component, ...]
    trace: str


@dataclass(frozen=True)
class LateralWords:
    """One manoeuvre to the side that a clause names."""

    decision: LateralDecision
    direction: Side | None
    at: int


@dataclass(frozen=True)
class _Move:
    """Words for a manoeuvre to the side, whose size may be open."""

    meant: LateralDecision | OpenSide
    direction: Side | None
    at: int


@dataclass(frozen=True)
class Clauses:
    """A sentence cut at its causal connectives: what the ego does, what for, and why."""

    decision: str
    purposes: tuple[str, ...]
    causes: tuple[str, ...]


@dataclass(frozen=True)
class _Thing:
    """Words for one thing, and the concept that they name first."""

    phrase: str
    concept: Concept

    @cached_property
    def kind(self) -> str:
        """What kind of cause it is, see `_KINDS`."""
        fitting = (kind for names, words, kind in _KINDS if self.concept.name in names and self._has(words))
        return next(fitting)

    @cached_property
    def side(self) -> str | None:
        return next((value for _, value, words in _POSES if value in ("left", "right") and self._has(words)), None)

    def _has(self, words: str) -> bool:
        return re.search(words, self.phrase, re.IGNORECASE) is not None


@dataclass(frozen=True)
class _Cause:
    """A component and the kind of cause that it is, see `_KINDS`."""

    component: Component
    kind: str


def read_reasoning(text: str) -> Reading:
    """Reads a label from free text, for instance "Slow down to keep distance because the lead vehicle brakes"."""
    trace = trace_of(text)
    told = [clauses_of(sentence) for sentence in _sentences(trace[:_READ])]
    deciding = [clauses for clauses in told if _decides(clauses)]
    causes = list(_causes(told, deciding))
    longitudinal = next((said for clauses in deciding if (said := _longitudinal(clauses, causes))), None)
    lateral = next((words for clauses in deciding if (words := _lateral(clauses))), None)
    return Reading(
        longitudinal_decision=longitudinal,
        lateral_decision=lateral.decision if lateral else None,
        lateral_direction=lateral.direction if lateral else None,
        scenario=_scenario(longitudinal, lateral, causes, [clauses.decision for clauses in deciding]),
        components=tuple(cause.component for cause in causes),
        trace=trace,
    )


def trace_of(text: str) -> str:
    """The sentence itself: what stands between the model's own marks for it, without reasoning, quotes and headings."""
    inner = text.partition(_OPENED)[2] if _OPENED in text else text
    inner = without_reasoning(inner.partition(_CLOSED)[0])
    bare = _OUTER_TOKENS.sub("", _OUTER_TOKENS.sub("", clean(inner))).strip(" \"'“”`*")
    return _HEADING.sub("", bare).strip(" \"'“”`*")


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in re.split(r"(?<=[a-z)][.!?])\s+|[;\n]\s*", text) if sentence.strip()]


# ── clauses ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_PURPOSE = (
    r"(?:in order |so as )?to (?:avoid|allow|let|give|make|prevent|keep|maintain|preserve|increase|create|clear"
    r"|provide|ensure|match|follow|comply|obey|respect|account|accommodate|respond|reach|leave|open|negotiate|navigate"
    r"|continue|safely \w+)"
)
_BECAUSE = (
    r"because(?: of)?|since|due to|owing to|thanks to|given(?: that)?|now that|caused by|in response to|in reaction to"
    r"|on account of|in view of|in light of|in anticipation of|on seeing|as a result of|so that|when|whenever|whereas"
    r"|although|even though|so (?:the \w+(?: \w+)?|it|they|others) (?:can|could|may)"
    r"|(?<!well )(?<!soon )(?<!far )(?<!such )as(?! (?:well|soon|far|much|possible|needed|necessary))"
    r"|(?<!search )(?<!searching )(?<!searches )(?<!look )(?<!looking )(?<!looks )(?<!hunts )(?<!hunting )"
    r"(?<!lane )(?<!room )(?<!way )for(?! (?:an? |the )?(?:\w+ )?(?:gap|opening)\b| now\b| \d)"
)
_CONNECTIVE = re.compile(rf"\b(?P<purpose>{_PURPOSE})\b|\b(?:{_BECAUSE})\b|[:—]|\s-\s", re.IGNORECASE)
_HEADED = re.compile(r"^([^:—]*?)(?:[:—]|\s-\s)")
"""What stands before a break after which the decision may come as well: "Action: brake"."""
_MOST_BREAKS = 20  # of a leading cause
_OPENING = re.compile(
    rf"^\W*(?:{_BECAUSE}|with|while|upon|after|once|having|despite|seeing|noticing|observing|detecting|approaching|facing"
    r"|if|to (?!the\b))\b",
    re.IGNORECASE,
)
_THEREFORE = re.compile(
    r"[,;]?\s+(?:and )?(?:therefore|thus|hence|consequently|accordingly|which (?:requires|means|calls for)),?\s+"
    r"|,\s*so\s+(?!that\b|as\b)",
    re.IGNORECASE,
)
_BREAK = re.compile(
    r",|(?<!of )(?<!to )(?<!for )(?<!by )(?<!behind )(?<!towards )(?<!than )"
    rf"\b(?={decision_words.EGO_AS_SUBJECT}|(?:we|i)\b)",
    re.IGNORECASE,
)
"""Where the decision may begin after a leading cause: at a comma, or where the ego becomes the subject."""
_PREAMBLE = re.compile(
    r"^\W*(?:(?:then|so|please|i|we|it|and|the|our|my|ego|ego's|host|av|robotaxi|self-driving|autonomous|automated"
    r"|vehicle|car|must|should|will|would|can|is|are|has|have|needs?|to|decides?|decided|chooses?|plans?|intends?"
    r"|begins?|starts?|going|safely|carefully|gently|gradually|smoothly|slightly|immediately|cautiously|briefly|now|first)\b[\s,]*)*",
    re.IGNORECASE,
)


def clauses_of(sentence: str) -> Clauses:
    """Cuts a sentence, whether the decision comes before its causes or after them."""
    before, after = _around_therefore(sentence)
    if after and not _names_decision(_cut(before).decision):
        return _with_causes(_cut(after), before)
    headed = _HEADED.match(sentence)
    if headed and not _names_decision(_cut(headed[1]).decision):
        return _with_causes(_cut_after_opening(sentence[headed.end() :]), headed[1])
    return _cut_after_opening(sentence)


def _cut_after_opening(sentence: str) -> Clauses:
    opening = _OPENING.match(sentence)
    if not opening:
        return _cut(sentence)
    rest = sentence[opening.end() :]
    begins = _end_of_opening(rest)
    return _with_causes(_cut(rest[begins:]), rest[:begins].rstrip(", ")) if begins is not None else _cut(sentence)


def _end_of_opening(rest: str) -> int | None:
    """Where the decision begins after a leading cause; None where nothing tells."""
    breaks = list(islice(_BREAK.finditer(rest), _MOST_BREAKS))
    starts = (mark.end() for mark in breaks if _begins_with_decision(rest[mark.end() :]))
    told_of_ego = (mark.end() for mark in breaks if not mark[0] and _names_decision(_cut(rest[mark.end() :]).decision))
    commas = (mark.end() for mark in breaks if mark[0])
    return next(chain(starts, told_of_ego, commas), None)


def _around_therefore(sentence: str) -> tuple[str, str]:
    found = _THEREFORE.search(sentence)
    return (sentence[: found.start()], sentence[found.end() :]) if found else (sentence, "")


def _with_causes(clauses: Clauses, cause: str) -> Clauses:
    """With the causes that a leading clause gives before those that follow."""
    return Clauses(clauses.decision, clauses.purposes, (*_pieces_of(cause), *clauses.causes))


def _pieces_of(text: str) -> tuple[str, ...]:
    return tuple(piece for piece in _CONNECTIVE.sub(",", text).split(",") if piece.strip())


def _cut(sentence: str) -> Clauses:
    marks = list(_CONNECTIVE.finditer(sentence))
    ends = [*(mark.start() for mark in marks), len(sentence)]
    pieces = [(mark["purpose"], sentence[mark.end() : end]) for mark, end in zip(marks, ends[1:], strict=True)]
    purposes = tuple(f"{purpose}{piece}" for purpose, piece in pieces if purpose)
    causes = tuple(piece for purpose, piece in pieces if not purpose and piece.strip())
    return Clauses(sentence[: ends[0]], purposes, causes)


def _begins_with_decision(text: str) -> bool:
    rest = text[_preamble(text) :]
    return any(at == 0 for at in _decision_starts(_cut(rest).decision))


def _preamble(text: str) -> int:
    found = _PREAMBLE.match(text)
    return found.end() if found else 0


def _decision_starts(clause: str) -> Iterator[int]:
    own = of_the_ego(clause)
    yield from (at for at, _ in _longitudinal_words(own))
    yield from (move.at for move in _moves(clause))


def _names_decision(clause: str) -> bool:
    return next(_decision_starts(clause), None) is not None


def _decides(clauses: Clauses) -> bool:
    return _names_decision(clauses.decision)


# ── what the ego does ─────────────────────────────────────────────────────────────────────────────────────────────────


def of_the_ego(clause: str) -> str:
    """The clause, lower-case, without what others do and what things are called, every other word where it was."""
    own = (clause.lower() if len(clause.lower()) == len(clause) else clause).replace("’", "'")
    for pattern in decision_words.EGO:
        own = pattern.sub(partial(_filled, " "), own)
    for pattern in decision_words.NOT_THE_EGO:
        own = pattern.sub(partial(_filled, "#"), own)
    return own


def _filled(filler: str, match: re.Match[str]) -> str:
    return filler * len(match[0])


def _longitudinal_words(own: str) -> list[tuple[int, str]]:
    """Where words for speed first stand in an ego's clause, and what they mean; in order."""
    found = [(hit.start(), meant) for words, meant in decision_words.LONGITUDINAL if (hit := re.search(words, own))]
    return sorted(found, key=lambda each: each[0])


def _speed_said(clause: str) -> list[LongitudinalDecision | Open]:
    """What a clause says of the ego's speed, in order; that it drives on only where it says nothing else at once."""
    own = of_the_ego(clause)
    words = _longitudinal_words(own)
    at_once = {now for (now, _), (later, _) in pairwise(words) if not decision_words.THEN.search(own, now, later)}
    told = (meant for at, meant in words if not (meant == GOES_ON and at in at_once))
    return [cast(LongitudinalDecision | Open, _DRIVES_ON if meant == GOES_ON else meant) for meant in told]


def longitudinal_said(clause: str) -> LongitudinalDecision | None:
    """The decision on speed that a decision clause names first; None where its words leave it open."""
    said = next(iter(_speed_said(clause)), None)
    return None if said is None or said in _SETTLED_BY_CAUSE else cast(LongitudinalDecision, said)


def lateral_words(clause: str, aim: str = "") -> list[LateralWords]:
    """The manoeuvres to the side that a decision clause names for the ego, with their sides, in order.

    Args:
        aim: what else the sentence says, which settles how far "goes left" goes; where nothing does, it names none.
    """
    context = f"{clause} {aim}".lower()
    settled = ((_settled(move.meant, context), move) for move in _moves(clause))
    exact = ((_nudge_of(clause) if meant == "out_of_lane_nudge" else meant, move) for meant, move in settled if meant)
    return [LateralWords(meant, None if meant in _SIDELESS else move.direction, move.at) for meant, move in exact]


def _moves(clause: str) -> list[_Move]:
    own = of_the_ego(clause)
    found: list[_Move] = []
    for words, meant in decision_words.LATERAL:
        found.extend(_Move(meant, _side_of(own, match), match.start()) for match in re.finditer(words, own))
        own = re.sub(words, partial(_filled, "#"), own) if meant in ("lane_change", "merge_split") else own
    return sorted(found, key=lambda each: each.at)


def _settled(meant: LateralDecision | OpenSide, context: str) -> LateralDecision | None:
    """The manoeuvre; one of open size by what it is for."""
    if meant not in ("shift", "head"):
        return cast(LateralDecision, meant)
    fitting = (size for words, kind, size in decision_words.SIZES if kind in (None, meant) and words.search(context))
    return next(fitting, None)


def _nudge_of(clause: str) -> LateralDecision:
    return "in_lane_nudge" if decision_words.IN_LANE.search(clause) else "out_of_lane_nudge"


def _side_of(own: str, match: re.Match[str]) -> Side | None:
    within = decision_words.SIDE_IN.search(match[0])
    after = decision_words.SIDE_AFTER.match(own, match.end())
    found = within or after or decision_words.SIDE_BEFORE.search(own[: match.start()])
    return cast(Side, found[1]) if found else None


def _lateral(clauses: Clauses) -> LateralWords | None:
    """The clause's manoeuvre: the first of those with all they need, keeping the lane only where there is no other."""
    named = lateral_words(clauses.decision, " ".join((*clauses.purposes, *clauses.causes)))
    moves = [words for words in named if words.decision not in _SIDELESS]
    complete = [words for words in moves if words.direction or words.decision not in SIDED]
    if complete:
        same = (words.direction for words in complete if words.decision == complete[0].decision and words.direction)
        return replace(complete[0], direction=next(same, None))
    if moves:
        return None
    return named[0] if named else None


def _longitudinal(clauses: Clauses, causes: Sequence[_Cause]) -> LongitudinalDecision | None:
    """The clause's decision on speed; words that leave it open are settled by the purpose, then by the first cause."""
    said = _speed_said(clauses.decision)
    if not said:
        return None
    purposes = [meant for purpose in clauses.purposes for meant in _speed_said(purpose)]
    if said[0] not in _SETTLED_BY_CAUSE:
        return cast(LongitudinalDecision, said[0])
    fixed = [meant for meant in (*said, *purposes) if meant in _SETTLED]
    if fixed:
        return cast(LongitudinalDecision, fixed[0])
    kinds = _SETTLED_BY_CAUSE[cast(Open, said[0])]
    return next((kinds[cause.kind] for cause in causes if cause.kind in kinds), kinds["other"])


_SETTLED: frozenset[str] = frozenset(
    {"yield", "stop_for_static_constraint", "lead_obstacle_following", "gap_searching", "speed_adaptation"}
)
"""Decisions that settle a slow-down where clause or purpose names them beside it."""

_STOPS: dict[str, LongitudinalDecision] = dict.fromkeys(
    ("light", "stop_control", "school_bus"), "stop_for_static_constraint"
)
_LETS_PASS: dict[str, LongitudinalDecision] = dict.fromkeys(
    ("vru", "cut_in", "crossing", "oncoming", "emergency", "yield_control"), "yield"
)
_ON_THE_ROAD: dict[str, LongitudinalDecision] = dict.fromkeys(
    ("curve", "bump", "construction", "parked", "intersection", "road", "weather", "lane", "obstacle"),
    "speed_adaptation",
)
_FOLLOWS: dict[str, LongitudinalDecision] = {"lead": "lead_obstacle_following"}
_SETTLED_BY_CAUSE: dict[Open | str, dict[str, LongitudinalDecision]] = {
    "slow": {**_STOPS, **_LETS_PASS, **_FOLLOWS, **_ON_THE_ROAD, "other": "speed_adaptation"},
    "wait": {**_STOPS, **_LETS_PASS, **_FOLLOWS, "other": "stop_for_static_constraint"},
}

# ── why ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

_PIECES = re.compile(r",|\band\b|\bwhile\b|\bbut\b|\bas well as\b|\bwhere\b", re.IGNORECASE)
_EDGES = " .,!?\"'"
_LEADING = re.compile(r"^\W*(?:(?:of|that|there (?:is|are)|with|by|to|on|at|also|both|being)\b\s*)*", re.IGNORECASE)
_START = re.compile(
    r"\b(?:the|an?|this|that|two|three|several|some|multiple|its)\b"
    r"|\b(?:to|around|behind|at|past|for|near|before|with|by|from|follow\w*|overtak\w*|pass\w*|avoid\w*|through"
    r"|into|on|in)\s+",
    re.IGNORECASE,
)
_AFTER_OBJECT = re.compile(
    r"\s+(?:with an? (?:\w+ )?(?:lane change|turn|nudge)|by \w+ing|to (?!the\b|our\b|its\b|a\b|ego)\w+"
    r"|(?:before|after|through)\b).*",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"^(?:it|they)\b(?=\s+(?:is|are|was|were|has|have|\w+s)\b)", re.IGNORECASE)
_ONE_THING = frozenset({"lead", "light", "cut_in", "parked", "oncoming"})
_PLACES = frozenset({"intersection", "ramp", "slope", "tunnel"})

_RIDERS = frozenset({"motorcycle", "scooter", "cyclist", "rider"})
_WHEELED = frozenset({"vehicle", "truck", "van", "bus", "trailer", "tram", "train"})
_KINDS: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"red light", "yellow light", "green light", "traffic light"}), r"", "light"),
    (frozenset({"school bus"}), r"", "school_bus"),
    (frozenset({"emergency vehicle"}), r"", "emergency"),
    (frozenset({"stop sign", "stop line", "railway crossing"}), r"", "stop_control"),
    (frozenset({"toll booth", "traffic controller"}), r"", "stop_control"),
    (frozenset({"yield sign", "crosswalk"}), r"", "yield_control"),
    (frozenset({"construction"}), r"", "construction"),
    (frozenset({"cut-in"}), r"", "cut_in"),
    (frozenset({"oncoming traffic"}), r"", "oncoming"),
    (frozenset({"parked vehicle", "open door"}), r"", "parked"),
    (frozenset({"pedestrian"}), r"\bworkers?\b", "construction"),
    (frozenset({"pedestrian", "stroller", "vulnerable road user", "animal"}), r"", "vru"),
    (_RIDERS,
     r"^(?!.*\b(?:cross|(?:on|from) the (?:left|right))).*\b(?:ahead|in front|lead\w*|preceding|slower)\b", "lead"),
    (_RIDERS, r"", "vru"),
    (_WHEELED, r"\bparked\b", "parked"),
    (_WHEELED,
     r"\bcut\w*[- ]in\b|\bmerging\b|\bmerges\b|\bencroach|\bchanging lanes|\benter\w* (?:the|our|ego|its)\b.*\blane"
     r"|\bpull\w* out", "cut_in"),
    (_WHEELED,
     r"\bcross|\bfrom the (?:left|right)|\bturning\b|\bright[- ]of[- ]way|\bpriority", "crossing"),
    (_WHEELED, r"", "lead"),
    (frozenset({"debris", "obstacle", "pothole"}), r"", "obstacle"),
    (frozenset({"speed bump"}), r"", "bump"),
    (frozenset({"curve", "roundabout"}), r"", "curve"),
    (frozenset({"intersection"}), r"", "intersection"),
    (frozenset({"slope", "tunnel", "ramp", "school zone", "speed limit"}), r"", "road"),
    (frozenset({"snow", "rain", "wet road", "fog", "night", "glare", "poor visibility"}), r"", "weather"),
    (frozenset({"lane"}), r"", "lane"),
    (frozenset({"route"}), r"", "route"),
)  # fmt: skip
"""Concepts and further words of a cause's phrase, and the kind of cause that they make it; the first counts."""

_STATES: tuple[tuple[str, str, str], ...] = (
    ("state", "green", r"\b(?:turn\w*|chang\w*) (?:to )?green\b"),
    ("state", "red", r"\bred\b"),
    ("state", "yellow", r"\b(?:yellow|amber)\b"),
    ("state", "green", r"\bgreen\b"),
)
_MOTIONS: tuple[tuple[str, str, str], ...] = (
    ("motion", "cut-in", r"\bcut\w*[- ]in\b|\bmerging\b|\bencroach"),
    ("motion", "crossing", r"\bcross(?:es|ing)\b(?! (?:ahead|sign|guard))|\bjay-?walk"),
    ("motion", "stopped", r"\b(?:stopped|stationary|parked|standing|stopping|at a standstill|waiting)\b"),
    ("motion", "slowing", r"\b(?:slow(?:s|ing)|brak(?:es|ing)|decelerat(?:es|ing))\b"),
)
_POSES: tuple[tuple[str, str, str], ...] = (
    ("pose", "oncoming", r"\bon-?coming\b|\bopposite direction\b"),
    ("pose", "crosswalk", r"\bcross-?walk\b|\bzebra\b"),
    ("pose", "left", r"\b(?:on|to|from|at) (?:the|its|our) left\b|\bleft (?:side|lane|curb|shoulder)\b"),
    ("pose", "right", r"\b(?:on|to|from|at) (?:the|its|our) right\b|\bright (?:side|lane|curb|shoulder)\b"),
    ("pose", "in-path", r"\b(?:lead(?:ing)?|ahead|in front|preceding|in (?:the|our|ego'?s?) (?:path|lane))\b"),
)
_PROPERTIES = {
    "traffic_light": (_STATES,),
    "critical_object": (_POSES, _MOTIONS),
    "odd_constraint": (_POSES,),
}
"""Properties by category: of each list the first that the phrase has."""


def _causes(told: Sequence[Clauses], deciding: Sequence[Clauses]) -> Iterator[_Cause]:
    """Every cause once, in order of importance: what the decision is about, the causes given, then places."""
    objects = [found for clauses in deciding for piece in _acted_on(clauses) if (found := _object_of(piece))]
    noun = objects[0].phrase if objects else "it"
    given = [cause for clauses in told for cause in clauses.causes]
    observed = [clauses.decision for clauses in told if clauses not in deciding]
    causes = [_cause_in(piece, noun) for text in (*given, *observed) for piece in _PIECES.split(text)]
    ordered = [
        *(thing for thing in objects if thing.concept.name not in _PLACES),
        *(thing for thing in causes if thing),
        *(thing for thing in objects if thing.concept.name in _PLACES),
    ]
    for rank, thing in enumerate(_distinct(ordered)[:_MOST_COMPONENTS], start=1):
        yield _Cause(_component(rank, thing), thing.kind)


def _acted_on(clauses: Clauses) -> Iterator[str]:
    """Pieces of the decision clause and of its purposes."""
    for clause in (clauses.decision, *clauses.purposes):
        yield from _PIECES.split(clause)


def _object_of(piece: str) -> _Thing | None:
    """The thing that a piece of the decision clause is about, for instance "the parked truck on the right"."""
    found = next((mention for mention in mentions(piece) if mention.concept.name != "lane"), None)
    if found is None:
        return None
    last = next(reversed(list(_START.finditer(piece, 0, found.at))), None)
    begin = found.at if last is None else last.start() if last[0] == last[0].rstrip() else last.end()
    return _Thing(_AFTER_OBJECT.sub("", piece[begin:]).strip(_EDGES), found.concept)


def _cause_in(piece: str, noun: str) -> _Thing | None:
    """What a piece of a causal clause names, without the small words before it, and the noun in place of "it"."""
    phrase = _LEADING.sub("", piece).strip(_EDGES)
    found = mentions(phrase)
    if not found or found[0].concept.name == "lane":
        phrase = _PRONOUN.sub(lambda match: noun, phrase)
        found = mentions(phrase)
    return _Thing(phrase, found[0].concept) if found else None


def _distinct(things: Sequence[_Thing]) -> list[_Thing]:
    """Phrases about the same thing once, in the place of the first and the words of the longest."""
    kept: dict[tuple[str, str | None], _Thing] = {}
    for thing in things:
        what = thing.kind if thing.kind in _ONE_THING else thing.concept.name
        alike = (
            known for known in kept if known[0] == what and (known[1] == thing.side or None in (known[1], thing.side))
        )
        key = next(alike, (what, thing.side))
        if key not in kept or len(thing.phrase) > len(kept[key].phrase):
            kept[key] = thing
    return list(kept.values())


def _component(rank: int, thing: _Thing) -> Component:
    met = (_first_met(options, thing.phrase) for options in _PROPERTIES.get(thing.concept.category, ()))
    return Component(
        rank=rank,
        category=thing.concept.category,
        phrase=shortened(thing.phrase, _PHRASE_CHARACTERS),
        attributes=tuple(Attribute(key=key, value=value) for key, value in filter(None, met)),
    )


def _first_met(options: Sequence[tuple[str, str, str]], phrase: str) -> tuple[str, str] | None:
    return next(((key, value) for key, value, words in options if re.search(words, phrase, re.IGNORECASE)), None)


# ── scenario ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_SLOWING = frozenset(
    {"stop_for_static_constraint", "yield", "speed_adaptation", "lead_obstacle_following", "gap_searching"}
)
_RESUMES = re.compile(
    r"\bresum|\b(?:re)?start|\b(?:mov|set|pull|driv)\w* (?:off|away|again)|\bget\w* (?:going|moving)"
    r"|\baccelerat|\bproceed|\bspeed\w* up|\bfaster|\b(?:stop|halt|standstill)\b|\bdepart|\blaunch",
    re.IGNORECASE,
)
_BRAKES = re.compile(
    r"\bslow|\bbrak|\bdecelerat|\bstop|\byield|\bwait|\breduc|\bdecreas|\blower"
    r"|\b(?:gas|throttle)\b|\bspeed (?:back|down)",
    re.IGNORECASE,
)
_ANY: frozenset[str] = frozenset()

_SCENARIOS: tuple[tuple[frozenset[str], frozenset[str], Scenario], ...] = (
    (frozenset({"gap_searching"}), _ANY, "lane_change_preparation"),
    (frozenset({"lane_change", "merge_split"}), _ANY, "lane_change"),
    (_SLOWING, frozenset({"cut_in"}), "cut_in"),
    (frozenset({"yield", "stop_for_static_constraint"}), frozenset({"vru"}), "yield_to_vru"),
    (frozenset({"out_of_lane_nudge", "in_lane_nudge"}), _ANY, "nudge"),
    (frozenset({"turn"}), _ANY, "turn"),
    (frozenset({"stop_for_static_constraint"}), frozenset({"light", "stop_control", "school_bus"}), "stop_for_control"),
    (frozenset({"stop_for_static_constraint"}), frozenset({"lead"}), "stop_for_lead"),
    (_SLOWING, frozenset({"construction"}), "construction"),
    (_SLOWING, frozenset({"bump"}), "speed_bump"),
    (frozenset({"speed_adaptation"}), frozenset({"vru"}), "yield_to_vru"),
    (frozenset({"yield"}), frozenset({"crossing", "oncoming", "intersection"}), "passing_intersection"),
    (frozenset({"speed_adaptation"}), frozenset({"curve"}), "curvy_road"),
)  # fmt: skip
"""Decisions of either axis, and kinds of cause (none: whatever the cause), that make a scene. The first counts."""


def _scenario(
    longitudinal: LongitudinalDecision | None,
    lateral: LateralWords | None,
    causes: Sequence[_Cause],
    said: Sequence[str],
) -> Scenario | None:
    decisions = {longitudinal, lateral.decision if lateral else None}
    kinds = {cause.kind for cause in causes}
    for wanted, why, scenario in _SCENARIOS:
        if decisions & wanted and (not why or kinds & why):
            return scenario
    clause = " ".join(said)
    if longitudinal == "lead_obstacle_following" and _BRAKES.search(clause):
        return "slow_for_lead"
    if longitudinal == "set_speed_tracking":
        return "resume" if _RESUMES.search(clause) else "free_driving"
    if not causes and longitudinal in ("speed_adaptation", "stop_for_static_constraint", "yield"):
        return "unobserved"
    return "free_driving" if lateral and lateral.decision == "lane_keeping" and not longitudinal else None
