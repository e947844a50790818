"""Words of texts that are faulty whatever the scene: refusals, placeholders, hedges, words of what is yet to come.

Patterns are for polars, which knows no look-around; letters are spelt out where they repeat, to keep them small. A long
pattern is slow on long texts, so each comes with stems that are quick to look for, of which every match has one.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Words:
    """What to look for, upper and lower case alike.

    Attributes:
        pattern: regular expression.
        stems: lower-case parts of words; whatever the pattern matches has one of them. None: there are no such.
    """

    pattern: str
    stems: tuple[str, ...] | None = None

    def doubted(self, texts: pl.Series) -> pl.Series:
        """Whether each text is worth a closer look, false for null."""
        if self.stems is None:
            return texts.is_not_null()
        return texts.str.contains_any(list(self.stems), ascii_case_insensitive=True).fill_null(False)

    def first_in(self, texts: pl.Series) -> pl.Series:
        """The first match in each text, null for none."""
        at = self.doubted(texts).arg_true()
        found = pl.Series(texts.name, [None] * len(texts), pl.String)
        return found.scatter(at, texts.gather(at).str.extract(f"({self.pattern})")) if len(at) else found


def _any_of(*patterns: str) -> str:
    return f"(?i)(?:{'|'.join(patterns)})"


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_WORDS = "(?:[a-z'’]+ )"
_CANNOT = (
    r"\b(?:can ?not|can['’]?t|could not|couldn['’]t|(?:won['’]t|will not) be able to|unable to|not able to"
    r"|not possible to|impossible to|incapable of|not in a position to|failed to|no way to)(?: [a-z]+ly)? "
)
_I_CANNOT = (
    r"\b(?:i|we)(?: (?:am|are|was|were)|['’](?:m|re))? ?(?: [a-z]+ly)?(?: really| afraid i)? ?"
    r"(?:can ?not|can['’]?t|could not|couldn['’]t|won['’]t|will not|would not|wouldn['’]t|would rather not"
    r"|(?:must|have to|will|need to|choose to) (?:decline|refuse)|decline|refuse|unable|not able|not comfortable"
    r"|not allowed|not permitted|not going|do not|don['’]t|did not|didn['’]t|have not|haven['’]t|prefer not|hesitate"
    r"|was not|wasn['’]t)"
)
_TELL = (
    r"(?:assist|comply|answer|fulfil+|label|annotate|caption|describe|comment|respond|speculate|guess|summari[sz]e"
    r"|analy[sz]e|interpret|generate|elaborate|transcribe|hypothesi[sz]e|draw (?:a |any )?[a-z]* ?conclusions?)\b"
)
_BE_TOLD = (
    r"be (?:determined|inferred|identified|established|described|answered|labell?ed|completed|fulfilled|processed"
    r"|analy[sz]ed|provided|said|concluded|ascertained|explained)\b"
)
_KNOW = (
    r"(?:determine|tell|say|know|see|identify|judge|assess|infer|verify|confirm|establish|discern|make out|work out"
    r"|conclude|explain|understand|provide|deduce|recogni[sz]e|ascertain|derive|state|specify|give|read)"
)
_MEDIA = (
    r"(?:videos?|footage|clips?|images?|frames?|pictures?|photos?|recordings?|screenshots?|visuals?"
    r"|visual (?:input|data|content|information|evidence)|attachments?|(?:input|source|media) (?:data|files?))"
)
_TASK = (
    r"(?:task|request|question|label|annotation|description|answer|response|prompt|instruction|analysis|explanation)s?"
)
_WHAT = (
    r"(?:what (?:the ego|the (?:car|vehicle|driver) (?:is|does|did|was)|happen[a-z]*|is happening|is going on|it"
    rf"|to (?:say|answer|label))|why|how the ego"
    rf"|the {_WORDS}?(?:cause|reason|decision|behaviou?r|action|motion|manoeuvre|maneuver|answer))"
)
_POLICY = r"(?:polic(?:y|ies)|guidelines?)"
_INFORMATION = r"(?:information|context|details?|data|evidence|inputs?|visuals?)"
_APOLOGY = (
    r"\bsorry\b|\bapolog(?:y|ies|i[sz]e)\b|\bi regret\b|\bregret(?:tab|fu)lly\b"
    rf"|\bunfortunately,? (?:i|we|this|that|there|the {_MEDIA}|no|it (?:is|isn))\b"
)
_COURTESY = (
    r"\b(?:please|kindly|could you|can you|if you (?:can|could|would|have|need|like)?) ?(?:please )?(?:provide|upload"
    r"|re-?upload|share|attach|send|resend|supply|submit|clarify|consult|contact|rephrase|specify|try again)\b"
    r"|\blet me know\b|\bfeel free\b|\bhow (?:can|may) i\b|\bwhat would you like\b"
    r"|\b(?:happy|glad|here) to (?:help|assist|try)\b"
)
_SPEAKER = (
    r"\bas an? (?:ai\b|artificial intelligence|(?:[a-z]+[ -]){0,3}(?:language|vision|multimodal|text|ai|generative)[ -]"
    r"(?:[a-z]+ )?(?:model|assistant|system)|(?:virtual |digital |helpful )?assistant|chatbot|llm|vlm)"
    r"|\bi(?: am|['’]m) (?:just |only |merely )?an? (?:ai|artificial|language|large|vision|text|virtual|assistant"
    r"|model)\b"
    r"|\bmy (?:training|guidelines|programming|policy|policies|capabilities|knowledge|instructions|abilities)\b"
)
_RULES = (
    r"\b(?:content|usage|safety|privacy|responsible ai|company|openai|moderation|platform|community|acceptable use)"
    r"[- ](?:polic(?:y|ies)|guidelines?|filters?|rules?|restrictions?|standards?)\b|\bresponsibleaipolicy"
    rf"|\bviolat[a-z]+ {_WORDS}{{0,3}}(?:{_POLICY}|terms)|\b(?:against|under|per|due to) (?:my|our"
    rf"|the) {_WORDS}?{_POLICY}"
    r"|\b(?:request|response|content|output|prompt|answer|completion|generation)s? (?:was|were|has been|have been|is"
    r"|got)"
    rf" {_WORDS}?(?:blocked|denied|rejected|refused|filtered|declined|withheld|removed|flagged|redacted|truncated)\b"
    rf"|\bnot (?:allowed|permitted|authori[sz]ed) to (?:{_TELL}|provide|share|help|do (?:this|that))"
    r"|\bwithheld\b|\bredacted\b|\b(?:harmful|inappropriate|sensitive|disallowed|graphic) content\b"
)
_INABILITY = (
    rf"{_CANNOT}(?:{_TELL}|help\b(?: with| you|\W*$)|{_BE_TOLD})"
    rf"|{_CANNOT}{_KNOW} {_WORDS}{{0,2}}?{_WHAT}\b"
    rf"|{_CANNOT}{_WORDS}{{1,8}}?(?:{_MEDIA}|(?:this|the|your|that|such|an?|any) {_WORDS}?{_TASK})\b"
    rf"|{_I_CANNOT}(?: to)?(?: be able to)? (?:[a-z]+ly )?(?:{_TELL}|(?:help|assist|provide|process|view|access|watch"
    r"|open"
    r"|know|receive)\b|participate|discuss|engage in|do (?:this|that|so)\b|want to (?:guess|speculate)|given|shown"
    r"|make (?:assumptions|a (?:guess|determination|judg|label|claim)|guesses)|feel comfortable|sure what"
    r"|have (?:access|enough|sufficient|the (?:ability|capability|video|frames?|footage|information|context|means)"
    rf"|any (?:way|context|{_MEDIA}|{_INFORMATION}))|see (?:any|an?|the) {_MEDIA})"
    rf"|\b(?:i|we) (?:have|had|got|received|see) no (?:access|way|means|idea|{_MEDIA}|{_INFORMATION})\b"
    r"|\b(?:i|we) (?:would |will |['’]d )?(?:need|require) (?:more|additional|further|to see|clearer|a clearer"
    r"|access)\b"
    rf"|\b(?:hard|difficult|tough|tricky) to {_WORDS}?{_KNOW} {_WORDS}{{0,2}}?"
    rf"(?:{_WHAT}|from (?:the |these |this )?{_MEDIA})\b"
)
_BAD_MEDIA = (
    r"\b(?:no|without(?: any)?|missing|lack of|absent|zero) (?:usable |valid |actual |clear |readable "
    rf"|such )*{_MEDIA}\b"
    rf"|\b{_MEDIA}(?: (?:is|are|was|were|seems?|appears?|to|be|too|very|all|completely|mostly|provided|itself|here|you"
    r"|sent|shared|supplied|given|has|have|been|just|extremely|largely|both))*"
    r" (?:missing|blank|black|corrupt[a-z]*|unavailable|unreadable|blurr?(?:y|ed)|too dark|dark|unclear|empty"
    r"|insufficient"
    r"|inaccessible|broken|distorted|low[- ]quality|failed to|cannot be"
    rf"|(?:not|(?:was|were|is|are)n['’]t) {_WORDS}?(?:visible|available|provided|attached|load(?:ed)?|shown|clear"
    r"|included"
    r"|uploaded|received|accessible|present|sufficient|enough|show|supplied|there)"
    rf"|(?:did|do|does|could|would|can)(?: ?not|n['’]t) {_WORDS}?(?:load|open|show|come through|play|contain|provide"
    r"|allow"
    r"|give|be))\b"
)
_NOT_ENOUGH = (
    rf"\b{_MEDIA} (?:quality|resolution)\b|"
    rf"\b(?:not|[a-z]+n['’]t)(?: have)?(?: an?y?)? ?(?:enough|sufficient) {_WORDS}?(?:{_INFORMATION}|{_MEDIA})"
    r"|\b(?:insufficient|inadequate|lacks?|lacking|lack of|no|incomplete"
    rf"|limited) {_WORDS}?{_INFORMATION} {_WORDS}{{0,3}}?"
    r"(?:to (?:determine|answer|label|describe|say|tell|provide|make|infer|judge|conclude|assess|identify)"
    r"|(?:is |was |were |are )?(?:available|provided|given|supplied))"
    rf"|\binsufficient {_INFORMATION}\b|\binconclusive\b|\bindeterminate\b"
    rf"|\b(?:more|additional|further) (?:{_INFORMATION}|frames|footage) (?:is|are|would be|needed|required|necessary)\b"
    r"|\b(?:nothing|not anything) to (?:label|report|describe|annotate)\b"
    r"|\bno (?:comment|label|answer|annotation|caption)(?: is| can be| possible| available| given|\W*$)"
    r"|\b(?:no (?:clue|idea)|idk|dunno|don['’]t know|not sure what|beats me|skipping)\b"
    r"|\bskip(?:ped|ping)? (?:this|the) (?:clip|frame|sample|image|label|video)\b"
)
_SERVER = (
    r"\b(?:error|exception) (?:occurred|happened|while|has)\b|\bunknown error\b"
    r"|\b(?:content|response|output|answer|result|service) (?:is |currently )?(?:unavailable|not available|missing"
    r"|empty)\b"
    r"|\b(?:black|blank|white|green|frozen) (?:screen|frame|image|picture)\b|\bnothing to see\b|\bskip(?:ped)?\W*$"
    r"|^\W*(?:error|exception|traceback|timeout|timed out|http \d{3})\b|\binternal server error|\brate limit"
    r"|\bfailed to (?:load|process|generate|parse|fetch|decode)\b"
)
REFUSAL = Words(
    _any_of(_APOLOGY, _COURTESY, _SPEAKER, _RULES, _INABILITY, _BAD_MEDIA, _NOT_ENOUGH, _SERVER),
    stems=(
        "sorry", "apolog", "regret", "unfortunately", "please", "kindly", "could you", "can you", "if you", "let me",
        "feel free", "how can", "how may", "would you", "to help", "to assist", "to try", "model", "assistant",
        "chatbot", "llm", "vlm", "an ai", "artificial", "i am", "i'm", "i’m", "my ", "polic", "guideline", "content",
        "usage", "safety", "privacy", "responsible", "company", "openai", "moderation", "platform", "community",
        "acceptable", "violat", "request", "response", "output", "prompt", "answer", "completion", "generation",
        "not ", "n't", "n’t", "cant", "cannot", "withheld", "redacted", "harmful", "inappropriate", "sensitive",
        "disallowed", "graphic", "unable", "impossible", "incapable", "failed", "no way", "declin", "refus", "prefer",
        "hesitate", "rather", "have no", "had no", "got no", "received no", "see no", "need", "require", "video",
        "footage", "clip", "image", "frame", "picture", "photo", "recording", "screenshot", "visual", "attachment",
        "input", "source", "media", "enough", "sufficient", "inadequate", "lack", "incomplete", "limited",
        "inconclusive", "indeterminate", "information", "context", "data", "detail", "evidence", "hard to",
        "difficult", "tough", "tricky", "nothing", "anything", "no comment", "no clue", "no idea", "idk", "dunno",
        "beats me", "no label", "no annotation", "no caption", "skip", "unavailable", "screen", "error", "exception",
        "traceback", "timeout", "timed out", "http", "rate limit",
    ),
)  # fmt: skip
"""Texts that decline to answer. What drivers cannot do ("cannot pass", "unable to see past the truck") is none."""
_SHORT_OF = (
    r"(?:not|no|nothing|none|only|cannot|unable|unknown|beyond|declin[a-z]*|refus[a-z]*|lack[a-z]*|insufficient"
    r"|guess[a-z]*|needs?|without|fail[a-z]*|blurr?y|dark|unclear|difficult|hard|missing|impossible|[a-z]+n['’]t)"
)
SPEAKS_OF_ITSELF = Words(
    _any_of(
        r"\b(?:i|i['’](?:m|d|ll|ve)|me|my|you|your|thank you|thanks)\b|\b(?:language model|the model|assistant|ai)\b",
        rf"\b(?:{_MEDIA}|{_TASK})\b(?:[^\n]{{0,80}}?\b)?{_SHORT_OF}\b|\b{_SHORT_OF}\b(?:[^\n]{{0,80}}?\b)(?:{_MEDIA}"
        rf"|{_TASK})\b",
        r"\b(?:answer|cause|reason|decision) is (?:unknown|not known)\b",
    )
)
"""A text that speaks of the speaker, the picture or the question; without a decision to be read in it, it declines."""

OF_THE_ROAD = (
    r"(?i)\b(?:ego|road|lane|street|highway|ramp|light|signal|sign|speed|pace|velocity|traffic|intersection|junction"
    r"|crossing|crosswalk|zebra|roundabout|curve|bend|corner|hill|bump|turn|stop|brak|yield|slow|accelerat|decelerat"
    r"|driv"
    r"|path|gap|route|exit|merg|pass|overtak|ahead|distance|queue|vehicle|car|truck|bus|van|lorry|lead|pedestrian"
    r"|person"
    r"|people|cyclist|rider|bicycl|bike|motorcycl|child|animal|obstacle|construction|cone|park|clear|left|right|way"
    r"|keep|go|going|wait|hold|halt|start|move|moving|steer|nudge|lateral|longitudinal)"
)
"""What every text about a drive names in some way."""

# ── fillers ───────────────────────────────────────────────────────────────────────────────────────────────────────────

_SLOT = (
    r"(?:object|cause|decision|direction|reason|agent|effect|action|side|vehicle|actor|insert|placeholder|fill|name"
    r"|colou?r|number|text|left|right|speed|lane|answer|sentence|phrase)"
)
PLACEHOLDER = Words(
    _any_of(
        rf"\{{\{{?\s*\w[\w ]*\}}?\}}|\[[a-z][a-z0-9_ /|'’,-]{{0,60}}\]|<(?:the |an? |your )?{_SLOT}[^>]{{0,40}}>",
        r"\$\{?[a-z_]+\}?|%[sd]\b|%\([a-z_]+\)|_{3,}",
        r"\blorem ipsum\b|\bdummy (?:response|text|label)\b|\btodo\b|\btbd\b|\bfixme\b|\bxxx+\b|\bplaceholder\b",
        rf"\binsert (?:the |your |an? )?(?:[a-z]+ )?(?:here|{_SLOT})\b|\byour [a-z]+ here\b|\b(?:cause|reason|text"
        r"|answer|decision|sentence|object|label) (?:goes )?here\b",
        r"\b(?:because|due to|for|since) (?:of )?(?:(?:x|y|z)(?:\W|$)|\.{3}|…)",
        r"\b(?:left ?[/|] ?right|right ?[/|] ?left|left or right|right or left|yes ?[/|] ?no)\b",
        r"\bsentences? (?:describing|that describes|stating|explaining)\b|\bdescribe (?:the|how|what) (?:ego|decision"
        r"|cause)",
        r"\beffect_on_ego_behaviou?r\b|\bego_behavior_schema\b|\b(?:same|as) (?:as )?(?:above|before|previously"
        r"|mentioned)\W*$",
        r"\bsee above\b|\b(?:sample|example) (?:text|label|output|answer|sentence)\b",
    ),
    stems=(
        "{", "[", "<", "$", "%", "___", "lorem", "dummy", "todo", "tbd", "fixme", "xxx", "placeholder", "insert",
        "here", "because x", "because y", "because z", "because of x", "because of y", "because of z", "because .",
        "because …", "because of .", "because of …", "due to x", "due to y", "due to z", "due to .", "due to …",
        "for x", "for y", "for z", "for .", "for …", "since x", "since y", "since z", "since .", "since …", "left/",
        "left /", "left|", "left |", "right/", "right /", "right|", "right |", "left or", "right or", "yes/", "yes /",
        "yes|", "yes |", "sentence", "describe", "effect_on", "ego_behavior", "above", "before", "previously",
        "mentioned", "sample", "example",
    ),
)  # fmt: skip
"""What was to be filled in and was not."""
FILLER = (
    r"(?i)^\W*(?:string|text|n/?a|none|null|nil|nan|undefined|unknown|empty|trace|label|reasoning|test|ok|answer)\W*$"
)
"""Texts that stand in place of one."""

# ── doubt, and what is yet to come ────────────────────────────────────────────────────────────────────────────────────

HEDGES = _any_of(
    r"\b(?:may|might|maybe|possibly|perhaps|probably|presumably|apparently|seemingly|conceivably|supposedly|arguably"
    r"|likely|potentially|allegedly)\b",
    r"\bseem(?:s|ed|ing)?\b|\bappear(?:s|ed)? (?:to|as (?:if|though)|that|like)\b|\bcan be assumed\b",
    r"\bcould (?:be|have|also|possibly|well|indicate|mean)\b|\bin all likelihood\b|\bmust have been\b",
    r"\b(?:unclear|uncertain|unsure|ambiguous|(?:hard|difficult) to (?:tell|say)|not (?:sure|certain|clear"
    r"|entirely clear))\b",
    r"\b(?:i|we) (?:think|believe|guess|suppose|assume|suspect|would (?:guess|say|assume))\b|\bassum(?:ing|ed|ably)\b",
    r"\bsuspected\b|\bsuggest(?:s|ing|ed)\b|\blooks? (?:like|as (?:if|though))\b|\bas (?:if|though)\b",
    r"\bsome (?:kind|sort) of\b|\bor (?:something|possibly|perhaps|maybe)\b",
)
"""Words by which a text leaves open whether what it says is so."""
FUTURE = r"(?i)\b(?:will|shall|going to|about to|later|soon|afterwards)\b"
LATER = (
    r"\b(?:later|subsequently|afterwards?|eventually|thereafter|ultimately|in the end|moments? (?:after|later)"
    r"|next moment"
    r"|shortly after(?:wards)?|soon after(?:wards)?|seconds? (?:later|after(?:wards)?|from now|ahead in time)"
    r"|(?:in|within|over|during) the (?:next|following|coming) (?:few |couple of |\S+ )?(?:s|seconds?|moments?|frames?)"
    r"|(?:which|who|that|it|they|he|she) then|ends? up|turned out to|goes on to)\b"
)
"""Words by which a cause comes later than the decision."""
AFTER_KEYFRAME = (
    r"\b(?:after|past|beyond|following) (?:t ?0\b|t ?= ?0\b|the (?:key ?frame|decision (?:point|moment|time|instant)"
    r"|(?:current|present) frame)\b)|\bt ?(?:0 ?)?(?:=|at)? ?\+ ?\d|\+ ?\d+(?:\.\d+)? ?s(?:ec[a-z]*)?\b"
    r"|\b(?:in|from|by) the future\b|\bfuture (?:frames?|window|video|images?|footage|motion|trajectory)\b"
    r"|\b(?:later|subsequent|upcoming|future|next) (?:frames?\b|(?:part of|in) the (?:clip|video)\b)"
)
"""What lies after the keyframe, by name."""
WILL = r"\b(?:will|shall|won['’]t)\b|\b[a-z]+['’]ll\b"
FUTURE_EVENT = Words(
    _any_of(LATER, AFTER_KEYFRAME, WILL),
    stems=(
        "later", "subsequent", "after", "eventual", "ultimate", "in the end", "moment", "seconds", "the next",
        "upcoming", "the following", "the coming", "then", "end up", "ends up", "turned out", "goes on", "past t",
        "beyond t", "following t", "+", "future", "next frame", "next in", "next part", "will", "shall", "won't",
        "won’t", "'ll", "’ll",
    ),
)  # fmt: skip
"""Words of what is yet to come, wherever they stand; what is seen to be meant ("is about to cross") is none."""
