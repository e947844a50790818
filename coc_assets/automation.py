"""Declarative automation: a partition that was made before is asked for when its receipt no longer matches.

The receipts decide, as they do for `coc run --stale`: a new labeler, prompt, policy or threshold makes exactly the
stages stale that are shaped by it or read what is, and those are made in one run a chunk.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

from coc_assets.arrivals.patience import half_a_minute
from coc_assets.arrivals.stale import Known, stale_stages
from coc_assets.instances import chunks_under_way
from coc_assets.previews import preview_features
from coc_assets.running import RequiredChecks
from coc_assets.stage import Workspace
from coc_assets.stages import STAGES_BY_NAME

if TYPE_CHECKING:
    from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView

_COMPANION = "stale_stages"
_INTERVAL_S = 60


class ReceiptIsStale(dg.AutomationCondition[dg.AssetKey]):
    """True for partitions that were made before and would come out differently, or be checked by other levels, now."""

    def __init__(self, workspace: Workspace, required: RequiredChecks) -> None:
        self._workspace = workspace
        self._required = required
        self._evaluation: weakref.ref[AssetGraphView] | None = None
        self._now: Mapping[str, tuple[str, ...]] = {}

    @property
    def description(self) -> str:
        return "made before, and its receipt matches the present settings, code and upstream partitions no more"

    def get_label(self) -> str:
        return "receipt is stale"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        stale = self._stale(context)
        stage = context.key.to_user_string()
        chunks = {chunk for chunk, stages in stale.items() if stage in stages}
        assert context.partitions_def is not None, "every stage is partitioned by chunk"
        subset = context.asset_graph_view.get_subset_from_partition_keys(context.key, context.partitions_def, chunks)
        return dg.AutomationResult(context, subset.compute_intersection(context.candidate_subset))

    def _stale(self, context: dg.AutomationContext[dg.AssetKey]) -> Mapping[str, tuple[str, ...]]:
        """By chunk the stages to ask for, found once for all assets of an evaluation."""
        view = context.asset_graph_view
        if self._evaluation is None or self._evaluation() is not view:
            known = self._workspace.companion(_COMPANION, Known)
            idle = set(view.instance.get_dynamic_partitions("chunks")) - chunks_under_way(view.instance)
            self._now = stale_stages(self._workspace, self._required, sorted(idle), known, half_a_minute())
            self._evaluation = weakref.ref(view)
        return self._now


def make_stale_partitions() -> dg.SensorDefinition:
    """The sensor that evaluates the condition; it is off until switched on."""
    with preview_features():
        return dg.AutomationConditionSensorDefinition(
            "make_stale_partitions",
            target=dg.AssetSelection.assets(*STAGES_BY_NAME),
            description="Asks for the stages of a chunk that a new labeler, prompt, policy or threshold made stale.",
            default_status=dg.DefaultSensorStatus.STOPPED,
            minimum_interval_seconds=_INTERVAL_S,
            emit_backfills=False,
            use_user_code_server=True,
        )


def with_condition(asset: dg.AssetsDefinition, condition: ReceiptIsStale) -> dg.AssetsDefinition:
    """The asset, asked for when the condition is true of a partition."""
    return asset.map_asset_specs(lambda spec: spec.replace_attributes(automation_condition=condition))
