"""How sentences put to which side the ego goes, in lane or out of it.

Patterns are for what `clauses.of_the_ego` leaves of a clause: there others are `#`, or `#still` where they stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from coc_assets.filtered_coc.wording import RIDERS, VEHICLES

_MANOEUVRE = (
    r"(?:turn|steer|veer|bear|merg|split|mov|shift|nudg|swerv|drift|lane chang|chang\w*\s+lanes?|chang|pull|exit|swing"
    r"|swung|go|goes|went|edg|u turn|slid|hug|bias|head|jog|sidestep|dodg|peel|branch|fork|angl|divert|deviat|diverg"
    r"|offset|sway|lean|squeez|eas|creep|inch|adopt|itself in|itself|direct itself|displac|detour|depart|occupi"
    r"|curv(?=es|ed|ing)|transfer|opt|select|pick|settl|commit|step|hop|slip|slot|filter|migrat|transition|switch|cross"
    r"|return|tuck|weav|wheel|tak|mak|hang|maneuver|manoeuvr"
    r"|reposition"
    r"|relocat|position|favou?r|us|enter|get|got|com|swap|round|bulg|bow|evad|shy|shie|balloon|sweep|swept|cut"
    r"|lin|adjust|correct|sidl|scoot|glid|roll|crawl|rotat|redirect|driv|do"
    r"|perform|execut|initiat|complet|start|begin|join|occup|navigat|track|re ?rout|choos|divid|roam|jink|arc|spread"
    r"|work|hook|proceed|continu|tack|curl|loop|shuffl|shimmi|shimmy|snak|prefer|steal|trend|bend|bent|pop|div|dove"
    r"|dart|zip|nip|plung|duck|lurch|launch|wound|wind|wander|ooz|whip|flick|jerk|haul|press)"
    r"(?:e|s|es|d|ed|ing|ting|ning|ming|ging|ping|ving|ring)?"
)
_PAST = r"(?:past|around|round|by|alongside)"
_FILLER = (
    r"(?:to|into|onto|on to|towards?|the|a|an|its|our|slightly|gently|sharply|briefly|smoothly|carefully|safely"
    r"|gradually|cautiously|slowly|quickly|one|lanes?|over|back|out|off|side|adjacent|next|neighbou?ring|far|hand|wide"
    r"|well|somewhat|further|just|more|bit|little|touch|small|slight|gentle|brief|sharp|tight|hard|minor|across|up"
    r"|itself|lane change|(?:lane|one|side|shoulder|edge|road|street|exit|ramp|driveway) on|by|about|half|few"
    r"|metres?|meters?|m|\d+(?:\.\d+)?|from (?:the |its )?(?:left|right|centre|center|middle|current|outer"
    r"|inner)(?: hand)?(?: lane)?|at the (?:next |upcoming )?(?:intersection|junction|fork|light|corner|roundabout)"
    r"|immediate|for|corner|around|path|trajectory|line|course|heading|distance|immediately|directly|first|second"
    r"|through a|that|of|full|wider|slow)"
)
_SIDE = r"(left|right)(?:wards?|most)?(?:\s+hand)?\b(?!\s+(?:of way|now|away|in front|ahead|next to)\b)"
_BEND = r"(?:curve|bend|kink|sweeper|hander|arc|curvature|hairpin|s curve)"
_NOT_A_BEND = rf"(?!\s+(?:\w+\s+){{0,1}}?{_BEND})"
_MOVE_NOUN = (
    r"(?:turn|u turn|lane change|lane shift|nudge|shift|merge|swerve|move|movement|manoeuvre|maneuver|drift|steer"
    r"|steering|deviation|offset|adjustment|correction|exit|split"
    r"|pull over|sidestep|sweep|bias|veer|jog|displacement|turning|evasion|avoidance|path|trajectory|course|overtake"
    r"|pass)s?"
)
_STAY = r"(?:keep|stay|hold|remain|stick)(?:s|ing)?"
# turns sharply to the left; moves one lane over to the right; keeps left
_TO_ONE_SIDE = re.compile(
    rf"\b(?:(?:{_MANOEUVRE})\b(?:\s+{_FILLER})*?"
    rf"|{_STAY}(?:\s+over|\s+well)?(?:\s+to)?(?:\s+the)?(?=\s+\w+(?!\w*\s+(?:hand\s+)?(?:lane|half|of)\b)))"
    rf"\s+{_SIDE}{_NOT_A_BEND}"
)
# merges onto the highway to the left
_TO_THE_SIDE_AT_LAST = re.compile(
    r"\b(?:merg|exit|turn|split|chang\w* lanes?|lane chang|pull\w* (?:over|out|in|up)|switch\w* lanes?|park|join|meld"
    r"|zip\w* in|nip\w* in|pop\w* (?:out|in)|div\w* in|blend"
    r"|filter|slip|slot|draw|drew|tuck\w* in|peel\w* off|branch\w* off|fork|feed|insert|squeez\w* in|mov\w* (?:over|out"
    r"|across)|(?:leav|depart)\w* (?:the|this) (?:highway|motorway|freeway|road|expressway|interstate))\w*"
    rf"(?:\s+(?!to\b|#|§|(?:around|past|by|behind|from|of|for|ahead|after|before|beside|{VEHICLES})\b)\w+){{0,5}}?"
    r"\s+(?:to(?:wards)?|on(?:to)?|into|in|alongside|along|at|by|via)\s+(?:(?:the|its|our)\s+)?(?:far "
    rf"|near )?{_SIDE}{_NOT_A_BEND}"
)
# slight left
_SLIGHTLY = re.compile(rf"\b(?:slight|slightly|a bit|a little|small|gentle|hard|sharp) {_SIDE}{_NOT_A_BEND}")
# leaves its lane for the right one
_LEAVES_LANE_FOR = re.compile(
    rf"\bleav\w* (?:its|the|our) (?:\w+ )?lane (?:\w+ ){{0,2}}?(?:for|to|towards?|on) (?:the )?{_SIDE}"
)
# overtakes the slow truck on the left
_OVERTAKES_ON = re.compile(
    rf"\b(?:overtak|overtook|pass|get\w* (?:by|past|around)|go\w* (?:by|past|around)|leapfrog)\w*\s+(?:\w+\s+){{0,3}}?"
    rf"(?:#|{VEHICLES}|{RIDERS}|lead)(?: ahead| in front)?\s+(?:on|from|in|via|along|using|through|by) (?:the )?"
    r"(left|right)\b(?! (?:kerb|curb|shoulder|edge|hand edge))"
)
# goes around it on the left
_PASSES_ON = re.compile(
    r"\b(?:around|past|round|by|pass(?:es|ing)?|overtak\w+)(?: it| them)? (?:on|via|along) the (left|right)\b"
)
# bends its path to the left
_BENDS_ITS_PATH = re.compile(
    r"\b(?:bend|bent|bias|shift|move)\w* (?:its|the) (?:\w+ )?(?:path|course|line|trajectory|position)"
    rf" (?:to the |towards the |\w+ )?{_SIDE}"
)
# moves away from it to the left
_AWAY_TO = re.compile(rf"\baway(?: from (?:the )?[\w#]+(?: \w+)?)? (?:to|towards) (?:the|its) {_SIDE}")
# follows its route to the left
_ROUTE_TO = re.compile(
    rf"\b(?:follow|tak|driv|go)\w* (?:its|the) (?:\w+ )?route (?:to the |towards the )?{_SIDE}{_NOT_A_BEND}"
)
# left at the lights; a left is taken
_SIDE_ALONE = re.compile(
    r"(?:^|[,;:.]|\band\b)\s*(left|right) (?:onto|into|around|past|(?:at|by) (?:the |a )?(?:next |first "
    r"|second )?(?:lights?|junction|intersection|fork|corner|cross ?roads?|roundabout|t junction|signals?|split)\b)"
    r"|\ba (left|right)(?: turn)? (?:is|was|being) (?:taken|made|chosen|executed|performed)\b"
)
# goes around the truck to the left
_AROUND_TO = re.compile(
    rf"\b(?:around|past|round|by) (?:it|them|(?:the|an?) (?:\w+ ){{0,2}}?(?:{VEHICLES}|{RIDERS}|obstacle|object"
    r"|obstruction|#))"
    rf"\s+(?:still )?(?:to|towards) (?:the|its) (left|right)\s*(?:$|[,;.])"
)
# takes the off-ramp to the right
_RAMP_ON = re.compile(
    r"\b(?:exit|ramp|slip road|fork|branch|off ramp|on ramp|junction arm|prong)\s+(?:(?:which"
    r"|that) (?:\w+ ){1,2})?(?:on|to|towards) "
    r"(?:the|its) (left|right)\b"
)
# searches for a gap in the left lane
_GAP_ON = re.compile(
    r"\b(?:gap|space|opening|slot|hole)(?: search\w*)?(?: (?:in|on|to|into|for))?(?: (?:the|its))?(?: \w+(?<!from))? "
    r"(left|right)\b"
)
# snakes left around the van; the side has to be the verb's, not "stops right behind it"
_AFTER_ANY_VERB = re.compile(
    r"(?:§|^|[,;.])\s*(?:\w+ly\s+)?(?!is\b|was\b|are\b|has\b|stop|slow|brak|wait|halt|stand|there|with"
    r"|nothing)\w+(?:(?<=s)|(?<=ing))\s+(?:(left)(?=\s*(?:$|,|and\b"
    r"|around|past|into|in\b|at\b|to\b|onto|for\b))|(right)(?=\s*(?:$|,|and\b|around|past|into|onto)))"
)
# in any way into the left lane; "left lane, more speed"
_INTO_LANE = re.compile(
    r"(?<!keeps )(?<!keep )(?<!keeping )(?<!sticks )(?<!stick )(?<!sticking )(?<!stays )(?<!next )(?<!close )"
    r"\b(?:(?:in|on)?to|via|using) (?:the|its) (left|right)(?: hand)? lane\b"
    r"|(?:^|[,;:.])\s*(left|right)(?: hand)? lane\s*(?:$|[,;.])"
)
# dodges the van, to the left
_TO_THE_SIDE_ALONE = re.compile(r"[,;]\s*to (?:the|its) (left|right)\s*(?:$|[,;.])")
# a gentle left nudge
_SIDE_FIRST = re.compile(
    r"\b(left|right)(?:wards?)?(?:\s+hand)?\s+(?:(?:slight|gentle|small|brief|lane|sharp|in lane|evasive|lateral"
    rf"|minor|steering)\s+)*(?:{_MOVE_NOUN}\b|{_MANOEUVRE}\b(?<!\bus)(?<!\bdo))(?!\s+of (?:the|an?|#))"
    rf"|\b(?:steer|head|point|aim)\w*\s+(?:\w+\s+){{0,3}}?(?:to (?:the )?)(left|right)\b"
)
# passes the cyclist on its left; drives left of the cones
_BESIDE = re.compile(
    rf"\b(?:pass|overtak|overtook|go|goes|get|mov|steer|driv|nudg|skirt|round|{_PAST}|keep|stay|squeez|eas|maneuver"
    rf"|manoeuvr|us)\w*\s+(?:[^,;.]{{0,60}}?\s)?"
    r"(?:(?:on|to|along|via|by) (?:its|their|his|her) (left|right)\b|(?:to |on |around |along |via "
    r"|past )?(?:the )?(left|right)(?: hand)?(?: side)? of\b(?! way)(?! (?:the|this) (?:road|street)))"
)
# gives the cyclist on the right a wide berth; leaves the van to its right
_AWAY_FROM = re.compile(
    r"\b(?:give|giv|leav|allow|keep|provid|creat|maintain|offer|grant|afford|put|need|add"
    r"|gain)\w*\s+(?:[^,;.]{0,60}?\s)?(?:berth|room|space|clearance|margin|distance)\b"
    r"(?:[^,;.]{0,70}?\s(?:on|to|at|along) (?:the|its|our) (left|right)\b)"
    r"|\b(?:give|giv|leav|allow|provid|offer|grant|afford)\w*\s+(?:[^,;.]{0,40}?\s)?(?:on|to|at|along) (?:the|its"
    r"|our) (left|right)(?: hand)?(?: side| kerb| curb| shoulder| edge)?\s+(?:[^,;.]{0,30}?\s)?(?:berth|room|space"
    r"|clearance|margin)\b|\b(?:away from|clear of)\s+[^,;.]{0,60}?\b(left|right)\b"
    r"|\b(?:leav|keep|put|hav|pass|with)\w*\s+[^,;.]{1,50}?\s(?:to|on) (?:its|the ego's|our) (?:own )?(left|right)\b"
    r"|\bberth\s+(?:to|for)\s+[^,;.]{0,50}?\b(left|right)\b"
)


@dataclass(frozen=True)
class SideWords:
    """Words that put the ego's move to one side; the first group that a match has is a side.

    Attributes:
        opposite: the side is that of what the ego moves away from.
        ahead: the move may still lie ahead.
    """

    pattern: re.Pattern[str]
    opposite: bool = False
    ahead: bool = False


SIDED = (
    SideWords(_TO_ONE_SIDE),
    SideWords(_SIDE_FIRST),
    SideWords(_TO_THE_SIDE_AT_LAST),
    SideWords(_SLIGHTLY),
    SideWords(_LEAVES_LANE_FOR),
    SideWords(_AWAY_TO),
    SideWords(_PASSES_ON),
    SideWords(_BENDS_ITS_PATH),
    SideWords(_ROUTE_TO),
    SideWords(_OVERTAKES_ON),
    SideWords(_BESIDE),
    SideWords(_AFTER_ANY_VERB),
    SideWords(_INTO_LANE),
    SideWords(_TO_THE_SIDE_ALONE),
    SideWords(_AWAY_FROM, opposite=True),
    SideWords(_SIDE_ALONE),
    SideWords(_AROUND_TO),
    SideWords(_RAMP_ON),
    SideWords(_GAP_ON, ahead=True),
)
"""How a move's side is told; the first that a clause has counts."""

