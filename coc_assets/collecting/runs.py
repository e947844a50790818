"""Old runs of a store's Dagster instance: which may go, and how they go without a partition looking unmade.

Dagster's own `delete_run` takes a run's materialisations, observations and planned attempts with it, so that partitions
it made last would look never made; it leaves the run's check evaluations, and, on SQLite, the run's database file. Here
a run stays while anything that the UI shows of the present rests on it, and what goes goes whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

_BATCH = 200  # runs in one transaction: few enough that a writer beside it never waits long
_TICKS = 10_000
_SHARD_SUFFIXES = (".db", ".db-wal", ".db-shm")


def old_runs(instance: dg.DagsterInstance, before: datetime) -> list[str]:
    """Ids of finished runs last touched before an instant on which nothing present rests, oldest first.

    A run stays while it holds the latest materialisation, observation or attempt of a partition, or the latest
    evaluation of a check on it; while its backfill is at work; and while a run that stays was retried from it.
    """
    from dagster._core.storage.dagster_run import FINISHED_STATUSES

    statuses = [status.value for status in FINISHED_STATUSES]
    finished = _finished_before(instance, statuses, before)
    kept = _holding_latest(instance) | _of_open_backfills(instance)
    going = set(finished) - kept
    going -= _ancestors_of_kept(instance, going)
    return [run for run in finished if run in going]


def delete_runs(instance: dg.DagsterInstance, runs: Sequence[str], progress: Callable[[int, int], None]) -> None:
    """Deletes runs and all that is known of them, in batches; a killed deletion is finished by the next.

    Args:
        progress: called with runs deleted and runs to delete.
    """
    done = 0
    for batch in _batches(runs, _BATCH):
        _delete_events(instance, batch)
        delete_files(instance, batch)
        _delete_rows(instance, batch)  # last, so that what is half deleted is found again
        done += len(batch)
        progress(done, len(runs))


def delete_files(instance: dg.DagsterInstance, runs: Iterable[str]) -> None:
    """Removes the runs' own event databases, and what their steps printed or stored in the instance's folder."""
    for run_id in filter(None, runs):  # events of no run lie in files of the empty id
        for path in _shard_files(instance, run_id):
            path.unlink(missing_ok=True)
        shutil.rmtree(_folder(instance, run_id), ignore_errors=True)


def size_of_runs(instance: dg.DagsterInstance, runs: Iterable[str]) -> int:
    """Bytes of the files that deleting the runs would free; rows of databases that all runs share are not counted."""
    return sum(
        path.stat().st_size
        for run_id in runs
        for path in (*_shard_files(instance, run_id), *_folder(instance, run_id).rglob("*"))
        if path.is_file()
    )


def orphans(instance: dg.DagsterInstance, before: datetime) -> list[str]:
    """Runs that are gone but whose event databases, last written before an instant, still lie there.

    Dagster's own deletion of a run leaves them, emptied.
    """
    import sqlalchemy as db
    from dagster._core.storage.runs.schema import RunsTable as runs

    storage: Any = instance.event_log_storage
    if not storage.is_run_sharded or not hasattr(storage, "path_for_shard"):
        return []
    orphaned = set(storage.get_all_run_ids()) - set(_column(instance.run_storage, db.select(runs.c.run_id)))
    written = {run_id: os.stat(storage.path_for_shard(run_id)).st_mtime for run_id in orphaned}
    return sorted(run_id for run_id, instant in written.items() if instant < before.timestamp())


def old_ticks(instance: dg.DagsterInstance, before: datetime) -> int:
    """Ticks of sensors and schedules before an instant, but for the last of each, by which its daemon goes on."""
    import sqlalchemy as db

    ticks, goes = _ticks_that_go(before)
    with instance.schedule_storage.connect() as connection:  # type: ignore[union-attr]
        return int(connection.execute(db.select(db.func.count()).select_from(ticks).where(goes)).scalar_one())


def delete_ticks(instance: dg.DagsterInstance, before: datetime) -> int:
    """Deletes those of `old_ticks`, and evaluations of declarative conditions as old. Returns the number of ticks."""
    import sqlalchemy as db

    ticks, goes = _ticks_that_go(before)
    deleted = 0
    while True:
        some = db.select(ticks.c.id).where(goes).limit(_TICKS)
        with instance.schedule_storage.connect() as connection:  # type: ignore[union-attr]
            gone = connection.execute(db.delete(ticks).where(ticks.c.id.in_(some))).rowcount
        deleted += gone
        if gone < _TICKS:
            break
    instance.schedule_storage.purge_asset_evaluations(before.timestamp())  # type: ignore[union-attr]
    return deleted


# ---- which runs stay -------------------------------------------------------------------------------------------------


def _finished_before(instance: dg.DagsterInstance, statuses: Sequence[str], before: datetime) -> list[str]:
    import sqlalchemy as db
    from dagster._core.storage.runs.schema import RunsTable as runs

    old = runs.c.status.in_(statuses) & (runs.c.update_timestamp < _as_stored(before))
    return _column(instance.run_storage, db.select(runs.c.run_id).where(old).order_by(runs.c.id))


def _holding_latest(instance: dg.DagsterInstance) -> set[str]:
    """Runs of the newest event of each kind that the UI derives a partition's state from, by asset and partition."""
    import dagster as dg
    import sqlalchemy as db
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as checks
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as events

    shown = (
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_OBSERVATION,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,  # of a failed run: the partition's failure
    )
    newest_events = (
        db.select(db.func.max(events.c.id))
        .where(events.c.dagster_event_type.in_([kind.value for kind in shown]), events.c.asset_key.is_not(None))
        .group_by(events.c.asset_key, events.c.dagster_event_type, events.c.partition)
    )
    newest_checks = db.select(db.func.max(checks.c.id)).group_by(
        checks.c.asset_key, checks.c.check_name, checks.c.partition
    )
    storage = instance.event_log_storage
    return {
        *_column(storage, db.select(events.c.run_id).where(events.c.id.in_(newest_events)).distinct()),
        *_column(storage, db.select(checks.c.run_id).where(checks.c.id.in_(newest_checks)).distinct()),
    }


