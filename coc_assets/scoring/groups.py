"""Figures of groups of samples, from those of each sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import polars as pl

from coc_assets.releases.balance import classes
from coc_assets.scoring.score import ERROR_COLUMNS, JERKS, PATHS
from resources.settings.release import BalancedBy

By = Literal["split", "decision", "action", "scenario"]
BY: tuple[str, ...] = get_args(By)
ALL = "all"
"""The group of all samples."""
JERK_QUANTILE = 0.95

_CLASSES: Mapping[str, BalancedBy] = {"decision": "decision", "action": "meta_action", "scenario": "scene"}


def group_table(per_sample: pl.DataFrame, by: By | None) -> pl.DataFrame:
    """A row a group and path: all samples, then the groups, the largest first.

    Args:
        per_sample: `score.PER_SAMPLE`.

    Returns:
        group, path, n, then over its samples the mean of each error, miss_rate; jerk_mps3 and jerk_p95_mps3 over all
        steps of them; tracked, the samples with a known track, and collision_rate over these. Null where there is none.
    """
    grouped = [per_sample.with_columns(group=pl.lit(ALL))]
    if by is not None:
        grouped.append(per_sample.with_columns(group=_group_of(per_sample, by)))
    order = pl.col("path").cast(pl.Enum(PATHS))
    return pl.concat([_figures(samples).sort(-pl.col("n"), "group", order) for samples in grouped])


def _group_of(samples: pl.DataFrame, by: By) -> pl.Series:
    return classes(samples, _CLASSES[by]) if by in _CLASSES else samples[by]


def _figures(samples: pl.DataFrame) -> pl.DataFrame:
    steps = pl.col(JERKS).arr.explode().drop_nans()
    return samples.group_by("group", "path").agg(
        pl.len().cast(pl.Int64).alias("n"),
        pl.col(*ERROR_COLUMNS).mean(),
        pl.col("missed").mean().alias("miss_rate"),
        steps.mean().alias("jerk_mps3"),
        steps.quantile(JERK_QUANTILE, interpolation="linear").alias("jerk_p95_mps3"),
        pl.col("collided").count().cast(pl.Int64).alias("tracked"),
        pl.col("collided").mean().alias("collision_rate"),
    )
