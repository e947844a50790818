"""SQL over the store: one read-only SELECT against a view for every table.

Views are made in memory over the Parquet files and journals as they lie; nothing is written, and several readers never
wait for each other or for a run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
from polars.datatypes import DataTypeClass

from resources import schemas
from resources.store import JOURNAL_SUFFIX, JUDGE_PREFIX, LABELER_PREFIX, REVIEWS, Store

if TYPE_CHECKING:
    import duckdb

PolarsType = pl.DataType | type[pl.DataType] | DataTypeClass
VIEWS: tuple[schemas.Table, ...] = (*schemas.DATA_TABLES, schemas.REJECTS, schemas.REQUESTS, schemas.REVIEWS)
_SCALARS: dict[PolarsType, str] = {
    pl.String: "VARCHAR",
    pl.Int32: "INTEGER",
    pl.Int64: "BIGINT",
    pl.Float64: "DOUBLE",
    pl.Boolean: "BOOLEAN",
}


class QueryError(ValueError):
    """The query is refused or failed; the message says why and what is possible."""


def query(store: Store, sql: str) -> pl.DataFrame:
    """The rows of one SELECT over the store's views.

    Raises:
        QueryError: it is not exactly one SELECT, or DuckDB cannot run it.
    """
    import duckdb

    try:
        _require_one_select(sql)
        with connect(store) as connection:
            table = connection.sql(sql).to_arrow_table()
            return pl.DataFrame(table.rename_columns(_distinct(table.column_names)))
    except duckdb.Error as error:
        views = ", ".join(table.name for table in VIEWS)
        raise QueryError(f'{error}\nViews: {views}. Columns: coc sql "DESCRIBE clips"') from None


def _distinct(names: list[str]) -> list[str]:
    """Column names of a join, where the same one may come twice: trace, trace_1, …"""
    taken: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        taken.append(name if name not in taken else next(other for other in numbered if other not in [*taken, *names]))
    return taken


def connect(store: Store) -> duckdb.DuckDBPyConnection:
    """An in-memory connection with a view for every table, shut off from everything but the store's files."""
    import duckdb

    connection = duckdb.connect(":memory:")
    for table in VIEWS:
        connection.execute(_view(store, table))
    folder = str(store.root.absolute()).replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{folder}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def duckdb_type(dtype: PolarsType) -> str:
    """The DuckDB type of a column's polars type."""
    if isinstance(dtype, pl.List):
        return f"{duckdb_type(dtype.inner)}[]"
    if isinstance(dtype, pl.Struct):
        fields = ", ".join(f'"{field.name}" {duckdb_type(field.dtype)}' for field in dtype.fields)
        return f"STRUCT({fields})"
    return _SCALARS[dtype.base_type()]


def _require_one_select(sql: str) -> None:
    import duckdb

    statements = duckdb.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError("`coc sql` takes exactly one SELECT; it reads the store and never changes it.")


def _view(store: Store, table: schemas.Table) -> str:
    """The view's DDL; the typed empty row set gives it the columns that older files lack, or that no file has yet."""
    columns = ", ".join(f'"{name}"' for name in table.columns)
    typed = ", ".join(
        f'CAST(NULL AS {duckdb_type(column.dtype)}) AS "{name}"' for name, column in table.columns.items()
    )
    selects = [f"SELECT {typed} WHERE false"]
    for source in _SOURCES.get(table.name) or (_Parquet(_pattern(table)),):
        if any(store.root.glob(source.pattern)):
            path = (store.root.absolute() / source.pattern).as_posix().replace("'", "''")
            selects.append(source.rows(path, table))
    return f'CREATE VIEW "{table.name}" AS SELECT {columns} FROM ({" UNION ALL BY NAME ".join(selects)})'


def _pattern(table: schemas.Table) -> str:
    if table is schemas.REJECTS:
        return "*/chunk=*/rejects.parquet"
    name = "labeler=*" if table is schemas.RAW_COC else table.name
    return f"{table.asset}/chunk=*/{name}.parquet"


@dataclass(frozen=True)
class _Parquet:
    """Files of a table, as a glob below the store."""

    pattern: str

    def rows(self, path: str, _: schemas.Table) -> str:
        return (
            f"SELECT * FROM read_parquet('{path}', union_by_name=true, hive_partitioning=true,"
            " hive_types={'chunk': VARCHAR})"
        )


@dataclass(frozen=True)
class _Journal:
    """Journals of JSON lines, as a glob below the store.

    Attributes:
        needs: keys that a line of interest has; one that a killed writer tore comes as nulls.
        prefix: before the `labeler` in the file's name; None where the lines name it themselves.
    """

    pattern: str
    needs: tuple[str, ...]
    prefix: str | None = None

    def rows(self, path: str, table: schemas.Table) -> str:
        from_name = ("chunk",) if self.prefix is None else ("chunk", "labeler")
        tail = "/[^/]*" if self.prefix is None else f"/{re.escape(self.prefix)}(.*){re.escape(JOURNAL_SUFFIX)}"
        columns = {name: duckdb_type(column.dtype) for name, column in table.columns.items()}
        typed = ", ".join(f"'{name}': '{dtype}'" for name, dtype in columns.items() if name not in from_name)
        whole = " AND ".join(f"{name} IS NOT NULL" for name in self.needs)
        return (
            f"SELECT *, unnest(regexp_extract(filename, 'chunk=([^/]*){tail}$', {list(from_name)}))"
            f" FROM read_json('{path}', format='newline_delimited', columns={{{typed}}}, ignore_errors=true,"
            f" filename=true, hive_partitioning=false) WHERE {whole}"
        )


_SOURCES: Mapping[str, tuple[_Parquet | _Journal, ...]] = {
    "measurements": (_Parquet(_pattern(schemas.MEASUREMENTS)), _Parquet(_pattern(schemas.SET_MEASUREMENTS))),
    "requests": (
        _Journal(f"raw_coc/chunk=*/{LABELER_PREFIX}*{JOURNAL_SUFFIX}", ("key", "outcome"), LABELER_PREFIX),
        _Journal(f"filtered_coc/chunk=*/{JUDGE_PREFIX}*{JOURNAL_SUFFIX}", ("key", "outcome"), JUDGE_PREFIX),
    ),
    "reviews": (_Journal(f"filtered_coc/chunk=*/{REVIEWS}", ("label_id", "decision")),),
}
"""Where a view's rows lie, if not in one file a partition."""
