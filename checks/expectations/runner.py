"""Judging frames by suites with great-expectations, and telling what failed as a claim.

Great-expectations has no polars backend: a frame goes to pandas, reduced to plain columns of the types that it judges
fastest. It is imported on first use (3 s), keeps everything in memory and reports nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl

from checks.claims import WORST_ROWS, Claim
from checks.expectations.expectation import AMISS, Expectation, Suite
from resources.receipts import EXPECTATIONS, ROWS_JUDGED

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite, ExpectationValidationResult
    from great_expectations.core.batch_definition import BatchDefinition

_LONGEST_VALUE = 80
_TOLD = 3
_WORST = {"row": pl.String, "column": pl.String, "value": pl.String}

Asked = tuple[Suite, pl.DataFrame]


@dataclass(frozen=True)
class Failure:
    """An expectation that does not hold.

    Attributes:
        table: name of the table.
        expectation: what was expected.
        count: rows, or items of lists, that offend.
        worst: the first of them: `row` (its key as text), `column` and `value`.
        problem: why it could not be judged at all, else None.
    """

    table: str
    expectation: Expectation
    count: int
    worst: pl.DataFrame
    problem: str | None = None


def tables_meet_expectations(asked: Sequence[Asked]) -> Claim:
    """The claim that every row of the frames is as its suite expects.

    The figure counts expectations that fail; the gravest of them decides the severity. `worst` shows each in turn, at
    most ten rows: table, row (its key), column, expectation, value.
    """
    failed = [failure for suite, frame in asked for failure in failures(frame, suite)]
    failed.sort(key=lambda failure: failure.expectation.severity != "critical")
    only_warnings = bool(failed) and failed[0].expectation.severity != "critical"
    description, worst = _description(asked, failed), _worst(failed)
    further = {
        EXPECTATIONS: sum(len(suite.expectations) for suite, _ in asked),
        ROWS_JUDGED: sum(frame.height for _, frame in asked),
    }
    return Claim(not failed, "WARN" if only_warnings else "ERROR", len(failed), 0, description, worst, further)


def failures(frame: pl.DataFrame, suite: Suite) -> list[Failure]:
    """Expectations of the suite that the frame does not meet, in the suite's order; an empty frame meets all.

    Args:
        frame: rows of `suite.table`, in its schema.
    """
    found = _failures_in(frame, suite, suite.rows)
    for column, about_items in suite.items.items():
        found += _failures_in(_items_of(frame, column), suite, about_items)
    return found


def _items_of(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """One row an item of a list column; the fields of struct items are columns `<column>.<field>`."""
    items = frame.explode(column, keep_nulls=False, empty_as_null=False)
    dtype = items.schema[column]
    fields = [field.name for field in dtype.fields] if isinstance(dtype, pl.Struct) else []
    return items.with_columns(pl.col(column).struct.field(name).alias(f"{column}.{name}") for name in fields)


def _failures_in(rows: pl.DataFrame, suite: Suite, expectations: Sequence[Expectation]) -> list[Failure]:
    if rows.is_empty():
        return []
    results = _failed_results(_plain(rows, expectations), expectations)
    return [_failure(rows, suite, expectations[place], result) for place, result in sorted(results.items())]


def _plain(rows: pl.DataFrame, expectations: Iterable[Expectation]) -> pl.DataFrame:
    """What the expectations look at, each of a type that is judged fast: int64, float64, text or truth values."""
    seen = rows.select(**{name: expr for expectation in expectations for name, expr in expectation.looks_at.items()})
    return seen.select(_plain_column(name, dtype) for name, dtype in seen.schema.items())


def _plain_column(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.List):
        return column.list.len().cast(pl.Int64)
    if dtype.is_integer():
        return column.cast(pl.Int64)
    return column.fill_nan(float("inf")) if dtype.is_float() else column  # pandas would take NaN for null


def _failed_results(
    plain: pl.DataFrame, expectations: Sequence[Expectation]
) -> Mapping[int, ExpectationValidationResult]:
    """Results by place in `expectations`; a quick pass finds which fail, a second one which rows do it."""
    without_values = {column.name for column in plain if column.null_count() == plain.height}
    places = [place for place, one in enumerate(expectations) if not without_values.issuperset(one.looks_at)]
    if not places:  # nulls meet every expectation
        return {}
    batch = _whole_frames().get_batch(batch_parameters={"dataframe": plain.to_pandas()})
    quick = batch.validate(_built(expectations, places), result_format="BOOLEAN_ONLY")
    failed = sorted(_place(result) for result in quick.results if not result.success)
    if not failed:
        return {}
    told = batch.validate(_built(expectations, failed), result_format="COMPLETE")
    return {_place(result): result for result in told.results if not result.success}


def _built(expectations: Sequence[Expectation], places: Iterable[int]) -> ExpectationSuite:
    from great_expectations import expectations as kinds
    from great_expectations.core import ExpectationSuite

    chosen = ((place, expectations[place]) for place in places)
    return ExpectationSuite(
        name="expectations",
        expectations=[
            getattr(kinds, one.kind)(**one.arguments, severity=one.severity, meta={"place": place})
            for place, one in chosen
        ],
    )


def _place(result: ExpectationValidationResult) -> int:
    assert result.expectation_config and result.expectation_config.meta, "every expectation is built with its place"
    return int(result.expectation_config.meta["place"])


@cache
def _whole_frames() -> BatchDefinition:
    """Where frames are handed to great-expectations; made once a process, in memory alone."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
            store_backend_defaults=InMemoryStoreBackendDefaults(),
        ),
    )
    tables = context.data_sources.add_pandas("store").add_dataframe_asset("table")
    return tables.add_batch_definition_whole_dataframe("whole")


