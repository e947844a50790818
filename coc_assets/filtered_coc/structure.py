"""Instrument `text_structure`: labels that are no usable text, whatever they claim.

Source: label rules, the further measurements of Consistency with the trajectory; training exports, for the tokens that
trainers read as commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import polars as pl

from coc_assets.filtered_coc import wording
from coc_assets.filtered_coc.clauses import clauses_of, plain
from coc_assets.filtered_coc.consistency import SIDED_AGREEMENT
from coc_assets.filtered_coc.faulty_text import (
    AFTER_KEYFRAME,
    FILLER,
    FUTURE,
    FUTURE_EVENT,
    HEDGES,
    LATER,
    NO_ANSWER,
    OF_THE_ROAD,
    OFF_TOPIC,
    PLACEHOLDER,
    REFUSAL,
    SPEAKS_OF_ITSELF,
    WILL,
)
from coc_assets.filtered_coc.instruments import Figure, measured
from coc_assets.filtered_coc.text_claims import read_claim, tells_decision
from resources.settings.filtering import TextThresholds

INSTRUMENT = "text_structure"
VERSION = "2"

PARTS = ("perception", "prediction", "planning", "justification")
FORBIDDEN_TOKENS = r"<\|.*?\|>|<image>|<video>"
"""What must not be in a training text."""
_SENTENCE_END = re.compile(r"(?<=[^\W\d])[.!?;]\s*|\n")
_SUPPOSED = re.compile(r"\b(?:if|unless|otherwise|would|without|whether|avoid\w*|prevent\w*|ensur\w*)\b")
_EGO_WILL = re.compile(rf"{wording.EGO}\s*(?:\w+ly )?(?:will|shall|won't|'ll)\b")
_WILL, _LATER, _AFTER_KEYFRAME = (re.compile(words) for words in (WILL, LATER, AFTER_KEYFRAME))


def measure(labels: pl.DataFrame, keyframes: pl.DataFrame, thresholds: TextThresholds) -> pl.DataFrame:
    """What is wrong with each label as a text and as a record.

    Args:
        labels: rows of `raw_coc`.
        keyframes: the chunk's `keyframes` table.

    Returns:
        Rows of `measurements`; all but the counts are 1 or 0:

        words: count of words of the trace.
        empty: the trace is blank. too_short: it has fewer than the least number of words, but is not blank.
        repeated: one of the texts goes in circles, or two of the four parts are the same.
        same_trace: count of other labels of this labeler in the chunk with the same trace.
        templated: a placeholder was left unfilled, or the text is a filler.
        refused: the text declines to answer, or speaks of something else than a drive.
        forbidden_tokens: count of tokens that trainers read as commands, in any text.
        future_tense: count of words of the future in trace and justification: a hint that a cause was not observed.
        future_leak: count of causes, in trace and justification, that tell of what comes after the keyframe. What the
            ego will do, what is merely possible, and intent that is seen ("is about to cross") are none.
        hedged: count of words in the trace that leave open whether what it says is so.
        no_decision: neither channel has a decision; of a label that is a trace alone, nor does that tell one of those
            that there are (reversing is none).
        direction_missing: the lateral decision needs a direction and has none.
        keyframe_gone: the keyframe is not among the chunk's keyframes any more.
    """
    known = keyframes.select("keyframe_id", known=pl.lit(True)).unique()
    trace, justification = labels["trace"], labels["justification"]
    everything = labels.select(_all_text().alias("everything")).to_series()
    joined = labels.join(known, on="keyframe_id", how="left", maintain_order="left").with_columns(
        _words("trace").list.len().alias("words"),
        everything,
        _refusals(everything, trace).alias("refusal"),
        _fillers(labels, everything).alias("filler"),
        _leaks(trace, justification).alias("leaks"),
        _undecided(labels).alias("undecided"),
        pl.Series("loop", [_repeats(row, thresholds) for row in labels.select("trace", *PARTS).iter_rows()], pl.String),
    )
    claims = pl.concat_str("trace", "justification", separator=" ", ignore_nulls=True)
    sided = pl.col("lateral_decision").is_in(sorted(SIDED_AGREEMENT)).fill_null(False)
    twins = pl.len().over("labeler", pl.col("trace").str.to_lowercase().str.strip_chars()) - 1
    figures = [
        Figure("words", pl.col("words")),
        Figure("empty", pl.col("words") == 0),
        _flag("too_short", pl.col("words").is_between(1, thresholds.least_words - 1), pl.col("trace")),
        Figure("repeated", pl.col("loop").is_not_null(), pl.col("loop")),
        Figure("same_trace", twins),
        Figure("templated", pl.col("filler").is_not_null(), pl.col("filler")),
        Figure("refused", pl.col("refusal").is_not_null(), pl.col("refusal")),
        Figure("forbidden_tokens", pl.col("everything").str.count_matches(FORBIDDEN_TOKENS), _found(FORBIDDEN_TOKENS)),
        Figure("future_tense", claims.str.count_matches(FUTURE)),
        Figure("future_leak", pl.col("leaks").list.len(), _joined(pl.col("leaks"))),
        Figure("hedged", _hedges().list.len(), _joined(_hedges())),
        Figure("no_decision", pl.col("undecided")),
        _flag("direction_missing", sided & pl.col("lateral_direction").is_null(), pl.col("lateral_decision")),
        _flag("keyframe_gone", pl.col("known").is_null(), pl.col("keyframe_id")),
    ]
    return measured(joined, INSTRUMENT, VERSION, figures)


def _flag(name: str, value: pl.Expr, detail: pl.Expr) -> Figure:
    """A figure whose detail is given only where the flag is raised."""
    return Figure(name, value, pl.when(value).then(detail))


def _words(column: str) -> pl.Expr:
    return pl.col(column).fill_null("").str.extract_all(r"[\w'’/.-]*\w[\w'’/.-]*")


def _all_text() -> pl.Expr:
    """Trace, parts and the components' phrases and attributes, one after the other."""
    element = pl.element().struct
    attributes = (
        element.field("attributes").list.eval(pl.element().struct.field("value")).list.join(" ", ignore_nulls=True)
    )
    components = (
        pl.col("components")
        .list.eval(pl.concat_str(element.field("phrase"), attributes, separator=" ", ignore_nulls=True))
        .list.join(" ", ignore_nulls=True)
    )
    return pl.concat_str("trace", *PARTS, components, separator="\n", ignore_nulls=True)


