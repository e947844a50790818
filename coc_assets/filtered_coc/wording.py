"""Words of sentences about a drive: who does something, why, and what only looks like the ego's doing.

Patterns are for text as `clauses.plain` makes it: lower-case, hyphens and underscores as spaces. There the ego as a
subject is one mark, and what is not the ego's doing is blanked out, before any claim is looked for (`speed_wording`,
`side_wording`).
"""

from __future__ import annotations

import re

# ── who ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

MORE_PEOPLE = (
    r"(?:ped|walker|dog ?walker|hiker|commuter|tourist|shopper|parent|mother|mom|mum|father|dad|family|families|guy"
    r"|gentleman|gentlemen|individual|youngster|teen|infant|pupil|school ?(?:kid|boy|girl)|skater|workman|workmen|crew"
    r"|roller ?blader|senior(?: citizen)?|pensioner|elder|citizen|granny|grandmother|grandma|grandfather|grandpa|human"
    r"|resident|folk|youth|lad|vendor|onlooker|spectator|protester|visitor|labou?rer|sweeper|fire ?fighter|fireman"
    r"|cop|police(?:man|woman|men)|postman|(?:construction |road ?)worker|someone|somebody|walking figure)s?"
)
"""People, in words that `locality.mentions` does not know."""
PEOPLE = (
    r"(?:(?:pedestrian|person|people|child|children|kid|toddler|boy|girl|adult|man|men|woman|women|lady|ladies|teenager"
    r"|worker|jogger|runner|jay ?walker|student|school ?child|school ?children|passer ?by|passers ?by|bystander|crowd"
    rf"|flagger|officer|crossing guard|baby|babies)s?|{MORE_PEOPLE})"
)
MORE_RIDERS = r"(?:biker|pedaller|pedal cyclist|courier|bmx)s?"
"""Riders, likewise."""
RIDERS = (
    rf"(?:{MORE_RIDERS}|rider|cyclist|bicyclist|bicycle|bike|e ?bike|motorcycle|motorcyclist|motorbike|moped|scooter"
    r"|e ?scooter|skateboarder)s?"
)
STROLLERS = r"(?:stroller|pram|pushchair|wheelchair)s?"
ANIMALS = r"(?:animal|dog|cat|deer|cow|horse|cattle|sheep|bird|goose|geese|fox|moose|elk)s?"
VEHICLES = (
    r"(?:vehicle|car|truck|lorry|lorries|van|minivan|bus|buses|minibus|coach|coaches|automobile|suv|sedan|hatchback"
    r"|pickup|taxi|cab|veh|trailer|tractor|semi|tanker|tram|streetcar|ambulance|fire engine|jeep|wagon|motorhome"
    r"|camper)s?"
)
ACTOR = (
    rf"(?:{PEOPLE}|{RIDERS}|{STROLLERS}|{ANIMALS}|{VEHICLES}"
    r"|(?:lead|leader|traffic|train|queue|driver|agent|object|obstacle|road user|vru|one)s?)"
)
"""Whoever and whatever moves or stands beside the ego, by a noun."""

EGO = "§"
"""What stands for the ego as a subject."""
EGO_AS_OBJECT = re.compile(
    r"\b(?:in front of|ahead of|behind|towards?|to|into|of|from|beside|near|by|past|alongside|against|at|for|off|on)"
    r"\s+(?:the |our |its )?ego(?:'s)?(?: (?:vehicle|car|path|lane))?\b"
    r"|\b(?:the |our |its )?ego(?:'s)? (?:lane|path|way|trajectory|corridor|side|right|left)\b"
    r"|\b(?:in front of|ahead of|behind|towards?|beside|past|alongside) (?:us|me|our (?:vehicle|car)|it)\b"
)
_OWN = (
    r"(?:host|subject|own|self driving|autonomous|automated|driverless|robotic|robot|test|recording|camera|instrumented"
    r"|research|hero|av|ads)"
)
EGO_AS_SUBJECT = re.compile(
    r"\b(?:the |our |its )?ego(?:'s)?(?: (?:vehicle|car|agent|driver|self)(?:'s)?)?\b"
    rf"|\b(?:the |our |this |an? )?{_OWN}(?:'s)? (?:vehicle|car|taxi|system|planner|driver|truck|shuttle|automobile"
    r"|unit|machine|cab|bus|van|platform)(?:'s)?\b|\b(?:the |our )?(?:avs?|sdc|sdv|robotaxi|planner|autopilot)\b(?:'s)?"
    r"|\b(?:our|my|this) (?:vehicle|car|driver)\b(?:'s)?|\b(?:we|i)\b(?:'(?:ll|m|re|ve|d))?"
)

