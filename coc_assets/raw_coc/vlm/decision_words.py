"""Words by which free sentences tell what the ego does: for its speed, for its moves to a side, and for who it is.

Patterns are for lower-case clauses in which others' doings are blanked out (`reasoning_text.of_the_ego`).
"""

from __future__ import annotations

import re
from typing import Literal

from resources.schemas import LateralDecision, LongitudinalDecision

Open = Literal["slow", "wait"]
"""What the words say of speed where they leave the decision to the cause."""
GOES_ON = "goes_on"
"""Words that the ego drives, at whatever speed; they give way to a decision told in the same breath."""
OpenSide = Literal["shift", "head"]
"""A move to a side whose size the words leave to what it is for: as a shift mostly a nudge, as a heading anything."""

# ── who ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

ACTOR = (
    r"(?:vehicle|car|truck|lorry|lorries|bus|buse|minibus|coach|van|minivan|suv|sedan|pickup|taxi|cab|ambulance|tractor"
    r"|trailer|tram|train|lead|leader|pedestrian|person|people|adult|man|men|woman|women|lady|boy|girl|kid|child|children"
    r"|worker|jogger|runner|dog|deer|cyclist|rider|biker|bicycle|bicyclist|bike|moped|motorcycle|motorcyclist|scooter"
    r"|traffic|queue|object|obstacle|animal|agent|driver)s?"
)
_DOES = (
    r"(?:turn|merg|chang|cut|nudg|cross|stopp?|slow|brak|decelerat|accelerat|pull|yield|revers|back|mov|swerv|drift"
    r"|overtak|pass|wait|approach|enter|emerg|proceed|com|exit|shift|encroach|mak|driv|travel|speed|keep|giv|go|head"
    r"|leav|walk|run|step|stand|creep|crawl|edg|veer|halt|resum|set|block|obstruct|park|swing)"
)
_DOING = (
    r"(?:stopping|slow(?:er|ing|ed)?(?:[- ](?:down|moving))?|braking|decelerating|accelerating|passing|turning"
    r"|reversing|waiting|merging|yielding|crossing|nudging|moving|standing|cutting[- ]in)"
)
_NO_NOUN = r"(?:for|behind|to|with|the|a|an|down|at|and|around|past|left|right|before|in|on|until|by|of|from|then)"
_WHICH = (
    r"(?:\s+(?:ahead|in front|(?:on|to|from) (?:the|our|its|my) (?:left|right)|in the (?:\w+ )?lane|that|who|which|is"
    r"|are|was|were|has|have|had|may|might|just|also|too|very|rather|quite|currently|suddenly|begun to"
    r"|(?:begins?|starts?)(?: to)?))*"
)
_TO_A_SIDE = r"(?:\s+(?:to|into|onto|from|towards?|the|its|our|ego|a|in|out|over|down|left|right|lanes?|road|path)\b)*"
_AT_REST = (
    r"(?:stop|halt|standstill|rest|stopping|stopped|standing|waiting|having (?:\w+ )?(?:stopped|waited|yielded|stood))"
)
NOT_THE_EGO: tuple[re.Pattern[str], ...] = (
    # signs, places and things whose names hold a decision's word
    re.compile(r"\bstop[- ]?(?:sign|line|light|bar|area|point)s?\b|\bstop[- ]and[- ]go\b|\b(?:bus|tram|taxi) stops?\b"),
    re.compile(r"\byield signs?\b|\bspeed (?:limit|bump|hump|table|cushion)s?\b|\bbrake[- ]?lights?\b"),
    re.compile(
        r"\b(?:turn|turning|merge|merging|passing|overtaking|exit|acceleration|deceleration|waiting)"
        r"(?=[- ](?:lane|pocket|signal|arrow|area|point|bay|sign)s?\b)"
    ),
    re.compile(r"\bslow(?:er)?(?= lane\b)"),
    # what is over: "sets off after the stop", "from a standstill", "after yielding"
    re.compile(r"\bafter\s+(?:\w+ly\s+)?\w+ing\b|\b(?:stop|wait|halt) (?:is |was )?(?:over|finished)\b"),
    re.compile(rf"\b(?:from|after|following|out of)\s+(?:an?\s+|the\s+|its\s+|our\s+)?(?:\w+\s+)?{_AT_REST}\b"),
    # what others do: "the slowing truck", "the car turning left", "lead too slow"
    re.compile(rf"\b{_DOING}\s+(?:(?!{_NO_NOUN}\b)\w+\s+)?{ACTOR}\b"),
    re.compile(rf"\b{ACTOR}\b{_WHICH}\s+{_DOES}(?:e|s|es|ed|ing|ning|ting|ping)?\b{_TO_A_SIDE}"),
    re.compile(
        rf"\b{ACTOR}'s\s+(?:\w+\s+)?"
        r"(?:lane change|turn|nudge|merge|stop|acceleration|deceleration|braking|speed|pace)\b"
    ),
    # what the ego does not do
    re.compile(
        r"\b(?:without|instead of|rather than|not|neither|nor|never|cannot|no longer|refrain(?:s|ing)? from"
        r"|no need (?:to|for)|no reason to|avoid(?:s|ing)?)\s+"
        r"(?:(?:\w+ly|to|needs?|have|having|be|being|yet|any|an?|the)\s+)*\w+(?:\s+(?:lanes?|left|right)\b)?"
    ),
)
_EGO_IS = r"(?:ego|host|subject|self[- ]driving|autonomous|automated|driverless|robot|hero|av)"
_CARRIAGE = r"(?:vehicle|car|taxi|truck|shuttle|agent|driver)"
EGO_AS_SUBJECT = rf"(?:the |our |its )?{_EGO_IS}(?:[- ]{_CARRIAGE})?\b|(?:the )?robotaxi\b|(?:our|my) {_CARRIAGE}\b"
EGO: tuple[re.Pattern[str], ...] = (
    re.compile(rf"\b(?:{EGO_AS_SUBJECT})"),
    re.compile(
        r"(?:^\W*|,\s*(?:and |so |then )?|^\W*(?:in|on|at) (?:the|an?) \w+ (?:\w+ )?)"
        r"the (?:vehicle|car|driver|taxi|truck)\b"
        r"(?=\s+(?:\w+ly\s+)?(?:is|should|must|will|needs?|has to|decides?|plans?|begins?|starts?|continues|slows|stops"
        r"|yields|turns|keeps|maintains|holds|changes|nudges|resumes|accelerates|brakes|decelerates|proceeds|follows"
        r"|remains|stays|merges|waits|adapts|adjusts|reduces|lowers|decreases|increases|drops|cuts its|sheds|trims"
        r"|eases|lets|lifts|halts|sets off|gets|goes|drives|moves|pulls|steers|swings|takes|makes|comes to|rolls|coasts"
        r"|gives|picks|gains|gathers|speeds|stands|overtakes|passes|shifts|edges|switches|hangs|releases|steps on)\b"
        r"(?! (?:crossing|cutting|merging|turning) (?:in|into|from)))"
    ),
)

