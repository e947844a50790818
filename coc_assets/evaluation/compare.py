"""How right a labeler is: its labels against the scripted truth.

Every figure is a share of labels, with how many it was counted on and its 95 % interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import polars as pl

from coc_assets.evaluation.truth import Coverage, coverage, match_truth
from coc_assets.filtered_coc.grounding import named_components

Channel = Literal["longitudinal", "lateral"]
CHANNELS: tuple[Channel, ...] = ("longitudinal", "lateral")
LATER = "later"
"""Group of labels at keyframes that mark no scripted onset."""
NONE = "none"
"""How confusion tables call a channel without a decision."""

TRUTH_FIGURES = (
    "longitudinal_decision",
    "lateral_decision",
    "both_decisions",
    "direction",
    "first_cause",
    "any_cause",
    "unsupported_claim",
)

_Z_95 = 1.959964
_ROAD_CATEGORIES = ("road_event", "routing_intent", "lane")


@dataclass(frozen=True)
class ScriptedCause:
    """How labels may name a scripted cause.

    Attributes:
        categories: of the component.
        kind: kind of object by its words (`grounding.KINDS`), for a component that names no track.
        words: pattern that the component's phrase must contain, where the category alone says too little.
    """

    categories: tuple[str, ...] = ()
    kind: str | None = None
    words: str | None = None


_VEHICLE = ScriptedCause(("critical_object",), kind="vehicle")
CAUSES: Mapping[str, ScriptedCause] = {
    "lead_brakes": _VEHICLE,
    "lead_stopped": _VEHICLE,
    "slower_lead": _VEHICLE,
    "cut_in": _VEHICLE,
    "parked_blocker": _VEHICLE,
    "person_crossing": ScriptedCause(("critical_object",), kind="person"),
    "curve": ScriptedCause(_ROAD_CATEGORIES, words=r"(?i)\b(?:curv|bend)"),
    "turn": ScriptedCause(_ROAD_CATEGORIES, words=r"(?i)\b(?:turn|intersection|junction|crossroad|corner)"),
    "unobserved": ScriptedCause(),
}
"""Scripted causes and how labels may name them; nothing names an unobserved one."""


@dataclass(frozen=True)
class Comparison:
    """One labeler against the truth or against another labeler.

    Attributes:
        against: `truth`, or the other labeler.
        counts: how many keyframes and labels lie behind the figures, and what was left out of them.
        figures: a row a group and figure: `group` (all, trackable, untrackable, later, a scene or a scene class),
            `figure`, `hits`, `n`, `share` and its 95 % interval `low`, `high`; the shares are null where n is 0.
        confusion: a row a channel and pair of decisions: `channel`, `expected` (the truth's or the other labeler's),
            `labelled`, `count`.
        kappa: Cohen's kappa by channel; empty against the truth, null where both always say the same one thing.
    """

    labeler: str
    against: str
    counts: Mapping[str, int]
    figures: pl.DataFrame
    confusion: pl.DataFrame
    kappa: Mapping[str, float | None] = field(default_factory=dict)


def against_truth(
    labels: pl.DataFrame, truth: pl.DataFrame, keyframes: pl.DataFrame, labeler: str = "rules"
) -> Comparison:
    """How right labels are at the keyframes that mark a scripted onset.

    Clips that are damaged on purpose are counted and left out: what they lack would be held against the labeler.

    Args:
        labels: rows of `raw_coc`, one labeler's.
        truth: rows of `truth.parquet`.
        keyframes: rows of `keyframes` of the same chunks. Labels from elsewhere may lie at instants of their own: if
            any does, those that the labeler labelled stand for the keyframes.
    """
    moments = keyframes if labels.join(keyframes, on="keyframe_id", how="anti").is_empty() else labels
    found = coverage(truth, moments)
    whole = truth.filter(pl.col("defect").is_null())
    matched = match_truth(whole, moments)
    labelled = usable(labels)
    scored, later = score(labelled, matched), score_later(labelled, whole, matched)
    groups = {
        "all": pl.lit(True),
        "trackable": pl.col("trackable"),
        "untrackable": ~pl.col("trackable"),
        **{scene: pl.col("scene") == scene for scene in sorted(scored["scene"].unique())},
    }
    return Comparison(
        labeler=labeler,
        against="truth",
        counts=_truth_counts(found, matched, scored, labelled),
        figures=pl.concat(
            [tally(scored, groups, TRUTH_FIGURES), tally(later, {LATER: pl.lit(True)}, ("unsupported_claim",))]
        ),
        confusion=confusion(scored, skip_silent=True),
    )


def score(labels: pl.DataFrame, matched: pl.DataFrame) -> pl.DataFrame:
    """The matched keyframes that have a label, and what is right about it.

    Args:
        labels: usable rows of `raw_coc`, at most one a keyframe.
        matched: rows of `match_truth`.

    Returns:
        The rows of `matched` that have a label, `expected_*` and `labelled_*` of both channels, and a column a figure
        of `TRUTH_FIGURES`: null where the truth says nothing about it. A channel that the script leaves open is not
        judged. `first_cause` and `any_cause`: the most important or any component is the scripted cause; of an
        unobserved one, that the label claims none. `unsupported_claim`: some component is not the scripted cause.
    """
    chosen = ("longitudinal_decision", "lateral_decision", "lateral_direction")
    ours = labels.select("keyframe_id", "label_id", *(pl.col(name).alias(f"labelled_{name}") for name in chosen))
    rows = matched.rename({name: f"expected_{name}" for name in chosen}).join(ours, on="keyframe_id")
    claimed = _claims(labels, rows.select("label_id", "cause", "cause_track_id"))
    rows = rows.join(claimed, on="label_id", how="left", maintain_order="left")
    claims, named = pl.col("claims").fill_null(0), pl.col("named").fill_null(0)
    blind = pl.col("cause") == "unobserved"
    return rows.with_columns(
        *channels_right(),
        direction=pl.col("expected_lateral_direction").eq(pl.col("labelled_lateral_direction").fill_null(NONE)),
        first_cause=pl.when(blind).then(claims == 0).when(pl.col("cause").is_not_null()).then(_no("first_named")),
        any_cause=pl.when(blind).then(claims == 0).when(pl.col("cause").is_not_null()).then(named > 0),
        unsupported_claim=claims > named,
    )


def score_later(labels: pl.DataFrame, truth: pl.DataFrame, matched: pl.DataFrame) -> pl.DataFrame:
    """The labels at all other keyframes of scripted clips, and whether they claim what nowhere happens in the clip.

    What the ego decides there no script says, but a cause that the clip does not have is none there either.

    Args:
        labels: usable rows of `raw_coc`.
        matched: rows of `match_truth` of the same truth.

    Returns:
        `label_id` and `unsupported_claim`, a row a label.
    """
    later = labels.join(matched, on="keyframe_id", how="anti").join(truth, on="clip_id", how="semi")
    scripted = truth.select("clip_id", "cause", "cause_track_id").unique()
    claimed = _claims(later, later.select("label_id", "clip_id").join(scripted, on="clip_id"))
    return later.join(claimed, on="label_id", how="left", maintain_order="left").select(
        "label_id", unsupported_claim=pl.col("claims").fill_null(0) > pl.col("named").fill_null(0)
    )


def tally(scored: pl.DataFrame, groups: Mapping[str, pl.Expr], figures: tuple[str, ...]) -> pl.DataFrame:
    """`Comparison.figures` of scored rows: a row a group and figure, counted where the figure is not null."""
    rows = []
    for group, members in groups.items():
        within = scored.filter(members)
        for figure in figures:
            known = within[figure].drop_nulls()
            low, high = wilson(int(known.sum()), len(known))
            share = float(known.mean()) if len(known) else None  # type: ignore[arg-type]
            rows.append((group, figure, int(known.sum()), len(known), share, low, high))
    schema = {"group": pl.String, "figure": pl.String, "hits": pl.Int64, "n": pl.Int64}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(("share", "low", "high"), pl.Float64), orient="row")


def wilson(hits: int, n: int) -> tuple[float | None, float | None]:
    """Wilson's 95 % score interval of a share; (None, None) of nothing."""
    if n == 0:
        return None, None
    share, spread = hits / n, _Z_95**2 / n
    middle = share + spread / 2
    half = _Z_95 * float(np.sqrt(share * (1 - share) / n + spread / (4 * n)))
    return max((middle - half) / (1 + spread), 0.0), min((middle + half) / (1 + spread), 1.0)


