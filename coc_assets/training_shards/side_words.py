"""Left and right in text, swapped, as a scene is told that is seen in a mirror.

Whether a word means a side is decided by the words around it, in which every side is masked. So a text and its mirrored
one are decided alike, and mirroring twice gives the text back, whatever it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_CONTEXT = 80  # characters on either side of a word that may tell what it means
_MASK = "§"
_LETTER = r"[^\W\d_]"
_SPACING = re.compile(r"[\s_\-\u2010\u2011]+")

ENDINGS = r"(?i:s|most|ish|wards?|[- ]?hand(?:ed|ers?)?|[- ]?sides?)"  # leftmost, left-hand, left-hander, rightwards

# A turn that loses its prefix must find the same one again, so each spelling has a partner of its own.
TURNS = {
    "counterclockwise": "clockwise",
    "counter-clockwise": "clock-wise",
    "counter clockwise": "clock wise",
    "anticlockwise": "clockways",
    "anti-clockwise": "clock-ways",
    "anti clockwise": "clock ways",
}


@dataclass(frozen=True)
class SideRule:
    """What a bare "left" or "right" means between such words, which have single spaces, no hyphens and no capitals.

    Attributes:
        side: it is a side, and is swapped; otherwise it stays: "right of way", "has left the lane".
        before: pattern that the text up to the word ends with.
        after: pattern that the text behind the word begins with.
    """

    side: bool
    before: str = ""
    after: str = ""

    def holds(self, before: str, after: str) -> bool:
        return bool(re.search(rf"(?:{self.before})\Z", before) and re.match(self.after, after))


_DETERMINER = r"(?:the|an?|its|our|their|his|her|my|your|this|that|ego's)"
_UNIT = r"(?:m|metres?|meters?|s|secs?|seconds?|km|feet|ft|yards?)"
_FIGURE = rf"(?:about |around |roughly |some )?\d+(?:\.\d+)? ?{_UNIT}"
_FILLER = (
    rf"(?:(?:{_FIGURE}|\w+ly|hard|sharp|over|further|farther|more|well|far|wide|back|out|off|an?|little|bit|touch|one"
    r"|half|lanes?|course|path|in|lane|to|the) ){0,4}"
)
_TURNING = (
    r"\b(?:turn|steer|veer|bear|swerv|nudg|curv|bend|merg|swing|shift|drift|angl|fork|split|edg|lean|keep|stay|exit"
    r"|branch|peel|diverg|deviat|sidestep|sweep|snak|weav|hook|dart|squeez|jink|indicat|chang\w* lane|lane chang)\w*"
    r"|\b(?:bent|swung|swept|wove|leads|led)"
)
_GOING = r"\b(?:go|goes|going|went|(?:mov|pull|head|slid|com|cut)\w*)"
_PART_OF_A_SCENE = (
    r"lanes?|turn\w*|bend|curve|curb|kerb|blinkers?|indicators?|signal|arrow|lights?|rear|front|edge|shoulder|border"
    r"|half|wheels?|mirror|corner|camera|exit|ramp|branch|fork|merge|nudge|shift|adjacent|neighbou?r\w*|line|marking"
    r"|boundary|arm|flank|sidewalk|pavement|foot|vehicle|cars?|bus|of"
)

RULES: tuple[SideRule, ...] = (
    # rights, angles and what is correct
    SideRule(False, after=r" of way\b"),
    SideRule(False, after=r" angle[sd]?\b"),
    SideRule(False, r"\b(?:ha[sd]|have|having|holds?|gives?|given|grants?|granted) the ", rf" to (?!{_DETERMINER}\b)"),
    SideRule(False, after=r" (?:time|moment|instant|choice|decision|thing|amount|answer|speed)\b"),
    SideRule(False, r"\ball ", r"[,.;!?]|\Z| (?:to|so|now)\b"),
    # "to the left", "on our right", "left and right", "front left", "has its left indicator on"
    SideRule(True, rf"\b(?:{_DETERMINER}|to|on|onto|into|from|towards?|front|rear|far|sharp|slight|hard|immediate) "),
    SideRule(True, rf"{_MASK} (?:and|or|to|then) "),
    SideRule(True, after=rf" (?:{_PART_OF_A_SCENE})\b"),
    SideRule(True, rf"(?:{_TURNING}) {_FILLER}"),
    SideRule(
        True,
        r"\b(?:sen[dt]|guid|rout|tak|took|bring|brought)\w* (?:the |our )?(?:ego|av|car|vehicle|us|it) (?:vehicle )?",
    ),
    SideRule(True, rf"{_GOING} {_FILLER}", r" away from\b"),
    # "right behind", "right after", "left behind": directly, or gone
    SideRule(
        False,
        after=r" (?:in front|behind|ahead|next to|beside|alongside|now|away|where|up (?:to|against|behind)"
        r"|on top|on time|in the (?:middle|way|path)|after|before|as|when|once|until|then)\b",
    ),
    SideRule(True, rf"{_GOING} {_FILLER}"),
    SideRule(True, r"(?:\A|[.;:] )", r" at\b"),  # "Left at the fork, then straight on"
    SideRule(
        False,
        after=r" (?:here|there|at|by|near|past|into|through|along|across|over|under|above|below|outside|opposite|out"
        r"|off|back|down)\b",
    ),
    # "has left", "left the lane", "left no room": the verb
    SideRule(
        False,
        r"\b(?:(?:ha[sd]|have)(?:n't)?|having|i've|we've|they've|be|been|being)(?: (?:\w+ly|just|now|not|never))* ",
    ),
    SideRule(False, after=rf" (?:{_DETERMINER}|us|no|enough|little|some|room|space)\b"),
    # "20 m left", "time left": what remains, unless it is where something is, "20 m ahead and 3 m left"
    SideRule(True, rf"\b(?:ahead|in front|behind|forward|away),?(?: and)? {_FIGURE} "),
    SideRule(True, rf"{_FIGURE} ", rf",?(?: and)? {_FIGURE}"),
    SideRule(
        False,
        rf"(?:{_FIGURE}|\b(?:time|room|space|gap|distance|nothing|none|little|much|enough|options?))"
        r"(?: (?:is|are|was|were))? ",
    ),
)
"""The first rule that holds decides; where none does, the word is a side."""


def mirrored_text(text: str) -> str:
    """The text with left and right swapped, and clockwise and counterclockwise; case and all else stay.

    Words that mean no side stay (`RULES`). Mirroring the mirrored text gives the text back exactly.
    """
    out, upto = [], 0
    for word in _swapped_words(text):
        out += [text[upto : word.start()], _SWAPPED[word.group()]]
        upto = word.end()
    return "".join([*out, text[upto:]])


def _swapped_words(text: str) -> Iterator[re.Match[str]]:
    words = list(_WORD.finditer(text))
    masked, shortened = _WORD.sub(_MASK, text), 0
    for word in words:
        at = word.start() - shortened
        shortened += len(word.group()) - len(_MASK)
        if word.group() not in _SIDES or _is_side(masked, at):
            yield word


def _is_side(masked: str, at: int) -> bool:
    """Whether the masked word there is a side, by what is around it."""
    behind = masked[at + len(_MASK) :][:_CONTEXT]
    ending = _ENDING.match(behind)
    if ending and ending.group().lower() != "s":
        return True
    before = _plain(masked[max(at - _CONTEXT, 0) : at])
    after = _plain(behind[ending.end() :] if ending else behind)
    return next((rule.side for rule in RULES if rule.holds(before, after)), True)


def _plain(context: str) -> str:
    return _SPACING.sub(" ", context.lower())


def _both_ways(pairs: dict[str, str]) -> dict[str, str]:
    return pairs | {there: here for here, there in pairs.items()}


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_CASES = (str.lower, str.capitalize, str.title, str.upper)
_SIDES = _both_ways({case("left"): case("right") for case in _CASES})
_TURNS = _both_ways({case(here): case(there) for here, there in TURNS.items() for case in _CASES})
_SWAPPED = _SIDES | _TURNS
_ENDING = re.compile(rf"{ENDINGS}(?!{_LETTER})")
_WORD = re.compile(
    rf"(?<!{_LETTER})(?:(?:{_any_of(_SIDES)})(?={ENDINGS}?(?!{_LETTER}))"
    rf"|(?<!(?i:counter)[- ])(?<!(?i:anti)[- ])(?:{_any_of(_TURNS)})(?!{_LETTER}))"
)