ALONG_A_BEND = re.compile(
    r"\b(?:follow|tak|round|negotiat|track|navigat|enter|driv|go|steer|carv|through|around|into|trac|handl"
    rf"|mov)\w*\s+(?:[^,;.]{{0,40}}?\s)?{_BEND}s?\b|\b(?:left|right)(?: hand)? {_BEND}s?\b"
)
IN_LANE = re.compile(
    r"\b(?:keep|stay|remain|continu|hold|maintain|stick|driv|travel|cent(?:er|re))\w*\s+(?:to\s+|in\s+|within\s+|on\s+"
    r"|with\s+|inside\s+)?(?:\w+\s+){0,3}?(?:lane|straight|cent(?:er|re)(?:d|line)?|line|course|heading)\b"
    r"|\blane keep\w*|\b(?:go|head|driv|mov|proceed|travel)\w*\s+(?:\w+ly\s+)?straight\b|\bstraight (?:on|ahead"
    r"|through|over)\b|\bin (?:its|the|our) (?:own |current |present |same )?lane\b"
    r"|\b(?:follow|track)\w*\s+(?:the\s+|its\s+)?(?:\w+\s+){0,2}?(?:lane|road|curve|bend|path|street)\b"
    r"|\bstraight line\b|\bre ?cent(?:er|re)\w*|\breturn\w* to (?:the |its )?(?:\w+ )?(?:lane|cent(?:er|re))"
)
TO_EITHER_SIDE = re.compile(
    r"\b(?:chang|switch|swap)\w*\s+(?:\w+\s+){0,2}?lanes?\b|\blane (?:change|shift|switch)\w*|\bturn(?:s|ed|ing)?\b"
    r"|\bmerg(?:e|es|ed|ing)\b|\bnudg(?:e|es|ed|ing)\b"
    r"|\bpull(?:s|ed|ing)?\s+(?:over|out|in|aside)\b|\bu turn\b|\bmov\w*\s+(?:over|across|aside|around|out)\b"
    r"|\bswerv(?:e|es|ed|ing)\b|\bsidestep\w*|\bskirt\w*|\bveer\w*"
    r"|\b(?:steer|go|goes|swing|mov|driv|manoeuvr|maneuver|weav|get|work|edg|slip|squeez)\w*\s+(?:\w+ly\s+|a little\s+"
    r"|out\s+|wide\s+)?(?:around|wide|clear of|away from)\b|\bexit(?:s|ing)? (?:the|onto|at)\b|\btak(?:e|es"
    r"|ing) the (?:\w+ )?(?:exit|ramp|off ramp|on ramp)\b"
    r"|\bwide berth\b|\bdodg\w*|\boffset\w*|\bsplit(?:s|ting)?\b"
)
WHOLE_MOVE = re.compile(
    r"turn|lane|merg|exit|split|fork|pull|ramp|branch|peel|shoulder|switch|diverg|cross|head|\btak|\bmak|\bhang"
    r"|\benter|\bjoin|\bgo|\bkeep|\bbear|\bus"
)
"""Moves to a side whose size is that of a turn or a lane; all others are read at a nudge's own threshold."""
NUDGE = re.compile(
    r"\b(?:nudg|edg|sidestep|skirt|inch|hug|bias|favou?r|berth|swerv|dodg|offset)\w*|\b(?:slightly|a little|a bit"
    r"|a touch|around)\b"
)
