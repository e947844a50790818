"""The Dagster asset `trajectory_cache`."""

import dagster as dg

from coc_assets.chunk_asset import chunk_asset
from coc_assets.materialization import StageConfig, materialize_stage
from coc_assets.stage import Workspace
from coc_assets.trajectory_cache.stage import STAGE


@chunk_asset(STAGE, {"polars"})
def trajectory_cache(
    context: dg.AssetExecutionContext, config: StageConfig, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """Every usable clip's ego states at 10 Hz and its obstacle tracks, cleaned and on one clock."""
    return materialize_stage(context, STAGE, workspace, config)