def confusion(rows: pl.DataFrame, skip_silent: bool) -> pl.DataFrame:
    """`Comparison.confusion` of rows with `expected_*` and `labelled_*` decisions.

    Args:
        skip_silent: leaves out rows whose expected decision is null; else they count as `none`.
    """
    tables = []
    for channel in CHANNELS:
        expected, labelled = (f"{part}_{channel}_decision" for part in ("expected", "labelled"))
        judged = rows.filter(pl.col(expected).is_not_null()) if skip_silent else rows
        pairs = judged.select(
            channel=pl.lit(channel),
            expected=pl.col(expected).fill_null(NONE),
            labelled=pl.col(labelled).fill_null(NONE),
        )
        tables.append(pairs.group_by(pairs.columns).agg(count=pl.len().cast(pl.Int64)))
    return pl.concat(tables).sort("channel", "expected", "labelled", descending=[True, False, False])


def usable(labels: pl.DataFrame) -> pl.DataFrame:
    """The labels that say something, at most one a keyframe: the last."""
    return labels.filter(pl.col("status") == "ok").unique("keyframe_id", keep="last", maintain_order=True)


def _truth_counts(found: Coverage, matched: pl.DataFrame, scored: pl.DataFrame, labels: pl.DataFrame) -> dict[str, int]:
    return {
        **{name: int(value) for name, value in vars(found).items()},
        "judged_labels": scored.height,
        "unlabelled_keyframes": matched.height - scored.height,
        "labels": labels.height,
    }


