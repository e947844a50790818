"""The tables of `filtered_coc`: every usable label measured and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from coc_assets.filtered_coc import consistency, grounding, human_review, structure, text_claims
from coc_assets.filtered_coc.motion import motion_after
from coc_assets.filtered_coc.policy import Policy, decide, rejected
from resources import schemas
from resources.reviews import Review
from resources.settings.filtering import FilterSettings


@dataclass(frozen=True)
class Found:
    """What a partition holds already, which measuring it anew adds to.

    Attributes:
        measurements: `measurements` as it stands; figures of other versions and other instruments stay.
        of_the_set: rows of `set_measurements` that the whole set gave (`duplicates`).
        reviews: what people decided about labels of the chunk.
        judged: rows of `measurements` that models gave.
    """

    measurements: pl.DataFrame = field(default_factory=lambda: schemas.empty(schemas.MEASUREMENTS))
    of_the_set: pl.DataFrame = field(default_factory=lambda: schemas.empty(schemas.SET_MEASUREMENTS))
    reviews: Sequence[Review] = ()
    judged: pl.DataFrame = field(default_factory=lambda: schemas.empty(schemas.MEASUREMENTS))


def build(
    labels: pl.DataFrame,
    keyframes: pl.DataFrame,
    trajectories: pl.DataFrame,
    tracks: pl.DataFrame,
    settings: FilterSettings,
    policy: Policy,
    found: Found | None = None,
) -> dict[str, pl.DataFrame]:
    """Measurements, verdicts and rejects of one chunk's labels, of however many labelers.

    Args:
        labels: `raw_coc`; a label whose status is not ok is a reject and nothing else.
        keyframes: `keyframes`. trajectories: `trajectories`. tracks: `tracks`.
        found: what the partition holds already.

    Returns:
        `measurements`, `set_measurements`, `filtered_coc` and `rejects`.
    """
    found = found or Found()
    usable = labels.filter(pl.col("status") == "ok")
    now = pl.concat([measure(usable, keyframes, trajectories, tracks, settings), found.judged])
    measurements = added(found.measurements, now, usable)
    late = late_measurements(found.of_the_set, found.reviews, usable)
    looked_at = pl.concat([measurements, late])
    verdicts = decide(looked_at, labels, policy)
    return {
        schemas.MEASUREMENTS.name: measurements,
        schemas.SET_MEASUREMENTS.name: late,
        schemas.VERDICTS.name: verdicts,
        schemas.REJECTS.name: rejected(verdicts, looked_at, labels, policy),
    }


def added(earlier: pl.DataFrame, now: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """The earlier measurements of these labels, and those of now, which replace what has the same version.

    Of a label's figures of one name the newest is the last, whatever the versions are called.
    """
    taken = now.select("label_id", "instrument", "version").unique()
    kept = earlier.join(labels.select("label_id"), on="label_id", how="semi").join(
        taken, on=["label_id", "instrument", "version"], how="anti"
    )
    return pl.concat([kept, now]).sort("label_id", "instrument", "name", maintain_order=True)


def late_measurements(of_the_set: pl.DataFrame, reviews: Sequence[Review], labels: pl.DataFrame) -> pl.DataFrame:
    """Rows of `set_measurements`: what the whole set says of these labels, and what people do.

    Args:
        of_the_set: rows of instruments over the set; those of people are taken from `reviews`.
    """
    of_set = of_the_set.filter(pl.col("instrument") != human_review.INSTRUMENT)
    rows = pl.concat([of_set.drop("chunk"), human_review.measure(labels, reviews).drop("chunk")])
    chunked = rows.join(labels.select("label_id", "chunk"), on="label_id", how="inner", maintain_order="left")
    return schemas.conform(chunked, schemas.SET_MEASUREMENTS).sort("label_id", "instrument", "name")


def measure(
    labels: pl.DataFrame,
    keyframes: pl.DataFrame,
    trajectories: pl.DataFrame,
    tracks: pl.DataFrame,
    settings: FilterSettings,
) -> pl.DataFrame:
    """Rows of `measurements` of all instruments, by label, instrument and name."""
    motion = motion_after(keyframes, trajectories, settings)
    rows = pl.concat(
        [
            consistency.measure(labels, motion, settings.agreement),
            text_claims.measure(labels, motion, settings.agreement),
            grounding.measure(labels, tracks, settings.grounding),
            structure.measure(labels, keyframes, settings.text),
        ]
    )
    chunks = labels.select("label_id", "chunk")
    chunked = rows.drop("chunk").join(chunks, on="label_id", how="left", maintain_order="left")
    return schemas.conform(chunked, schemas.MEASUREMENTS).sort("label_id", "instrument", "name")
