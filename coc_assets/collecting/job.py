"""The job that collects garbage, and when it runs by itself."""

from datetime import UTC, datetime

import dagster as dg

from coc_assets.collecting.collect import collect
from coc_assets.stage import Workspace


@dg.op(description="Removes old runs, and files of the store that nothing names; what `coc gc` does.")
def collect_store_garbage(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
    found = collect(workspace.settings, context.instance, now=datetime.now(UTC), this_run=context.run_id)
    context.add_output_metadata(
        {
            "runs": found.runs,
            "ticks": found.ticks,
            "bytes": found.size,
            **{kind: count for kind, (count, _) in found.by_kind.items()},
            "left": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in found.left) or "nothing"),
        }
    )


@dg.job(description="Old runs, leftovers of killed commands and superseded files of the store go.")
def collect_garbage() -> None:
    collect_store_garbage()


collect_garbage_daily = dg.ScheduleDefinition(
    name="collect_garbage_daily",
    cron_schedule="30 4 * * *",  # after the nightly run has asked for its chunks
    job=collect_garbage,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
