"""Labels from models that answer in one free sentence: the decisions, causes and scenario that its words say.

Decisions are read from the decision clause alone, which ends at the first causal connective; where the cause comes
first, it is what follows. Only words that leave the decision open ("slow down", "wait") are settled by the first cause:
slowing for a lead vehicle is following it, for a light stopping, for a pedestrian yielding, for a bend adapting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, cast

from coc_assets.raw_coc.records import Attribute, Component
from coc_assets.raw_coc.vlm.lenient import clean, shortened, without_reasoning
from coc_assets.raw_coc.vlm.locality import Concept, mentions
from resources.schemas import LateralDecision, LongitudinalDecision, Scenario, Side

_MOST_COMPONENTS = 8
_PHRASE_CHARACTERS = 160
_READ = 2_000  # characters; a label is one sentence or a few
_OPENED, _CLOSED = "<|cot_start|>", "<|cot_end|>"
_OUTER_TOKENS = re.compile(r"^(?:\s*<\|[^<>|]{1,64}\|>)+|(?:<\|[^<>|]{1,64}\|>\s*)+$")
_HEADING = re.compile(r"^(?:reasoning|chain of causation|coc|cot|trace|decision|answer)\s*:\s*", re.IGNORECASE)

Open = Literal["slow", "wait"]
"""What the words say of speed where they leave the decision to the cause."""
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
    r"because(?: of)?|since|due to|owing to|thanks to|given(?: that)?|caused by|in response to|in reaction to"
    r"|on account of|so that|when|whereas"
    r"|(?<!well )(?<!soon )(?<!far )(?<!such )as(?! (?:well|soon|far|much|possible|needed|necessary))"
    r"|(?<!search )(?<!searching )(?<!searches )(?<!look )(?<!looking )"
    r"for(?! (?:an? |the )?(?:\w+ )?gap\b| now\b| \d)"
)
_CONNECTIVE = re.compile(rf"\b(?P<purpose>{_PURPOSE})\b|\b(?:{_BECAUSE})\b|[:—]|\s-\s", re.IGNORECASE)
_OPENING = re.compile(
    rf"^\W*(?:{_BECAUSE}|with|while|upon|after|once|seeing|noticing|approaching|facing|if|to (?!the\b))\b",
    re.IGNORECASE,
)
_THEREFORE = re.compile(
    r"[,;]?\s+(?:and )?(?:therefore|thus|hence|consequently|accordingly|which (?:requires|means|calls for)),?\s+"
    r"|,\s*so\s+(?!that\b|as\b)",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(
    r"^\W*(?:(?:then|so|please|i|we|it|and|the|ego|ego's|vehicle|car"
    r"|must|should|will|would|can|is|are|has|have|needs?|to|decides?|decided|chooses?|plans?|intends?|begins?|starts?|going"
    r"|safely|carefully|gently|gradually|smoothly|slightly|immediately|cautiously|briefly|now|first)\b[\s,]*)*",
    re.IGNORECASE,
)


def clauses_of(sentence: str) -> Clauses:
    """Cuts a sentence, whether the decision comes before its causes or after them."""
    before, after = _around_therefore(sentence)
    if after and not _names_decision(_cut(before).decision):
        return _with_causes(_cut(after), before)
    opening = _OPENING.match(sentence)
    if not opening:
        return _cut(sentence)
    rest = sentence[opening.end() :]
    commas = [match.start() for match in re.finditer(",", rest)]
    begins = next((at for at in commas if _begins_with_decision(rest[at + 1 :])), commas[0] if commas else None)
    return _with_causes(_cut(rest[begins + 1 :]), rest[:begins]) if begins is not None else _cut(sentence)


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
    yield from (words.at for words in lateral_words(clause))


def _names_decision(clause: str) -> bool:
    return next(_decision_starts(clause), None) is not None


def _decides(clauses: Clauses) -> bool:
    return _names_decision(clauses.decision)


# ── what the ego does ─────────────────────────────────────────────────────────────────────────────────────────────────

_ACTOR = (
    r"(?:vehicle|car|truck|bus|buse|van|lorry|suv|taxi|lead|pedestrian|person|people|child|children|cyclist|rider|bicycle"
    r"|bicyclist|bike|motorcycle|motorcyclist|scooter|trailer|tram|train|traffic|object|obstacle|animal|agent|driver)s?"
)
_DOES = (
    r"(?:turn|merg|chang|cut|nudg|cross|stopp?|slow|brak|decelerat|accelerat|pull|yield|revers|back|mov|swerv|drift"
    r"|overtak|pass|wait|approach|enter|emerg|proceed|com|exit|shift|encroach|mak|driv|travel|speed|keep|giv)"
)
_DOING = (
    r"(?:stopping|slow(?:er|ing|ed)?(?:[- ](?:down|moving))?|braking|decelerating|accelerating|passing|turning"
    r"|reversing|waiting|merging|yielding|crossing|nudging|moving|cutting[- ]in)"
)
_NO_NOUN = r"(?:for|behind|to|with|the|a|an|down|at|and|around|past|left|right)"
_WHICH = (
    r"(?:\s+(?:ahead|in front|(?:on|to|from) the (?:left|right)|in the (?:\w+ )?lane|that|who|which|is|are|was|were|has"
    r"|have|may|might|just|also|currently|suddenly|(?:begins?|starts?)(?: to)?))*"
)
_TO_A_SIDE = r"(?:\s+(?:to|into|onto|from|towards?|the|its|our|ego|a|in|out|over|down|left|right|lanes?|road|path)\b)*"
_NOT_THE_EGO: tuple[re.Pattern[str], ...] = (
    # signs, places and things whose names hold a decision's word
    re.compile(r"\bstop[- ]?(?:sign|line|light|bar|area|point)s?\b|\bstop[- ]and[- ]go\b|\b(?:bus|tram) stops?\b"),
    re.compile(r"\byield signs?\b|\bspeed (?:limit|bump|hump|table|cushion)s?\b"),
    re.compile(
        r"\b(?:turn|turning|merge|merging|passing|overtaking|exit)"
        r"(?=[- ](?:lane|pocket|signal|arrow|area|point|bay|sign)s?\b)"
    ),
    # what others do: "the slowing truck", "the car turning left"
    re.compile(rf"\b{_DOING}\s+(?:(?!{_NO_NOUN}\b)\w+\s+)?{_ACTOR}\b"),
    re.compile(rf"\b{_ACTOR}\b{_WHICH}\s+{_DOES}(?:e|s|es|ed|ing)?\b{_TO_A_SIDE}"),
    # what the ego does not do
    re.compile(
        r"\b(?:without|instead of|rather than|not|never|no need (?:to|for)|avoid(?:ing)? having to)\s+"
        r"(?:\w+ly\s+)?(?:to\s+)?\w+(?:\s+(?:lanes?|left|right)\b)?"
    ),
)
_EGO: tuple[re.Pattern[str], ...] = (
    re.compile(r"\b(?:the |our |its )?(?:ego|host|self[- ]driving|autonomous)(?:[- ](?:vehicle|car|agent|driver)\b)?"),
    re.compile(r"\bour (?:vehicle|car)\b"),
    re.compile(
        r"^\W*the (?:vehicle|car|driver)\b"
        r"(?=\s+(?:is|should|must|will|needs?|has to|decides?|plans?|begins?|starts?|continues|slows|stops|yields|turns"
        r"|keeps|maintains|changes|nudges|resumes|accelerates|brakes|decelerates|proceeds|follows|remains|stays|merges"
        r"|waits|adapts|adjusts)\b(?! (?:crossing|cutting|merging|turning) (?:in|into|from)))"
    ),
)


def of_the_ego(clause: str) -> str:
    """The clause, lower-case, without what others do and what things are called, every other word where it was."""
    own = (clause.lower() if len(clause.lower()) == len(clause) else clause).replace("’", "'")
    for pattern in _EGO:
        own = pattern.sub(partial(_filled, " "), own)
    for pattern in _NOT_THE_EGO:
        own = pattern.sub(partial(_filled, "#"), own)
    return own


def _filled(filler: str, match: re.Match[str]) -> str:
    return filler * len(match[0])


_SPEED = r"(?:\w+\s+){0,3}?(?:speed|pace|velocity)"
_NOT_PASSED = r"(?:oncoming|parked|stopped|stationary|static|standing|double[- ]parked|disabled|broken)"
_NOTHING_TO_PASS = (
    r"(?!\s+(?:through|by\b|under|over|between|straight|beneath|safely through"
    rf"|(?:the\s+|an?\s+|\w+ing\s+)?(?:\w+\s+)?(?:{_NOT_PASSED}|intersection|junction|crosswalk|cones?|construction|debris"
    r"|obstacles?|work)))"
)
_GAP: LongitudinalDecision = "gap_searching"
_PASS: LongitudinalDecision = "acceleration_for_passing"
_YIELD: LongitudinalDecision = "yield"
_STOP: LongitudinalDecision = "stop_for_static_constraint"
_FOLLOW: LongitudinalDecision = "lead_obstacle_following"
_ADAPT: LongitudinalDecision = "speed_adaptation"
_GO: LongitudinalDecision = "set_speed_tracking"

_LONGITUDINAL: tuple[tuple[str, LongitudinalDecision | Open], ...] = (
    (r"\bgap[- _]search\w*", _GAP),
    (r"\b(?:search|look|wait)\w* for (?:an? |the )?(?:\w+ )?gap", _GAP),
    (r"\b(?:find|creat|mak|open)\w* (?:an? |the )?gap", _GAP),
    (rf"\b(?:accelerat|speed)\w*\s+(?:up\s+)?(?:\w+\s+){{0,8}}?(?:past|to (?:pass|overtake)){_NOTHING_TO_PASS}", _PASS),
    (rf"\b(?:overtak(?:e|es|ing)|pass(?:es|ing)?)\b{_NOTHING_TO_PASS}", _PASS),
    (r"\bacceleration[_ ]for[_ ]passing\b", _PASS),
    (r"\byield(?:s|ing)?\b", _YIELD),
    (r"\bgiv(?:e|es|ing) (?:way|priority|right[- ]of[- ]way)", _YIELD),
    (r"\blet(?:s|ting)?\s+\w", _YIELD),
    (r"\b(?:com|slow|decelerat|brak)\w*\s+(?:\w+\s+){0,2}?to\s+(?:a\s+)?(?:\w+\s+)?(?:stop|halt|standstill)\b", _STOP),
    (r"\bstop(?:s|ping)?\b|\bhalt(?:s|ing)?\b|\bstandstill\b|\bhold(?:s|ing)? position\b", _STOP),
    (
        r"\b(?:remain|stay|hold|keep|stand|sit)(?:s|ing)?\s+(?:stopped|stationary|still|put|at rest)\b"
        rf"(?!\s+{_ACTOR}\b)",
        _STOP,
    ),
    (r"\bwait(?:s|ing)?\b", "wait"),
    (
        r"\b(?:keep|maintain|hold|leav|increas|preserv|regain)\w*\s+(?:\w+\s+){0,3}?(?:distance|gap|headway|spacing)\b",
        _FOLLOW,
    ),
    (r"\b(?:stay|keep|remain|continu)\w*\s+behind\b|\blead[_ ]obstacle[_ ]following\b", _FOLLOW),
    (
        r"\bfollow(?:s|ing)?\b(?!\s+(?:the\s+|its\s+|a\s+)?(?:\w+\s+)?"
        r"(?:lane|road|curve|route|bend|path|distance|speed limit|rules?))",
        _FOLLOW,
    ),
    (rf"\b(?:adapt|adjust|moderat)\w*\s+{_SPEED}\b|\bspeed[_ ]adaptation\b", _ADAPT),
    (r"\bresum(?:e|es|ing)\b(?!\s+following)", _GO),
    (r"\baccelerat(?:e|es|ing)\b|\bspeed(?:s|ing)? up\b|\bset[_ ]speed[_ ]tracking\b", _GO),
    (rf"\b(?:increas|gain|pick|regain)\w*\s+(?:up\s+)?{_SPEED}\b", _GO),
    (rf"\b(?:keep|maintain|hold|continu|track)\w*\s+(?:at\s+|with\s+)?{_SPEED}\b", _GO),
    (r"\bcruis(?:e|es|ing)\b|\bproceed(?:s|ing)?\b|\bpass(?:es|ing)?\s+(?:safely\s+)?through\b", _GO),
    (r"\b(?:driv|mov|set|pull)\w*\s+(?:off|away)\b|\bstart(?:s|ing)? (?:moving|to move)\b", _GO),
    (r"\b(?:continu|go|driv|mov)\w*\s+(?:on|forward|through|driving|ahead|straight through)\b", _GO),
    (r"\bslow(?:s|ing)?\b|\bdecelerat(?:e|es|ing|ion)\b|\bbrak(?:e|es|ing)\b|\beas(?:e|es|ing) off\b", "slow"),
    (rf"\b(?:reduc|lower|decreas)\w*\s+{_SPEED}\b|\b(?:creep|inch)(?:s|es|ing)?\b", "slow"),
)
"""Words for speed and the decision they mean. The first in the clause counts, of equal places the first here."""

_LANE_SIDE = r"(?:left|right)(?:most|[- ]hand)?"
_FILLER = (
    r"(?:to|into|onto|towards?|the|a|an|its|slightly|gently|sharply|briefly|smoothly|carefully|safely|one|lanes?|over"
    r"|back|out|in|side|adjacent|far|next|hand|wide|turn|u-turn|change|lane-change)"
)
_HIGHWAY = r"(?:highway|freeway|motorway|mainline)"
_LATERAL: tuple[tuple[str, LateralDecision], ...] = (
    (r"\babort(?:s|ing)?\b|\bcancel(?:s|l?ing)?\b|\bre-?cent(?:er|re)\w*", "lateral_maneuver_abort"),
    (r"(?:\b(?:left|right)(?:wards?|most)?[- ]+)?\blane[- _]chang(?:e|es|ing)\b", "lane_change"),
    (
        rf"\bchang(?:e|es|ing)\s+(?:{_FILLER}\s+)*?(?:{_LANE_SIDE}[\s-]+)?(?:#+[\s-]+)?lanes?\b",
        "lane_change",
    ),
    (
        r"\b(?:mov|shift|switch|go|get|transition|drift|steer)(?:e|s|es|ing|ting)?\s+(?:over\s+|back\s+)?(?:in|on)?to\s+"
        rf"(?:the\s+|an?\s+)?(?:\w+\s+)?(?:{_LANE_SIDE}\s+)?lane\b",
        "lane_change",
    ),
    (r"\bmerg(?:e|es|ing)\b|\bmerge[_ ]split\b|\bsplit(?:s|ting)?\b|\bweav(?:e|es|ing)\b", "merge_split"),
    (
        r"\btak(?:e|es|ing)\s+(?:the\s+)?(?:next\s+)?(?:left\s+|right\s+)?(?:exit(?:\s+ramp)?|(?:on-?|off-?)?\s?ramp)\b",
        "merge_split",
    ),
    (rf"\bexit(?:s|ing)?\s+(?:left|right|onto|the {_HIGHWAY})|\benter(?:s|ing)?\s+the\s+{_HIGHWAY}", "merge_split"),
    (r"\b(?:keep|bear)(?:s|ing)?\s+(?:to the\s+)?(?:left|right)\s+at\s+the\s+(?:fork|split)", "merge_split"),
    (r"\bpull(?:s|ing)?[- ](?:over|aside)\b|\bpark\b(?=\s+(?:at|on|in|by|the))|\bpull_over\b", "pull_over"),
    (
        r"\bpull(?:s|ing)?\s+(?:in)?to\s+the\s+(?:(?:left|right)\s+)?(?:side|shoulder|curb|kerb|edge)\b",
        "pull_over",
    ),
    (r"\bnudg(?:e|es|ing)\b|\bswerv(?:e|es|ing)\b|\b(?:in|out[_ ]of)[_ ]lane[_ ]nudge\b", "out_of_lane_nudge"),
    (
        r"\b(?:shift|mov|edg|veer|drift|steer|bias|maneuver|manoeuvr|go)(?:e|s|es|ing)?\s+"
        r"(?:slightly\b|gently\b|a (?:bit|little)\b|around\b)",
        "out_of_lane_nudge",
    ),
    (
        r"\b(?:shift|mov|edg|veer|drift|bias)(?:e|s|es|ing)?\s+(?:over\s+)?(?:to\s+the\s+)?(?:left|right)\b",
        "out_of_lane_nudge",
    ),
    (
        r"\b(?:steer|mov|swing|go)(?:e|s|es|ing)?\s+(?:slightly\s+)?(?:to the\s+)?(?:left|right)\s+"
        r"(?:slightly\s+)?(?:to\s+)?(?:around|past|away|avoid)\b",
        "out_of_lane_nudge",
    ),
    (r"\b(?:left|right)wards?\b(?!\s+(?:lane|turn|merg|curve|bend))", "out_of_lane_nudge"),
    (r"\boffset(?:s|ting)?\s+(?:\w+\s+)?(?:to|left|right)", "out_of_lane_nudge"),
    (r"\bturn(?:s|ing)?\b(?!\s+(?:green|red|yellow|amber|on\b|off\b))|\bu[- ]turn\b", "turn"),
    (r"\bmak(?:e|es|ing)\s+(?:a|an|the)\s+(?:\w+\s+)?(?:left|right)\b(?!\s+lane)", "turn"),
    (r"\b(?:go|head)(?:s|es|ing)?\s+(?:left|right)\b(?!\s+(?:around|past))", "turn"),
    (
        r"\b(?:keep|stay|remain|continu|maintain|hold)\w*\s+(?:\w+\s+){0,3}?(?:lane|straight|centered|centred)\b",
        "lane_keeping",
    ),
    (
        r"\blane[- _]keep\w*|\b(?:go|driv|proceed|head|travel)\w*\s+straight\b|\bstraight (?:ahead|through)\b",
        "lane_keeping",
    ),
    (r"\b(?:follow|track)\w*\s+the\s+(?:\w+\s+)?(?:lane|road|curve|bend)\b", "lane_keeping"),
    (r"\breturn\w*\s+to\s+(?:the\s+|its\s+|our\s+)?(?:\w+\s+)?lane\b", "lane_keeping"),
)
"""Words for manoeuvres to the side. Keeping the lane counts only where there is nothing else."""

_IN_LANE = re.compile(
    r"\b(?:with)?in(?:side)?\s+(?:the |its |our |your |ego'?s? |own |current |same )*lane\b|\bin[- _]lane\b"
    r"|\b(?:stay|remain|keep)\w*\s+in\s+(?:\w+\s+)?lane\b|\bwithout\s+(?:leaving|crossing|exiting)\b",
    re.IGNORECASE,
)
_SIDE_AFTER = re.compile(rf"(?:[\s-]+{_FILLER})*?[\s-]+(left|right)(?:wards?|most)?\b")
_SIDE_BEFORE = re.compile(r"\b(left|right)(?:wards?|most)?[\s_-]+$")
_SIDE_IN = re.compile(r"\b(left|right)(?:wards?|most)?\b")


def _longitudinal_words(own: str) -> list[tuple[int, LongitudinalDecision | Open]]:
    """Where words for speed first stand in an ego's clause, and what they mean; in order."""
    found = [(match.start(), meant) for words, meant in _LONGITUDINAL if (match := re.search(words, own))]
    return sorted(found, key=lambda each: each[0])


