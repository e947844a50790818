from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from coc_assets.collecting.runs import (
    delete_runs,
    delete_ticks,
    old_runs,
    old_ticks,
    orphans,
    size_of_runs,
)
from coc_assets.instances import unfinished_runs
from tests.coc_assets.collecting.histories import labels, run, what_the_ui_shows

LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("chunks", ["0000", "0001"])
        yield instance


def delete(instance: dg.DagsterInstance, runs: list[str]) -> None:
    delete_runs(instance, runs, lambda done, total: None)


def test_only_runs_on_which_nothing_rests_are_old(instance: dg.DagsterInstance) -> None:
    superseded = run(instance, "0000")
    checked_last = run(instance, "0001")
    run(instance, "0000")
    run(instance, "0001", check=False)
    assert old_runs(instance, datetime.now(UTC) - timedelta(days=1)) == []
    assert old_runs(instance, LATER) == [superseded]
    assert checked_last not in old_runs(instance, LATER)


def test_deleting_old_runs_changes_nothing_that_is_shown(instance: dg.DagsterInstance) -> None:
    for chunk in ("0000", "0001", "0000", "0000"):
        run(instance, chunk)
    run(instance, "0001", fails=True)
    shown = what_the_ui_shows(instance)
    assert (shown["made"], shown["failed"]) == ({"0000", "0001"}, {"0001"})
    old = old_runs(instance, LATER)
    assert len(old) == 2
    delete(instance, old)
    assert what_the_ui_shows(instance) == shown
    assert not {record.run_id for record in instance.get_runs()} & set(old)
    assert old_runs(instance, LATER) == []


def test_dagsters_own_deletion_would_make_a_partition_look_unmade(instance: dg.DagsterInstance) -> None:
    """Why runs are chosen: if Dagster kept what a deleted run made, any old run could go."""
    instance.delete_run(run(instance, "0000"))
    assert instance.get_materialized_partitions(labels.key) == set()


def test_nothing_of_a_deleted_run_is_left(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    old, _ = run(instance, "0000"), run(instance, "0000")
    size = size_of_runs(instance, [old])
    assert size > sum(path.stat().st_size for path in tmp_path.rglob(f"{old}.db*")) > 100_000
    delete(instance, [old])
    assert [path for path in tmp_path.rglob("*") if old in path.name] == []
    for path in tmp_path.rglob("*.db"):
        assert old.encode() not in _dump(path), path


def test_runs_that_were_retried_stay_while_their_retry_does(instance: dg.DagsterInstance) -> None:
    first = run(instance, "0000", fails=True)
    second = run(instance, "0000", fails=True, tags={"dagster/parent_run_id": first, "dagster/root_run_id": first})
    run(instance, "0000", tags={"dagster/parent_run_id": second, "dagster/root_run_id": first})
    assert old_runs(instance, LATER) == []
    run(instance, "0000")
    assert len(old_runs(instance, LATER)) == 3


def test_runs_of_a_backfill_at_work_stay(instance: dg.DagsterInstance) -> None:
    from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

    backfill = PartitionBackfill(
        "fill", BulkActionStatus.REQUESTED, from_failure=False, tags={}, backfill_timestamp=0.0
    )
    instance.add_backfill(backfill)
    counted = run(instance, "0000", tags={"dagster/backfill": "fill"})
    run(instance, "0000")
    assert old_runs(instance, LATER) == []
    instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    assert old_runs(instance, LATER) == [counted]


def test_runs_at_work_stay(instance: dg.DagsterInstance) -> None:
    run(instance, "0000")
    open_run = instance.create_run_for_job(
        dg.Definitions(assets=[labels]).resolve_implicit_global_asset_job_def(),
        status=dg.DagsterRunStatus.STARTED,
    )
    assert {run.run_id for run in unfinished_runs(instance)} == {open_run.run_id}
    assert open_run.run_id not in old_runs(instance, LATER)


def test_databases_that_dagsters_own_deletion_left_are_found(instance: dg.DagsterInstance) -> None:
    gone, _ = run(instance, "0000"), run(instance, "0000")
    instance.delete_run(gone)
    assert orphans(instance, LATER) == [gone]
    assert orphans(instance, datetime.now(UTC) - timedelta(days=1)) == []


def test_the_last_tick_of_each_sensor_stays(instance: dg.DagsterInstance) -> None:
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.scheduler.instigation import TickData, TickStatus

    long_ago = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    for sensor, second in (("a", 0), ("a", 1), ("b", 2)):
        instance.create_tick(
            TickData(sensor, sensor, InstigatorType.SENSOR, TickStatus.SKIPPED, long_ago + second, selector_id=sensor)
        )
    assert old_ticks(instance, datetime.now(UTC)) == 1
    assert delete_ticks(instance, datetime.now(UTC)) == 1
    assert [len(instance.get_ticks(sensor, sensor)) for sensor in ("a", "b")] == [1, 1]
    assert instance.get_ticks("a", "a")[0].timestamp == long_ago + 1


def _dump(path: Path) -> bytes:
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump()).encode()
    finally:
        connection.close()
