"""What receipts say together: time, checks, suites."""

from __future__ import annotations

from pathlib import Path

import pytest

from coc_assets.report.partitions import check_outcomes, days_of, newest, stage_times, suite_outcomes
from coc_assets.status import ChunkStatus
from resources import schemas
from resources.receipts import Receipt
from resources.store import Store
from tests.coc_assets.report.made import check, receipt, suite
from tests.coc_assets.review.made import workspace_of


def status(chunk: str, *receipts: Receipt) -> ChunkStatus:
    return ChunkStatus(chunk, {one.stage: "done" for one in receipts}, {one.stage: one for one in receipts})


@pytest.fixture
def statuses(tmp_path: Path) -> list[ChunkStatus]:
    store = Store(tmp_path)
    day, next_day = "2026-01-30T23:59:00+00:00", "2026-01-31T00:01:00+00:00"
    slow = {"counts": {"clips": 100}, "finished_at": day}
    return [
        status(
            "0000",
            receipt(store, "trajectory_cache", "0000", duration_s=10.0, checks={"few": check(True)}, **slow),
            receipt(store, "filtered_coc", "0000", duration_s=1.0, finished_at=day, checks={
                "kept": check(False, "WARN", said="40 % kept"), "raw_meet_expectations": suite(50, 10)}),
        ),
        status(
            "0001",
            receipt(store, "trajectory_cache", "0001", duration_s=30.0, checks={}, **slow),
            receipt(store, "filtered_coc", "0001", duration_s=1.0, finished_at=next_day, checks={
                "kept": check(False, said="0 % kept"), "raw_meet_expectations": suite(70, 10, unmet=2)}),
        ),
        status("0002", receipt(store, "trajectory_cache", "0002", status="failed", duration_s=500.0)),
    ]  # fmt: skip


def test_the_slowest_asset_comes_first_and_failed_partitions_do_not_count(statuses: list[ChunkStatus]) -> None:
    first, second = stage_times(statuses)
    assert (first.stage, first.chunks, first.total_s, first.median_s) == ("trajectory_cache", 2, 40.0, 20.0)
    assert (first.slowest_s, first.slowest, first.rows, first.rows_per_s) == (30.0, "0001", 200, 5.0)
    assert second.stage == "filtered_coc"


def test_checks_are_told_gravest_first_with_the_words_of_the_first_such_chunk(statuses: list[ChunkStatus]) -> None:
    rows = {row.check: row for row in check_outcomes(statuses)}
    assert [row.outcome for row in check_outcomes(statuses)] == ["failed", "failed", "passed"]
    kept = rows["kept"]
    assert (kept.failed, kept.warned, kept.passed, kept.missing) == (1, 1, 0, 0)
    assert (kept.description, kept.chunks) == ("0 % kept", ("0001",))
    assert rows["few"].missing == 1, "chunk 0001 is finished and was not asked"


def test_suites_of_expectations_are_summed_up(statuses: list[ChunkStatus]) -> None:
    (one,) = suite_outcomes(statuses)
    assert (one.table, one.chunks, one.rows, one.asked, one.unmet, one.where) == ("raw", 2, 120, 20, 2, ("0001",))
    assert one.description == "2 of 10 fail"


def test_the_day_is_that_on_which_a_chunk_was_judged_last(statuses: list[ChunkStatus]) -> None:
    assert dict(days_of(statuses).iter_rows()) == {"0000": "2026-01-30", "0001": "2026-01-31"}
    assert (newest(statuses) or "").startswith("2026-0")


def test_a_run_leaves_the_figures_of_every_suite_in_the_receipts(sample: Path, sample_store: Path) -> None:
    from checks.expectations.asset_checks import EXPECTATION_CHECKS
    from coc_assets.status import store_status

    look = workspace_of(sample, sample_store)
    suites = {one.table: one for one in suite_outcomes(store_status(look))}
    names = {name for check in EXPECTATION_CHECKS for name in (spec.name for spec in check.check_specs)}
    assert {f"{table}_meet_expectations" for table in suites} == names - {"trajdata_scenes_meet_expectations"}
    clips = sum(look.store.read_table(schemas.CLIPS, chunk).height for chunk in look.store.chunks())
    assert suites["clips"].rows >= clips and suites["clips"].asked > 0 and suites["clips"].unmet == 0