# ── where decisions end and causes begin ──────────────────────────────────────────────────────────────────────────────

BECAUSE = (
    r"because(?: of)?|bc(?: of)?|b/c|cuz|cos|'cause|since|due to|owing to|thanks to|given(?: that)?|caused by"
    r"|in response to|in reaction to|on account of|in view of|in light of|in anticipation of|on seeing|upon|when"
    r"|whenever|whereas|as a result of|(?<!well )(?<!soon )(?<!far )(?<!such )(?<!same )"
    r"as(?! (?:well|soon|far|much|possible|needed|necessary|required|usual|before)\b)"
    r"|so (?:that|as)|so (?:it|others?|they|the \w+) (?:can|could|may|has|have)"
    r"|(?<!search )(?<!searching )(?<!searches )(?<!look )(?<!looking )(?<!looks )(?<!hunts )(?<!hunting )(?<!waits )"
    r"(?<!waiting )(?<!wait )(?<!makes )(?<!make )(?<!making )(?<!heads )(?<!head )(?<!heading )(?<!reason )(?<!cause "
    r")for(?! static constraint| passing\b)(?! (?:an? "
    r"|the )?(?:\w+ )?(?:gap|opening)\b| now\b| \d| (?:the )?(?:left|right)(?: hand)? (?:one|lane)\b)"
    r"|(?<=waits )for(?! (?:an? |the )?(?:\w+ )?(?:gap|opening)\b)"
)
PURPOSE = (
    r"in order (?:not )?to|so as (?:not )?to|to (?:avoid|allow|let|give|make|prevent|keep|maintain|preserve|increase"
    r"|create|clear|provide|restore|re ?establish|regain|widen|stay clear|save|protect|enable|help|ease|lower the risk"
    r"|reduce the (?:risk|chance|danger)|minimi[sz]e the"
    r"|ensure|match|follow|comply|obey|respect|account|accommodate|respond|reach|leave|open|negotiate|navigate|safely"
    r"|yield|pass|overtake|get past|get around|cede|honou?r|prepare)"
)
CONNECTIVE = re.compile(rf"\b(?:{BECAUSE}|{PURPOSE})\b|[:;—–]")
FOR = re.compile(rf"for|so .*|{PURPOSE}")
"""Connectives that begin what the ego does it for."""
STRONG_BREAK = re.compile(r"[:;—–]")
"""Breaks after which the decision may stand as well as before."""
OPENING = re.compile(
    rf"^\W*(?:{BECAUSE}|{PURPOSE}|with|while|after|once|seeing|noticing|observing|detecting|approaching|facing|if"
    r"|despite|having|behind|before|at|in(?! lane\b)|on|from|to (?!the\b))\b"
)
THEREFORE = re.compile(
    r"[,;.]?\s+(?:and )?(?:therefore|thus|hence|consequently|accordingly|as a result|for (?:this|that) reason"
    r"|which is why|that is why|which (?:requires|means|calls for|prompts|forces|causes|leads|makes)),?\s+"
    r"|,?\s+so,?\s+(?!(?:that|as|it can|others?|they)\b)(?!the \w+ (?:can|could|may)\b)"
)
RESULTS_IN = re.compile(
    r",?\s+(?:and |which |this |that )?(?:call(?:s|ing)? for|lead(?:s|ing)? to|result(?:s|ing)? in|demand(?:s|ing)"
    r"|requir(?:es|ing)|necessitat(?:es|ing)|warrant(?:s|ing)|trigger(?:s|ing)|prompt(?:s|ing)|forc(?:es|ing)|caus(?:es"
    r"|ing)|compel(?:s|ling)|oblig(?:es|ing)|mak(?:es|ing)|mean(?:s|ing)(?: that)?|induc(?:es|ing)|dictat(?:es|ing)"
    r"|in response|as a consequence|in consequence|to which|because of (?:this|that|which)|reacting to (?:this|that"
    r"|which)),?\s+"
)
"""What follows is a decision if it tells one, and what precedes does not."""
HEADING = re.compile(
    r"^\W*(?:(?:driving |ego |final )?(?:reasoning|decision|action|answer|trace|plan|planning|behaviou?r|maneuver"
    r"|manoeuvre|chain of causation|coc|cot|effect|label|response|output)(?: on ego behaviou?r)?)\s*:\s*"
)
AUXILIARY_TO = re.compile(
    r"\b((?:begin|start|continue|need|choose|decide|opt|elect|intend|plan|prepare|attempt|want|try|tend|aim)(?:s|d|ed)?"
    r"|began|chose|tries|tried|starting|beginning|continuing|preparing|has|have|had|having|going|ought|supposed|used"
    r"|required|forced|obliged|compelled|able|unable|about|ready|set|made|asked|needed|bound|prompted|made|due|is|are"
    r"|safe|necessary|prudent|appropriate|wise|best)"
    r"\s+to\b(?!\s+(?:the|a|an)\b)"
)
"""Verbs before whose "to" no purpose begins: "begins to yield"."""

