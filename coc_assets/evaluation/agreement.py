"""How far two labelers agree on the keyframes that both labelled: decisions, directions and causes."""

from __future__ import annotations

from collections import Counter

import polars as pl

from coc_assets.evaluation.compare import CHANNELS, Comparison, channels_right, confusion, tally, usable
from coc_assets.filtered_coc.grounding import named_components

AGREEMENT_FIGURES = (
    "longitudinal_decision",
    "lateral_decision",
    "both_decisions",
    "direction",
    "first_cause",
    "any_cause",
)


def between_labelers(labels: pl.DataFrame, others: pl.DataFrame, labeler: str, other: str) -> Comparison:
    """How far two labelers agree on the keyframes that both labelled.

    Args:
        labels, others: rows of `raw_coc`, one labeler's each.
    """
    ours, theirs = usable(labels), usable(others)
    paired = _paired(ours, theirs)
    groups = {
        "all": pl.lit(True),
        **{name: pl.col("scenario") == name for name in sorted(paired["scenario"].drop_nulls().unique())},
    }
    confused = confusion(paired, skip_silent=False)
    return Comparison(
        labeler=labeler,
        against=other,
        counts={"keyframes_of_both": paired.height, f"labels_{labeler}": ours.height, f"labels_{other}": theirs.height},
        figures=tally(paired, groups, AGREEMENT_FIGURES),
        confusion=confused,
        kappa={channel: kappa(confused.filter(pl.col("channel") == channel)) for channel in CHANNELS},
    )


def kappa(table: pl.DataFrame) -> float | None:
    """Cohen's kappa of one channel's confusion table; None where chance alone would agree, or of nothing."""
    counts = {(expected, labelled): count for _, expected, labelled, count in table.iter_rows()}
    total = sum(counts.values())
    if not total:
        return None
    agreed = sum(count for (expected, labelled), count in counts.items() if expected == labelled) / total
    one, other = Counter[str](), Counter[str]()
    for (expected, labelled), count in counts.items():
        one[expected] += count
        other[labelled] += count
    chance = sum(one[name] * other[name] for name in one) / total**2
    return None if chance >= 1.0 else (agreed - chance) / (1 - chance)


def _paired(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """A row a keyframe that both labelled, with a column a figure of `AGREEMENT_FIGURES`.

    Two labels that cite no cause name the same one.
    """
    chosen = ("longitudinal_decision", "lateral_decision", "lateral_direction")

    def said(labels: pl.DataFrame, part: str, *more: str) -> pl.DataFrame:
        own = (pl.col(name).alias(f"{part}_{name}") for name in chosen)
        return labels.select("keyframe_id", *more, *own, pl.col("components").list.len().alias(f"{part}_causes"))

    rows = said(ours, "labelled", "scenario").join(said(theirs, "expected"), on="keyframe_id", maintain_order="left")
    rows = rows.join(_shared(_causes(ours), _causes(theirs)), on="keyframe_id", how="left", maintain_order="left")
    sides = [pl.col(f"{part}_lateral_direction") for part in ("expected", "labelled")]
    silent = pl.sum_horizontal("labelled_causes", "expected_causes") == 0
    return rows.with_columns(
        *channels_right(silent=True),
        direction=pl.when(pl.any_horizontal(side.is_not_null() for side in sides)).then(sides[0].eq_missing(sides[1])),
        first_cause=silent | pl.col("first_shared").fill_null(False),
        any_cause=silent | pl.col("any_shared").fill_null(False),
    )


def _shared(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """A row a keyframe for which both cite something: whether the first causes, and any two, are the same.

    Causes that both have a track are the same if that is; others if they are of one kind, or category.
    """
    pairs = ours.join(theirs, on="keyframe_id", suffix="_other")
    tracked = pl.col("track_id").is_not_null() & pl.col("track_id_other").is_not_null()
    alike = pl.col("what") == pl.col("what_other")
    same = pl.when(tracked).then(pl.col("track_id") == pl.col("track_id_other")).otherwise(alike)
    first = (pl.col("place") == 0) & (pl.col("place_other") == 0)
    return pairs.group_by("keyframe_id").agg(first_shared=(same & first).any(), any_shared=same.any())


def _causes(labels: pl.DataFrame) -> pl.DataFrame:
    """A row a component: its keyframe, place, track, and `what` it is (kind of object, else category)."""
    is_object = pl.col("category") == "critical_object"
    return (
        named_components(labels)
        .join(labels.select("label_id", "keyframe_id"), on="label_id")
        .sort("keyframe_id", "rank", nulls_last=True, maintain_order=True)
        .select(
            "keyframe_id",
            "track_id",
            what=pl.when(is_object & pl.col("kind").is_not_null()).then("kind").otherwise("category"),
            place=pl.int_range(pl.len()).over("keyframe_id"),
        )
    )
