"""A check a table: its rows are as its suite expects. An asset's first table answers for the asset's rejects too."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
import polars as pl

from checks.claims import Claim
from checks.expectations.runner import Asked, tables_meet_expectations
from checks.expectations.suites import REJECTS, SUITES
from checks.reporting import Partition, partition_check
from resources import schemas

_MORE_FILES: Mapping[str, tuple[schemas.Table, ...]] = {schemas.MEASUREMENTS.name: (schemas.SET_MEASUREMENTS,)}
"""Tables that are seen as one and written apart, by the name of the first."""


def rows_meet_expectations(partition: Partition, table: schemas.Table) -> Claim:
    """The claim about one table of a partition, all its files, and about its asset's rejects where it is the first."""
    files = (table, *_MORE_FILES.get(table.name, ()))
    asked: list[Asked] = [(SUITES[one.name].of_chunk(partition.chunk), _read(partition, one)) for one in files]
    if _speaks_for_rejects(table):
        asked.append((REJECTS.of_chunk(partition.chunk), partition.rejects(table.asset)))
    return tables_meet_expectations(asked)


def _read(partition: Partition, table: schemas.Table) -> pl.DataFrame:
    return partition.all_labels if table is schemas.RAW_COC else partition.read(table)


def _speaks_for_rejects(table: schemas.Table) -> bool:
    return table is next(one for one in schemas.DATA_TABLES if one.asset == table.asset)


def _check_of(table: schemas.Table) -> dg.AssetChecksDefinition:
    def state(partition: Partition) -> Claim:
        return rows_meet_expectations(partition, table)

    state.__name__ = f"{table.name}_meet_expectations"
    rejects = ", and so do the asset's rejects" if _speaks_for_rejects(table) else ""
    state.__doc__ = f"Every row of {table.name} keeps to its columns' ranges, vocabularies, nulls and key{rejects}."
    return partition_check(table.asset, blocking=False)(state)


EXPECTATION_CHECKS = [_check_of(table) for table in schemas.DATA_TABLES]
