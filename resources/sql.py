"""SQL over the store: one read-only SELECT against a view for every table.

Views are made in memory over the Parquet files and journals as they lie; nothing is written, and several readers never
wait for each other or for a run.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import polars as pl
from polars.datatypes import DataTypeClass

from resources import schemas
from resources.store import JOURNAL_SUFFIX, LABELER_PREFIX, Store

if TYPE_CHECKING:
    import duckdb

PolarsType = pl.DataType | type[pl.DataType] | DataTypeClass
VIEWS: tuple[schemas.Table, ...] = (*schemas.DATA_TABLES, schemas.REJECTS, schemas.REQUESTS)
_JOURNALS = f"raw_coc/chunk=*/{LABELER_PREFIX}*{JOURNAL_SUFFIX}"
_FROM_NAME = "chunk=([^/]*)/{}(.*){}$".format(*map(re.escape, (LABELER_PREFIX, JOURNAL_SUFFIX)))
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
    pattern = _JOURNALS if table is schemas.REQUESTS else _pattern(table)
    if any(store.root.glob(pattern)):
        path = (store.root.absolute() / pattern).as_posix().replace("'", "''")
        selects.append(_journal_lines(path) if table is schemas.REQUESTS else _parquet_rows(path))
    return f'CREATE VIEW "{table.name}" AS SELECT {columns} FROM ({" UNION ALL BY NAME ".join(selects)})'


def _parquet_rows(path: str) -> str:
    return (
        f"SELECT * FROM read_parquet('{path}', union_by_name=true, hive_partitioning=true,"
        " hive_types={'chunk': VARCHAR})"
    )


def _journal_lines(path: str) -> str:
    """The lines that tell of a request; one that a killed writer tore comes as nulls, an event has no outcome."""
    named = {"chunk", "labeler"}
    columns = {name: duckdb_type(column.dtype) for name, column in schemas.REQUESTS.columns.items()}
    typed = ", ".join(f"'{name}': '{dtype}'" for name, dtype in columns.items() if name not in named)
    return (
        f"SELECT *, unnest(regexp_extract(filename, '{_FROM_NAME}', ['chunk', 'labeler']))"
        f" FROM read_json('{path}', format='newline_delimited', columns={{{typed}}}, ignore_errors=true,"
        " filename=true, hive_partitioning=false) WHERE key IS NOT NULL AND outcome IS NOT NULL"
    )


def _pattern(table: schemas.Table) -> str:
    if table is schemas.REJECTS:
        return "*/chunk=*/rejects.parquet"
    name = "labeler=*" if table is schemas.RAW_COC else table.name
    return f"{table.asset}/chunk=*/{name}.parquet"
