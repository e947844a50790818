"""A comparison as people and programs read it: tables of text, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping

import polars as pl

from coc_assets.evaluation.compare import CHANNELS, LATER, Channel, Comparison

WIDE_GROUPS = ("all", "trackable", "untrackable", LATER)
"""Groups of the overview, with intervals; the others are shown one a row, without."""

FIGURE_NAMES: Mapping[str, str] = {
    "longitudinal_decision": "longitudinal",
    "lateral_decision": "lateral",
    "both_decisions": "both channels",
    "direction": "direction",
    "first_cause": "first cause",
    "any_cause": "any cause",
    "unsupported_claim": "unsupported",
}
_NOTHING = "–"


def overview(comparison: Comparison) -> pl.DataFrame:
    """A row a figure, a column a group: share, 95 % interval and count."""
    shown = comparison.figures.filter(pl.col("group").is_in(WIDE_GROUPS))
    cells = shown.with_columns(
        cell=pl.struct("hits", "n", "share", "low", "high").map_elements(_wide, pl.String, skip_nulls=False)
    )
    table = _renamed(cells).pivot(on="group", index="figure", values="cell", maintain_order=True)
    return table.with_columns(pl.exclude("figure").fill_null(_NOTHING))


def by_group(comparison: Comparison) -> pl.DataFrame:
    """A row a scene (against the truth) or scene class (against a labeler), a column a figure: share and count."""
    shown = comparison.figures.filter(~pl.col("group").is_in(WIDE_GROUPS))
    cells = shown.with_columns(cell=pl.struct("n", "share").map_elements(_narrow, pl.String))
    first = "scene" if comparison.against == "truth" else "scenario"
    table = _renamed(cells).pivot(on="figure", index="group", values="cell", maintain_order=True)
    return table.rename({"group": first} if "group" in table.columns else {})


def confusion_of(comparison: Comparison, channel: Channel) -> pl.DataFrame:
    """A row an expected decision, a column a labelled one: counts."""
    pairs = comparison.confusion.filter(pl.col("channel") == channel)
    labelled = sorted(pairs["labelled"].unique())
    table = pairs.pivot(on="labelled", index="expected", values="count", maintain_order=True)
    corner = f"{comparison.against} \\ {comparison.labeler}"
    return table.select(pl.col("expected").alias(corner), *(pl.col(name).fill_null(0) for name in labelled))


def count_lines(comparison: Comparison) -> list[str]:
    """What the figures stand on and what was left out, as sentences."""
    counts = comparison.counts
    if comparison.against != "truth":
        ours, theirs = counts[f"labels_{comparison.labeler}"], counts[f"labels_{comparison.against}"]
        return [
            f"{counts['keyframes_of_both']} keyframes that both labelled; usable labels: {ours} of "
            f"{comparison.labeler}, {theirs} of {comparison.against}"
        ]
    return [
        f"{counts['matched_truths']} of {counts['truths']} scripted answers have a keyframe; without: "
        f"{counts['steady_truths']} steady drives, {counts['defective_truths']} in damaged clips, "
        f"{counts['missed_truths']} for no such reason",
        f"{counts['matched_keyframes']} of {counts['keyframes']} keyframes mark a scripted answer; "
        f"{counts['later_keyframes']} lie within one or at its end, {counts['damaged_keyframes']} matched ones in "
        "damaged clips are left out",
        f"{counts['judged_labels']} labels judged; {counts['unlabelled_keyframes']} of these keyframes have no usable "
        "label",
    ]


def as_json(comparison: Comparison) -> str:
    """The whole comparison as one JSON object, shares unrounded."""
    return json.dumps(
        {
            "labeler": comparison.labeler,
            "against": comparison.against,
            "counts": dict(comparison.counts),
            "figures": comparison.figures.to_dicts(),
            "confusion": comparison.confusion.to_dicts(),
            "kappa": dict(comparison.kappa),
        },
        ensure_ascii=False,
    )


def kappa_line(comparison: Comparison) -> str:
    """Cohen's kappa of both channels, or nothing where it was not taken."""
    if not comparison.kappa:
        return ""
    said = ", ".join(f"{channel} {_kappa(comparison.kappa[channel])}" for channel in CHANNELS)
    return f"Cohen's kappa: {said}"


def _renamed(cells: pl.DataFrame) -> pl.DataFrame:
    return cells.with_columns(pl.col("figure").replace(FIGURE_NAMES)).select("group", "figure", "cell")


def _wide(row: Mapping[str, float | None]) -> str:
    if row["share"] is None or row["low"] is None or row["high"] is None:
        return _NOTHING
    return f"{row['share']:.1%} ({row['low']:.1%}–{row['high']:.1%}) {row['hits']} of {row['n']}"


def _narrow(row: Mapping[str, float | None]) -> str:
    return _NOTHING if row["share"] is None else f"{row['share']:.1%} of {row['n']}"


def _kappa(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.3f}"
