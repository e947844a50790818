"""What the receipts of a store say together: time taken, outcomes of checks, and the day of each chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from coc_assets.stage import Stage
from coc_assets.stages import ALL_STAGES_BY_NAME
from coc_assets.status import ChunkStatus
from resources.receipts import EXPECTATIONS, ROWS_JUDGED, CheckRecord, Receipt

CheckOutcome = Literal["failed", "warned", "passed"]
_DAY = 10  # characters of an ISO instant
_GRAVEST: tuple[CheckOutcome, ...] = ("failed", "warned", "passed")
_OF_SUITES = "_meet_expectations"


# ---- time ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StageTime:
    """How long one asset takes a chunk.

    Attributes:
        chunks: partitions that say so. total_s, median_s, p95_s, slowest_s: of a partition's duration, s.
        slowest: the chunk that took longest. rows: of the main table, all chunks together.
    """

    stage: str
    chunks: int
    total_s: float
    median_s: float
    p95_s: float
    slowest_s: float
    slowest: str
    rows: int

    @property
    def rows_per_s(self) -> float | None:
        return self.rows / self.total_s if self.total_s > 0 else None


def stage_times(statuses: Sequence[ChunkStatus]) -> list[StageTime]:
    """One row an asset that was made, slowest first."""
    times = (_stage_time(stage, _done(statuses, name)) for name, stage in ALL_STAGES_BY_NAME.items())
    return sorted((time for time in times if time), key=lambda time: (-time.total_s, time.stage))


def _stage_time(stage: Stage, receipts: Sequence[Receipt]) -> StageTime | None:
    if not receipts:
        return None
    seconds = np.array([receipt.duration_s for receipt in receipts])
    longest = int(seconds.argmax())
    return StageTime(
        stage=stage.name,
        chunks=len(receipts),
        total_s=float(seconds.sum()),
        median_s=float(np.median(seconds)),
        p95_s=float(np.percentile(seconds, 95)),
        slowest_s=float(seconds[longest]),
        slowest=receipts[longest].chunk,
        rows=sum(receipt.counts.get(stage.tables[0].name, 0) for receipt in receipts),
    )


def days_of(statuses: Sequence[ChunkStatus], stage: str = "filtered_coc") -> pl.DataFrame:
    """The day, in UTC, on which a stage was made last, by chunk: chunk, day."""
    rows = [(receipt.chunk, receipt.finished_at[:_DAY]) for receipt in _done(statuses, stage)]
    return pl.DataFrame(rows, schema={"chunk": pl.String, "day": pl.String}, orient="row")


def newest(statuses: Sequence[ChunkStatus]) -> str | None:
    """When anything in the store was made last, ISO 8601."""
    return max((r.finished_at for status in statuses for r in status.receipts.values()), default=None)


# ---- checks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckOutcomes:
    """One check over all chunks.

    Attributes:
        stage, check: its name. blocking: an ERROR of it holds back the assets after it.
        failed, warned, passed: chunks by outcome. missing: finished chunks on which it was not evaluated.
        outcome: the gravest. description: what it says of the first chunk with that outcome. chunks: those.
    """

    stage: str
    check: str
    blocking: bool
    failed: int
    warned: int
    passed: int
    missing: int
    outcome: CheckOutcome
    description: str
    chunks: tuple[str, ...]


@dataclass(frozen=True)
class SuiteOutcomes:
    """One expectation suite (great-expectations) over all chunks.

    Attributes:
        stage, table: what it is about. chunks: where it was asked. rows: that it was asked of.
        asked, unmet: expectations, of all chunks together. where: chunks with an unmet one.
        description: what it says of the first of these, else of the first chunk.
    """

    stage: str
    table: str
    chunks: int
    rows: int
    asked: int
    unmet: int
    where: tuple[str, ...]
    description: str


def check_outcomes(statuses: Sequence[ChunkStatus]) -> list[CheckOutcomes]:
    """Every check, the gravest outcome first, then in flow order."""
    found = [
        _outcomes(name, check, receipts)
        for name in ALL_STAGES_BY_NAME
        if (receipts := _done(statuses, name))
        for check in sorted({check for receipt in receipts for check in receipt.checks})
    ]
    return sorted(found, key=lambda one: _GRAVEST.index(one.outcome))


def suite_outcomes(statuses: Sequence[ChunkStatus]) -> list[SuiteOutcomes]:
    """Every suite in flow order; chunks whose receipts are older than these figures do not count."""
    return list(_suites(statuses))


def _outcomes(stage: str, check: str, receipts: Sequence[Receipt]) -> CheckOutcomes:
    by_outcome: dict[CheckOutcome, list[Receipt]] = {outcome: [] for outcome in _GRAVEST}
    for receipt in receipts:
        if check in receipt.checks:
            by_outcome[_outcome(receipt.checks[check])].append(receipt)
    gravest = next(outcome for outcome in _GRAVEST if by_outcome[outcome])
    where = by_outcome[gravest]
    counts = {outcome: len(of_it) for outcome, of_it in by_outcome.items()}
    return CheckOutcomes(
        stage=stage,
        check=check,
        blocking=where[0].checks[check].blocking,
        missing=len(receipts) - sum(counts.values()),
        outcome=gravest,
        description=where[0].checks[check].description,
        chunks=tuple(receipt.chunk for receipt in where),
        **counts,
    )


def _outcome(record: CheckRecord) -> CheckOutcome:
    if record.passed:
        return "passed"
    return "warned" if record.severity == "WARN" else "failed"


def _suites(statuses: Sequence[ChunkStatus]) -> Iterator[SuiteOutcomes]:
    for stage in ALL_STAGES_BY_NAME:
        asked: dict[str, list[tuple[str, CheckRecord]]] = {}
        for receipt in _done(statuses, stage):
            for check, record in receipt.checks.items():
                if EXPECTATIONS in record.figures:
                    asked.setdefault(check, []).append((receipt.chunk, record))
        for check, of_chunks in sorted(asked.items()):
            yield _suite(stage, check.removesuffix(_OF_SUITES), of_chunks)


def _suite(stage: str, table: str, of_chunks: Sequence[tuple[str, CheckRecord]]) -> SuiteOutcomes:
    def total(name: str) -> int:
        return int(sum(record.figures.get(name, 0) for _, record in of_chunks))

    unmet = [(chunk, record) for chunk, record in of_chunks if not record.passed]
    return SuiteOutcomes(
        stage=stage,
        table=table,
        chunks=len(of_chunks),
        rows=total(ROWS_JUDGED),
        asked=total(EXPECTATIONS),
        unmet=total("figure"),
        where=tuple(chunk for chunk, _ in unmet),
        description=(unmet or of_chunks)[0][1].description,
    )


def _done(statuses: Sequence[ChunkStatus], stage: str) -> list[Receipt]:
    """Receipts of a stage's finished partitions, by chunk."""
    receipts = (status.receipts.get(stage) for status in statuses)
    return [receipt for receipt in receipts if receipt and receipt.status == "done"]
