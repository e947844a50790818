"""The Dagster asset `raw_coc`."""

import dagster as dg

from coc_assets.materialization import LabelConfig, materialize_stage
from coc_assets.partitions import CHUNKS
from coc_assets.raw_coc.stage import STAGE
from coc_assets.stage import Workspace


def raw_coc_asset(pool: str | None) -> dg.AssetsDefinition:
    """The asset; a model labeler's takes a slot of a pool, so that chunks at a time are bounded over all runs."""

    @dg.asset(
        name=STAGE.name,
        partitions_def=CHUNKS,
        deps=STAGE.upstream,
        group_name="coc",
        kinds={"polars"},
        owners=["team:data"],
        pool=pool,
    )
    def raw_coc(
        context: dg.AssetExecutionContext, config: LabelConfig, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        """One Chain-of-Causation record a keyframe: what the car decides and what in the scene causes it."""
        return materialize_stage(context, STAGE, workspace, config)

    return raw_coc
