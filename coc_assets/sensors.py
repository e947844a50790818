"""Sensors: chunks that arrive become partitions, and get a run each once their files have settled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import dagster as dg

from coc_assets.arrivals.fetching import arrived, known_chunks
from coc_assets.arrivals.look import look
from coc_assets.arrivals.memory import recall, remember
from coc_assets.arrivals.patience import half_a_minute
from coc_assets.arrivals.spending import may_start_by_itself
from coc_assets.automation import make_stale_partitions
from coc_assets.instances import chunks_under_way
from coc_assets.jobs import label_chunk
from coc_assets.logs import log_event
from coc_assets.partitions import CHUNKS
from coc_assets.pools import set_limits
from coc_assets.report.asset import keep_report_current
from coc_assets.some_of import some_of
from coc_assets.stage import StageError, Workspace
from resources.arriving import PlaceError
from resources.dataset import DatasetError
from resources.settings import Settings, SettingsError

Clock = Callable[[], float]
"""Seconds since 1970."""

UNUSABLE = (DatasetError, PlaceError, SettingsError, StageError)
"""What keeps a look from being taken; the message says the mend."""
_QUICKEST_S, _SLOWEST_S = 5, 30
"""Between looks: as long as files take to settle, within these."""


def register_chunks() -> dg.SensorDefinition:
    @dg.sensor(
        name="register_chunks",
        minimum_interval_seconds=_SLOWEST_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Registers chunks that arrive in the dataset, or at `arrivals.url`, as partitions.",
        asset_selection=dg.AssetSelection.assets("trajectory_cache"),
    )
    def sensor(
        context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.SensorResult | dg.SkipReason:
        set_limits(context.instance, workspace.settings)  # here, as daemons have no other place of ours
        try:
            chunks = known_chunks(workspace)
        except UNUSABLE as error:
            return dg.SkipReason(str(error))
        new = _unregistered(context, chunks)
        if not new:
            return dg.SkipReason(f"All {len(chunks)} chunks are registered.")
        return dg.SensorResult(dynamic_partitions_requests=[CHUNKS.build_add_request(new)])

    return sensor


def label_new_chunks(settings: Settings, clock: Clock = time.time) -> dg.SensorDefinition:
    """The sensor that asks for runs; it is on where they cost nothing, or a budget bounds what they may cost."""

    @dg.sensor(
        name="label_new_chunks",
        job=label_chunk,
        minimum_interval_seconds=round(min(max(settings.arrivals.settle_s, _QUICKEST_S), _SLOWEST_S)),
        default_status=_status(settings),
        description="Asks for a run of each chunk whose files are new or changed and have settled.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.SensorResult | dg.SkipReason:
        memory = recall(workspace.store, int(context.cursor or 0))
        try:
            place, found = arrived(workspace)
            seen = look(
                workspace, place, found, memory, clock(), lambda: chunks_under_way(context.instance), half_a_minute()
            )
        except UNUSABLE as error:
            return dg.SkipReason(str(error))
        if seen.memory is not memory:
            remember(workspace.store, seen.memory)
        message = seen.message + _gone(context, found)
        if seen.asked:
            context.log.info(message)
            log_event("sensor", name="label_new_chunks", runs=len(seen.asked), message=message)
        new = _unregistered(context, found)
        return dg.SensorResult(
            run_requests=[dg.RunRequest(partition_key=asked.chunk, run_key=asked.key) for asked in seen.asked],
            skip_reason=None if seen.asked else dg.SkipReason(message),
            cursor=str(seen.memory.generation),
            dynamic_partitions_requests=[CHUNKS.build_add_request(new)] if new else [],
        )

    return sensor


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    return [register_chunks(), label_new_chunks(settings), make_stale_partitions(), keep_report_current()]


def _status(settings: Settings) -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if may_start_by_itself(settings) else dg.DefaultSensorStatus.STOPPED


def _unregistered(context: dg.SensorEvaluationContext, chunks: Iterable[str]) -> list[str]:
    """Those that are no partitions yet, sorted."""
    return sorted(set(chunks) - set(context.instance.get_dynamic_partitions("chunks")))


def _gone(context: dg.SensorEvaluationContext, found: Iterable[str]) -> str:
    gone = sorted(set(context.instance.get_dynamic_partitions("chunks")) - set(found))
    return f" Egomotion gone, labels kept, no runs: {some_of(gone)}." if gone else ""
