"""The Dagster asset `raw_coc`."""

import dagster as dg

from coc_assets.materialization import StageConfig, materialize_stage
from coc_assets.partitions import CHUNKS
from coc_assets.raw_coc.stage import STAGE
from coc_assets.stage import Workspace


@dg.asset(partitions_def=CHUNKS, deps=STAGE.upstream, group_name="coc", kinds={"polars"}, owners=["team:data"])
def raw_coc(
    context: dg.AssetExecutionContext, config: StageConfig, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """One Chain-of-Causation record a keyframe: what the car decides and what in the scene causes it."""
    return materialize_stage(context, STAGE, workspace, config)
