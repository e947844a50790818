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
    r"(?:videos?|footage|clips?|stills?|images?|frames?|pictures?|photos?|recordings?|screenshots?|visuals?"
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
    rf"|{_CANNOT}{_KNOW} {_WORDS}{{0,2}}?(?:{_WHAT}\b|from (?:the |these |this )?{_MEDIA}\b)"
    rf"|{_CANNOT}{_WORDS}{{1,8}}?(?:{_MEDIA}|(?:this|the|your|that|such|an?|any) {_WORDS}?{_TASK})\b"
    rf"|{_I_CANNOT}(?: to)?(?: be able to)? (?:[a-z]+ly )?(?:{_TELL}|(?:help|assist|provide|process|view|access|watch"
    r"|open"
    r"|know|receive)\b|participate|discuss|engage in|do (?:this|that|so)\b|want to (?:guess|speculate)|given|shown"
    r"|make (?:assumptions|a (?:guess|determination|judg|label|claim)|guesses)|feel comfortable|sure what"
    rf"|have (?:access|(?:enough|sufficient) {_WORDS}{{0,2}}?(?:{_INFORMATION}|{_MEDIA}|to (?:go on|say|tell|judge"
    rf"|answer|describe))"
    r"|the (?:ability|capability|video|frames?|footage|information|context|means)"
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
_SPEAKS = (
    r"\b(?:i|we|me|us|(?:this|the|our|your) (?:[a-z]+ )?(?:model|assistant|system|tool|annotator|labell?er|reviewer|bot"
    r"|ai)|this (?:ai|llm|vlm))\b"
)
_UNWILLING = (
    r"(?:can ?not|can['’]?t|could ?n[o'’]t|couldn['’]t|won['’]?t|will not|would not|wouldn['’]t|shouldn['’]t|should not"
    r"|(?:would|['’]d|must|have to|had to|will|['’]ll|going to|choose to|chose to|prefer to)"
    r" (?:rather not|prefer not|decline|refuse|refrain|abstain|pass|skip)|decline[sd]?|refuse[sd]?|refrain[a-z]*"
    r"|abstain[a-z]*|unable|unwilling|reluctant|hesitant|(?:not|n['’]t) (?:really |quite |currently )?(?:able|allowed"
    r"|permitted|authori[sz]ed|comfortable|willing|qualified|equipped|designed|trained|supposed|prepared|ready|free"
    r"|cleared|going|in (?:a|any) position|in the position|the right)|don['’]t (?:feel|think|want|wish|dare)"
    r"|do not (?:feel"
    r"|think|want|wish)|rather not|prefer not|no (?:way|means|basis|ability|capacity|grounds) (?:to|of|for))"
)
_SPEAK_OUT = (
    r"(?:(?:confirm|determine|establish|verify) (?:why|whether (?:the )?(?:ego|car|vehicle) is)|describ|label"
    r"|annotat|caption|comment|speculat|guess|answer|assist|compl(?:y|ied|ying)\b|characteri[sz]"
    r"|classif|interpret|elaborat|opin|pronounce|weigh in|summari[sz]|analy[sz]|respond|participat|venture"
    r"|hypothesi[sz]"
    r"|fulfil|help (?:with|you|here|out)|help\W*$|offer (?:an?|any|my|you)|provid[a-z]* (?:an?|any|the|this|that"
    r"|such|you)"
    r"|give (?:an?|any|you) (?:[a-z]+ )?(?:answer|description|label|account|reason|verdict|opinion|explanation"
    r"|judg|statement|assessment|reading|decision|narrat)|mak(?:e|ing) (?:an?|any|such|that|this) (?:[a-z]+ )?(?:call"
    r"|claim|judg|guess|statement|determination|assessment|inference|assertion)|say (?:anything|any more|more|much|what"
    r"|why|how|whether (?:the )?(?:ego|car|vehicle)|one way|for sure|with)|tell (?:you|what (?:the )?(?:ego|car"
    r"|vehicle)"
    r"|why|from)|state (?:what|why|the|an?)|judge (?:what|why|(?:the |any )?(?:traffic |driving )?(?:driv|ego|clip"
    r"|scene|situation|manoeuv|behav)|this"
    r"|that|it)|judging|commit (?:to|myself|ourselves)|attribut|put (?:a |any )?(?:label|words|name)|name (?:the"
    r"|a) (?:cause"
    r"|reason|man|decision)|assess (?:the|this|what|that)|evaluat|pass judg|do (?:that|this|so)\b|discuss|talk about"
    r"|address|complete (?:it|this|that|the (?:task|request))|carry out|work with|process|read (?:the|this) (?:clip"
    r"|image"
    r"|frame|video)|decide (?:what|which|how|from))"
)
_SEEN_BY_ME = (
    r"\b(?:i|we) (?:[a-z]+ )?(?:see|am seeing|received|got|was given|were given|have|have been given|find) (?:only "
    r"|just"
    r" |nothing|no )(?:[a-z]+ ){0,3}?(?:black|blank|noise|text|files?|here|image|frame|video|picture|clip|footage|data"
    r"|attach[a-z]*|usable)"
)
_MUST_NOT = (
    r"\b(?:inappropriate|irresponsible|unwise|imprudent|improper|unethical|wrong|unsafe|premature|misleading|dishonest"
    r"|speculative|speculation|guesswork|unfair|reckless)(?: of me| for me| on my part| for an? [a-z]+)? (?:to"
    rf" (?:[a-z]+ly )?(?:{_SPEAK_OUT}|say|state|tell|judge|infer|assign|claim|assume|conclude|name|give|provide|draw"
    rf"|assert"
    r"|determine))"
    r"|\bwould (?:only |just |merely )?be (?:a |pure |mere )?(?:guess(?:ing|work)?|speculation|speculating)\b"
    r"|\bpure(?:ly)? (?:speculation|speculative|guesswork)\b"
)
_OUT_OF_REACH = (
    r"\b(?:outside|beyond|out of|exceeds|not within|falls outside) (?:of )?(?:my|the|what (?:i|this|we)"
    r"|our) ?(?:[a-z]+ )?"
    r"(?:scope|remit|abilit|capabilit|can|am|competence|reach of|power|permission|means|purview)"
    r"|\b(?:isn['’]t|is not|not|wasn['’]t) (?:something|anything|a (?:question|task|request|call"
    r"|judg[a-z]*)) (?:that )?"
    r"(?:i|we|this)\b"
    r"|\b(?:isn['’]t|is not|not|im)(?: ?possible| feasible| doable)(?: for (?:me|us|this [a-z]+|the (?:model"
    r"|assistant)))"
    r"|\b(?:prevents?|forbids?|prohibits?|keeps?|stops?|bars?|preclud[a-z]+|disallows?) (?:me\b|(?:us|this (?:model"
    r"|assistant))"
    r" from (?:answer|describ|label|annotat|comment|speculat|discuss|help|assist|mak|giv|provid|say|tell|judg|stat))"
    r"|\bno can do\b|\bcount me out\b|\bleave (?:it|this|that|the [a-z]+) (?:blank|unlabell?ed|unanswered|to (?:others"
    r"|someone|a human))|\b(?:pass(?:ing)?|skip(?:ping)?) on (?:this|that) (?:one|clip|scene|request|question|image)"
    r"|\b(?:my|your) guess\b|\banyone['’]s guess\b|\bwho knows\b"
)
_LITTLE_TO_GO_ON = (
    r"(?:\b(?:nothing|not|too little|barely|hardly)|n['’]t)(?: (?:enough|much|anything|very|a lot|here|there|given"
    r"|usable"
    r"|visible|shown|to see|in (?:here|this|the [a-z]+)|for (?:me|us)))*"
    r" (?:to (?:go on|go by|work (?:with|from)|describe|label|annotate|comment on|report|base)\b"
    r"|(?:that )?(?:i|we) (?:can|could) (?:usefully )?(?:say|add|tell|offer|describe|contribute|label))"
)
_LEFT_OPEN = (
    r"\b(?:nothing|little|before anything) (?:can|could|may) be (?:[a-z]+ly )?(?:concluded|said|inferred|judged|told"
    r"|determined|established)\b|(?:\bnot|n['’]t) feasible\b|^\W*hard to say\b|\brather leave (?:this|it|that)\b"
    r"|\b(?:annotator|model|assistant|labell?er|reviewer|system) (?:abstain|declin|refus)[a-z]*\W*$|"
    r"\b(?:question|matter|answer|issue|decision|cause|reason|label)s? (?:of [^.\n]{0,60}?)?(?:must|has to|have to|will"
    r"|should|is|are|remains?|stays?) (?:to )?(?:be )?(?:remain |stay |left )?(?:open|unanswered|undecided|unresolved"
    r"|undetermined|unsettled|unlabell?ed|unclear|unknown|a mystery|blank|unspecified)\b"
    r"|\b(?:evidence|data|input|information|material|view|frames?|images?|footage|clip|video|pictures?"
    r"|quality) (?:[a-z]+"
    r" ){0,2}?(?:do(?:es)? not|don['’]t|doesn['’]t|can ?not|can['’]t|fails? to) (?:[a-z]+ )?(?:let|allow|permit|support"
    r"|suffice|justify|warrant|reveal|tell|say|enable|make (?:it )?(?:clear|possible))"
    r"|\b(?:no|without) (?:[a-z]+ )?(?:judg(?:e)?ment|conclusion|determination|verdict|assessment|inference|description"
    r"|statement|reading|analysis|decision)s? (?:[a-z]+ )?(?:can|could|is|will|possible|may|offered|given|from me)\b"
    r"|\b(?:can ?not|can['’]t|could not|couldn['’]t|(?:not|n['’]t) (?:to )?) ?be (?:[a-z]+ly )?(?:judged|assessed"
    r"|decided"
    r"|deduced|derived|evaluated|discerned|classified|stated|worked out|characteri[sz]ed|interpreted|annotated|guessed"
    r"|made out|named|told from|gleaned)\b"
    r"|\b(?:not|n['’]t) (?:evident|apparent|clear|visible|recogni[sz]able|discernible|shown|obvious) (?:from|in"
    r"|on) (?:the"
    rf" |this |these )?{_MEDIA}\b|\b{_MEDIA} (?:do(?:es)? not|do(?:es)?n['’]t) (?:show|say|tell|explain) (?:it|this"
    rf"|that|why"
    r"|what|how|enough)\b|^\W*n ?/ ?a\b|^\W*not (?:labell?ed|annotated|answered|described)\b"
    r"|\bagainst (?:my|the|our) (?:own )?(?:rules|principles|terms)\b|\bask (?:an?|another|the) (?:human|colleague"
    r"|annotator"
    r"|person|expert)\b"
    r"|\bun(?:label|answer|determin|describ|know)l?able\b|\bindeterminable\b|\bnot determinable\b|\bcannot tell\W*$"
)
_BLANKS = (
    r"^\W*(?:n ?[/.]? ?a\b|not applicable|no data|unclear|unknown|undetermined|uncertain|unsure|unusable|unlabell?ed"
    r"|undecided|skip|pass|none|blank)\b\W*(?:\W*(?:skip|pass|unclear|n/?a|cannot tell|can['’]t tell|no data"
    r"|unknown|no (?:footage|frames?|video|image|clip|input)[^.\n]{0,30}|(?:no |in)?sufficient[^.\n]{0,40}|clip|frame"
    r"|video|image|scene|(?:dark|corrupt|blurr?y|black|bad|missing|empty|broken)[^.\n]{0,30}))*\W*$"
    r"|^[\s?.!–—-]*(?:i )?(?:can['’]?t|can ?not|unable to|could not|couldn['’]t) (?:tell|say|judge|determine|see|know"
    r"|label|assess|decide|answer|help)(?: (?:here|this|it|that|sorry|from this|anything))*\W*$"
    r"|\blo siento\b|\bes tut mir leid\b|\bje suis désolée?\b|\bmi dispiace\b"
)
_OUTRIGHT = (
    rf"{_SPEAKS}[^.;!?\n]{{0,30}}?\b{_UNWILLING}\b[^.;!?\n]{{0,40}}?\b{_SPEAK_OUT}"
    r"|\b(?:i|we)(?:['’]d|['’]ll| would| will| shall| must| have to)? (?:really |much |politely "
    r"|respectfully )?(?:rather"
    r" not|prefer not|decline|refuse|abstain|refrain)\b(?: to (?:answer|say|label|describe|help|comment|guess|judge)\b"
    r"|\W*$|,| (?:here|this|that|on|from|about|making|giving|labell?ing|describing|speculating|comment[a-z]*)\b)"
    rf"|{_SEEN_BY_ME}|{_MUST_NOT}|{_OUT_OF_REACH}"
)
_REFUSAL_STEMS = (
    "sorry", "apolog", "regret", "unfortunately", "please", "kindly", "could you", "can you", "if you", "let me",
    "feel free", "how can", "how may", "would you", "to help", "to assist", "to try", "model", "assistant",
    "chatbot", "llm", "vlm", "an ai", "artificial", "i am", "i'm", "i’m", "my ", "polic", "guideline", "content",
    "usage", "safety", "privacy", "responsible", "company", "openai", "moderation", "platform", "community",
    "acceptable", "violat", "request", "response", "output", "prompt", "answer", "completion", "generation",
    "not ", "n't", "n’t", "cant", "wont", "cannot", "withheld", "redacted", "harmful", "inappropriate", "sensitive",
    "disallowed", "graphic", "unable", "impossible", "incapable", "failed", "no way", "declin", "refus", "prefer",
    "hesita", "rather", "have no", "had no", "got no", "received", "see no", "need", "require", "video",
    "footage", "clip", "image", "frame", "picture", "photo", "recording", "screenshot", "visual", "attachment",
    "input", "source", "media", "enough", "sufficient", "inadequate", "lack", "incomplete", "limited",
    "inconclusive", "indetermina", "information", "context", "data", "detail", "evidence", "hard to",
    "difficult", "tough", "tricky", "nothing", "anything", "no comment", "no clue", "no idea", "idk", "dunno",
    "beats me", "no label", "no annotation", "no caption", "skip", "unavailable", "screen", "error", "exception",
    "traceback", "timeout", "timed out", "http", "rate limit", "abstain", "refrain", "unwilling", "reluctant",
    "no means", "no basis", "no ability", "no capacity", "no grounds", "unwise", "imprudent", "improper",
    "unethical", "wrong", "unsafe", "premature", "misleading", "dishonest", "speculat", "guess", "unfair",
    "reckless", "outside", "beyond", "out of", "exceeds", "prevent", "forbid", "prohibit", "keep me", "keeps me",
    "stop me", "stops me", "bars me", "bar me", "keep us", "keeps us", "stop us", "stops us", "bars us", "bar us",
    "preclud", "disallow", "keep this", "keeps this", "stop this", "stops this", "bars this", "bar this",
    "no can do", "count me out", "leave it", "leave this", "leave that", "leave the", "pass on", "passing on",
    "who knows", "question", "matter", "issue", "decision", "cause", "reason", "label", "judg", "conclusion",
    "determination", "verdict", "assessment", "inference", "description", "statement", "reading", "analysis",
    "unlabel", "unanswer", "undetermin", "undescrib", "unknow", "much", "material", "quality", "view", "n/a", "na",
    "n.a", "n a", "not applicable", "unclear", "uncertain", "unsure", "unusable", "undecided", "pass", "none",
    "blank", "too little", "barely", "hardly", "lo siento", "es tut mir", "je suis", "mi dispiace",
    "i see", "i have", "i only", "i just", "i find",
    "i got", "i was", "we ", "irresponsible", "no data", "feasible", "would ", "against", "ask a", "ask the",
    "not l", "still",
)  # fmt: skip
REFUSAL = Words(
    _any_of(_APOLOGY, _SPEAKER, _RULES, _INABILITY, _OUTRIGHT, _LITTLE_TO_GO_ON, _BLANKS), stems=_REFUSAL_STEMS
)
"""Texts that decline outright. What drivers cannot do ("cannot pass", "unable to see past the truck") is none."""
NO_ANSWER = Words(_any_of(_COURTESY, _BAD_MEDIA, _NOT_ENOUGH, _SERVER, _LEFT_OPEN), stems=_REFUSAL_STEMS)
"""Texts that leave the question open, or speak of the pictures instead; none where the text tells a decision."""
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