# ── what is not the ego's doing ───────────────────────────────────────────────────────────────────────────────────────

_DOING = (
    r"(?:stopp?(?:ed|ing)?|slow(?:er|ing|ed|est)?(?: down| moving)?|braking|decelerating|accelerating|passing|turning"
    r"|revers(?:ing|ed)|waiting|merging|yielding|crossing|parked|standing|nudging|moving|cutting in|overtaking|backing"
    r"|halted|queued|queuing|idling|crawling|swerving|drifting|trailing|following|leading|stationary|double parked)"
)
_NO_NOUN = (
    r"(?:for|behind|to|with|the|a|an|down|at|and|around|past|left|right|before|in|on|by|of|from|into|until|as|its|than"
    r"|short|near|close|then|or|while|to~|off|up|alongside|between|over|across|after|beside)"
)
_DETERMINER = (
    r"(?:the|an?|another|this|that|one|two|three|four|several|some|many|both|other|all|each|any|no|more|their)"
)
_KIND_OF = (
    r"(?:lead(?:ing)?|oncoming|cross(?:ing)?|parked|stopped|slow(?:er|ing)?|moving|preceding|heavy|dense|stationary"
    r"|approaching|merging|turning|braking|waiting|delivery|garbage|school|police|emergency|large|white|black|red|blue"
    r"|silver|adjacent|neighbou?ring|following|other|opposing|cut in|cutting in|elderly|young|light|box|pickup|fire)"
)
_PLACE = (
    r"(?:\s+(?:nearby|(?:just |directly |immediately |right )?(?:ahead|in front|behind)(?: of it)?"
    r"|(?:on|to|from|at) (?:the |its |our |ego'?s? )?(?:left|right|side|kerb|curb|road(?:side)?|shoulder|near side"
    r"|far side|other side|opposite side)(?: (?:hand )?(?:side|lane|kerb|curb|shoulder|edge))?"
    r"|in (?:the |its |our )?(?:\w+ )?(?:lane|road|path|distance|crosswalk|intersection)))*"
)
_WHICH = (
    r"(?:\s+(?:that|who|which|is|are|was|were|has|have|had|been|being|may|might|just|also|currently|suddenly|about to~?"
    r"|(?:begin|start|continue)(?:s|ning|ing)?|to~?|\w+ly))*"
)
_DOES = (
    r"(?:turn|merg|chang|cut|nudg|cross|stopp?|slow|brak|decelerat|accelerat|pull|yield|revers|back|mov|swerv|drift"
    r"|overtak|pass|wait|approach|enter|emerg|proceed|com|exit|shift|encroach|mak|driv|travel|speed|keep|giv|ced|eas"
    r"|shed|creep|crawl|inch|edg|veer|steer|queu|halt|hold|resum|start|begin|set|go|leav|rid|walk|run|step|join|swing"
    r"|straddl|block|protrud|park|stand|cruis|roll|coast|continu|remain|stay|clos|build|pick|gather|los|reduc|dart)"
)
_ENDING = r"(?:e|s|es|ed|ing|ning|ting|ding|ping)?"
_TO_A_SIDE = (
    r"(?:\s+to~?\s+(?:turn|cross|merge|enter|pass|pull|go|change|park|stop|move|leave)\b)?"
    r"(?:\s+(?:to|into|onto|from|towards?|the|its|our|ego|a|an|in|out|over|down|up|off|away|ahead|sharply|slowly|left"
    r"|right|lanes?|road|path|full|complete|stop|halt|way|side|hard|heavily)\b)*"
)
_UNTIL_ITS_END = (
    r"(?:(?!\band (?:then |so |therefore |thus |(?:the |its )?(?:speed|pace|velocity)\b)|\b(?:so|therefore|thus"
    r"|hence)\b|\b(?:requir|prompt|forc|caus|necessit"
    rf"|demand|warrant|trigger|oblig|result|mean|urg)\w*|\b(?:call\w* for|lead\w* to|mak(?:es|ing) {EGO})|[,;.]|{EGO})"
    r".)*"
)
BARE_EGO = re.compile(
    r"(?:^|(?<=[,;:.])|\b(?=(?:and|so|but|then) the\b))"
    r"(?P<before>\W*(?:(?:and|so|then|therefore|thus|hence|now|here|consequently|but)\b,?\s*)*)"
    rf"(?P<subject>the (?:(?!{_KIND_OF}\b)\w+ )?(?:vehicle|car|driver|truck|system|taxi|shuttle|automobile|machine"
    r"|motorist|chauffeur)|vehicle|car|driver|it)\b(?:'s)?(?!\s+(?:\w+ing\b|parked|stopped\b|slowed|halted|stationary"
    r"|crossing|(?:has|have|is|was) (?:cut|parked|stopped|braking|slowing|ahead|in front|coming)|lengths?|parks?\b"
    r"|doors?|ahead|in front|behind|on|in|at|to|from|that|which|who|before|waiting|beside|next|coming|traveling"
    r"|travelling|parked|cuts|cutting)\b)"
)
"""Words that mean the ego where no other words do: "the car slows down"."""
MADE_TO = re.compile(
    r"\b((?:compel|forc|caus|prompt|requir|oblig|lead|led|urg|induc|persuad|push|bring|driv|trigger|command|instruct"
    r"|tell|told|ask|mak)\w*)\s+(?:us|me|the (?:vehicle|car|driver|system|taxi|shuttle)|it)(?=\s+(?:to~?|into|slow|stop"
    r"|brake|wait|halt|turn|steer|swerve|accelerate|decelerate)\b)"
)
"""What something makes the ego do: "the roadworks oblige the car to slow"."""
IT = re.compile(
    rf"(?:^|(?<=[,;:.])|\b(?:and|but|then)\b)\s*(?:then |so |now )?(?:it|they|he|she)\b(?!')[^,;.{EGO}]*?(?=[,;.{EGO}]"
    r"|\band\b|\bwhether\b|$)"
)
"""What is said of whoever was named before."""
THINGS = re.compile(
    r"\bstop(?:ping)? ?(?:sign|line|light|bar|area|point|board|arm|marking)s?\b|\bstop and go\b|\bstop start\b"
    r"|\b(?:bus|tram|taxi|rest|truck|coach|full service) stops?\b|\b(?:yield|give way|halt|merge) (?:sign|line"
    r"|marking)s?\b|\b(?:slow|passing|overtaking) (?:zone|place|area|speed|pace)s?\b"
    r"|\b(?:speed|slow) (?:limit|bump|hump|table|cushion|camera|zone|sign)s?\b|\b(?:brake|tail|turn) ?(?:light"
    r"|lamp)s?\b|\b(?:u )?turn(?:ing)?(?= (?:lane|pocket|signal|arrow|area|bay|sign|only|indicator|circle|radius)s?\b)"
    r"|\b(?:merg(?:e|ing)|passing|overtaking|exit|acceleration|deceleration|braking|stopping|parking|waiting|holding"
    r"|yielding|reversing|crossing)(?= (?:lane|pocket|area|point|bay|zone|distance|sign|ramp|time|space|spot|place"
    r"|traffic|signal|line)s?\b)|\b(?:from|after|following|out of) (?:an? |its |the |having )?(?:\w+ )?(?:stop|stopping"
    r"|stopped|standing|waiting|yielding|standstill|halt|rest|stopped position)\b"
    r"|\bturn(?:s|ed|ing)? (?:out (?:to~?|that)|(?:on|off) (?:the|its) (?:\w+ )?(?:light|lamp|indicator|signal|blinker"
    r"|hazard)s?|green|red|yellow|amber|its attention|to (?:green|red|yellow|amber))\b"
    r"|\b(?:has|have|had|just|having|is|are|been|being|was|were|who|that|which) left\b"
    r"|\b(?:road|lane|street|highway|carriageway|track)s? (?:(?:ahead|that|which|here|then|\w+ly) ){0,2}(?:turn|bend"
    r"|curv|veer|bear|swing|sweep|wind|go|lead|merg|split|narrow|drop|end)(?:s|es|ing)?(?: (?:sharply|gently|to|the"
    r"|towards|around|slightly|off))*(?: (?:left|right)(?:wards?)?)?\b"
    r"|\bleft (?:the|its|their|a) (?:lane|road|junction|intersection|roundabout|path|crosswalk|kerb|curb|carriageway)\b"
    r"|\b(?:room|time|space|distance|gap) left\b|\bleft (?:behind|over)\b"
    r"|\bright (?:ahead|away|now|in front|next to)\b"
    r"|\b(?:its|their|our|his|her|your) turns?\b(?! to the)|\bin turn\b"
    r"|\bpedestrian (?:signal|light|zone|area|island|bridge|street|precinct|refuge)s?\b|\bcar parks?\b"
    r"|\b(?:bus|bike|bicycle|cycle|taxi|tram|truck) (?:lane|path|bay|rank|depot)s?\b"
    r"|\b(?:lateral|centripetal|sideways) acceleration\w*"
    r"|\bleave\w* \w+ \w+ behind\b|\bspeed of (?:the )?(?:traffic|others?|sound)\b"
    r"|\b(?:no|any) (?:\w+ )?(?:traffic|vehicles?|cars?|pedestrians?)\b"
    # who does not know tells no decision
    r"|\b(?:can ?not|can't|could not|couldn't|unable to~?|impossible to~?|hard to~?) (?:\w+ly )?(?:say|tell|determine"
    r"|judge|know|decide|describe|answer|infer|comment|assess|state)\b.*"
    r"|\b(?:enough|nothing|little|much|more)(?: \w+){0,3} to~? go (?:on|by)\b|\bpass on (?:this|that)\b|\bunclear\b.*"
)
"""Places, signs and figures of speech whose names hold a word of a decision."""
OTHERS = re.compile(
    # "the truck's lane change"; "the lead brakes" as a clause of its own; "the car turning left"; "a slowing truck"
    rf"\b{ACTOR}(?<!ego)'s? (?:(?:sudden|hard|sharp|gentle|strong|abrupt|slow|low|own|current|lane|harsh"
    rf"|late) )*(?!{_NO_NOUN}\b)\w+|(?:^|(?<=[,;:.])|\b(?:and|but|while|whereas|that|when|where|until|if|with|once"
    rf"|after|before|although|though)\b)\s*(?:{_DETERMINER}\s+(?:(?!{_NO_NOUN}\b)\w+\s+){{0,3}}?"
    rf"|(?:{_KIND_OF}\s+)*){ACTOR}\b(?!{_PLACE}\s*(?:$"
    rf"|[,;:.])){_UNTIL_ITS_END}"
    rf"|\b{_DOING}\s+(?:(?!{_NO_NOUN}\b)\w+\s+){{0,2}}?{ACTOR}\b"
    rf"|\b{ACTOR}{_PLACE}\s+(?:that|who|which|whose)\b[^,;.{EGO}]*?(?=,|;|\.|{EGO}|\band\b|$)"
    rf"|\b{ACTOR}{_PLACE}{_WHICH}\s+{_DOES}{_ENDING}\b{_TO_A_SIDE}"
)
"""What other road users do."""
STILL = re.compile(r"(?:double )?(?:parked|stopped|stationary|standing|halted|broken)\b")
"""Others that the ego passes without overtaking them."""
DENIAL = re.compile(
    r"\b(?:not|never|cannot|can't|without|no longer|no need (?:to~?|for)|avoids?|avoiding|refrains? from|isn't|doesn't"
    r"|don't|won't|didn't|shouldn't|nor|neither|no|hardly|unable to~?)"
    r"(?:\s+(?:\w+ly|to~?|need|needs|have|having|be|being|yet|even|any|a|an|the|further|start|begin|make|making"
    r"|for|of|also))*\s*$"
)
MENTIONED_ONLY = re.compile(
    r"\b(?:instead of|rather than|ready to~?|prepared to~?|able to~?|in case|alert to~?|perhaps|maybe|possibly|whether"
    r"|(?:could|may|might) (?:well )?be)(?:\s+(?:\w+ly|be|to~?))*\s*$|\bwhether\b.*$"
)
"""Before words for what the ego does, these make them no decision at all."""
NOT_NEEDED = re.compile(
    r"\s+(?:(?:is|are|was) (?:not|n't|un)\s?|isn't )(?:needed|required|necessary|called for|warranted|taking place)"
)
ALSO_DENIED = re.compile(r"^(?:\s+\w+)?\s*,?\s*(?:or|nor)\s+(?:\w+ly\s+|to~?\s+)?$")