# ── speed ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

# The speed, with what stands before the noun; never over an "and" or a verb to what the ego does next.
_SPEED = (
    r"(?:(?!(?:and|or|then|while|but|by|with|until|lane|reduc\w*|decreas\w*|increas\w*|lowering|dropping|cutting)\b)"
    r"\w+\s+){0,4}?(?:speed|pace|velocity)"
)
_NOT_PASSED = r"(?:oncoming|parked|stopped|stationary|static|standing|double[- ]parked|disabled|broken)"
_NOTHING_TO_PASS = (
    r"(?!\s+(?:through|by\b|under|over|between|straight|beneath|safely through"
    rf"|(?:the\s+|an?\s+|\w+ing\s+)?(?:\w+\s+)?(?:{_NOT_PASSED}|intersection|junction|crosswalk|cones?|construction|debris"
    r"|obstacles?|work)))"
)
_FOR_ROOM = r"(?:distance|gap|headway|spacing|cushion|buffer|daylight)"
_LESS = (
    r"(?:reduc|lower|decreas|drop|cut|trim|shed|scrub|bleed|los|lessen|curb|check|dial|tak|shav|knock|slacken|eas|throttl"
    r"|wind|diminish)(?:e|es|s|ed|ing|ting|ming|ping|bing)?"
)
_GAP: LongitudinalDecision = "gap_searching"
_PASS: LongitudinalDecision = "acceleration_for_passing"
_YIELD: LongitudinalDecision = "yield"
_STOP: LongitudinalDecision = "stop_for_static_constraint"
_FOLLOW: LongitudinalDecision = "lead_obstacle_following"
_ADAPT: LongitudinalDecision = "speed_adaptation"
_GO: LongitudinalDecision = "set_speed_tracking"