OFF_TOPIC = (
    r"(?i)^\W*(?:the|this|that|these|those|it|there|here|an?|what an?)\b[^.!?\n]*?"
    r"(?:\b(?:is|are|was|were|has|have|had|looks?|feels?|tastes?)\b|['’]s\b)"
)
"""A whole sentence about something, as labels in note form are not."""
OF_THE_ROAD = (
    r"(?i)\d|\b(?:ego|av|sdc|lv|robotaxi|auto|road|lane|street|highway|motorway|freeway|avenue|carriageway|ramp|slip"
    r"|light|red|green|amber|signal|sign|speed|pace|velocity|momentum|tempo|kmh?|mph|kph|m/s|limit|zone|traffic"
    r"|intersection|junction|crossing|crosswalk|zebra|roundabout|curve|curvature|bend|corner|straight|hill|slope"
    r"|gradient|bridge|tunnel|bump|turn|stop|brak|yield|slow|quick|fast|accelerat|decelerat|throttle|gas|pedal|coast"
    r"|cruis|roll|driv|wheel|path|gap|room|space|route|exit|merg|pass|overtak|ahead|front|distance|queue|jam|vehicle"
    r"|car"
    r"|truck|bus|van|lorry|lead|pedestrian|person|people|cyclist|rider|bicycl|bike|motorcycl|child|kid|animal|dog"
    r"|obstacle|construction|cone|park|clear|empty|left|right|way|kerb|curb|verge|shoulder|tarmac|asphalt|gravel|ice"
    r"|icy"
    r"|wet|rain|snow|fog|wind|weather|surface|grip|traction|friction|visibility|climb|grade|keep|go|going|wait|hold"
    r"|halt|start|move|moving|motion|stand|still|stationary|steer|swing"
    r"|veer|nudge|shunt|revers|lateral|longitudinal|barrier|rails?|tram|school|pull|ease|eases|creep|inch)"
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