def longitudinal_said(clause: str) -> LongitudinalDecision | None:
    """The decision on speed that a decision clause names first; None where its words leave it open."""
    said = next((meant for _, meant in _longitudinal_words(of_the_ego(clause))), None)
    return None if said is None or said in _SETTLED_BY_CAUSE else cast(LongitudinalDecision, said)


def lateral_words(clause: str) -> list[LateralWords]:
    """The manoeuvres to the side that a decision clause names for the ego, with their sides, in order."""
    own = of_the_ego(clause)
    found: list[LateralWords] = []
    for words, decision in _LATERAL:
        for match in re.finditer(words, own):
            exact = _nudge_of(clause) if decision == "out_of_lane_nudge" else decision
            side = None if exact in _SIDELESS else _side_of(own, match)
            found.append(LateralWords(exact, side, match.start()))
        own = re.sub(words, partial(_filled, "#"), own) if decision in ("lane_change", "merge_split") else own
    return sorted(found, key=lambda each: each.at)


def _nudge_of(clause: str) -> LateralDecision:
    return "in_lane_nudge" if _IN_LANE.search(clause) else "out_of_lane_nudge"


def _side_of(own: str, match: re.Match[str]) -> Side | None:
    within = _SIDE_IN.search(match[0])
    found = within or _SIDE_AFTER.match(own, match.end()) or _SIDE_BEFORE.search(own[: match.start()])
    return cast(Side, found[1]) if found else None


def _lateral(clauses: Clauses) -> LateralWords | None:
    """The clause's manoeuvre: the first of those with all they need, keeping the lane only where there is no other."""
    named = lateral_words(clauses.decision)
    moves = [words for words in named if words.decision not in _SIDELESS]
    complete = [words for words in moves if words.direction or words.decision not in SIDED]
    if complete or moves:
        return complete[0] if complete else None
    return named[0] if named else None


def _longitudinal(clauses: Clauses, causes: Sequence[_Cause]) -> LongitudinalDecision | None:
    """The clause's decision on speed; words that leave it open are settled by the purpose, then by the first cause."""
    said = [meant for _, meant in _longitudinal_words(of_the_ego(clauses.decision))]
    if not said:
        return None
    purposes = [meant for purpose in clauses.purposes for _, meant in _longitudinal_words(of_the_ego(purpose))]
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
_RESUMES = re.compile(r"\bresum|\bstart\w* (?:moving|to move)|\bmov\w* off|\baccelerat|\bproceed", re.IGNORECASE)
_BRAKES = re.compile(r"\bslow|\bbrak|\bdecelerat|\bstop|\byield|\bwait|\breduc", re.IGNORECASE)
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