def _of_open_backfills(instance: dg.DagsterInstance) -> set[str]:
    """Runs of backfills that are at work: these count their runs to know what is left."""
    import sqlalchemy as db
    from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionsFilter, BulkActionStatus
    from dagster._core.storage.runs.schema import RunTagsTable as tags
    from dagster._core.storage.tags import BACKFILL_ID_TAG

    open_ones = [status for status in BulkActionStatus if status not in BULK_ACTION_TERMINAL_STATUSES]
    backfills = [found.backfill_id for found in instance.get_backfills(BulkActionsFilter(statuses=open_ones))]
    theirs = (tags.c.key == BACKFILL_ID_TAG) & tags.c.value.in_(backfills)
    return set(_column(instance.run_storage, db.select(tags.c.run_id).where(theirs))) if backfills else set()


def _ancestors_of_kept(instance: dg.DagsterInstance, going: set[str]) -> set[str]:
    """Of the runs that would go, those that a run that stays was retried from, at any remove.

    The UI cannot show a retried run whose first run is gone.
    """
    import sqlalchemy as db
    from dagster._core.storage.runs.schema import RunTagsTable as tags
    from dagster._core.storage.tags import PARENT_RUN_ID_TAG, ROOT_RUN_ID_TAG

    retried = db.select(tags.c.run_id, tags.c.value).where(tags.c.key.in_([ROOT_RUN_ID_TAG, PARENT_RUN_ID_TAG]))
    storage: Any = instance.run_storage
    with storage.connect() as connection:
        pairs = connection.execute(retried).fetchall()
    stay: set[str] = set()
    while found := {before for run, before in pairs if before in going - stay and run not in going - stay}:
        stay |= found
    return stay


def _column(storage: Any, query: Any) -> list[str]:
    """The first column of what a query finds in a run storage or an event log storage."""
    connect = storage.index_connection if hasattr(storage, "index_connection") else storage.connect
    with connect() as connection:
        return [row[0] for row in connection.execute(query).fetchall() if row[0]]


def _ticks_that_go(before: datetime) -> tuple[Any, Any]:
    """The table of ticks, and the condition on it."""
    import sqlalchemy as db
    from dagster._core.storage.schedules.schema import JobTickTable as ticks

    last = db.select(db.func.max(ticks.c.id)).group_by(ticks.c.job_origin_id, ticks.c.selector_id)
    return ticks, (ticks.c.timestamp < _as_stored(before)) & ticks.c.id.not_in(last)


def _as_stored(instant: datetime) -> datetime:
    """Dagster's timestamp columns hold UTC without saying so."""
    return instant.astimezone(UTC).replace(tzinfo=None)


# ---- deleting --------------------------------------------------------------------------------------------------------


def _delete_events(instance: dg.DagsterInstance, runs: Sequence[str]) -> None:
    import sqlalchemy as db
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as checks
    from dagster._core.storage.event_log.schema import AssetEventTagsTable as event_tags
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as events

    storage: Any = instance.event_log_storage
    theirs = db.select(events.c.id).where(events.c.run_id.in_(runs))
    with storage.index_connection() as connection:
        connection.execute(db.delete(event_tags).where(event_tags.c.event_id.in_(theirs)))
        connection.execute(db.delete(events).where(events.c.run_id.in_(runs)))
        connection.execute(db.delete(checks).where(checks.c.run_id.in_(runs)))
    for run_id in storage.get_concurrency_run_ids() & set(runs):
        storage.free_concurrency_slots_for_run(run_id)  # else a slot of a run that is gone stays taken


def _delete_rows(instance: dg.DagsterInstance, runs: Sequence[str]) -> None:
    import sqlalchemy as db
    from dagster._core.storage.runs.schema import RunsTable, RunTagsTable

    storage: Any = instance.run_storage
    with storage.connect() as connection:
        for table in (RunTagsTable, RunsTable):
            connection.execute(db.delete(table).where(table.c.run_id.in_(runs)))


def _shard_files(instance: dg.DagsterInstance, run_id: str) -> Iterator[Path]:
    """Files of the run's own event database; SQLite keeps one a run, other storages none."""
    storage: Any = instance.event_log_storage
    if storage.is_run_sharded:
        whole = Path(storage.path_for_shard(run_id))
        yield from (path for suffix in _SHARD_SUFFIXES if (path := whole.with_suffix(suffix)).is_file())


def _folder(instance: dg.DagsterInstance, run_id: str) -> Path:
    return Path(instance.storage_directory()) / run_id


def _batches(items: Sequence[str], size: int) -> Iterator[list[str]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
