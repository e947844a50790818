"""Small histories of runs in a real instance: two partitions of one asset with one check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

CHUNKS = dg.DynamicPartitionsDefinition(name="chunks")


@dg.asset(partitions_def=CHUNKS, config_schema={"fails": dg.Field(bool, default_value=False)})
def labels(context) -> dg.MaterializeResult:
    if context.op_execution_context.op_config["fails"]:
        raise ValueError("as told")
    return dg.MaterializeResult(data_version=dg.DataVersion("1"))


@dg.asset_check(asset=labels, partitions_def=CHUNKS)
def labels_are_right() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


def run(
    instance: dg.DagsterInstance,
    chunk: str,
    *,
    check: bool = True,
    fails: bool = False,
    tags: Mapping[str, str] | None = None,
) -> str:
    """One finished run of one partition; its id."""
    selection: Any = dg.AssetSelection.assets(labels)
    if not check:
        selection = selection.without_checks()
    result = dg.materialize(
        [labels, labels_are_right],
        instance=instance,
        partition_key=chunk,
        selection=selection,
        run_config={"ops": {"labels": {"config": {"fails": fails}}}},
        tags=tags,
        raise_on_error=False,
    )
    return result.run_id


def what_the_ui_shows(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Partitions made, failed and observed, what made them last, and the last evaluations of their check."""
    storage = instance.event_log_storage
    graph = dg.Definitions(assets=[labels], asset_checks=[labels_are_right]).resolve_asset_graph()
    made, failed = _status(instance)
    latest = {
        kind: dict(storage.get_latest_storage_id_by_partition(labels.key, kind))
        for kind in (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    }
    (check_key,) = graph.asset_check_keys
    checked = storage.get_asset_check_partition_info([check_key])
    checks = sorted(
        (str(info.partition_key), str(info.latest_execution_status), info.latest_check_event_storage_id)
        for info in checked
    )
    (record,) = instance.get_asset_records([labels.key])
    last = record.asset_entry.last_materialization_record
    return {"made": made, "failed": failed, "latest": latest, "checks": checks, "last": last and last.storage_id}


def _status(instance: dg.DagsterInstance) -> tuple[set[str], set[str]]:
    """Partitions made and failed, computed anew, as a web server does that has cached nothing."""
    from dagster._core.definitions.partitions.context import partition_loading_context
    from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

    instance.event_log_storage.wipe_asset_cached_status(labels.key)
    with partition_loading_context(dynamic_partitions_store=instance):
        value = get_and_update_asset_status_cache_value(instance, labels.key, CHUNKS)
        made = value.deserialize_materialized_partition_subsets(CHUNKS).get_partition_keys()
        failed = value.deserialize_failed_partition_subsets(CHUNKS).get_partition_keys()
    return set(made), set(failed)
