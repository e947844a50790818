"""How sentences put what the ego does: the words that `text_claims` reads a claim from.

Patterns are for lower-case text. Longitudinal words map to the buckets that they allow, those of a decision to the
buckets that agree with it; the released autolabeler's wording is among them (label rules, Decisions).
"""

from __future__ import annotations

import re

from coc_assets.filtered_coc.consistency import LONGITUDINAL_AGREEMENT
from coc_assets.filtered_coc.motion import LongitudinalBucket

CONNECTIVE = re.compile(
    r"\b(?:because|since|as|due to|owing to|thanks to|given|caused by|in response to|on account of"
    r"|(?<!search )(?<!searching )(?<!searches )for|so that|so as|in order to"
    r"|to (?:avoid|allow|let|give|make|prevent|keep|maintain|yield|clear|pass|overtake|match|follow))\b"
    r"|[;:—]"
)
"""Where the decision clause of a sentence ends and its causes begin."""

_ACTOR = (
    r"(?:vehicle|car|truck|bus|van|lorry|lead|pedestrian|person|cyclist|rider|bicycle|motorcycle|scooter|trailer"
    r"|traffic|object|obstacle|animal|agent|driver)s?"
)
NOT_THE_EGO = re.compile(
    r"\b(?:stopped|stopping|slow(?:er|ing|ed)?(?:[- ](?:down|moving))?|braking|decelerating|accelerating|passing"
    r"|turning|reversing|waiting|merging|yielding|crossing|parked|standing|nudging|moving)"
    rf"\s+(?:(?!for\b|behind\b|to\b|with\b|the\b|a\b|an\b|down\b|at\b)\w+\s+)?{_ACTOR}\b"
    r"|\bstop[- ]?(?:sign|line|light|bar|area|and[- ]go)s?\b|\b(?:bus|tram) stops?\b|\bturn (?:lane|signal)s?\b"
    r"|\b(?:without|instead of|rather than|not|never)\s+(?:\w+ly\s+)?(?:to\s+)?\w+"
)
"""What other actors do, road furniture, and what the ego is said not to do: none of it is the ego's decision."""

_SPEED = r"(?:\w+\s+){0,3}?(?:speed|pace|velocity)"
_STOPPED: frozenset[LongitudinalBucket] = frozenset({"stopped"})
_TO_A_STOP: frozenset[LongitudinalBucket] = frozenset({"slow_down", "stopped"})
_REVERSE: frozenset[LongitudinalBucket] = frozenset({"reverse"})
_FASTER: frozenset[LongitudinalBucket] = frozenset({"speed_up"})
_ONWARD: frozenset[LongitudinalBucket] = frozenset({"speed_up", "steady"})
_SLOWER: frozenset[LongitudinalBucket] = frozenset({"slow_down"})
_STEADY: frozenset[LongitudinalBucket] = frozenset({"steady"})

