"""Causal locality of a label's words: do they speak of things that the cited components do not?

What texts name is looked up in one table of concepts. A false alarm costs a request, so wherever words may mean the
ego, something absent, something merely possible, or road users in general, nothing is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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
        is_claim: naming it without a component that shows it is unsupported; else it only sorts causes.
    """

    name: str
    category: ComponentCategory
    words: str
    kind_of: tuple[str, ...] = ()
    also: str = r"(?!)"
    is_claim: bool = True

    @cached_property
    def named(self) -> re.Pattern[str]:
        return re.compile(rf"\b(?:{self.words})\b")

    @cached_property
    def cited(self) -> re.Pattern[str]:
        return re.compile(rf"\b(?:{self.words}|{self.also})\b")


_LIGHT_IS = (
    r"(?:(?:left |right )?turn |traffic )?(?:light|signal|arrow)s?"
    r"(?: (?:ahead|in front|at the intersection|for the ego|is|are|was|has|have|had|just|now|still|remains?|stays?"
    r"|shows?|showing|turn(?:s|ed|ing)?|chang(?:es|ed|ing)|to|being|currently|solid)){0,4} "
)


def _colour(words: str) -> str:
    return rf"(?:{words}) (?:\w+ )?(?:traffic )?(?:lights?|signals?|arrows?|stop ?lights?)|{_LIGHT_IS}(?:{words})"


_WHEELS = ("vehicle",)
_OBJECT: ComponentCategory = "critical_object"
_LIGHT: ComponentCategory = "traffic_light"
_CONTROL: ComponentCategory = "yield_stop_control"
_ROAD: ComponentCategory = "road_event"
_LANE: ComponentCategory = "lane"
_ROUTE: ComponentCategory = "routing_intent"
_CONDITION: ComponentCategory = "odd_constraint"