def _found(pattern: str) -> pl.Expr:
    return _joined(pl.col("everything").str.extract_all(pattern), " ")


def _joined(met: pl.Expr, between: str = "; ") -> pl.Expr:
    """A list of words as a detail; null for none."""
    return pl.when(met.list.len() > 0).then(met.list.join(between))


def _hedges() -> pl.Expr:
    return pl.col("trace").fill_null("").str.extract_all(HEDGES)


def _refusals(texts: pl.Series, traces: pl.Series) -> pl.Series:
    """The words by which a label declines, null for none.

    Those of an outright refusal; where the trace tells no decision, those that leave the question open, that speak of
    the speaker or the task, and the whole of a sentence that has no word of the road.

    Args:
        texts: everything that each label says. traces: its trace.
    """
    aside = traces.filter(traces.str.contains(OFF_TOPIC) & ~traces.str.contains(OF_THE_ROAD))
    of_none = set(aside.drop_nulls())
    found = (REFUSAL.first_in(texts), NO_ANSWER.first_in(texts), SPEAKS_OF_ITSELF.first_in(traces), traces)
    declines = [
        refusal or _unless_read(trace, unanswered or words or (trace if trace in of_none else None))
        for refusal, unanswered, words, trace in zip(*found, strict=True)
    ]
    return pl.Series("refusal", declines, pl.String)


def _unless_read(trace: str | None, words: str | None) -> str | None:
    """The words, unless the trace tells a decision."""
    return words if words is not None and not read_claim(trace or "").parsed else None