LONGITUDINAL: tuple[tuple[str, LongitudinalDecision | Open | Literal["goes_on"]], ...] = (
    # gaps
    (r"\bgap[- _]search\w*", _GAP),
    (r"\b(?:search|look|wait|hunt|scan)\w* for (?:an? |the )?(?:\w+ )?(?:gap|opening|space)\b", _GAP),
    (r"\b(?:find|seek|creat|mak|open)\w* (?:up )?(?:an? |the )?(?:\w+ )?(?:gap|opening)\b", _GAP),
    # overtaking
    (
        rf"\b(?:accelerat|speed)\w*\s+(?:up\s+)?(?:\w+\s+){{0,8}}?"
        rf"(?:past|to (?:pass|overtake|bypass|get (?:past|around|ahead of)|go around)){_NOTHING_TO_PASS}",
        _PASS,
    ),
    (rf"\b(?:overtak(?:e|es|ing)|pass(?:es|ing)?|bypass(?:es|ing)?)\b{_NOTHING_TO_PASS}", _PASS),
    (rf"\bget(?:s|ting)? (?:past|ahead of)\b{_NOTHING_TO_PASS}|\bacceleration[_ ]for[_ ]passing\b", _PASS),
    # others go first
    (r"\byield(?:s|ing)?\b|\bced(?:e|es|ing)\b|\bdefer(?:s|ring)? to\b", _YIELD),
    (
        r"\b(?:giv(?:e|es|ing)|grant(?:s|ing)?|offer(?:s|ing)?)\s+(?:\w+\s+){0,4}?"
        r"(?:way|priority|precedence|right[- ]of[- ]way)\b|\bmak(?:e|es|ing) (?:way|room) for\b",
        _YIELD,
    ),
    (r"\bgiv(?:e|es|ing) (?:(?!the ego)\w+ ){1,4}(?:time|space|room) to (?:cross|get|pass|merge|go|walk)\b", _YIELD),
    (
        r"\blet(?:s|ting)?\s+(?!(?:its|the|our|a) (?:speed|pace|velocity|gap|distance|car\b)|up\b|off\b|go of\b)\w",
        _YIELD,
    ),
    (r"\ballow(?:s|ing)?\s+(?!(?:its|the|our) (?:speed|pace|velocity|gap|distance))\w", _YIELD),
    # stopping and standing
    (
        r"\b(?:com|slow|decelerat|brak|roll|coast|glid|eas|reduc|bring|brought)\w*\s+(?:(?!and\b)\w+\s+){0,4}?"
        r"to\s+(?:an?\s+)?(?:\w+\s+)?(?:stop|halt|standstill|rest)\b",
        _STOP,
    ),
    (r"\bspeed (?:\w+ ){0,2}?to (?:zero|nothing|0)\b|\bvelocity (?:\w+ ){0,2}?to (?:zero|nothing|0)\b", _STOP),
    (r"\b(?:slow|decelerat|brak)\w* (?:\w+ )?to (?:zero|nothing)\b", _STOP),
    (r"\bstop(?:s|ping)?\b|\bhalt(?:s|ing)?\b|\bstandstill\b|\bhold(?:s|ing)? (?:its )?position\b", _STOP),
    (r"\bhold(?:s|ing)? (?:\w+ly )?(?:at|behind|before|short)\b|\bpark(?:s|ing)? behind\b", _STOP),
    (r"\b(?:pull|draw)(?:s|ing)? up (?:behind|at|to|before|short)\b", _STOP),
    (
        r"\b(?:remain|stay|hold|keep|stand|sit|is|are|be|being)(?:s|ing)?\s+(?:\w+ly\s+)?"
        r"(?:stopped|stationary|standing|motionless|still|put|tight|at rest|at a standstill|in place)\b"
        rf"(?!\s+{ACTOR}\b)",
        _STOP,
    ),
    (r"\bstands?\b(?! out)", _STOP),
    (r"\bwait(?:s|ing)?\b", "wait"),
    # others ahead
    (
        rf"\b(?:keep|maintain|hold|leav|increas|preserv|regain|restor|extend|widen|creat)\w*\s+(?:up\s+)?(?:\w+\s+){{0,3}}?"
        rf"{_FOR_ROOM}\b",
        _FOLLOW,
    ),
    (
        r"\b(?:stay|keep|remain|continu|tuck|settl|slot|fall|drop|queue|sit)\w*\s+(?:back\s+)?(?:in\s+)?behind\b"
        r"|\blead[_ ]obstacle[_ ]following\b",
        _FOLLOW,
    ),
    (r"\b(?:leav|giv|allow)\w* (?:more |enough )?(?:room|space) to (?:the|a) (?:lead|vehicle|car|truck)\b", _FOLLOW),
    (rf"\b(?:proceed|driv|travel|go|roll|cruis|mov)\w* (?:\w+ly )?behind\b|\bat an? (?:\w+ )?{_FOR_ROOM}\b", _FOLLOW),
    (rf"\b(?:clos|allow|let|grow|reduc)\w* (?:up )?(?:the|its|our|a) (?:\w+ )?{_FOR_ROOM}\b", _FOLLOW),
    (r"\b(?:abort|cancel|abandon)\w* (?:its |the |an? )?(?:overtak|pass)\w+", _FOLLOW),
    (
        r"\b(?:hang|drop|fall|hold)(?:s|ing)? back\b|\bkeep(?:s|ing)? (?:well )?back\b|\bsafe distance back\b"
        r"|\bkeep(?:s|ing)? pace with\b",
        _FOLLOW,
    ),
    (
        r"\b(?:match|adopt|mirror|cop|align)(?:s|es|ies|y|ing)? (?:(?:to|with|the|its|their) )*(?:\w+ )?"
        r"(?:speed|pace|velocity|flow)\b(?! limit)"
        r"|\b(?:trail|tail|shadow)(?:s|ing)?\b(?= (?:the|an?|its|behind)\b)|\bcar[- ]following\b",
        _FOLLOW,
    ),
    (
        r"\bfollow(?:s|ing)?\b(?!\s+(?:the\s+|its\s+|a\s+)?(?:\w+\s+)?"
        r"(?:lane|road|curve|route|bend|path|distance|speed limit|rules?))",
        _FOLLOW,
    ),
    # adapting, faster, as before
    (
        rf"\b(?:adapt|adjust|moderat|modulat|tailor|regulat)\w*\s+{_SPEED}\b|\bspeed[_ ]adaptation\b"
        r"|\bspeed (?:(?:is|gets|being) )?(?:adapted|adjusted)\b",
        _ADAPT,
    ),
    (r"\bresum(?:e|es|ing)\b(?!\s+following)", _GO),
    (r"\baccelerat(?:e|es|ing|ion)\b|\bspeed(?:s|ing)? (?:back )?up\b|\bset[_ ]speed[_ ]tracking\b", _GO),
    (rf"\b(?:increas|gain|pick|regain|gather|rais|build)\w*\s+(?:back\s+)?(?:up\s+)?{_SPEED}\b", _GO),
    (r"\b(?:bring|tak|push|work)\w* (?:its|the|our) (?:speed|pace|velocity) (?:back )?up\b", _GO),
    (
        r"\b(?:speed|pace|velocity) (?:\w+ly )?(?:rises|increases|climbs|goes up|picks up|up)\b"
        r"|\b(?:speed|pace|velocity) (?:(?:is|gets|being) )?(?:\w+ly )?(?:increased|raised|built up|unchanged|steady"
        r"|constant|held|kept|maintained)\b",
        _GO,
    ),
    (r"\b(?:go|driv|mov|get)\w* faster\b|\bmore (?:speed|throttle|gas)\b|\bquicken(?:s|ing)?\b", _GO),
    (r"\b(?:step|hit|press|get|squeez|push)\w* (?:on |down )*(?:the )?(?:gas|throttle|accelerator)\b", _GO),
    (r"\b(?:return|get|go|com)\w* (?:back )?(?:up )?to (?:its |the |our )?(?:\w+ )?(?:speed|pace)\b", _GO),
    (
        rf"\b(?:keep|maintain|hold|continu|track|carr|driv|travel|stay)\w*\s+(?:on\s+)?(?:at\s+|with\s+)?{_SPEED}\b"
        rf"(?! (?:low|down|in check))",
        _GO,
    ),
    (
        r"\b(?:keep|maintain|hold)\w* (?:\w+ )?lane and (?:the |its |our |same |current |present |set )*"
        r"(?:speed|pace|velocity)\b",
        _GO,
    ),
    (r"\b(?:constant|steady|unchanged|same|current|uniform) (?:(?:speed|pace|velocity)\b|\d)", _GO),
    (
        r"\b(?:keep|continu|carr|hold|maintain)\w* (?:on |going |steady )?(?:at )?(?:about |around |a steady )?"
        r"\d+(?:\.\d+)? ?(?:m/s|km/h|kph|mph)",
        _GO,
    ),
    (r"\bcruis(?:e|es|ing)\b|\bpass(?:es|ing)?\s+(?:safely\s+)?through\b", _GO),
    # setting off
    (
        r"\b(?:driv|mov|set|pull|tak|head|roll)(?:e|es|s|ing|ting)?\s+"
        r"(?:off|away(?! from (?:the )?(?:parked|stopped|#)))\b(?! (?:its|the|some)\b)",
        _GO,
    ),
    (
        r"\b(?:start|begin|commenc)(?:s|ing|ning)? (?:moving|to move|rolling|driving|up|again|out|from|off)\b(?! to\b)"
        r"|\bget(?:s|ting)? (?:going|moving|rolling|under ?way)\b",
        _GO,
    ),
    (r"\b(?:leav|end|break|com|finish|quit)\w*\s+(?:out of\s+)?(?:its|the|our) (?:stop|halt|standstill|wait)\b", _GO),
    (r"\b(?:com(?:e|es|ing) out of|start(?:s|ing)?) #|\b(?:depart|launch|restart)(?:s|es|ing)?\b|\boff we go\b", _GO),
    (r"\b(?:mov|driv|roll|go|start)\w* again\b|\bleav(?:e|es|ing) (?:the |its )?#+\s*(?:$|on\b|and\b)", _GO),
    (r"\b(?:releas|com|let|get)\w* (?:off )?(?:the |its )?brakes?\b|\bputs? (?:its |his |the )?foot down\b", _GO),
    (r"\b\w+ (?:its |his |the )?foot (?:off|from) the brake\b", _GO),
    # on the way, at whatever speed
    (r"\bproceed(?:s|ing)?\b|\b(?:carr(?:y|ies|ying)|press(?:es|ing)?) on\b", "goes_on"),
    (r"\bkeep(?:s|ing)? (?:going|moving|rolling|driving)\b|\bcontinu(?:e|es|ing)(?=\s*(?:$|[,;.]|along\b))", "goes_on"),
    (
        r"\b(?:continu|go|driv|mov|roll|pull)\w*\s+(?:on|forward|through|driving|ahead|straight (?:on|through|at))\b",
        "goes_on",
    ),
    # slower
    (
        r"\bslow(?:s|ing)?\b"
        r"|(?:\b(?:go|driv|mov|travel)\w* )?\b(?:slower|more slowly)\b(?! than)"
        r"|\bdecelerat(?:e|es|ing|ion)\b|\bbrak(?:e|es|ing)\b"
        r"|\b(?:eas|back)(?:e|es|s|ing) (?:off|up|down)\b(?! (?:to|into|out))",
        "slow",
    ),
    (rf"\b{_LESS}\s+{_SPEED}\b|\b(?:creep|inch|crawl)(?:s|es|ing)?\b", "slow"),
    (rf"\b(?:{_LESS}|brak\w+) (?:down )?(?:from )?(?:about |around )?\d", "slow"),
    (
        r"\b\w+ (?:its|the|our) (?:speed|pace|velocity) (?:\w+ )?(?:down|off|back(?! (?:up|to\b))|fall|drop|decay)\b"
        r"|\b(?:bring|brought|tak|get)\w* down (?:its|the|our) (?:speed|pace)\b|\bdown in (?:speed|pace)\b",
        "slow",
    ),
    (
        r"\b(?:speed|pace|velocity) (?:\w+ly )?(?:drops|falls|decreases|goes down|comes down|down)\b"
        r"|\b(?:speed|pace|velocity) (?:(?:is|gets|being) )?(?:\w+ly )?(?:reduced|lowered|cut|decreased)\b"
        r"|\bless (?:speed|throttle|gas)\b|\bspeed reduction\b|\breduc(?:ed|tion (?:in|of)) (?:speed|pace)\b",
        "slow",
    ),
    (
        r"\b(?:lift|com|tak|eas|back|let|go)\w* (?:\w+ )?(?:off |back |up |on |from )*(?:the |its )?"
        r"(?:gas|throttle|accelerator)\b"
        r"|\bcoast(?:s|ing)?\b|\b(?:tap|touch|appl|us|hit|press)\w* (?:on )?(?:the |its )?brakes?\b",
        "slow",
    ),
)
"""Words for speed and the decision they mean. The first in the clause counts, of equal places the first here."""

