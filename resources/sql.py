"""SQL over the store: one read-only SELECT against a view for every table.

Views are made in memory over the Parquet files and journals as they lie; nothing is written, and several readers never
wait for each other or for a run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

import polars as pl
from polars.datatypes import DataTypeClass

from resources import schemas
from resources.store import JOURNAL_SUFFIX, JUDGE_PREFIX, LABELER_PREFIX, REVIEWS, Store

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

PolarsType = pl.DataType | type[pl.DataType] | DataTypeClass
VIEWS: tuple[schemas.Table, ...] = (*schemas.DATA_TABLES, schemas.REJECTS, schemas.REQUESTS, schemas.REVIEWS)
_SCALARS: dict[PolarsType, str] = {
    pl.String: "VARCHAR",
    pl.Int32: "INTEGER",
    pl.Int64: "BIGINT",
    pl.Float64: "DOUBLE",
    pl.Boolean: "BOOLEAN",
}


_LISTS_VIEWS = re.compile(r"\b(show|information_schema|duckdb_\w+|pg_\w+|sqlite_master)\b", re.IGNORECASE)
_A_FUNCTION = re.compile(r"(?!pg_|icu_|collate_|duckdb_|st_|has_\w+_privilege)[a-z][a-z0-9_]*")
_BATCH = 10_000  # rows that are in memory at a time beyond those wanted
_AGAIN_S = 0.1  # an interrupt that comes between two steps of DuckDB is lost, so it is sent until it is heard

Result = TypeVar("Result")


class QueryError(ValueError):
    """The query is refused or failed; the message says why and what is possible."""


@dataclass(frozen=True)
class Answer:
    """What a SELECT gives.

    Attributes:
        rows: the rows, or the first of them. total: how many there are.
    """

    rows: pl.DataFrame
    total: int


def query(store: Store, sql: str) -> pl.DataFrame:
    """The rows of one SELECT over the store's views.

    Raises:
        QueryError: it is not exactly one SELECT, or DuckDB cannot run it.
    """
    return answer(store, sql).rows


def answer(store: Store, sql: str, most: int | None = None) -> Answer:
    """The first rows of one SELECT over the store's views, and how many rows it has; Ctrl-C stops it.

    Only views that the text names are made, as making one reads the footer of every file below it.

    Args:
        most: rows that are kept, the others are counted only; None keeps all.

    Raises:
        QueryError: it is not exactly one SELECT, or DuckDB cannot run it.
        KeyboardInterrupt: the user stopped it.
    """
    import duckdb
    import pyarrow as pa

    try:
        _require_one_select(sql)
        with duckdb.connect(":memory:") as connection:
            return _interruptible(partial(_answer, connection, store, sql, most), connection.interrupt)
    except (duckdb.Error, pa.ArrowException) as error:
        raise QueryError(_explain(error)) from None


def _answer(connection: duckdb.DuckDBPyConnection, store: Store, sql: str, most: int | None) -> Answer:
    _open(connection, store, _named_views(sql))
    reader = connection.sql(sql).to_arrow_reader(_BATCH)
    kept, total = [], 0
    try:
        for batch in reader:
            kept.append(batch if most is None else batch.slice(0, max(0, most - total)))
            total += batch.num_rows
    except OSError as error:  # what DuckDB finds in the middle of the rows, as Arrow tells it
        raise QueryError(str(error)) from None
    return Answer(_frame(kept, reader.schema), total)


def _frame(batches: list[pa.RecordBatch], schema: pa.Schema) -> pl.DataFrame:
    import pyarrow as pa

    table = pa.Table.from_batches([batch for batch in batches if batch.num_rows], schema)
    return pl.DataFrame(table.rename_columns(_distinct(table.column_names)))


def _explain(error: Exception) -> str:
    import duckdb

    views = ", ".join(table.name for table in VIEWS)
    mend = f'\nViews: {views}. Columns: coc sql "DESCRIBE clips"' if isinstance(error, duckdb.CatalogException) else ""
    return f"{error}{mend}"


def _interruptible(work: Callable[[], Result], stop: Callable[[], None]) -> Result:
    """What the work gives, done in a thread beside this one: DuckDB at work would not hear Ctrl-C, so it is told."""
    future: Future[Result] = Future()
    thread = Thread(target=_settle, args=(future, work), daemon=True)
    try:
        thread.start()
        # In short turns: polars' handler of SIGINT restarts a wait without end, and Python would never hear of it.
        while not wait([future], _AGAIN_S).done:
            pass
    finally:
        while thread.ident and not future.done():
            with suppress(Exception):  # DuckDB refuses where it is between two steps; the next turn reaches it
                stop()
            wait([future], _AGAIN_S)
    return future.result()


def _settle(future: Future[Result], work: Callable[[], Result]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)


def _named_views(sql: str) -> list[schemas.Table]:
    """Views that the text names; all of them where it names none, or may look at the list of views."""
    words = {word.lower() for word in re.findall(r"\w+", sql)}
    named = [table for table in VIEWS if table.name in words]
    return list(VIEWS) if not named or _LISTS_VIEWS.search(sql) else named


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
    _open(connection, store, VIEWS)
    return connection


def views_script(store: Store) -> str:
    """Statements that make every view, for any DuckDB; paths in them are absolute."""
    return "".join(f"{_view(store, table)};\n" for table in VIEWS)


def _open(connection: duckdb.DuckDBPyConnection, store: Store, tables: Collection[schemas.Table]) -> None:
    for table in tables:
        connection.execute(_view(store, table))
    folder = str(store.root.absolute()).replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{folder}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def function_names() -> tuple[str, ...]:
    """Functions that a query may call, sorted; those for tools (`pg_…`, `icu_…`) and operators are left out."""
    import duckdb

    with duckdb.connect(":memory:") as connection:
        names = connection.execute("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()
    return tuple(sorted(name for (name,) in names if _A_FUNCTION.fullmatch(name)))


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
        raise QueryError("Queries are exactly one SELECT; they read the store and never change it.")


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