def _undecided(labels: pl.DataFrame) -> pl.Series:
    """Which labels have no decision on either channel, in the record or, where that was read from it, in the trace."""
    no_record = pl.all_horizontal(pl.col("longitudinal_decision", "lateral_decision").is_null())
    alone = pl.all_horizontal(pl.col(PARTS).is_null())
    rows = labels.select(no_record.alias("no_record"), alone.alias("alone"), pl.col("trace").fill_null("")).iter_rows()
    undecided = [no_record and not (alone and _tells_one(trace)) for no_record, alone, trace in rows]
    return pl.Series("undecided", undecided, pl.Boolean)


def _tells_one(trace: str) -> bool:
    claim = read_claim(trace)
    return claim.parsed and claim.longitudinal != frozenset({"reverse"})


def _fillers(labels: pl.DataFrame, texts: pl.Series) -> pl.Series:
    """What was to be filled in and was not, or stands in place of a text; null for none.

    Args:
        texts: everything that each label says.
    """
    parts = pl.coalesce(pl.col(part).str.extract(f"({FILLER})") for part in ("trace", *PARTS))
    return PLACEHOLDER.first_in(texts).fill_null(labels.select(parts.alias("filler")).to_series())


def _leaks(*texts: pl.Series) -> pl.Series:
    """What each label gives as a cause and comes after the keyframe; only texts with words of it are read closely."""
    doubted = zip(*(FUTURE_EVENT.first_in(column).is_not_null() for column in texts), strict=True)
    leaks = [
        [leak for doubt, text in zip(doubts, row, strict=True) if doubt for leak in _leaks_in(text)]
        for doubts, row in zip(doubted, zip(*texts, strict=True), strict=True)
    ]
    return pl.Series("leaks", leaks, pl.List(pl.String))


def _leaks_in(text: str) -> Iterator[str]:
    """What is told as yet to come: causes that come later, what others will do, what follows the keyframe by name."""
    told = plain(text)
    for sentence in clauses_of(told, tells_decision):
        decides = tells_decision(sentence.decision)
        causes = sentence.causes if decides else [sentence.decision, *sentence.causes]
        yield from (cause for cause in causes if _comes(cause, _LATER))
        told_of = (sentence.decision, *causes, *(each for each in sentence.purposes if each.startswith("for ")))
        yield from (clause for clause in dict.fromkeys(told_of) if _comes(clause, _WILL))
    yield from (match[0] for match in _AFTER_KEYFRAME.finditer(told))


def _comes(clause: str, words: re.Pattern[str]) -> bool:
    """Whether a clause says so by these words: not of the ego, and not as something to avoid or merely possible."""
    others = _EGO_WILL.sub(" ", wording.EGO_AS_SUBJECT.sub(wording.EGO, clause))
    return bool(words.search(others)) and not _SUPPOSED.search(clause)


def _repeats(texts: tuple[str | None, ...], thresholds: TextThresholds) -> str | None:
    """What repeats itself in a label (trace first, then its four parts), or None."""
    for text in filter(None, texts):
        words = re.findall(r"\w+", text.lower())
        if again := _stutter(words) or _sentence_again(text):
            return f"{again!r} again"
        share = _loop_share(words, thresholds)
        if share >= thresholds.loop_share:
            return f"{share:.0%} of the word groups occurred before in {text[:80]!r}"
    parts = [part.strip().lower() for part in texts[1:] if part and part.strip()]
    return "two of the four parts are the same" if len(set(parts)) < len(parts) else None


def _stutter(words: Sequence[str]) -> str | None:
    """A word that is said three times on end."""
    runs = zip(words, words[1:], words[2:], strict=False)
    return next((first for first, *others in runs if others == [first, first] and first.isalpha()), None)


def _sentence_again(text: str) -> str | None:
    """A sentence of several words that is said twice."""
    told = [sentence.strip(" .!?;,").lower() for sentence in _SENTENCE_END.split(text)]
    return next((each for at, each in enumerate(told) if " " in each and each in told[:at]), None)


def _loop_share(words: Sequence[str], thresholds: TextThresholds) -> float:
    """Part of a text's word groups that occurred before in it; 0 for a short one."""
    if len(words) < thresholds.loop_least_words:
        return 0.0
    groups = list(zip(*(words[start:] for start in range(thresholds.loop_words)), strict=False))
    return 1.0 - len(set(groups)) / len(groups)
