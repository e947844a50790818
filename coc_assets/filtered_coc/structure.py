"""Instrument `text_structure`: labels that are no usable text, whatever they claim.

Source: label rules, the further measurements of Consistency with the trajectory; training exports, for the tokens that
trainers read as commands.
"""

from __future__ import annotations

import re

import polars as pl

from coc_assets.filtered_coc.consistency import SIDED_AGREEMENT
from coc_assets.filtered_coc.instruments import Figure, measured
from resources.settings.filtering import TextThresholds

INSTRUMENT = "text_structure"
VERSION = "1"

PARTS = ("perception", "prediction", "planning", "justification")
FORBIDDEN_TOKENS = r"<\|.*?\|>|<image>|<video>"
"""What must not be in a training text."""
REFUSAL = (
    r"(?i)\bi(?:'|’)?m sorry\b|\bi am sorry\b|\bsorry, (?:but )?i\b|\bas an ai\b"
    r"|\bi (?:cannot|can(?:'|’)?t|am unable to|am not able to)\b"
    r"|\bunable to (?:assist|help|comply|process|analy[sz]e|view)\b|\bresponsible ai policy\b"
    r"|\bcontent policy\b|\bno (?:video|image|frame)s? (?:was|were|is|are)? ?(?:provided|attached|available)\b"
)
PLACEHOLDER = (
    r"(?i)\{\{?\s*\w[\w ]*\}?\}|\[(?:insert|object|cause|decision|direction|reason|agent|vehicle|your)\b[^\]]*\]"
    r"|<(?:object|cause|decision|direction|reason|agent|effect)\w*>|\blorem ipsum\b|\bdummy response\b|\btodo\b"
    r"|^\s*(?:string|text|n/?a|none|null)\s*\.?\s*$"
)
FUTURE = r"(?i)\b(?:will|shall|going to|about to|later|soon|afterwards)\b"


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
        refused: the text declines to answer.
        forbidden_tokens: count of tokens that trainers read as commands, in any text.
        future_tense: count of words of the future in trace and justification: a hint that a cause was not observed.
        no_decision: neither channel has a decision.
        direction_missing: the lateral decision needs a direction and has none.
        keyframe_gone: the keyframe is not among the chunk's keyframes any more.
    """
    known = keyframes.select("keyframe_id", known=pl.lit(True)).unique()
    joined = labels.join(known, on="keyframe_id", how="left", maintain_order="left").with_columns(
        _words("trace").list.len().alias("words"),
        _all_text().alias("everything"),
        pl.Series("loop", [_repeats(row, thresholds) for row in labels.select("trace", *PARTS).iter_rows()], pl.String),
    )
    claims = pl.concat_str("trace", "justification", separator=" ", ignore_nulls=True)
    everything = pl.col("everything")
    sided = pl.col("lateral_decision").is_in(sorted(SIDED_AGREEMENT)).fill_null(False)
    twins = pl.len().over("labeler", pl.col("trace").str.to_lowercase().str.strip_chars()) - 1
    figures = [
        Figure("words", pl.col("words")),
        Figure("empty", pl.col("words") == 0),
        _flag("too_short", pl.col("words").is_between(1, thresholds.least_words - 1), pl.col("trace")),
        Figure("repeated", pl.col("loop").is_not_null(), pl.col("loop")),
        Figure("same_trace", twins),
        Figure("templated", _any_part_contains(PLACEHOLDER), everything.str.extract(f"({PLACEHOLDER})")),
        Figure("refused", everything.str.contains(REFUSAL), everything.str.extract(f"({REFUSAL})")),
        Figure("forbidden_tokens", everything.str.count_matches(FORBIDDEN_TOKENS), _found(FORBIDDEN_TOKENS)),
        Figure("future_tense", claims.str.count_matches(FUTURE)),
        Figure("no_decision", pl.col("longitudinal_decision").is_null() & pl.col("lateral_decision").is_null()),
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


def _any_part_contains(pattern: str) -> pl.Expr:
    return pl.any_horizontal(pl.col(name).str.contains(pattern).fill_null(False) for name in ("trace", *PARTS))


def _found(pattern: str) -> pl.Expr:
    met = pl.col("everything").str.extract_all(pattern)
    return pl.when(met.list.len() > 0).then(met.list.join(" "))


def _repeats(texts: tuple[str | None, ...], thresholds: TextThresholds) -> str | None:
    """What repeats itself in a label (trace first, then its four parts), or None."""
    for text in texts:
        share = _loop_share(text or "", thresholds)
        if share >= thresholds.loop_share:
            return f"{share:.0%} of the word groups occurred before in {(text or '')[:80]!r}"
    parts = [part.strip().lower() for part in texts[1:] if part and part.strip()]
    return "two of the four parts are the same" if len(set(parts)) < len(parts) else None


def _loop_share(text: str, thresholds: TextThresholds) -> float:
    """Part of a text's word groups that occurred before in it; 0 for a short one."""
    words = re.findall(r"\w+", text.lower())
    if len(words) < thresholds.loop_least_words:
        return 0.0
    groups = list(zip(*(words[start:] for start in range(thresholds.loop_words)), strict=False))
    return 1.0 - len(set(groups)) / len(groups)