CONCEPTS: tuple[Concept, ...] = (
    Concept("red light", _LIGHT, _colour("red")),
    Concept("green light", _LIGHT, _colour("green")),
    Concept("yellow light", _LIGHT, _colour("yellow|amber")),
    Concept(
        "traffic light",
        _LIGHT,
        r"traffic (?:light|signal)s?|stop ?lights?|signal (?:head|light)s?|(?:red|green|yellow|amber) arrows?"
        r"|the (?:light|signal)(?! (?:rain|snow|fog|mist|drizzle|traffic|vehicle|rail|truck|van|conditions?))",
        kind_of=("stop line",),
        also=r"(?<!brake )(?<!tail )(?<!turn )(?<!head )(?<!hazard )(?:lights?|signals?)",
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
        also=r"trains?",
    ),
    Concept("toll booth", _CONTROL, r"toll ?(?:booth|plaza|gate|station)s?"),
    Concept(
        "traffic controller",
        _CONTROL,
        r"police officers?|traffic (?:officer|controller|cop|warden)s?|flaggers?|flagm[ae]n|flagpersons?"
        r"|crossing guards?",
        kind_of=("pedestrian",),
        also=r"police\w*|officers?|guards?|workers?",
    ),
    Concept("school bus", _CONDITION, r"school ?bus(?:es)?", kind_of=("bus", *_WHEELS)),
    Concept(
        "emergency vehicle",
        _CONDITION,
        r"emergency (?:vehicle|responder)s?|ambulances?|fire ?(?:trucks?|engines?)|sirens?"
        r"|police(?: (?:car|vehicle|cruiser|suv)s?)?",
        kind_of=("truck", *_WHEELS),
    ),
    Concept(
        "construction",
        _CONDITION,
        r"(?:road )?construction(?: (?:zone|site|area|work|vehicle|worker|cone|barrier|equipment|barrel|sign)s?)?"
        r"|road ?works?|work ?zones?|(?:traffic |orange |safety )?(?:cones?|barrels?|pylons?)|barricades?|barriers?"
        r"|excavators?|(?:lane|road) closures?|detours?",
        kind_of=("obstacle",),
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
        r"(?:bi)?cyclists?|bicycl(?:es?|ists?)|(?:e )?bikes?",
        kind_of=("rider", "vulnerable road user"),
        also=r"riders?",
    ),
    Concept("rider", _OBJECT, r"riders?", kind_of=("vulnerable road user",)),
    Concept(
        "stroller",
        _OBJECT,
        r"strollers?|prams?|push ?chairs?|wheel ?chairs?",
        kind_of=("vulnerable road user", "pedestrian"),
    ),
    Concept(
        "pedestrian",
        _OBJECT,
        r"pedestrians?|persons?|people|child(?:ren)?|kids?|toddlers?|adults?|m[ae]n|wom[ae]n|jay ?walkers?|joggers?"
        r"|(?:road |construction )?workers?",
        kind_of=("vulnerable road user",),
        also=r"someone|vrus?|figures?",
    ),
    Concept("vulnerable road user", _OBJECT, r"vulnerable road users?|vrus?", kind_of=("obstacle",)),
    Concept(
        "animal",
        _OBJECT,
        r"animals?|dogs?|cats?|deer|cows?|cattle|horses?|birds?|geese|sheep|wildlife|livestock",
        kind_of=("obstacle",),
    ),
    Concept("tram", _OBJECT, r"trams?|street ?cars?", kind_of=("railway crossing", *_WHEELS), also=r"light rail"),
    Concept("train", _OBJECT, r"trains?"),
    Concept("bus", _OBJECT, r"(?:mini)?bus(?:es)?|shuttles?|coach(?:es)?", kind_of=_WHEELS),
    Concept("van", _OBJECT, r"(?:mini ?|delivery )?vans?", kind_of=_WHEELS),
    Concept(
        "truck",
        _OBJECT,
        r"(?:pick ?up )?trucks?|lorr(?:y|ies)|semis?(?: (?:truck|trailer)s?)?|tractor trailers?|pickups?",
        kind_of=("trailer", *_WHEELS),
        also=r"semi|tractor|trailers?|delivery vehicles?|heavy vehicles?|large vehicles?",
    ),
    Concept("trailer", _OBJECT, r"trailers?", kind_of=_WHEELS),
    Concept(
        "vehicle",
        _OBJECT,
        r"(?:lead(?:ing)? |preceding )?(?:vehicle|car|automobile|suv|sedan|hatchback|taxi|cab|coupe|jeep)s?"
        r"|the lead(?! \w+)|the lead (?=is|has|brakes|slows|stops|ahead)|lead(?:ing)? (?:agent|obstacle|actor)s?"
        r"|(?:stopped|slow(?:er|ing)?|stationary|heavy|dense|congested|queu\w+|cross(?:ing)?|preceding) traffic"
        r"|traffic (?:jams?|queues?|ahead)|congestion|(?:a|the) queue",
        kind_of=("obstacle",),
        also=r"traffic|leads?|queues?|tractors?|brake lights?|tail ?lights?|crossover",
    ),
    Concept(
        "parked vehicle",
        _OBJECT,
        r"(?:double |illegally )?parked",
        also=r"park(?:ing|s)?|stopped|stationary|standing|static|double park\w+",
    ),
    Concept("open door", _OBJECT, r"(?:open(?:ed|ing)?|ajar) (?:\w+ )?doors?", also=r"doors?"),
    Concept("pothole", _OBJECT, r"pot ?holes?", kind_of=("obstacle",), also=r"holes?|damage\w*"),
    Concept(
        "debris",
        _OBJECT,
        r"debris|fallen (?:tree|branch|cargo|object)\w*",
        kind_of=("obstacle",),
        also=r"obstacles?|obstructions?|objects?|rubble|litter|branch\w*|cargo",
    ),
    Concept(
        "obstacle",
        _OBJECT,
        r"obstacles?|obstructions?|blockages?|static objects?",
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
    r"[^.;:!?]*?(?=[.;:!?]|$|, (?:the|a|an|it|ego)\b"
    r"|,? (?:but|because|so|since|as|while|although|though|and (?:the|a|an|then|it|is|are|keep|slow|stop))\b)"
)
_NOT_CLAIMED: tuple[str, ...] = (
    # the ego
    r"\b(?:the )?ego(?:'s)?(?: (?:vehicle|car|agent|driver)(?:'s)?)?",
    r"\b(?:our|my|its|their|host|own|this|self driving|autonomous|automated)(?: own)? (?:vehicle|car)\b(?:'s)?",
    rf"\bthe (?:vehicle|car)\b(?:'s\b|(?=\s*[.,;:]|\s*$|\s+{_VERB}\b))",
    # road users in general
    r"\b(?:other|surrounding|nearby|following|trailing|rear|adjacent) (?:vehicle|car|road user|driver|agent)s\b",
    r"\b(?:other|surrounding|nearby|following|rear|adjacent|flow of|general|normal|regular) traffic\b",
    r"\b(?:vehicles?|cars?|traffic) behind\b",
    r"\btraffic (?:flow|rules?|laws?|regulations?|conditions?|controls?|situation|stream|volume|speed|density)\b",
    r"\b(?:car|vehicle|truck|bus) (?:lengths?|widths?|speeds?|dynamics|control|stability|position)\b",
    # names that contain a concept's word and mean something else
    r"\b(?:bus|tram|truck) (?:stop|lane|station|route)s?\b",
    r"\b(?:bike|bicycle|cycle|cycling|car ?pool|vehicle) (?:lane|path|rack)s?\b",
    r"\bcar ?parks?\b|\bparking (?:lot|space|spot|area|lane|garage)s?\b",
    r"\b(?:brake|tail|head|hazard|turn|street|rear|warning|indicator) ?(?:light|signal|lamp)s?\b",
    r"\bwithin (?:the )?speed limits?\b",
    r"\b(?:at|to|towards?|under|below|near|above|obey\w*|respect\w*|exceed\w*|observ\w*|match\w*|reach\w*) (?:the )?"
    r"(?:\w+ )?speed limits?\b",
    r"\bon ?coming (?:lane|side|direction)s?\b|\bin (?:the )?light of\b",
    # what is absent, or merely possible
    r"\b(?:no|not|without|neither|nor|never|nothing|free (?:of|from)|clear(?:ed)? of|absence of|lack of)\b" + _UNTIL,
    r"\b(?:if|any|whether|unless|until|once|in case|potential|possible|possibly|hypothetical|unexpected|unseen)\b"
    + _UNTIL,
    r"\b(?:watch|check|look|scan|monitor)\w*(?: \w+){0,6}? for\b" + _UNTIL,
    r"\b(?:prepar|alert|ready|brac)\w* (?:for|to)\b" + _UNTIL,
    r"\b(?:pedestrian|vehicle|car|cyclist|animal|truck|bus|train)s? (?:may|might|could)\b",
)
"""What texts say without claiming that a thing is there."""


@dataclass(frozen=True)
class Mention:
    """A concept that a text names: the words, and where in the text they begin."""

    concept: Concept
    words: str
    at: int


def mentions(text: str) -> list[Mention]:
    """What a text says is there, in the order of the text; what it says is absent or possible is left out."""
    rest = _readable(text[:_READ])
    for pattern in _NOT_CLAIMED:
        rest = re.sub(pattern, _blank, rest)
    found: list[Mention] = []
    for concept in CONCEPTS:
        rest = concept.named.sub(partial(_take, found, concept), rest)
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
    spoken_of = supported_by(cited)
    strange: dict[str, str] = {}
    for mention in _claims(texts):
        if mention.concept.name not in spoken_of:
            strange.setdefault(mention.concept.name, mention.words)
    return list(strange.values())


def _claims(texts: Mapping[str, str | None]) -> Iterator[Mention]:
    for text in texts.values():
        yield from (mention for mention in mentions(clean(text or "")) if mention.concept.is_claim)


def supported_by(cited: Sequence[str]) -> frozenset[str]:
    """Names of the concepts that the cited phrases speak of, the more general ones included."""
    phrases = [_readable(clean(phrase)) for phrase in cited]
    text = " . ".join(phrases)
    names = {concept.name for concept in CONCEPTS if concept.name not in _COLOURS and concept.cited.search(text)}
    if "traffic light" in names:
        shown = " ".join(phrase for phrase in phrases if _is_of_light(phrase))
        names |= {name for name, colour in _COLOURS.items() if colour.search(shown)}
    return _with_general(names)


def _is_of_light(phrase: str) -> bool:
    """The phrase is about a light, or is a state alone."""
    return bool(_LIGHT_CONCEPT.cited.search(phrase)) or len(re.findall(r"\w+", phrase)) == 1


def _with_general(names: set[str]) -> frozenset[str]:
    known = set(names)
    while more := {general for concept in CONCEPTS if concept.name in known for general in concept.kind_of} - known:
        known |= more
    return frozenset(known)