def _failure(
    rows: pl.DataFrame, suite: Suite, expectation: Expectation, result: ExpectationValidationResult
) -> Failure:
    places = result.result.get("unexpected_index_list")
    if places is None:
        return Failure(suite.table.name, expectation, 0, pl.DataFrame(schema=_WORST), _problem(result))
    offending = rows[places[:WORST_ROWS]]
    worst = [
        {
            "row": _text(row, suite.table.key, named=True),
            "column": column,
            "value": _text(row, names, named=len(names) > 1),
        }
        for row, (column, names) in zip(offending.to_dicts(), _at_fault(offending, expectation), strict=True)
    ]
    return Failure(suite.table.name, expectation, result.result["unexpected_count"], pl.DataFrame(worst, schema=_WORST))


def _at_fault(offending: pl.DataFrame, expectation: Expectation) -> list[tuple[str, Sequence[str]]]:
    """What to name, and the columns to show, for each row."""
    if AMISS in expectation.looks_at:
        return [(names, names.split(", ")) for names in offending.select(**expectation.looks_at)[AMISS]]
    return [(expectation.column, expectation.columns)] * offending.height


def _text(row: Mapping[str, Any], names: Iterable[str], *, named: bool) -> str:
    return ", ".join(f"{name}={row[name]}" if named else str(row[name]) for name in names)


def _problem(result: ExpectationValidationResult) -> str:
    """What great-expectations says of an expectation that it could not judge."""
    told = result.exception_info or {}
    parts = [told] if "exception_message" in told else list(told.values())
    messages = [part["exception_message"] for part in parts if isinstance(part, Mapping) and part["exception_message"]]
    return "; ".join(messages) or "great-expectations gave no result"


def _description(asked: Sequence[Asked], failed: Sequence[Failure]) -> str:
    whole = sum(len(suite.expectations) for suite, _ in asked)
    tables = " and ".join(f"{suite.table.name} ({frame.height} rows)" for suite, frame in asked)
    if not failed:
        return f"All {whole} expectations of {tables} hold."
    told = "; ".join(_told(failure) for failure in failed[:_TOLD])
    more = f"; and {len(failed) - _TOLD} more" if len(failed) > _TOLD else ""
    return f"{len(failed)} of {whole} expectations of {tables} fail: {told}{more}."


def _told(failure: Failure) -> str:
    how = f"cannot be judged: {failure.problem}" if failure.problem else f"{failure.count} offend"
    return f"{failure.expectation.says} ({how})"


def _worst(failed: Sequence[Failure]) -> pl.DataFrame:
    """The first row of each failure, then the second of each, up to ten; shown by failure."""
    told = [_worst_of(failure).with_columns(failure=pl.lit(place)) for place, failure in enumerate(failed)]
    if not told:
        return pl.DataFrame()
    shown = pl.concat(told).sort("turn", "failure").head(WORST_ROWS)
    return shown.sort("failure", "turn").drop("failure", "turn")


def _worst_of(failure: Failure) -> pl.DataFrame:
    return failure.worst.with_row_index("turn").select(
        "turn",
        pl.lit(failure.table).alias("table"),
        "row",
        "column",
        pl.lit(failure.expectation.says).alias("expectation"),
        pl.col("value").str.head(_LONGEST_VALUE),
    )
