"""Instrument `human_review`: what people decided about a label, one figure over all who looked at it.

Source: label rules, the record; the checklist is the published one (causal coverage, correctness, proximate cause,
minimality).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from coc_assets.filtered_coc.instruments import Figure, measured
from resources.reviews import CHECKLIST, Review, in_force, reviews_frame

INSTRUMENT = "human_review"
VERSION = "1"


def measure(labels: pl.DataFrame, reviews: Sequence[Review]) -> pl.DataFrame:
    """What people say of each label that anybody looked at; the others have no row.

    Args:
        labels: rows of `raw_coc`. reviews: every line of the chunk; the last of each reviewer counts.

    Returns:
        Rows of `measurements`:

        majority: 1 where more people keep the label than do not, 0 where fewer do, 0.5 where as many.
        kept, rejected, edited: people by decision; who edits a label does not keep it, and keeps what it became.
        causal_coverage, correctness, proximate_cause, minimality: share of yes among the answers; null without one.
    """
    said = pl.concat([_of_the_label(reviews), _of_the_edit(reviews)])
    looked_at = labels.select("label_id").join(said.select("label_id").unique(), on="label_id", how="semi")
    counts = [(pl.col("decision") == decision).sum().alias(decision) for decision in ("keep", "reject", "edit")]
    shares = [pl.col(name).cast(pl.Float64).mean().alias(name) for name in CHECKLIST]
    who = pl.format("{}: {}", "reviewer", "decision").sort().str.join(", ").alias("who")
    found = looked_at.join(said.group_by("label_id").agg(*counts, *shares, who), on="label_id", maintain_order="left")
    against = pl.col("reject") + pl.col("edit")
    majority = pl.when(pl.col("keep") > against).then(1.0).when(pl.col("keep") < against).then(0.0).otherwise(0.5)
    figures = [
        Figure("majority", majority, pl.col("who")),
        Figure("kept", pl.col("keep")),
        Figure("rejected", pl.col("reject")),
        Figure("edited", pl.col("edit")),
        *(Figure(name, pl.col(name)) for name in CHECKLIST),
    ]
    return measured(found, INSTRUMENT, VERSION, figures)


def _of_the_label(reviews: Sequence[Review]) -> pl.DataFrame:
    return reviews_frame(in_force(reviews)).select("label_id", "reviewer", "decision", *CHECKLIST)


def _of_the_edit(reviews: Sequence[Review]) -> pl.DataFrame:
    """Who edits a label stands behind what it became."""
    edits = reviews_frame(in_force(reviews)).drop_nulls("edited_label_id")
    nothing = [pl.lit(None, pl.Boolean).alias(name) for name in CHECKLIST]
    return edits.select(
        pl.col("edited_label_id").alias("label_id"), "reviewer", pl.lit("keep").alias("decision"), *nothing
    )
