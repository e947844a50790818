"""Causal locality of a label's words: do they speak of things that the cited components do not?

What texts name is looked up in one table of concepts. A false alarm costs a request, so wherever words may mean the
ego, something absent, something merely possible, or road users in general, nothing is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from coc_assets.raw_coc.vlm.lenient import clean
from resources.schemas import ComponentCategory

_READ = 4_000  # characters of one text
_SAME_LENGTH = str.maketrans({"-": " ", "_": " ", "’": "'", "‑": " ", "–": " "})


@dataclass(frozen=True)
class Concept:
    """One kind of thing that labels name.

    Attributes:
        words: regular expression of what texts call it, lower-case; hyphens read as spaces.
        kind_of: more general concepts that a cited mention of this one speaks of too.
        also: further words by which cited phrases speak of it.
        implied: words that claim it without naming it ("it turned red"); they sort no causes.
        is_claim: naming it without a component that shows it is unsupported; else it only sorts causes.
    """

    name: str
    category: ComponentCategory
    words: str
    kind_of: tuple[str, ...] = ()
    also: str = r"(?!)"
    implied: str = r"(?!)"
    is_claim: bool = True

    @cached_property
    def named(self) -> re.Pattern[str]:
        return re.compile(rf"\b(?:{self.words})\b")

    @cached_property
    def claimed(self) -> re.Pattern[str]:
        return re.compile(rf"\b(?:{self.words}|{self.implied})\b")

    @cached_property
    def cited(self) -> re.Pattern[str]:
        return re.compile(rf"\b(?:{self.words}|{self.implied}|{self.also})\b")


_LIGHT_IS = (
    r"(?:(?:left |right )?turn |traffic )?(?:light|signal|arrow)s?"
    r"(?: (?:ahead|in front|at the intersection|for the ego|is|are|was|has|have|had|just|now|still|remains?|stays?"
    r"|shows?|showing|turn(?:s|ed|ing)?|chang(?:es|ed|ing)|to|being|currently|solid)){0,4} "
)
_ENDS_HERE = (
    r"(?=\W*$|\s*[.,;:!?)\0]|\s+(?:\0|(?:and|or|so|as|but|while|before|after|when|because|since|for|at|ahead|again|now"
    r"|just|in|on|to|the|from|shortly|soon)\b))"
)
_TURNS = (
    r"(?:turn(?:s|ed|ing)?|go(?:es|ing|ne)|went|chang(?:es|ed|ing)|switch(?:es|ed|ing))"
    r"(?: back)?(?: from \w+)?(?: to)?"
)


def _colour(words: str) -> str:
    named = r"(?:(?!brake|tail)\w+ )?(?:traffic )?(?:lights?|signals?|arrows?|stop ?lights?)"
    return rf"(?:{words}) {named}|{_LIGHT_IS}(?:{words})"


def _coloured(words: str) -> str:
    """A colour that only a traffic light takes on: it turned red, on red, the amber phase."""
    return (
        rf"(?:{_TURNS}|it is (?:still|now|already)|(?:on|at|for)(?: the)?) (?:{words}){_ENDS_HERE}"
        rf"|(?:{words}) (?:\w+ )?(?:phase|aspect)s?"
    )


_WHO = r"(?:is|are|was|were|who|that|has|have|had|suddenly|now|just|starts?|begins?|started|began|to)"
_ON_FOOT = (
    r"(?:step|walk|run|ran|cross|stand|stood|dart|wait|emerg|jump|wander|stroll|rush|hurr|appear)\w*"
    r"|on foot|near|ahead|(?:on|in|at|by|beside) the (?:road|street|cross ?walk|way|path|lane|curb|kerb|side|edge)"
)
_WAY = (
    r"(?:lane|road|way|path|street|route|ramp|exit)s?"
    r"(?: (?:ahead|in front|is|are|was|has|have|been|being|partly|partially|completely|fully|temporarily|on the left"
    r"|on the right|that|which|now|just))*"
)
_MAKES = (
    r"(?:tesla|toyota|honda|bmw|audi|volkswagen|vw|nissan|hyundai|kia|mazda|subaru|chevrolet|chevy|volvo|porsche"
    r"|renault"
    r"|peugeot|skoda|cadillac|buick)s?|mercedes|lexus|prius(?:es)?"
)
_LIT = (
    r"(?: (?:are|is|were|just|suddenly|both|all|now|have|has))*"
    r" (?:(?:com(?:e|es|ing)|came|go(?:es|ing)?|went|turn(?:s|ed|ing)?|switch(?:es|ed)?) on|light(?:s|ing)? up|lit"
    r"|flash(?:es|ed|ing)?|glow(?:s|ing)?|illuminat\w+|activat\w+|appear\w*|ahead|in front)\b"
)
PERSON_NOUNS = (
    r"(?:peds?|(?:dog )?walkers?|hikers?|ramblers?|commuters?|tourists?|sightseers?|backpackers?|shoppers?"
    r"|parents?|mothers?|moms?|mums?|mummy|fathers?|dads?|daddy|famil(?:y|ies)|nann(?:y|ies)|gentlem[ae]n"
    r"|youngsters?|youths?|teens?|adolescents?|infants?|tots?|pupils?|school ?(?:kid|boy|girl|mate)s?|pre ?schoolers?"
    r"|skaters?|roller ?(?:blad|skat)ers?|seniors?|senior citizens?|pensioners?|elders?|citizens?|grann(?:y|ies)"
    r"|grand(?:mother|father|ma|pa|dad|parent|child|son|daughter)s?|residents?|locals|villagers?|neighbou?rs?"
    r"|lass(?:es)?"
    r"|lassies?|maidens?|vendors?|hawkers?|buskers?|onlookers?|spectators?|protest[eo]rs?|demonstrators?|marchers?"
    r"|revell?ers?|party ?goers?|visitors?|labou?rers?|sweepers?|fire ?fighters?|firem[ae]n|workm[ae]n|road ?workers?"
    r"|surveyors?|cops?|police(?:m[ae]n|wom[ae]n)|lollipop (?:m[ae]n|lad(?:y|ies))|postm[ae]n|mailm[ae]n|post(?:ie"
    r"|woman)"
    r"|mail carriers?|delivery (?:m[ae]n|persons?|people|guys?|boys?)|binm[ae]n|doctors?"
    r"|paramedics?|nuns?|monks?|priests?|waiters?|waitress(?:es)?|athletes?|sprinters?|jugglers?|clowns?|drunks?"
    r"|drunkards?"
    r"|foot ?goers?|wayfarers?|humans?|human beings?|strangers?|civilians?|trekkers?|amblers?|dawdlers?"
    r"|twins|siblings|friends|schoolm[ae]n|foot passengers?|(?:work|road|construction|survey) crews?|walking figures?"
    r"|wheel ?chair users?)"
)
"""People, in words that mean nothing else on a road; likewise below."""
FELLOWS = (
    r"(?:guy|bloke|chap|fell(?:a|ow)|dude|lad|gent|geezer|lass|folk|someone|somebody|anybody else|lady|man|woman"
    r"|nurse|soldier|marshal|individual)s?"
)
RIDER_NOUNS = (
    r"(?:bikers?|pedall?ers?|(?:pedal )?cyclists?|bmx(?:er)?s?|push ?bikes?|pedal (?:bike|cycle)s?|push ?cycles?"
    r"|tandem (?:bike|bicycle)s?"
    r"|pedelecs?|(?:mountain|cargo|road|racing|dirt|quad) bikes?|tri(?:cycles?|kes?)|unicycl(?:es?|ists?)|vespas?"
    r"|two wheelers?"
    r"|velocipedes?|peloton|scooterists?|couriers?|(?:bike|bicycle) couriers?|(?:cycle|bike) (?:couriers?|messengers?))"
)
ANIMAL_NOUNS = (
    r"(?:fox(?:es)?|moose|elks?|rabbits?|hares?|squirrels?|kangaroos?|wallab(?:y|ies)|(?:wild )?boars?|hogs?|pigs?"
    r"|piglets?"
    r"|goats?|lambs?|ewes?|terriers?|labradors?|retrievers?|poodles?|spaniels?|pupp(?:y|ies)|hounds?|kittens?"
    r"|pigeons?|swans?"
    r"|hens?|chickens?|ducklings?|raccoons?|hedgehogs?|coyotes?|wol(?:f|ves)|llamas?|alpacas?|camels?|donkeys?|mules?"
    r"|pon(?:y|ies)|foals?|cal(?:f|ves)|bullocks?|oxen|stags?|reindeer|buffalo(?:es)?"
    r"|bisons?|antelopes?|elephants?|monkeys?|snakes?|turtles?|tortoises?|iguanas?|alligators?|peacocks?|sea ?gulls?"
    r"|gulls?"
    r"|crows|ravens?|pheasants?|partridges?|goose|emus?|ostrich(?:es)?|beasts?|critters?|creatures?|canines?|mutts?"
    r"|heifers?"
    r"|herds?|flocks?|badgers|fawns?)"
)
STROLLER_NOUNS = r"(?:(?:baby|double|twin|child) (?:buggy|buggies|carriages?)|perambulators?)"
_ON_THE_WAY = (
    r"(?: \w+ly)? (?:cross\w*|walk\w*|step\w*|stroll\w*|stand\w*|wait\w*|run\w*|hurr\w+|wandering|waddl\w+"
    r"|on (?:foot|the)"
    r"|with|and|at the|by the|in the (?:road|street|lane|way)|from the|is|are|finish\w*|hand in hand"
    r"|in (?:scrubs|uniform|black|dark|hi vis|high vis|an? \w+ (?:vest|coat|jacket|hat)))"
)
_WHEELS = ("vehicle",)
_OBJECT: ComponentCategory = "critical_object"
_LIGHT: ComponentCategory = "traffic_light"
_CONTROL: ComponentCategory = "yield_stop_control"
_ROAD: ComponentCategory = "road_event"
_LANE: ComponentCategory = "lane"
_ROUTE: ComponentCategory = "routing_intent"
_CONDITION: ComponentCategory = "odd_constraint"

CONCEPTS: tuple[Concept, ...] = (
    Concept("red light", _LIGHT, _colour("red"), implied=_coloured("red")),
    Concept("green light", _LIGHT, _colour("green"), implied=_coloured("green")),
    Concept("yellow light", _LIGHT, _colour("yellow|amber"), implied=_coloured("yellow|amber")),
    Concept(
        "traffic light",
        _LIGHT,
        r"traffic (?:light|signal)s?|stop ?lights?|signal (?:head|light)s?|(?:red|green|yellow|amber) arrows?"
        r"|the (?:light|signal)(?! (?:rain|snow|fog|mist|drizzle|traffic|vehicle|rail|truck|van|conditions?))",
        kind_of=("stop line",),
        also=r"(?<!brake )(?<!tail )(?<!turn )(?<!head )(?<!hazard )(?:lights?|signals?)|phases?",
    ),
    Concept("stop sign", _CONTROL, r"stop signs?|(?:all|four|two|three) way stops?", kind_of=("stop line",)),
    Concept("yield sign", _CONTROL, r"(?:yield|give way) signs?", kind_of=("stop line",), also=r"give way"),
    Concept(
        "crosswalk",
        _CONTROL,
        r"cross ?walks?|zebras?(?: crossings?)?|pedestrian crossings"
        r"|(?:at|before|near|approaching|towards?) (?:a|an|the) (?:\w+ )?pedestrian crossing(?! (?:from|the|our|in))",
        kind_of=("stop line",),
        also=r"pedestrian crossings?|zebras?",
    ),
    Concept("stop line", _CONTROL, r"(?:stop|stopping|limit|wait|waiting|hold) (?:lines?|bars?)", also=r"stop"),
    Concept(
        "railway crossing",
        _CONTROL,
        r"(?:rail|railway|railroad|level|train|grade) crossings?|railways?|railroads?|(?:train|rail) tracks?"
        r"|(?:crossing|boom) (?:gates?|barriers?)",
        kind_of=("gate",),
        also=r"trains?",
    ),
    Concept("toll booth", _CONTROL, r"toll ?(?:booth|plaza|gate|station)s?", kind_of=("gate",)),
    Concept(
        "traffic controller",
        _CONTROL,
        r"police officers?|traffic (?:officer|controller|cop|warden)s?|flaggers?|flagm[ae]n|flagpersons?"
        r"|crossing guards?",
        kind_of=("pedestrian",),
        also=r"police\w*|officers?|guards?|workers?",
    ),
    Concept("school bus", _CONDITION, r"school ?bus(?:es)?", kind_of=("bus", "beacon", *_WHEELS)),
    Concept(
        "emergency vehicle",
        _CONDITION,
        r"emergency (?:vehicle|responder)s?|ambulances?|fire ?(?:trucks?|engines?)|sirens?"
        r"|police(?: (?:car|vehicle|cruiser|suv)s?)?",
        kind_of=("truck", "beacon", *_WHEELS),
    ),
    Concept(
        "construction",
        _CONDITION,
        r"(?:road )?construction(?: (?:zone|site|area|work|vehicle|worker|cone|barrier|equipment|barrel|sign)s?)?"
        r"|road ?works?|work ?zones?|(?:traffic |orange |safety )?(?:cones?|barrels?|pylons?)|barricades?|barriers?"
        r"|excavators?|(?:lane|road) closures?|detours?",
        kind_of=("obstacle", "lane end"),
        implied=rf"{_WAY} closed|closed (?:lane|road|street|ramp|exit)s?",
        also=r"clos(?:ed|ure)|workers?|guard ?rails?|k ?rails?|bollards?|delineators?",
    ),
    Concept(
        "oncoming traffic",
        _OBJECT,
        r"on ?coming(?: (?:traffic|vehicle|car|truck|bus|van|cyclist|motorcycle)s?)?",
        also=r"opposing|opposite|towards? (?:the )?ego|head ?on|approaching",
    ),
    Concept(
        "cut-in",
        _OBJECT,
        r"(?:(?:vehicle|car|truck|van|bus|suv|taxi|motorcycle)s?(?: (?:that|is|are|which|from the (?:left|right)))* )?"
        r"cut(?:s|ting)? in(?!side)(?: (?:vehicle|car|truck)s?)?",
        also=r"cut|merg\w+|chang\w+ lanes?|lane chang\w+|enter\w*|mov\w+ (?:in|to|over)\w*|encroach\w*|drift\w*"
        r"|cross\w*|pull\w+ out|veer\w*|swerv\w*",
    ),
    Concept(
        "motorcycle",
        _OBJECT,
        r"motor ?cycl(?:es?|ists?)|motor ?bikes?|mopeds?",
        kind_of=("rider", "vulnerable road user", *_WHEELS),
        also=r"riders?",
    ),
    Concept(
        "scooter",
        _OBJECT,
        r"(?:e )?scooters?(?: riders?)?|skate ?board(?:er)?s?",
        kind_of=("rider", "vulnerable road user"),
    ),
    Concept(
        "cyclist",
        _OBJECT,
        rf"(?:bi)?cyclists?|bicycl(?:es?|ists?)|(?:e )?bikes?|{RIDER_NOUNS}",
        kind_of=("rider", "vulnerable road user"),
        also=r"riders?",
    ),
    Concept("rider", _OBJECT, r"riders?", kind_of=("vulnerable road user",)),
    Concept(
        "stroller",
        _OBJECT,
        r"strollers?|prams?|push ?chairs?|wheel ?chairs?"
        rf"|{STROLLER_NOUNS}|with (?:a|the|her|his|their) bugg(?:y|ies)|bugg(?:y|ies)(?={_ON_THE_WAY})",
        kind_of=("vulnerable road user", "pedestrian"),
    ),
    Concept(
        "pedestrian",
        _OBJECT,
        r"pedestrians?|persons?|people|child(?:ren)?|kids?|toddlers?|adults?|m[ae]n|wom[ae]n|jay ?walkers?|joggers?"
        r"|(?:road |construction )?workers?|boys?|girls?|lad(?:y|ies)|bystanders?|passers? ?by|school ?child(?:ren)?"
        r"|students?(?! driver)|runners?|teenagers?|babies|baby|crowds?|foot traffic"
        rf"|(?:someone|somebody)(?= (?:{_WHO} )*(?:{_ON_FOOT}))|(?:for|to|around) (?:someone|somebody)(?=\W*$|[.,;])"
        r"|(?:a|an|the|another|one|two) (?:(?!speed|target)\w+ )?figures?(?! (?:of|out|eight)\b)"
        rf"|{PERSON_NOUNS}|{FELLOWS}(?={_ON_THE_WAY})|(?:a|an|the|some|old|two|three|young) (?:guy|bloke|chap|fella"
        rf"|lass)s?"
        rf"|(?:elderly|old|older|young) couples?|(?:a|the|one) (?:\w+ )?couple(?! of\b)(?={_ON_THE_WAY})"
        rf"|passengers?(?= (?:wait|stand|alight|board)\w*)|(?:a|the) (?:\w+ )?(?:group|pair|trio)(?= (?:cross|walk"
        rf"|on foot))",
        kind_of=("vulnerable road user",),
        also=r"someone|vrus?|figures?",
    ),
    Concept("vulnerable road user", _OBJECT, r"vulnerable road users?|vrus?", kind_of=("obstacle",)),
    Concept(
        "animal",
        _OBJECT,
        r"animals?|dogs?|cats?|deer|cows?|cattle|horses?|birds?|geese|sheep|wildlife|livestock"
        rf"|{ANIMAL_NOUNS}|ducks?(?={_ON_THE_WAY})(?! (?:in|and)\b)|(?:a|the|brown|black|young) bear(?! (?:left"
        rf"|right)\b)",
        kind_of=("obstacle",),
    ),
    Concept("tram", _OBJECT, r"trams?|street ?cars?", kind_of=("railway crossing", *_WHEELS), also=r"light rail"),
    Concept("train", _OBJECT, r"trains?", kind_of=("obstacle",)),
    Concept("bus", _OBJECT, r"(?:mini)?bus(?:es)?|shuttles?|coach(?:es)?", kind_of=_WHEELS),
    Concept("van", _OBJECT, r"(?:mini ?|delivery )?vans?", kind_of=_WHEELS),
    Concept(
        "truck",
        _OBJECT,
        r"(?:pick ?up )?trucks?|lorr(?:y|ies)|semis?(?: (?:truck|trailer)s?)?|tractor trailers?|pickups?"
        r"|big rigs?|(?:18|eighteen) wheelers?|tankers?",
        kind_of=("trailer", *_WHEELS),
        also=r"semi|tractor|trailers?|delivery vehicles?|heavy vehicles?|large vehicles?",
    ),
    Concept("trailer", _OBJECT, r"trailers?", kind_of=_WHEELS),
    Concept(
        "vehicle",
        _OBJECT,
        r"(?:lead(?:ing)? |preceding )?(?:vehicle|car|automobile|suv|sedan|hatchback|taxi|cab|coupe|jeep)s?"
        r"|the lead(?! \w+)|the lead (?=is|has|brakes|slows|stops|ahead)|lead(?:ing)? (?:agent|obstacle|actor)s?"
        r"|(?:stopped|slow(?:er|ing)?|stationary|heavy|dense|congested|queu\w+|cross(?:ing)?|preceding|merging) traffic"
        r"|traffic (?:jams?|queues?|ahead)|congestion|(?:a|the) queue"
        r"|queues?(?: of| ahead| in front| form\w*| build\w*)|(?:long|short|slow|moving) queues?"
        rf"|traffic (?:(?:{_WHO}|ahead) )*(?:build(?:s|ing)?|back(?:s|ed|ing)? up|pil(?:es|ed|ing)|slow(?:s|ed|ing)?"
        r"|stop(?:s|ped|ping)|brak\w+|jam\w*|stall\w*|queu\w+|bunch\w*|thicken\w*|com\w+ to a (?:stop|halt|standstill))"
        r"|tail ?backs?|grid ?lock|bumper to bumper"
        r"|motor ?homes?|rvs?|camper(?: van)?s?|caravans?|limousines?|limos?|station wagons?|golf carts?|tractors?"
        rf"|{_MAKES}"
        rf"|(?:brake|tail) ?lights?(?={_LIT})",
        kind_of=("obstacle",),
        also=r"traffic|leads?|queues?|tractors?|brake lights?|tail ?lights?|crossover",
    ),
    Concept(
        "parked vehicle",
        _OBJECT,
        r"(?:double |illegally )?parked",
        kind_of=("obstacle",),
        also=r"park(?:ing|s)?|stopped|stationary|standing|static|double park\w+",
    ),
    Concept("open door", _OBJECT, r"(?:open(?:ed|ing)?|ajar) (?:\w+ )?doors?", kind_of=("obstacle",), also=r"doors?"),
    Concept("pothole", _OBJECT, r"pot ?holes?", kind_of=("obstacle",), also=r"holes?|damage\w*"),
    Concept(
        "debris",
        _OBJECT,
        r"debris|fallen (?:tree|branch|cargo|object|rock)\w*|boulders?|cardboard box(?:es)?|plastic bags?"
        r"|mattress(?:es)?|ladders?|pallets?",
        kind_of=("obstacle",),
        also=r"obstacles?|obstructions?|objects?|rubble|litter|branch\w*|cargo",
    ),
    Concept(
        "obstacle",
        _OBJECT,
        r"obstacles?|obstructions?|blockages?|static objects?",
        implied=rf"{_WAY} (?:blocked|obstructed)|(?:blocked|obstructed) (?:lane|road|path|street|ramp|exit)s?",
        also=r"objects?|block\w*|obstruct\w*",
    ),
    Concept("speed bump", _ROAD, r"(?:speed |road )?(?:bumps?|humps?)|speed (?:cushion|table)s?"),
    Concept("roundabout", _ROAD, r"round ?abouts?|traffic circles?|rotar(?:y|ies)", kind_of=("curve",)),
    Concept(
        "curve",
        _ROAD,
        r"(?:sharp |gentle |left |right |road )*(?:curv(?:es?|ed|ing|ature)|bend(?:s|ing)?)|winding",
        also=r"turn\w*|curv\w*|ramps?|wind\w*",
    ),
    Concept(
        "slope",
        _ROAD,
        r"hills?|(?:down|up)hill|slopes?|inclines?|crests?|steep (?:grade|descent|climb)",
        also=r"grades?|descen\w*|climb\w*|ascen\w*",
    ),
    Concept("tunnel", _ROAD, r"tunnels?|under ?pass(?:es)?", also=r"over ?pass(?:es)?|bridges?"),
    Concept("school zone", _ROAD, r"school (?:zone|area)s?", also=r"school"),
    Concept(
        "speed limit",
        _ROAD,
        r"speed limits?|posted (?:speed|limit)s?|(?:mph|km/?h|kph) (?:zone|limit|sign)s?",
        also=r"speed (?:\w+ )?signs?|mph|km/?h|kph",
    ),
    Concept(
        "snow",
        _CONDITION,
        r"snow(?:s|y|ing|fall|ed|bank)?(?: covered)?|sleet|ice|icy|blizzard",
        kind_of=("wet road", "poor visibility"),
    ),
    Concept(
        "rain", _CONDITION, r"rain(?:s|y|ing|fall)?|drizzl(?:e|ing)|downpour", kind_of=("wet road", "poor visibility")
    ),
    Concept(
        "wet road", _CONDITION, r"wet|slippery|slick|puddles?|standing water|flood(?:ed|ing)", also=r"rain\w*|water"
    ),
    Concept("fog", _CONDITION, r"fog(?:gy)?|mist(?:y)?|haz[ey]|smoke", kind_of=("poor visibility",)),
    Concept(
        "night",
        _CONDITION,
        r"night(?:time)?|darkness|in the dark|dark (?:road|street|condition|environment|scene)s?",
        kind_of=("poor visibility",),
        also=r"dark|dusk|dawn|low light|unlit|twilight",
    ),
    Concept(
        "glare",
        _CONDITION,
        r"(?:sun )?glare|low sun|blinding (?:sun|light)\w*|sun (?:is )?blinding",
        kind_of=("poor visibility",),
        also=r"sun\w*|bright|backlit|backlight\w*",
    ),
    Concept(
        "poor visibility",
        _CONDITION,
        r"(?:poor|low|limited|reduced|bad|restricted|obscured) (?:visibility|sight)",
        also=r"visib\w+|occlu\w+|obscur\w+|hidden|sight|blind",
    ),
    Concept("intersection", _ROAD, r"intersections?|junctions?|crossroads?", is_claim=False),
    Concept(
        "ramp", _ROAD, r"(?:on |off |exit |entrance )?ramps?|merge (?:point|area|sign)s?|narrow\w*", is_claim=False
    ),
    Concept(
        "route",
        _ROUTE,
        r"route|destination|navigation|(?:next|upcoming|right|left|planned) (?:turn|exit)s?|exits?",
        is_claim=False,
    ),
    Concept(
        "lane",
        _LANE,
        r"(?:(?:left|right|adjacent|next|target|turn|oncoming|same|ego) )*lanes?(?: (?:markings?|lines?|ends?|drop))?",
        is_claim=False,
    ),
)
"""Concepts, specific before general: words that one has taken are not read again."""

CLAIMED_ONLY: tuple[Concept, ...] = (
    Concept(
        "beacon",
        _CONTROL,
        r"beacons?|(?:flashing|blinking|rotating|strob\w+) (?:(?!brake|tail|turn|hazard)\w+ )?(?:lights?|lamps?)",
        also=r"flash\w*|blink\w*|strob\w*|rotating|(?:warning|emergency|blue|amber) lights?|light ?bars?",
    ),
    Concept("gate", _CONTROL, r"(?<!tail )gates?|boom arms?", kind_of=("obstacle",), also=r"barriers?|booms?"),
    Concept(
        "lane end",
        _LANE,
        r"lanes?(?: (?:ahead|is|are|was|soon|abruptly|shortly|gradually|on the (?:left|right)|that|which|about to))*"
        r" (?:end(?:s|ed|ing)?(?! (?:its|the|up|with))|drops?(?! (?:back|behind|speed|its|below|to))"
        r"|dropping(?! (?:back|to))|terminat\w+|disappears?|runs? out)"
        r"|ending lanes?",
        also=r"end(?:s|ed|ing)?|drop\w*|merg\w+|narrow\w*|reduc\w+|taper\w*|clos\w+|block\w*|converg\w*|on ramps?",
    ),
    Concept("ball", _OBJECT, r"(?:foot ?|soccer |basket ?|beach |tennis )?(?<!on the )balls?", kind_of=("obstacle",)),
    Concept(
        "bin",
        _OBJECT,
        r"dumpsters?|(?:trash|garbage|rubbish|wheelie|recycling|waste) (?:cans?|bins?|containers?)|shopping carts?",
        kind_of=("obstacle",),
        also=r"containers?|skips?|bins?|trash|garbage|carts?",
    ),
)
"""Concepts that a label may not name unseen, though no cause in a free sentence is sorted by them."""

_ALL = (*CONCEPTS, *CLAIMED_ONLY)
_CLAIMS = tuple(concept for concept in _ALL if concept.is_claim)
_NEED_NO_PICTURE = frozenset({"speed limit"})

_LIGHT_CONCEPT = next(concept for concept in CONCEPTS if concept.name == "traffic light")
_COLOURS = {
    "red light": re.compile(r"\bred\b"),
    "green light": re.compile(r"\bgreen\b"),
    "yellow light": re.compile(r"\b(?:yellow|amber)\b"),
}

_VERB = (
    r"(?:is|was|should|must|will|can|has|needs?|may|begins?|starts?|continues?|slows?|stops?|yields?|turns?|keeps?"
    r"|maintains?|changes|nudges|resumes?|accelerates?|brakes?|decelerates?|proceeds?|follows?|remains?|stays?|merges?"
    r"|waits?|adapts?|holds?|moves?|speeds?|travels?|drives?|approaches)"
)
_UNTIL = (
    r"[^.;:!?]*?(?=[.;:!?]|$|, (?:the|a|an|it|ego|just|only|one|two)\b"
    r"|,? (?:but|because|so|since|as|while|although|though|and (?:the|a|an|then|it|is|are|keep|slow|stop))\b)"
)
_LAMPS = r"(?:light|signal|lamp)s?"
_NOT_MEANT: tuple[str, ...] = (
    # the ego
    r"\b(?:the )?ego(?:'s)?(?: (?:vehicle|car|agent|driver)(?:'s)?)?",
    r"\b(?:our|my|its|their|host|own|this|self driving|autonomous|automated)(?: own)? (?:vehicle|car)\b(?:'s)?",
    rf"\bthe (?:vehicle|car)\b(?:'s\b|(?=\s*[.,;:]|\s*$|\s+{_VERB}\b))",
    # names that contain a concept's word and mean something else
    r"\btraffic (?:flow|rules?|laws?|regulations?|conditions?|controls?|situation|stream|volume|speed|density)\b",
    r"\b(?:car|vehicle|truck|bus) (?:lengths?|widths?|speeds?|dynamics|control|stability|position)\b",
    r"\b(?:bus|tram|truck) (?:stop|lane|station|route)s?\b",
    r"\b(?:bike|bicycle|cycle|cycling|car ?pool|vehicle) (?:lane|path|rack)s?\b",
    r"\bcar ?parks?\b|\bparking (?:lot|space|spot|area|lane|garage)s?\b",
    rf"(?:(?<=\0 )|\b(?:its|our|own) )(?:brake|tail) ?{_LAMPS}\b",
    rf"\b(?:brake|tail) ?{_LAMPS}\b(?!{_LIT})",
    rf"\b(?:head|hazard|turn|street|rear|warning|indicator) ?{_LAMPS}\b",
    r"\bwithin (?:the )?speed limits?\b",
    # people named for what they drive, and things named for people and animals
    rf"\b(?:{FELLOWS}|who)(?= (?:(?:is|are|just|ahead|has|'s) )*(?:in front\b|ahead\b|behind the wheel"
    r"|in (?:a|an|the|his|her|that) (?:\w+ )?(?:cars?|vans?|trucks?|suvs?|lorry|taxi|cab|bus|transit|golf|ute"
    r"|hatchback|saloon"
    rf"|sedan|pickup|jeep|{_MAKES})\b|driv\w+|park\w*|overtak\w*|merg\w*|cut\w* (?:in|up|across)|brak\w*|pull\w* out"
    rf"|honk\w*"
    r"|indicat\w*|tailgat\w*))",
    r"\b(?:baby|child|children's|dog|pet|horse|cattle|animal|family|tourists?|commuters?|visitors?|residents?|senior"
    r"|people|workm[ae]n'?s?|shoppers?|pedestrians?|human|nurses?|doctors?|bird|men|women|goose|wolf|crew"
    r"|local|courier|children|kids?|parents?)(?:'s|')? "
    r"(?=strollers?|bugg(?:y|ies)|carriages?|prams?|push ?chairs?|legs?\b|grids?|guards?\b|box(?:es)?\b|trailers?"
    r"|cars?\b|bus(?:es)?\b"
    r"|coach(?:es)?|vans?\b|trucks?|traffic|train|parking|permits?|zones?|signs?|cent(?:er|re)s?|homes?|drivers?|driven"
    r"|carriers?|movers?|transports?|transporters?|eyes?\b|at work|at play|play ?grounds?|play areas?"
    r"|street|islands?|refuge|xing|bridge|signal"
    r"|areas?\b)",
    r"\bdog ?legs?\b|\bcat'?s'? ?eyes?\b|\bcattle grids?\b|\bhorse ?box(?:es)?\b|\bhorse ?power\b|\bbird'?s eye\b"
    r"|\bped(?:estrian)? xings?\b|\bbull bars?\b|\bdead ?man\b|\brunners? up\b|\bman ?holes?\b|\bhog(?:s|ging)? the\b"
    r"|\bsnakes? (?:left|right"
    r"|through|around|along|past|its|between)\b|\bfoxes? (?:us|the)\b|\bbadgers? (?:us|the|its|his)\b"
    r"|\btot(?:s|ting)? up\b"
    r"|\bhares? off\b|\bpigs? ear\b|\b(?:bus|tram|taxi|coach) (?:bays?|rails?|tracks?|lines?|gates?|shelters?"
    r"|terminus|ranks?)\b",
    r"\b(?:drop\w*|let\w*|set\w*) (?:off )?(?:a |the |its |our )?passengers?\b",
    r"\b(?:at|to|towards?|under|below|near|above|obey\w*|respect\w*|exceed\w*|observ\w*|match\w*|reach\w*) (?:the )?"
    r"(?:\w+ )?speed limits?\b",
    r"\bon ?coming (?:lane|side|direction)s?\b|\bin (?:the )?light of\b",
)
_NOT_THERE: tuple[str, ...] = (
    # road users in general
    r"\b(?:other|surrounding|nearby|following|trailing|rear|adjacent) (?:vehicle|car|road user|driver|agent)s\b",
    r"\b(?:other|surrounding|nearby|following|rear|adjacent|flow of|general|normal|regular) traffic\b",
    r"\b(?:vehicles?|cars?|traffic) behind\b",
    # what is absent, or merely possible
    r"\b(?:pedestrian|ped|people|person|cyclist|bike|animal|traffic|vehicle|car|obstacle)s? (?:free|less)\b",
    r"\b(?:pedestrian|ped|people|person|cyclist|bike|animal|vehicle|car|rider|walker|kid|child|children)s?"
    r"(?::| =|,)? (?:none|absent|nowhere|nil|no\b(?! longer)|0\b|(?:is|are) (?:absent|nowhere|not))",
    r"\b(?:no|not|without|neither|nor|never|nothing|nobody|none|hardly any\w*|free (?:of|from)|clear(?:ed)? of"
    r"|zero(?= (?:ped|people|person|cycl|bike|animal|traffic|vehicle|car))"
    r"|(?:empty|devoid|void|bereft|rid) of|absence of|lack of)\b" + _UNTIL,
    r"\b(?:if|any|whether|unless|until|once|in case|potential|possible|possibly|hypothetical|unexpected|unseen)\b"
    + _UNTIL,
    r"\b(?:watch|check|look|scan|monitor)\w*(?: \w+){0,6}? for\b" + _UNTIL,
    r"\b(?:prepar|alert|ready|brac)\w* (?:for|to)\b" + _UNTIL,
    r"\b(?:pedestrian|vehicle|car|cyclist|animal|truck|bus|train)s? (?:may|might|could)\b",
)
_NOT_CLAIMED = (*_NOT_MEANT, *_NOT_THERE)
"""What texts say without claiming that a thing is there: it is no thing of this kind, or is not said to be there."""


@dataclass(frozen=True)
class Mention:
    """A concept that a text names: the words, and where in the text they begin."""

    concept: Concept
    words: str
    at: int


def mentions(text: str) -> list[Mention]:
    """What a text says is there, in the order of the text; what it says is absent or possible is left out."""
    return _found(text, [(concept, concept.named) for concept in CONCEPTS], _NOT_CLAIMED)


def _found(text: str, patterns: Sequence[tuple[Concept, re.Pattern[str]]], set_aside: Sequence[str]) -> list[Mention]:
    rest = _readable(text[:_READ])
    for aside in set_aside:
        rest = re.sub(aside, _blank, rest)
    found: list[Mention] = []
    for concept, pattern in patterns:
        rest = pattern.sub(partial(_take, found, concept), rest)
    return sorted(found, key=lambda mention: mention.at)


def _readable(text: str) -> str:
    """Lower-case, hyphens as spaces, and every character where it was."""
    lower = text.lower()
    return (lower if len(lower) == len(text) else text).translate(_SAME_LENGTH)


def _take(found: list[Mention], concept: Concept, match: re.Match[str]) -> str:
    found.append(Mention(concept, match[0].strip(), match.start()))
    return _blank(match)


def _blank(match: re.Match[str]) -> str:
    """As long as what was matched, without a word or space that a pattern could bridge."""
    return "\0" * len(match[0])


def unsupported(texts: Mapping[str, str | None], cited: Sequence[str]) -> list[str]:
    """Words for objects, controls and conditions in a label's texts that no cited component speaks of.

    A cited word supports its own concept and more general ones ("truck" supports "vehicle"; "car" and "vehicle" mean
    the same), never a more special one. A coloured light needs a cited light and that colour.

    Args:
        texts: trace and parts of the label, by name.
        cited: phrases and attribute values of the components that were seen, and what was added of route and rules.

    Returns:
        The words as the texts have them, in lower case, once a concept, in the order of the texts.
    """
    return _strange(texts.values(), cited, _NOT_CLAIMED)


def unsupported_additions(phrases: Sequence[str], cited: Sequence[str]) -> list[str]:
    """Words by which an added route or rule of the road names what only a picture can show, and none of the cited does.

    Routes, speed limits and priority need no picture. Lights, people, vehicles, signs and weather do, even where a rule
    speaks of them as absent or merely possible ("if a pedestrian crosses"): what is added supports the label's texts.

    Args:
        phrases: what was added.
        cited: phrases and attribute values of the components that were seen, those alone.

    Returns:
        The words as the phrases have them, in lower case, once a concept, in the order of the phrases.
    """
    return _strange(phrases, cited, _NOT_MEANT, _NEED_NO_PICTURE)


def _strange(
    texts: Iterable[str | None], cited: Sequence[str], set_aside: Sequence[str], allowed: frozenset[str] = frozenset()
) -> list[str]:
    known = supported_by(cited) | allowed
    patterns = [(concept, concept.claimed) for concept in _CLAIMS]
    strange: dict[str, str] = {}
    for text in texts:
        for mention in _found(clean(text or ""), patterns, set_aside):
            if mention.concept.name not in known:
                strange.setdefault(mention.concept.name, mention.words)
    return list(strange.values())


def supported_by(cited: Sequence[str]) -> frozenset[str]:
    """Names of the concepts that the cited phrases speak of, the more general ones included."""
    phrases = [_readable(clean(phrase)) for phrase in cited]
    text = " . ".join(phrases)
    names = {concept.name for concept in _ALL if concept.name not in _COLOURS and concept.cited.search(text)}
    if "traffic light" in names:
        shown = " ".join(phrase for phrase in phrases if _is_of_light(phrase))
        names |= {name for name, colour in _COLOURS.items() if colour.search(shown)}
    return _with_general(names)


def _is_of_light(phrase: str) -> bool:
    """The phrase is about a light, or is a state alone."""
    return bool(_LIGHT_CONCEPT.cited.search(phrase)) or len(re.findall(r"\w+", phrase)) == 1


def _with_general(names: set[str]) -> frozenset[str]:
    known = set(names)
    while more := {general for concept in _ALL if concept.name in known for general in concept.kind_of} - known:
        known |= more
    return frozenset(known)
