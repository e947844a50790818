"""What models were asked and what it cost, summed up from the journals."""

from __future__ import annotations

import math
from typing import Literal, get_args

import polars as pl

from resources.journal import Outcome
from resources.sql import query
from resources.store import Store

By = Literal["run", "model", "chunk", "labeler", "step", "day"]

_OUTCOMES = get_args(Outcome)
_SUMMED = ("attempts", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
_LINES = """
    SELECT run, coalesce(model, asked_model) AS model, chunk, labeler, step, answered_at[1:10] AS day,
        outcome, attempts, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, cost_usd, answered_at
    FROM requests
"""


def cost_table(store: Store, by: By) -> pl.DataFrame:
    """What was asked and paid, a row a group; see `costs_by`."""
    return costs_by(request_lines(store), by)


def request_lines(store: Store) -> pl.DataFrame:
    """Every line of the journals, superseded ones too, as `costs_by` takes them: reading them is what takes long."""
    return query(store, _LINES)


def costs_by(lines: pl.DataFrame, by: By) -> pl.DataFrame:
    """What was asked and paid, a row a group, sorted.

    Args:
        lines: rows of `request_lines`.
        by: `model` is the id that the server reports, else the one asked for; `day` is in UTC.

    Returns:
        The column `by` (null where a line does not say), requests by outcome (answered, refused, error, over_budget),
        attempts, prompt_tokens, cached_tokens (of those of the prompt), completion_tokens, reasoning_tokens (of those
        of the completion), cost_usd, unpriced (answered or refused requests whose cost is unknown: `cost_usd` lacks
        them), first_answered_at and last_answered_at.
    """
    grouped = lines.group_by(by).agg(*_figures()).sort(by, nulls_last=True)
    # Sums of floats in polars depend on the order of its threads; these are exact.
    paid = pl.Series([math.fsum(costs) for costs in grouped["cost_usd"]], dtype=pl.Float64)
    return grouped.with_columns(cost_usd=paid)


def with_total(table: pl.DataFrame, by: By) -> pl.DataFrame:
    """The table of `cost_table` and a last row for all groups together, named `total`."""
    first, last = pl.col("first_answered_at").min(), pl.col("last_answered_at").max()
    summed = pl.col(pl.Int64).sum()
    total = table.select(pl.lit("total").alias(by), summed, cost_usd=math.fsum(table["cost_usd"]))
    return pl.concat([table, table.select(first, last).hstack(total).select(table.columns)])


def _figures() -> list[pl.Expr]:
    """The columns of a group; `cost_usd` is the list of its costs."""
    outcome = pl.col("outcome")
    unpriced = pl.col("cost_usd").is_null() & outcome.is_in(["answered", "refused"])
    return [
        *((outcome == name).sum().cast(pl.Int64).alias(name) for name in _OUTCOMES),
        *(pl.col(name).cast(pl.Int64).sum() for name in _SUMMED),
        pl.col("cost_usd").drop_nulls(),
        unpriced.sum().cast(pl.Int64).alias("unpriced"),
        pl.col("answered_at").min().alias("first_answered_at"),
        pl.col("answered_at").max().alias("last_answered_at"),
    ]