LONGITUDINAL: tuple[tuple[str, frozenset[LongitudinalBucket]], ...] = (
    (r"\brevers(?:e|es|ing)\b|\bback(?:s|ing)? up\b", _REVERSE),
    (r"\b(?:slow|decelerat|brak)\w*\s+(?:\w+\s+){0,2}?to\s+(?:a\s+)?(?:\w+\s+)?(?:stop|halt|standstill)\b", _TO_A_STOP),
    (r"\b(?:stop|stops|stopping|halt|halts|halting|wait|waits|waiting)\b|\bstandstill\b", _STOPPED),
    (r"\b(?:remain|stay|hold|come|keep|stand|sit)(?:s|ing)?\s+(?:\w+\s+)?(?:stopped|stationary|still|put)\b", _STOPPED),
    (r"\byield(?:s|ing)?\b|\bgives? way\b|\bgiving way\b", LONGITUDINAL_AGREEMENT["yield"]),
    (r"\bovertak(?:e|es|ing)\b|\bpass(?:es|ing)?\b", LONGITUDINAL_AGREEMENT["acceleration_for_passing"]),
    (r"\bgap[- _]search|\bsearch(?:es|ing)? for a gap\b", LONGITUDINAL_AGREEMENT["gap_searching"]),
    (r"\b(?:keep|maintain|hold|leave|increase)(?:s|ing)?\s+(?:\w+\s+){0,3}?(?:distance|gap|headway)\b",
     LONGITUDINAL_AGREEMENT["lead_obstacle_following"]),
    (r"\bfollow(?:s|ing)?\b(?!\s+the\s+(?:lane|road|curve|route|bend))|\blead[_ ]obstacle[_ ]following\b",
     LONGITUDINAL_AGREEMENT["lead_obstacle_following"]),
    (rf"\b(?:adapt|adjust)(?:s|ing)?\s+{_SPEED}\b|\bspeed[_ ]adaptation\b", LONGITUDINAL_AGREEMENT["speed_adaptation"]),
    (r"\bresum(?:e|es|ing)\b|\bset[_ ]speed[_ ]tracking\b", LONGITUDINAL_AGREEMENT["set_speed_tracking"]),
    (rf"\baccelerat(?:e|es|ing)\b|\bspeed(?:s|ing)? up\b|\b(?:increas|gain|pick)\w*\s+(?:up\s+)?{_SPEED}\b", _FASTER),
    (r"\b(?:driv|mov|set|pull)\w*\s+(?:off|away)\b|\bstart(?:s|ing)? (?:moving|to move)\b", _FASTER),
    (r"\bproceed(?:s|ing)?\b", _ONWARD),
    (rf"\bslow(?:s|ing)?\b|\bdecelerat(?:e|es|ing|ion)\b|\bbrak(?:e|es|ing)\b|\breduc\w*\s+{_SPEED}\b|\bease off\b",
     _SLOWER),
    (rf"\b(?:keep|maintain|hold|continu|track)\w*\s+(?:at\s+)?{_SPEED}\b|\bcruis(?:e|es|ing)\b", _STEADY),
    (r"\b(?:constant|steady|same|current)\s+speed\b|\bfree driving\b", _STEADY),
)  # fmt: skip
"""What words claim about speed. Of several claims the first in the clause counts, and of equals the first here."""

_MANOEUVRE = (
    r"(?:turn|steer|veer|bear|merg|split|mov|shift|nudg|swerv|drift|lane[- _]chang|chang\w*\s+lanes?|chang"
    r"|pull\w*\s+over|pull|exit|swing|go|edg|u-turn)\w*"
)
_FILLER = (
    r"(?:to|into|onto|towards?|the|a|an|its|slightly|gently|sharply|briefly|one|lanes?|over|back|out|in|side|adjacent)"
)
TO_ONE_SIDE = re.compile(
    rf"\b{_MANOEUVRE}\b(?:\s+{_FILLER})*?\s+(?P<after>left|right)(?:wards?)?\b"
    rf"|\b(?P<before>left|right)(?:wards?)?[- _]+(?:lane[- _]+)?{_MANOEUVRE}\b"
)
"""A manoeuvre and its side, with nothing between them that the side could belong to instead."""
TO_EITHER_SIDE = re.compile(
    r"\bchang(?:e|es|ing)\s+lanes?\b|\blane[- _]change\b|\bturn(?:s|ing)?\b|\bmerg(?:e|es|ing)\b|\bnudg(?:e|es|ing)\b"
    r"|\bpull(?:s|ing)?\s+over\b|\bu-turn\b"
)
NUDGE = re.compile(r"\b(?:nudg|edg)\w*\b|\bslightly\b")
IN_LANE = re.compile(
    r"\b(?:keep|stay|remain|continu)\w*\s+(?:\w+\s+){0,2}?(?:lane|straight)\b|\blane[- _]keeping\b"
    r"|\bgo(?:es|ing)?\s+straight\b"
)
HEDGE = re.compile(
    r"\b(?:may|might|could|possibly|perhaps|potentially|probably|likely|prepar\w*|plan\w*|intend\w*|consider\w*"
    r"|about to|ready to|if)\b"
)

RED_LIGHT = re.compile(
    r"\bred\s+(?:\w+\s+)?(?:light|signal|arrow)\b"
    r"|\b(?:light|signal|arrow)\s+(?:is\s+|turns\s+|turned\s+|turning\s+|shows\s+)?red\b"
)
GREEN = re.compile(r"\bgreen\b")
COLLISION = re.compile(r"(?<!no )(?<!no risk of )\b(?:collisions?|collid\w+|crash\w*|near[- ]miss)\b")
