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
    r"(?:(?:down|up|the|its|our|my|his|her|ego'?s?|a|this|that|current|present|set|(?:vehicle|car)(?:'s)?|overall|some"
    r"|more|much|of|at|with|about|own|target|little|bit|lot|touch|tad|fraction|deal|great|good|most|all|half|excess"
    r"|extra|surplus|safe|steady|constant|same|moderate|cruising|forward|road|approach|travel|driving|adapted|desired"
    r"|low|lower|reduced|roughly|any|in|§)\s+){0,5}(?:speed|pace|velocity|momentum|mph|km/h|kph)s?"
)
_LESS = (
    r"(?:reduc|lower|decreas|drop|cut|trim|shed|scrub|bleed|bled|los|lost|moderat|curb|check|rein|dial|bring|brought"
    r"|knock|tak|took|shav|slacken|temper|eas|dump|wip|sap|back|throttl|let|chop|soften|taper|surrender|sacrific|rub"
    r"|curtail|diminish|lessen|minimi[sz]|tone|wind|wound|drag|pull|work|scal|damp|tam|chok|clip|prun|slash|shrink"
    r"|shrank|shrunk|limit|restrain|restrict|haul|wash|dissipat|discard|forfeit|relax|roll|whittl|burn|kill|blunt|cool"
    r"|quell|subdu|retard|abat|ratchet|giv|spend|spent|slow|pared|pares|paring|brak|milk|blow|blew|strip|nibbl)\w{0,4}"
)
"""Verbs of taking speed off, with any ending."""
_MORE = (
    r"(?:increas|gain|build|built|gather|rais|boost|add|pick|up|upp|put|recover|regain|elevat|heighten|augment|step"
    r"|crank|bump|hik|jack|muster|amass|accru|acquir|lift|find|found|develop|accumulat|pil|ramp|restor|pour|collect"
    r"|hoist|reclaim|get|got)\w{0,4}"
)
"""Verbs of putting speed on."""
_HELD = (
    r"(?:held|kept|maintain|preserv|sustain|retain|hold|keep|stay|remain|conserv|steady|constant|unchanged|unaltered"
    r"|even|uniform|stable|level|flat|consistent|the same|as (?:it )?(?:is|was)|where it)"
)
_IS = (
    r"(?:#\s+)?(?:(?:is|was|are|gets|being|been|has|be|then|now|also|further|slightly|a|bit|little|to~?|starts?"
    r"|begins?|\w+ly)\s+){0,4}"
)
_NUMBER = r"(?:\d+(?:\.\d+)?|ten|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|a hundred)"
_PEDAL = r"(?:gas(?: pedal)?|throttle|accelerator(?: pedal)?|(?<!brake )pedal|loud pedal|power|juice)"
_LENGTH = r"(?! ?(?:m|metres?|meters?|feet|ft|yards?|s|sec|seconds?|cars?|vehicles?|lanes?|lengths?|%)(?![\w/]))"
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
    SpeedWords(r"revers(?:e|es|ed|ing)\b(?! course)|(?:backs|backed|backing|(?<!\w )back|(?<=to )back"
               r"|(?<=to~ )back) (?:up(?! to)|out|into|down|in)\b|shunt\w* back|in reverse\b|(?:roll|edg|inch"
               r"|creep)\w* back(?= (?:from|out|into|a (?:little"
               r"|bit|metre"
               r"|meter|few))|\s*(?:$|[,;.]))"
               r"|(?:driv|mov|roll|go|goes|steer|creep|inch|edg|crawl|eas|ros|trundl|travel"
               r"|nudg)\w* (?:\w+ly )?(?:backwards?|rearwards?|astern|in reverse)\b|(?:mov|roll|creep"
               r"|inch)\w* back (?:out|slowly|gently|from)\b|backing(?=\s*(?:$|[,;.]))|negative speed\b"
               r"|astern\b", _REVERSE),
    # what leads to a stop, and standing
    SpeedWords(r"(?:cut|reduc|lower|bring|brought|tak|drop|slow|decelerat|brak|com|go|wind|ramp|scrub|tail|taper|bleed"
               r"|kill|sink|fall|sag|roll|glid|coast)\w*\s+(?:\w+\s+){0,4}?to (?:zero"
               r"|nothing|0(?! ?\d)|nil)\b|speed (?:\w+ ){0,4}?to (?:zero|nothing|0(?! ?\d))\b|"
               r"(?:slow|decelerat|brak|roll|coast|eas|glid|creep|crawl|inch|ramp|bring|brought|scrub|taper|drift|settl"
               r"|draw|grind|shudder|slid|wind|haul|pull|trundl|ground|drew|slither|bleed|judder|limp)\w*\s+"
               r"(?:(?:\w+|§)\s+){0,4}?to\s+(?:an?\s+)?(?:\w+\s+)?(?:stop|halt|standstill|rest|stand)\b"
               r"|(?:speed|pace|velocity) (?:\w+ ){0,3}(?:zero|nil|0)\b|park(?:s|ing)?(?= |$)(?! (?:space|lot|bay|place"
               r"|spot|brake))"
               r"|slow\w* (?:and|then|before|until|,)+ ?(?:then )?(?:stop|halt|com(?:e|es|ing) to)\w*",
               _TO_A_STOP, stops=True),
    SpeedWords(r"(?:remain|stay|hold|keep|stand|sit|rest|is|are|be|being)(?:s|ing)?\s+(?:\w+ly\s+)?"
               r"(?:stopped|stationary|still|put|halted|at rest|at a (?:complete )?standstill|standing|in place"
               r"|motionless|immobile|waiting|parked|where it is|at a (?:complete |full )?(?:stop|halt))\b|(?:is|are"
               r"|was) held (?:at|behind)\b|(?:hold|keep|maintain)(?:s|ing)?\s+(?:its |the |our )?(?:stop|standstill"
               r"|position)\b|hold(?:s|ing)?\s+(?:\w+ly\s+)?(?:at|behind|before|short)\b"
               r"|(?:does|do|will|must|should) not (?:\w+ly )?(?:move|proceed|advance|go|enter|start|set off)\b"
               r"|(?:not|n't|no longer|without) (?:\w+ly )?(?:mov|budg|stir|roll|advanc|proceed)\w*|no (?:forward "
               r"|further )?(?:movement|motion)\b|held (?:up )?(?:at|by|behind)\b"
               r"|(?:does|do|did|is|has|have|will)n't (?:\w+ly )?(?:mov|budg|stir|roll|advanc|proceed)\w*|(?:stuck"
               r"|going nowhere)\b|(?:stay|sit|remain|hold)\w* at (?:zero|0(?! ?\d))\b|still standing\b|got stopped\b"
               r"|immobile\b|immobili[sz]ed\b|parked up\b|(?:sit|stay|hold|hang|remain)\w* (?:tight|fast|firm)\b"
               r"|stock still\b|(?:hold|stand|keep)\w* (?:its|our|the) (?:ground|station|spot|place)\b|dead still\b"
               r"|rooted\b|remain\w* in (?:its )?position\b|mak\w* no (?:progress|headway)\b|(?:motion|movement"
               r"|progress) (?:ceases|ends|stops)\b|(?<![a-z#] )(?<![a-z])standing(?=\s*(?:$|[,;.]))|(?:zero speed"
               r"|speed (?:is )?(?:zero|0(?! ?\d)))\b|(?:at|with) (?:0|zero) (?:km/h|mph|kph"
               r"|m/s)\b|not going anywhere\b|(?:stay|remain|linger|keep)\w* (?:\w+ )?(?:behind|at|before) (?:the "
               r"|its )?(?:stop|stopping|white|solid|give way)? ?(?:#|line)\b"
               r"|stationary\b(?!\s*§)|motionless\b|(?:stay|rest|sit|remain)(?:s|ing)? at\s+(?:the\s+)?(?:#|line|light"
               r"|signal|kerb|curb|crossing|crosswalk|junction|intersection|barrier|gate)"
               r"|stands?\b(?! out)|idl(?:e|es|ing)\b|paus(?:e|es|ed|ing)\b"
               r"|(?:wait|waits|waited|waiting)\b(?!\s+for\s+(?:an?\s+|the\s+)?(?:\w+\s+){0,2}(?:gap|opening)\b)",
               _STOPPED, lasts=True, stops=True),
    SpeedWords(r"(?:stop|stops|stopped|stopping|halt|halts|halted|halting)\b|standstill\b"
               r"|com(?:e|es|ing) to (?:an? )?(?:\w+ )?(?:stop|halt|standstill|rest)\b|com(?:e|es|ing) to rest\b"
               r"|(?:full|complete|dead) (?:stop|halt)\b|park(?:s|ed|ing)? (?:itself )?(?:behind|at)\b"
               r"|comes? to stand\b|end(?:s|ed|ing)? up (?:standing|stopped|stationary)\b|freez(?:e|es|ing)\b"
               r"|go(?:es)? no (?:further|farther)\b|stands? on the brakes?\b|pulls? up (?:short|dead|sharply|to a)\b"
               r"|drop\w* anchor\b|bring\w* (?:the (?:car|vehicle)|itself|§|us) (?:\w+ )?to (?:an? )?(?:\w+ )?(?:stop"
               r"|halt|standstill|rest)\b"
               r"|(?:end|terminat|halt|finish|ceas)\w* (?:its|all) (?:motion|movement)\b", _STOPPED, stops=True),
    # giving others the way
    SpeedWords(r"yield(?:s|ed|ing)?\b|(?:giv(?:e|es|ing|en)|grant\w*|offer\w*|afford\w*)\s+(?:\w+\s+){0,6}?(?:way"
               r"|priority|precedence)\b|ced(?:e|es|ed|ing)\b|conced(?:e|es|ing)\b|defer(?:s|red|ring)? to\b|mak(?:e|es"
               r"|ing) way\b|let(?:s|ting)?\s+(?!off\b|up\b|go\b|rip\b|loose\b|fly\b|its? foot|me\b|us\b|§|(?:the"
               r"|its) (?:speed|pace|car|vehicle)\b)\S|allow(?:s|ed|ing)?\s+(?:the|an?|any|all|#|it|them|him|her"
               r"|others?|cross|oncoming|pedestrians?"
               r"|traffic)(?!\w)",
               LONGITUDINAL_AGREEMENT["yield"], stops=True),
    SpeedWords(r"hang(?:s|ing)? back\b|giv(?:e|es|ing) (?:it|them|him|her) (?:more |some |enough )?(?:space|room)\b"
               r"|hold(?:s|ing)? off\b|h(?:old|olds|olding|eld) back\b", _UP_TO),
    # gaps
    SpeedWords(r"gap search\w*|(?:search|look|wait|hunt|scan)\w* for (?:an? |the )?(?:\w+ ){0,2}(?:gap|opening|space"
               r"|slot|hole)"
               r"|(?:find|seek|creat|mak)\w* (?:an? |the )?(?:\w+ )?(?:gap|opening)",
               LONGITUDINAL_AGREEMENT["gap_searching"], firm=False),
    SpeedWords(r"(?:open|increas|widen|enlarg|grow|lengthen|extend|restor|re ?establish|regain)\w*\s+"
               r"(?:up\s+)?(?:(?!speed|pace)\w+\s+){0,4}?(?:distance|gap|headway|spacing|buffer|cushion)\b",
               _UP_TO),
    SpeedWords(r"(?:clos|reduc|shrink|narrow)\w*\s+(?:up\s+)?(?:the |a |its )(?:\w+ )?(?:gap|distance)\b|catch\w* up\b",
               _ONWARD),
    SpeedWords(r"(?:drop|fall|fell)\w*\s+(?:\w+ly\s+)?(?:back|behind)\b", _SLOWER),
    SpeedWords(r"(?:keep|maintain|hold|leav|preserv|observ|tak)\w*\s+(?:\w+\s+){0,5}?(?:distance|gap|headway|spacing"
               r"|interval|buffer)\b|(?:stay|keep|remain|continu|settl|tuck|slot|sit|fall|queue"
               r"|driv)\w*\s+(?:in\s+)?(?:\w+ly\s+)?behind\b"
               r"|(?:follow|follows|followed|following|trail|trails|trailing|tail|tails|tailing|shadow|shadows"
               r"|shadowing|tag\w* (?:along )?behind|tag\w* along)\b"
               r"(?!\s+(?:the\s+|its\s+|a\s+)?(?:\w+\s+){0,2}(?:lane|road|curve|route|bend|path|distance|street|rules?"
               r"|instructions?|limit|markings?)\b)|(?:does|do|is|are) §(?=\s*(?:$|[,;.]))|does (?:likewise|the same"
               r"|so too)\b|follow\w* suit\b|lead obstacle following\b|(?:match|mirror"
               r"|synchroni[sz]|align"
               r"|pac)\w*\s+(?:to\s+)?(?:\w+\s+){0,4}?(?:speed|pace|velocity|flow)\b"
               r"|(?:distance|gap|headway|spacing|interval|buffer) (?:\w+ ){0,5}?(?:kept|held|maintain\w*|preserv\w*"
               r"|constant|observed|steady|stays|remains)\b|(?:an?|the) (?:even|safe|constant|steady"
               r"|comfortable) (?:gap|distance|headway)\b"
               r"|adapt\w* to the (?:flow|traffic|speed)\b|keep\w* pace with\b|car following\b|go\w* with the flow\b",
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
               r"|normal)|back up to (?:speed|pace)\b|floors? it\b|pedal (?:down|to the)\b|rev(?:s|ved|ving)? up\b"
               r"|sprint\w*|kick(?:s|ed|ing)? off\b|sets? forth\b|wak(?:e|es|ing) up\b|push(?:es|ing)? (?:on|forward"
               r"|ahead)\b|com(?:e|es|ing) out of (?:its|the)\b|free(?:s|ing)? (?:its|the) brakes?\b|(?:speed|pace"
               r"|velocity) (?:\w+ly )?(?:rises|goes up|climbs|increases|grows|picks up)\b"
               r"|(?:tak|push|bring|brought|ramp|work|turn)\w* (?:its|the) (?:speed|pace|velocity) up\b", _FASTER),
    SpeedWords(r"go(?:es)?(?=\s*(?:$|[,;.]|now\b))", _ONWARD, firm=False),
    SpeedWords(r"(?!keep|hold|maintain|stay|match)\w+ (?:its |the |our )?(?:speed|pace|velocity) (?:back )?up\b"
               r"|(?:back )?up to (?:the |its |our |a |about |around |normal |full |cruising |target |set |desired "
               r"|travel |road "
               rf"|legal |posted )*(?:speed|pace|velocity|limit|\d+(?:\.\d+)?{_LENGTH})"
               rf"|(?:speed|pace|velocity|momentum) {_IS}(?:{_MORE}|ris\w+|rose|climb\w*|grow\w*|grew|mount\w*|surg\w*"
               r"|swell\w*|jump\w*|soar\w*|(?:com|go|tak|brought|work|nudg|ramp|wind|wound|push)\w* (?:back )?up"
               r"|(?:back )?up)\b"
               rf"|{_MORE}\s+(?!(?:at|with|of|to)\b)(?:\w+ly\s+)?(?:back\s+|up\s+|on\s+|in\s+)*{_SPEED}\b(?! (?:down"
               r"|back\b(?! up)|off|away|low))"
               rf"|(?:mak\w*|made) {_SPEED} (?:higher|greater|more|faster)\b|(?:higher|greater|more|extra"
               r"|additional) (?:speed|pace|velocity)\b(?! than)|pick(?:s|ed|ing)? up(?=\s*(?:$|[,;.]|and\b|again\b"
               r"|(?:from|to) \d))"
               rf"|(?:back |hard |down )?on (?:to )?(?:the |its )?{_PEDAL}\b(?! off)|{_PEDAL} {_IS}(?:open|press|appl"
               r"|add|increas|squeez|depress|fed|feed|push|floor|on\b|down\b)\w*|(?:hit|press|depress|squeez|push|feed"
               r"|fed|roll|pour|mash|stamp|tread|floor|open|dial|giv|appl|lean|bury|burie|punch)\w* (?:in |on "
               r"|up )*(?:it )?(?:the |its |some |more |a "
               rf"|little |bit |of )*{_PEDAL}\b(?! off| back| pedal back)"
               r"|(?:power|zoom|spurt|rocket|shoot|shot|tear|bolt|whiz|zip|dash|race|rac|storm|blast|bound|scoot|spring"
               r"|sprang|roar|stride|strik|hare|streak|hurtl|thunder)\w* (?:\w+ly )?(?:away|off|out|on|through|ahead"
               r"|past|forward|up|along|back)\b|(?:spurt|spurts|spurting|burst of speed|bursts? of acceleration)\b"
               r"|(?:open|wind|crank|step|gun|floor|let|whip|notch|kick|tak)\w* (?:it|things) (?:up|rip|fly|loose|on)\b"
               r"|(?:guns?|gunned|gunning|floors?) it\b|lets? rip\b"
               r"|(?:climb|ris|accelerat|increas|go|get|build|return|com)\w* (?:back |up )*to (?:about |around "
               rf"|over )?{_NUMBER}\b{_LENGTH}|(?:more|extra|added|full) {_PEDAL}\b|(?:nip|dart|hustl)\w* (?:through"
               rf"|across|ahead|on)\b"
               r"|put\w* on (?:a )?(?:spurt|burst)|get\w* a move on\b|step\w* on it\b|spool\w* up\b|gather\w* (?:way"
               r"|itself and)"
               r"|liven\w* up\b|(?:takes?|taking|gets?|getting|cranks?) it up (?:a|to)\b", _FASTER),
    SpeedWords(r"\w+ (?:its|the|our) (?:speed|pace|velocity) (?:down|back|off|away|out)\b(?! up)"
               r"|(?:drop|los|shed|knock|tak|trim|shav)\w* (?:off )?(?:a few|several|some|a couple of) (?:mph|km/h|kph"
               r"|m/s)\b|slowin\b|simmer\w* down\b"
               rf"|down to an? (?:\w+ )?(?:dawdle|crawl|trickle|amble|walk)\b|quiet\w* down\b|giv\w* up {_SPEED}\b"
               r"|out of (?:the |its )?(?:speed|pace|momentum)\b"
               r"|(?:lowering|lessening|slackening|easing|shedding|slowing|trimming|cutting|dropping|reducing"
               r"|moderation|abatement|diminution) (?:in|of) (?:\w+ )?(?:speed|velocity|pace)\b"
               rf"|(?:knock|tak|shav|trim|cut|drop|los|shed|scrub)\w* (?:off )?(?:about |some )?{_NUMBER}(?: (?:km/h"
               r"|mph|kph))? off\b|(?:drop|fall|fell|sink|sank|com\w* down|go\w* down|back down|reduc|decreas"
               r"|step\w* down|dip)\w* (?:back )?to (?:about |around |just "
               rf"|under )?{_NUMBER}\b{_LENGTH}"
               r"|(?:slower|gentler|calmer|more (?:cautious|careful|moderate|measured)) (?:speed|pace|rate|tempo)\b"
               r"|(?<!slow )(?<!slows )(?:right |back )?down to (?:the |its |our |a |about |around |barely |just "
               r"|under |some |low |lower |walking "
               rf"|safe |reduced |crawling )*(?:speed|pace|crawl|walk|\d+(?:\.\d+)?{_LENGTH})"
               rf"|(?:speed|pace|velocity|momentum) {_IS}(?:(?:{_LESS})(?! (?:back )?up)|fall\w*|fell|sink\w*|sank"
               r"|declin\w*|ebb\w*|fad\w+|melt\w*|dwindl\w*|decay\w*|dip\w*|tail\w*|tumbl\w*|plung\w*|slid\w*|subsid\w*"
               r"|wan\w*|dies|dying|(?:com|go|step|tick|drift|inch|nudg|ramp)\w* down|(?:com|com)\w* off|down|off\b"
               r"|less|lower|slower)\b"
               rf"|(?:mak\w*|made) {_SPEED} (?:less|lower|smaller|slower|drop|fall)\w*\b"
               r"|(?:lower|reduced|less|lesser|slower|decreased|diminished|smaller) (?:speed|pace|velocity"
               r"|momentum)\b(?! than)|(?:scrub|wind|tap|tail|ramp|step|gear|ratchet|throttl|chang|shift|bleed|knock"
               r"|tick)\w* (?:\w+ly )?(?:down|off)\b(?! (?:the|its|a|at|on|onto|into|to the))|(?:dial|tak|reel|rein"
               r"|bring|notch|ton|scal|throttl|knock|wind|eas|ratchet|pull|crank)\w* (?:it|things|§) (?:right )?(?:back"
               r"|down|in|off)\b(?! up)|(?:drop|chang)\w* (?:down )?a gear\b|los\w* way\b"
               r"|down ?shift\w*|slow ?down\w*|engine braking\b|regen\w*|us(?:es|ing) the brakes?\b", _SLOWER),
    SpeedWords(rf"(?:foot|feet) (?:\w+ )?off(?! the brakes?)\b|off (?:the |its )?{_PEDAL}\b|{_PEDAL} {_IS}(?:lift|eas"
               r"|clos|cut|releas|off\b|shut|back|reduc|lower|let go|trim|relax|feather)\w*(?! on\b)|(?:let|lets"
               rf"|letting) go of (?:the )?{_PEDAL}\b"
               r"|(?:lift|eas|clos|cut|releas|shut|back|reduc|trim|relax|feather|roll|come|com|drop|soften)\w* (?:off "
               r"|up |back "
               rf"|on )*(?:the |its )?{_PEDAL}\b(?! (?:up|on))|lifts?(?=\s*(?:$|[,;.]))|eas(?:es|ing)?(?=\s*(?:$"
               r"|[,;.]))"
               r"|check(?:s|ing)? itself\b", _NO_FASTER),
    SpeedWords(r"(?:speed|pace"
               r"|velocity) (?:\w+ly )?(?:drops|falls|sinks|decreases|declines|goes down|comes down|decays)\b"
               r"|tak(?:e|es|ing) it (?:easy|slow\w*)\b|retard(?:s|ed|ing)?\b|slacken\w*|rein(?:s|ed"
               r"|ing)? (?:itself )?in\b|down in speed\b|(?:curtail|diminish|lessen|minimi[sz]|tone|wind|drag|pull|work"
               r"|scal|damp|tam|chok)\w*\s+(?!up\b)(?:\w+\s+){0,2}?(?:speed|pace|velocity)\b"
               r"|(?:cut|chop|clos|shut|back)\w* (?:off )?(?:the |its )?(?:throttle|gas)\b", _SLOWER),
    SpeedWords(rf"accelerat(?:e|es|ed|ing|ion)\b|speed(?:s|ed|ing)? (?:back )?up\b|sped up\b"
               r"|speed(?:s|ing)? away\b|(?:increas|gain|build|built|gather|rais|boost|add|pick|up|put)(?:e|es|s"
               rf"|ed|ing)?\s+(?:back\s+)?(?:up\s+|on\s+|a bit of |a little )?{_SPEED}\b"
               r"|(?:pick|step)(?:s|ed|ing|ping)? it up\b|quicken(?:s|ed|ing)?\b|hasten(?:s|ed|ing)?\b|up(?:s"
               r"|ped)? its (?:pace|speed)\b|more (?:speed|throttle|gas)\b|(?:step|press|get|squeez|push)\w* (?:on "
               r"|down )*(?:the )?(?:gas|throttle|accelerator)\b"
               r"|(?:appl|add|giv|increas|feed|open)\w*\s+(?:\w+\s+){0,2}?(?:throttle|gas|power)\b|throttl(?:e|es"
               r"|ing) up\b|speed (?:is |then |gradually |steadily |gently |slowly )*(?:increased|raised|increases"
               r"|rises|climbs|goes up|builds|grows|picks up|being increased)\b"
               r"|(?:increase|rise|gain|growth) (?:in|of) (?:\w+ )?(?:speed|velocity|pace)\b|speed increase\b"
               r"|(?:at a )?higher speed\b|(?:go|driv|mov|get)\w* (?:faster|quicker|more quickly)\b|giv\w* it (?:some"
               r"|more|a bit of|full)\b|hoof\w* it\b|kick\w* down\b|departure\b|(?:is|are) off(?=\s*(?:$|[,;.]"
               r"|again\b))|(?:is|gets) launched\b|(?:^|[,;]) ?off again\b|set-?off\b|(?:trundl|roll|glid"
               r"|creep)\w* off(?! to)\b|faster\b|hurr(?:y|ies)\b"
               r"|surg(?:e|es|ing)\b",
               _FASTER),
    SpeedWords(r"(?:driv|mov|set|pull|head|start|tak|push|roll)(?:e|es|s|ing|ting|s)?\s+(?:back )?(?:off|away(?! from)"
               r"|out from)\b(?!\s+(?:the (?:gas|throttle|accelerator|power)|its|to the|(?:some )?(?:speed|pace)"
               r"|towards?|(?:to )?(?:left|right)))|(?:pull|driv|mov)\w* away\b(?= from (?:the |a )?(?:stop|kerb|curb"
               r"|line|light|intersection|standstill|junction|signal))|launch(?:es|ing)?\b|depart(?:s|ed|ing)?\b"
               r"|leav(?:e|es|ing)\s+(?:its\s+|the\s+)?(?:standstill|stop|#(?!still)(?=\s*(?:$|,|and\b|then\b))"
               r"|junction|intersection|kerb|curb|parking|line|light)|start(?:s|ed|ing)?\s+#|on (?:its|the|our) way\b"
               r"|(?:end|finish|break|abandon)\w* (?:its|the) (?:stop|halt|wait|standstill|#)"
               r"|set(?:s|ting)? (?:itself|off) in motion|start(?:s"
               r"|ing)? to~? (?:go|drive|move|roll|travel)\b"
               r"|(?:eas|creep|glid|roll|power|slip|inch|edg|trundl|crawl)\w* away from\b|starts?(?=\s*(?:$|[,;.]"
               r"|from\b|once\b|when\b))|start\w* (?:up|off) again\b|off the brakes?\b|let\w* go of (?:the "
               r"|its )?brakes?\b|(?:releas\w*|(?:let|com|get|lift|tak"
               r"|eas)\w*\s+(?:\w+\s+){0,2}?off)\s+(?:\w+\s+){0,2}?brakes?\b"
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
               rf"|{_LESS}\s+(?!(?:back )?up\b|(?:at|with|of|to)\b)(?:\w+ly\s+)?(?:off\s+|back\s+|down\s+|in\s+|away\s+"
               rf"|out\s+|on\s+)*{_SPEED}\b"
               r"(?! (?:back up|up|build|built|climb|rise|grow|increase|pick)\b)"
               r"|speed (?:is |then |gradually |steadily |gently |slowly |being )*(?:reduced|lowered|decreased|cut"
               r"|dropped|drops|falls|decreases|bleeds|bled|scrubbed|trimmed|taken off|comes down|goes down"
               r"|brought down|shed|eases|declines)\b|(?:reduction|decrease|drop|fall|cut|loss) (?:in"
               r"|of) (?:\w+ )?(?:speed|velocity|pace)\b|speed (?:reduction|decrease)\b"
               r"|slower\b(?! than)|more slowly\b|at (?:an? )?(?:reduced|lower) (?:speed|pace)\b|less (?:speed"
               r"|throttle|gas)\b"
               rf"|(?:shed|los|drop|scrub|bleed|knock|tak|shav|trim|cut|rub)\w*\s+(?:off\s+)?{_FIGURE}"
               r"|(?:drop|fall|sink|(?:go|com)\w* down)\w*\s+(?:down |from \S+ ?(?:m/s|km/h|kph|mph)? )?to (?:about "
               r"|around )?\d\S* ?(?:m/s|km/h|kph|mph)", _SLOWER),
    SpeedWords(r"eas(?:e|es|ed|ing)\s+(?:\w+ly\s+)?(?:off|back|up|down|its (?:speed|pace)|the (?:speed"
               r"|pace))\b(?! to (?:the|its) (?:left|right))|(?:lift|let|com|tak|back|get"
               r"|releas)\w*\s+(?:\w+\s+){0,3}?(?:off\s+)?(?:the\s+|its\s+)?(?:throttle"
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
               rf"|(?:speed|pace|velocity|momentum) {_IS}{_HELD}\w*|at (?:an? )?(?:steady|constant|even|unchanged"
               r"|uniform|stable|consistent|level) (?:\w+ )?\d+|(?<![a-z#] )(?<![a-z])(?:\w+ly )?(?:steady"
               r"|unchanged)(?=\s*(?:$|[,;.]))|cruise control\b"
               r"|no(?:thing)? chang\w* (?:in|to|about) (?:terms of )?(?:its |the )?(?:speed|pace)\b|no (?:speed change"
               r"|change (?:in|of|to) (?:the |its |our )?(?:speed|pace|velocity)|acceleration or)\b|tracks? (?:its"
               r"|the) set|(?:speed|pace|velocity) as (?:before|it (?:was|is))\b|(?:speed|pace|velocity) (?:is "
               r"|being )?left (?:alone|as|be|unchanged|untouched)\b"
               rf"|an? (?:steady|constant|even) {_NUMBER}\b|(?:keep|stick|hold|stay)\w* (?:to|at|on) (?:about |around "
               rf"|the |its )*(?:{_NUMBER}\b{_LENGTH}|limit\b)"
               r"|(?:no|without|not|n't) (?:need(?:ing)? to~? |any |having to~? )?(?:alter|adjust|touch|vary"
               r"|modif)\w* (?:of |in |to )?(?:its |the )?(?:speed|pace|velocity)\b"
               r"|(?:set|target) speed (?:is )?(?:track|kept|held|maintain)\w*|as (?:fast|quickly) as before\b|(?:same"
               r"|unchanged) (?:speed|pace|velocity)\b|does not change (?:its |the )?(?:speed|pace)\b|leav\w* (?:its"
               r"|the) (?:throttle|speed) (?:alone|be)\b|free driving\b|no change (?:in|of) speed\b|(?:speed|pace"
               r"|velocity) (?:does|is|did) not (?:chang\w*|altered)\b|leav\w* (?:its|the) (?:speed|pace"
               r"|velocity) (?:as|alone|unchanged|at)\b|(?:not"
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
    SpeedWords(r"(?:motor|tick|bowl|trundl|sail|roll|chug|potter|plod|jog|hum|breez|amble|ambl|cruis|purr"
               r"|drift)\w* (?:along|on\b|by|past|through)\b|(?:keep|carr|soldier|hold)\w* (?:right )?(?:on|going"
               r"|at it)\b", _ONWARD, firm=False, lasts=True),
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
