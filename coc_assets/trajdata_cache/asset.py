"""The Dagster asset `trajdata_cache`."""

import dagster as dg

from coc_assets.chunk_asset import chunk_asset
from coc_assets.materialization import StageConfig, materialize_stage
from coc_assets.stage import Workspace
from coc_assets.trajdata_cache.stage import STAGE


@chunk_asset(STAGE, {"trajdata"}, group="optional")
def trajdata_cache(
    context: dg.AssetExecutionContext, config: StageConfig, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """The same clips as a trajdata cache, for teams that train from it."""
    return materialize_stage(context, STAGE, workspace, config)