THEN = re.compile(r"\b(?:then|before|afterwards|later)\b")
"""What follows is not done in the same breath."""

# ── sides ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_LANE_SIDE = r"(?:left|right)(?:most|[- ]hand)?"
FILLER = (
    r"(?:to|into|onto|on|towards?|the|a|an|its|slightly|gently|sharply|briefly|smoothly|carefully|safely|one|lanes?|over"
    r"|back|out|off|in|side|adjacent|next|far|hand|wide|farther|further|turn|u-turn|change|lane-change|bit|little)"
)
_HIGHWAY = r"(?:highway|freeway|motorway|mainline)"
_ENDING = r"(?:e|s|es|ing|ting|ping)?"
_TO_SIDE = r"(?:to\s+(?:the\s+|its\s+|our\s+)?)?(?:left|right)\b(?! (?:lane|of\b))"
LATERAL: tuple[tuple[str, LateralDecision | OpenSide], ...] = (
    (r"\babort(?:s|ing)?\b|\bcancel(?:s|l?ing)?\b|\bre-?cent(?:er|re)\w*", "lateral_maneuver_abort"),
    (
        r"\b(?:giv(?:e|es|ing) up|break(?:s|ing)? off|call(?:s|ing)? off|abandon(?:s|ing)?|discontinu(?:e|es|ing))"
        r"(?= (?:its |the )?(?:planned )?(?:(?:left|right) )?(?:lane|change|nudge|turn|merge|manoeuvre|maneuver)\b)",
        "lateral_maneuver_abort",
    ),
    (
        r"(?:\b(?:left|right)(?:wards?|most)?[- ]+)?\b(?:lane[- _](?:chang(?:e|es|ing)|switch(?:es|ing)?|swap)|lc)\b",
        "lane_change",
    ),
    (
        rf"\b(?:chang|switch|swap)(?:e|es|s|ing|ping)?\s+(?:{FILLER}\s+)*?(?:{_LANE_SIDE}[\s-]+)?(?:#+[\s-]+)?lanes?\b",
        "lane_change",
    ),
    (
        r"\b(?:mov|shift|slid|step|go)(?:e|s|es|ing)?\s+(?:over\s+|across\s+)?(?:by\s+)?(?:one|two|an?)\s+lanes?\b",
        "lane_change",
    ),
    (
        rf"\b(?:mov|shift|switch|swap|go|get|transition|drift|steer|slid|slip|cut|pull|swing|cross|eas|head){_ENDING}\s+"
        rf"(?:over\s+|back\s+|out\s+|across\s+|(?:left|right)(?:wards?)?\s+)?(?:in|on)?(?:to\s+)"
        rf"(?:the\s+|an?\s+)?(?:[\w#]+\s+)?(?:{_LANE_SIDE}[\s-]+)?(?:#+[\s-]+)?lane\b",
        "lane_change",
    ),
    (rf"\b(?:tak|us|enter|join|occup)(?:e|es|s|ing|y|ies)?\s+the\s+{_LANE_SIDE}\s+lane\b", "lane_change"),
    (
        r"\bleav(?:e|es|ing) (?:its|the|our) (?:current )?lane (?:for|to|towards) (?:the )?(?:(?:one|lane) )?"
        r"(?:on |to )?(?:the )?(?:left|right)\b",
        "lane_change",
    ),
    (r"^\W*(?:left|right) lane(?=\s*[,;:])", "lane_change"),
    (r"\bmerg(?:e|es|ing)\b|\bmerge[_ ]split\b|\bsplit(?:s|ting)?\b|\bweav(?:e|es|ing)\b", "merge_split"),
    (rf"\bfilter(?:s|ing)? (?:in )?(?:to|into) the {_LANE_SIDE} lane\b|\bjoin(?:s|ing)? the {_HIGHWAY}", "merge_split"),
    (
        r"\btak(?:e|es|ing)\s+(?:the\s+)?(?:next\s+)?(?:left\s+|right\s+)?(?:exit(?:\s+ramp)?|(?:on-?|off-?)?\s?ramp)\b",
        "merge_split",
    ),
    (rf"\bexit(?:s|ing)?\s+(?:left|right|onto|the {_HIGHWAY})|\benter(?:s|ing)?\s+the\s+{_HIGHWAY}", "merge_split"),
    (r"\b(?:keep|bear)(?:s|ing)?\s+(?:to the\s+)?(?:left|right)\s+at\s+the\s+(?:fork|split)", "merge_split"),
    (r"\bpull(?:s|ing)?[- ](?:over|aside)\b|\bpull_over\b", "pull_over"),
    (r"(?<!car )(?<!the )\bpark(?:s|ing)?\b(?=\s+(?:at|on|in|by|the))", "pull_over"),
    (
        r"\bpull(?:s|ing)?\s+(?:in)?to\s+the\s+(?:(?:left|right)\s+)?(?:side|shoulder|curb|kerb|edge)\b",
        "pull_over",
    ),
    (
        r"\b(?:pull|draw)(?:s|ing)?\s+(?:in|up)\s+(?:at|on|by|along|to)\s+(?:the\s+)?"
        r"(?:(?:left|right)(?:[- ]hand)?\s+)?(?:road ?side|side|shoulder|curb|kerb|edge|verge)\b",
        "pull_over",
    ),
    (r"\bnudg(?:e|es|ing)\b|\bswerv(?:e|es|ing)\b|\b(?:in|out[_ ]of)[_ ]lane[_ ]nudge\b", "out_of_lane_nudge"),
    (
        r"\b(?:sidestep|dodg|evad|skirt)(?:e|s|es|ing|ping)?\b(?:\s+(?!left\b|right\b)\w+){0,5}?"
        r"\s+to the (?:left|right)\b",
        "out_of_lane_nudge",
    ),
    (r"\bhug(?:s|ging)? the (?:left|right)(?= (?:edge|side) of (?:its|the) lane)", "in_lane_nudge"),
    (
        r"\b(?:shift|mov|edg|veer|drift|steer|bias|maneuver|manoeuvr|go|bear)(?:e|s|es|ing)?\s+"
        r"(?:slightly\b|gently\b|a (?:bit|little)\b|around\b)",
        "out_of_lane_nudge",
    ),
    (rf"\bbear(?:s|ing)? {_TO_SIDE}(?= slightly| a (?:bit|little))", "out_of_lane_nudge"),
    (
        rf"\b(?:shift|mov|edg|veer|drift|bias|slid){_ENDING}\s+"
        rf"(?:(?:over|out|wide|across|aside|slightly|a (?:touch|bit|little))\s+)*{_TO_SIDE}",
        "shift",
    ),
    (rf"\b(?:pull|swing|steer|go|goes|run){_ENDING}\s+(?:out|wide|over)\s+{_TO_SIDE}", "shift"),
    (
        r"\b(?:path|line|course)\s+(?:(?:further|farther|more|slightly|half|an?|by|bit|little|metre|meter)\s+)*"
        rf"{_TO_SIDE}",
        "shift",
    ),
    (
        r"\b(?:steer|mov|swing|go|goes)(?:e|s|es|ing)?\s+(?:slightly\s+)?(?:to the\s+)?(?:left|right)\s+"
        r"(?:slightly\s+)?(?:to\s+)?(?:around|past|away|avoid)\b",
        "out_of_lane_nudge",
    ),
    (r"\b(?:left|right)wards?\b(?!\s+(?:lane|turn|merg|curve|bend|to the adjacent))", "out_of_lane_nudge"),
    (r"\boffset(?:s|ting)?\s+(?:\w+\s+)?(?:to|left|right)", "out_of_lane_nudge"),
    (
        r"\bturn(?:s|ing)?\b(?!\s+(?:green|red|yellow|amber"
        r"|(?:on|off) (?:(?:the|its|his|our) )?(?:\w+ )?(?:light|lamp|signal|indicator|blinker|hazard|wiper)s?\b))"
        r"|\bu[- ]turn\b",
        "turn",
    ),
    (
        r"\b(?:mak(?:e|es|ing)|tak(?:e|es|ing)|(?:hang|swing|hook)(?:s|ing)?)\s+(?:an?|the)\s+(?:\w+\s+)?(?:left|right)\b"
        r"(?![ -](?:lane|exit|ramp|fork|curve|bend|hand|side|shoulder|one))",
        "turn",
    ),
    (
        rf"\b(?:go|head|swing|steer|bear|swerv)(?:e|s|es|ing)?\s+(?:off\s+)?{_TO_SIDE}(?!\s+(?:around|past))",
        "head",
    ),
    (
        r"\b(?:keep|stay|remain|continu|maintain|hold|stick)\w*\s+(?:\w+\s+){0,3}?(?:lane|straight|centered|centred)\b",
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

IN_LANE = re.compile(
    r"\b(?:with)?in(?:side)?\s+(?:the |its |our |your |ego'?s? |own |current |same )*lane\b|\bin[- _]lane\b"
    r"|\b(?:stay|remain|keep)\w*\s+in\s+(?:\w+\s+)?lane\b|\bwithout\s+(?:leaving|crossing|exiting)\b",
    re.IGNORECASE,
)
SIDE_AFTER = re.compile(rf"(?:[\s-]+{FILLER})*?[\s-]+(left|right)(?:wards?|most)?\b")
SIDE_BEFORE = re.compile(r"\b(left|right)(?:wards?|most)?[\s_-]+$")
SIDE_IN = re.compile(r"\b(left|right)(?:wards?|most)?\b")

SIZES: tuple[tuple[re.Pattern[str], OpenSide | None, LateralDecision], ...] = (
    (
        re.compile(
            r"\b(?:cyclist|bicycl\w*|bike|biker|rider|scooter|pedestrian|jogger|parked|stationary|cones?|obstacles?|debris"
            r"|door|clearance|wide berth)\b"
        ),
        None,
        "out_of_lane_nudge",
    ),
    (
        re.compile(
            r"\b(?:overtak\w*|bypass\w*|get(?:s|ting)? (?:past|around|ahead of)|accelerat\w+ past|to pass)\b"
            r"|\bslow(?:er)?(?:[- ]moving)? (?:lead|vehicle|car|truck|lorry|van|bus)\b|\btoo slow\b|\bis slow(?:er)?\b"
        ),
        None,
        "lane_change",
    ),
    (
        re.compile(
            r"\b(?:intersections?|junction|cross ?roads?|street|avenue|side road|corner|driveway|roundabout"
            r"|traffic lights?|at the (?:lights?|signal)|route|destination)\b"
            r"|\b(?:in|on)to (?:\w+ ){1,3}(?:road|drive|boulevard)\b"
        ),
        "head",
        "turn",
    ),
    (re.compile(r""), "shift", "out_of_lane_nudge"),
)
"""What a move is for, in words; which moves of open size it settles (None: either), and as what. The first counts."""
