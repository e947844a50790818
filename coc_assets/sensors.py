"""Sensors: chunks that arrive in the dataset become partitions, and, where asked for, runs."""

from collections.abc import Iterable

import dagster as dg

from coc_assets.dataset_files import dataset_version
from coc_assets.jobs import label_chunk
from coc_assets.partitions import CHUNKS
from coc_assets.stage import StageError, Work, Workspace, standing
from coc_assets.stages import STAGES
from resources.dataset import DatasetError
from resources.settings import Settings, SettingsError

_BATCH = 100  # runs asked for in one tick; the queue takes them from there


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers chunks of the dataset as partitions.",
    asset_selection=dg.AssetSelection.assets("trajectory_cache"),
)
def register_chunks(
    context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
) -> dg.SensorResult | dg.SkipReason:
    try:
        on_disk, new = _chunks(context, workspace)
    except (DatasetError, StageError) as error:
        return dg.SkipReason(str(error))
    if not new:
        return dg.SkipReason(f"All {len(on_disk)} chunks of {workspace.settings.dataset} are registered.")
    return dg.SensorResult(dynamic_partitions_requests=[CHUNKS.build_add_request(new)])


@dg.sensor(
    job=label_chunk,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Requests a run for each chunk that is new, changed or unfinished; off until switched on.",
)
def label_new_chunks(
    context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
) -> dg.SensorResult | dg.SkipReason:
    try:
        on_disk, new = _chunks(context, workspace)
        due = _due(workspace, on_disk)
    except (DatasetError, SettingsError, StageError) as error:
        return dg.SkipReason(str(error))
    if not due:
        return dg.SkipReason(f"All {len(on_disk)} chunks of {workspace.settings.dataset} are labelled and fresh.")
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(partition_key=chunk, run_key=f"{chunk}:{dataset_version(workspace, chunk)[:16]}")
            for chunk in due[:_BATCH]
        ],
        dynamic_partitions_requests=[CHUNKS.build_add_request(new)] if new else [],
    )


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    return [register_chunks, label_new_chunks]


def _chunks(context: dg.SensorEvaluationContext, workspace: Workspace) -> tuple[list[str], list[str]]:
    """The dataset's chunks, and those of them that are no partitions yet."""
    on_disk = workspace.root.chunks()
    return on_disk, sorted(set(on_disk) - set(context.instance.get_dynamic_partitions("chunks")))


def _due(workspace: Workspace, chunks: Iterable[str]) -> list[str]:
    """Chunks of which any stage does not stand on the present inputs."""
    return [
        chunk
        for chunk in chunks
        if not all((now := standing(work)).receipt and now.is_fresh(work) for work in _works(workspace, chunk))
    ]


def _works(workspace: Workspace, chunk: str) -> list[Work]:
    return [Work(workspace, stage, chunk) for stage in STAGES]
