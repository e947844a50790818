"""The words in which suites are written: expectations as data, which cost nothing until a check runs.

Each builder names the great-expectations class that judges it. What is *critical* breaks the contract of the store
(`resources/schemas.py`); what is a *warning* may be true, and is unusual for driving on roads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import polars as pl

from resources import schemas

Severity = Literal["critical", "warning"]
Kind = Literal[
    "ExpectColumnPairValuesAToBeGreaterThanB",
    "ExpectColumnPairValuesToBeEqual",
    "ExpectColumnValuesToBeBetween",
    "ExpectColumnValuesToBeInSet",
    "ExpectColumnValuesToBeJsonParseable",
    "ExpectColumnValuesToBeNull",
    "ExpectColumnValuesToMatchRegex",
    "ExpectColumnValuesToBeUnique",
    "ExpectCompoundColumnsToBeUnique",
]
AMISS = "columns amiss"
_NAMED_WORDS = 4


@dataclass(frozen=True)
class Where:
    """Rows whose value of a column is one of the given, or with `but` another one."""

    column: str
    values: tuple[str, ...]
    but: bool = False

    def __str__(self) -> str:
        return f"{self.column} is {'not ' if self.but else ''}{' or '.join(self.values)}"

    @property
    def expr(self) -> pl.Expr:
        listed = pl.col(self.column).is_in(list(self.values))
        return ~listed if self.but else listed


@dataclass(frozen=True)
class Expectation:
    """One expectation about the values of a table.

    Attributes:
        kind: class in `great_expectations.expectations`.
        columns: the table's columns that it is about, the one at fault first. `list.field` is a field of list items.
        says: what it claims.
        looks_at: the columns that the class is given, by name, made of the table's.
        arguments: what the class is called with, besides the severity.
        severity: critical becomes an ERROR, warning a WARN.
    """

    kind: Kind
    columns: tuple[str, ...]
    says: str
    looks_at: Mapping[str, pl.Expr] = field(compare=False)
    arguments: Mapping[str, Any]
    severity: Severity = "critical"

    @property
    def column(self) -> str:
        """What is named where it fails."""
        return ", ".join(self.columns) if self.kind == "ExpectCompoundColumnsToBeUnique" else self.columns[0]


@dataclass(frozen=True)
class Nulls:
    """Columns that have a value, or with `null` have none, in the rows `where` tells (all by default)."""

    columns: tuple[str, ...]
    where: Where | None = None
    null: bool = False


@dataclass(frozen=True)
class Suite:
    """What is expected of one table.

    Attributes:
        table: the table.
        nullable: columns that may be null, and why; every other one has a value, and floats are finite.
        rows: about rows. A list column stands for its length here.
        items: about the items of list columns, null lists aside; other columns may be read beside them.
    """

    table: schemas.Table
    nullable: Mapping[str, str]
    rows: tuple[Expectation, ...]
    items: Mapping[str, tuple[Expectation, ...]] = field(default_factory=dict)

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        return (*self.rows, *(one for about_items in self.items.values() for one in about_items))

    def of_chunk(self, chunk: str) -> Suite:
        """The suite that knows which chunk the rows must be of."""
        return replace(self, rows=(*self.rows, one_of("chunk", (chunk,))))


def suite(
    table: schemas.Table,
    *rows: Expectation,
    nullable: Mapping[str, str] | None = None,
    nulls: Sequence[Nulls] = (),
    key: Expectation | None = None,
    items: Mapping[str, tuple[Expectation, ...]] | None = None,
) -> Suite:
    """A suite of the given expectations and of what the schema says by itself.

    Args:
        nulls: when nullable columns have a value, and when not.
        key: what is expected of the table's key, if not that it is unique.
    """
    may_be_null = nullable or {}
    generated = (complete(table, may_be_null, nulls), key or unique(*table.key))
    return Suite(table, may_be_null, (*generated, *rows), items or {})


def complete(table: schemas.Table, nullable: Collection[str], nulls: Sequence[Nulls] = ()) -> Expectation:
    """Every column but the nullable ones has a value in every row, a finite one where it is a float."""
    required = tuple(name for name in table.columns if name not in nullable)
    finite = [name for name in required if table.schema[name].is_float()]
    says = "values are there where they must be, and only there" if nulls else "values are there where they must be"
    return _complete([Nulls(required), *nulls], says, finite)


def filled(*columns: str) -> Expectation:
    """Each of the columns has a value."""
    return _complete([Nulls(columns)], f"{', '.join(columns)} {'are' if len(columns) > 1 else 'is'} there")


def between(
    column: str, least: float | None, most: float | None, *, where: Where | None = None, how: str = ""
) -> Expectation:
    """Both bounds are allowed values; None is no bound."""
    if least is None or most is None:
        bounds = f"at least {least:.10g}" if least is not None else f"at most {most:.10g}"
    else:
        bounds = f"between {least:.10g} and {most:.10g}"
    arguments = {"min_value": least, "max_value": most}
    return _about("ExpectColumnValuesToBeBetween", column, f"{column} is {how}{bounds}", arguments, where)


def usually(column: str, least: float | None, most: float | None) -> Expectation:
    """A range that driving seldom leaves; leaving it is a warning."""
    return warning(between(column, least, most, how="usually "))


def one_of(column: str, words: Sequence[str]) -> Expectation:
    listed = ", ".join(words) if len(words) <= _NAMED_WORDS else f"{len(words)} known words"
    return _about("ExpectColumnValuesToBeInSet", column, f"{column} is one of {listed}", {"value_set": list(words)})


def one_by(column: str, other: str, words: Mapping[str, Sequence[str]]) -> Expectation:
    """The column's value is one of the words of the other's value; rows whose other value is unknown are let be."""
    pairs = [f"{key}: {word}" for key, listed in words.items() for word in listed]
    name = f"{column} by {other}"
    known = pl.col(other).is_in(list(words))
    seen = {name: pl.when(known).then(pl.concat_str(other, column, separator=": "))}
    says = f"{column} is one of {other}'s known words"
    return Expectation("ExpectColumnValuesToBeInSet", (column, other), says, seen, {"column": name, "value_set": pairs})


def matches(column: str, pattern: str) -> Expectation:
    return _about("ExpectColumnValuesToMatchRegex", column, f"{column} matches {pattern}", {"regex": pattern})


def is_json(column: str) -> Expectation:
    return _about("ExpectColumnValuesToBeJsonParseable", column, f"{column} is JSON")


def unique(*columns: str) -> Expectation:
    """No two rows are alike in the columns; null is a value like another, as keys of rejects need it."""
    says = f"{', '.join(columns)}: no two rows alike"
    if len(columns) == 1:
        return _about("ExpectColumnValuesToBeUnique", columns[0], says)
    arguments = {"column_list": list(columns), "ignore_row_if": "never"}
    return Expectation("ExpectCompoundColumnsToBeUnique", columns, says, _as_they_are(columns), arguments)


def above(column: str, other: str, *, or_equal: bool = False) -> Expectation:
    """The column's value lies above the other's in each row that has both."""
    says = f"{column} is {'not below' if or_equal else 'above'} {other}"
    return _about_pair("ExpectColumnPairValuesAToBeGreaterThanB", column, other, says, {"or_equal": or_equal})


def not_below(column: str, other: str) -> Expectation:
    return above(column, other, or_equal=True)


def same(column: str, other: str) -> Expectation:
    return _about_pair("ExpectColumnPairValuesToBeEqual", column, other, f"{column} is as {other}")


def warning(expectation: Expectation) -> Expectation:
    return replace(expectation, severity="warning")


def _about(
    kind: Kind, column: str, says: str, arguments: Mapping[str, Any] | None = None, where: Where | None = None
) -> Expectation:
    if where is None:
        return Expectation(kind, (column,), says, _as_they_are((column,)), {"column": column, **(arguments or {})})
    name = f"{column}, where {where}"
    seen = {name: pl.when(where.expr).then(pl.col(column))}
    return Expectation(kind, (column,), f"{says}, where {where}", seen, {"column": name, **(arguments or {})})


def _about_pair(
    kind: Kind, column: str, other: str, says: str, arguments: Mapping[str, Any] | None = None
) -> Expectation:
    pair = {"column_A": column, "column_B": other, "ignore_row_if": "either_value_is_missing"}
    columns = (column, other)
    return Expectation(kind, columns, says, _as_they_are(columns), pair | dict(arguments or {}))


def _as_they_are(columns: Sequence[str]) -> Mapping[str, pl.Expr]:
    return {name: pl.col(name) for name in columns}


def _complete(rules: Sequence[Nulls], says: str, finite: Collection[str] = ()) -> Expectation:
    """All rules in one: judged on a column that names, in each row, the columns that are amiss, else null."""
    columns = tuple(dict.fromkeys(name for rule in rules for name in rule.columns))
    amiss = [
        pl.when(_breaks(rule, name, finite=name in finite)).then(pl.lit(name))
        for rule in rules
        for name in rule.columns
    ]
    named = pl.concat_str(amiss, separator=", ", ignore_nulls=True)
    seen = {AMISS: pl.when(named != "").then(named)}
    return Expectation("ExpectColumnValuesToBeNull", columns, says, seen, {"column": AMISS})


def _breaks(rule: Nulls, name: str, *, finite: bool) -> pl.Expr:
    column = pl.col(name)
    missing = ~column.is_finite().fill_null(False) if finite else column.is_null()
    broken = ~missing if rule.null else missing
    return broken if rule.where is None else broken & rule.where.expr.fill_null(False)
