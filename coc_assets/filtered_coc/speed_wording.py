"""How sentences put what the ego does with its speed: words, and the buckets of motion that they allow.

Patterns are for what `clauses.of_the_ego` leaves of a clause; the released autolabeler's wording is among them (label
rules, Decisions).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from coc_assets.filtered_coc.consistency import LONGITUDINAL_AGREEMENT
from coc_assets.filtered_coc.motion import LongitudinalBucket

_SPEED = (
    r"(?:(?:down|up|the|its|our|his|ego'?s?|a|this|that|current|present|set|vehicle|overall|some|more|much|of|at|with"
    r"|about|own|target|little|safe|steady|constant|same|moderate|cruising|forward|approach|travel|driving|adapted"
    r"|desired|low|lower|reduced|roughly|any|in)\s+){0,4}(?:speed|pace|velocity|momentum)"
)
_FIGURE = (
    r"(?:about |around |roughly |a steady |a constant |approximately |at |nearly |just )*\d+(?:\.\d+)? ?(?:m/s|km/h"
    r"|kph|mph|kmh)"
)
_STOPPED: frozenset[LongitudinalBucket] = frozenset({"stopped"})
_TO_A_STOP: frozenset[LongitudinalBucket] = frozenset({"slow_down", "stopped"})
_REVERSE: frozenset[LongitudinalBucket] = frozenset({"reverse"})
_FASTER: frozenset[LongitudinalBucket] = frozenset({"speed_up"})
_ONWARD: frozenset[LongitudinalBucket] = frozenset({"speed_up", "steady"})
_SLOWER: frozenset[LongitudinalBucket] = frozenset({"slow_down"})
_STEADY: frozenset[LongitudinalBucket] = frozenset({"steady"})
_NO_FASTER: frozenset[LongitudinalBucket] = frozenset({"slow_down", "steady"})
_UP_TO: frozenset[LongitudinalBucket] = frozenset({"slow_down", "steady", "stopped"})
_SLOWLY: frozenset[LongitudinalBucket] = frozenset({"slow_down", "steady", "speed_up"})


@dataclass(frozen=True)
class SpeedWords:
    """Words for speed and the buckets that they allow.

    Attributes:
        firm: they say which way the speed goes; others ("proceeds", "follows") give way to firm ones beside them.
        stops: they have the ego stop, or give others the way.
        lasts: they tell of what goes on as it was, so that what comes "then" is as much the decision.
    """

    words: str
    buckets: frozenset[LongitudinalBucket]
    firm: bool = True
    lasts: bool = False
    stops: bool = False


LONGITUDINAL: tuple[SpeedWords, ...] = (
    SpeedWords(r"revers(?:e|es|ed|ing)\b(?! course)|back(?:s|ed|ing)? (?:up(?! to)|out|into|down|in)\b"
               r"|(?:driv|mov|roll|go|steer)\w* (?:backwards?|in reverse)", _REVERSE),
    # what leads to a stop, and standing
    SpeedWords(r"(?:cut|reduc|lower|bring|brought|tak|drop|slow|decelerat|brak|com|go)\w*\s+(?:\w+\s+){0,4}?to (?:zero"
               r"|nothing|0(?! ?\d)|nil)\b|speed (?:\w+ ){0,4}?to (?:zero|nothing|0(?! ?\d))\b|"
               r"(?:slow|decelerat|brak|roll|coast|eas|glid|creep|ramp|bring|brought|scrub|taper)\w*\s+"
               r"(?:(?:\w+|§)\s+){0,4}?to\s+(?:an?\s+)?(?:\w+\s+)?(?:stop|halt|standstill|rest)\b"
               r"|slow\w* (?:and|then|before|until|,)+ ?(?:then )?(?:stop|halt|com(?:e|es|ing) to)\w*",
               _TO_A_STOP, stops=True),
    SpeedWords(r"(?:remain|stay|hold|keep|stand|sit|rest|is|are|be|being)(?:s|ing)?\s+(?:\w+ly\s+)?"
               r"(?:stopped|stationary|still|put|halted|at rest|at a (?:complete )?standstill|standing|in place"
               r"|motionless"
               r"|immobile|waiting|parked|where it is|at a (?:complete |full )?(?:stop|halt))\b|(?:is|are"
               r"|was) held (?:at|behind)\b"
               r"|(?:hold|keep|maintain)(?:s|ing)?\s+(?:its |the |our )?(?:stop|standstill|position)\b"
               r"|hold(?:s|ing)?\s+(?:\w+ly\s+)?(?:at|behind|before|short)\b"
               r"|(?:does|do|will|must|should) not (?:\w+ly )?(?:move|proceed|advance|go|enter|start|set off)\b"
               r"|stationary\b(?!\s*§)|motionless\b|(?:stay|rest|sit|remain)(?:s|ing)? at\s+(?:the\s+)?(?:#|line|light"
               r"|signal"
               r"|kerb|curb|crossing|crosswalk|junction|intersection|barrier|gate)"
               r"|stands?\b(?! out)|idl(?:e|es|ing)\b|paus(?:e|es|ed|ing)\b"
               r"|(?:wait|waits|waited|waiting)\b(?!\s+for\s+(?:an?\s+|the\s+)?(?:\w+\s+){0,2}(?:gap|opening)\b)",
               _STOPPED, lasts=True, stops=True),
    SpeedWords(r"(?:stop|stops|stopped|stopping|halt|halts|halted|halting)\b|standstill\b"
               r"|com(?:e|es|ing) to (?:an? )?(?:\w+ )?(?:stop|halt|standstill|rest)\b|com(?:e|es|ing) to rest\b"
               r"|(?:full|complete|dead) (?:stop|halt)\b|park(?:s|ed|ing)? (?:itself )?(?:behind|at)\b"
               r"|comes? to stand\b|end(?:s|ed|ing)? up (?:standing|stopped|stationary)\b|freez(?:e|es|ing)\b"
               r"|go(?:es)? no (?:further|farther)\b"
               r"|(?:end|terminat|halt|finish|ceas)\w* (?:its|all) (?:motion|movement)\b", _STOPPED, stops=True),
    # giving others the way
    SpeedWords(r"yield(?:s|ed|ing)?\b|(?:giv(?:e|es|ing|en)|grant\w*|offer\w*|afford\w*)\s+(?:\w+\s+){0,6}?(?:way"
               r"|priority|precedence)\b"
               r"|ced(?:e|es|ed|ing)\b|conced(?:e|es|ing)\b|defer(?:s|red|ring)? to\b|mak(?:e|es|ing) way\b"
               r"|let(?:s|ting)?\s+(?!off\b|up\b|go\b|(?:the|its) (?:speed|pace|car|vehicle)\b)\S"
               r"|allow(?:s|ed|ing)?\s+(?:the|an?|any|all|#|it|them|him|her|others?|cross|oncoming|pedestrians?"
               r"|traffic)(?!\w)",
               LONGITUDINAL_AGREEMENT["yield"], stops=True),
    SpeedWords(r"hang(?:s|ing)? back\b|giv(?:e|es|ing) (?:it|them|him|her) (?:more |some |enough )?(?:space|room)\b"
               r"|hold(?:s|ing)? off\b|h(?:old|olds|olding|eld) back\b", _UP_TO),
    # gaps
    SpeedWords(r"gap search\w*|(?:search|look|wait|hunt|scan)\w* for (?:an? |the )?(?:\w+ ){0,2}(?:gap|opening)"
               r"|(?:find|seek|creat|mak)\w* (?:an? |the )?(?:\w+ )?(?:gap|opening)",
               LONGITUDINAL_AGREEMENT["gap_searching"], firm=False),
    SpeedWords(r"(?:open|increas|widen|enlarg|grow|lengthen|extend|restor|re ?establish|regain)\w*\s+"
               r"(?:up\s+)?(?:(?!speed|pace)\w+\s+){0,4}?(?:distance|gap|headway|spacing|buffer|cushion)\b",
               _UP_TO),
    SpeedWords(r"(?:clos|reduc|shrink|narrow)\w*\s+(?:up\s+)?(?:the |a |its )(?:\w+ )?(?:gap|distance)\b|catch\w* up\b",
               _ONWARD),
    SpeedWords(r"(?:drop|fall|fell)\w*\s+(?:\w+ly\s+)?(?:back|behind)\b", _SLOWER),
    SpeedWords(r"(?:keep|maintain|hold|leav|preserv|observ|tak)\w*\s+(?:\w+\s+){0,5}?(?:distance|gap|headway|spacing"
               r"|interval|buffer)\b"
               r"|(?:stay|keep|remain|continu|settl|tuck|slot|sit|fall|queue|driv)\w*\s+(?:in\s+)?(?:\w+ly\s+)?behind\b"
               r"|(?:follow|follows|followed|following|trail|trails|trailing|tail|tails|tailing|shadow|shadows)\b"
               r"(?!\s+(?:the\s+|its\s+|a\s+)?(?:\w+\s+){0,2}(?:lane|road|curve|route|bend|path|distance|street|rules?"
               r"|instructions?|limit|markings?)\b)"
               r"|does (?:likewise|the same|so too)\b|follow\w* suit\b|lead obstacle following\b|(?:match|mirror"
               r"|synchroni[sz]|align"
               r"|pac)\w*\s+(?:to\s+)?(?:\w+\s+){0,4}?(?:speed|pace|velocity|flow)\b"
               r"|keep\w* pace with\b|car following\b|go\w* with the flow\b",
               LONGITUDINAL_AGREEMENT["lead_obstacle_following"], firm=False),
    # a change of speed that may be too small to leave the steady bucket
    SpeedWords(rf"(?:adapt|adjust)\w*\s+{_SPEED} up(?:wards?)?\b|at (?:an? )?(?:growing|increasing|rising) (?:speed"
               r"|pace)\b", _ONWARD),
    SpeedWords(rf"(?:adapt|adjust)\w*\s+{_SPEED} down(?:wards?)?\b|at (?:an? )?(?:reducing|falling"
               r"|decreasing) (?:speed|pace)\b",
               _NO_FASTER),
    # faster
    SpeedWords(r"(?:mov|roll|driv|go|travel|in motion|start)\w* (?:\w+ )?again\b|in motion\b|restart\w*|(?:begin|start"
               r"|resum|continu)\w* (?:its|the|our) (?:journey|trip|drive|motion)\b"
               r"|from (?:0|zero|standstill|nothing) to\b|(?:go|come|get|work|run|climb"
               r"|ris)\w*\s+(?:its way\s+)?(?:back\s+)?up to (?:\d|speed|pace|its|cruising|the (?:speed )?limit"
               r"|normal)|back up to (?:speed|pace)\b"
               r"|floors? it\b|pedal (?:down|to the)\b|rev(?:s|ved|ving)? up\b|sprint\w*|kick(?:s|ed|ing)? off\b"
               r"|sets? forth\b|wak(?:e|es|ing) up\b|push(?:es|ing)? (?:on|forward|ahead)\b"
               r"|com(?:e|es|ing) out of (?:its|the)\b|free(?:s|ing)? (?:its|the) brakes?\b|(?:speed|pace"
               r"|velocity) (?:\w+ly )?(?:rises|goes up|climbs|increases|grows|picks up)\b"
               r"|(?:tak|push|bring|brought|ramp|work|turn)\w* (?:its|the) (?:speed|pace|velocity) up\b", _FASTER),
    SpeedWords(r"go(?:es)?(?=\s*(?:$|[,;.]|now\b))", _ONWARD, firm=False),
    SpeedWords(r"\w+ (?:its|the) (?:speed|pace|velocity) (?:down|back|off|away)\b|(?:speed|pace"
               r"|velocity) (?:\w+ly )?(?:drops|falls|sinks|decreases|declines|goes down|comes down|decays)\b"
               r"|tak(?:e|es|ing) it (?:easy|slow\w*)\b|retard(?:s|ed|ing)?\b|slacken\w*|rein(?:s|ed"
               r"|ing)? (?:itself )?in\b|down in speed\b"
               r"|(?:curtail|diminish|lessen|minimi[sz]|tone|wind|drag|pull|work|scal|damp|tam"
               r"|chok)\w*\s+(?:\w+\s+){0,2}?(?:speed|pace|velocity)\b"
               r"|(?:cut|chop|clos|shut|back)\w* (?:off )?(?:the |its )?(?:throttle|gas)\b", _SLOWER),
    SpeedWords(rf"accelerat(?:e|es|ed|ing|ion)\b|speed(?:s|ed|ing)? (?:back )?up\b|sped up\b"
               r"|speed(?:s|ing)? away\b|(?:increas|gain|build|built|gather|rais|boost|add|pick|ramp|up|put)(?:e|es|s"
               rf"|ed|ing)?\s+(?:back\s+)?(?:up\s+|on\s+|a bit of |a little )?{_SPEED}\b"
               r"|(?:pick|step)(?:s|ed|ing|ping)? it up\b|quicken(?:s|ed|ing)?\b|hasten(?:s|ed|ing)?\b|up(?:s"
               r"|ped)? its (?:pace|speed)\b"
               r"|more (?:speed|throttle|gas)\b|(?:step|press|get|squeez|push)\w* (?:on |down )*(?:the )?(?:gas"
               r"|throttle|accelerator)\b"
               r"|(?:appl|add|giv|increas|feed|open)\w*\s+(?:\w+\s+){0,2}?(?:throttle|gas|power)\b|throttl(?:e|es"
               r"|ing) up\b"
               r"|speed (?:is |then |gradually |steadily |gently |slowly )*(?:increased|raised|increases|rises|climbs"
               r"|goes up|builds|grows|picks up|being increased)\b"
               r"|(?:increase|rise|gain|growth) (?:in|of) (?:\w+ )?(?:speed|velocity|pace)\b|speed increase\b"
               r"|(?:at a )?higher speed\b|(?:go|driv|mov|get)\w* faster\b|faster\b|hurr(?:y|ies)\b|surg(?:e|es|ing)\b",
               _FASTER),
    SpeedWords(r"(?:driv|mov|set|pull|head|start|tak|push|roll)(?:e|es|s|ing|ting|s)?\s+(?:back )?(?:off|away(?! from)"
               r"|out from)\b"
               r"(?!\s+(?:the (?:gas|throttle|accelerator|power)|its|to the|(?:some )?(?:speed|pace)|towards?"
               r"|(?:to )?(?:left|right)))"
               r"|(?:pull|driv|mov)\w* away\b(?= from (?:the |a )?(?:stop|kerb|curb|line|light|intersection|standstill"
               r"|junction|signal))|launch(?:es|ing)?\b|depart(?:s|ed|ing)?\b|leav(?:e|es|ing)\s+(?:its\s+"
               r"|the\s+)?(?:standstill|stop|#(?!still)(?=\s*(?:$|,|and\b|then\b))|junction|intersection|kerb|curb"
               r"|parking|line|light)|start(?:s|ed|ing)?\s+#|on (?:its|the|our) way\b|(?:end|finish|break"
               r"|abandon)\w* (?:its|the) (?:stop|halt|wait|standstill|#)"
               r"|set(?:s|ting)? (?:itself|off) in motion|start(?:s"
               r"|ing)? to~? (?:go|drive|move|roll|travel)\b"
               r"|(?:releas\w*|(?:let|com|get|lift|tak)\w*\s+(?:\w+\s+){0,2}?off)\s+(?:\w+\s+){0,2}?brakes?\b"
               r"|brakes? (?:is |are "
               r"|was )?(?:released|off)\b|(?:put|foot)\w* (?:its |the )?foot down\b|foot down\b"
               r"|(?:start|begin|commenc|resum)(?:e|s|es|ing|ning)?\s+(?:to~?\s+|its\s+)?(?:mov\w*|driv\w*|roll\w*"
               r"|forward|from|again|motion|travel\w*|the (?:drive|journey|trip))\b"
               r"|start(?:s|ed|ing)? (?:up|out)\b(?! to)"
               r"|get(?:s|ting)? (?:going|moving|under ?way|rolling|back up to speed|up to speed)\b|go(?:es"
               r"|ing)? (?:on )?(?:the )?(?:green|off)\b"
               r"|(?:is|gets) under ?way\b|set(?:s|ting)? out\b|com(?:e|es|ing) (?:back )?up to speed\b", _FASTER),
    SpeedWords(r"resum(?:e|es|ed|ing|ption)\b|set speed tracking\b|(?:return|go|get"
               r"|com)\w* (?:back )?to\s+(?:\w+ ){0,3}(?:speed|pace|cruising)\b"
               r"|regain\w*\s+(?:\w+ ){0,3}(?:speed|pace)\b", LONGITUDINAL_AGREEMENT["set_speed_tracking"]),
    # slower
    SpeedWords(rf"slow(?:s|ed|ing)?\b(?!\s+(?:speed|pace|traffic))|slow ?downs?\b"
               r"|(?:reduc|lower|decreas|drop|cut|trim|shed|scrub|bleed|bled|los|lost|moderat|curb|check|rein|dial"
               r"|bring|knock|tak|shav|slacken|temper|eas|brought|dump|wip|sap|back|throttl|let)"
               r"(?:e|es|s|ed|ing|ting|ming|ping|bing|ding)?\s+(?:off\s+|back\s+|down\s+|in\s+|away\s+"
               rf"|on\s+)*{_SPEED}\b(?! up)"
               r"|speed (?:is |then |gradually |steadily |gently |slowly |being )*(?:reduced|lowered|decreased|cut"
               r"|dropped|drops|falls|decreases|bleeds|bled|scrubbed|trimmed|taken off|comes down|goes down"
               r"|brought down|shed|eases|declines)\b"
               r"|(?:reduction|decrease|drop|fall|cut|loss) (?:in|of) (?:\w+ )?(?:speed|velocity|pace)\b"
               r"|speed (?:reduction|decrease)\b"
               r"|slower\b(?! than)|more slowly\b|at (?:an? )?(?:reduced|lower) (?:speed|pace)\b|less (?:speed"
               r"|throttle|gas)\b"
               rf"|(?:shed|los|drop|scrub|bleed)\w*\s+{_FIGURE}"
               r"|(?:drop|fall|sink|(?:go|com)\w* down)\w*\s+(?:down |from \S+ ?(?:m/s|km/h|kph|mph)? )?to (?:about "
               r"|around )?\d\S* ?(?:m/s|km/h|kph|mph)", _SLOWER),
    SpeedWords(r"eas(?:e|es|ed|ing)\s+(?:\w+ly\s+)?(?:off|back|up|down|its (?:speed|pace)|the (?:speed"
               r"|pace))\b(?! to (?:the|its) (?:left|right))"
               r"|(?:lift|let|com|tak|back|get|releas)\w*\s+(?:\w+\s+){0,3}?(?:off\s+)?(?:the\s+|its\s+)?(?:throttle"
               r"|gas|accelerator|power)\b"
               r"|lift(?:s|ed|ing)? off\b|let(?:s|ting)? (?:up|off)\b|go(?:es|ing)? easy (?:on|with)\b|back(?:s|ing"
               r"|ed)? off\b|throttl(?:e|es|ing) (?:back|down)\b|(?:down ?shift|gear)s? ?down\b"
               r"|let(?:s|ting)? (?:the|its) (?:speed|pace) (?:\w+ )*(?:drop|fall|decay|bleed|come|ease)\b",
               _NO_FASTER),
    SpeedWords(r"decelerat(?:e|es|ed|ing|ion)\b", _SLOWER),
    SpeedWords(r"brak(?:e|es|ed|ing)\b", _TO_A_STOP),
    SpeedWords(rf"(?:adapt|adjust|modulat|regulat|tun|fit|tailor)\w*\s+{_SPEED}\b|speed adaptation\b"
               r"|speed (?:is )?(?:adapted|adjusted|adjustment)\b"
               rf"|(?:keep|hold|maintain)\w*\s+{_SPEED}\s+(?:low|down|in check|moderate)\b",
               LONGITUDINAL_AGREEMENT["speed_adaptation"]),
    SpeedWords(r"(?:coast|glid|roll)\w* down\b(?! the)", _SLOWER),
    SpeedWords(r"coast(?:s|ed|ing)?\b|glid(?:e|es|ing)\b", _NO_FASTER),
    SpeedWords(r"roll(?:s|ed|ing)? (?:up|in) (?:to|behind)\b|clos(?:e|es|ing) in on\b|pull(?:s|ing)? up\b|draw(?:s"
               r"|ing)? up\b", _UP_TO),
    # as before
    SpeedWords(r"(?:keep|kept|maintain|hold|held|preserv|sustain|continu|track|stay|stick|remain|retain|travel"
               rf"|carr)\w*\s+(?:at\s+|to\s+|with\s+|on at\s+)?(?:{_SPEED}(?! with)|{_FIGURE})\b"
               r"|cruis(?:e|es|ed|ing)\b|(?:constant|steady|unchanged|uniform|unvarying|even|same|current|consistent"
               r"|stable)\s+(?:\w+\s+)?(?:speed|pace|velocity)\b"
               r"|speed (?:is |being )?(?:\w+ly )?(?:steady|constant|unchanged|held|kept|maintained|stays|remains"
               r"|is kept|is held)\b|(?:hold|stay|keep|remain)\w* steady\b"
               r"|free driving\b|no change (?:in|of) speed\b|(?:speed|pace|velocity) (?:does|is|did) not (?:chang\w*"
               r"|altered)\b|leav\w* (?:its|the) (?:speed|pace|velocity) (?:as|alone|unchanged|at)\b|(?:not"
               r"|without) chang\w+ (?:its |the )?(?:speed|pace"
               r"|velocity)\b"
               r"|at (?:a |its )?(?:set|cruising|target) speed\b"
               rf"|(?:driv|travel|mov|proceed|continu|go)\w*\s+(?:\w+\s+){{0,2}}?at (?:a steady |a constant ){_FIGURE}",
               _STEADY, lasts=True),
    SpeedWords(r"(?:creep|crawl|inch)(?:s|es|ed|ing)?\b|crept\b|(?:edg|nos|nudg)\w* (?:\w+ly )?(?:forward|ahead|out)\b"
               r"|walking (?:pace|speed)\b|dead slow\b|at (?:a )?(?:snail's|slow|low) (?:pace|speed)\b|slowly\b",
               _SLOWLY, firm=False),
    SpeedWords(r"(?:overtak(?:e|es|ing|en)|overtook|pass(?:es|ed|ing)?)\b(?! (?:on|over) (?:to|the))"
               r"|acceleration for passing\b|get(?:s|ting)? past\b", LONGITUDINAL_AGREEMENT["acceleration_for_passing"],
               firm=False),
    SpeedWords(r"proceed(?:s|ed|ing)?\b|continu(?:e|es|ed|ing)\b|carr(?:y|ies|ied|ying) on\b|press(?:es|ing)? (?:on"
               r"|ahead)\b|advanc(?:e|es|ed|ing)\b|go(?:es|ing)? (?:on|ahead|forward|through|straight)\b"
               r"|(?:driv|mov|head|travel|roll)(?:e|es|s|ing)?\s+(?:\w+ly\s+)?(?:on|onward|forward|ahead|through"
               r"|straight|along|past|across|at|over|freely)\b|keep(?:s|ing)? (?:going|moving|driving|rolling|on)\b"
               r"|(?:cross|travers|clear)(?:e|es|ing)? (?:the|an?) (?:\w+ )?(?:intersection|junction|crossing"
               r"|crossroads?|crosswalk|bridge|tracks?)\b|mak(?:e|es|ing) (?:its|the|our) way\b"
               r"|enter(?:s|ing)? (?:the|an?) (?:\w+ )?(?:intersection|junction|roundabout)\b|track(?:s|ing)? (?:the"
               r"|its) (?:set speed|lane|route)\b", _ONWARD, firm=False, lasts=True),
)  # fmt: skip
"""What words claim about speed. Of several claims the first counts, firm ones before others, and of equals the first
here."""

CALLS_FOR_A_STOP = re.compile(
    r"\b(?:red|yellow|amber)\s+(?:\w+\s+)?(?:light|signal|arrow)s?\b|\b(?:light|signal"
    r"|arrow)s?\s+(?:\w+\s+){0,3}?(?:red|yellow|amber)\b"
    r"|\bstop (?:sign|line|bar)s?\b|\byield sign\b|\bcross ?walk\b|\bpedestrian|\bcrossing\b|\bcrosses\b|\bstopped\b"
    r"|\bstationary\b|\bqueue|\bstanding\b|\bat a standstill\b"
    r"|\bhalt|\bto a stop\b|\bstopping\b|\bstops\b|\bschool bus\b|\brail|\bgate\b|\bright of way\b|\bpriority\b"
    r"|\bgiv\w+ way\b|\byield|\blet(?:s|ting)?\b|\bblock"
)
"""What an ego that slows down for it may well come to rest for."""
THEN = re.compile(r"\b(?:then|before|until|subsequently|after which|followed by|and finally|afterwards|later|once)\b")
