"""Schedules: the dataset's files are observed once a day, so that the UI shows changed chunks as stale."""

from __future__ import annotations

import dagster as dg

from resources.settings import Settings

observe_dataset = dg.ScheduleDefinition(
    name="observe_dataset",
    cron_schedule="0 3 * * *",
    target=dg.AssetSelection.assets("dataset_files"),
    default_status=dg.DefaultScheduleStatus.STOPPED,
)


def schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    return [observe_dataset]