# ── doubt and danger ──────────────────────────────────────────────────────────────────────────────────────────────────

HEDGE = re.compile(
    r"\b(?:may|might|could|possibly|perhaps|potentially|probably|likely|prepar\w*|plan(?:s|ning)?|intend\w*|consider\w*"
    r"|about to~?|ready to~?|if|signal(?:s|l?ing)?|indicat\w+|wants?|aims?|considering|blinker|get(?:s|ting)? ready)\b"
)

RED_LIGHT = re.compile(
    r"(?<!no )\bred\s+(?:\w+\s+)?(?:light|signal|arrow)\b(?!\s+(?:for|facing) (?:the )?(?:cross|oncoming|other"
    r"|opposing))|\b(?:light|signal|arrow)\s+(?:ahead\s+)?(?:is\s+|turns\s+|turned\s+|turning\s+|shows\s+|stays\s+"
    r"|remains\s+|still\s+|just\s+)*red\b"
)
GREEN = re.compile(r"\bgreen\b")
COLLISION = re.compile(
    r"(?<!no )(?<!no risk of )(?<!no risk of a )(?<!without )(?<!without risk of )(?<!no danger of )(?<!no imminent )"
    r"(?<!no potential )(?<!no immediate )\b(?:collisions?|collid\w+|crash\w*|near[- ]miss)\b(?!-free| free"
    r"| is unlikely)"
)
