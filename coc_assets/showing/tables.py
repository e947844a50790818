"""Rows of a frame as a table in Dagster's UI."""

from __future__ import annotations

import dagster as dg
import polars as pl

_MOST_CHARACTERS = 300  # of a cell


def as_table(rows: pl.DataFrame) -> dg.MetadataValue:
    """The rows as a table that the UI shows in place; lists and structs as text, long text shortened."""
    columns = [dg.TableColumn(name, type=str(dtype)) for name, dtype in rows.schema.items()]
    records = [{name: _cell(value) for name, value in row.items()} for row in rows.iter_rows(named=True)]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in records], schema=dg.TableSchema(columns))


def _cell(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 4)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