def _no(flag: str) -> pl.Expr:
    """A flag that is false where it is not known."""
    return pl.col(flag).fill_null(False)


def channels_right(silent: bool = False) -> list[pl.Expr]:
    """Whether each channel's decision, and both, are the expected one.

    Args:
        silent: a channel without a decision is an answer like any other; else it is not judged, and `both_decisions`
            speaks of the other channel alone.
    """
    same = []
    for channel in CHANNELS:
        expected, labelled = (pl.col(f"{part}_{channel}_decision") for part in ("expected", "labelled"))
        wanted = expected.fill_null(NONE) if silent else expected
        same.append((wanted == labelled.fill_null(NONE)).alias(f"{channel}_decision"))
    anything = pl.any_horizontal(part.is_not_null() for part in same)
    both = pl.when(anything).then(pl.all_horizontal(part.fill_null(True) for part in same))
    return [*same, both.alias("both_decisions")]


def _claims(labels: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """A row a label with components: how many it claims, how many name a scripted cause, and whether the first does.

    Args:
        expected: `label_id`, `cause` and `cause_track_id`: the causes that each label may name.
    """
    claimed = named_components(labels).with_row_index("component").join(expected, on="label_id")
    return (
        claimed.with_columns(named=_names_the_cause())
        .group_by("label_id", "component", "rank", maintain_order=True)
        .agg(pl.col("named").any())
        .sort("label_id", "rank", "component", nulls_last=True)
        .group_by("label_id", maintain_order=True)
        .agg(claims=pl.len(), named=pl.col("named").sum(), first_named=pl.col("named").first())
    )


def _names_the_cause() -> pl.Expr:
    """Whether a component is the scripted cause: by its track where both name one, else by category and words."""
    by_track = pl.col("track_id") == pl.col("cause_track_id")
    both_tracked = pl.col("track_id").is_not_null() & pl.col("cause_track_id").is_not_null()
    by_words = pl.any_horizontal(
        (pl.col("cause") == name) & pl.col("category").is_in(list(cause.categories)) & _worded(cause)
        for name, cause in CAUSES.items()
        if cause.categories
    )
    return pl.when(both_tracked).then(by_track).otherwise(by_words).fill_null(False)


def _worded(cause: ScriptedCause) -> pl.Expr:
    if cause.kind is not None:
        return pl.col("kind") == cause.kind
    assert cause.words is not None
    return pl.col("phrase").str.contains(cause.words)
