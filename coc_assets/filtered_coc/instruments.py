"""What all instruments share: how their figures become rows of `measurements`."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from resources import schemas


@dataclass(frozen=True)
class Figure:
    """One figure an instrument takes of every label.

    Attributes:
        name: `measurements.name`.
        value: a number or a truth value; null abstains.
        detail: what lies behind it, text.
    """

    name: str
    value: pl.Expr
    detail: pl.Expr | None = None


def measured(labels: pl.DataFrame, instrument: str, version: str, figures: list[Figure]) -> pl.DataFrame:
    """One row of `measurements` a label and figure, from a frame of one row a label (`label_id`)."""
    rows = [
        labels.select(
            "label_id",
            pl.lit(instrument).alias("instrument"),
            pl.lit(version).alias("version"),
            pl.lit(figure.name).alias("name"),
            figure.value.cast(pl.Float64).alias("value"),
            (pl.lit(None) if figure.detail is None else figure.detail).cast(pl.String).alias("detail"),
        )
        for figure in figures
    ]
    return schemas.conform(pl.concat(rows), schemas.MEASUREMENTS)


def shown(column: str, decimals: int = 1) -> pl.Expr:
    """A figure as it reads in a detail, without negative zeros; "?" where it is null."""
    return (pl.col(column).round(decimals) + 0.0).cast(pl.String).fill_null("?")
