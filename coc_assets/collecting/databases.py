"""Giving back to the disk what deleted rows left free in SQLite files; Postgres does so by itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

_WORTH_IT = 0.25  # share of a file that is free; below it, rewriting the whole file costs more than it gives
_WAIT_S = 5.0  # for a writer; then the file is left for the next time


def compact(instance: dg.DagsterInstance) -> tuple[int, list[str]]:
    """Rewrites the instance's SQLite files that are largely empty. No run may be at work: its events would wait.

    Returns:
        Bytes that it freed, and files that it could not rewrite, with why.
    """
    freed, left = 0, []
    for path in sqlite_files(instance):
        before = path.stat().st_size
        try:
            _compact_one(path)
        except sqlite3.OperationalError as error:  # in use just now, or no room for the copy
            left.append(f"{path}: {error}")
        freed += before - path.stat().st_size
    return freed, left


def sqlite_files(instance: dg.DagsterInstance) -> list[Path]:
    """The files that all runs share: index of events, runs, ticks; none where another database holds them."""
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage

    events: Any = instance.event_log_storage
    sharded = isinstance(events, SqliteEventLogStorage)
    places: list[str | None] = [events.path_for_shard(INDEX_SHARD_NAME)] if sharded else []
    places += [_place(storage) for storage in (instance.run_storage, instance.schedule_storage)]
    return [Path(place) for place in places if place and Path(place).is_file()]


def _place(storage: Any) -> str | None:
    from dagster._core.storage.runs.sqlite import SqliteRunStorage
    from dagster._core.storage.schedules.sqlite import SqliteScheduleStorage
    from sqlalchemy.engine import make_url

    held = isinstance(storage, SqliteRunStorage | SqliteScheduleStorage)
    return make_url(storage._conn_string).database if held else None


def _compact_one(path: Path) -> None:
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
    try:
        (pages,), (free,) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count")
        )
        if free > _WORTH_IT * pages:
            connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
