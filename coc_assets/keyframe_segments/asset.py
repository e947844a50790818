"""The Dagster asset `keyframe_segments`."""

import dagster as dg

from coc_assets.chunk_asset import chunk_asset
from coc_assets.keyframe_segments.stage import STAGE
from coc_assets.materialization import StageConfig, materialize_stage
from coc_assets.stage import Workspace


@chunk_asset(STAGE, {"polars"})
def keyframe_segments(
    context: dg.AssetExecutionContext, config: StageConfig, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """The instants of each clip that are worth a label."""
    return materialize_stage(context, STAGE, workspace, config)
