"""The Dagster asset of a stage that may ask a model."""

import dagster as dg

from coc_assets.materialization import LabelConfig, materialize_stage
from coc_assets.partitions import CHUNKS
from coc_assets.stage import Stage, Workspace


def pooled_asset(stage: Stage, about: str, pool: str | None) -> dg.AssetsDefinition:
    """The asset; where it asks a model it takes a slot of a pool, so that chunks at a time are bounded over all runs.

    Args:
        about: what it holds, as the UI shows it.
        pool: the pool; None where no model is asked.
    """

    @dg.asset(
        name=stage.name,
        description=about,
        partitions_def=CHUNKS,
        deps=stage.upstream,
        group_name="coc",
        kinds={"polars", "model"} if pool else {"polars"},
        owners=["team:data"],
        pool=pool,
    )
    def asset(
        context: dg.AssetExecutionContext, config: LabelConfig, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        return materialize_stage(context, stage, workspace, config)

    return asset
