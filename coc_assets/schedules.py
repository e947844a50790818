"""Schedules: every night what is missing or stale is made; the dataset's files can be observed once a day."""

from __future__ import annotations

import dagster as dg

from coc_assets.arrivals.due import in_need
from coc_assets.arrivals.fetching import arrived
from coc_assets.arrivals.patience import half_a_minute
from coc_assets.arrivals.spending import may_start_by_itself
from coc_assets.collecting.job import collect_garbage_daily
from coc_assets.instances import chunks_under_way
from coc_assets.jobs import label_chunk
from coc_assets.logs import log_event
from coc_assets.partitions import register_chunks
from coc_assets.sensors import UNUSABLE
from coc_assets.stage import Workspace
from resources.settings import Settings

observe_dataset = dg.ScheduleDefinition(
    name="observe_dataset",
    cron_schedule="0 3 * * *",
    target=dg.AssetSelection.assets("dataset_files"),
    default_status=dg.DefaultScheduleStatus.STOPPED,
)


def make_missing_and_stale(settings: Settings) -> dg.ScheduleDefinition:
    """The nightly schedule; it is on where runs cost nothing, or a budget bounds what they may cost."""
    on = may_start_by_itself(settings)

    @dg.schedule(
        name="make_missing_and_stale",
        job=label_chunk,
        cron_schedule=settings.operate.nightly,
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
        description="Asks for a run of each chunk of which a stage is missing, stale or failed.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.SkipReason | list[dg.RunRequest]:
        when = context.scheduled_execution_time
        try:
            place, found = arrived(workspace)
            idle = sorted(found.keys() - chunks_under_way(context.instance))
            most = settings.arrivals.runs_a_tick
            need = in_need(workspace, found, _from(idle, when.toordinal() * most), most, half_a_minute())
        except UNUSABLE as error:
            return dg.SkipReason(str(error))
        register_chunks(context.instance, list(found))
        chunks = [*need.due, *need.failed]  # what failed may fail again: the rest goes first
        left = f" {need.left} are left for the next night." if need.left else ""
        if not chunks:
            return dg.SkipReason(f"All {len(idle) - need.left} chunks weighed at {place.shown} are fresh.{left}")
        context.log.info(f"{len(need.due)} chunks are due, {len(need.failed)} failed before.{left}")
        log_event("schedule", name="make_missing_and_stale", runs=len(chunks[:most]), left=need.left)
        return [dg.RunRequest(partition_key=chunk, run_key=f"{when:%Y-%m-%d}:{chunk}") for chunk in chunks[:most]]

    return schedule


def _from(chunks: list[str], start: int) -> list[str]:
    """The chunks from a place on, then those before it: where one night has no time for all, another begins there."""
    at = start % len(chunks) if chunks else 0
    return [*chunks[at:], *chunks[:at]]


def schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    return [make_missing_and_stale(settings), observe_dataset, collect_garbage_daily]
