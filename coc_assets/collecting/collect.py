"""Removing what a store no longer needs: old runs and ticks of its Dagster instance, and files that nothing names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from coc_assets.collecting import databases, runs
from coc_assets.collecting.files import WRITING, Garbage, Kind, find_garbage, remove
from coc_assets.instances import chunks_under_way, unfinished_runs
from coc_assets.logs import log_event
from coc_assets.stage import StageError
from resources.settings import Settings
from resources.store import Store

if TYPE_CHECKING:
    import dagster as dg

_RUNNING = "a command is at work on the store; its files were left alone"
_RUNS_AT_WORK = "runs are at work; the databases were not made smaller"


@dataclass
class Collected:
    """What was removed, or would be.

    Attributes:
        runs: how many runs; orphans: event databases of runs that were gone already; ticks: of sensors and schedules.
        run_bytes: of the runs' and orphans' own databases. database_bytes: by which shared databases became smaller.
        files: what was removed of the store.
        left: what was not looked at or could not be removed, and why.
    """

    runs: int = 0
    orphans: int = 0
    ticks: int = 0
    run_bytes: int = 0
    database_bytes: int = 0
    files: Sequence[Garbage] = ()
    left: list[str] = field(default_factory=list)

    @property
    def by_kind(self) -> dict[Kind, tuple[int, int]]:
        """Files and folders by kind: how many, and their bytes."""
        counts = Counter(garbage.kind for garbage in self.files)
        return {
            kind: (count, sum(garbage.size for garbage in self.files if garbage.kind == kind))
            for kind, count in sorted(counts.items())
        }

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.run_bytes + self.database_bytes + sum(garbage.size for garbage in self.files)


def collect(
    settings: Settings,
    instance: dg.DagsterInstance,
    *,
    now: datetime,
    dry_run: bool = False,
    this_run: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Collected:
    """Removes runs and logs older than `operate.keep_runs_days`, and files of the store that nothing names.

    Args:
        now: the present; everything is as old as it is then.
        dry_run: find only.
        this_run: the Dagster run that collects, which is at work but in nobody's way.
        progress: called with runs deleted and runs to delete.
    """
    before = now - timedelta(days=settings.operate.keep_runs_days)
    collected = Collected()
    _collect_runs(instance, before, now - WRITING, collected, dry_run, progress)
    _collect_files(settings, instance, before, now - WRITING, collected, dry_run)
    if not dry_run:
        _compact(instance, this_run, collected)
        log_event("gc", runs=collected.runs, ticks=collected.ticks, files=len(collected.files), bytes=collected.size)
    return collected


def _collect_runs(
    instance: dg.DagsterInstance,
    before: datetime,
    settled: datetime,
    collected: Collected,
    dry_run: bool,
    progress: Callable[[int, int], None],
) -> None:
    going = runs.old_runs(instance, before)
    orphans = runs.orphans(instance, settled)
    collected.runs, collected.orphans = len(going), len(orphans)
    collected.run_bytes = runs.size_of_runs(instance, [*going, *orphans])
    collected.ticks = runs.old_ticks(instance, before)
    if not dry_run:
        runs.delete_runs(instance, going, progress)
        runs.delete_files(instance, orphans)
        runs.delete_ticks(instance, before)


def _collect_files(
    settings: Settings,
    instance: dg.DagsterInstance,
    before: datetime,
    settled: datetime,
    collected: Collected,
    dry_run: bool,
) -> None:
    """Holds the store's lock meanwhile, so that no `coc run` begins; runs that Dagster begins keep their chunks."""
    from coc_assets.running import only_run_on

    if not settings.store.is_dir():
        return
    with ExitStack() as held:
        try:
            held.enter_context(only_run_on(settings))
        except StageError:
            collected.left.append(_RUNNING)
            return
        at_work = chunks_under_way(instance)
        found = find_garbage(Store(settings.store), settled=settled, logs_before=before, at_work=at_work)
        collected.files = found if dry_run else [garbage for garbage in found if _removed(garbage, collected)]


def _removed(garbage: Garbage, collected: Collected) -> bool:
    try:
        remove(garbage)
    except OSError as error:
        collected.left.append(f"{garbage.path}: {error.strerror}")
    return not garbage.path.exists()


def _compact(instance: dg.DagsterInstance, this_run: str | None, collected: Collected) -> None:
    if {run.run_id for run in unfinished_runs(instance)} - {this_run}:
        collected.left.append(_RUNS_AT_WORK)
        return
    collected.database_bytes, left = databases.compact(instance)
    collected.left += left
