"""The tables of `filtered_coc`: every usable label measured and judged."""

from __future__ import annotations

import polars as pl

from coc_assets.filtered_coc import consistency, grounding, structure, text_claims
from coc_assets.filtered_coc.motion import motion_after
from coc_assets.filtered_coc.policy import Policy, decide, rejected
from resources import schemas
from resources.settings.filtering import FilterSettings


def build(
    labels: pl.DataFrame,
    keyframes: pl.DataFrame,
    trajectories: pl.DataFrame,
    tracks: pl.DataFrame,
    settings: FilterSettings,
    policy: Policy,
) -> dict[str, pl.DataFrame]:
    """Measurements, verdicts and rejects of one chunk's labels, of however many labelers.

    Args:
        labels: `raw_coc`; a label whose status is not ok is a reject and nothing else.
        keyframes: `keyframes`. trajectories: `trajectories`. tracks: `tracks`.

    Returns:
        `measurements`, `filtered_coc` and `rejects`.
    """
    usable = labels.filter(pl.col("status") == "ok")
    measurements = measure(usable, keyframes, trajectories, tracks, settings)
    verdicts = decide(measurements, labels, policy)
    return {
        schemas.MEASUREMENTS.name: measurements,
        schemas.VERDICTS.name: verdicts,
        schemas.REJECTS.name: rejected(verdicts, measurements, labels, policy),
    }


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
