"""Sentences of a label cut into what the ego does and why: free text of any labeler, causes first or last.

Source: label rules, Consistency with the trajectory ("the claim is read from the decision clause").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from coc_assets.filtered_coc import wording

_READ = 2_000  # characters of a text; a trace is a sentence or a few
_SAME_LENGTH = str.maketrans(
    {"-": " ", "_": " ", "’": "'", "‑": " ", "\n": ";", "“": " ", "”": " ", '"': " ", "*": " "}
)
_TAG = re.compile(r"<\|?[^<>]{1,40}\|?>")
_SHORT_SIDE = re.compile(r"(?<![\w'.&])([LR])(?![\w'.&])")
_SHORT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\blane chg\b|\blcs?\b"), "lane change"),
    (re.compile(r"\blvs?\b|\blead veh\b"), "lead vehicle"),
    (re.compile(r"\baccel\b\.?"), "accelerate"),
    (re.compile(r"\bdecel\b\.?"), "decelerate"),
    (re.compile(r"\bconst\b\.?"), "constant"),
    (re.compile(r"\bspd\b\.?|\bvel\b\.?|(?<=constant )v\b|\bv(?= constant\b)"), "speed"),
    (re.compile(r"\bxing\b"), "crossing"),
    (re.compile(r"\bped xing\b|\bx ?walk\b"), "crosswalk"),
    (re.compile(r"\bw/(?=[\s\w])"), "with "),
    (re.compile(r"\s+[+&]\s+"), " and "),
    (re.compile(r"\s+/\s+"), ", "),
    (
        re.compile(
            r"\bfrom (?:a )?(?:dead |full |complete )?(?:standstill|rest|stop|0|zero)(?: (?:km/h|kph|mph"
            r"|m/s))? (?:back )?(?:up )?to (?=\d)"
        ),
        "up to ",
    ),
    # "lane change (left)"
    (
        re.compile(
            r"\b(chang\w* lanes?|(?:lane |u )?(?:change|shift|switch|turn|merge|nudge|exit|swerve"
            r"|offset))\s*[:(,]\s*(left|right)\s*(?=$|[),;.])"
        ),
        r"\1 \2 ",
    ),
    # "eases right off": no side
    (re.compile(r"\b((?:eas|back|slow|brak|stop|halt)\w*) right (?=down\b|off\b|back\b|up\b|to a\b)"), r"\1 "),
)
"""Shorthand of notes, and what it stands for; sides are told by capitals alone."""
_FROM_TO = re.compile(
    r"\bfrom (?:about |around )?(?P<was>\d+(?:\.\d+)?)(?: ?(?:km/h|kph|kmh|mph|m/s))? (?:down |up )?to (?=(?:about "
    r"|around )?(?P<becomes>\d+(?:\.\d+)?)(?! ?(?:m|metres?|meters?|s|seconds?|feet|ft|%)(?![\w/])))"
)
"""A change of speed in figures."""
_LONG_SIDE = {"L": " left ", "R": " right "}
_ARROW = re.compile(r"\s*(?:[-=]+>|→)\s*")
_FIELD = re.compile(r"((?:^|[.;,])\s*(?:speed|lane|path|direction|steering|lateral|longitudinal|lat|lon|long))\s*:\s*")
_SENTENCE_END = re.compile(r"(?<=[a-z)%][.!?])\s+|(?<=\d\.)\s+(?=[a-z])|(?<=[a-z])\.\s*$")


@dataclass(frozen=True)
class Clauses:
    """One sentence, in words as `plain` has them.

    Attributes:
        decision: what is told of the ego, and of others in the same breath.
        why: what follows its first connective, that included; empty where there is none.
        before: what was told before the decision, as its cause; None where the decision comes first.
        led_by: the connective that the sentence opens with ("to make the right turn, ..."); empty where there is none.
    """

    decision: str
    why: str = ""
    before: str | None = None
    led_by: str = ""

    @property
    def purposes(self) -> list[str]:
        """What the ego does it for: a manoeuvre, or a thing ("for the stop line")."""
        leads = [f"{self.led_by} {self.before}"] if wording.FOR.fullmatch(self.led_by) else []
        return [*leads, *(f"{mark} {piece}" for mark, piece in self._pieces() if wording.FOR.fullmatch(mark))]

    @property
    def asides(self) -> list[str]:
        """What is told after a colon, semicolon or dash: as often more of the decision as its cause."""
        return [piece for mark, piece in self._pieces() if wording.STRONG_BREAK.fullmatch(mark)]

    @property
    def causes(self) -> list[str]:
        """What is given as the reason."""
        led_by = [] if self.before is None else [self.before]
        return [*led_by, *(piece for mark, piece in self._pieces() if not wording.FOR.fullmatch(mark))]

    def _pieces(self) -> Iterator[tuple[str, str]]:
        marks = list(wording.CONNECTIVE.finditer(self.why))
        ends = [*(mark.start() for mark in marks[1:]), len(self.why)]
        yield from ((mark[0], self.why[mark.end() : end]) for mark, end in zip(marks, ends, strict=False))


Decides = Callable[[str], bool]
"""Whether a clause says what the ego does."""


def plain(text: str) -> str:
    """Lower-case, without tags and headings, hyphens and underscores as spaces, arrows as semicolons."""
    sided = _SHORT_SIDE.sub(lambda side: _LONG_SIDE[side[1]], text[:_READ])
    bare = _TAG.sub(" ", _ARROW.sub(";", sided.lower())).translate(_SAME_LENGTH).strip()
    told = _FIELD.sub(r"\1 ", wording.HEADING.sub("", bare)).replace("right of way", "priority")
    for short, words in _SHORT:
        told = short.sub(words, told)
    told = _FROM_TO.sub(_up_or_down, told)
    return wording.AUXILIARY_TO.sub(r"\1 to~", told)


def _up_or_down(change: re.Match[str]) -> str:
    """A change in figures as "up to" or "down to" the second one."""
    return "up to " if float(change["becomes"]) > float(change["was"]) else "down to "


def clauses_of(text: str, decides: Decides) -> Iterator[Clauses]:
    """The sentences of a text, each cut at its connectives.

    Args:
        text: as `plain` gives it.
        decides: tells which side of a break in the sentence holds the decision.
    """
    for sentence in _SENTENCE_END.split(text):
        if sentence.strip(" .,;:"):
            yield _cut_sentence(sentence, decides)


def _cut_sentence(sentence: str, decides: Decides) -> Clauses:
    so = wording.THEREFORE.search(sentence)
    if so and _is_result(sentence[: so.start()], sentence[so.end() :], decides):
        return _after(sentence[: so.start()], _cut(sentence[so.end() :], decides))
    result = wording.RESULTS_IN.search(sentence)
    if result and _is_result_told(sentence[: result.start()], sentence[result.end() :], decides):
        return _after(sentence[: result.start()], _cut(sentence[result.end() :], decides))
    opening = wording.OPENING.match(sentence)
    if not opening:
        return _cut(sentence, decides)
    rest = sentence[opening.end() :]
    begins = _end_of_opening(rest, decides)
    return replace(_after(rest[:begins], _cut(rest[begins:], decides)), led_by=opening[0].strip())


def _is_result(before: str, after: str, decides: Decides) -> bool:
    """Whether the decision follows a "so": always where none precedes it, else where the ego is named once more."""
    if not decides(_until_cause(before)):
        return True
    named = wording.EGO_AS_SUBJECT.match(after.lstrip()) is not None
    return named and decides(_until_cause(after))


def _is_result_told(before: str, after: str, decides: Decides) -> bool:
    """Whether only what follows a "requires" or "leading to" tells a decision."""
    return not decides(before) and decides(_until_cause(after))


def _until_cause(text: str) -> str:
    """What stands before the first connective."""
    found = wording.CONNECTIVE.search(text)
    return text[: found.start()] if found else text


def _after(before: str, clauses: Clauses) -> Clauses:
    """With a cause that was told before the decision."""
    return replace(clauses, before=before if clauses.before is None else f"{before}, {clauses.before}")


def _end_of_opening(rest: str, decides: Decides) -> int:
    """Where the decision begins after a leading cause.

    At the first comma or mention of the ego that one follows; where there is neither, it is somewhere in the cause.
    """
    breaks = [match.end() for match in re.finditer(rf",|(?={wording.EGO_AS_SUBJECT.pattern})", rest)]
    return next((at for at in breaks if decides(_until_cause(rest[at:]))), breaks[0] if breaks else 0)


def _cut(sentence: str, decides: Decides) -> Clauses:
    """Decision first: what follows the first connective is a cause, but for a break with no decision before it."""
    mark = wording.CONNECTIVE.search(sentence)
    if not mark:
        return Clauses(sentence)
    before, after = sentence[: mark.start()], sentence[mark.end() :]
    if wording.STRONG_BREAK.fullmatch(mark[0]) and not decides(before):
        return _after(before, _cut_sentence(after, decides))
    return Clauses(before, sentence[mark.start() :])


def of_the_ego(clause: str, *, bare: bool = False) -> str:
    """The clause with the ego as a mark, and gaps for what others do and things are called.

    Args:
        bare: "the car" and "it", as subjects, mean the ego.
    """
    own = wording.EGO_AS_OBJECT.sub(_blank, clause)
    own = wording.EGO_AS_SUBJECT.sub(wording.EGO, own)
    own = wording.MADE_TO.sub(rf"\1 {wording.EGO}", own)
    own = wording.BARE_EGO.sub(lambda match: f"{match['before']}{wording.EGO}", own) if bare else own
    own = wording.IT.sub(_blank, own)
    own = wording.THINGS.sub(_blank, own)
    return wording.OTHERS.sub(_blank, own)


def _blank(match: re.Match[str]) -> str:
    """A word that no pattern knows, and spaces that none bridges to what follows; one that stands is told apart."""
    return "  #still " if wording.STILL.match(match[0]) else "  # "
